// What the end of a request costs: one access log line and the metrics of its route. Target: a line below 1.5 µs.
#include <benchmark/benchmark.h>

#include <cstring>

#include "ops/access_log/access_log.h"
#include "ops/metrics/metrics.h"

namespace {

using namespace sluice;

ExchangeRecord typical() {
  ExchangeRecord r;
  r.remote_address = "192.0.2.7";
  r.method = r.method_label = "GET";
  r.target = "/api/v1/items?page=3&sort=price";
  r.host = "shop.example";
  r.referer = "https://shop.example/items";
  r.user_agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
  r.request_id = "0123456789abcdef0123456789abcdef";
  r.status = 200;
  r.request_length = 512;
  r.bytes_sent = 1400;
  r.body_bytes_sent = 1024;
  r.request_seconds = 0.003F;
  r.series = 0;
  r.route_host = "shop.example";
  r.ns = "default";
  r.ingress = "shop";
  r.service = "shop-svc";
  r.service_port = "80";
  r.path = "/api";
  r.upstream_name = "default-shop-svc-80";
  r.attempts = 1;
  std::strcpy(r.attempt[0].address, "10.0.0.1:8080");
  r.attempt[0].status = 200;
  r.attempt[0].response_bytes = 1024;
  r.attempt[0].header_seconds = r.attempt[0].response_seconds = 0.002F;
  r.wall_ms = 1'700'000'000'000;
  return r;
}

void format_line(benchmark::State& state, const ops::AccessLogSettings& settings) {
  const auto format = ops::LogFormat::compile(settings);
  LogTimes times;
  char line[16384];
  auto record = typical();
  for (auto _ : state) {
    ++record.wall_ms;  // the second changes every thousand lines
    benchmark::DoNotOptimize(format->write(record, times, line, sizeof line));
    benchmark::ClobberMemory();
  }
}

void LogLineDefault(benchmark::State& state) {
  format_line(state, {});
}
BENCHMARK(LogLineDefault);

void LogLineJson(benchmark::State& state) {
  ops::AccessLogSettings settings;
  settings.json = true;
  format_line(state, settings);
}
BENCHMARK(LogLineJson);

// With the ring and the writer's thread behind it.
void LogWrite(benchmark::State& state) {
  ops::AccessLogSettings settings;
  settings.path = "/dev/null";
  ops::AccessLog log(settings);
  const auto worker = log.add_worker();
  auto record = typical();
  for (auto _ : state) {
    ++record.wall_ms;
    worker->write(record);
  }
  const auto stats = log.stats();
  state.counters["lost"] = static_cast<double>(stats.lost);
}
BENCHMARK(LogWrite);

// The metrics of one exchange, with as many label sets in the worker's table as the argument says.
void MetricsFinished(benchmark::State& state) {
  ops::WorkerMetrics worker;
  const auto series = static_cast<std::uint32_t>(state.range(0));
  auto record = typical();
  for (record.series = 0; record.series < series; ++record.series) worker.finished(record);
  std::uint32_t next = 0;
  for (auto _ : state) {
    record.series = next;
    next = (next + 7919) % series;
    worker.finished(record);
  }
}
BENCHMARK(MetricsFinished)->Arg(1)->Arg(100)->Arg(10'000)->Arg(100'000);

// A scrape of two workers with that many label sets each.
void Scrape(benchmark::State& state) {
  ops::Metrics metrics({"ns", "pod", "k8s.io/ingress-nginx", "0", "0"});
  auto record = typical();
  for (int w = 0; w < 2; ++w) {
    const auto worker = metrics.add_worker();
    for (record.series = 0; record.series < state.range(0); ++record.series) worker->finished(record);
  }
  std::size_t bytes = 0;
  for (auto _ : state) bytes = metrics.scrape().size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(Scrape)->Arg(1)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
