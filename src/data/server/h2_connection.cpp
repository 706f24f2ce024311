#include "data/server/h2_connection.h"

#include "data/server/h2_stream.h"
#include "data/server/linger.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"

namespace sluice::data {

namespace {

net::h2::Limits limits_of(const model::Options& o) noexcept {
  net::h2::Limits l;
  l.streams = o.http2_max_concurrent_streams;
  l.unread = 1024 * 1024;
  l.header_list = static_cast<std::uint32_t>(o.large_client_header_buffer_size * o.large_client_header_buffers);
  return l;
}

}  // namespace

H2Connection::H2Connection(Connection& connection)
    : worker_(connection.worker),
      stream_(connection.stream),
      peer_(connection.peer),
      session_(net::h2::Side::server, limits_of(worker_.options()), *this),
      transport_(stream_, session_, worker_.options().client_send_timeout),
      all_left_(worker_.loop),
      idle_since_(worker_.loop.now()),
      old_at_(Instant::max()) {
  worker_.stats.h2_connections.add();
  worker_.stats.h2_connections_active.add();
  worker_.grew(cost::kHttp2);
  if (const Duration age = worker_.options().http2_max_connection_age; age.count() > 0)
    old_at_ = worker_.loop.now() + age * 9 / 10 +
              Duration(static_cast<Duration::rep>(worker_.random() % static_cast<std::uint64_t>(age.count() / 5 + 1)));
}

H2Connection::~H2Connection() {
  worker_.stats.h2_connections_active.sub();
}

net::h2::Stream* H2Connection::begin() noexcept {
  // Streams that the client has reset count until their exchange is over.
  const bool memory_short = worker_.saves_memory();
  const std::size_t most = 2 * static_cast<std::size_t>(worker_.options().http2_max_concurrent_streams);
  if (running_ >= (memory_short ? std::min(most, kStreamsShort) : most)) return nullptr;
  return new H2Stream(*this);
}

bool H2Connection::may_begin() noexcept {
  if (std::exchange(begun_at_, worker_.loop.now()) != worker_.loop.now()) begun_ = 0;
  return begun_++ < kATurn;
}

void H2Connection::entered() noexcept {
  ++running_;
}

void H2Connection::left() noexcept {
  if (--running_ > 0) return;
  idle_since_ = worker_.loop.now();
  all_left_.notify();
  stream_.wake_reader();  // it may be time to go
}

net::Task<void> H2Connection::run() {
  [[maybe_unused]] const Status ended = co_await serve_frames();
  over_ = true;
  if (session_.abused()) worker_.stats.h2_abusers.add();
  std::size_t told = 0;
  for (H2Stream* s = streams_; s;) {
    if (s->is_over()) {
      s = s->next();
      continue;
    }
    s = s->connection_over();
    if (++told % kATurn == 0) {
      net::EndOfTurn others(worker_.loop);
      co_await others;
      s = streams_;  // those behind may have gone
    }
  }
  if (!stream_.cancelled() && !stream_.broken() && !stream_.peer_half_closed()) {
    transport_.write_now();  // a GOAWAY that says why
    co_await linger(worker_, stream_);
  }
  stream_.cancel(Error{Fault::closed, Whose::downstream, Retry::no, 0, "the connection is over"});
  while (running_ > 0) co_await all_left_.wait(Instant::max());
  co_await transport_.finished();
}

net::Task<Status> H2Connection::serve_frames() {
  transport_.output_waits();
  std::size_t piece = kPiece;
  for (;;) {
    const auto opened = session_.opened();
    Status taken = transport_.read(worker_.scratch.get(), piece);
    if (!taken) {
      if (taken.error().fault == Fault::malformed) worker_.stats.malformed_requests.add();
      co_return taken;
    }
    if (const auto unread = session_.unread(); unread != unread_seen_) {
      if (unread > unread_seen_) worker_.grew(unread - unread_seen_);
      unread_seen_ = unread;
    }
    if (session_.over()) co_return Status{};
    const auto most = worker_.options().keep_alive_requests;
    if ((most && session_.opened() >= most && !noticed_) || worker_.loop.now() >= old_at_ ||
        (!noticed_ && session_.opened() > 0 && worker_.ends_connections()))
      retire();
    if (session_.goaway_sent() && running_ == 0 && session_.streams() == 0) co_return Status{};
    const bool more = stream_.maybe_readable();
    piece = more && session_.opened() == opened ? Worker::kScratch : kPiece;  // a body
    if (more) {
      net::EndOfTurn others(worker_.loop);
      co_await others;
      continue;
    }
    const Instant until = wait_until();
    const bool idle = running_ == 0;
    if (idle) worker_.stats.downstream_idle.add();
    Status ready = co_await stream_.readable(until);
    if (idle) worker_.stats.downstream_idle.sub();
    if (ready) continue;
    if (ready.error().fault != Fault::timeout) co_return ready;
    Status go_on = timed_out();
    if (!go_on) co_return go_on;
  }
}

// Until when nothing may come.
Instant H2Connection::wait_until() noexcept {
  const auto& o = worker_.options();
  const Instant now = worker_.loop.now();
  if (session_.head_open() != head_seen_) {
    head_seen_ = session_.head_open();
    head_since_ = now;
  }
  Instant until = session_.goaway_sent() ? Instant::max() : old_at_;
  if (head_seen_) until = std::min(until, head_since_ + o.client_header_timeout);
  if (running_ == 0)
    until = std::min(until, idle_since_ + (session_.opened() == 0 ? o.client_header_timeout : o.keep_alive));
  return until;
}

Status H2Connection::timed_out() noexcept {
  const auto& o = worker_.options();
  const Instant now = worker_.loop.now();
  if (head_seen_ && now >= head_since_ + o.client_header_timeout) {
    worker_.stats.timeouts_header.add();
    session_.goaway(net::h2::protocol_error);
    return std::unexpected(stream_.error(Fault::timeout, "a block of fields that does not end"));
  }
  if (running_ == 0 && now >= idle_since_ + (session_.opened() == 0 ? o.client_header_timeout : o.keep_alive)) {
    worker_.stats.timeouts_idle.add();
    session_.goaway(net::h2::no_error);
    return std::unexpected(stream_.error(Fault::timeout, "idle"));
  }
  return {};
}

// Its time is over: first a GOAWAY that refuses nothing; a second later, when what was on its way has come, the last
// one.
void H2Connection::retire() noexcept {
  if (std::exchange(noticed_, true)) return go_away();
  session_.shutdown_notice();
  old_at_ = worker_.loop.now() + std::chrono::seconds(1);
}

void H2Connection::go_away() noexcept {
  session_.goaway(net::h2::no_error);
  old_at_ = Instant::max();
}

void H2Connection::drain(bool new_ones_too) noexcept {
  if (over_) return;
  if (!new_ones_too) {
    if (!noticed_) retire();
    return;
  }
  go_away();
  stream_.wake_reader();
}

void H2Connection::holdings(Holdings& out) noexcept {
  Holding h{Holding::Kind::slow, cost::kConnection + cost::kHttp2 + stream_.held(), idle_since_, &stream_, &stream_};
  if (stream_.tls()) h.bytes += cost::kTls;
  if (over_) {  // what the client still sends is thrown away
    const auto since = stream_.waits_to_read();
    if (!since) return;
    h.since = *since;
    return out.add(h);
  }
  if (const auto since = stream_.waits_to_write()) {
    h.since = *since;
    h.bytes += session_.kept() + session_.unread() + running_ * cost::kExchange;
    for (const H2Stream* s = streams_; s; s = s->next()) h.bytes += s->coder_memory();
    return out.add(h);
  }
  if (session_.head_open()) {
    if (!head_seen_) return;
    h.since = head_since_;
    return out.add(h);
  }
  if (running_ == 0) {
    h.kind = Holding::Kind::idle;
    h.unused = session_.opened() == 0;
    return out.add(h);
  }
  for (H2Stream* s = streams_; s; s = s->next()) s->holdings(out);
}

void H2Connection::kill() noexcept {
  for (H2Stream* s = streams_; s; s = s->next()) s->kill();
  stream_.cancel(kDrainedTooLong);
}

}  // namespace sluice::data
