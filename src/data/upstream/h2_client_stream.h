#pragma once
#include <list>
#include <optional>
#include <string>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "net/h2/session.h"
#include "net/io/signal.h"

namespace sluice::data {

class H2Client;

// One stream of an H2Client: the Upstream of one attempt, and gone with it. Its session's rules (RFC 9113) refuse what
// may not stand in a response; limits are those of HTTP/1 responses.
class H2ClientStream final : public Upstream, private BodySource, private net::h2::Stream {
 public:
  explicit H2ClientStream(H2Client& connection);
  ~H2ClientStream() override;

  void begin(Exchange& ex) override { ex_ = &ex; }
  void go_on_for(Exchange& ex) noexcept override { ex_ = &ex; }
  net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) override;
  bool request_left() const noexcept override { return true; }
  net::Task<Status> send_body(Chunk piece) override;
  std::size_t room(std::size_t last) noexcept override;
  net::Task<Status> read_head(Exchange& ex) override;
  void hold() override {}  // heads and what came behind them are the stream's own
  BodySource& body() override { return *this; }
  void cancel(Error why) noexcept override;
  bool any_sent() const noexcept override;
  bool any_received() const noexcept override { return heads_seen_ > 0; }
  std::uint64_t body_bytes() const noexcept override { return body_bytes_; }
  // Heads as they are once they are decompressed: what they took on the wire depends on what came before.
  std::uint64_t bytes_received() const noexcept override { return head_bytes_ + body_bytes_; }
  [[noreturn]] net::Duplex& become_tunnel(std::string_view& early) override;
  void release(bool clean) noexcept override;

  // The connection is gone: nothing comes any more.
  void connection_over(const Error& why) noexcept;
  H2ClientStream* next() const noexcept { return next_; }

 private:
  friend class H2Client;
  // A head as it came: "name\0value\0" for each field.
  struct Head {
    int status = 0;
    std::size_t fields = 0;
    std::string bytes;
    const char* refused = nullptr;  // why it cannot be used
    bool too_large = false;
  };

  // net::h2::Stream
  bool on_field(std::string_view name, std::string_view value) noexcept override;
  void on_fields_end() noexcept override;
  void on_event() override;
  // BodySource
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  void stop() noexcept override;
  bool ended() const noexcept override { return no_body_ || (end_received() && received() == 0); }

  Status open(const Exchange& ex, bool end);
  Status parse(const Head& head, Exchange& ex) noexcept;
  net::Task<Status> drained(Duration stall, bool or_answered);
  bool refused() const noexcept;
  Error broken() noexcept;
  static Error upstream(Fault f, const char* detail, Retry retry = Retry::no) noexcept {
    return Error{f, Whose::upstream, retry, 0, detail};
  }

  H2Client& connection_;
  Exchange* ex_ = nullptr;
  net::Signal readable_, writable_;
  std::list<Head> heads_;  // those that came; the first one is the exchange's until the next is read
  Head filling_;
  std::string trailers_;
  std::optional<Error> given_up_, over_;
  std::uint64_t body_bytes_ = 0, head_bytes_ = 0;
  Instant sent_at_{};                  // when something of the request left last
  std::uint64_t connection_read_ = 0;  // bytes that had come when the request began to wait
  std::uint32_t heads_seen_ = 0;
  bool final_seen_ = false, head_read_ = false, no_body_ = false, stopped_ = false, trailers_too_large_ = false;
  H2ClientStream *next_ = nullptr, *previous_ = nullptr;  // of the connection
};

}  // namespace sluice::data
