#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "data/compiler/compiler.h"
#include "data/routing/table.h"

// What it costs to find a route, by the number of hosts and of routes, and what a change of configuration costs.
namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

std::string host_name(std::size_t i) {
  return "tenant-" + std::to_string(i) + ".apps.example.com";
}

std::shared_ptr<const HostRoutes> host(const std::string& name, std::size_t paths) {
  auto spec = std::make_shared<model::Host>();
  spec->name = name;
  for (std::size_t i = 0; i < paths; ++i) {
    model::Route& route = spec->routes.emplace_back();
    route.path = i == 0 ? "/" : "/api/v" + std::to_string(i) + "/";
  }
  std::vector<Route> routes;
  for (const model::Route& route : spec->routes) routes.emplace_back().spec = &route;
  return HostRoutes::make(spec, routes);
}

std::shared_ptr<const RouteTable> table(std::size_t hosts, std::size_t paths) {
  std::vector<HostChange> changes;
  for (std::size_t i = 0; i < hosts; ++i) changes.push_back({host_name(i), host(host_name(i), paths)});
  changes.push_back({"*.wild.example.com", host("*.wild.example.com", paths)});
  return make_route_table(nullptr, changes);
}

// One busy host among many: the number of its neighbours must not show.
void match_one_host(benchmark::State& state) {
  const auto t = table(static_cast<std::size_t>(state.range(0)), 3);
  const std::string name = host_name(static_cast<std::size_t>(state.range(0)) / 2);
  for (auto _ : state) benchmark::DoNotOptimize(t->match(name, "/api/v1/items/42"));
}
BENCHMARK(match_one_host)->Arg(1)->Arg(10)->Arg(100)->Arg(10'000);

// Every host in turn, at random: what is left is the memory that 10,000 hosts take.
void match_random_host(benchmark::State& state) {
  const auto t = table(static_cast<std::size_t>(state.range(0)), 3);
  std::mt19937 random(1);
  std::vector<std::string> names;
  for (int i = 0; i < 1 << 14; ++i) names.push_back(host_name(random() % static_cast<std::size_t>(state.range(0))));
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(t->match(names[i++ & ((1 << 14) - 1)], "/api/v1/items/42"));
}
BENCHMARK(match_random_host)->Arg(1)->Arg(100)->Arg(10'000);

void match_routes_of_a_host(benchmark::State& state) {
  const auto t = table(1, static_cast<std::size_t>(state.range(0)));
  const std::string name = host_name(0), path = "/api/v" + std::to_string(state.range(0) / 2) + "/items/42";
  for (auto _ : state) benchmark::DoNotOptimize(t->match(name, path));
}
BENCHMARK(match_routes_of_a_host)->Arg(1)->Arg(10)->Arg(1'000);

// Paths that are regular expressions: what a team of each writes, and the team in the middle is asked for.
void match_patterns_of_a_host(benchmark::State& state) {
  auto spec = std::make_shared<model::Host>();
  spec->name = "h";
  for (int i = 0; i < state.range(0); ++i) {
    model::Route& route = spec->routes.emplace_back();
    route.match = model::PathMatch::pattern;
    route.path = i == 0 ? "/" : "/api/team" + std::to_string(i) + "(/|$)(.*)";
  }
  std::vector<Route> routes;
  for (const model::Route& route : spec->routes) routes.emplace_back().spec = &route;
  const auto t = make_route_table(nullptr, {{"h", HostRoutes::make(spec, routes)}});
  const std::string path = "/api/team" + std::to_string(state.range(0) / 2) + "/items/42";
  for (auto _ : state) benchmark::DoNotOptimize(t->match("h", path));
}
BENCHMARK(match_patterns_of_a_host)->Arg(10)->Arg(100)->Arg(1'000);

// The same where no text in front tells them apart: each one before it is asked.
void match_patterns_alike(benchmark::State& state) {
  auto spec = std::make_shared<model::Host>();
  spec->name = "h";
  for (int i = 0; i < state.range(0); ++i) {
    model::Route& route = spec->routes.emplace_back();
    route.match = model::PathMatch::pattern;
    route.path = "/[a-z]+/team" + std::to_string(i) + "(/|$)(.*)";
  }
  std::vector<Route> routes;
  for (const model::Route& route : spec->routes) routes.emplace_back().spec = &route;
  const auto t = make_route_table(nullptr, {{"h", HostRoutes::make(spec, routes)}});
  const std::string path = "/api/team" + std::to_string(state.range(0) / 2) + "/items/42";
  for (auto _ : state) benchmark::DoNotOptimize(t->match("h", path));
}
BENCHMARK(match_patterns_alike)->Arg(10)->Arg(100);

void match_wildcard(benchmark::State& state) {
  const auto t = table(10'000, 3);
  for (auto _ : state) benchmark::DoNotOptimize(t->match("any-name.wild.example.com", "/api/v1/items/42"));
}
BENCHMARK(match_wildcard);

void match_nothing(benchmark::State& state) {
  const auto t = table(10'000, 3);
  for (auto _ : state) benchmark::DoNotOptimize(t->match("scanner.evil.example.org", "/.env"));
}
BENCHMARK(match_nothing);

// A Model of `hosts` hosts with a Cluster of two endpoints each.
struct World {
  explicit World(std::size_t hosts) {
    for (std::size_t i = 0; i < hosts; ++i) {
      set_cluster(i, 2);
      set_host(i, "/");
    }
    change = {};
    change.everything = true;
  }
  void set_cluster(std::size_t i, int endpoints) {
    auto cluster = std::make_shared<model::Cluster>();
    cluster->name = "default-app" + std::to_string(i) + "-80";
    for (int e = 0; e < endpoints; ++e)
      cluster->endpoints.push_back({"10.0.0." + std::to_string(e + 1), 80, true, false, false, ""});
    model.clusters[cluster->name] = cluster;
    change.clusters.push_back(cluster->name);
  }
  void set_host(std::size_t i, const std::string& path) {
    auto h = std::make_shared<model::Host>();
    h->name = host_name(i);
    model::Route& route = h->routes.emplace_back();
    route.path = route.location = path;
    route.cluster = "default-app" + std::to_string(i) + "-80";
    route.service = "app" + std::to_string(i);
    model.hosts[h->name] = h;
    change.hosts.push_back(h->name);
  }
  model::Model model;
  model::Change change;
};

void compile_everything(benchmark::State& state) {
  const World world(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    Compiler compiler;
    benchmark::DoNotOptimize(compiler.compile(world.model, world.change));
  }
}
BENCHMARK(compile_everything)->Arg(100)->Arg(10'000)->Unit(benchmark::kMillisecond);

// One change among `hosts` hosts: the time of the edit itself is not counted.
template <class Edit>
void compile_one(benchmark::State& state, Edit edit) {
  World world(static_cast<std::size_t>(state.range(0)));
  Compiler compiler;
  Publication current = compiler.compile(world.model, world.change);
  int i = 0;
  for (auto _ : state) {
    state.PauseTiming();
    world.change = {};
    edit(world, ++i);
    state.ResumeTiming();
    current = compiler.compile(world.model, world.change);
  }
}
void compile_one_endpoint(benchmark::State& state) {
  compile_one(state, [](World& world, int i) { world.set_cluster(7, 1 + i % 2); });
}
BENCHMARK(compile_one_endpoint)->Arg(100)->Arg(10'000);
void compile_one_route(benchmark::State& state) {
  compile_one(state, [](World& world, int i) { world.set_host(7, i % 2 == 0 ? "/" : "/x/"); });
}
BENCHMARK(compile_one_route)->Arg(100)->Arg(10'000);

}  // namespace
