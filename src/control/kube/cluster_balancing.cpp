#include <algorithm>

#include "control/kube/clusters.h"

// Who decides how the pods of a Service port are chosen. As in ingress-nginx that is said for the port, not for a path:
// all hosts that lead there share it. Only Ingresses of the Service's own namespace can lead there, and of those the
// oldest decides, be it by saying nothing; sessions are kept as the oldest says that asks for any.
namespace sluice::control {

namespace {

using model::Balancing;

const Balancing& said(const model::Shared<Balancing>& says) {
  static const Balancing nothing{};
  return says ? *says : nothing;
}

bool same_without_session(const Balancing& a, const Balancing& b) {
  return a.load_balance == b.load_balance && a.hash_by == b.hash_by && a.by_service == b.by_service &&
         a.slow_start == b.slow_start && a.health == b.health;
}

// What of an affinity holds for the whole Cluster; the rest is of the cookie that each route sets.
bool same_session(const model::Affinity& a, const model::Affinity& b) {
  return a.name == b.name && a.persistent == b.persistent && a.change_on_failure == b.change_on_failure;
}

}  // namespace

bool older(const BalancingWish& a, const BalancingWish& b) {
  if (a.created != b.created) return a.created < b.created;
  if (a.created == kNoTimestamp) {
    if (a.ref->origin.file != b.ref->origin.file) return a.ref->origin.file < b.ref->origin.file;
    if (a.position != b.position) return a.position < b.position;
  }
  return std::pair(a.ref->ns.str() + "/", a.ref->name) > std::pair(b.ref->ns.str() + "/", b.ref->name);
}

void ClusterUser::add(const WishPtr& wish, const model::RouteSettings& settings) {
  if (!wish || std::ranges::find(wishes, wish) != wishes.end()) return;
  wishes.push_back(wish);
  const Balancing& says = said(wish->says);
  const bool checks = says.health && says.health->by != model::CheckBy::off;
  ways.push_back(checks ? model::Shared(CheckWay{settings.protocol, settings.upstream_tls})
                        : model::Shared<CheckWay>());
}

void Clusters::choose_balancing(const std::string& name, State& c) const {
  if (c.users.empty()) {  // as it was, for those who are on their way; but nobody asks for checks
    if (!c.balancing || !c.balancing->health) return;
    Balancing unchecked = *c.balancing;
    unchecked.health.reset();
    c.balancing = model::shared_unless_plain(unchecked);
    return;
  }
  if (!std::exchange(c.users_changed, false)) return;
  const auto& by_options = options_.defaults()->balancing;
  const auto by_age = [](const WishPtr& a, const WishPtr& b) { return a != b && older(*a, *b); };
  WishPtr oldest, session;      // the oldest of those that ask for sessions
  std::vector<WishPtr> asking;  // for something else than the options, or for sessions: few of many
  for (const auto& [host, user] : c.users) {
    for (const WishPtr& wish : user.wishes) {
      const bool sessions = wish->says && wish->says->affinity;
      if (!oldest || by_age(wish, oldest)) oldest = wish;
      if (sessions && (!session || by_age(wish, session))) session = wish;
      if (sessions || wish->says != by_options) asking.push_back(wish);
    }
  }
  std::ranges::sort(asking, by_age);
  asking.erase(std::unique(asking.begin(), asking.end()), asking.end());
  Balancing made = said(oldest ? oldest->says : by_options);
  made.affinity = session ? session->says->affinity : model::Shared<model::Affinity>();
  made.by_service =
      made.by_service && oldest;  // of an Ingress's Services: neither ports nor --default-backend ask for it
  // Nor for health checks: what a port leads to may speak anything.
  if (made.health && (!oldest || made.health->by == model::CheckBy::off)) made.health.reset();
  if (made.health) {
    model::HealthCheck check = *made.health;
    for (const auto& [host, user] : c.users) {
      const auto at = std::ranges::find(user.wishes, oldest);
      if (at == user.wishes.end()) continue;
      const auto& way = user.ways[static_cast<std::size_t>(at - user.wishes.begin())];
      if (way) check.protocol = way->protocol, check.tls = way->tls;
      break;
    }
    made.health = std::move(check);
  }
  c.balancing = model::shared_unless_plain(made);
  const WishPtr& decides = session ? session : oldest;
  c.balanced_by = c.balancing && decides && decides->says != by_options
                      ? Text(decides->ref->ns.str() + "/" + decides->ref->name.str())
                      : Text();

  Entries vain;
  const auto in_vain = [&](const BalancingWish& wish, const char* annotations, const BalancingWish& counts) {
    vain.push_back(
        {*wish.ref,
         {model::Severity::warning, "NoEffect", std::string("metadata.annotations[") + annotations + "]", "",
          "the same at " + counts.ref->text() + ", which is older and leads to " + name + " as well",
          "the pods of " + name + (std::string_view(annotations) == "health-check" ? " are checked" : " are chosen") +
              " as that one says"}});
  };
  for (const WishPtr& wish : asking) {
    const Balancing &one = said(wish->says), &counts = said(oldest->says);
    if (wish != oldest && !same_without_session(one, counts) && !same_without_session(one, said(by_options)))
      in_vain(*wish,
              one.by_service != counts.by_service                                      ? "service-upstream"
              : one.slow_start != counts.slow_start                                    ? "slow-start"
              : one.hash_by && one.hash_by != counts.hash_by                           ? "upstream-hash-by"
              : one.health != counts.health && one.load_balance == counts.load_balance ? "health-check"
                                                                                       : "load-balance",
              *oldest);
    if (wish != session && one.affinity && !same_session(*one.affinity, *made.affinity))
      in_vain(*wish, "affinity", *session);
  }
  c.in_vain.reset();
  if (!vain.empty()) c.in_vain = std::move(vain);
}

}  // namespace sluice::control
