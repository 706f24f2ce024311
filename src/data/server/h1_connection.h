#pragma once
#include <memory>
#include <string>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/server/connection.h"
#include "data/server/progress.h"
#include "net/h1/body.h"
#include "net/h1/parser.h"
#include "net/stream.h"

namespace sluice::data {

// HTTP/1.x on one client's connection: reads heads, runs serve() for each, one after the other, until one side ends it.
class H1Connection final : public Protocol, private Downstream, private BodySource {
 public:
  explicit H1Connection(Connection& connection);
  ~H1Connection() override;
  net::Task<void> run() override;
  // An idle connection ends now, a busy one after its exchange. One that has not sent its first request yet is spared
  // unless `new_ones_too`.
  void drain(bool new_ones_too) noexcept override;
  void kill() noexcept override;
  void holdings(Holdings& out) noexcept override;
  // Instead of run(), where the client is known to send nothing that can be served: answers, if there is an answer.
  net::Task<void> turn_away(Error why, bool head = false);

 private:
  net::Task<Status> next_head();
  net::Task<bool> exchange();
  net::Task<void> rest();
  net::Task<void> linger();
  void park() noexcept;
  static void on_peer(void* self, bool broken);

  // Downstream
  BodySource& body() override { return *this; }
  bool whole_body(std::string_view& out) override;
  net::Task<Status> interim(int status, std::span<const net::http::Field> fields) override;
  net::Task<Status> start(Exchange& ex, const ResponseStart& response, Chunk first) override;
  net::Task<Status> write(Chunk piece) override;
  void abort() noexcept override;
  bool started() const noexcept override { return progress_.started; }
  bool complete() const noexcept override { return progress_.complete; }
  net::Duplex& become_tunnel(std::string_view& early) override;
  std::size_t room(std::size_t last) noexcept override { return stream_.room(last); }
  void give_buffers_back() noexcept override;

  // BodySource
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  void stop() noexcept override;
  bool ended() const noexcept override { return decoder_.done(); }
  net::Task<Status> send_body_pieces(std::span<const iovec> before, Chunk piece);
  Duration send_stall() const noexcept;

  Worker& worker_;
  net::Stream& stream_;
  const Peer& peer_;
  std::unique_ptr<ExchangeMemory> memory_;
  std::size_t in_begin_ = 0, in_end_ = 0;  // unread bytes of memory_->in
  std::size_t head_end_ = 0;
  Instant head_since_{};  // when the present head began
  net::h1::BodyDecoder decoder_{Whose::downstream};
  Exchange* ex_ = nullptr;
  std::uint32_t served_ = 0;
  std::uint32_t in_a_row_ = 0;
  std::uint64_t written_before_ = 0;
  net::http::Framing out_framing_ = net::http::Framing::none;
  Progress progress_;  // of the present exchange
  bool aborted_ = false, probed_ = false;
  unsigned too_soon_ = 0;  // requests in a row that came while such as they were refused
  bool idle_ = true, draining_ = false;
};

}  // namespace sluice::data
