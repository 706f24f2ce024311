#pragma once
#include <cstring>
#include <string>
#include <string_view>

// How heads are written: into a buffer that keeps its capacity from one exchange to the next.
namespace sluice::net::h1 {

// "name: value\r\n" behind what `out` has. One check of the capacity for the whole line.
inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  const std::size_t before = out.size(), after = before + name.size() + value.size() + 4;
  out.resize_and_overwrite(after, [&](char* data, std::size_t) noexcept {
    char* to = data + before;
    std::memcpy(to, name.data(), name.size());
    to += name.size();
    std::memcpy(to, ": ", 2);
    if (!value.empty()) std::memcpy(to + 2, value.data(), value.size());
    std::memcpy(to + 2 + value.size(), "\r\n", 2);
    return after;
  });
}

}  // namespace sluice::net::h1
