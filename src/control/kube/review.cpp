#include "control/kube/grammar.h"
#include "control/kube/state.h"

// What the validating webhook says about an Ingress before it is there: the same grammar as when it is.
namespace sluice::control {

namespace {

// The Ingress that has (path, exactness) at this host already, "ns/name"; empty when nobody has.
std::string owner_of(const model::Host& host, const std::string& path, bool exact, const std::string& self) {
  for (const auto& r : host.routes) {
    if (r.ingress.empty() || r.path_type.empty() || r.location.view() != path) continue;
    if ((r.path_type.view() == "Exact") != exact) continue;
    std::string owner = r.ns.str() + "/" + r.ingress.str();
    if (owner != self) return owner;
  }
  return {};
}

}  // namespace

Review Store::review(const Object& object) const {
  const auto& s = *state_;
  Review out;
  const auto* ingress = std::get_if<Ingress>(&object);
  std::string why;
  if (!ingress || !s.ours(*ingress, why)) return out;
  const auto ref = reference(object);
  const auto self = key_of(ingress->meta);
  auto deny = [&](const std::string& message) {
    out.allowed = false;
    if (!out.message.empty()) out.message += "; ";
    out.message += message;
  };
  auto judge = [&](const model::Problem& p) {
    if (p.severity == model::Severity::error)
      deny(model::Report::line({ref, p}));
    else if (p.severity == model::Severity::warning)
      out.warnings.push_back(model::Report::line({ref, p}));
  };
  for (const auto& p : read_annotations(*ingress, s.settings.annotations_prefix, *s.model->options).problems) judge(p);
  for (std::size_t r = 0; r < ingress->rules.size(); ++r) {
    const auto& rule = ingress->rules[r];
    const auto name = lower(rule.host);
    const auto at = "spec.rules[" + std::to_string(r) + "]";
    if (!name.empty() && !is_host_name(name, true)) {
      judge({model::Severity::error, "InvalidHost", at + ".host", shorten(name),
             "a DNS name, with '*.' at most in front", "the rule would not be served"});
      continue;
    }
    const auto host = s.model->hosts.find(name);
    for (std::size_t p = 0; p < rule.paths.size(); ++p) {
      const std::string path = rule.paths[p].path.empty() ? "/" : rule.paths[p].path;
      if (path[0] != '/' || has_control(path)) {
        judge({model::Severity::error, "InvalidPath", at + ".http.paths[" + std::to_string(p) + "].path", shorten(path),
               "a path that begins with / and has no control characters", "the path would not be served"});
        continue;
      }
      if (host == s.model->hosts.end()) continue;
      const auto owner = owner_of(*host->second, path, rule.paths[p].type == "Exact", self);
      if (!owner.empty())
        deny("host \"" + (name.empty() ? "_" : name) + "\" and path \"" + path + "\" is already defined in ingress " +
             owner);
    }
  }
  return out;
}

}  // namespace sluice::control
