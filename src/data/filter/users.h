#pragma once
#include <algorithm>
#include <string_view>
#include <vector>

#include "model/settings/basic_auth.h"
#include "model/shared.h"

namespace sluice::data {

// Who may come, by name. Holds the text that the views are of.
struct Users {
  struct User {
    std::string_view name, hash;
  };
  explicit Users(const model::Shared<model::BasicAuth>& auth) : held(auth) {
    std::string_view rest = held->users.text;
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
  const model::Shared<model::BasicAuth> held;
  std::vector<User> all;
};

}  // namespace sluice::data
