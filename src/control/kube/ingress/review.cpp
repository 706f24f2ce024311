#include "control/kube/ingress/host_builder.h"

// What the validating webhook says about an Ingress before it is there: the same as when it is.
namespace sluice::control {

namespace {

// (path, exactness) → "ns/name"
using Served = std::map<std::pair<std::string_view, bool>, std::string>;

// Who is served at this host now but for `self`.
Served served_there(const model::Host& host, std::string_view self) {
  Served out;
  for (const auto& r : host.routes) {
    if (r.ingress.empty() || r.path_type.empty()) continue;
    std::string served = r.ns.str() + "/" + r.ingress.str();
    if (served != self) out.try_emplace({r.location.view(), r.path_type.view() == "Exact"}, std::move(served));
  }
  return out;
}

void deny(Review& out, const std::string& message) {
  out.allowed = false;
  if (!out.message.empty()) out.message += "; ";
  out.message += message;
}

// What an Ingress names may come after it.
bool may_follow(std::string_view reason) {
  for (const char* missing : {"MissingSecret", "InvalidSecret", "MissingConfigMap", "InvalidConfigMap"})
    if (reason == missing) return true;
  return false;
}

void judge(Review& out, model::Entry e) {
  if (may_follow(e.problem.reason)) e.problem.severity = model::Severity::warning;
  if (e.problem.severity == model::Severity::error)
    deny(out, model::Report::line(e));
  else if (e.problem.severity == model::Severity::warning)
    out.warnings.push_back(model::Report::line(e));
}

std::string_view namespace_of(std::string_view key) {
  return key.substr(0, key.find('/'));
}

}  // namespace

// The Ingress is translated as if it were there, against the Store as it is; what is said of it then is the answer.
Review IngressTranslator::review(const Object& object) {
  Review out;
  if (!std::holds_alternative<Ingress>(object)) return out;
  IngressState candidate;
  candidate.hold(std::make_shared<const Object>(object));
  review_load(candidate);
  Entries entries, closed;
  LookUp look_up(core_.objects, core_.readings);
  translate(candidate, look_up, entries);
  for (auto& e : entries.all()) {
    if (e.problem.reason == "ClosedByOption")
      closed.push_back(std::move(e));
    else
      judge(out, std::move(e));
  }

  Names touched = candidate.hosts;
  touched.insert(candidate.canary_hosts.begin(), candidate.canary_hosts.end());
  for (const auto& host : touched) {
    auto built = HostBuilder(*this, host, candidate).build();
    const Entries* said = core_.problems.of("host/" + host);
    for (auto& e : built.entries) {
      const bool own = e.object.ns == candidate.ref->ns && e.object.name == candidate.ref->name;
      if (e.problem.reason == "ClosedHost") {
        // What is closed already is nobody's business but its owner's.
        const bool is_new = !said || std::none_of(said->begin(), said->end(), [&](const auto& had) {
          return had.problem == e.problem && had.object.ns == e.object.ns && had.object.name == e.object.name;
        });
        if (own || is_new) closed.push_back(std::move(e));
        continue;
      }
      if (!own) continue;
      if (e.problem.reason == "PathConflict" && e.problem.severity == model::Severity::error) continue;
      judge(out, std::move(e));
    }
    judge_conflicts(built, host, key_of(candidate.meta()), out);
  }
  // What options close of it, what it would close of others and they of it is no fault of its own.
  for (const auto& e : closed) out.warnings.push_back(model::Report::line(e));
  return out;
}

// As in ingress-nginx nothing is taken that another Ingress of the namespace has, be it younger. What the namespace
// that a host belongs to asks for is not held up by what others have there.
void IngressTranslator::judge_conflicts(const BuiltHost& built, const std::string& host, const std::string& candidate,
                                        Review& out) const {
  if (built.conflicts.empty()) return;
  const auto known = core_.model->hosts.find(host);
  const Served served = known == core_.model->hosts.end() ? Served{} : served_there(*known->second, candidate);
  const auto where = [&](const PathConflict& c) {
    return "host \"" + (host.empty() ? "_" : host) + "\" and path \"" + c.path + "\"";
  };
  for (const PathConflict& c : built.conflicts) {
    if (c.holder == c.loser) continue;  // both are the candidate's, or neither
    if (c.loser == candidate) {
      deny(out, where(c) + " is already defined in ingress " + c.holder);
    } else if (const auto at = served.find({c.path, c.exact});
               c.holder == candidate && at != served.end() && at->second == c.loser) {
      if (namespace_of(c.loser) == namespace_of(candidate))
        deny(out, where(c) + " is already defined in ingress " + c.loser);
      else
        out.warnings.push_back(where(c) + " is taken from ingress " + c.loser +
                               ", whose namespace the host does not belong to");
    }
  }
}

}  // namespace sluice::control
