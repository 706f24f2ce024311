#include "control/kube/ingress/closing.h"

#include <algorithm>

#include "base/strings.h"
#include "model/settings/guards.h"

namespace sluice::control {

namespace {

constexpr std::string_view kUnserved = ", which this version does not serve";

std::string names_of(const Closing& c) {
  std::string out;
  for (const auto* names : {&c.host, &c.paths, &c.but_no_auth_locations})
    if (!names->empty()) add_element(out, *names);
  return out;
}

// The names alone: "option block-cidrs" is "block-cidrs".
std::string to_accept(std::string names) {
  constexpr std::string_view word = "option ";
  for (auto at = names.find(word); at != std::string::npos; at = names.find(word, at)) names.erase(at, word.size());
  return names;
}

std::string protected_by(const IngressState& o, const std::string& names) {
  return o.ref->text() + " is protected by " + names + std::string(kUnserved);
}

bool guarded(const IngressState& o) {
  return o.closing && !names_of(*o.closing).empty();
}

std::string_view namespace_of(const IngressState& o) {
  return o.ref->ns.view();
}

}  // namespace

bool needs_no_auth(std::string_view path, const std::vector<std::string>& no_auth_locations) {
  return std::any_of(no_auth_locations.begin(), no_auth_locations.end(),
                     [&](const std::string& prefix) { return path.starts_with(prefix); });
}

HostClosing::HostClosing(const std::vector<const IngressState*>& ingresses, std::string_view owner,
                         const model::Options& options)
    : ingresses_(ingresses), owner_(owner), options_(options) {}

void HostClosing::add_unreadable(const IngressState& owner, std::string_view path) {
  unreadable_.emplace_back(&owner, path);
}

void HostClosing::settle() {
  if (settled_) return;
  settled_ = true;
  for (const auto* o : ingresses_) {
    if (o->closing && !o->closing->of_namespace.empty())
      closed_.try_emplace(
          namespace_of(*o),
          Closed{o->closing->of_namespace + " of " + o->ref->text() + " cannot be used", o->closing->of_namespace});
    if (!guarded(*o) || o->closing->host.empty()) continue;
    const Closed closed{protected_by(*o, o->closing->host) + "; that guards all of the host", o->closing->host};
    closed_.try_emplace(namespace_of(*o), closed);
    if (namespace_of(*o) == owner_) closed_.try_emplace("", closed);
  }
  for (const auto& [o, path] : unreadable_) {
    // What keeps requests out is served, but must not miss requests of theirs that go to a neighbour with other guards.
    const auto& own = *o->settings;
    const bool by_others =
        model::keeps_out(own) && std::ranges::any_of(ingresses_, [&](const IngressState* other) {
          return namespace_of(*other) == namespace_of(*o) && !model::same_guards(*other->settings, own);
        });
    const bool denied = o->closing && !o->closing->denied.empty();
    if (!guarded(*o) && !denied && !by_others) continue;
    const auto names = guarded(*o) ? names_of(*o->closing) : std::string();
    const auto whose =
        names.empty() ? o->ref->text() + " does not let all requests to its paths" : protected_by(*o, names);
    closed_.try_emplace(namespace_of(*o), Closed{whose + "; its path " + path +
                                                     " is no regular expression, so that its requests cannot be told "
                                                     "from others",
                                                 to_accept(names)});
  }
}

HostClosing::Closed* HostClosing::closed_for_others(const IngressState& owner) {
  settle();
  for (const auto ns : {std::string_view(), namespace_of(owner)})
    if (const auto it = closed_.find(ns); it != closed_.end()) return &it->second;
  return nullptr;
}

Text HostClosing::why(const IngressState& owner, std::string_view path) {
  if (owner.closing) {
    const auto& c = *owner.closing;
    if (!c.denied.empty()) return c.denied + " of " + owner.ref->text() + " cannot be used";
    if (!c.paths.empty() || (!c.but_no_auth_locations.empty() && !needs_no_auth(path, options_.no_auth_locations))) {
      auto& text = own_[&owner];
      if (text.empty()) text = protected_by(owner, names_of(c));
      return text;
    }
  }
  auto* closed = closed_for_others(owner);
  if (closed == nullptr) return {};
  if (closed->text.empty()) closed->text = closed->why;
  return closed->text;
}

void HostClosing::report(const std::string& host, Entries& entries) {
  for (const auto* o : ingresses_) {
    const auto* closed = closed_for_others(*o);
    if (closed == nullptr || guarded(*o) || (o->closing && !o->closing->of_namespace.empty())) continue;
    entries.push_back(
        {*o->ref,
         {model::Severity::error, "ClosedHost", "spec.rules", host.empty() ? "any host" : host,
          closed->names.empty()
              ? "paths that are regular expressions where an Ingress keeps requests out that others let in"
              : "no protection there that is not served, or --accept-unprotected " + closed->names,
          "its paths there answer 503: " + closed->why}});
  }
}

}  // namespace sluice::control
