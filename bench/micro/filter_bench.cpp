// What decisions cost: a route that uses nothing, lists of addresses, origins.
#include <benchmark/benchmark.h>

#include "data/filter/order.h"
#include "data/plan/choice.h"
#include "model/ip.h"

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

struct Scene {
  explicit Scene(const model::RouteSettings& wanted) : settings(wanted), plan(plan_of_route({settings, false})) {
    head.method = net::http::Method::get;
    head.path_query = "/api/v1/items?page=2";
    for (const auto* name : {"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Referer", "Cookie"})
      head.fields.add() = {name, "some value", net::http::name_of(name), false};
    head.fields.add() = {"Origin", "https://pages.apps.example", net::http::Name::other, false};
    route.spec = &spec;
    route.settings = &settings;
    route.plan = plan.get();
    route.forwards = true;
    view.route = &route;
    view.available = true;
    view.client = *model::read_ip("10.33.0.1");
  }
  model::RouteSettings settings;
  std::shared_ptr<const Plan> plan;
  model::Route spec;
  Route route;
  net::http::RequestHead head;
  RequestView view{head};
};

void DecideWithNothing(benchmark::State& state) {
  const Scene s({});
  for (auto _ : state) benchmark::DoNotOptimize(decide_for_route(s.view));
}
BENCHMARK(DecideWithNothing);

void DecideByRanges(benchmark::State& state) {
  model::SourceRanges ranges;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    model::Cidr c;
    const auto ip = *model::read_ip("10." + std::to_string(i % 250) + "." + std::to_string(i / 250) + ".0");
    std::copy(ip.begin(), ip.end(), c.bytes);
    c.bits = 120;
    ranges.allowed.push_back(c);
  }
  model::RouteSettings settings;
  settings.source_ranges = ranges;
  const Scene s(settings);
  for (auto _ : state) benchmark::DoNotOptimize(decide_for_route(s.view));
}
BENCHMARK(DecideByRanges)->Arg(1)->Arg(50)->Arg(5'000);

// Which of two Services: what falls through to the draw has been asked everything.
void Choose(benchmark::State& state) {
  Scene s({});
  model::Canary canary;
  canary.rule = {.header = "X-Canary", .pattern = state.range(0) == 2 ? "^v[0-9]+$" : "", .cookie = "ck", .weight = 20};
  if (state.range(0) > 0) s.head.fields.add() = {"X-Canary", "v12x", net::http::Name::other, false};
  const Choice choice(canary, 0);
  const model::Cluster main, other;
  std::uint64_t random = 1;
  for (auto _ : state) {
    const auto opinion = choice.ask(s.view, {&main, true}, {&other, true});
    random = random * 6364136223846793005U + 1442695040888963407U;
    benchmark::DoNotOptimize(opinion.by == Choice::By::weight ? choice.draw(random) : opinion.canary);
  }
}
BENCHMARK(Choose)->ArgName("header")->Arg(0)->Arg(1)->Arg(2);  // none, there, matched against a pattern

void DecideByOrigin(benchmark::State& state) {
  model::Cors cors;
  cors.origins.clear();
  for (std::int64_t i = 1; i < state.range(0); ++i)
    cors.origins.push_back("https://a" + std::to_string(i) + ".example");
  cors.origins.emplace_back("https://*.apps.example");
  model::RouteSettings settings;
  settings.cors = cors;
  Scene s(settings);
  s.head.method = net::http::Method::options;
  for (auto _ : state) benchmark::DoNotOptimize(decide_for_route(s.view));
}
BENCHMARK(DecideByOrigin)->Arg(1)->Arg(10);

}  // namespace
