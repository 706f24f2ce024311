#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/duplex.h"
#include "net/http/message.h"
#include "net/io/task.h"

// What serve() and the relay know of connections: messages, not protocols. H1 implements these in data/server and
// data/upstream; another version of HTTP is another pair of files.
namespace sluice::data {

struct Exchange;

// A piece of a body. `data` and `trailers` are borrowed: they are gone at the next suspension of whoever got them, so
// they are handed on (or copied) before it.
struct Chunk {
  std::string_view data;
  bool last = false;
  std::string_view trailers;  // "Name: value\r\n" lines, only with last
};

// The only body interface. Reading the next chunk only after the last write was taken is the back-pressure.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Waits for the next piece; a piece may be empty only when it is the last. `most`: more at once would only have to
  // be kept; a hint.
  virtual net::Task<Result<Chunk>> read(std::size_t most) = 0;
  // What is there without waiting; an empty chunk that is not the last when nothing is. `most`: as for read().
  virtual Result<Chunk> take(std::size_t most) = 0;
  // No more will be read; a waiting read() fails with Fault::cancelled.
  virtual void stop() noexcept = 0;
  virtual bool ended() const noexcept = 0;
};

// Something between client and pod that both bodies run through. Lives as long as its exchange.
class BodyTransform {
 public:
  virtual ~BodyTransform() = default;
  virtual BodySource& request(BodySource& client) = 0;
  // Once the pod's head is in ex.memory.response, which it may change.
  virtual BodySource& response(Exchange& ex, BodySource& pod) = 0;
  // Content type of our own answers to gRPC calls.
  virtual std::string_view reply_type() const noexcept = 0;
};

// A copy of a request for somebody else, which takes the body as it comes. Dropped before the last piece, there is
// none.
class RequestCopy {
 public:
  virtual ~RequestCopy() = default;
  // Piece by piece, in order; nothing comes after the `last` one.
  virtual void take(std::string_view piece, bool last) = 0;
};

// How a response begins.
struct ResponseStart {
  int status = 200;
  std::string_view reason;
  std::span<net::http::Field> fields;                       // those not dropped are sent
  net::http::Framing framing = net::http::Framing::length;  // chunked and until_close both mean: length unknown
  std::uint64_t content_length = 0;
  bool from_pod = false;
  std::string_view coding;  // ours: Content-Encoding; empty: none
  bool vary = false;        // it depends on Accept-Encoding
  bool added = false;       // the Exchange's memory has what the Plans add to it
  // Why a pod's response cannot be sent: a pattern that is to change it took too many steps. Null: it can.
  const char* undecided = nullptr;
};

// The client's side of one exchange.
class Downstream {
 public:
  virtual ~Downstream() = default;
  virtual BodySource& body() = 0;
  // The whole request body when it has arrived already with its head; it stays valid for the exchange.
  virtual bool whole_body(std::string_view& out) = 0;
  virtual net::Task<Status> interim(int status, std::span<const net::http::Field> fields) = 0;
  // Whose client gets a response that is about to begin: `ex`, or the exchange on whose behalf that asks; null:
  // nobody's, it is for us. May change its head. Asked before anything is done to the response, once for each attempt
  // whose head is to be passed on.
  virtual Exchange* meant_for(Exchange& ex, ResponseStart& /*response*/) { return &ex; }
  // Head and first piece leave together. After the piece with `last` the response is complete.
  virtual net::Task<Status> start(Exchange& ex, const ResponseStart& response, Chunk first) = 0;
  virtual net::Task<Status> write(Chunk piece) = 0;
  // The response cannot be completed: what was sent must not look complete.
  virtual void abort() noexcept = 0;
  virtual bool started() const noexcept = 0;
  virtual bool complete() const noexcept = 0;
  // How much of a body to give it at once so that little must be kept; never 0. `last`: size of the piece before.
  virtual std::size_t room(std::size_t last) noexcept = 0;
  // After a 101 was started: the bare bytes, and what the client sent ahead.
  virtual net::Duplex& become_tunnel(std::string_view& early) = 0;
  // The tunnel runs and nothing of the exchange's buffers is needed any more.
  virtual void give_buffers_back() noexcept = 0;
};

// A pod's side of one attempt. Cancelling it wakes whoever waits in it and makes it useless for another exchange.
class Upstream : public net::Cancellable {
 public:
  virtual ~Upstream() = default;
  // Before each attempt.
  virtual void begin(Exchange& ex) = 0;
  // Once a head was read: the rest is for `ex`, of which the one before is a twin (Exchange::Exchange), and which may
  // go.
  virtual void go_on_for(Exchange& ex) noexcept = 0;
  // Request head, and `body` if it is whole already (else its pieces follow by send_body). Of a body it waits for
  // nothing that the pod does not take: where not request_left(), the next send_body() sends the rest before its piece.
  virtual net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) = 0;
  // All of a whole request has left, or does by itself.
  virtual bool request_left() const noexcept = 0;
  virtual net::Task<Status> send_body(Chunk piece) = 0;
  // As Downstream::room(), for pieces of the request body.
  virtual std::size_t room(std::size_t last) noexcept = 0;
  // The next head, interim ones included, in ex.memory.response. Its deadline is the route's read_timeout, from when
  // the pod last took something of the request on: an upload lasts as long as it moves.
  virtual net::Task<Status> read_head(Exchange& ex) = 0;
  // Copies what arrived behind the head, because the caller is about to wait.
  virtual void hold() = 0;
  virtual BodySource& body() = 0;
  virtual bool any_sent() const noexcept = 0;      // the pod may have seen something of this request
  virtual bool any_received() const noexcept = 0;  // a byte of the response came
  virtual std::uint64_t body_bytes() const noexcept = 0;
  virtual std::uint64_t bytes_received() const noexcept = 0;  // of its heads, body and framing
  // After a 101: the bare bytes, and what came behind it.
  virtual net::Duplex& become_tunnel(std::string_view& early) = 0;
  // The attempt is over, and with it this object's life. `clean`: both messages ended as far as the relay knows; the
  // codec is asked too before what is below it serves another exchange. Otherwise it is closed or reset.
  virtual void release(bool clean) noexcept = 0;
};

// An Upstream held for one attempt. Goes back for further use only through give_back(); every other way out discards.
class Lease {
 public:
  explicit Lease(Upstream& upstream) noexcept : upstream_(&upstream) {}
  Lease(Lease&& o) noexcept : upstream_(std::exchange(o.upstream_, nullptr)) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (upstream_) upstream_->release(false);
  }
  bool held() const noexcept { return upstream_ != nullptr; }  // until it is given back
  Upstream& operator*() const noexcept { return *upstream_; }
  void give_back() { std::exchange(upstream_, nullptr)->release(true); }

 private:
  Upstream* upstream_;
};

}  // namespace sluice::data
