#pragma once
#include <map>
#include <string>
#include <vector>

#include "model/report.h"

namespace sluice::control::cluster {

inline constexpr std::size_t kVerdictProblems = 5, kVerdictText = 300;  // problems it names; bytes of each

// What the annotation says, made of the Report. One thread.
class Verdicts {
 public:
  // The errors and warnings of the Report as it is now. Returns whose problems differ from before.
  std::vector<std::string> report(const std::vector<model::Entry>& entries);
  // The JSON for an Ingress: {"verdict":"refused","problems":[{"reason":…,"field":…,"text":…}],"more":3}, or "served
  // with problems", or {"verdict":"served"}; empty when it is not ours to judge. The same words in each replica.
  std::string of(const std::string& name, bool served) const;

 private:
  std::map<std::string, std::string> problems_;  // "ns/name" → the members after the verdict
};

}  // namespace sluice::control::cluster
