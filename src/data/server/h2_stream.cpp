#include "data/server/h2_stream.h"

#include <charconv>
#include <cstring>
#include <memory>

#include "base/base64.h"
#include "data/proxy/logged_values.h"
#include "data/proxy/prepare.h"
#include "data/proxy/request_body.h"
#include "data/proxy/serve.h"
#include "data/server/linger.h"
#include "data/server/response_fields.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"
#include "net/http/grammar.h"
#include "net/http/passed_names.h"
#include "net/http/trailers.h"
#include "net/http/websocket.h"

namespace sluice::data {

using net::http::Framing;
using net::http::Name;
using net::tls::Io;

namespace {

net::h2::HeadRules rules_of(const model::Options& o) noexcept {
  net::h2::HeadRules r;
  r.line = static_cast<std::size_t>(o.large_client_header_buffer_size);
  r.head = static_cast<std::size_t>(o.large_client_header_buffer_size * o.large_client_header_buffers);
  r.fields = o.max_headers;
  r.underscores = o.enable_underscores_in_headers;
  r.ignore_invalid_names = o.ignore_invalid_headers;
  return r;
}

// The fields of one response, names and values borrowed. One a thread: nothing waits while it is filled and used.
struct FieldList {
  static_assert(net::http::kMaxFields + 2 * model::HeaderMap::kMostLines + 32 <= net::h2::Session::kMostFields);
  net::h2::Field all[net::h2::Session::kMostFields + 1];  // with one too many it does not fit
  std::size_t count = 0;
  char status[4], length[24];

  static FieldList& empty() noexcept {
    static thread_local const auto list = std::make_unique<FieldList>();  // no other thread has room for it
    list->count = 0;
    return *list;
  }

  void add(std::string_view name, std::string_view value) noexcept {
    if (count < std::size(all)) all[count++] = {name, value, false};
  }
  void set_status(int code) noexcept {
    std::to_chars(status, status + 3, code);
    add(":status", {status, 3});
  }
  void set_length(std::uint64_t n) noexcept {
    const auto end = std::to_chars(length, length + sizeof length, n).ptr;
    add("content-length", {length, static_cast<std::size_t>(end - length)});
  }
  std::span<const net::h2::Field> span() const noexcept { return {all, count}; }
};

}  // namespace

H2Stream::H2Stream(H2Connection& connection)
    : connection_(connection),
      worker_(connection.worker_),
      memory_(worker_.borrow_memory()),
      reader_(rules_of(worker_.options()), memory_->in.data(), memory_->in.size(), memory_->request),
      readable_(worker_.loop),
      writable_(worker_.loop) {
  next_ = connection_.streams_;
  if (next_) next_->previous_ = this;
  connection_.streams_ = this;
  connection_.entered();
}

H2Stream::~H2Stream() {
  (previous_ ? previous_->next_ : connection_.streams_) = next_;
  if (next_) next_->previous_ = previous_;
  if (memory_) worker_.return_memory(std::move(memory_));
  promise(0);
  connection_.left();
}

bool H2Stream::on_field(std::string_view name, std::string_view value) noexcept {
  if (stage_ == Stage::head) return reader_.add(name, value);
  if (!net::http::is_plain_name(name) || !net::http::allowed_in_trailers(name)) return true;
  if (trailers_.size() + name.size() + value.size() + 4 > net::http::kMostTrailers) {
    trailers_refused_ = true;
    return false;
  }
  trailers_.append(name).append(": ").append(value).append("\r\n");
  return true;
}

void H2Stream::on_fields_end() noexcept {
  if (stage_ != Stage::head) return;
  stage_ = Stage::whole_head;
  verdict_ = reader_.finish(end_received());
}

void H2Stream::on_event() {
  if (stage_ != Stage::exchange) {
    if (closed() && !reset_by_peer() && code() == net::h2::protocol_error) {  // nghttp2 found it malformed
      worker_.stats.malformed_requests.add();
      worker_.stats.h2_streams_reset.add();
    }
    if (closed() || over_ || connection_.session_.failed()) return end();
    if (stage_ == Stage::head) return;
    stage_ = Stage::exchange;
    net::spawn(run());
    return;
  }
  if (gone()) client_left();
  readable_.notify();
  writable_.notify();
}

// The exchange has nobody to answer to.
void H2Stream::client_left() noexcept {
  if (!ex_ || ex_->client_gone || progress_.complete) return;
  ex_->client_gone = true;
  ex_->reset_code = closed() ? code() : std::uint32_t{net::h2::cancel};
  if (ex_->waiting_on)
    ex_->waiting_on->cancel(Error{Fault::cancelled, Whose::downstream, Retry::no, 499, "the client left"});
}

H2Stream* H2Stream::connection_over() noexcept {
  H2Stream* after = next_;
  over_ = true;
  on_event();
  return after;
}

void H2Stream::kill() noexcept {
  if (ex_) ex_->given_up = kDrainedTooLong;
  give_up(kDrainedTooLong);
}

void H2Stream::give_up(Error why) noexcept {
  if (given_up_) return;
  given_up_ = why;
  if (ex_ && why.fault == Fault::overload) ex_->reset_code = net::h2::enhance_your_calm;
  if (ex_ && ex_->waiting_on && !tunnel_) ex_->waiting_on->cancel(why);
  readable_.notify();
  writable_.notify();
}

void H2Stream::holdings(Holdings& out) noexcept {
  if (given_up_ || !ex_ || !waits_since_) return;
  const std::size_t collected = memory_ ? memory_->collected.capacity() : 0;
  out.add({Holding::Kind::slow,
           cost::kExchange + received() + connection_.session_.kept_of(*this) + collected + ex_->coder_memory +
               ex_->ahead_memory,
           *waits_since_, this, nullptr});
}

void H2Stream::end() noexcept {
  delete this;
}

net::Task<void> H2Stream::run() {
  while (!connection_.may_begin()) {
    net::EndOfTurn others(worker_.loop);
    co_await others;
  }
  if (gone()) {
    end();
    co_return;
  }
  if (!verdict_ && verdict_.error().status == 0) {
    worker_.stats.malformed_requests.add();
    worker_.stats.h2_streams_reset.add();
    connection_.session_.reset(*this, net::h2::protocol_error, true);
    end();
    co_return;
  }
  bool rest_to_come = false;
  {
    Exchange ex(worker_, *this, connection_.peer_, *memory_);
    ex_ = &ex;
    ex.record.request_length = bytes_in();
    describe_tls(ex.record, connection_.stream_);
    progress_.continue_due = ex.head().expect_continue;
    char key[24];
    if (verdict_ && ex.head().upgrade) verdict_ = as_upgrade(key);
    if (!verdict_) {
      Error why = verdict_.error();
      co_await refuse(ex, why);
    } else {
      co_await serve(ex);
    }
    ex_ = nullptr;
    if (tunnel_) {
      if (!end_received() || !end_sent())
        connection_.session_.reset(*this, end_sent() ? net::h2::no_error : net::h2::cancel);
    } else if (!progress_.complete) {
      worker_.stats.h2_streams_reset.add();
      connection_.session_.reset(*this, ex.reset_code.value_or(net::h2::internal_error));
    } else {
      rest_to_come = !end_received();
      // Libraries of gRPC take a call for ended with its trailers and expect the reset with them.
      if (rest_to_come && ex.grpc) connection_.session_.reset(*this, net::h2::no_error);
    }
  }
  if (rest_to_come && !closed()) {
    co_await linger();
    if (!end_received()) connection_.session_.reset(*this, net::h2::no_error);  // RFC 9113 section 8.1
  }
  end();
}

// The answer is out and the request is not over. With a reset in one piece with it curl 7.88 forgets the answer, and
// some clients send all of their request before they look for one: what they send is thrown away, and their window
// opened.
net::Task<void> H2Stream::linger() {
  give_buffers_back();
  promise(0);
  Linger state(worker_);
  if (!state.admitted()) co_return;
  while (!end_received() && !gone() && !given_up_) {
    const auto bytes = connection_.session_.take(*this).size();
    if (bytes != 0) connection_.session_.take(*this);  // the window opens with the call after
    state.took(bytes);
    const Instant begun = worker_.loop.now(), until = state.until();
    if (begun >= until) co_return;
    const bool woken = co_await readable_.wait(until);
    if (!woken || !state.waited_since(begun)) co_return;
  }
}

// What an HTTP/1.1 pod expects of a WebSocket's client and RFC 8441 leaves out.
Status H2Stream::as_upgrade(char (&key)[24]) noexcept {
  auto& fields = memory_->request.fields;
  bool version = false;
  for (auto& f : fields.all()) {
    if (f.name == "sec-websocket-version") version = f.value == "13";
    if (f.name == "sec-websocket-key") f.drop = true;
  }
  if (!version) return net::http::refuse(426, "sec-websocket-version: not 13");
  if (fields.full()) return net::http::refuse(431, "head: more fields than the limit");
  for (int i = 0; i < 22; ++i) key[i] = kBase64Digits[worker_.random() % (i == 21 ? 4 : 64) * (i == 21 ? 16 : 1)];
  key[22] = key[23] = '=';
  fields.add() = {"sec-websocket-key", {key, sizeof key}, Name::other, false};
  return {};
}

bool H2Stream::whole_body(std::string_view& out) {
  if (progress_.body_bytes != 0 || !connection_.session_.whole(*this) || !trailers_.empty()) return false;
  out = connection_.session_.take(*this);
  progress_.body_bytes = out.size();
  progress_.continue_due = false;
  return true;
}

Result<Chunk> H2Stream::take(std::size_t most) {
  if (gone()) {
    if (ex_) ex_->client_gone = true;
    return std::unexpected(client(Fault::reset, "the client left inside its request body"));
  }
  if (trailers_refused_)
    return std::unexpected(Error{Fault::too_large, Whose::downstream, Retry::no, 431, "trailers: larger than 8 KiB"});
  const bool last = end_received();
  // A body that is longer than its length is malformed: its last bytes wait for the end, so that no pod acts on it.
  const auto& head = memory_->request;
  if (!last && head.framing == Framing::length && progress_.body_bytes + received() >= head.content_length)
    return Chunk{};
  if (received() == 0) return Chunk{{}, last, last ? std::string_view(trailers_) : std::string_view{}};
  const auto data = connection_.session_.take(*this, most);
  progress_.body_bytes += data.size();
  const bool all = last && received() == 0;
  return Chunk{data, all, all ? std::string_view(trailers_) : std::string_view{}};
}

net::Task<Result<Chunk>> H2Stream::read(std::size_t most) {
  const auto& o = *ex_->options;
  // Streams of gRPC may be quiet for hours; proxy-read-timeout ends those whose pod is quiet, too.
  const Instant until = ex_->grpc ? Instant::max() : worker_.loop.now() + o.client_body_timeout;
  for (;;) {
    if (given_up_) co_return std::unexpected(*given_up_);
    if (progress_.body_stopped)
      co_return std::unexpected(client(Fault::cancelled, "the request body is not wanted any more"));
    Result<Chunk> ready = take(most);
    if (!ready || ready->last || !ready->data.empty()) co_return ready;
    if (progress_.continue_due && !progress_.started) {
      progress_.continue_due = false;
      Status sent = co_await interim(100, {});
      if (!sent) co_return std::unexpected(sent.error());
    }
    // What was handed on has left: the client's window opens again. What take() holds back stays.
    if (received() == 0) connection_.session_.take(*this);
    const Instant begun = worker_.loop.now();
    if (!ex_->grpc) waits_since_ = begun;
    const bool woken = co_await readable_.wait(until);
    waits_since_.reset();
    if (!woken) co_return std::unexpected(client(Fault::timeout, "the client sends nothing"));
    progress_.body_wait += worker_.loop.now() - begun;
    if (!ex_->grpc && below_rate(progress_.body_bytes, progress_.body_wait, o.client_min_rate))
      co_return std::unexpected(client(Fault::too_slow, "the request body arrives below client-min-rate"));
  }
}

void H2Stream::stop() noexcept {
  progress_.body_stopped = true;
  readable_.notify();
}

net::Task<Status> H2Stream::interim(int status, std::span<const net::http::Field> fields) {
  auto& list = FieldList::empty();
  list.set_status(status);
  for (const auto& f : fields)
    if (!f.drop) list.add(f.name, f.value);
  connection_.session_.interim(*this, list.span());
  co_return Status{};
}

// 101 stands for the 200 that accepts an extended CONNECT (RFC 8441 section 5.1).
Status H2Stream::respond(Exchange& ex, const ResponseStart& response, bool end) {
  auto& list = FieldList::empty();
  const bool tunnel = response.status == 101;
  list.set_status(tunnel ? 200 : response.status);
  for_each_response_field(ex, response, worker_.date(), [&](std::string_view name, std::string_view value) {
    if (!tunnel || !iequals(name, "sec-websocket-accept")) list.add(name, value);
  });
  if (response.framing == Framing::length) {
    list.set_length(response.content_length);
  } else if (response.framing == Framing::none && response.status != 204 && response.status != 304 && !tunnel) {
    // To HEAD. With 304 a length may be left out (RFC 9110 section 8.6), and Go's client of HTTP/2 takes a body for cut
    // short that it announces.
    for (const auto& f : response.fields)
      if (f.id == Name::content_length && !f.drop) list.add("content-length", f.value);
  }
  if (ex.wanted) [[unlikely]]
    note_sent_fields(ex, list.span());
  if (!connection_.session_.respond(*this, list.span(), end))
    return std::unexpected(
        Error{Fault::too_large, Whose::upstream, Retry::no, 502, "the response's head is larger than HTTP/2 carries"});
  return {};
}

// Towards the pod we are the WebSocket's client: the key was ours, and so is the check of the answer to it.
bool H2Stream::accepted(const ResponseStart& response) const noexcept {
  std::string_view key, accept;
  for (const auto& f : memory_->request.fields.all())
    if (!f.drop && iequals(f.name, "sec-websocket-key")) key = f.value;
  for (const auto& f : response.fields)
    if (!f.drop && iequals(f.name, "sec-websocket-accept")) accept = f.value;
  return net::http::accepts_websocket(key, accept);
}

net::Task<Status> H2Stream::start(Exchange& ex, const ResponseStart& response, Chunk first) {
  if (gone()) co_return std::unexpected(client(Fault::reset, "the client left"));
  if (response.status == 101 && !accepted(response))
    co_return std::unexpected(Error{Fault::malformed, Whose::upstream, Retry::no, 502,
                                    "101 without the Sec-WebSocket-Accept that fits the key"});
  const bool tunnel = response.status == 101;
  const bool end = !tunnel && first.last && first.data.empty() && first.trailers.empty();
  Status responded = respond(ex, response, end);
  if (!responded) co_return responded;
  progress_.started = true;
  tunnel_ = tunnel;
  if (tunnel_) co_return Status{};
  if (end) {
    Status sent = co_await drained(ex.options->client_send_timeout);
    if (!sent) co_return sent;
    progress_.complete = true;
    ex.record.bytes_sent = bytes_out();
    co_return Status{};
  }
  Status s = co_await send(first);
  co_return s;
}

net::Task<Status> H2Stream::write(Chunk piece) {
  return send(piece);
}

net::Task<Status> H2Stream::send(Chunk piece) {
  if (gone()) co_return std::unexpected(client(Fault::reset, "the client left"));
  if (given_up_) co_return std::unexpected(*given_up_);
  progress_.body_sent += piece.data.size();
  promise(0);
  if (!connection_.session_.send(*this, piece.data, piece.last, piece.trailers)) {
    Status s = co_await drained(ex_->options->client_send_timeout);
    if (!s) co_return s;
  }
  if (piece.last) {
    progress_.complete = true;
    ex_->record.bytes_sent = bytes_out();
  }
  ex_->record.body_bytes_sent = progress_.body_sent;
  co_return Status{};
}

// Until what was given to the session is in frames. A client whose window stays shut keeps nobody for ever.
net::Task<Status> H2Stream::drained(Duration stall) {
  auto sent = bytes_out();
  for (Instant until = worker_.loop.now() + stall; !sent_all();) {
    if (gone()) co_return std::unexpected(client(Fault::reset, "the client left"));
    if (given_up_) co_return std::unexpected(*given_up_);
    const Instant begun = worker_.loop.now();
    waits_since_ = begun;
    co_await writable_.wait(until);
    waits_since_.reset();
    const Instant now = worker_.loop.now();
    send_wait_ += now - begun;
    if (bytes_out() != sent) {
      sent = bytes_out();
      until = now + stall;
    } else if (now >= until && !sent_all()) {
      if (!tunnel_) worker_.stats.timeouts_send.add();  // who writes into a tunnel may go on waiting
      if (ex_) ex_->reset_code = net::h2::cancel;
      co_return std::unexpected(client(Fault::timeout, "the client's window stays shut"));
    }
    if (ex_ && !tunnel_ && below_rate(bytes_out(), send_wait_, ex_->options->client_min_rate))
      co_return std::unexpected(client(Fault::too_slow, "the client takes data below client-min-rate"));
  }
  co_return Status{};
}

void H2Stream::abort() noexcept {
  if (ex_) ex_->record.bytes_sent = bytes_out();
}

// What its window and the socket take, less what the other streams were told: told is told, and the bytes may come when
// nothing is taken any more. A little at least: what waits for a window is woken by it, and has its turn by priority.
std::size_t H2Stream::room(std::size_t last) noexcept {
  promise(0);
  const std::size_t wanted = last ? 4 * last : 64 * 1024;
  const std::size_t taken =
      std::min({connection_.session_.window(*this), connection_.stream_.room(last), Worker::kScratch});
  const std::size_t told = connection_.promised_ + connection_.session_.kept();
  const std::size_t least = told < H2Connection::kKept ? H2Connection::kKeptEach : H2Connection::kKeptLeast;
  promise(std::max(std::min(wanted, taken > told ? taken - told : 0), least));
  return promised_;
}

void H2Stream::promise(std::size_t bytes) noexcept {
  connection_.promised_ += bytes - promised_;
  promised_ = bytes;
}

net::Duplex& H2Stream::become_tunnel(std::string_view& early) {
  early = {};
  return *this;
}

void H2Stream::give_buffers_back() noexcept {
  worker_.return_memory(std::move(memory_));
}

net::tls::IoResult H2Stream::try_read(char* out, std::size_t size) {
  if (given_up_ || gone()) return {Io::failed, 0};
  const auto bytes = connection_.session_.take(*this, size);
  if (!bytes.empty()) {
    std::memcpy(out, bytes.data(), bytes.size());
    return {Io::done, bytes.size()};
  }
  return {end_received() ? Io::closed : Io::again_read, 0};
}

net::Task<Status> H2Stream::wait_readable(Instant until) {
  if (received() == 0 && !end_received() && !given_up_ && !gone()) {
    const bool woken = co_await readable_.wait(until);
    if (!woken) co_return std::unexpected(client(Fault::timeout, "the client sends nothing"));
  }
  if (given_up_) co_return std::unexpected(*given_up_);
  co_return Status{};
}

bool H2Stream::write_now(std::span<const iovec> parts) noexcept {
  if (given_up_ || gone()) return false;
  promise(0);
  if (parts.size() == 1)
    return connection_.session_.send(*this, {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len}, false, {});
  std::string all;
  for (const auto& p : parts) all.append(static_cast<const char*>(p.iov_base), p.iov_len);
  return connection_.session_.send(*this, all, false, {});
}

net::Task<Status> H2Stream::finish_write(Duration stall) {
  if (given_up_) co_return std::unexpected(*given_up_);
  Status s = co_await drained(stall);
  co_return s;
}

}  // namespace sluice::data
