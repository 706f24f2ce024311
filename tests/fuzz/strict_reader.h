#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

// A second reader of HTTP/1.1 heads, written from RFC 9112 alone and slow on purpose: it shares no code with the
// parsers that it judges. What they accept, it must accept too.
namespace sluice::fuzz {

struct StrictHead {
  std::string first_line;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case, values trimmed

  std::size_t count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& f : fields) n += f.first == name;
    return n;
  }
  std::string_view value(std::string_view name) const {
    for (const auto& f : fields)
      if (f.first == name) return f.second;
    return {};
  }
};

inline bool strict_token(std::string_view s) {
  for (char c : s)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
          std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos))
      return false;
  return !s.empty();
}

inline std::optional<StrictHead> read_strictly(std::string_view head) {
  StrictHead out;
  bool first = true;
  for (;;) {
    const auto end = head.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = head.substr(0, end);
    head.remove_prefix(end + 2);
    for (char c : line)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
    if (first) {
      out.first_line = line;
      first = false;
      continue;
    }
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !strict_token(line.substr(0, colon))) return std::nullopt;
    out.fields.emplace_back(lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  if (!head.empty()) return std::nullopt;
  return out;
}

inline bool strict_number(std::string_view s) {
  for (char c : s)
    if (c < '0' || c > '9') return false;
  return !s.empty();
}

}  // namespace sluice::fuzz
