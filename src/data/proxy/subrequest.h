#pragma once
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/proxy/on_behalf.h"
#include "data/runtime/borrowed_memory.h"
#include "net/io/loop.h"
#include "net/io/task.h"

namespace sluice::data {

// What is asked on behalf of an exchange. Everything is borrowed, and must outlive the SubRequest.
struct Question {
  ClusterRuntime& cluster;               // pinned by the exchange
  const model::RouteSettings& settings;  // protocol, TLS, timeouts and tries
  std::string_view method;
  std::string_view target;                        // path and query
  std::string_view host;                          // Host
  std::span<const net::http::Field> fields;       // that stand in place of the client's; an empty value: there is none
  bool marked = false;                            // it leaves for somebody who may send it back to us
  const model::KeptConnections* keeps = nullptr;  // Exchange::keeps
};

// Of requests without one.
struct NoBody final : BodySource {
  net::Task<Result<Chunk>> read(std::size_t) override { co_return Chunk{{}, true, {}}; }
  Result<Chunk> take(std::size_t) override { return Chunk{{}, true, {}}; }
  void stop() noexcept override {}
  bool ended() const noexcept override { return true; }
};
// What a client says of the document that it has, or wants a part of: no other one is asked for with it.
inline constexpr std::array<std::string_view, 6> kConditions{
    "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"};

inline bool asks_for_head(const Exchange& ex) noexcept {
  return ex.received.method == net::http::Method::head;
}

// Gets an answer, keeps its head and drops its body.
struct KeptAnswer final : Downstream {
  static constexpr std::size_t kMostDropped = 64 * 1024;     // bytes of a body; then its connection ends
  static constexpr std::chrono::seconds kLongestDropped{5};  // from the head on; likewise, with the next piece

  BodySource& body() override { return none; }
  bool whole_body(std::string_view&) override { return false; }
  net::Task<Status> interim(int, std::span<const net::http::Field>) override { co_return Status{}; }
  // Fields that clients get in place of a pod's are nothing to who asks what the pod says.
  Exchange* meant_for(Exchange&, ResponseStart&) override { return nullptr; }
  net::Task<Status> start(Exchange&, const ResponseStart& response, Chunk first) override;
  net::Task<Status> write(Chunk piece) override { co_return drop(piece); }
  void abort() noexcept override {}
  bool started() const noexcept override { return status != 0; }
  bool complete() const noexcept override { return ended; }
  std::size_t room(std::size_t) noexcept override { return 16 * 1024; }
  net::Duplex& become_tunnel(std::string_view&) override { std::terminate(); }  // it asks for no upgrade
  void give_buffers_back() noexcept override {}
  Status drop(const Chunk& piece) noexcept;

  NoBody none;
  int status = 0;
  bool ended = false;
  std::size_t dropped = 0;
  net::Loop* loop = nullptr;
  Instant dropped_from{};
  std::string text;  // what the fields are views of
  std::vector<net::http::Field> fields;
};
// The head of a request that goes on without its body and asks for no upgrade.
void leave_body_out(net::http::RequestHead& head) noexcept;
// Makes `ex` a request of our own: the head that stands in its memory, with the question's method and target, without a
// body and an upgrade. What the question borrows must live as long.
void make_ours(Exchange& ex, const Question& question, const model::Options& options);

// A request of our own, for which the client's waits: without a body, with the client's fields beside its own. It goes
// through the same attempts and retries as any request; it is neither counted nor logged as one of a client.
class SubRequest {
 public:
  // `to`: who gets the answer instead, and outlives this; null: it is kept here.
  SubRequest(Exchange& asker, const Question& question, Downstream* to = nullptr);
  SubRequest(const SubRequest&) = delete;
  SubRequest& operator=(const SubRequest&) = delete;

  // Until the head of an answer is there; its body is dropped. Errors: those of attempts(); where the asker's client
  // has left meanwhile, or its deadline has passed, the asker knows. Awaited once.
  net::Task<Status> run();

  // Of the answer, once there is one.
  int status() const noexcept { return answer_.status; }
  std::span<const net::http::Field> fields() const noexcept { return answer_.fields; }
  // Whom it was asked of.
  const ExchangeRecord& record() const noexcept { return ex_.record; }

 private:
  Exchange& asker_;
  BorrowedMemory memory_;
  KeptAnswer answer_;
  Downstream& to_;
  Exchange ex_;
  GivenUpWith given_up_;
};

}  // namespace sluice::data
