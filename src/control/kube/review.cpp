#include "control/kube/by_host.h"
#include "control/kube/closing.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
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
  auto result = read_annotations(*ingress, s.settings, *s.model->options);
  for (const auto& p : result.problems) judge(p);
  if (result.canary) return out;
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
  if (!result.dropped) s.warn_of_closing(object, std::move(result), out);
  return out;
}

// What the Ingress would close of others, and they of it: no fault of its own, so it is taken with a warning.
void Store::State::warn_of_closing(const Object& object, AnnotationResult&& result, Review& out) const {
  IngressState next;
  next.object = next.accepted = std::make_shared<const Object>(object);
  next.ref = std::make_shared<const model::ObjectRef>(reference(object));
  next.by_host = sort_by_host(next.ingress());
  next.use_regex = result.use_regex;
  next.rewrite_target = std::move(result.rewrite_target);
  if (const auto keys = close_by_options(guards, result.own, result.closing); !keys.empty())
    out.warnings.push_back("its paths answer 503, as the options " + keys + " guard them and are not served");
  next.closing = std::make_shared<const Closing>(std::move(result.closing));
  const auto self = key_of(next.ingress().meta);
  std::set<std::string> seen;
  for (const auto& rule : next.ingress().rules) {
    const auto name = lower(rule.host);
    if (!seen.insert(name).second) continue;
    std::vector<const IngressState*> claims{&next};
    if (const auto host = hosts.find(name); host != hosts.end())
      for (const auto& key : host->second.claims)
        if (key != self) claims.push_back(&ingresses.find(key)->second);
    std::sort(claims.begin(), claims.end(), [](auto* a, auto* b) { return older(a->meta(), b->meta()); });
    const std::string_view owner = claims.front()->meta().ns;
    std::erase_if(claims, [](auto* c) { return !c->accepted; });
    HostClosing closing(claims, owner, *model->options);
    for (const auto* o : claims)
      for (const auto r : rules_of(*o, name))
        for (const auto& p : o->ingress().rules[r].paths)
          closing.add_location(*o, p.path.empty() ? "/" : p.path, p.type == "Exact");
    Entries entries;
    closing.report(name, entries);
    for (const auto& e : entries) out.warnings.push_back(model::Report::line(e));
  }
}

}  // namespace sluice::control
