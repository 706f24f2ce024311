#pragma once
#include <sys/uio.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/duplex.h"
#include "net/io/loop.h"
#include "net/io/task.h"
#include "net/tls/tls.h"

namespace sluice::net {

// A connected socket of one worker, plain or TLS: non-blocking attempts first, waiting only when they cannot go on.
//
//   for (;;) { auto r = s.try_read(scratch, size); if (r.io == tls::Io::again_read) co_await s.readable(until); … }
//
// Nothing that try_read fills may live in memory of the worker across a suspension; bytes given to write() need to live
// only until the call suspends for the first time: an unsent tail is copied to storage of this stream.
// Used on the loop's thread only. One coroutine may wait to read and one to write at a time. cancel() wakes both; after
// it every call fails with the given error. Destruction closes.
class Stream final : public Watcher, public Duplex {
 public:
  // Takes fd, which must be non-blocking. `whose` marks the errors. connected: false while a connect is under way.
  Stream(Loop& loop, int fd, Whose whose, bool connected);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool registered() const noexcept { return registered_; }  // false: the kernel refused (descriptor or memory limit)
  int fd() const noexcept { return fd_; }
  Loop& loop() noexcept { return loop_; }
  tls::Session* tls() noexcept { return tls_.get(); }
  void start_tls(std::unique_ptr<tls::Session> session) { tls_ = std::move(session); }
  // Its handshake failed before a byte of TLS was sent: the bytes are plain ones again.
  void end_tls() noexcept {
    tls_.reset();
    readable_ = true;
  }

  // done (bytes > 0), again_read, closed (end of file or close_notify) or failed.
  tls::IoResult try_read(char* out, std::size_t size) override;
  // Plain bytes that have arrived, without taking them (before TLS starts); as try_read, but done means more than
  // `seen` bytes lie there, and again_read no more than those: readable() then waits for the next ones.
  tls::IoResult peek(char* out, std::size_t size, std::size_t seen) noexcept;
  // Waits until a try_read makes sense.
  auto readable(Instant until) noexcept { return Wait{*this, until, false}; }
  Task<Status> wait_readable(Instant until) override;
  auto writable(Instant until) noexcept { return Wait{*this, until, true}; }

  // Sends all of it, waiting at most `stall` for the peer to take more each time. What it cannot send at once it copies
  // before it suspends. How far it is is in bytes_written().
  Task<Status> write(std::span<const iovec> parts, Duration stall);
  // The fast way: true when everything left at once; otherwise `write` must be called with the rest already inside:
  // use as  if (!s.write_now(parts)) co_await s.finish_write(stall);
  bool write_now(std::span<const iovec> parts) noexcept override;
  Task<Status> finish_write(Duration stall) override;
  // For a few bytes that nobody waits for: what cannot leave at once leaves when the peer takes more, or before what is
  // written next. Meant where another coroutine may be waiting to write.
  void write_soon(std::span<const iovec> parts) noexcept;

  // At most this of a write waits here when the kernel takes no more, if the write was no larger than room() said and
  // what stands around it (sizes of chunks, a head).
  static constexpr std::size_t kKept = 20 * 1024, kFraming = 1024;
  // How large a write may be for that: kPiece, and more where more is sure to leave. `last`: size of the piece before;
  // only after a large one is the kernel asked what it would take, and only when that is not known from before.
  static constexpr std::size_t kPiece = kKept - kFraming;
  std::size_t room(std::size_t last) noexcept override;
  // Bytes of memory that wait for the peer, or for the rest of a TLS record.
  std::size_t held() const noexcept { return tail_.capacity() + (tls_ ? tls_->held() : 0); }

  Task<Status> handshake(Instant until);
  Task<Status> connected(Instant until);

  void cancel(Error why) noexcept override;
  // Makes a coroutine that waits to read look again (its caller has a reason of its own to stop).
  void wake_reader() noexcept override {
    reader_.disarm();
    if (auto h = std::exchange(reader_.handle, {})) loop_.resume_later(h);
  }
  bool cancelled() const noexcept { return cancelled_; }
  // It failed as the other machine acknowledged nothing any more, or there is no way to it.
  bool unreachable() const noexcept { return unreachable_; }
  // Since when somebody waits for the peer to send, or to take; nothing when nobody does.
  std::optional<Instant> waits_to_read() const noexcept { return reader_.waits(); }
  std::optional<Instant> waits_to_write() const noexcept { return writer_.waits(); }
  // The next write is the last: on TLS, close_notify leaves with it.
  void last_write() noexcept {
    if (tls_) tls_->last_write();
  }
  // Says close_notify on TLS, if it was not said. For a connection that is closed next.
  void say_end() noexcept {
    if (tls_) tls_->shutdown();
  }
  // Half-closes for writing (after close_notify on TLS).
  void shutdown_write() noexcept;
  void end_write() noexcept override { shutdown_write(); }
  // Makes close() send RST: the peer must not take what it has for complete.
  void abort_on_close() noexcept;

  // The peer has shut down its side or the connection broke; data may still be unread.
  bool peer_half_closed() const noexcept { return half_closed_; }
  bool broken() const noexcept { return broken_; }
  // For an idle connection about to be used again: neither a byte nor the end has come, as far as the last poll
  // knows, what it reported and nobody handled yet included: such bytes would be taken for the next answer.
  // `look`: asks the kernel too, for requests that must not be sent twice.
  bool untouched(bool look) noexcept;
  bool maybe_readable() const noexcept { return readable_ || (tls_ && tls_->pending_read()); }

  // Called (once set) on half-close or breakage while nobody waits to read. Plain function and pointer: no allocation.
  using Hook = void (*)(void* context, bool broken);
  void watch_peer(Hook hook, void* context) noexcept {
    hook_ = hook;
    hook_context_ = context;
  }
  void unwatch_peer() noexcept { hook_ = nullptr; }
  // Called when bytes or the end arrive while nobody waits (idle pooled connections).
  void watch_idle(Hook hook, void* context) noexcept {
    idle_hook_ = hook;
    hook_context_ = context;
  }
  void unwatch_idle() noexcept { idle_hook_ = nullptr; }

  // A peer that takes less than `bytes_per_second` on average, once it has kept us waiting for ten seconds in all,
  // fails with Fault::too_slow. 0: off. Counting starts anew with each call.
  void expect_write_rate(std::uint64_t bytes_per_second) noexcept {
    min_rate_ = bytes_per_second;
    blocked_ = Duration{};
    rate_from_ = bytes_written_;
  }
  std::uint64_t written() const noexcept override { return bytes_written_; }
  std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  std::uint64_t bytes_written() const noexcept {
    return bytes_written_;
  }  // taken by the kernel (plain) or encrypted (TLS)
  Error error(Fault f, const char* detail) const noexcept { return Error{f, whose_, Retry::no, 0, detail}; }

  void on_events(std::uint32_t events) override;

 private:
  struct Waiter final : Deadline {
    std::coroutine_handle<> handle;
    Stream* stream = nullptr;
    Instant since{};
    bool timed_out = false;
    std::optional<Instant> waits() const noexcept { return handle ? std::optional(since) : std::nullopt; }
    void expired() override;
  };
  struct Wait {
    Stream& s;
    Instant until;
    bool write;
    bool ready() const noexcept { return s.cancelled_ || (write ? s.writable_ : (s.readable_ || s.broken_)); }
    bool await_ready() const noexcept { return until == kAtOnce || ready(); }
    void await_suspend(std::coroutine_handle<> h) noexcept;
    Status await_resume() noexcept;
  };
  void wake(Waiter& w) noexcept;
  tls::IoResult send_some(const iovec* parts, int count) noexcept;
  void keep_tail(std::span<const iovec> parts, std::size_t sent);
  void note_failure(int code) noexcept {
    unreachable_ = unreachable_ || code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH;
  }
  tls::Io send_kept() noexcept;  // done: nothing is left; again_write: until the peer takes more; failed

  Loop& loop_;
  std::unique_ptr<tls::Session> tls_;
  Waiter reader_, writer_;
  std::vector<char> tail_;  // unsent plain bytes, or TLS parts that the session did not take yet
  std::size_t tail_sent_ = 0;
  std::uint64_t bytes_read_ = 0, bytes_written_ = 0;
  std::uint64_t sure_until_ = 0;  // of bytes_written_: what the kernel takes whatever the peer does
  std::uint64_t min_rate_ = 0, rate_from_ = 0;
  Duration blocked_{};
  Hook hook_ = nullptr, idle_hook_ = nullptr;
  void* hook_context_ = nullptr;
  bool* gone_ = nullptr;
  Error cancel_error_{};
  int fd_;
  Whose whose_;
  bool unreachable_ = false;
  bool registered_ = false, readable_ = false, writable_ = false, half_closed_ = false, broken_ = false,
       cancelled_ = false, abort_ = false, write_failed_ = false, read_wants_write_ = false, on_its_own_ = false;
};

}  // namespace sluice::net
