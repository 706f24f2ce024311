#pragma once
#include <string_view>

#include "control/kube/grammar.h"

namespace sluice::control {

// A media type without parameters, as lists of what is compressed have it: nginx compares them with what a response
// says, so one with a parameter (`text/css; charset=utf-8`) would never be found.
inline bool is_media_type(std::string_view word) {
  const auto slash = word.find('/');
  return slash != std::string_view::npos && is_token(word.substr(0, slash)) && is_token(word.substr(slash + 1));
}

}  // namespace sluice::control
