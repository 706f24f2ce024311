#pragma once
#include "base/text_map.h"
#include "model/options.h"

namespace sluice::model {

// A rule whose expression cannot be compiled any more, which it could when it was read, is left out.
inline TextMap text_map(const std::vector<TextRule>& rules) {
  std::vector<std::string> texts;
  std::vector<std::shared_ptr<const Regex>> patterns;
  for (const auto& rule : rules) {
    if (rule.kind == TextRule::Kind::whole)
      texts.push_back(rule.text);
    else if (auto regex = Regex::make(regex_text(rule)))
      patterns.push_back(std::move(*regex));
  }
  return {std::move(texts), std::move(patterns)};
}

}  // namespace sluice::model
