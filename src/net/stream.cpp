#include "net/stream.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <limits>

#include "base/release.h"

namespace sluice::net {

using tls::Io;
using tls::IoResult;

namespace {

// Until when this thread does not believe what the kernel says it would take. Short of memory for sockets it takes
// less, and what was read on its word is left here: that may happen to one connection, not to all.
thread_local Instant disbelief{};
constexpr Duration kDisbelief = std::chrono::seconds(60);

}  // namespace

Stream::Stream(Loop& loop, int fd, Whose whose, bool connected)
    : loop_(loop), fd_(fd), whose_(whose), writable_(connected) {
  reader_.stream = writer_.stream = this;
  registered_ = loop_.add(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
}

Stream::~Stream() {
  if (gone_) *gone_ = true;
  loop_.forget(this);
  if (abort_) {
    linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  close(fd_);
}

void Stream::Wait::await_suspend(std::coroutine_handle<> h) noexcept {
  Waiter& w = write ? s.writer_ : s.reader_;
  assert(!w.handle);  // whoever waited before would wait for ever
  w.handle = h;
  w.since = s.loop_.now();
  w.timed_out = false;
  if (until != Instant::max()) s.loop_.arm_at(w, until);
}

Status Stream::Wait::await_resume() noexcept {
  Waiter& w = write ? s.writer_ : s.reader_;
  w.disarm();
  w.handle = {};
  if (s.cancelled_) return std::unexpected(s.cancel_error_);
  if (w.timed_out || (until == kAtOnce && !ready())) {
    w.timed_out = false;
    return std::unexpected(s.error(Fault::timeout, write ? "the peer takes nothing" : "the peer sends nothing"));
  }
  return {};
}

void Stream::Waiter::expired() {
  timed_out = true;
  if (auto h = std::exchange(handle, {})) h.resume();
}

void Stream::wake(Waiter& w) noexcept {
  w.disarm();
  if (auto h = std::exchange(w.handle, {})) h.resume();
}

void Stream::on_events(std::uint32_t events) {
  const bool end = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if (events & (EPOLLIN | EPOLLRDHUP)) readable_ = true;
  if (events & EPOLLOUT) {
    writable_ = true;
    if (std::exchange(read_wants_write_, false)) readable_ = true;
  }
  if (events & EPOLLRDHUP) half_closed_ = true;
  if (events & (EPOLLHUP | EPOLLERR)) broken_ = readable_ = writable_ = true;

  bool gone = false;
  gone_ = &gone;
  if ((readable_ || broken_) && reader_.handle) {
    wake(reader_);
  } else if (idle_hook_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
    auto hook = std::exchange(idle_hook_, nullptr);
    hook(hook_context_, broken_);
  } else if (end && hook_) {
    hook_(hook_context_, broken_);
  }
  if (gone) return;
  if (writable_ && writer_.handle)
    wake(writer_);
  else if (writable_ && on_its_own_)
    on_its_own_ = send_kept() == Io::again_write;
  if (gone) return;
  gone_ = nullptr;
}

void Stream::cancel(Error why) noexcept {
  if (cancelled_) return;
  cancelled_ = true;
  cancel_error_ = why;
  for (Waiter* w : {&reader_, &writer_}) {
    w->disarm();
    if (auto h = std::exchange(w->handle, {})) loop_.resume_later(h);
  }
}

IoResult Stream::try_read(char* out, std::size_t size) {
  if (cancelled_) return {Io::failed, 0};
  if (tls_) {
    if (!readable_ && !tls_->pending_read()) return {Io::again_read, 0};
    errno = 0;
    auto r = tls_->read(out, size);
    if (r.io == Io::failed) note_failure(errno);
    bytes_read_ += r.bytes;
    // Drained until the next edge, unless the end is already known to wait behind it.
    if (r.io == Io::again_read || (r.io == Io::done && tls_->drained())) readable_ = half_closed_ || broken_;
    if (r.io == Io::again_write) {  // a key update has to leave before reading goes on
      read_wants_write_ = true;
      readable_ = writable_ = false;
      return {Io::again_read, 0};
    }
    return r;
  }
  if (!readable_ && !broken_) return {Io::again_read, 0};
  for (;;) {
    const ssize_t n = recv(fd_, out, size, 0);
    if (n > 0) {
      bytes_read_ += static_cast<std::size_t>(n);
      // Edge-triggered: a short read means drained, unless the end is already known to wait behind it.
      if (static_cast<std::size_t>(n) < size && !half_closed_ && !broken_) readable_ = false;
      return {Io::done, static_cast<std::size_t>(n)};
    }
    if (n == 0) return {Io::closed, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      readable_ = false;
      return {Io::again_read, 0};
    }
    note_failure(errno);
    broken_ = true;
    return {Io::failed, 0};
  }
}

IoResult Stream::peek(char* out, std::size_t size, std::size_t seen) noexcept {
  if (cancelled_) return {Io::failed, 0};
  for (;;) {
    readable_ = false;  // before the call: what arrives after it is an edge
    const ssize_t n = recv(fd_, out, size, MSG_PEEK | MSG_DONTWAIT);
    if (n > static_cast<ssize_t>(seen)) {
      readable_ = true;
      return {Io::done, static_cast<std::size_t>(n)};
    }
    if (n > 0 && !half_closed_ && !broken_) return {Io::again_read, static_cast<std::size_t>(n)};
    if (n >= 0) return {Io::closed, static_cast<std::size_t>(n)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {Io::again_read, 0};
    broken_ = true;
    return {Io::failed, 0};
  }
}

Task<Status> Stream::wait_readable(Instant until) {
  Status ready = co_await readable(until);
  co_return ready;
}

IoResult Stream::send_some(const iovec* parts, int count) noexcept {
  if (tls_) {
    std::size_t total = 0;
    for (int i = 0; i < count; ++i) total += parts[i].iov_len;
    auto r = tls_->write(parts, count);
    if (r.io == Io::done) {
      r.bytes = total;
      bytes_written_ += total;
    } else if (r.io == Io::again_write) {
      writable_ = false;
      r.bytes = 0;
    }
    return r;
  }
  for (;;) {
    ssize_t n;
    if (count == 1) {
      n = send(fd_, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr m{};
      m.msg_iov = const_cast<iovec*>(parts);
      m.msg_iovlen = static_cast<std::size_t>(count);
      n = sendmsg(fd_, &m, MSG_NOSIGNAL);
    }
    if (n >= 0) {
      bytes_written_ += static_cast<std::size_t>(n);
      return {Io::done, static_cast<std::size_t>(n)};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      writable_ = false;
      return {Io::again_write, 0};
    }
    note_failure(errno);
    broken_ = true;
    return {Io::failed, 0};
  }
}

std::size_t Stream::room(std::size_t last) noexcept {
  constexpr std::size_t kEnough = 256 * 1024;
  const auto sure = [this] { return sure_until_ > bytes_written_ ? sure_until_ - bytes_written_ : 0; };
  if (loop_.now() < disbelief) return kPiece;
  if (last >= kKept / 2 && sure() < kEnough) {
    std::uint32_t memory[SK_MEMINFO_VARS]{};
    socklen_t size = sizeof memory;
    // Half of the free room: the kernel counts what it spends on a segment too, which may be as much as is in it.
    if (getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 &&
        memory[SK_MEMINFO_SNDBUF] > memory[SK_MEMINFO_WMEM_QUEUED])
      sure_until_ = bytes_written_ + (memory[SK_MEMINFO_SNDBUF] - memory[SK_MEMINFO_WMEM_QUEUED]) / 2;
  }
  return sure() + kPiece;
}

void Stream::keep_tail(std::span<const iovec> parts, std::size_t sent) {
  if (tail_sent_ > 0) {
    tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(tail_sent_));
    tail_sent_ = 0;
  }
  std::size_t size = tail_.size();
  for (const auto& p : parts) size += p.iov_len;
  tail_.reserve(size - sent);  // no more: it may lie here for long
  for (const auto& p : parts) {
    const std::size_t skip = std::min(sent, p.iov_len);
    sent -= skip;
    const char* base = static_cast<const char*>(p.iov_base);
    tail_.insert(tail_.end(), base + skip, base + p.iov_len);
  }
}

bool Stream::write_now(std::span<const iovec> parts) noexcept {
  if (cancelled_ || write_failed_) return false;
  if (!tail_.empty() || (tls_ && tls_->pending_write())) {
    keep_tail(parts, 0);
    return false;
  }
  std::size_t total = 0;
  for (const auto& p : parts) total += p.iov_len;
  if (total == 0) return true;
  if (!writable_) {
    keep_tail(parts, 0);
    return false;
  }
  const auto r = send_some(parts.data(), static_cast<int>(parts.size()));
  if (r.io == Io::failed || r.io == Io::closed) {
    write_failed_ = true;
    return false;
  }
  if (r.bytes == total) {
    if (!tls_ || !tls_->pending_write()) return true;
    if (tls_->unsent() > kKept) disbelief = loop_.now() + kDisbelief;
    return false;
  }
  keep_tail(parts, r.bytes);
  if (tail_.size() > kKept) disbelief = loop_.now() + kDisbelief;
  // A short write filled the socket's buffer: the next room comes as an edge.
  writable_ = false;
  return false;
}

Io Stream::send_kept() noexcept {
  for (;;) {
    Io io = Io::done;
    if (tls_ && tls_->pending_write()) {
      io = tls_->flush();
      if (io != Io::failed && io != Io::closed && tls_->pending_write()) {
        writable_ = false;
        return Io::again_write;
      }
    } else if (tail_sent_ < tail_.size()) {
      const iovec part{tail_.data() + tail_sent_, tail_.size() - tail_sent_};
      const auto r = send_some(&part, 1);
      io = r.io;
      if (io == Io::again_write) return io;
      if (io == Io::done) {
        tail_sent_ += r.bytes;
        if (!tls_ && tail_sent_ < tail_.size()) {
          writable_ = false;
          return Io::again_write;
        }
      }
    } else {
      if (tail_.capacity() != 0) release(tail_);
      tail_sent_ = 0;
      return Io::done;
    }
    if (io == Io::failed || io == Io::closed) {
      write_failed_ = true;
      return Io::failed;
    }
  }
}

void Stream::write_soon(std::span<const iovec> parts) noexcept {
  if (!write_now(parts)) on_its_own_ = true;
}

Task<Status> Stream::finish_write(Duration stall) {
  for (;;) {
    if (cancelled_) co_return std::unexpected(cancel_error_);
    const Io io = write_failed_ ? Io::failed : send_kept();
    if (io == Io::failed) co_return std::unexpected(error(Fault::reset, "the peer takes no more"));
    if (io == Io::done) co_return Status{};
    const Instant begun = loop_.now();
    Status ready = co_await writable(due_in(begun, stall));
    if (!ready) co_return ready;
    blocked_ += loop_.now() - begun;
    if (min_rate_ && blocked_ > std::chrono::seconds(10) &&
        bytes_written_ - rate_from_ < min_rate_ * static_cast<std::uint64_t>(blocked_ / std::chrono::seconds(1)))
      co_return std::unexpected(error(Fault::too_slow, "the peer takes data below the minimum rate"));
  }
}

Task<Status> Stream::write(std::span<const iovec> parts, Duration stall) {
  if (write_now(parts)) co_return Status{};
  Status s = co_await finish_write(stall);
  co_return s;
}

Task<Status> Stream::handshake(Instant until) {
  for (;;) {
    if (cancelled_) co_return std::unexpected(cancel_error_);
    const Io io = tls_->handshake();
    if (io == Io::done) {
      if (tls_->drained()) readable_ = half_closed_ || broken_;
      co_return Status{};
    }
    if (io == Io::failed) co_return std::unexpected(error(Fault::tls, "TLS handshake failed"));
    if (io == Io::closed) co_return std::unexpected(error(Fault::closed, "closed during the TLS handshake"));
    if (io == Io::again_read) {
      readable_ = false;
      if (half_closed_) co_return std::unexpected(error(Fault::closed, "closed during the TLS handshake"));
      Status ready = co_await readable(until);
      if (!ready) co_return ready;
    } else {
      writable_ = false;
      Status ready = co_await writable(until);
      if (!ready) co_return ready;
    }
  }
}

Task<Status> Stream::connected(Instant until) {
  Status ready = co_await writable(until);
  if (!ready) {
    if (ready.error().fault == Fault::timeout)
      co_return std::unexpected(Error{Fault::connect_timeout, whose_, Retry::yes, 0, "connect timed out"});
    co_return ready;
  }
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &code, &size);
  note_failure(code);
  if (unreachable_)
    co_return std::unexpected(Error{Fault::unreachable, whose_, Retry::yes, 0, "the other machine does not answer"});
  if (code != 0) co_return std::unexpected(Error{Fault::connect_refused, whose_, Retry::yes, 0, "connect refused"});
  broken_ = false;
  co_return Status{};
}

bool Stream::untouched(bool look) noexcept {
  if (half_closed_ || broken_ || cancelled_ || readable_ || (tls_ && tls_->pending_read())) return false;
  constexpr std::uint32_t kTold = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if (loop_.reported(this) & kTold) return false;
  if (!look) return true;
  char byte;
  return recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void Stream::shutdown_write() noexcept {
  say_end();
  ::shutdown(fd_, SHUT_WR);
}

void Stream::abort_on_close() noexcept {
  abort_ = true;
}

}  // namespace sluice::net
