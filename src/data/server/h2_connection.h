#pragma once
#include "data/server/connection.h"
#include "net/h2/session.h"
#include "net/h2/transport.h"

namespace sluice::data {

class H2Stream;

// HTTP/2 on one client's connection: reads frames, starts an exchange for each request (H2Stream) and writes once a
// turn what they have made ready. All streams have ended when run() does.
class H2Connection final : public Protocol, private net::h2::Owner {
 public:
  explicit H2Connection(Connection& connection);
  ~H2Connection() override;
  net::Task<void> run() override;
  // First a GOAWAY that refuses nothing; with `new_ones_too`, a moment later, the real one. Ends with the last stream.
  void drain(bool new_ones_too) noexcept override;
  void kill() noexcept override;
  void holdings(Holdings& out) noexcept override;

 private:
  friend class H2Stream;
  net::h2::Stream* begin() noexcept override;
  void output_waits() noexcept override { transport_.output_waits(); }
  bool output_full() noexcept override { return transport_.write_now(); }
  net::Task<Status> serve_frames();
  Instant wait_until() noexcept;
  Status timed_out() noexcept;
  void retire() noexcept;
  void go_away() noexcept;
  // The other clients of this worker have their turn between kPiece bytes of this one's requests (kScratch of a body),
  // and between kATurn of its streams that begin or end together.
  static constexpr std::size_t kPiece = 4 * 1024, kATurn = 8;
  static constexpr std::size_t kStreamsShort = 8;  // at once, while memory is short
  // Bytes of pods that streams keep while windows are shut: each so many until it is so many together, then fewer.
  static constexpr std::size_t kKeptEach = 16 * 1024, kKept = 128 * 1024, kKeptLeast = 4 * 1024;
  bool may_begin() noexcept;
  void entered() noexcept;
  void left() noexcept;

  Worker& worker_;
  net::Stream& stream_;
  const Peer& peer_;
  net::h2::Session session_;
  net::h2::Transport transport_;
  H2Stream* streams_ = nullptr;             // linked; owned by themselves once they run
  std::size_t running_ = 0, promised_ = 0;  // bytes that streams may still bring, as H2Stream::room() told them
  net::Signal all_left_;
  std::size_t unread_seen_ = 0;
  Instant begun_at_{};  // the turn in which the last ones were begun
  std::size_t begun_ = 0;
  Instant idle_since_, head_since_{}, old_at_;
  bool over_ = false, head_seen_ = false, noticed_ = false;
};

}  // namespace sluice::data
