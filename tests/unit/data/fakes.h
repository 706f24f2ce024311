#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

// The two sides of an exchange, in memory: neither sockets nor protocols. What they do is what the test says.
namespace sluice::data {

// A piece of a body as it comes, or why no further one does.
struct Scripted {
  std::string data;
  bool last = false;
  std::string trailers;
  std::optional<Error> error;
};

// A body that a test writes. Who reads it waits until the next piece is there.
class FakeBody final : public BodySource {
 public:
  explicit FakeBody(net::Loop& loop) : come_(loop) {}
  void add(std::string data, bool last = false, std::string trailers = {}) {
    pieces_.push_back({std::move(data), last, std::move(trailers), std::nullopt});
    come_.notify();
  }
  void fail(Error why) {
    pieces_.push_back({{}, false, {}, why});
    come_.notify();
  }
  // There is none, or nothing further of it.
  void end() { ended_ = true; }
  net::Task<Result<Chunk>> read(std::size_t) override {
    ++reads;
    while (pieces_.empty() && !ended_ && !stopped) {
      ++waiting;
      co_await come_.wait(Instant::max());
      --waiting;
    }
    if (stopped) co_return std::unexpected(Error{Fault::cancelled, whose, Retry::no, 0, "not wanted any more"});
    co_return next();
  }
  Result<Chunk> take(std::size_t) override {
    if (pieces_.empty()) return Chunk{{}, ended_, {}};
    return next();
  }
  void stop() noexcept override {
    stopped = true;
    come_.notify();
  }
  bool ended() const noexcept override { return ended_; }

  Whose whose = Whose::downstream;
  bool stopped = false;
  int reads = 0, waiting = 0;

 private:
  Result<Chunk> next() {
    if (ended_ && pieces_.empty()) return Chunk{{}, true, {}};
    now_ = std::move(pieces_.front());
    pieces_.pop_front();
    if (now_.error) return std::unexpected(*now_.error);
    ended_ = now_.last;
    return Chunk{now_.data, now_.last, now_.trailers};
  }
  net::Signal come_;
  std::deque<Scripted> pieces_;
  Scripted now_;  // what the reader has views of
  bool ended_ = false;
};

// A client. Its request has no body unless `body()` is written.
class FakeClient final : public Downstream {
 public:
  explicit FakeClient(WorkerContext& worker) : request(worker.loop), takes_(worker.loop) {}
  // As a connection does whose client is gone.
  static void leave(Exchange& ex) {
    ex.client_gone = true;
    if (ex.waiting_on != nullptr) ex.waiting_on->cancel(kClientLeft);
  }
  void take_on() {
    holds_back = false;
    takes_.notify();
  }

  BodySource& body() override { return request; }
  bool whole_body(std::string_view& out) override {
    if (!whole) return false;
    out = *whole;
    return true;
  }
  net::Task<Status> interim(int of, std::span<const net::http::Field> sent) override {
    interims.push_back(of);
    for (const auto& f : sent) interim_fields.emplace_back(std::string(f.name) + ": " + std::string(f.value));
    co_return Status{};
  }
  net::Task<Status> start(Exchange&, const ResponseStart& response, Chunk first) override {
    EXPECT_FALSE(started());
    status = response.status;
    from_pod = response.from_pod;
    for (const auto& f : response.fields)
      if (!f.drop) fields.emplace_back(std::string(f.name) + ": " + std::string(f.value));
    net::Task<Status> writing = write(first);
    Status written = co_await writing;
    co_return written;
  }
  net::Task<Status> write(Chunk piece) override {
    text += piece.data;
    trailers += piece.trailers;
    ended = ended || piece.last;
    if (holds_back) co_await takes_.wait(Instant::max());
    if (breaks) co_return std::unexpected(*breaks);
    co_return Status{};
  }
  void abort() noexcept override { aborted = true; }
  bool started() const noexcept override { return status != 0; }
  bool complete() const noexcept override { return ended; }
  std::size_t room(std::size_t) noexcept override { return WorkerContext::kScratch; }
  [[noreturn]] net::Duplex& become_tunnel(std::string_view&) override { std::terminate(); }
  void give_buffers_back() noexcept override {}
  // The value of the first field that begins so; empty: there is none.
  std::string field(std::string_view name_and_colon) const {
    for (const auto& f : fields)
      if (f.starts_with(name_and_colon)) return f.substr(name_and_colon.size());
    return {};
  }

  FakeBody request;
  std::optional<std::string> whole;  // arrived with the head
  bool holds_back = false;           // takes what it is given only after take_on()
  std::optional<Error> breaks;       // what a write fails with
  // What it got.
  int status = 0;
  bool from_pod = false, ended = false, aborted = false;
  std::vector<int> interims;
  std::vector<std::string> fields, interim_fields;
  std::string text, trailers;

 private:
  net::Signal takes_;
};

// A pod, for one attempt.
class FakePod final : public Upstream {
 public:
  explicit FakePod(WorkerContext& worker) : answer(worker.loop), heads_come_(worker.loop), takes_(worker.loop) {
    answer.whose = Whose::upstream;
  }
  void says(int status, std::vector<std::pair<std::string, std::string>> fields = {}) {
    heads_.push_back({status, std::move(fields), std::nullopt});
    heads_come_.notify();
  }
  void fails(Error why) {
    heads_.push_back({0, {}, why});
    heads_come_.notify();
  }
  void take_on() {
    takes_bodies = true;
    takes_.notify();
  }

  void begin(Exchange&) override {}
  void go_on_for(Exchange&) noexcept override {}
  net::Task<Status> send_head(Exchange&, std::string_view body, bool whole) override {
    sent = true;
    text += body;
    request_ended = whole;
    co_return Status{};
  }
  bool request_left() const noexcept override { return true; }
  net::Task<Status> send_body(Chunk piece) override {
    text += piece.data;
    trailers += piece.trailers;
    while (!takes_bodies && !cancelled) co_await takes_.wait(Instant::max());
    if (cancelled) co_return std::unexpected(*cancelled);
    request_ended = request_ended || piece.last;
    co_return Status{};
  }
  std::size_t room(std::size_t) noexcept override { return WorkerContext::kScratch; }
  net::Task<Status> read_head(Exchange& ex) override {
    while (heads_.empty() && !cancelled) co_await heads_come_.wait(Instant::max());
    if (cancelled) co_return std::unexpected(*cancelled);
    now_ = std::move(heads_.front());
    heads_.pop_front();
    if (now_.error) co_return std::unexpected(*now_.error);
    auto& head = ex.memory.response;
    head = {};
    head.status = now_.status;
    head.framing = net::http::Framing::chunked;
    for (const auto& [name, value] : now_.fields) head.fields.add() = {name, value, net::http::name_of(name), false};
    co_return Status{};
  }
  void hold() override { ++holds; }
  BodySource& body() override { return answer; }
  void cancel(Error why) noexcept override {
    cancelled = dies_with.value_or(why);
    heads_come_.notify();
    takes_.notify();
    answer.stop();
  }
  bool any_sent() const noexcept override { return sent; }
  bool any_received() const noexcept override { return false; }
  std::uint64_t body_bytes() const noexcept override { return 0; }
  std::uint64_t bytes_received() const noexcept override { return 0; }
  [[noreturn]] net::Duplex& become_tunnel(std::string_view&) override { std::terminate(); }
  void release(bool clean) noexcept override { released = clean; }

  FakeBody answer;
  bool takes_bodies = true;        // false: only after take_on()
  std::optional<Error> dies_with;  // what is met here once it is cancelled; nothing: why it was
  // What became of the attempt.
  bool sent = false, request_ended = false;
  std::string text, trailers;      // of the request's body
  std::optional<Error> cancelled;  // by whom relays
  std::optional<bool> released;    // whether it was given back as fit for another exchange
  int holds = 0;

 private:
  struct Head {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::optional<Error> error;
  };
  net::Signal heads_come_, takes_;
  std::deque<Head> heads_;
  Head now_;
};

}  // namespace sluice::data
