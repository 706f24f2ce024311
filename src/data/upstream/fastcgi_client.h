#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/pool.h"
#include "data/upstream/request_fields.h"
#include "net/fcgi/record.h"
#include "net/stream.h"

namespace sluice::data {

// One FastCGI connection to an endpoint: the Upstream of one attempt at a time, as a responder. Closed behind its
// request, or idle in the pool where the route keeps connections (fastcgi-keep-conn).
class FastcgiClient final : public PooledConnection, public Upstream, private BodySource {
 public:
  FastcgiClient(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how)
      : PooledConnection(worker, std::move(endpoint), fd, how, false) {}
  bool reused() const noexcept { return exchanges_ > 1; }

  void begin(Exchange& ex) override;
  net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) override;
  bool request_left() const noexcept override { return request_complete_; }
  net::Task<Status> send_body(Chunk piece) override;
  std::size_t room(std::size_t last) noexcept override { return stream_.room(last); }
  net::Task<Status> read_head(Exchange& ex) override;
  void hold() override;
  BodySource& body() override { return *this; }
  void cancel(Error why) noexcept override { stream_.cancel(why); }
  bool any_sent() const noexcept override { return sent_anything_; }
  bool any_received() const noexcept override { return stream_.bytes_read() != read_before_; }
  std::uint64_t body_bytes() const noexcept override { return body_bytes_; }
  // Never asked for: nothing of FastCGI answers 101.
  net::Duplex& become_tunnel(std::string_view& early) override {
    early = {};
    return stream_;
  }
  void release(bool clean) noexcept override;

 private:
  void close_idle() noexcept override { delete this; }
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  void stop() noexcept override;
  bool ended() const noexcept override { return reader_.ended(); }

  bool write_in(std::string_view before, std::string_view body, bool last);
  Result<std::string_view> decode(char* bytes, std::size_t size);
  Result<Chunk> give(std::string_view data);
  void hear(std::string_view err);
  void tell(bool clean) noexcept;
  bool reusable() const noexcept;
  Error no_response(bool closed) const noexcept;

  net::fcgi::Reader reader_;
  std::vector<net::fcgi::Header> frames_;  // of what is written next, and its parts
  std::vector<iovec> parts_;
  std::vector<char> held_;    // bytes behind a head, kept over a suspension
  std::string_view pending_;  // of the response's body, behind the head: in scratch or in held_
  std::string err_;           // the beginning of standard error
  std::uint64_t err_left_ = 0;
  Exchange* ex_ = nullptr;
  std::uint64_t read_before_ = 0, body_bytes_ = 0;
  std::uint64_t left_ = 0;  // of a body of known length: bytes to come
  net::http::Framing framing_ = net::http::Framing::none;
  Instant sent_at_{};  // when the last piece of the request had left
  bool keep_ = false, request_complete_ = false, in_ended_ = false, head_done_ = false, surplus_ = false,
       sent_anything_ = false, stopped_ = false;
};

}  // namespace sluice::data
