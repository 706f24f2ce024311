#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/pool.h"
#include "net/h1/body.h"
#include "net/stream.h"

namespace sluice::data {

// One HTTP/1.1 connection to an endpoint: the Upstream of one attempt at a time, idle in the pool between them.
class H1Client final : public PooledConnection, public Upstream, private BodySource {
 public:
  H1Client(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how)
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
  // Both messages ended, the pod wants to go on, nothing is left over, and no limit of age or count is reached.
  bool reusable() const noexcept;
  std::uint64_t body_bytes() const noexcept override { return body_bytes_; }
  net::Duplex& become_tunnel(std::string_view& early) override {
    early = pending_;
    return stream_;
  }
  void release(bool clean) noexcept override;

 private:
  void close_idle() noexcept override { delete this; }
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  void stop() noexcept override;
  bool ended() const noexcept override { return decoder_.done(); }
  Result<Chunk> decode(char* bytes, std::size_t size);
  Error upstream(Fault f, const char* detail, Retry retry = Retry::no) const noexcept {
    return Error{f, Whose::upstream, retry, 0, detail};
  }

  net::h1::BodyDecoder decoder_{Whose::upstream};
  std::vector<char> held_;    // bytes behind a head, kept over a suspension
  std::string_view pending_;  // bytes behind the head: in scratch or in held_
  char* pending_at_ = nullptr;
  Exchange* ex_ = nullptr;
  std::uint64_t read_before_ = 0, body_bytes_ = 0;
  Instant sent_at_{};  // when the last piece of the request had left
  bool request_complete_ = false, request_chunked_ = false, response_keep_alive_ = false, head_done_ = false,
       sent_anything_ = false, stopped_ = false;
};

}  // namespace sluice::data
