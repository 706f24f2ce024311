#include "net/h2/transport.h"

#include "base/release.h"
#include "net/h2/spare.h"

namespace sluice::net::h2 {

using tls::Io;

namespace {

Spare& spare_output() {
  static thread_local Spare spare(4 * Session::kMost, 16);
  return spare;
}

// An idle connection keeps no buffer at all.
void give_back(std::string& out) {
  spare_output().give(out);
  release(out);
}

}  // namespace

Transport::Transport(net::Stream& stream, Session& session, Duration stall)
    : stream_(stream), session_(session), stall_(stall), unblocked_(stream.loop()) {}

Transport::~Transport() {
  if (due_) stream_.loop().cancel_end_of_turn(*this);
}

Status Transport::read(char* scratch, std::size_t size) {
  const auto r = stream_.try_read(scratch, size);
  if (r.io == Io::again_read) return {};
  if (r.io != Io::done)
    return std::unexpected(stream_.error(r.io == Io::closed      ? Fault::closed
                                         : stream_.unreachable() ? Fault::unreachable
                                                                 : Fault::reset,
                                         "the peer closed"));
  Status taken = session_.receive({scratch, r.bytes}, stream_.loop().now());
  session_.deliver();
  return taken;
}

void Transport::output_waits() noexcept {
  if (due_) return;
  due_ = true;
  spare_output().lend(session_.output());
  stream_.loop().call_at_end_of_turn(*this);
}

void Transport::end_of_turn() {
  due_ = false;
  write_now();
  session_.deliver();
  if (session_.over()) stream_.wake_reader();
}

// So much that little waits in the socket's Stream when its peer takes nothing; a frame may come on top.
std::size_t Transport::most() noexcept {
  const std::size_t room = stream_.room(written_);
  return std::max(room, kLeast + kFrame) - kFrame;
}

// True when the socket took everything and would take more.
bool Transport::write_now() noexcept {
  auto& out = session_.output();
  for (;;) {
    if (blocked_) return false;
    session_.limit_output(most());
    session_.fill();
    if (out.empty()) {
      give_back(out);
      return true;
    }
    const bool more = session_.output_full();
    const iovec part{out.data(), out.size()};
    written_ = out.size();
    const bool left = stream_.write_now({&part, 1});
    out.clear();
    if (!left) {
      blocked_ = true;
      session_.block(true);
      give_back(out);
      spawn(unblock());
      return false;
    }
    if (!more) {
      give_back(out);
      return true;
    }
  }
}

Task<void> Transport::unblock() {
  Status s = co_await stream_.finish_write(stall_);
  blocked_ = false;
  if (s) {
    session_.block(false);
    output_waits();
  } else {
    stream_.cancel(s.error());
  }
  unblocked_.notify();
}

Task<void> Transport::finished() {
  while (blocked_) co_await unblocked_.wait(Instant::max());
}

}  // namespace sluice::net::h2
