// How well policies balance: the real ones, over pods that are only imagined, with a clock of their own and without
// sockets. The same figures come out each time, on every machine with this standard library. bench/README.md says how
// to read them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "balance/cluster_of.h"

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a program of one file
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

constexpr int kRounds = 5;  // of each figure, with other seeds; the median is printed

struct Pod {
  double seconds;  // of one request
  int cores = 0;   // requests that are worked at, the others wait in line; 0: a request waits for something else alone
};

enum class Times : std::uint8_t { steady, exponential };  // a tenth around the mean, or as chance has it

struct Scenario {
  std::string name, title;
  std::vector<Pod> pods;
  double rate = 0;  // requests a second, at random; 0: `users`
  int users = 0;    // that ask again as soon as they have an answer
  double seconds = 300;
  double warm = 15;  // not counted
  Times times = Times::steady;
  double turns_at = 0, turns_to = 0;  // when the first pod takes so many seconds instead; 0: it does not
  int keys = 0;                       // that requests have, the first most often (Zipf); 0: none
};

struct Wanted {
  std::string title, policy;
  std::uint32_t balance_factor = 0;
};

struct Figures {
  double p50 = 0, p99 = 0, p999 = 0;  // ms, of answers and of those that wait for one at the end
  double rate = 0;                    // answers a second
  double busiest = 0;                 // the most requests in flight at a pod, on average over the time, by the mean
  double at_home = 0;                 // share of requests at the pod that most of their key's requests are at
};

double quantile(std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

class World {
 public:
  World(const Scenario& scenario, const Wanted& wanted, int workers, unsigned seed)
      : scenario_(scenario), row_(policy_named(wanted.policy)), random_(seed), pods_(scenario.pods.size()) {
    for (int w = 0; w < workers; ++w) {
      workers_.emplace_back(row_, random_(), wanted.balance_factor);
      workers_.back().become(0, static_cast<int>(scenario.pods.size()));
    }
    double sum = 0;
    for (int k = 1; k <= scenario.keys; ++k) popularity_.push_back(sum += 1.0 / k);
  }

  Figures run() {
    if (scenario_.users > 0)
      for (int u = 0; u < scenario_.users; ++u)
        begin(static_cast<std::size_t>(u) % workers_.size(), static_cast<double>(u) * 1e-5);
    else
      at(0, [this] { arrive(); });
    while (!events_.empty() && events_.top().when < scenario_.seconds) {
      const Event event = events_.top();
      events_.pop();
      const double passed = event.when - now_;
      if (now_ >= scenario_.warm)
        for (std::size_t p = 0; p < pods_.size(); ++p) pods_[p].busy += passed * pods_[p].in_flight;
      now_ = event.when;
      event.what();
    }
    Figures out;
    out.rate = static_cast<double>(latencies_.size()) / (scenario_.seconds - scenario_.warm);
    // Those that wait still have waited so long at least: without them a pod that does not answer would look quick.
    for (const auto& [id, begun] : waiting_)
      if (begun >= scenario_.warm) latencies_.push_back(scenario_.seconds - begun);
    std::ranges::sort(latencies_);
    out.p50 = quantile(latencies_, 0.5) * 1e3;
    out.p99 = quantile(latencies_, 0.99) * 1e3;
    out.p999 = quantile(latencies_, 0.999) * 1e3;
    double most = 0, all = 0;
    for (const State& pod : pods_) most = std::max(most, pod.busy), all += pod.busy;
    out.busiest = all > 0 ? most / (all / static_cast<double>(pods_.size())) : 0;
    std::uint64_t home = 0, count = 0;
    for (const auto& [key, places] : places_) {
      std::uint64_t best = 0;
      for (const auto& [pod, times] : places) best = std::max(best, times), count += times;
      home += best;
    }
    out.at_home = count > 0 ? static_cast<double>(home) / static_cast<double>(count) : 0;
    return out;
  }

 private:
  struct Event {
    double when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const Event& other) const { return std::tie(when, order) > std::tie(other.when, other.order); }
  };
  struct Request {
    std::size_t worker = 0;
    int pod = 0;
    double begun = 0;
    std::uint64_t id = 0;
  };
  struct State {
    std::queue<Request> line;
    int at_work = 0;
    int in_flight = 0;
    double busy = 0;
  };

  double chance() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  void at(double when, std::function<void()> what) { events_.push({when, ++order_, std::move(what)}); }

  void arrive() {
    begin(random_() % workers_.size(), now_);
    at(now_ - std::log(1 - chance()) / scenario_.rate, [this] { arrive(); });
  }
  void begin(std::size_t worker, double when) {
    at(when, [this, worker] {
      ClusterOf& cluster = workers_[worker];
      cluster.pass(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(now_)) - passed(worker));
      std::string key;
      if (!popularity_.empty()) {
        const auto k = std::ranges::lower_bound(popularity_, chance() * popularity_.back()) - popularity_.begin();
        key = "key-" + std::to_string(k);
      }
      const int pod = cluster.pick(key);
      if (!key.empty() && now_ >= scenario_.warm) ++places_[key][pod];
      cluster.load(pod).begin();
      State& state = pods_[static_cast<std::size_t>(pod)];
      ++state.in_flight;
      const Request request{worker, pod, now_, ++last_id_};
      waiting_.emplace(request.id, now_);
      const int cores = scenario_.pods[static_cast<std::size_t>(pod)].cores;
      if (cores == 0 || state.at_work < cores)
        work(request);
      else
        state.line.push(request);
    });
  }
  void work(const Request& request) {
    const auto p = static_cast<std::size_t>(request.pod);
    ++pods_[p].at_work;
    const bool turned = p == 0 && scenario_.turns_at > 0 && now_ >= scenario_.turns_at;
    const double mean = turned ? scenario_.turns_to : scenario_.pods[p].seconds;
    const double takes =
        scenario_.times == Times::exponential ? -std::log(1 - chance()) * mean : mean * (0.9 + 0.2 * chance());
    at(now_ + takes, [this, request] { answer(request); });
  }
  void answer(const Request& request) {
    ClusterOf& cluster = workers_[request.worker];
    State& state = pods_[static_cast<std::size_t>(request.pod)];
    cluster.pass(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(now_)) - passed(request.worker));
    const double seconds = now_ - request.begun;
    waiting_.erase(request.id);
    if (row_.observe != nullptr)
      row_.observe(cluster.load(request.pod), {AttemptOutcome::How::answered, static_cast<float>(seconds)},
                   cluster.now());
    cluster.load(request.pod).end();
    if (request.begun >= scenario_.warm) latencies_.push_back(seconds);
    --state.in_flight;
    --state.at_work;
    if (!state.line.empty()) {
      const Request next = state.line.front();
      state.line.pop();
      work(next);
    }
    // A user is as far away as a packet in a cluster takes.
    if (scenario_.users > 0) begin(request.worker, now_ + 0.0001);
  }
  // What has passed for a worker since the beginning.
  Duration passed(std::size_t worker) { return workers_[worker].now() - Instant(std::chrono::hours(1)); }

  const Scenario& scenario_;
  const PolicyRow& row_;
  std::mt19937_64 random_;
  std::vector<ClusterOf> workers_;
  std::vector<State> pods_;
  std::vector<double> popularity_;  // sums
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0, last_id_ = 0;
  std::unordered_map<std::uint64_t, double> waiting_;  // since when, by the request's id
  double now_ = 0;
  std::vector<double> latencies_;
  std::map<std::string, std::map<int, std::uint64_t>> places_;
};

template <class Of>
double median(const std::vector<Figures>& rounds, Of&& of) {
  std::vector<double> all;
  for (const Figures& f : rounds) all.push_back(of(f));
  std::ranges::sort(all);
  return all[all.size() / 2];
}

void print(const Scenario& scenario, const std::vector<Wanted>& policies) {
  std::printf("\n## %s\n\n%s\n\n", scenario.name.c_str(), scenario.title.c_str());
  std::printf("| policy | workers | p50 ms | p99 ms | p99.9 ms | answers/s | busiest pod |%s\n",
              scenario.keys > 0 ? " at home |" : "");
  std::printf("|---|---|---|---|---|---|---|%s\n", scenario.keys > 0 ? "---|" : "");
  for (const int workers : {1, 4}) {
    for (const Wanted& wanted : policies) {
      std::vector<Figures> rounds;
      for (unsigned round = 1; round <= kRounds; ++round)
        rounds.push_back(World(scenario, wanted, workers, round).run());
      std::printf("| %s | %d | %.1f | %.1f | %.1f | %.0f | %.2f |", wanted.title.c_str(), workers,
                  median(rounds, [](const Figures& f) { return f.p50; }),
                  median(rounds, [](const Figures& f) { return f.p99; }),
                  median(rounds, [](const Figures& f) { return f.p999; }),
                  median(rounds, [](const Figures& f) { return f.rate; }),
                  median(rounds, [](const Figures& f) { return f.busiest; }));
      if (scenario.keys > 0)
        std::printf(" %.0f %% |", median(rounds, [](const Figures& f) { return f.at_home * 100; }));
      std::printf("\n");
      std::fflush(stdout);
    }
  }
}

// Few requests over many pods, none of which has been answered when the last one is sent: a burst after a pause.
void print_bursts(const std::vector<Wanted>& policies) {
  std::printf(
      "\n## burst\n\n300 requests at once over 300 pods, all of whose workers have just begun: the most that one pod "
      "gets, and the pods that get none.\n\n| policy | workers | most | none |\n|---|---|---|---|\n");
  for (const int workers : {1, 4, 16}) {
    for (const Wanted& wanted : policies) {
      std::vector<double> most, none;
      for (unsigned round = 1; round <= 21; ++round) {
        std::mt19937_64 random(round);
        std::vector<ClusterOf> all;
        for (int w = 0; w < workers; ++w) {
          all.emplace_back(policy_named(wanted.policy), random(), wanted.balance_factor);
          all.back().become(0, 300);
        }
        std::map<int, int> got;
        for (int i = 0; i < 300; ++i) {
          ClusterOf& worker = all[random() % all.size()];
          const int at = worker.pick("key-" + std::to_string(random()));
          worker.load(at).begin();
          ++got[at];
        }
        int highest = 0;
        for (const auto& [pod, times] : got) highest = std::max(highest, times);
        most.push_back(highest);
        none.push_back(300 - static_cast<double>(got.size()));
      }
      std::ranges::sort(most);
      std::ranges::sort(none);
      std::printf("| %s | %d | %.0f | %.0f |\n", wanted.title.c_str(), workers, most[10], none[10]);
    }
  }
}

// What share of keys each pod owns.
void print_shares() {
  std::printf(
      "\n## shares\n\n1,000,000 different keys: the least and the most that a pod has of them, by the mean, and what "
      "moves when one pod of so many leaves, beyond its own.\n\n| policy | pods | least | most | moves |\n"
      "|---|---|---|---|---|\n");
  for (const char* policy : {"chash", "maglev"}) {
    for (const int pods : {3, 10, 50, 64, 65, 100, 1'000, 4'000}) {
      ClusterOf cluster(policy_named(policy), 1);
      cluster.become(0, pods);
      std::vector<int> got(static_cast<std::size_t>(pods)), places;
      for (int k = 0; k < 1'000'000; ++k) {
        places.push_back(cluster.pick("key-" + std::to_string(k)));
        ++got[static_cast<std::size_t>(places.back())];
      }
      std::vector<ClusterOf::Wanted> rest;
      for (int i = 0; i < pods; ++i)
        if (i != pods / 2) rest.push_back({i});
      cluster.become(rest);
      int moved = 0;
      for (int k = 0; k < 1'000'000; ++k) {
        const int was = places[static_cast<std::size_t>(k)];
        moved += was != pods / 2 && cluster.pick("key-" + std::to_string(k)) != was ? 1 : 0;
      }
      const auto [least, most] = std::ranges::minmax(got);
      const double mean = 1e6 / pods;
      std::printf("| %s | %d | %.2f | %.2f | %.2f %% |\n", policy, pods, least / mean, most / mean, moved / 1e4);
    }
  }
}

std::vector<Pod> alike(int count, Pod pod) {
  return std::vector<Pod>(static_cast<std::size_t>(count), pod);
}
std::vector<Pod> with(std::vector<Pod> pods, int count, Pod other) {
  std::fill_n(pods.begin(), count, other);
  return pods;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Wanted> free{{"round_robin", "round_robin"},
                                 {"random", "random"},
                                 {"least_request", "least_request"},
                                 {"ewma", "ewma"},
                                 {"prequal", "prequal"}};
  const std::vector<Wanted> keyed{
      {"ring", "chash"},    {"ring, 125 %", "chash", 125},    {"ring, 200 %", "chash", 200},
      {"maglev", "maglev"}, {"maglev, 125 %", "maglev", 125}, {"maglev, 200 %", "maglev", 200}};
  const std::vector<Scenario> scenarios{
      {.name = "skew",
       .title = "16 pods that wait for something else, 14 of them 50 ms and 2 of them 800 ms; 500 requests a second.",
       .pods = with(alike(16, {0.05}), 2, {0.8}),
       .rate = 500},
      {.name = "closed",
       .title = "4 pods of one core, each request 0.75 ms of it as chance has it; 30 users that wait for their answer.",
       .pods = alike(4, {0.00075, 1}),
       .users = 30,
       .seconds = 60,
       .warm = 5,
       .times = Times::exponential},
      {.name = "closed-steady",
       .title = "The same with requests that all take 0.75 ms.",
       .pods = alike(4, {0.00075, 1}),
       .users = 30,
       .seconds = 60,
       .warm = 5},
      {.name = "one-slow",
       .title = "10 pods of four cores, 20 ms of one for each request, and at one of the pods 200 ms; 1,000 requests a "
                "second, 56 % of what the other nine can do, and a tenth of them is five times what the slow one can.",
       .pods = with(alike(10, {0.02, 4}), 1, {0.2, 4}),
       .rate = 1000,
       .seconds = 120,
       .times = Times::exponential},
      {.name = "turns-slow",
       .title =
           "10 pods that wait 20 ms for something else; 1,000 requests a second; after half of the two minutes one "
           "of the pods takes a second.",
       .pods = alike(10, {0.02}),
       .rate = 1000,
       .seconds = 135,
       .turns_at = 75,
       .turns_to = 1},
      {.name = "busy",
       .title = "20 pods of two cores that are all alike, 20 ms of one for each request as chance has it; 1,700 "
                "requests a second, which is 85 % of what they can do.",
       .pods = alike(20, {0.02, 2}),
       .rate = 1700,
       .seconds = 120,
       .times = Times::exponential}};
  const Scenario keys{.name = "keys",
                      .title =
                          "50 pods of two cores, 20 ms of one for each request; 2,500 requests a second, half of "
                          "what they can do, of 10,000 keys, the n-th as often as 1/n; `at home`: requests at the "
                          "pod that most of their key's go to.",
                      .pods = alike(50, {0.02, 2}),
                      .rate = 2500,
                      .seconds = 90,
                      .times = Times::exponential,
                      .keys = 10'000};
  // Names of scenarios, or all.
  const auto asked = [&](const char* name) {
    return argc < 2 || std::any_of(argv + 1, argv + argc, [&](const char* a) { return std::strcmp(a, name) == 0; });
  };
  for (const Scenario& scenario : scenarios)
    if (asked(scenario.name.c_str())) print(scenario, free);
  if (asked("keys")) print(keys, keyed);
  if (asked("burst")) print_bursts(free);
  if (asked("shares")) print_shares();
  return 0;
}
