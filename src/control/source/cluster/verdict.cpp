#include "control/source/cluster/verdict.h"

#include <boost/json.hpp>

#include "base/printable.h"

namespace sluice::control::cluster {

namespace json = boost::json;

namespace {

std::string shortened(const std::string& text) {
  const std::string safe = printable(text);
  return safe.size() <= kVerdictText ? safe : std::string(cut(safe, kVerdictText)) + "…";
}

json::object told(const model::Problem& p) {
  std::string text = p.consequence;
  if (!p.expected.empty()) text = "expected " + p.expected + "; " + text;
  return {{"reason", p.reason}, {"field", shortened(p.field)}, {"text", shortened(text)}};
}

}  // namespace

std::vector<std::string> Verdicts::report(const std::vector<model::Entry>& entries) {
  std::map<std::string, json::array> found;
  std::map<std::string, std::size_t> more;
  for (const auto& e : entries) {
    if (e.object.kind.view() != "Ingress") continue;
    const std::string name = e.object.ns.str() + "/" + e.object.name.str();
    auto& list = found[name];
    if (list.size() < kVerdictProblems)
      list.push_back(told(e.problem));
    else
      ++more[name];
  }
  std::map<std::string, std::string> now;
  for (auto& [name, list] : found) {
    std::string text = "\"problems\":" + json::serialize(list);
    if (const auto it = more.find(name); it != more.end()) text += ",\"more\":" + std::to_string(it->second);
    now.emplace(name, std::move(text));
  }
  std::vector<std::string> changed;
  for (const auto& [name, text] : now)
    if (const auto it = problems_.find(name); it == problems_.end() || it->second != text) changed.push_back(name);
  for (const auto& [name, text] : problems_)
    if (!now.contains(name)) changed.push_back(name);
  problems_ = std::move(now);
  return changed;
}

std::string Verdicts::of(const std::string& name, bool served) const {
  const auto it = problems_.find(name);
  if (it == problems_.end()) return served ? R"({"verdict":"served"})" : "";
  return std::string(R"({"verdict":")") + (served ? "served with problems" : "refused") + "\"," + it->second + "}";
}

}  // namespace sluice::control::cluster
