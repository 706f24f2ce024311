#pragma once
#include "base/text_map.h"
#include "model/options.h"

namespace sluice::model {

// A rule whose expression cannot be compiled any more, which it could when it was read, is left out.
inline TextMap text_map(const std::vector<TextRule>& rules) {
  TextMap out;
  for (const auto& rule : rules) {
    if (rule.kind == TextRule::Kind::whole)
      out.add(rule.text);
    else if (auto regex = Regex::make(regex_text(rule)))
      out.add(std::move(*regex));
  }
  return out;
}

}  // namespace sluice::model
