#pragma once
#include <string>
#include <string_view>

#include "base/variables.h"

namespace sluice::model {

// What clients are to read instead of what pods say of their own place, as nginx's proxy_redirect, proxy_cookie_domain
// and proxy_cookie_path have it. As it is written: control/kube/replacement.h has the grammar.
struct Replacement {
  std::string from = "off";  // a text, or a regular expression behind "~", or behind "~*" whatever the case
  Template to = "off";       // $1 to $9 are groups of the expression
  bool operator==(const Replacement&) const = default;
  bool is_pattern() const noexcept { return from.starts_with('~'); }
  // Both are written. "default" names the upstream, which no pod knows the name of.
  bool used() const noexcept { return from != "off" && from != "default" && to.text() != "off"; }
};

// What stands behind the marks of a regular expression, as Regex reads it.
inline std::string regex_text(std::string_view pattern) {
  return pattern.starts_with("~*") ? std::string(pattern.substr(2)) : "(?-i)" + std::string(pattern.substr(1));
}

}  // namespace sluice::model
