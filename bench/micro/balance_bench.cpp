// The choice of an endpoint, and what a change of a Cluster costs where keys lead to its endpoints.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "allocations.h"
#include "data/balance/placement.h"
#include "data/balance/policy.h"
#include "data/runtime/cluster.h"

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

// Each policy, with 3 and with 10,000 endpoints, and when one in ten takes no requests. What goes by a key has another
// one each time.
struct Picked {
  Picked(const PolicyRow& row, std::size_t count, std::size_t sick, std::uint32_t balance_factor)
      : policy(row.make(1)), loads(count) {
    model::Cluster cluster;
    cluster.upstream_name = "default-svc-80";
    model::Balancing asked;
    if (row.key == PolicyRow::Key::hash) {
      model::HashBy by{"$arg_k"};
      by.subset = row.places == PolicyRow::Places::ring_of_subsets;
      if (row.places == PolicyRow::Places::table) by.policy = model::HashPolicy::maglev;
      by.balance_factor = balance_factor;
      asked.hash_by = by;
    } else if (row.key == PolicyRow::Key::session) {
      model::Affinity affinity;
      affinity.persistent = row.places == PolicyRow::Places::names;
      asked.affinity = affinity;
    }
    cluster.balancing = asked;
    for (std::size_t i = 0; i < count; ++i) {
      loads[i] = std::make_unique<EndpointRuntime>();
      loads[i]->load.id = static_cast<std::uint32_t>(i + 1);
      loads[i]->load.latency = static_cast<float>(i % 17) / 100;
      loads[i]->load.since = now - std::chrono::milliseconds(i % 1'000);
      loads[i]->load.in_flight = static_cast<std::uint32_t>(i * 7 % 13);
      endpoints.push_back(&loads[i]->load);
      const bool takes = sick == 0 || i % sick != 0;
      if (takes) takers.push_back(static_cast<std::uint32_t>(i));
      cluster.endpoints.push_back(
          {"10." + std::to_string(i / 65'536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256),
           8080, takes, false, false, ""});
    }
    auto placement = Placement::of(cluster, nullptr);
    std::uint64_t state = 1;
    for (std::string& key : keys) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      key = row.places == PolicyRow::Places::names ? std::string(placement->name_of((state >> 33) % count))
                                                   : "1795466952.29." + std::to_string(state >> 40) + ".42876";
    }
    policy->reconcile({.endpoints = endpoints,
                       .takers = takers,
                       .newcomers = {},
                       .balancing = asked,
                       .placement = placement,
                       .now = now});
    keyed = row.key != PolicyRow::Key::none;
  }
  const Instant now = Instant(std::chrono::hours(1));
  std::unique_ptr<Policy> policy;
  std::vector<std::unique_ptr<EndpointRuntime>> loads;
  std::vector<EndpointLoad*> endpoints;
  std::vector<std::uint32_t> takers;
  std::array<std::string, 1'024> keys;
  bool keyed = false;
};

void pick(benchmark::State& state, const PolicyRow& row, std::size_t sick, std::uint32_t balance_factor = 0) {
  const Picked scene(row, static_cast<std::size_t>(state.range(0)), sick, balance_factor);
  std::size_t i = 0;
  const std::size_t before = allocations;
  for (auto _ : state) {
    const std::string_view key = scene.keyed ? std::string_view(scene.keys[i++ % scene.keys.size()]) : "";
    benchmark::DoNotOptimize(
        scene.policy->pick({.endpoints = scene.endpoints, .takers = scene.takers, .key = key, .now = scene.now}));
  }
  if (allocations != before) state.SkipWithError("a pick allocates");
}

[[maybe_unused]] const bool registered = [] {
  for (const PolicyRow* row : policies()) {
    const std::string name = "Pick/" + std::string(row->name);
    benchmark::RegisterBenchmark((name + "/all").c_str(), [row](auto& s) { pick(s, *row, 0); })->Arg(3)->Arg(10'000);
    benchmark::RegisterBenchmark((name + "/nine_in_ten").c_str(), [row](auto& s) { pick(s, *row, 10); })->Arg(10'000);
    using enum PolicyRow::Places;
    if (row->key == PolicyRow::Key::hash && (row->places == ring || row->places == table))
      benchmark::RegisterBenchmark((name + "/bounded").c_str(), [row](auto& s) { pick(s, *row, 0, 125); })->Arg(10'000);
  }
  return true;
}();

// One endpoint of 10,000 leaves a ring, or a table.
void without_one(benchmark::State& state, model::HashPolicy way) {
  model::Cluster cluster;
  model::Balancing asked;
  model::HashBy by{"$arg_k"};
  by.policy = way;
  asked.hash_by = by;
  cluster.balancing = asked;
  for (int i = 0; i < 10'000; ++i)
    cluster.endpoints.push_back(
        {"10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256), 8080, true, false, false, ""});
  const auto whole = Placement::of(cluster, nullptr);
  cluster.endpoints.erase(cluster.endpoints.begin() + 5'000);
  for (auto _ : state) benchmark::DoNotOptimize(Placement::of(cluster, whole.get()));
}
void RingWithoutOne(benchmark::State& state) {
  without_one(state, model::HashPolicy::ring);
}
BENCHMARK(RingWithoutOne)->Unit(benchmark::kMicrosecond);
void TableWithoutOne(benchmark::State& state) {
  without_one(state, model::HashPolicy::maglev);
}
BENCHMARK(TableWithoutOne)->Unit(benchmark::kMicrosecond);

}  // namespace
