# The presets quick, asan and tsan compile eight files as one (docs/building.md). These have names of their own that another file beside
# them has too; -Wunused-function and the compiler find further ones.
set(alone control/kube/ingress/closing.cpp control/source/cluster/status_writer.cpp control/source/fields.cpp control/source/yaml.cpp
          model/own_listeners.cpp net/h1/request.cpp net/h1/response.cpp net/http/path.cpp
          app/explain.cpp echo/websocket.cpp)
list(TRANSFORM alone PREPEND ${CMAKE_SOURCE_DIR}/src/)

# What nearly every file includes.
set(SLUICE_PRECOMPILED <string> <string_view> <vector> <memory> <unordered_map> <functional> <expected> <algorithm> <chrono> <optional>)

# sluice_module(NAME DEPS …): a static library of every .cpp under src/NAME.
function(sluice_module name)
  cmake_parse_arguments(M "" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  if(sources)
    add_library(sluice_${name} STATIC ${sources})
    set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    target_link_libraries(sluice_${name} PUBLIC sluice_flags ${M_DEPS})
    target_include_directories(sluice_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
    target_precompile_headers(sluice_${name} PRIVATE ${SLUICE_PRECOMPILED})
  else()
    add_library(sluice_${name} INTERFACE)
    target_link_libraries(sluice_${name} INTERFACE sluice_flags ${M_DEPS})
    target_include_directories(sluice_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  endif()
endfunction()

# The debug information of a release goes beside the binary, into a file that debuggers, perf and addr2line find by the
# link in it: what is shipped and mapped is a fifth of it, and a crash can still be read line by line.
function(sluice_split_debug target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  set(file $<TARGET_FILE:${target}>)
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} --only-keep-debug --compress-debug-sections ${file} ${file}.debug
    COMMAND ${CMAKE_OBJCOPY} --strip-debug --add-gnu-debuglink=${file}.debug ${file}
    VERBATIM)
endfunction()
