#include <benchmark/benchmark.h>

#include <boost/beast/http/basic_parser.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "net/h1/parser.h"
#include "net/http/date.h"
#include "net/http/path.h"

// What one request costs before anything is decided: finding and reading its head, normalising its path.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace): a benchmark is read as a list
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

// 70 bytes, as wrk and health checks send them.
constexpr std::string_view kSmall =
    "GET /a/index.html HTTP/1.1\r\n"
    "Host: service.example.com\r\n"
    "Accept: */*\r\n"
    "\r\n";

// 560 bytes, as browsers send them.
constexpr std::string_view kBrowser =
    "GET /api/v1/items?page=2&sort=name&limit=1 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Referer: https://shop.example.com/items\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n"
    "Origin: https://shop.example.com\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "\r\n";

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 1024\r\n"
    "Cache-Control: no-store\r\n"
    "\r\n";

void stop(benchmark::State& state, const char* why) {
  state.SkipWithError(why);
}

void request(benchmark::State& state, std::string_view text) {
  const std::string bytes(text);
  const auto head = std::make_unique<http::RequestHead>();
  const h1::HeadLimits limits;
  for (auto _ : state) {
    h1::HeadScan scan;
    const auto length = h1::find_head(bytes, scan, limits, true);
    if (!length || *length != bytes.size()) return stop(state, "the head was not found");
    if (!h1::parse_request(bytes, limits, *head)) return stop(state, "the head was refused");
    const std::size_t fields = head->fields.size();
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes.size()));
}

void SmallRequest(benchmark::State& state) {
  request(state, kSmall);
}
void BrowserRequest(benchmark::State& state) {
  request(state, kBrowser);
}
BENCHMARK(SmallRequest);
BENCHMARK(BrowserRequest);

// What was chosen over ours (docs/adr/0003-own-h1-parser.md): it keeps nothing, only counts the fields.
class BeastParser final : public boost::beast::http::basic_parser<true> {
 public:
  std::size_t fields = 0;

 private:
  using Text = boost::core::string_view;
  using Error = boost::beast::error_code;
  void on_request_impl(boost::beast::http::verb, Text, Text, int, Error&) override {}
  void on_response_impl(int, Text, int, Error&) override {}
  void on_field_impl(boost::beast::http::field, Text, Text, Error&) override { ++fields; }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(Text, Error&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Error&) override { return 0; }
  void on_finish_impl(Error&) override {}
};

void beast(benchmark::State& state, std::string_view text) {
  const std::string bytes(text);
  for (auto _ : state) {
    BeastParser parser;
    boost::beast::error_code error;
    parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    if (error || !parser.is_header_done()) return stop(state, "the head was refused");
    benchmark::DoNotOptimize(parser.fields);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes.size()));
}
void BeastSmallRequest(benchmark::State& state) {
  beast(state, kSmall);
}
void BeastBrowserRequest(benchmark::State& state) {
  beast(state, kBrowser);
}
BENCHMARK(BeastSmallRequest);
BENCHMARK(BeastBrowserRequest);

void FindHeadOnly(benchmark::State& state) {
  const std::string bytes(kBrowser);
  for (auto _ : state) {
    h1::HeadScan scan;
    benchmark::DoNotOptimize(h1::find_head(bytes, scan, {}, true));
  }
}
BENCHMARK(FindHeadOnly);

void ResponseHead(benchmark::State& state) {
  const std::string bytes(kResponse);
  const auto head = std::make_unique<http::ResponseHead>();
  for (auto _ : state) {
    h1::HeadScan scan;
    const auto length = h1::find_head(bytes, scan, {}, false);
    if (!length || !h1::parse_response(bytes, {}, http::Method::get, *head)) return stop(state, "the head was refused");
    const std::size_t fields = head->fields.size();
    benchmark::DoNotOptimize(fields);
  }
}
BENCHMARK(ResponseHead);

void Chunks16KiB(benchmark::State& state) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  bytes += "0\r\n\r\n";
  for (auto _ : state) {
    h1::ChunkedDecoder decoder;
    std::string_view in = bytes;
    while (!decoder.done()) {
      const auto step = decoder.step(in);
      if (!step) return stop(state, "the body was refused");
      in.remove_prefix(step->consumed);
      benchmark::DoNotOptimize(step->data.data());
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(Chunks16KiB);

void NormalPath(benchmark::State& state) {
  const std::string target = "/api/v1/items/42/reviews?page=2";
  char out[64];
  for (auto _ : state) benchmark::DoNotOptimize(http::normalise_path(target, out));
}
BENCHMARK(NormalPath);

void PathToNormalise(benchmark::State& state) {
  const std::string target = "/api//v1/./items%2F42/x/../reviews?page=2";
  char out[64];
  for (auto _ : state) benchmark::DoNotOptimize(http::normalise_path(target, out));
}
BENCHMARK(PathToNormalise);

void Date(benchmark::State& state) {
  http::DateCache cache;
  std::int64_t now = 784111777;
  for (auto _ : state) benchmark::DoNotOptimize(cache.at(now++));
}
BENCHMARK(Date);

}  // namespace
