#pragma once
#include <cstdint>
#include <string_view>

namespace sluice::model {

// How much of a request's body is here before a pod gets any of it (proxy-request-buffering).
enum class RequestBuffering : std::uint8_t {
  some,  // nothing is written: chunked ones up to 1 MiB, so that they have a length
  all,   // on: whatever its length; what is long lies on the disk meanwhile
  none,  // off
};
constexpr std::string_view to_string(RequestBuffering how) noexcept {
  switch (how) {
    case RequestBuffering::some:
      return "";
    case RequestBuffering::all:
      return "on";
    case RequestBuffering::none:
      return "off";
  }
  return "";
}

}  // namespace sluice::model
