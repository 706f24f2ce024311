// Parts of an exchange between the parser and the socket: what fields are called, heads that are written, the choice of
// an endpoint.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "data/balance/policy.h"
#include "data/proxy/request_fields.h"
#include "data/server/response_fields.h"
#include "data/server/worker.h"
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
  Worker worker{0, clock, shared, stats, recorder};
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

// Each policy, with 3 and with 1,000 endpoints, and when one in ten takes no requests.
void pick(benchmark::State& state, const PolicyRow& row, std::size_t sick) {
  const auto policy = row.make(1);
  std::vector<std::uint8_t> usable(static_cast<std::size_t>(state.range(0)), 1);
  for (std::size_t i = 0; sick != 0 && i < usable.size(); i += sick) usable[i] = 0;
  const std::vector<std::uint32_t> tried;
  for (auto _ : state) benchmark::DoNotOptimize(policy->pick({usable, tried}));
}

[[maybe_unused]] const bool registered = [] {
  for (const PolicyRow& row : policies()) {
    const std::string name = "Pick/" + std::string(row.name);
    benchmark::RegisterBenchmark((name + "/all").c_str(), [&row](auto& s) { pick(s, row, 0); })->Arg(3)->Arg(1'000);
    benchmark::RegisterBenchmark((name + "/nine_in_ten").c_str(), [&row](auto& s) { pick(s, row, 10); })->Arg(1'000);
  }
  return true;
}();

}  // namespace
