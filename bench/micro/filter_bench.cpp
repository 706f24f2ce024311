// What the steps of Plans cost, as serve() asks them: whether a request goes on or is answered, where it is sent, and
// what its response carries. The budget of a decision is 200 ns (data/plan/step.h). What a request costs that goes on,
// and what a response costs, is free of allocations, which is counted here; an answer of ours makes its texts.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "allocations.h"
#include "data/exchange/exchange.h"
#include "data/filter/order.h"
#include "data/plan/choice.h"
#include "data/proxy/edit.h"
#include "data/proxy/program.h"
#include "model/ip.h"

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

struct Scene {
  explicit Scene(const model::RouteSettings& wanted, bool to_https = false, const model::Options& process_options = {})
      : settings(wanted),
        options(process_options),
        plan(plan_of_route({settings, to_https})),
        process(plan_of_process(options, true)) {
    head.method = net::http::Method::get;
    head.authority = head.host = "shop.example.com";
    head.path_query = head.target = "/api/v1/items?page=2";
    for (const auto* name : {"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Referer", "Cookie"})
      field(name, "some value");
    field("Origin", "https://pages.apps.example");
    route.spec = &spec;
    route.settings = &settings;
    route.plan = plan.get();
    route.forwards = true;
    view.route = &route;
    view.available = true;
    view.path = "/api/v1/items";
    view.query = "?page=2";
    view.client_host = "shop.example.com";
    view.client = *model::read_ip("10.33.0.1");
  }
  void field(std::string_view name, std::string_view value) {
    head.fields.add() = {name, value, net::http::name_of(name), false};
    head.names.add(net::http::name_of(name));
  }
  void change(std::string_view name, std::string_view value) {
    for (auto& f : head.fields.all())
      if (f.name == name) f.value = value;
  }
  model::RouteSettings settings;
  model::Options options;
  std::shared_ptr<const Plan> plan, process;
  model::Route spec;
  Route route;
  net::http::RequestHead head;
  RequestView view{head};
};

// Runs `work` until its time is known, and fails where it allocates once it has run before.
template <class Work>
void free_of_allocations(benchmark::State& state, Work&& work) {
  for (int i = 0; i < 3; ++i) work();
  const std::size_t before = allocations;
  for (auto _ : state) work();
  if (allocations != before) state.SkipWithError("it allocates");
}

void goes_on(benchmark::State& state, const Scene& s) {
  if (decide_for_route(s.view)) return state.SkipWithError("it is answered");
  free_of_allocations(state, [&] { benchmark::DoNotOptimize(decide_for_route(s.view)); });
}
void answered(benchmark::State& state, const Scene& s, std::uint16_t status) {
  const auto verdict = decide_for_route(s.view);
  if (!verdict || verdict->reply.status != status) return state.SkipWithError("it is answered otherwise");
  const std::size_t before = allocations;
  for (auto _ : state) benchmark::DoNotOptimize(decide_for_route(s.view));
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(allocations - before), benchmark::Counter::kAvgIterations);
}

void DecideWithNothing(benchmark::State& state) {
  goes_on(state, Scene({}));
}
BENCHMARK(DecideWithNothing);

model::Cidr range(std::int64_t i) {
  model::Cidr c;
  const auto ip = *model::read_ip("10." + std::to_string(i % 250) + "." + std::to_string(i / 250) + ".0");
  std::copy(ip.begin(), ip.end(), c.bytes);
  c.bits = 120;
  return c;
}

void DecideByRanges(benchmark::State& state) {
  std::vector<model::Cidr> allowed{range(33)};
  for (std::int64_t i = 1; i < state.range(0); ++i) allowed.push_back(range(i));
  model::RouteSettings settings;
  settings.source_ranges = model::SourceRanges{{}, allowed};
  goes_on(state, Scene(settings));
}
BENCHMARK(DecideByRanges)->Arg(1)->Arg(50)->Arg(5'000);

// Of block-cidrs, with a list of the route beside.
void DecideByBlockedRanges(benchmark::State& state) {
  std::vector<model::Cidr> denied;
  for (std::int64_t i = 0; i < state.range(0); ++i) denied.push_back(range(i + 34));
  model::RouteSettings settings;
  settings.source_ranges = model::SourceRanges{denied, {range(33)}, true};
  goes_on(state, Scene(settings));
}
BENCHMARK(DecideByBlockedRanges)->Arg(1)->Arg(50)->Arg(5'000);

// block-user-agents and block-referers: texts and expressions, none of which matches what a browser sends.
void DecideByBlockedTexts(benchmark::State& state) {
  using Kind = model::TextRule::Kind;
  model::Options options;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    options.block_user_agents.push_back({Kind::whole, "bot/" + std::to_string(i)});
    options.block_referers.push_back({Kind::whole, "https://spam" + std::to_string(i) + ".example/"});
  }
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    options.block_user_agents.push_back({Kind::pattern_of_any_case, "crawler" + std::to_string(i)});
    options.block_referers.push_back({Kind::pattern, "^https?://([a-z]+\\.)?spam" + std::to_string(i) + "\\.example/"});
  }
  Scene s({}, false, options);
  s.change("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
  s.change("Referer", "https://shop.example.com/items?page=1");
  if (decide_for_all(s.process.get(), s.view)) return state.SkipWithError("it is answered");
  free_of_allocations(state, [&] { benchmark::DoNotOptimize(decide_for_all(s.process.get(), s.view)); });
}
BENCHMARK(DecideByBlockedTexts)
    ->ArgNames({"texts", "patterns"})
    ->Args({10, 0})
    ->Args({1'000, 0})
    ->Args({0, 1})
    ->Args({10, 5});

// Requests for another path than "/" go on.
void DecideAppRoot(benchmark::State& state) {
  model::RouteSettings settings;
  settings.app_root = model::AppRoot{"/shop/"};
  Scene s(settings);
  if (state.range(0) == 0) return goes_on(state, s);
  s.view.path = "/";
  answered(state, s, 302);
}
BENCHMARK(DecideAppRoot)->ArgName("asked")->Arg(0)->Arg(1);

void DecideToHost(benchmark::State& state) {
  model::RouteSettings settings;
  settings.to_host = model::ToHost{"www.shop.example.com"};
  answered(state, Scene(settings), 308);
}
BENCHMARK(DecideToHost);

void DecideSslRedirect(benchmark::State& state) {
  Scene s({}, true);
  s.view.plain = state.range(0) != 0;
  s.view.https = !s.view.plain;
  if (s.view.plain) return answered(state, s, 308);
  goes_on(state, s);
}
BENCHMARK(DecideSslRedirect)->ArgName("plain")->Arg(0)->Arg(1);

void DecideRedirect(benchmark::State& state) {
  model::RouteSettings settings;
  settings.redirect = model::Redirect{301, "https://new.example$request_uri"};
  answered(state, Scene(settings), 301);
}
BENCHMARK(DecideRedirect);

// satisfy: any. Who comes from an allowed address needs no password; who does not is asked for one.
void DecideBySatisfyAny(benchmark::State& state) {
  model::BasicAuth auth;
  auth.realm = "shop";
  auth.secret = "default/users";
  auth.users = std::string("ann:{PLAIN}secret\n");
  model::RouteSettings settings;
  settings.source_ranges = model::SourceRanges{{}, {range(33)}};
  settings.basic_auth = auth;
  settings.satisfy_any = true;
  Scene s(settings);
  if (state.range(0) != 0) return goes_on(state, s);
  s.view.client = *model::read_ip("10.44.0.1");
  answered(state, s, 401);
}
BENCHMARK(DecideBySatisfyAny)->ArgName("allowed")->Arg(1)->Arg(0);

// A snippet that looks at a field of the request and answers those that have it otherwise: its program, and what the
// Plan makes of it.
void DecideBySnippet(benchmark::State& state) {
  using Step = model::SnippetStep;
  model::Snippet snippet;
  snippet.levels.emplace_back();
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    Step test;
    test.kind = Step::Kind::test;
    test.test = Step::Test::matches;
    test.pattern = "crawler" + std::to_string(i);
    test.text = "$http_user_agent";
    test.count = 1;
    snippet.location.push_back(test);
    Step answer;
    answer.kind = Step::Kind::answer;
    answer.status = 403;
    snippet.location.push_back(answer);
  }
  const bool refuses = state.range(1) != 0;
  model::RouteSettings settings;
  settings.snippet = snippet;
  Scene s(settings);
  s.change("User-Agent",
           refuses ? "a crawler0" : "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
  const Program program(settings.snippet);
  Texts texts;
  ProgramState memory;
  s.view.program = &memory;
  const auto work = [&] {
    texts.clear();
    memory.begin(texts);
    program.run_location(s.view, memory);
    return decide_for_route(s.view);
  };
  if (work().has_value() != refuses) return state.SkipWithError("it is decided otherwise");
  free_of_allocations(state, [&] { benchmark::DoNotOptimize(work()); });
}
BENCHMARK(DecideBySnippet)->ArgNames({"ifs", "answers"})->Args({1, 0})->Args({5, 0})->Args({1, 1});

// Where pods get another path: a group of an expression, and a variable beside it.
void Rewrite(benchmark::State& state) {
  model::RouteSettings settings;
  settings.rewrite = model::Rewrite{state.range(0) == 0 ? "/v2/$2" : "/$http_accept/$host/$2"};
  Scene s(settings);
  const auto pattern = Regex::make("/api(/|$)(.*)");
  s.route.pattern = pattern->get();
  Rewritten to;
  rewrite(s.view, to);
  if (to.wrong != nullptr || to.redirect) return state.SkipWithError("it is no path");
  free_of_allocations(state, [&] {
    rewrite(s.view, to);
    benchmark::DoNotOptimize(to.target.data());
  });
}
BENCHMARK(Rewrite)->ArgName("variables")->Arg(0)->Arg(1);

// Which of two Services: what falls through to the draw has been asked everything.
void Choose(benchmark::State& state) {
  Scene s({});
  model::Canary canary;
  canary.rule = {.header = "X-Canary", .pattern = state.range(0) == 2 ? "^v[0-9]+$" : "", .cookie = "ck", .weight = 20};
  if (state.range(0) > 0) s.field("X-Canary", "v12x");
  const Choice choice(canary, 0);
  const model::Cluster main, other;
  std::uint64_t random = 1;
  free_of_allocations(state, [&] {
    const auto opinion = choice.ask(s.view, {&main, true}, {&other, true});
    random = random * 6364136223846793005U + 1442695040888963407U;
    benchmark::DoNotOptimize(opinion.by == Choice::By::weight ? choice.draw(random) : opinion.canary);
  });
}
BENCHMARK(Choose)->ArgName("header")->Arg(0)->Arg(1)->Arg(2);  // none, there, matched against a pattern

model::Shared<model::Cors> cors(std::int64_t origins) {
  model::Cors cors;
  cors.origins.clear();
  for (std::int64_t i = 1; i < origins; ++i) cors.origins.push_back("https://a" + std::to_string(i) + ".example");
  cors.origins.emplace_back("https://*.apps.example");
  return cors;
}

void DecideByOrigin(benchmark::State& state) {
  model::RouteSettings settings;
  settings.cors = cors(state.range(0));
  Scene s(settings);
  s.head.method = net::http::Method::options;
  answered(state, s, 204);
}
BENCHMARK(DecideByOrigin)->Arg(1)->Arg(10);

// ---- What a response carries: the steps of the phase respond, over what a pod sends.

void respond(benchmark::State& state, const Scene& s, std::size_t ours, bool by_process = false,
             bool other_value = false) {
  const std::vector<net::http::Field> sent = [] {
    std::vector<net::http::Field> out;
    for (const auto& [name, value] :
         {std::pair{"Server", "pod"},
          {"Content-Type", "application/json"},
          {"Content-Length", "1024"},
          {"Cache-Control", "no-store"},
          {"Location", "http://pod:8080/items/42"},
          {"Set-Cookie", "sid=0123456789abcdef; Path=/app/x; Domain=pod.internal; HttpOnly; Secure"}})
      out.push_back({name, value, net::http::name_of(name), false});
    return out;
  }();
  auto theirs = sent;
  std::vector<net::http::Field> added;
  Texts texts;
  const auto work = [&] {
    theirs = sent;
    added.clear();
    texts.clear();
    const ResponseFields::Response response{theirs, true, s.options};
    ResponseFields fields(added, texts, &response);
    add_response_fields(by_process ? s.process.get() : nullptr, s.view, fields);
    benchmark::DoNotOptimize(added.data());
    benchmark::ClobberMemory();
  };
  work();
  bool changed = false;
  for (std::size_t i = 0; i < sent.size(); ++i) changed = changed || theirs[i].value != sent[i].value;
  if (added.size() != ours || changed != other_value) return state.SkipWithError("the response is another one");
  free_of_allocations(state, work);
}

void RespondWithNothing(benchmark::State& state) {
  respond(state, Scene({}), 0);
}
BENCHMARK(RespondWithNothing);

void RespondHsts(benchmark::State& state) {
  respond(state, Scene({}), 1, true);
}
BENCHMARK(RespondHsts);

void RespondCors(benchmark::State& state) {
  model::RouteSettings settings;
  settings.cors = cors(state.range(0));
  respond(state, Scene(settings), 5);
}
BENCHMARK(RespondCors)->Arg(1)->Arg(10);

// custom-headers: literal values, and ones with a variable each.
void RespondHeaders(benchmark::State& state) {
  model::HeaderMap map;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    map.lines.push_back({"X-Header-" + std::to_string(i), Template(state.range(1) == 0 ? "value" : "for $host")});
  model::RouteSettings settings;
  settings.custom_headers = map;
  respond(state, Scene(settings), static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(RespondHeaders)->ArgNames({"fields", "variables"})->Args({1, 0})->Args({10, 0})->Args({1, 1})->Args({10, 1});

void RespondSnippetHeaders(benchmark::State& state) {
  model::Snippet snippet;
  auto& level = snippet.levels.emplace_back();
  model::SnippetField field;
  field.name = "X-Frame-Options";
  field.value = "DENY";
  level.set.push_back(field);
  field.kind = model::SnippetField::Kind::clear;
  field.name = "Server";
  field.value = {};
  level.set.push_back(field);
  model::RouteSettings settings;
  settings.snippet = snippet;
  respond(state, Scene(settings), 2);
}
BENCHMARK(RespondSnippetHeaders);

// proxy-redirect-from and -to: a text, an expression.
void RespondReplacedRedirect(benchmark::State& state) {
  model::RouteSettings settings;
  settings.redirect_replacement = state.range(0) == 0
                                      ? model::Replacement{"http://pod:8080/", "https://shop.example.com/app/"}
                                      : model::Replacement{"~^http://[^/]+/(.*)$", "https://$host/app/$1"};
  respond(state, Scene(settings), 0, false, true);
}
BENCHMARK(RespondReplacedRedirect)->ArgName("pattern")->Arg(0)->Arg(1);

// proxy-cookie-path and -domain.
void RespondReplacedCookie(benchmark::State& state) {
  model::RouteSettings settings;
  settings.cookie_path =
      state.range(0) == 0 ? model::Replacement{"/app/", "/"} : model::Replacement{"~^/app/(.*)$", "/$1"};
  settings.cookie_domain = model::Replacement{"pod.internal", "shop.example.com"};
  respond(state, Scene(settings), 0, false, true);
}
BENCHMARK(RespondReplacedCookie)->ArgName("pattern")->Arg(0)->Arg(1);

// The cookie of a session that begins: without an age, and with both.
void RespondSessionCookie(benchmark::State& state) {
  model::Affinity affinity;
  if (state.range(0) != 0) affinity.expires = affinity.max_age = 172'800;
  model::Balancing balancing;
  balancing.affinity = affinity;
  model::RouteSettings settings;
  settings.balancing = balancing;
  Scene s(settings);
  s.view.session = "INGRESSCOOKIE=1700000000.123.45.678901|d41d8cd98f00b204e9800998ecf8427e";
  respond(state, s, 1);
}
BENCHMARK(RespondSessionCookie)->ArgName("ages")->Arg(0)->Arg(1);

}  // namespace
