#include <algorithm>

#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/host_grants.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/host_builder.h"
#include "control/kube/ingress/other_names.h"

namespace sluice::control {

using model::Severity;

// Is the name another one of a host, whatever rules there are for it? Then nothing is to be built, but where requests
// for it are redirected. Of a name that has rules and belongs to a namespace by its age as an alias, that is the owner.
bool HostBuilder::is_other_name() {
  if (state_.wishes_.empty() || name_.empty()) return false;
  std::optional<NameCandidate> with;
  if (candidate_) {
    wishes_ = state_.wishes_of(name_, candidate_);
    with.emplace(state_.candidate_for_names(*candidate_, name_, wishes_));
  }
  const auto holder = state_.holder_of(name_, with ? &*with : nullptr);
  if (!holder) return false;
  if (holder->by_rules) {
    const auto at = std::find_if(tenants_.begin(), tenants_.end(), [&](auto& t) { return t.ns == holder->ns; });
    std::rotate(tenants_.begin(), at, at + 1);
    return false;
  }
  const std::string& host = holder->host;
  for (const Tenant& tenant : tenants_)
    for (const IngressState* o : tenant.ingresses)
      report(*o, {Severity::error, "HostOfOtherNamespace", "spec.rules", shorten(name_),
                  "a host of its own, as Ingress " + holder->ref->ns + "/" + holder->ref->name +
                      " had the name before: " + (host.empty() ? "the catch-all host" : host) + " has it by " +
                      (holder->redirects ? "from-to-www-redirect" : "server-alias"),
                  "its paths there are not served"});
  tenants_.clear();
  if (holder->redirects) redirect_to(*holder);
  return true;
}

// All of its requests go to the host that is meant; it shows the certificates that host's Ingresses have for it.
void HostBuilder::redirect_to(const NameHolder& holder) {
  auto claims = state_.claims_at(holder.host, candidate_);
  std::erase_if(claims, [&](auto* o) { return o->ref->ns != holder.ns; });
  add_tenants(claims);
  if (tenants_.empty()) return;
  const bool served = std::any_of(owner().ingresses.begin(), owner().ingresses.end(),
                                  [&](auto* o) { return o->ref->name == holder.ref->name; });
  host_->ns = owner().ns;
  host_->tls = owner().tls;
  model::RouteSettings plain = *state_.options_.defaults();
  plain.source_ranges.reset();
  const auto protection = closed_without_ingress(state_.options_.guards());
  if (served && protection.empty()) plain.to_host = model::ToHost{holder.host};
  model::Route route;
  route.path = route.location = "/";
  route.status = protection.empty() ? 404 : 503;
  if (!protection.empty())
    route.because = "all requests are protected by " + protection + ", which this version does not serve";
  route.settings = state_.core_.shared_settings.of(std::move(plain));
  route.tls = host_->tls;
  route.ns = holder.ref->ns;
  route.ingress = holder.ref->name;
  route.origin = holder.ref->origin;
  host_->routes.push_back(std::move(route));
  add_certificates();
  out_.host = std::move(host_);
}

// What of the wishes of the host's owner is granted.
void HostBuilder::choose_names() {
  if (tenants_.empty() || (!candidate_ && state_.asking_ == 0)) return;
  if (!candidate_ && state_.hosts_.all.find(name_)->second.asks_for.empty()) return;
  if (wishes_.empty()) wishes_ = state_.wishes_of(name_, candidate_);
  if (wishes_.empty()) return;
  std::optional<NameCandidate> with;
  if (candidate_) with.emplace(state_.candidate_for_names(*candidate_, name_, wishes_));
  for (const auto& [name, wish] : wishes_) {
    if (wish.ref->ns != owner().ns) continue;
    if (const auto standing = state_.standing_of(name, wish, with ? &*with : nullptr);
        standing != NameStanding::counts) {
      report_standing(standing, name, wish);
      continue;
    }
    const auto holder = state_.holder_of(name, with ? &*with : nullptr);
    if (!holder) continue;
    if (!holder->by_rules && holder->host == name_) {
      if (holder->redirects)
        host_->redirected = name;
      else
        host_->aliases.push_back({name, wish.age, {}});
      continue;
    }
    model::Problem problem{
        Severity::warning,
        "NoEffect",
        wish.redirects ? "metadata.annotations[from-to-www-redirect]" : "metadata.annotations[server-alias]",
        wish.redirects ? "true" : shorten(name),
        {},
        {}};
    if (holder->by_rules) {
      problem.expected =
          wish.redirects ? "no Ingress with a rule for " + name : "a name that no Ingress has a rule for";
      problem.consequence = "requests for " + shorten(name) + " go by the rules of namespace " + holder->ns;
    } else {
      problem.expected = "a name that no older Ingress asks for";
      problem.consequence = "requests for " + shorten(name) + " go to " +
                            (holder->host.empty() ? "the catch-all host" : "host " + holder->host) + ", by Ingress " +
                            holder->ref->ns + "/" + holder->ref->name;
    }
    out_.entries.push_back({*wish.ref, std::move(problem)});
  }
}

// Why a regular expression does not count.
void HostBuilder::report_standing(NameStanding standing, const std::string& name, const NameWish& wish) {
  const std::string ns = wish.ref->ns.str();
  model::Problem problem{Severity::warning, "NoEffect", "metadata.annotations[server-alias]",
                         shorten(name),     {},         "it is no name of " + shown_name()};
  if (standing == NameStanding::too_many) {
    problem.expected = "at most " + std::to_string(kMostNamePatterns) +
                       " regular expressions in all server-alias, which namespaces get in turns";
    problem.consequence += ", as namespace " + ns + " has its share, the oldest of its own";
  } else if (standing == NameStanding::not_allowed) {
    std::string rule;
    may_name(*state_.core_.model->options, ns, "", rule);
    problem.severity = Severity::error;
    problem.reason = "HostNotAllowed";
    problem.expected =
        "a regular expression for some names: host-namespaces gives any other to namespaces other than " + ns +
        ", by " + shorten(rule);
  } else {
    const IngressState* const first = state_.eldest_at("", candidate_);
    problem.reason = "HostOfOtherNamespace";
    problem.expected = "a regular expression for some names, as any other belongs to the catch-all host of Ingress " +
                       (first ? key_of(first->meta()) : std::string()) + ", which is older";
  }
  out_.entries.push_back({*wish.ref, std::move(problem)});
}

// Names that another Ingress of the host says, or that only its owner may say.
void HostBuilder::report_names_without_effect() {
  for (std::size_t i = 0; i < tenants_.size(); ++i) {
    const IngressState* says = nullptr;  // that has some
    for (const IngressState* o : tenants_[i].ingresses) {
      if (rules_of(*o, name_).empty()) continue;
      std::string names;
      if (o->aliases)
        for (const auto& name : *o->aliases) add_element(names, name);
      if (i == 0 && !names.empty() && says)
        report(*o, {Severity::warning, "NoEffect", "metadata.annotations[server-alias]", shorten(names),
                    "the annotation on Ingress " + key_of(says->meta()) + ", which is older",
                    "they are no names of " + shown_name()});
      if (!names.empty() && !says) says = o;
      const auto others = [&](const char* annotation, const std::string& value, const std::string& consequence) {
        report(*o, {Severity::warning, "HostOfOtherNamespace", "metadata.annotations[" + std::string(annotation) + "]",
                    shorten(value), "an Ingress of namespace " + owner().ns + ", which " + shown_name() + " belongs to",
                    consequence});
      };
      if (i > 0 && !names.empty()) others("server-alias", names, "they are no names of " + shown_name());
      if (i > 0 && o->to_www && !www_of(name_).empty())
        others("from-to-www-redirect", "true", "requests for " + www_of(name_) + " are not redirected");
    }
  }
}

}  // namespace sluice::control
