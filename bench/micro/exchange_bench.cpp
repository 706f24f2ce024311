// Parts of an exchange between the parser and the socket: what fields are called, heads that are written.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "data/filter/order.h"
#include "data/runtime/cluster.h"
#include "data/runtime/worker_context.h"
#include "data/server/response_fields.h"
#include "data/upstream/request_fields.h"
#include "net/h1/parser.h"
#include "nobody.h"

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::data;  // NOLINT(google-build-using-namespace)
using net::http::Name;

struct NoRecorder final : Recorder {
  void finished(const ExchangeRecord&) noexcept override {}
};

// A browser's request and a pod's answer, as prepare() leaves them.
struct Scene {
  Scene() {
    request =
        "GET /api/v1/items?page=2 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\nReferer: "
        "https://shop.example.com/\r\n"
        "Cookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";
    response =
        "HTTP/1.1 200 OK\r\nServer: pod\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n"
        "Content-Length: 1024\r\nCache-Control: no-store\r\nETag: \"abc\"\r\n\r\n";
    if (!net::h1::parse_request(request, {}, memory->request) ||
        !net::h1::parse_response(response, {}, net::http::Method::get, memory->response))
      std::abort();
    ex.options = &options;
    ex.host_header = "shop.example.com";
    ex.client_address = peer.address = "192.0.2.7";
    ex.port_text = "443";
    ex.scheme = "https";
    ex.request_id = "0123456789abcdef0123456789abcdef";
    start.status = 200;
    start.reason = "OK";
    start.fields = memory->response.fields.all();
    start.content_length = 1024;
    start.from_pod = true;
  }
  std::string request, response;
  SystemClock clock;
  Overload overload{clock, [] { return MemoryFigures{}; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  NoRecorder recorder;
  Nobody client;
  Peer peer;
  model::Options options;
  std::unique_ptr<ExchangeMemory> memory{new ExchangeMemory};
  static std::shared_ptr<const Snapshot> nothing() {
    auto out = std::make_shared<Snapshot>();
    out->options = std::make_shared<const model::Options>();
    return out;
  }
  WorkerContext worker{0, clock, shared, stats, recorder, nothing()};
  Exchange ex{worker, client, peer, *memory};
  ResponseStart start;
};

void WriteRequestHead(benchmark::State& state) {
  Scene s;
  std::string out;
  for (auto _ : state) {
    out.clear();
    for_each_upstream_field(s.ex, body_shape(s.ex), [&](std::string_view name, std::string_view value) {
      net::h1::append_field(out, name, value);
    });
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(WriteRequestHead);

void WriteResponseHead(benchmark::State& state) {
  Scene s;
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_response_head(out, s.ex, s.start, net::http::Framing::length, "Sun, 06 Nov 1994 08:49:37 GMT");
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(WriteResponseHead);

// A field among nine, by the number that the parser gave it, and by its text.
void FindFieldById(benchmark::State& state) {
  const Scene s;
  for (auto _ : state) benchmark::DoNotOptimize(s.memory->request.fields.find(Name::cookie));
}
BENCHMARK(FindFieldById);

void FindFieldByText(benchmark::State& state) {
  const Scene s;
  const net::http::Field* found = nullptr;
  for (auto _ : state) {
    for (const auto& f : s.memory->request.fields.all())
      if (iequals(f.name, "cookie")) found = &f;
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(FindFieldByText);

void NameOfField(benchmark::State& state) {
  static constexpr std::string_view names[] = {"Host", "user-agent", "Accept-Encoding", "X-Custom", "content-length"};
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(net::http::name_of(names[i++ % std::size(names)]));
}
BENCHMARK(NameOfField);

// What an Ingress with limits makes of a request that goes on: one rate, two rates, and requests in flight beside; of
// one client, and of so many that no counter is in a cache of the processor.
void ChargeAClient(benchmark::State& state) {
  Scene s;
  model::RouteSettings settings;
  model::ClientLimits limits{.ns = "default", .ingress = "app", .rps = 1'000'000, .exempt = {}};
  if (state.range(0) > 0) limits.rpm = 100'000'000;
  if (state.range(0) > 1) limits.connections = 1000;
  settings.client_limits = limits;
  const auto plan = plan_of_route({settings, false});
  const Step& step = *(*plan)[Phase::guard].front().step;
  const auto clients = static_cast<std::uint32_t>(state.range(1));
  for (std::uint32_t i = 0; auto _ : state) {
    const std::uint32_t client = (i++ * 2654435761U) % clients;
    std::memcpy(s.ex.client.data() + 12, &client, sizeof client);
    benchmark::DoNotOptimize(step.charge(s.ex).has_value());
    if (auto*& place = s.ex.counted.front(); place != nullptr) LimitTable::leave(std::exchange(place, nullptr));
  }
  state.counters["refused"] = static_cast<double>(s.stats.limited_rate.get() + s.stats.limited_connections.get());
}
BENCHMARK(ChargeAClient)->ArgNames({"limits", "clients"})->ArgsProduct({{0, 1, 2}, {1, 500'000}});

}  // namespace
