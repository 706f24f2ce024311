// Bodies and tunnels whose both sides are always ready: the others have their turns in between.
#include <gtest/gtest.h>

#include "../bare_context.h"
#include "../nobody.h"
#include "data/proxy/carry.h"
#include "data/proxy/relay.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPiece = WorkerContext::kScratch, kAll = 512 * kPiece;
constexpr std::size_t kOfTurn = 3 * 1024 * 1024;  // a turn, and the end of one

// A body that is all there.
struct Endless : BodySource {
  explicit Endless(WorkerContext& w) : worker(w) {}
  net::Task<Result<Chunk>> read(std::size_t) override { co_return take(0); }
  Result<Chunk> take(std::size_t) override {
    given += kPiece;
    return Chunk{{worker.scratch.get(), kPiece}, given >= kAll, {}};
  }
  void stop() noexcept override {}
  bool ended() const noexcept override { return given >= kAll; }
  WorkerContext& worker;
  std::size_t given = 0;
};

// A pod that takes all and gives all at once.
struct Pod final : Upstream {
  void go_on_for(Exchange&) noexcept override {}
  explicit Pod(WorkerContext& w) : answer(w) {}
  void begin(Exchange&) override {}
  net::Task<Status> send_head(Exchange&, std::string_view, bool) override { co_return Status{}; }
  bool request_left() const noexcept override { return true; }
  net::Task<Status> send_body(Chunk piece) override {
    taken += piece.data.size();
    co_return Status{};
  }
  std::size_t room(std::size_t) noexcept override { return kPiece; }
  net::Task<Status> read_head(Exchange& ex) override {
    ex.memory.response.status = 200;
    ex.memory.response.fields.clear();
    co_return Status{};
  }
  void hold() override {}
  BodySource& body() override { return answer; }
  void cancel(Error) noexcept override {}
  bool any_sent() const noexcept override { return true; }
  bool any_received() const noexcept override { return true; }
  std::uint64_t body_bytes() const noexcept override { return answer.given; }
  std::uint64_t bytes_received() const noexcept override { return answer.given; }
  [[noreturn]] net::Duplex& become_tunnel(std::string_view&) override { std::terminate(); }
  void release(bool) noexcept override {}
  Endless answer;
  std::size_t taken = 0;
};

struct Sender final : Nobody {
  explicit Sender(WorkerContext& w) : request(w) {}
  BodySource& body() override { return request; }
  Endless request;
};

struct Relayed : BareContext {
  model::RouteSettings settings;
  model::Options options;
  Pod pod{worker};
  Sender client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = worker.borrow_memory();
  Exchange ex{worker, client, peer, *memory};
  Attempt attempt;
  bool over = false;
  explicit Relayed(bool request) {
    settings.body_limit = 0;
    ex.settings = &settings;
    ex.options = &options;
    ex.body_whole = !request;
    net::spawn(run());
  }
  ~Relayed() { worker.return_memory(std::move(memory)); }
  net::Task<void> run() {
    Lease lease(pod);
    ex.attempt = &attempt;
    net::Task<Status> relaying = relay(ex, std::move(lease));
    Status done = co_await relaying;
    EXPECT_TRUE(done);
    over = true;
  }
  // Turns until all has gone; how much of it went in one at most.
  std::size_t most_of_a_turn(const std::size_t& moved) {
    std::size_t most = moved, before = moved;
    while (!over) {
      worker.loop.turn(0ms);
      most = std::max(most, moved - before);
      before = moved;
    }
    EXPECT_EQ(moved, kAll);
    return most;
  }
};

TEST(Turns, ALargeAnswerLeavesOthersTheirs) {
  Relayed all(false);
  EXPECT_LE(all.most_of_a_turn(all.pod.answer.given), kOfTurn);
}

TEST(Turns, ALargeRequestLeavesOthersTheirs) {
  Relayed all(true);
  EXPECT_LE(all.most_of_a_turn(all.client.request.given), 2 * kOfTurn) << "its answer has turns as well";
}

// An end of a tunnel that has all to say and takes all.
struct End final : net::Duplex {
  std::size_t said = 0, heard = 0;
  net::tls::IoResult try_read(char*, std::size_t size) override {
    if (said >= kAll) return {net::tls::Io::closed, 0};
    said += size;
    return {net::tls::Io::done, size};
  }
  net::Task<Status> wait_readable(Instant) override { co_return Status{}; }
  bool write_now(std::span<const iovec> parts) noexcept override {
    for (const auto& p : parts) heard += p.iov_len;
    return true;
  }
  net::Task<Status> finish_write(Duration) override { co_return Status{}; }
  std::uint64_t written() const noexcept override { return heard; }
  std::size_t room(std::size_t) noexcept override { return kPiece; }
  void end_write() noexcept override {}
  void wake_reader() noexcept override {}
  void cancel(Error) noexcept override {}
};

TEST(Turns, ATunnelLeavesOthersTheirs) {
  BareContext bare;
  End client, pod;
  Carried carried;
  bool over = false;
  const auto run = [&]() -> net::Task<void> {
    net::Task<void> carrying = carry(bare.worker, client, pod, {1h, 0s}, carried);
    co_await carrying;
    over = true;
  };
  net::spawn(run());
  std::size_t most = client.said, before = client.said;
  while (!over) {
    bare.worker.loop.turn(0ms);
    most = std::max(most, client.said - before);
    before = client.said;
  }
  EXPECT_EQ(carried.up, kAll);
  EXPECT_EQ(carried.down, kAll);
  EXPECT_LE(most, kOfTurn);
}

}  // namespace
}  // namespace sluice::data
