#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/fcgi/record.h"

// Records as pods write them, and what they read of ours.
namespace sluice::net::fcgi::testing {

inline std::string record(Type type, std::string_view content, std::size_t padding = 0) {
  Header head = header(type, content.size());
  head[6] = static_cast<char>(padding);
  return std::string(head.data(), head.size()).append(content).append(padding, 'p');
}
inline std::string out(std::string_view content) {
  return record(Type::out, content);
}
inline std::string end(char protocol = 0, std::uint8_t app_status = 0) {
  return record(Type::end_request, std::string{0, 0, 0, static_cast<char>(app_status), protocol, 0, 0, 0});
}

// What a pod makes of a request: it knows nothing but the specification.
struct Heard {
  bool begun = false, keeps = false, params_ended = false, in_ended = false;
  std::vector<std::pair<std::string, std::string>> params;
  std::vector<std::size_t> sizes;  // of the records of parameters
  std::string in;
  std::string wrong;
  const std::string* find(std::string_view name) const {
    for (const auto& [n, value] : params)
      if (n == name) return &value;
    return nullptr;
  }
};

inline Heard hear(std::string_view bytes) {
  Heard heard;
  std::string params;
  const auto byte = [](std::string_view s, std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(s[i]));
  };
  while (!bytes.empty()) {
    if (bytes.size() < kHeader) return heard.wrong = "half a header", heard;
    const std::size_t size = byte(bytes, 4) << 8 | byte(bytes, 5), padding = byte(bytes, 6);
    if (bytes[0] != 1 || bytes[2] != 0 || bytes[3] != 1 || bytes[7] != 0) return heard.wrong = "a bad header", heard;
    if (bytes.size() < kHeader + size + padding) return heard.wrong = "half a record", heard;
    const auto content = bytes.substr(kHeader, size);
    switch (static_cast<Type>(bytes[1])) {
      case Type::begin_request:
        if (heard.begun || size != 8 || content[0] != 0 || content[1] != 1) return heard.wrong = "a bad begin", heard;
        heard.begun = true;
        heard.keeps = content[2] == 1;
        break;
      case Type::params:
        if (!heard.begun || heard.params_ended) return heard.wrong = "parameters out of place", heard;
        heard.params_ended = size == 0;
        heard.sizes.push_back(size);
        params += content;
        break;
      case Type::in:
        if (!heard.params_ended || heard.in_ended) return heard.wrong = "a body out of place", heard;
        heard.in_ended = size == 0;
        heard.in += content;
        break;
      default:
        return heard.wrong = "a type that no server sends", heard;
    }
    bytes.remove_prefix(kHeader + size + padding);
  }
  std::string_view rest = params;
  const auto length = [&]() -> std::size_t {
    if (rest.empty()) return 0;
    const std::size_t wide = byte(rest, 0) >> 7 != 0 ? 4 : 1;
    if (rest.size() < wide) return rest.size();
    std::size_t n = byte(rest, 0) & 0x7fU;
    for (std::size_t i = 1; i < wide; ++i) n = n << 8 | byte(rest, i);
    rest.remove_prefix(wide);
    return n;
  };
  while (!rest.empty()) {
    const auto name = length(), value = length();
    if (name + value > rest.size()) return heard.wrong = "half a parameter", heard;
    heard.params.emplace_back(rest.substr(0, name), rest.substr(name, value));
    rest.remove_prefix(name + value);
  }
  return heard;
}

}  // namespace sluice::net::fcgi::testing
