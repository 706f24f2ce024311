#include "data/server/health_checks.h"

#include <algorithm>
#include <utility>

namespace sluice::data {

namespace {

constexpr Duration kLongestFirst = std::chrono::seconds(30);  // until the first check of an endpoint

double share(WorkerContext& worker) noexcept {
  return static_cast<double>(worker.random() >> 11) * 0x1.0p-53;
}
Duration part(Duration whole, double of) noexcept {
  return Duration(static_cast<Duration::rep>(static_cast<double>(whole.count()) * of));
}

// Do both ask the same? How often, and how many answers count, may differ.
bool asks_the_same(model::HealthCheck a, const model::HealthCheck& b) {
  a.interval = b.interval;
  a.timeout = b.timeout;
  a.unhealthy_after = b.unhealthy_after;
  a.healthy_after = b.healthy_after;
  return a == b;
}

}  // namespace

struct HealthChecks::Asked {
  model::Shared<model::HealthCheck> check;
  model::BackendProtocol of_cluster{};
  model::RouteSettings way;
  bool is(const Asked& o) const { return of_cluster == o.of_cluster && check == o.check; }
};

// One endpoint that one check is made of.
struct HealthChecks::Checker final : CheckTurn, net::Deadline {
  struct User {
    ClusterId id;
    std::shared_ptr<EndpointRuntime> endpoint;
  };
  HealthChecks* checks = nullptr;
  std::string key;
  std::shared_ptr<const Asked> asked;
  std::shared_ptr<EndpointHealth> health;
  std::vector<User> users;  // the first one's connections are made
  CheckResults results;
  Instant began{};
  HealthQuestion* question = nullptr;  // under way
  bool stopped = false;
  const model::HealthCheck& check() const noexcept { return *asked->check; }
  void expired() override { checks->due(*this); }
};

HealthChecks::HealthChecks(WorkerContext& worker) : worker_(worker) {
  again_.checks = this;
}
HealthChecks::~HealthChecks() = default;

bool HealthChecks::is_ours(std::string_view key) const noexcept {
  const auto& shared = worker_.shared;
  return shared.workers < 2 || hash_name(shared.loop_seed, key) % shared.workers == worker_.number;
}

void HealthChecks::follow(const Publication& publication) {
  if (ended_) return;
  for (const ClusterUpdate& update : publication.clusters) {
    const model::Balancing* const balancing = update.cluster ? update.cluster->balancing.get() : nullptr;
    const bool wanted = balancing != nullptr && balancing->health;
    if (!wanted && (update.id >= of_.size() || of_[update.id].empty())) continue;
    if (update.id >= of_.size()) of_.resize(update.id + 1);
    const std::vector<CheckerPtr> had = std::exchange(of_[update.id], {});
    ClusterRuntime* const cluster = worker_.cluster(update.id);
    // A number may stand for another Cluster further on.
    if (wanted && cluster != nullptr && cluster->spec().name == update.cluster->name) {
      const auto asked = std::make_shared<const Asked>(
          Asked{balancing->health, update.cluster->protocol, way_of(*balancing->health, update.cluster->protocol)});
      auto& now = of_[update.id];
      for (std::size_t i = 0; i < cluster->takers(); ++i) {
        const auto& endpoint = cluster->taker(i);
        const std::string key = update.cluster->ns + "/" + endpoint->identity;
        if (is_ours(key)) now.push_back(join(key, update.id, endpoint, asked));
      }
    }
    std::vector<const Checker*> stay;
    for (const CheckerPtr& c : of_[update.id]) stay.push_back(c.get());
    std::ranges::sort(stay);
    for (const CheckerPtr& c : had)
      if (!std::ranges::binary_search(stay, c.get())) leave(*c, update.id);
  }
}

HealthChecks::CheckerPtr HealthChecks::join(const std::string& key, ClusterId id,
                                            const std::shared_ptr<EndpointRuntime>& endpoint,
                                            const std::shared_ptr<const Asked>& asked) {
  auto& all = known_[key];
  for (const CheckerPtr& c : all) {
    if (!c->asked->is(*asked)) continue;
    const auto at = std::ranges::find(c->users, id, &Checker::User::id);
    if (at == c->users.end())
      c->users.push_back({id, endpoint});
    else
      at->endpoint = endpoint;
    return c;
  }
  auto made = std::make_shared<Checker>();
  made->checks = this;
  made->key = key;
  made->ns = key.substr(0, key.find('/'));
  made->asked = asked;
  made->health = worker_.shared.health.of(made->ns, endpoint->identity);
  made->users.push_back({id, endpoint});
  const auto knows = std::ranges::find_if(
      all, [&](const CheckerPtr& c) { return c->results.is_unwell() && asks_the_same(c->check(), made->check()); });
  if (knows != all.end()) {
    made->results.begin_unwell();
    made->health->unwell(worker_.loop.now());
    worker_.shared.health.changed(made->ns);
  }
  // Those of a process that starts, and of one that all replicas see, begin at times of their own.
  worker_.loop.arm(*made, part(std::min<Duration>(made->check().interval, kLongestFirst), share(worker_)));
  all.push_back(made);
  return made;
}

void HealthChecks::leave(Checker& checker, ClusterId id) {
  std::erase_if(checker.users, [&](const Checker::User& u) { return u.id == id; });
  if (!checker.users.empty()) return;
  stop(checker);
  if (checker.results.is_unwell()) {  // what was found is nobody's any more
    checker.health->well();
    worker_.shared.health.changed(checker.ns);
  }
  const auto at = known_.find(checker.key);
  std::erase_if(at->second, [&](const CheckerPtr& c) { return c.get() == &checker; });
  if (at->second.empty()) known_.erase(at);
}

void HealthChecks::stop(Checker& checker) noexcept {
  checker.stopped = true;
  checker.disarm();
  turns_.leave(checker);
  worker_.stats.checks_waiting.set(turns_.waiting());
  if (checker.question != nullptr) checker.question->cancel();
}

// What was found stays: other workers have requests until they have drained.
void HealthChecks::end() noexcept {
  if (std::exchange(ended_, true)) return;
  again_.disarm();
  for (auto& [key, all] : known_)
    for (const CheckerPtr& c : all) stop(*c);
}

void HealthChecks::due(Checker& checker) {
  turns_.wait(checker);
  begin_some();
}

void HealthChecks::begin_some() {
  if (std::exchange(beginning_, true)) return;
  while (CheckTurn* const turn = turns_.next(worker_.loop.now())) {
    auto& checker = static_cast<Checker&>(*turn);
    const auto& all = known_.find(checker.key)->second;
    const auto at = std::ranges::find(all, &checker, &CheckerPtr::get);
    net::spawn(check(*at));
  }
  beginning_ = false;
  worker_.stats.checks_waiting.set(turns_.waiting());
  if (turns_.later() && !again_.armed()) worker_.loop.arm(again_, CheckTurns::kBurst);
}

net::Task<void> HealthChecks::check(CheckerPtr checker) {
  worker_.entered();
  checker->began = worker_.loop.now();
  CheckOutcome outcome;
  const Checker::User by = checker->users.front();
  if (ClusterRuntime* const cluster = worker_.cluster(by.id)) {
    const std::shared_ptr<const Asked> asked = checker->asked;
    HealthQuestion question(worker_, *cluster, by.endpoint, *asked->check, asked->way);
    checker->question = &question;
    net::Task<CheckOutcome> asking = question.ask();
    outcome = co_await asking;
    checker->question = nullptr;
  }
  turns_.over(*checker);
  if (!checker->stopped) {
    take(*checker, outcome);
    const Duration interval = part(checker->check().interval, 0.9 + 0.2 * share(worker_));
    worker_.loop.arm_at(*checker, std::max(checker->began + interval, worker_.loop.now()));
  }
  if (!ended_) begin_some();
  worker_.left();
}

void HealthChecks::take(Checker& checker, const CheckOutcome& outcome) {
  using enum CheckOutcome::Kind;
  using Change = CheckResults::Change;
  static constexpr Counter WorkerStats::* kCounters[] = {
      &WorkerStats::checks_well,        &WorkerStats::checks_status, &WorkerStats::checks_timeout,
      &WorkerStats::checks_unconnected, &WorkerStats::checks_tls,    &WorkerStats::checks_broken,
      &WorkerStats::checks_not_serving, &WorkerStats::checks_skipped};
  (worker_.stats.*kCounters[static_cast<std::size_t>(outcome.kind)]).add();
  if (outcome.kind == skipped) return;
  const Change change = checker.results.take(outcome.kind == well, checker.check());
  if (change == Change::none) return;
  if (change == Change::unwell)
    checker.health->unwell(worker_.loop.now());
  else
    checker.health->well();
  worker_.shared.health.changed(checker.ns);
  const Checker::User& by = checker.users.front();
  const ClusterRuntime* const cluster = worker_.cluster(by.id);
  if (cluster == nullptr) return;
  const std::string& identity = by.endpoint->identity;
  const model::Cluster& spec = cluster->spec();
  worker_.recorder.health_changed(
      {.ns = spec.ns,
       .service = spec.service,
       .port = spec.port,
       .endpoint = by.endpoint->text,
       .pod = std::string_view(identity).substr(identity.rfind('|') + 1),
       .well = change == Change::well,
       .checks = change == Change::well ? checker.check().healthy_after : checker.check().unhealthy_after,
       .reason = outcome.reason});
}

}  // namespace sluice::data
