#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bare_context.h"
#include "data/proxy/serve.h"
#include "fakes.h"
#include "net/h1/parser.h"
#include "one_route.h"
#include "pooled_pod.h"

// A request from its head to its record: a route, a Service with pods at the other ends of idle connections, a client
// in memory.
namespace sluice::data {

// What was told of the exchange, as its views do not outlive that.
struct Told final : Recorder {
  void finished(const ExchangeRecord& r) noexcept override {
    ++count;
    status = r.status;
    attempts = r.attempts;
    ours = r.ours;
    reason = r.reason;
    path = r.path;
    for (int i = 0; i < r.attempts; ++i) {
      addresses[i] = r.attempt[i].address;
      statuses[i] = r.attempt[i].status;
      blameless[i] = r.attempt[i].blameless;
      header_seconds[i] = r.attempt[i].header_seconds;
    }
  }
  int count = 0, status = 0, attempts = 0;
  bool ours = false;
  std::string reason, path, addresses[kMaxAttempts];
  int statuses[kMaxAttempts]{};
  bool blameless[kMaxAttempts]{};
  float header_seconds[kMaxAttempts]{};
};

struct Site {
  FakeClock clock;
  MemoryFigures figures;
  Overload overload{clock, [this] { return figures; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Told told;
  model::Route spec;
  model::RouteSettings settings;
  model::Options options;
  std::shared_ptr<OneRoute> table = std::make_shared<OneRoute>();
  WorkerContext worker{0, clock, shared, stats, told, bare_snapshot()};
  std::map<std::string, PooledPod> pods;  // by address
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory;
  std::unique_ptr<Exchange> ex;
  bool over = false;
  std::string head;  // what the exchange has views of

  // A Service with as many pods.
  explicit Site(std::size_t count, model::Options of = {}, const model::Shared<model::Balancing>& balancing = {})
      : options(std::move(of)) {
    settings.access_log = true;
    spec.path = spec.location = "/";
    table->route.spec = &spec;
    table->route.settings = &settings;
    table->route.cluster = 0;
    table->route.forwards = true;
    table->route.host = "a.example";
    auto cluster = std::make_shared<model::Cluster>();
    cluster->name = "default/svc:80";
    cluster->balancing = balancing;
    for (std::size_t i = 0; i < count; ++i)
      cluster->endpoints.push_back({"192.0.2." + std::to_string(i + 1), 8080, true, false, false, ""});
    auto snapshot = bare_snapshot(options);
    snapshot->routes = table;
    Publication publication;
    publication.snapshot = snapshot;
    publication.clusters.push_back({0, cluster, nullptr});
    worker.apply(publication);
    std::vector<std::uint32_t> tried;
    while (pods.size() < count) {
      auto endpoint = worker.cluster(0)->pick(tried);
      pods.emplace(endpoint->text, PooledPod(worker, endpoint));
    }
  }
  ~Site() {
    if (ex) end();
    worker.pool.close_everything();
  }
  void end() {
    EXPECT_TRUE(over);
    ex.reset();
    worker.return_memory(std::move(memory));
  }
  // A request, up to where somebody has to say something.
  void asks(const std::string& line = "GET /x", const std::string& fields = "") {
    head = line + " HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
    memory = worker.borrow_memory();
    memory->request.clear();
    ASSERT_TRUE(net::h1::parse_request(head, {}, memory->request));
    if (memory->request.framing == net::http::Framing::none) client.request.end();
    ex = std::make_unique<Exchange>(worker, client, peer, *memory);
    const auto run = [](Site& site) -> net::Task<void> {
      net::Task<void> serving = serve(*site.ex);
      co_await serving;
      site.over = true;
    };
    net::spawn(run(*this));
    turn();
  }
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(Duration(0));
  }
  void pass(Duration time) {
    clock.advance(time);
    turn();
  }
  // The pod that has got the request, which it is told of in the order in which pods were asked.
  PooledPod& asked(int attempt) { return pods.at(ex->record.attempt[attempt].address); }
};

inline constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

}  // namespace sluice::data
