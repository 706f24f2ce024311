#include "ops/metrics/metrics.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "ops/metrics/catalogue.h"
#include "ops/metrics/series_block.h"
#include "record_for_test.h"

namespace sluice::ops {
namespace {

Metrics::Identity identity() {
  return {"ingress", "pod-0", "k8s.io/ingress-nginx", "0.1.0", "abcdef"};
}

// The value of the line that starts with `name` and holds each of `parts`; -1 when there is none.
double value_of(const std::string& text, const std::string& name, const std::vector<std::string>& parts = {}) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
    if (std::ranges::all_of(parts, [&](const std::string& p) { return line.find(p) != std::string::npos; }))
      return std::stod(line.substr(line.rfind(' ') + 1));
  }
  return -1;
}

ControllerState full_state() {
  ControllerState s;
  s.ready = true;
  s.config_version = 7;
  s.config_hash = 0xfedcba9876543210;
  s.last_reload_successful = true;
  s.last_reload_success_time = 1.7e9;
  s.reloads = 6;
  s.reload_errors = 1;
  s.hosts = 3;
  s.certificates.emplace("x", ops::CertificateState{"shop.example", "default", "shop-tls", "ab12",
                                                    "CN \"quoted\"\nline", "Org", "99", "RSA", 1'800'000'000});
  s.api = ops::ControllerState::Api{.leading = true,
                                    .lease = "sluice-leader",
                                    .resources = {{"/api/v1/services", true, 3}},
                                    .statuses = 5,
                                    .status_failures = 0,
                                    .events = 2,
                                    .event_failures = 1};
  s.webhook = ops::ControllerState::Webhook{.allowed = 8,
                                            .refused = 1,
                                            .seconds = 0.25,
                                            .last_seconds = 0.002,
                                            .checked = {{"default", "shop", 8, 0}, {"default", "bad", 0, 1}}};
  s.orphans.push_back({"default", "lost", true});
  s.orphans.push_back({"default", "empty", false});
  s.streams.push_back({"udp", "53", "default", "dns", "dns", std::make_shared<const StreamFigures>()});
  s.problems.push_back({"error", "InvalidAnnotation", 4});
  s.files.unreadable = 2;
  s.overload.sources = {{"memory", 0.91, {{"close-idle", true}, {"refuse-low", false}}}};
  return s;
}

TEST(Histogram, PutsAValueIntoTheFirstBucketWhoseBoundIsNotBelowIt) {
  EXPECT_EQ(bucket_of(0.0F, kTimeBuckets), 0U);
  EXPECT_EQ(bucket_of(0.005F, kTimeBuckets), 0U);  // bounds are inclusive
  EXPECT_EQ(bucket_of(0.00501F, kTimeBuckets), 1U);
  EXPECT_EQ(bucket_of(0.025F, kTimeBuckets), 2U);
  EXPECT_EQ(bucket_of(10.0F, kTimeBuckets), 10U);
  EXPECT_EQ(bucket_of(10.01F, kTimeBuckets), 11U);  // +Inf
  SeriesBlock block;
  for (std::uint64_t v : {10ULL, 11ULL, 10'000'000ULL, 10'000'001ULL}) block.add_sent(v);
  const HistogramView sizes = block.view_sent();
  EXPECT_EQ(sizes.bucket(0), 1U);
  EXPECT_EQ(sizes.bucket(1), 1U);
  EXPECT_EQ(sizes.bucket(6), 1U);
  EXPECT_EQ(sizes.bucket(7), 1U);
  EXPECT_EQ(sizes.sum(), 20'000'022U);
}

TEST(Histogram, KeepsItsBucketsApartFromItsNeighbours) {
  SeriesBlock block;
  block.add(TimeOf::header, 0.2F);
  block.add(LengthOf::response, 55);
  for (const TimeOf of : {TimeOf::request, TimeOf::response, TimeOf::header, TimeOf::connect})
    for (std::size_t i = 0; i <= kTimeBuckets.size(); ++i)
      EXPECT_EQ(block.view(of).bucket(i), of == TimeOf::header && i == 5 ? 1U : 0U);
  for (const LengthOf of : {LengthOf::request, LengthOf::response})
    for (std::size_t i = 0; i <= kLengthBuckets.size(); ++i)
      EXPECT_EQ(block.view(of).bucket(i), of == LengthOf::response && i == 5 ? 1U : 0U);
}

TEST(Histogram, TakesNoNegativeTime) {
  SeriesBlock block;
  block.add(TimeOf::request, -1.0F);
  for (std::size_t i = 0; i <= kTimeBuckets.size(); ++i) EXPECT_EQ(block.view(TimeOf::request).bucket(i), 0U);
}

TEST(SeriesBlock, WritesThreeLinesForAnOrdinaryRequest) {
  const SeriesBlock block;
  const auto line = [&](const void* at) {
    return (static_cast<const char*>(at) - reinterpret_cast<const char*>(&block)) / 64;
  };
  EXPECT_EQ(line(&block.last_seen), line(&block.length_sum.back()));
  EXPECT_EQ(line(&block.sent_sum), line(&block.time[0].back()));
  EXPECT_EQ(line(&block.length.back()), line(&block.sent[4]));
}

TEST(Metrics, CountsAnExchangeWithTheLabelsOfIngressNginx) {
  Metrics metrics(identity());
  metrics.add_worker()->finished(answered());
  const std::string text = metrics.scrape();
  const std::vector<std::string> labels{"status=\"200\"",
                                        "method=\"GET\"",
                                        "path=\"/shop\"",
                                        "namespace=\"default\"",
                                        "ingress=\"shop\"",
                                        "service=\"shop-svc\"",
                                        "canary=\"\"",
                                        "host=\"shop.example\"",
                                        "controller_namespace=\"ingress\"",
                                        "controller_class=\"k8s.io/ingress-nginx\"",
                                        "controller_pod=\"pod-0\""};
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", labels), 1);
  const auto bucket = [&](const std::string& name, const std::string& le) {
    return value_of(text, "nginx_ingress_controller_" + name + "_bucket",
                    {"le=\"" + le + "\"", "host=\"shop.example\""});
  };
  EXPECT_EQ(bucket("request_duration_seconds", "0.01"), 0);
  EXPECT_EQ(bucket("request_duration_seconds", "0.025"), 1);
  EXPECT_EQ(bucket("request_duration_seconds", "+Inf"), 1);
  EXPECT_EQ(bucket("header_duration_seconds", "0.005"), 0);
  EXPECT_EQ(bucket("header_duration_seconds", "0.01"), 1);
  EXPECT_EQ(bucket("connect_duration_seconds", "0.005"), 1);
  EXPECT_EQ(bucket("response_duration_seconds", "0.025"), 1);
  EXPECT_EQ(bucket("request_size", "90"), 0);
  EXPECT_EQ(bucket("request_size", "100"), 1);
  EXPECT_EQ(bucket("response_size", "100"), 0);
  EXPECT_EQ(bucket("bytes_sent", "1000"), 0);
  EXPECT_EQ(bucket("bytes_sent", "10000"), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_bytes_sent_sum"), 1234);
  EXPECT_NEAR(value_of(text, "nginx_ingress_controller_request_duration_seconds_sum"), 0.012, 1e-6);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_request_duration_seconds_count"), 1);
}

TEST(Metrics, TellsRequestsOfACanaryApart) {
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  worker->finished(answered(0));
  auto taken = answered(1);
  taken.canary = "default-next-80";
  worker->finished(taken);
  worker->finished(taken);
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"service=\"shop-svc\"", "canary=\"\""}), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"service=\"shop-svc\"", "canary=\"default-next-80\""}),
            2);
}

TEST(Metrics, ObservesNoUpstreamTimesWithoutAnAttempt) {
  Metrics metrics(identity());
  auto r = answered(0, 503);
  r.attempts = 0;
  metrics.add_worker()->finished(r);
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_request_duration_seconds_count"), 1);
  for (const char* name : {"response", "header", "connect"})
    EXPECT_EQ(value_of(text, std::string("nginx_ingress_controller_") + name + "_duration_seconds_count"), -1) << name;
}

TEST(Metrics, CountsAReusedConnectionAsConnectedInNoTime) {
  Metrics metrics(identity());
  auto r = answered();
  r.attempt[0].connect_seconds = -1;
  metrics.add_worker()->finished(r);
  r.attempt[0].header_seconds = -1;  // nor did a response head come
  metrics.add_worker()->finished(r);
  EXPECT_EQ(value_of(metrics.scrape(), "nginx_ingress_controller_connect_duration_seconds_count"), 1);
}

TEST(Metrics, SumsOverWorkers) {
  Metrics metrics(identity());
  const auto a = metrics.add_worker(), b = metrics.add_worker();
  a->finished(answered());
  b->finished(answered());
  b->finished(answered(0, 502));
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"status=\"200\""}), 2);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"status=\"502\""}), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_request_size_count", {"status=\"200\""}), 2);
}

TEST(Metrics, PutsExchangesWithoutARouteIntoOneSeriesWhateverTheirHost) {
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  for (int i = 0; i < 100; ++i) {
    ExchangeRecord r;
    const std::string host = "h" + std::to_string(i) + ".example";
    r.host = host;
    r.method_label = "GET";
    r.status = 404;
    worker->finished(r);
  }
  EXPECT_EQ(worker->blocks(), 1U);
  EXPECT_EQ(
      value_of(metrics.scrape(), "nginx_ingress_controller_requests", {"host=\"_\"", "namespace=\"\"", "ingress=\"\""}),
      100);
}

TEST(Metrics, BoundsTheMethodLabel) {
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  auto r = answered();
  for (const char* method : {"other", "BREW", "", "get"}) {
    r.method_label = method;
    worker->finished(r);
  }
  EXPECT_EQ(worker->blocks(), 1U);
  EXPECT_EQ(value_of(metrics.scrape(), "nginx_ingress_controller_requests", {"method=\"other\""}), 4);
}

TEST(Metrics, CountsWhatIsBeyondTheBoundAsOverflow) {
  WorkerMetrics worker(100);
  for (std::uint32_t series = 0; series < 150; ++series) worker.finished(answered(series));
  EXPECT_EQ(worker.blocks(), 100U);
  EXPECT_EQ(worker.overflow(), 50U);
  worker.finished(answered(3));  // a known one still counts
  EXPECT_EQ(worker.overflow(), 50U);
}

TEST(Metrics, ForgetsIdleSeriesOfGoneRoutesOnly) {
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  constexpr std::int64_t kNow = 1'700'010'000;
  auto r = answered();
  const auto count_at = [&](std::uint32_t series, std::int64_t seconds) {
    const std::string host = "h" + std::to_string(series) + ".example";
    r.series = series;
    r.route_host = host;
    r.wall_ms = seconds * 1000;
    worker->finished(r);
  };
  for (std::uint32_t s = 0; s < 1000; ++s) count_at(s, kNow - 7200);
  count_at(1, kNow - 10);                                      // gone but not idle
  const auto live = [](std::uint32_t s) { return s >= 900; };  // idle but live
  metrics.forget(live, kNow);
  EXPECT_EQ(value_of(metrics.scrape(), "nginx_ingress_controller_requests", {"\"h5.example\""}), 1)
      << "nothing goes before its worker let go";
  count_at(2, kNow);                                   // asked for, but it comes back to life
  for (int i = 0; i < 2000; ++i) count_at(950, kNow);  // traffic drives the sweep
  EXPECT_EQ(worker->blocks(), 102U);
  metrics.forget(live, kNow);
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"\"h5.example\""}), -1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"\"h1.example\""}), 2);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"\"h2.example\""}), 2);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"\"h950.example\""}), 2001);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_requests", {"\"h999.example\""}), 1);
  count_at(5, kNow);  // a new life counts from the start
  EXPECT_EQ(value_of(metrics.scrape(), "nginx_ingress_controller_requests", {"\"h5.example\""}), 1);
}

TEST(Metrics, StaysBoundedWhileRoutesComeAndGo) {
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  std::int64_t now = 1'700'000'000;
  std::size_t most = 0;
  for (std::uint32_t generation = 0; generation < 50; ++generation) {
    for (std::uint32_t i = 0; i < 3000; ++i) {
      auto r = answered(generation * 100 + i % 100);
      r.wall_ms = now * 1000;
      worker->finished(r);
    }
    now += 4000;
    metrics.forget([&](std::uint32_t s) { return s >= generation * 100; }, now);
    most = std::max(most, worker->blocks());
  }
  EXPECT_LE(most, 400U);
  EXPECT_LT(std::ranges::count(metrics.scrape(), '\n'), 80'000);
}

TEST(Metrics, IsReadWhileWorkersWrite) {
  Metrics metrics(identity());
  constexpr int kWorkers = 3;
  constexpr std::uint64_t kEach = 30'000;
  std::atomic<int> running{kWorkers};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w)
    threads.emplace_back([&metrics, &running, worker = metrics.add_worker()] {
      for (std::uint64_t i = 0; i < kEach; ++i) worker->finished(answered(static_cast<std::uint32_t>(i % 300)));
      --running;
    });
  double last = -1;  // no series yet
  do {
    const double now =
        value_of(metrics.scrape(), "nginx_ingress_controller_request_duration_seconds_bucket", {"le=\"+Inf\""});
    EXPECT_GE(now, last);
    last = std::max(last, now);
    metrics.forget([](std::uint32_t s) { return s % 2 == 0; }, 1'700'000'000 + 10, 3600);
    metrics.update([](ControllerState& s) { ++s.config_version; });
  } while (running > 0);
  for (std::thread& t : threads) t.join();
  std::istringstream lines(metrics.scrape());
  double sum = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("nginx_ingress_controller_requests{")) sum += std::stod(line.substr(line.rfind(' ') + 1));
  EXPECT_EQ(sum, static_cast<double>(kWorkers * kEach));
}

TEST(Metrics, ForgettingIsSafeBesideARunningWorker) {
  // Every series is gone and idle all the time: asked for, revived, let go, freed and made again beside the writer.
  Metrics metrics(identity());
  const auto worker = metrics.add_worker();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint32_t i = 0; i < 60'000; ++i) worker->finished(answered(i % 50));
    done = true;
  });
  while (!done) metrics.forget([](std::uint32_t) { return false; }, 1'800'000'000, 0);
  writer.join();
  EXPECT_EQ(worker->overflow(), 0U);
  worker->finished(answered(77));
  EXPECT_EQ(value_of(metrics.scrape(), "sluice_metrics_series"), static_cast<double>(worker->blocks()));
}

TEST(Metrics, ShowsEveryFieldOfWorkerStats) {
  WorkerStats stats;
  // Each counter gets a value of its own; all must come out.
  auto* const fields = reinterpret_cast<Counter*>(&stats);
  const std::size_t count = offsetof(WorkerStats, loop_lag_ns_max) / sizeof(Counter) + 1;
  for (std::size_t i = 0; i < count; ++i) fields[i].set((i + 1) * 1'000'003);
  Metrics metrics(identity());
  metrics.watch(&stats);
  const std::string text = metrics.scrape();
  std::set<double> shown;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("sluice_")) shown.insert(std::stod(line.substr(line.rfind(' ') + 1)));
  for (std::size_t i = 0; i < count; ++i) {
    const double value = static_cast<double>((i + 1) * 1'000'003);
    const bool seconds = std::ranges::any_of(shown, [&](double v) { return std::abs(v - value * 1e-9) < 1e-12; });
    EXPECT_TRUE(shown.contains(value) || seconds) << "field " << i << " of WorkerStats is not shown";
  }
}

TEST(Metrics, KeepsCountersOfAWorkerThatEnded) {
  Metrics metrics(identity());
  {
    WorkerStats stats;
    metrics.watch(&stats);
    stats.requests.add(5);
    stats.downstream_connections.set(3);
    metrics.unwatch(&stats);
  }
  WorkerStats second;
  second.requests.add(2);
  metrics.watch(&second);
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "sluice_requests_total"), 7);
  EXPECT_EQ(value_of(text, "sluice_downstream_connections"), 0);
}

TEST(Metrics, ShowsTheController) {
  Metrics metrics(identity());
  metrics.set_state(full_state());
  metrics.set_log_figures([] { return Metrics::LogFigures{10, 3, 2000, 1}; });
  const std::string text = metrics.scrape();
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_ssl_expire_time_seconds",
                     {"host=\"shop.example\"", "secret_name=\"shop-tls\""}),
            1.8e9);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_ssl_certificate_info",
                     {"serial_number=\"99\"", "issuer_organization=\"Org\""}),
            1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_orphan_ingress", {"ingress=\"lost\"", "type=\"no-service\""}), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_orphan_ingress", {"ingress=\"empty\"", "type=\"no-endpoint\""}),
            1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_leader_election_status", {"name=\"sluice-leader\""}), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_config_last_reload_successful"), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_success"), 6);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_build_info", {"release=\"0.1.0\"", "build=\"abcdef\""}), 1);
  EXPECT_EQ(value_of(text, "sluice_config_problems", {"severity=\"error\"", "reason=\"InvalidAnnotation\""}), 4);
  EXPECT_EQ(value_of(text, "sluice_source_files_unreadable"), 2);
  EXPECT_EQ(value_of(text, "sluice_access_log_lost_lines_total"), 3);
  EXPECT_GT(value_of(text, "nginx_ingress_controller_nginx_process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value_of(text, "process_open_fds"), 2);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_check_success", {"ingress=\"shop\"", "namespace=\"default\""}), 8);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_check_success", {"ingress=\"bad\""}), -1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_check_errors", {"ingress=\"bad\""}), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_admission_roundtrip_duration"), 0.002);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_admission_tested_ingresses"), 1);
  EXPECT_EQ(value_of(text, "nginx_ingress_controller_admission_config_size"), 0);
}

TEST(Metrics, ShowConnectionsAsNginxDoes) {
  Metrics metrics(identity());
  WorkerStats first, second, ended;
  ended.accepted.add(4);
  ended.requests.add(9);
  ended.downstream_connections.set(2);
  for (const WorkerStats* stats : {&first, &second, &ended}) metrics.watch(stats);
  metrics.unwatch(&ended);
  first.accepted.add(10);
  first.shed_connections.add(3);
  first.downstream_connections.set(5);
  first.downstream_idle.set(2);
  first.requests_active.set(1);
  first.requests.add(20);
  second.downstream_connections.set(1);
  second.requests_active.set(7);  // streams of one connection
  EXPECT_EQ(metrics.stub_status(),
            "Active connections: 6 \nserver accepts handled requests\n 14 11 29 \n"
            "Reading: 0 Writing: 8 Waiting: 2 \n");
  second.requests_active.set(1);
  const std::string text = metrics.scrape();
  for (const auto& [state, value] : {std::pair("active", 6), {"reading", 2}, {"writing", 2}, {"waiting", 2}})
    EXPECT_EQ(
        value_of(text, "nginx_ingress_controller_nginx_process_connections", {"state=\"" + std::string(state) + "\""}),
        value)
        << state;
}

TEST(Metrics, DeclaresTheCountersOfIngressNginxAsCounters) {
  Metrics metrics(identity());
  metrics.set_state(full_state());
  WorkerStats stats;
  metrics.watch(&stats);
  metrics.add_worker()->finished(answered());
  const auto text = metrics.scrape();
  for (const char* name : {"requests", "success", "errors"})
    EXPECT_NE(text.find("# TYPE nginx_ingress_controller_" + std::string(name) + " counter\n"), std::string::npos)
        << name;
  EXPECT_EQ(text.find(" untyped\n"), std::string::npos);
}

TEST(Metrics, SatisfiesPromtool) {
  if (std::system("promtool --version >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool (package prometheus) is not installed";
  Metrics metrics(identity());
  metrics.set_state(full_state());
  WorkerStats stats;
  metrics.watch(&stats);
  const auto worker = metrics.add_worker();
  worker->finished(answered());
  auto odd = answered(1, 502);
  odd.path = "/a\"b\\c";
  worker->finished(odd);
  const std::string file = testing::TempDir() + "sluice_metrics_" + std::to_string(::getpid()) + ".txt";
  std::ofstream(file) << metrics.scrape();
  FILE* tool = ::popen(("promtool check metrics < " + file + " 2>&1").c_str(), "r");
  ASSERT_NE(tool, nullptr);
  std::string said;
  for (char part[512]; std::fgets(part, sizeof part, tool) != nullptr;) said += part;
  ::pclose(tool);
  // What it says of ingress-nginx's names, and nothing else.
  std::string expected;
  for (const char* name : {"check_errors", "check_success", "errors", "requests", "success"})
    expected += std::string("nginx_ingress_controller_") + name + " counter metrics should have \"_total\" suffix\n";
  EXPECT_EQ(said, expected);
  std::remove(file.c_str());
}

TEST(Catalogue, DeclaresEachMetricOnceAndTheScrapeShowsAll) {
  std::set<std::string_view> names;
  for (const MetricInfo& m : catalogue()) {
    EXPECT_TRUE(names.insert(m.name).second) << m.name << " is declared twice";
    EXPECT_TRUE(m.help.ends_with('.')) << m.name;
  }
  Metrics metrics(identity());
  metrics.set_state(full_state());
  WorkerStats stats;
  metrics.watch(&stats);
  metrics.add_worker()->finished(answered());
  const std::string text = metrics.scrape();
  for (std::string_view name : names)
    EXPECT_NE(text.find("# HELP " + std::string(name) + " "), std::string::npos) << name;
}

TEST(Catalogue, IsTheDocumentation) {
  std::ifstream in(SLUICE_SOURCE_DIR "/docs/metrics.md");
  std::stringstream page;
  page << in.rdbuf();
  EXPECT_NE(page.str().find(metrics_markdown()), std::string::npos)
      << "docs/metrics.md is not what `make docs` makes of the catalogue";
}

}  // namespace
}  // namespace sluice::ops
