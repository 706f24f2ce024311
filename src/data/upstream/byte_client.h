#pragma once
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/pool.h"
#include "net/stream.h"

namespace sluice::data {

inline Error upstream_error(Fault f, const char* detail, Retry retry = Retry::no) noexcept {
  return Error{f, Whose::upstream, retry, 0, detail};
}

// What HTTP/1.1 and FastCGI have in common: one connection to an endpoint, which is the Upstream of one attempt at a
// time and may be idle in the pool between them.
class ByteClient : public PooledConnection, public Upstream, protected BodySource {
 public:
  bool reused() const noexcept { return exchanges_ > 1; }
  void go_on_for(Exchange& ex) noexcept override { ex_ = &ex; }
  bool request_left() const noexcept override { return request_complete_; }
  std::size_t room(std::size_t last) noexcept override { return stream_.room(last); }
  void hold() override;
  BodySource& body() override { return *this; }
  void cancel(Error why) noexcept override { stream_.cancel(why); }
  bool any_sent() const noexcept override { return sent_anything_; }
  bool any_received() const noexcept override { return stream_.bytes_read() != read_before_; }
  std::uint64_t body_bytes() const noexcept override { return body_bytes_; }
  std::uint64_t bytes_received() const noexcept override { return stream_.bytes_read() - read_before_; }
  net::Duplex& become_tunnel(std::string_view& early) override {
    early = pending_;
    return stream_;
  }

 protected:
  using PooledConnection::PooledConnection;

  // As before anything of this attempt.
  void begin_attempt(Exchange& ex);
  // The head, and `body` behind it, were given to the stream; `left`: all of it has left. True: nothing is waited for,
  // as the pod may answer before it has taken a body, or instead of it. (On a new connection of which nothing left at
  // all the request can go elsewhere, and that is known only here.)
  bool head_is_sent(bool left, std::string_view body, bool whole) noexcept;
  // Else: until it has left.
  net::Task<Status> finish_head(Exchange& ex, bool whole);
  // When a pod that says nothing is too late: it answers when it has the request, and that may still be on its way. Of
  // a piece that does not leave at once some left when its writer began to wait.
  // A call of gRPC has its time from when the head was `asked_for` on.
  Instant answer_due(const Exchange& ex, Instant asked_for) noexcept;
  // The connection ended before there was a whole head.
  Error no_response(bool closed) const noexcept;
  static Error lost() noexcept;
  void stop() noexcept override;

  std::vector<char> held_;    // bytes behind a head, kept over a suspension
  std::string_view pending_;  // bytes behind the head: in scratch or in held_
  Exchange* ex_ = nullptr;
  std::uint64_t read_before_ = 0, body_bytes_ = 0;
  Instant sent_at_{};  // when the last piece of the request had left
  bool request_complete_ = false, head_done_ = false, sent_anything_ = false, stopped_ = false;

 private:
  void close_idle() noexcept override { delete this; }
};

}  // namespace sluice::data
