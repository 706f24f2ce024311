#pragma once
#include <algorithm>
#include <string_view>
#include <vector>

#include "model/secret_text.h"

namespace sluice::data {

// Who may come, by name: views of the lines of a BasicAuth.
struct Users {
  struct User {
    std::string_view name, hash;
  };
  explicit Users(const model::SecretText& lines) {
    std::string_view rest = lines.text;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(line.size() + 1);
      const auto colon = line.find(':');
      all.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
    std::ranges::stable_sort(all, {}, &User::name);
  }
  const User* find(std::string_view name) const noexcept {
    const auto at = std::ranges::lower_bound(all, name, {}, &User::name);
    return at != all.end() && at->name == name ? &*at : nullptr;
  }
  std::vector<User> all;
};

}  // namespace sluice::data
