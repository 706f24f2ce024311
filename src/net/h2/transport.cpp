#include "net/h2/transport.h"

#include "base/release.h"

namespace sluice::net::h2 {

using tls::Io;

namespace {

// Buffers of output between turns: an idle connection keeps none, a busy one need not ask the allocator.
class Spare {
 public:
  static void take(std::string& out) noexcept {
    if (out.capacity() >= kSmall || spare().empty()) return;
    std::string held = std::move(out);
    out = std::move(spare().back());
    spare().pop_back();
    out.assign(held);
  }
  static void give(std::string& out) {
    if (out.capacity() >= kSmall && out.capacity() <= kLarge && spare().size() < kKept) {
      out.clear();
      spare().push_back(std::move(out));
    }
    release(out);
  }

 private:
  static constexpr std::size_t kSmall = 4096, kLarge = 4 * Session::kMost, kKept = 16;
  static std::vector<std::string>& spare() {
    static thread_local std::vector<std::string> all;
    return all;
  }
};

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
  Spare::take(session_.output());
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
      Spare::give(out);
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
      Spare::give(out);
      spawn(unblock());
      return false;
    }
    if (!more) {
      Spare::give(out);
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
