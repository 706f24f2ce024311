#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "base/strings.h"
#include "net/http/message.h"

// nginx's reading of the fields that a client sent.
namespace sluice::data {

// A field that its name alone keeps from pods: X_User is not to be taken for X-User.
inline bool is_ignored(const net::http::Field& field) noexcept {
  return field.drop && !std::ranges::all_of(field.name, [](char c) {
           return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

// The cookie of that name, whatever the case of its letters: the first one, up to the next semicolon. Nothing: there is
// none.
inline std::optional<std::string_view> cookie(std::span<const net::http::Field> fields, std::string_view of) noexcept {
  for (const auto& field : fields) {
    if (field.id != net::http::Name::cookie) continue;
    auto rest = field.value;
    while (!rest.empty()) {
      const auto equals = rest.find_first_not_of(' ', std::min(of.size(), rest.size()));
      if (equals != std::string_view::npos && rest[equals] == '=' && iequals(rest.substr(0, of.size()), of)) {
        rest.remove_prefix(equals + 1);
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        return rest.substr(0, rest.find(';'));
      }
      rest.remove_prefix(std::min(rest.find_first_of(";,"), rest.size()));
      rest.remove_prefix(std::min(rest.find_first_not_of(" ;,"), rest.size()));
    }
  }
  return std::nullopt;
}

}  // namespace sluice::data
