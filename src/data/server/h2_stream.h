#pragma once
#include <memory>
#include <optional>
#include <string>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/server/h2_connection.h"
#include "data/server/progress.h"
#include "net/duplex.h"
#include "net/h2/request_head.h"
#include "net/h2/session.h"
#include "net/io/signal.h"

namespace sluice::data {

// One request of an HTTP/2 client and its answer. Made when its first field comes; from the end of the head on its
// exchange owns it, and it is deleted when that is over.
class H2Stream final : public net::h2::Stream, private Downstream, private BodySource, private net::Duplex {
 public:
  explicit H2Stream(H2Connection& connection);
  ~H2Stream() override;
  H2Stream* next() const noexcept { return next_; }
  // Nothing comes or goes any more: ends what waits, and itself when nothing runs. Returns the next one.
  H2Stream* connection_over() noexcept;
  bool is_over() const noexcept { return over_; }
  void holdings(Holdings& out) noexcept;
  std::size_t coder_memory() const noexcept { return ex_ ? ex_->coder_memory + ex_->ahead_memory : 0; }
  void give_up(Error why) noexcept;
  void kill() noexcept;

 private:
  // h2::Stream
  bool on_field(std::string_view name, std::string_view value) noexcept override;
  void on_fields_end() noexcept override;
  void on_event() override;

  net::Task<void> run();
  net::Task<void> linger();
  Status as_upgrade(char (&key)[24]) noexcept;
  void end() noexcept;
  void client_left() noexcept;
  void promise(std::size_t bytes) noexcept;
  bool gone() const noexcept { return over_ || (closed() && was_reset()); }
  bool accepted(const ResponseStart& response) const noexcept;
  Status respond(Exchange& ex, const ResponseStart& response, bool end);
  net::Task<Status> send(Chunk piece);
  net::Task<Status> drained(Duration stall);

  // Downstream
  BodySource& body() override { return *this; }
  bool whole_body(std::string_view& out) override;
  net::Task<Status> interim(int status, std::span<const net::http::Field> fields) override;
  net::Task<Status> start(Exchange& ex, const ResponseStart& response, Chunk first) override;
  net::Task<Status> write(Chunk piece) override;
  void abort() noexcept override;
  bool started() const noexcept override { return progress_.started; }
  bool complete() const noexcept override { return progress_.complete; }
  std::size_t room(std::size_t last) noexcept override;
  net::Duplex& become_tunnel(std::string_view& early) override;
  void give_buffers_back() noexcept override;

  // BodySource
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  void stop() noexcept override;
  bool ended() const noexcept override { return end_received() && received() == 0; }

  // Duplex: the client's end of a tunnel
  net::tls::IoResult try_read(char* out, std::size_t size) override;
  net::Task<Status> wait_readable(Instant until) override;
  bool write_now(std::span<const iovec> parts) noexcept override;
  net::Task<Status> finish_write(Duration stall) override;
  std::uint64_t written() const noexcept override { return bytes_out(); }
  void end_write() noexcept override { connection_.session_.send(*this, {}, true, {}); }
  void wake_reader() noexcept override { readable_.notify(); }
  void cancel(Error why) noexcept override { give_up(why); }

  H2Connection& connection_;
  Worker& worker_;
  std::unique_ptr<ExchangeMemory> memory_;
  net::h2::RequestHeadReader reader_;
  Status verdict_{};
  std::string trailers_;
  Exchange* ex_ = nullptr;
  net::Signal readable_, writable_;
  std::optional<Error> given_up_;
  std::size_t promised_ = 0;  // what room() said last, until it came
  Duration send_wait_{};
  std::optional<Instant> waits_since_;  // for the client, where it may not be quiet for long
  H2Stream *next_ = nullptr, *previous_ = nullptr;
  Progress progress_;
  enum class Stage : std::uint8_t { head, whole_head, exchange } stage_ = Stage::head;
  bool over_ = false;  // the connection is
  bool tunnel_ = false, trailers_refused_ = false;
};

}  // namespace sluice::data
