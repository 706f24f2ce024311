#pragma once
#include <cstring>
#include <string>
#include <string_view>

// How heads are written: into a buffer that keeps its capacity from one exchange to the next.
namespace sluice::net::h1 {

// "name: value\r\n" behind what `out` has. One check of the capacity for the whole line.
inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  const std::size_t before = out.size(), after = before + name.size() + value.size() + 4;
  const auto put = [&](char* data, std::size_t) noexcept {
    char* to = data + before;
    std::memcpy(to, name.data(), name.size());
    to += name.size();
    std::memcpy(to, ": ", 2);
    if (!value.empty()) std::memcpy(to + 2, value.data(), value.size());
    std::memcpy(to + 2 + value.size(), "\r\n", 2);
    return after;
  };
  if (after <= out.capacity())
    out.resize_and_overwrite(after, put);
  else
    out.append(name).append(": ").append(value).append("\r\n");  // grows as append does, by doubling
}

}  // namespace sluice::net::h1
