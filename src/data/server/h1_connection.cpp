#include "data/server/h1_connection.h"
#include "data/server/head_limits.h"

#include <charconv>
#include <cstring>

#include "data/proxy/logged_values.h"
#include "data/proxy/prepare.h"
#include "data/proxy/request_body.h"
#include "data/proxy/serve.h"
#include "data/server/linger.h"
#include "data/server/response_fields.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"
#include "net/http/reason.h"
#include "net/io/signal.h"

namespace sluice::data {

using net::http::Framing;
using net::tls::Io;

namespace {

// How long a connection is not read whose request was refused as its worker is behind: to say no costs a part of what
// an answer does, and whoever asks again before he was told to would have the worker do nothing else. It doubles with
// each request in a row that is refused, so that many who do not give up leave time for those who are served.
constexpr Duration kRest = std::chrono::milliseconds(250);
constexpr unsigned kMostDoubled = 3;  // two seconds

constexpr std::size_t kMostOfLine = 2048;  // bytes of a line that the log may show

// The first line of what came, as much of it as is there; empty lines before it are skipped, as by who reads heads.
std::string_view first_line(std::string_view bytes) noexcept {
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  return bytes.substr(0, std::min(bytes.find_first_of("\r\n"), kMostOfLine));
}

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

H1Connection::H1Connection(Connection& connection)
    : worker_(connection.worker), stream_(connection.stream), peer_(connection.peer) {}

H1Connection::~H1Connection() {
  if (memory_) worker_.return_memory(std::move(memory_));
}

void H1Connection::drain(bool new_ones_too) noexcept {
  draining_ = true;
  if (idle_ && (served_ > 0 || new_ones_too))
    stream_.cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "draining"});
}

void H1Connection::kill() noexcept {
  draining_ = true;
  if (ex_) ex_->given_up = kDrainedTooLong;
  if (ex_ && ex_->waiting_on) ex_->waiting_on->cancel(kDrainedTooLong);
  stream_.cancel(kDrainedTooLong);
}

void H1Connection::holdings(Holdings& out) noexcept {
  Holding h{Holding::Kind::slow, cost::kConnection + stream_.held(), {}, &stream_, &stream_};
  if (stream_.tls()) h.bytes += cost::kTls;
  if (memory_) h.bytes += in_end_ + memory_->collected.capacity() + memory_->ahead.capacity();
  if (ex_) h.bytes += cost::kExchange + ex_->coder_memory + ex_->ahead_memory;
  const auto reads = stream_.waits_to_read(), writes = stream_.waits_to_write();
  if (writes) {
    h.since = *writes;
  } else if (!reads || (ex_ && ex_->tunnel)) {
    return;
  } else if (!ex_ && memory_) {
    h.since = head_since_;  // however often a little more of it comes
  } else {
    h.since = *reads;
    if (!ex_) h.kind = Holding::Kind::idle;
    h.unused = served_ == 0;
  }
  out.add(h);
}

net::Task<void> H1Connection::run() {
  for (;;) {
    Status head = co_await next_head();
    if (!head) {
      co_await turn_away(head.error());
      break;
    }
    const bool go_on = co_await exchange();
    if (!go_on) break;
    park();
    if (too_soon_ > 0) co_await rest();
  }
}

// A head that cannot be served: the client is told when there is somebody to tell.
net::Task<void> H1Connection::turn_away(Error why, bool head) {
  const bool late = why.fault == Fault::timeout && in_end_ > in_begin_;
  const bool tell = why.status != 0 || why.fault == Fault::too_large || why.fault == Fault::malformed || late;
  if (!tell || stream_.cancelled()) co_return;
  if (why.fault == Fault::timeout) why.status = 408;
  if (!memory_) memory_ = worker_.borrow_memory();
  // RFC 9110 section 9.3.2: to a HEAD no body is sent, however little of it could be read.
  head = head || std::string_view(memory_->in.data() + in_begin_, in_end_ - in_begin_).starts_with("HEAD ");
  memory_->request = {};
  if (head) memory_->request.method = net::http::Method::head;
  decoder_.start(Framing::none, 0);
  progress_ = {};
  Exchange ex(worker_, *this, peer_, *memory_);
  ex_ = &ex;
  written_before_ = stream_.bytes_written();
  ex.record.request_length = in_end_ - in_begin_;
  ex.record.unread_line = first_line({memory_->in.data() + in_begin_, in_end_ - in_begin_});
  // As nginx, which has given it no value by then.
  ex.record.upstream_name = std::string_view("", 0);
  describe_tls(ex.record, stream_);
  co_await refuse(ex, why);
  ex_ = nullptr;
  co_await linger();
}

// Serves the request whose head was read. False: the connection ends with it.
net::Task<bool> H1Connection::exchange() {
  Exchange ex(worker_, *this, peer_, *memory_);
  ex_ = &ex;
  const auto& o = worker_.options();
  ++served_;
  ex.close_after = !ex.head().keep_alive || o.keep_alive.count() == 0 ||
                   (o.keep_alive_requests && served_ >= o.keep_alive_requests) || draining_ ||
                   worker_.ends_connections();
  ex.record.request_length = head_end_ - in_begin_;
  describe_tls(ex.record, stream_);
  written_before_ = stream_.bytes_written();
  in_begin_ = head_end_;
  progress_ = {};
  aborted_ = probed_ = false;
  progress_.continue_due = ex.head().expect_continue;
  decoder_.start(ex.head().framing, ex.head().content_length);
  stream_.expect_write_rate(o.client_min_rate);
  stream_.watch_peer(&H1Connection::on_peer, this);
  co_await serve(ex);
  too_soon_ = ex.comes_too_soon ? too_soon_ + 1 : 0;
  stream_.unwatch_peer();
  ex_ = nullptr;
  if (!ex.close_after && progress_.complete && decoder_.done() && !aborted_ && !stream_.cancelled() &&
      !stream_.broken())
    co_return true;
  if (aborted_) {
    if (progress_.started) stream_.abort_on_close();  // else nobody can take what was sent for a whole answer
  } else if (progress_.complete && !stream_.cancelled()) {
    co_await linger();
  }
  co_return false;
}

net::Task<void> H1Connection::rest() {
  net::Signal nothing(worker_.loop);
  co_await nothing.wait(worker_.loop.now() + kRest * (1U << std::min(too_soon_ - 1, kMostDoubled)));
}

// Between two exchanges: what the client sent ahead moves to the front, or the buffers go back to the worker.
void H1Connection::park() noexcept {
  memory_->joined.clear();
  memory_->texts.clear();
  memory_->collected.clear();
  if (!memory_->ahead.empty()) {
    in_begin_ = 0;
    in_end_ = memory_->ahead.size();
    memory_->in.make_room(in_end_);
    std::memcpy(memory_->in.data(), memory_->ahead.data(), in_end_);
    memory_->ahead.clear();
    return;
  }
  if (in_begin_ == in_end_) {
    in_begin_ = in_end_ = 0;
    in_a_row_ = 0;
    worker_.return_memory(std::move(memory_));
    return;
  }
  std::memmove(memory_->in.data(), memory_->in.data() + in_begin_, in_end_ - in_begin_);
  in_end_ -= in_begin_;
  in_begin_ = 0;
}

// Waits for the next request and parses its head into memory_->request.
net::Task<Status> H1Connection::next_head() {
  const auto limits = head_limits(worker_.options());
  const auto header_timeout = worker_.options().client_header_timeout;
  const Instant idle_until = worker_.loop.now() + (served_ == 0 ? header_timeout : worker_.options().keep_alive);
  head_since_ = worker_.loop.now();
  net::h1::HeadScan scan;
  bool look = in_end_ > in_begin_;
  if (look && ++in_a_row_ > worker_.options().max_pipelined) {
    // One client's long pipeline must not keep the others waiting.
    in_a_row_ = 0;
    net::EndOfTurn others(worker_.loop);
    co_await others;
    if (stream_.cancelled()) co_return std::unexpected(client(Fault::cancelled, "draining"));
  }
  for (;;) {
    if (look) {
      const std::string_view bytes(memory_->in.data() + in_begin_, in_end_ - in_begin_);
      auto length = net::h1::find_head(bytes, scan, limits, true);
      if (!length) co_return std::unexpected(length.error());
      if (*length) {
        head_end_ = in_begin_ + scan.skip + *length;
        idle_ = false;
        Status parsed = net::h1::parse_request(bytes.substr(scan.skip, *length), limits, memory_->request);
        if (!parsed && parsed.error().status == 0)
          parsed =
              std::unexpected(Error{parsed.error().fault, Whose::downstream, Retry::no, 400, parsed.error().detail});
        co_return parsed;
      }
      look = false;
    }
    idle_ = in_end_ == in_begin_;
    if (idle_ && draining_ && served_ > 0) co_return std::unexpected(client(Fault::cancelled, "draining"));
    if (!memory_ && !stream_.maybe_readable()) {
      worker_.stats.downstream_idle.add();
      Status ready = co_await stream_.readable(idle_until);
      worker_.stats.downstream_idle.sub();
      if (!ready) {
        if (ready.error().fault == Fault::timeout) worker_.stats.timeouts_idle.add();
        co_return ready;
      }
      head_since_ = worker_.loop.now();
    }
    if (!memory_) memory_ = worker_.borrow_memory();
    auto& in = memory_->in;
    if (in_end_ == in.size()) in.make_room(in_end_ + 1);  // bounded: find_head refuses above the limit
    const auto r = stream_.try_read(in.data() + in_end_, in.size() - in_end_);
    if (r.io == Io::done) {
      in_end_ += r.bytes;
      look = true;
      continue;
    }
    if (r.io != Io::again_read) co_return std::unexpected(client(Fault::closed, "the client closed"));
    if (in_end_ == in_begin_) {
      in_begin_ = in_end_ = 0;
      worker_.return_memory(std::move(memory_));
      if (!stream_.maybe_readable()) continue;
    }
    Status ready = co_await stream_.readable(in_end_ == in_begin_ ? idle_until : head_since_ + header_timeout);
    if (!ready) co_return ready;
  }
}

// The client half-closed or broke while an exchange runs. Broken: the exchange is over. Half-closed: it may still be
// waiting for its answer (RFC 9112 section 9.6 lets it); an interim response tells, because a client that is gone
// answers it with a reset.
void H1Connection::on_peer(void* context, bool broken) {
  auto& self = *static_cast<H1Connection*>(context);
  if (!self.ex_) return;
  Exchange& ex = *self.ex_;
  if (!broken) {
    if (self.progress_.started || self.probed_ || ex.head().minor == 0 || ex.tunnel) return;
    self.probed_ = true;
    const iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
    self.stream_.write_soon({&part, 1});
    return;
  }
  ex.client_gone = true;
  if (ex.waiting_on)
    ex.waiting_on->cancel(Error{Fault::cancelled, Whose::downstream, Retry::no, 499, "the client left"});
}

bool H1Connection::whole_body(std::string_view& out) {
  if (decoder_.framing() != Framing::length || decoder_.left() > in_end_ - in_begin_ || progress_.body_bytes != 0)
    return false;
  auto piece = decoder_.take(memory_->in.data() + in_begin_, in_end_ - in_begin_);
  if (!piece) return false;
  in_begin_ += piece->consumed;
  progress_.body_bytes = piece->data.size();
  out = piece->data;
  return true;
}

Result<Chunk> H1Connection::take(std::size_t) {
  if (decoder_.done()) return Chunk{{}, true, {}};
  if (in_begin_ == in_end_) return Chunk{};
  auto piece = decoder_.take(memory_->in.data() + in_begin_, in_end_ - in_begin_);
  if (!piece) return std::unexpected(piece.error());
  in_begin_ += piece->consumed;
  progress_.body_bytes += piece->data.size();
  ex_->record.request_length +=
      piece->consumed - piece->data.size();  // what frames it; the rest is counted with the body
  return Chunk{piece->data, piece->done, piece->done ? decoder_.trailers() : std::string_view{}};
}

net::Task<Result<Chunk>> H1Connection::read(std::size_t most) {
  const auto& o = *ex_->options;
  for (;;) {
    if (progress_.body_stopped)
      co_return std::unexpected(client(Fault::cancelled, "the request body is not wanted any more"));
    Result<Chunk> ready = take(most);
    if (!ready || ready->last || !ready->data.empty()) co_return ready;
    if (progress_.continue_due && !progress_.started) {
      progress_.continue_due = false;
      const iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
      stream_.write_soon({&part, 1});  // an early answer may be waiting for the client to take it
    }
    std::uint64_t size = std::min(most, Worker::kScratch);
    if (decoder_.left()) size = std::min(decoder_.left(), size);
    auto r = stream_.try_read(worker_.scratch.get(), static_cast<std::size_t>(size));
    if (r.io == Io::done) {
      auto piece = decoder_.take(worker_.scratch.get(), r.bytes);
      if (!piece) co_return std::unexpected(piece.error());
      progress_.body_bytes += piece->data.size();
      ex_->record.request_length += piece->consumed - piece->data.size();
      // The next request begins behind a chunked body. Kept apart: the views of this head must not move.
      memory_->ahead.assign(worker_.scratch.get() + piece->consumed, worker_.scratch.get() + r.bytes);
      if (piece->done || !piece->data.empty())
        co_return Chunk{piece->data, piece->done, piece->done ? decoder_.trailers() : std::string_view{}};
      continue;
    }
    if (r.io == Io::again_read) {
      const Instant begun = worker_.loop.now();
      Status waited = co_await stream_.readable(begun + o.client_body_timeout);
      if (!waited) {
        if (progress_.body_stopped)
          co_return std::unexpected(client(Fault::cancelled, "the request body is not wanted any more"));
        co_return std::unexpected(waited.error());
      }
      progress_.body_wait += worker_.loop.now() - begun;
      if (below_rate(progress_.body_bytes, progress_.body_wait, o.client_min_rate))
        co_return std::unexpected(client(Fault::too_slow, "the request body arrives below client-min-rate"));
      continue;
    }
    ex_->client_gone = true;
    co_return std::unexpected(
        client(r.io == Io::closed ? Fault::closed : Fault::reset, "the client left inside its request body"));
  }
}

void H1Connection::stop() noexcept {
  progress_.body_stopped = true;
  stream_.wake_reader();
}

Duration H1Connection::send_stall() const noexcept {
  return ex_->options->client_send_timeout;
}

net::Task<Status> H1Connection::interim(int status, std::span<const net::http::Field> fields) {
  if (ex_->head().minor == 0) co_return Status{};  // RFC 9110 section 15.2: not to a 1.0 client
  auto& out = worker_.out;
  out.clear();
  append_status_line(out, status, net::http::reason_phrase(status));
  for (const auto& f : fields)
    if (!f.drop) append_field(out, f.name, f.value);
  out += "\r\n";
  const iovec part{out.data(), out.size()};
  Status s = co_await stream_.write({&part, 1}, send_stall());
  co_return s;
}

net::Task<Status> H1Connection::start(Exchange& ex, const ResponseStart& response, Chunk first) {
  progress_.started = true;
  const bool old = ex.head().minor == 0;
  out_framing_ = response.framing;
  if (out_framing_ == Framing::until_close || out_framing_ == Framing::chunked)
    out_framing_ = old ? Framing::until_close : Framing::chunked;
  if (out_framing_ == Framing::until_close) ex.close_after = true;
  if (worker_.ends_connections()) ex.close_after = true;
  auto& out = worker_.out;
  out.clear();
  if (response.status == 101 && progress_.continue_due) out += kContinue;  // RFC 9110 section 7.8
  const std::size_t before = out.size();
  append_response_head(out, ex, response, out_framing_, worker_.date());
  if (ex.wanted) [[unlikely]]
    note_sent_fields(ex, std::string_view(out).substr(before));
  const iovec head{out.data(), out.size()};
  Status s = co_await send_body_pieces({&head, 1}, first);
  co_return s;
}

net::Task<Status> H1Connection::write(Chunk piece) {
  return send_body_pieces({}, piece);
}

net::Task<Status> H1Connection::send_body_pieces(std::span<const iovec> before, Chunk piece) {
  iovec parts[6];
  std::size_t n = 0;
  for (const auto& p : before) parts[n++] = p;
  const auto add = [&](std::string_view s) {
    if (!s.empty()) parts[n++] = {const_cast<char*>(s.data()), s.size()};
  };
  char size_line[24];
  std::string end;
  progress_.body_sent += piece.data.size();
  if (out_framing_ == Framing::chunked) {
    if (!piece.data.empty()) {
      auto at = std::to_chars(size_line, size_line + 18, piece.data.size(), 16).ptr;
      *at++ = '\r';
      *at++ = '\n';
      add({size_line, static_cast<std::size_t>(at - size_line)});
      add(piece.data);
      end = "\r\n";
    }
    if (piece.last) {
      end += "0\r\n";
      end += piece.trailers;
      end += "\r\n";
    }
    add(end);
  } else {
    add(piece.data);
  }
  if (piece.last && ex_->close_after && !ex_->tunnel) stream_.last_write();
  if (n != 0 && !stream_.write_now({parts, n})) {
    Status s = co_await stream_.finish_write(send_stall());
    if (!s) {
      if (s.error().fault == Fault::timeout) worker_.stats.timeouts_send.add();
      co_return s;
    }
  }
  if (piece.last) {
    progress_.complete = true;
    ex_->record.bytes_sent = stream_.bytes_written() - written_before_;
  }
  ex_->record.body_bytes_sent = progress_.body_sent;
  co_return Status{};
}

void H1Connection::abort() noexcept {
  aborted_ = true;
  if (ex_) ex_->record.bytes_sent = stream_.bytes_written() - written_before_;
}

net::Duplex& H1Connection::become_tunnel(std::string_view& early) {
  early = in_begin_ == in_end_ ? std::string_view(memory_->ahead)
                               : std::string_view(memory_->in.data() + in_begin_, in_end_ - in_begin_);
  in_begin_ = in_end_;
  stream_.unwatch_peer();
  stream_.expect_write_rate(0);
  return stream_;
}

void H1Connection::give_buffers_back() noexcept {
  in_begin_ = in_end_ = 0;
  worker_.return_memory(std::move(memory_));
}

net::Task<void> H1Connection::linger() {
  const bool more =
      !decoder_.done() || stream_.maybe_readable() || (memory_ && !memory_->ahead.empty()) || in_begin_ != in_end_;
  if (!more) {
    stream_.say_end();
    co_return;
  }
  co_await data::linger(worker_, stream_);
}

}  // namespace sluice::data
