#include "data/upstream/h2_client_stream.h"

#include <array>
#include <charconv>
#include <exception>
#include <memory>

#include "base/strings.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/h2_client.h"
#include "data/upstream/request_fields.h"
#include "net/http/grammar.h"
#include "net/http/reason.h"
#include "net/http/trailers.h"

namespace sluice::data {

using net::http::Framing;
using net::http::Name;

namespace {

constexpr std::size_t kUsualHead = 192, kUsualTrailers = 96;  // bytes: they need not grow
std::size_t head_limit(const model::RouteSettings& s) noexcept {
  return static_cast<std::size_t>(s.grpc_head_limit != 0 ? s.grpc_head_limit : s.response_head_limit);
}
constexpr std::uint32_t kMostHeads = 64;  // interim ones that may wait; further ones are not passed on

// The fields of a request as they go into a stream. Values are copied, as some live shortly. One a thread: nothing
// waits while it is filled and used.
class RequestFields {
 public:
  static RequestFields& empty() noexcept {
    static thread_local const auto fields = std::make_unique<RequestFields>();  // no other thread has room for it
    fields->count_ = 0;
    fields->text_.clear();
    return *fields;
  }
  void add(std::string_view name, std::string_view value, bool secret = false) {
    if (count_ == parts_.size()) return;  // one too many: it does not fit
    parts_[count_++] = {text_.size(), name.size(), value.size(), secret};
    text_.append(name).append(value);
  }
  // Valid until more is added.
  std::span<const net::h2::Field> all() {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto& p = parts_[i];
      const char* at = text_.data() + p.at;
      fields_[i] = {{at, p.name}, {at + p.name, p.value}, p.secret};
    }
    return {fields_.data(), count_};
  }

 private:
  struct Part {
    std::size_t at, name, value;
    bool secret;
  };
  static constexpr std::size_t kMost = net::h2::Session::kMostFields + 1;
  static_assert(net::http::kMaxFields + model::HeaderMap::kMostLines + 32 < kMost);
  std::string text_;
  std::array<Part, kMost> parts_;
  std::array<net::h2::Field, kMost> fields_;
  std::size_t count_ = 0;
};

// RFC 9110 section 10.1.4: who takes trailers says so. gRPC pods insist (gRPC over HTTP/2, Requests).
bool wants_trailers(const net::http::RequestHead& head) noexcept {
  for (const auto& f : head.fields.all()) {
    if (f.id == Name::content_type && f.value.starts_with("application/grpc")) return true;
    if (f.id != Name::te) continue;
    bool found = false;
    for_each_element(f.value,
                     [&](std::string_view e) { found = found || iequals(e.substr(0, e.find(';')), "trailers"); });
    if (found) return true;
  }
  return false;
}

// Not put into the table of the compression: what a client must not be able to guess by it; and ids, which never come
// again, but would take the place of all that does, and have every later one compared with them.
bool stays_out_of_tables(Name name) noexcept {
  return name == Name::authorization || name == Name::cookie || name == Name::x_request_id;
}

void fill(RequestFields& out, const Exchange& ex, bool tls) {
  const auto& head = ex.head();
  out.add(":method", head.method_text);
  out.add(":scheme", tls ? "https" : "http");
  if (!ex.pod_host.empty()) out.add(":authority", ex.pod_host);
  out.add(":path", ex.target);
  for_each_upstream_field(ex, body_shape(ex), [&](std::string_view name, std::string_view value) {
    if (name == "Host" || name == "Transfer-Encoding" || name == "Connection") return;
    if (name == "Content-Length" && ex.grpc && head.framing != Framing::length) return;  // calls have none
    out.add(name, value, stays_out_of_tables(net::http::name_of(name)));
  });
  if (wants_trailers(head)) out.add("te", "trailers");
}

}  // namespace

H2ClientStream::H2ClientStream(H2Client& connection)
    : connection_(connection), readable_(connection.worker_.loop), writable_(connection.worker_.loop) {
  connection_.entered(*this);
}

H2ClientStream::~H2ClientStream() {
  connection_.left(*this);
}

void H2ClientStream::release(bool) noexcept {
  delete this;  // what still runs of it is reset
}

net::Duplex& H2ClientStream::become_tunnel(std::string_view&) {
  std::terminate();  // lease() gives no stream to an upgrade, and a 101 is refused
}

// Nothing of the request was, or will be, processed (RFC 9113 section 8.7).
bool H2ClientStream::refused() const noexcept {
  return closed() && (code() == net::h2::refused_stream || bytes_out() == 0);
}

bool H2ClientStream::any_sent() const noexcept {
  return bytes_out() > 0 && !refused();
}

// Why nothing more comes.
Error H2ClientStream::broken() noexcept {
  if (given_up_) return *given_up_;
  const Retry again = any_received() ? Retry::no : Retry::yes;
  if (refused()) {
    ex_->reset_code = net::h2::refused_stream;
    return reset_by_peer()
               ? upstream(Fault::reset, "the pod refused the stream", again)
               : upstream(Fault::closed, "the pod goes away and did not take the stream", Retry::unprocessed);
  }
  if (closed() && reset_by_peer()) {
    ex_->reset_code = code();
    return upstream(Fault::reset, "the pod reset the stream", again);
  }
  if (closed()) {
    connection_.worker_.stats.malformed_responses.add();
    ex_->reset_code = net::h2::internal_error;
    return Error{Fault::malformed, Whose::upstream, Retry::no, 502, "the response breaks the rules of HTTP/2"};
  }
  return upstream(over_ ? over_->fault : Fault::closed, over_ ? over_->detail : "the pod closed the connection", again);
}

void H2ClientStream::cancel(Error why) noexcept {
  if (given_up_) return;
  given_up_ = why;
  const bool clients = ex_ && ex_->client_gone;
  connection_.session_.reset(*this, clients ? ex_->reset_code.value_or(net::h2::cancel) : net::h2::cancel);
  readable_.notify();
  writable_.notify();
}

void H2ClientStream::stop() noexcept {
  stopped_ = true;
  readable_.notify();
}

void H2ClientStream::connection_over(const Error& why) noexcept {
  over_ = why;
  readable_.notify();
  writable_.notify();
}

void H2ClientStream::on_event() {
  readable_.notify();
  writable_.notify();
}

Status H2ClientStream::open(const Exchange& ex, bool end) {
  RequestFields& fields = RequestFields::empty();
  fill(fields, ex, connection_.tls_ != nullptr);
  const auto all = fields.all();
  if (!net::h2::Session::fits(all))
    return std::unexpected(
        Error{Fault::too_large, Whose::downstream, Retry::no, 431, "the request's head is larger than HTTP/2 carries"});
  if (!connection_.session_.open(*this, all, end))
    return std::unexpected(upstream(Fault::closed, "no stream can be opened any more", Retry::yes));
  return {};
}

net::Task<Status> H2ClientStream::send_head(Exchange& ex, std::string_view body, bool whole) {
  connection_read_ = connection_.stream_.bytes_read();
  Status opened = open(ex, whole && body.empty());
  if (!opened) co_return opened;
  if (body.empty() || connection_.session_.send(*this, body, true, {})) co_return Status{};
  Status s = co_await drained(ex.settings->send_timeout, true);
  co_return s;
}

net::Task<Status> H2ClientStream::send_body(Chunk piece) {
  if (given_up_ || over_ || closed()) co_return std::unexpected(broken());
  sent_at_ = connection_.worker_.loop.now();
  if (connection_.session_.send(*this, piece.data, piece.last, piece.trailers)) co_return Status{};
  Status s = co_await drained(ex_->settings->send_timeout, false);
  co_return s;
}

std::size_t H2ClientStream::room(std::size_t last) noexcept {
  const std::size_t window = connection_.session_.window(*this);
  return std::max<std::size_t>(std::min(window, connection_.stream_.room(last)), 16 * 1024);
}

// Until what was given to the session is in frames: the pod's windows and the socket say when. `or_answered`: or until
// the response begins; what is left goes on by itself.
net::Task<Status> H2ClientStream::drained(Duration stall, bool or_answered) {
  auto& loop = connection_.worker_.loop;
  auto sent = bytes_out();
  for (Instant until = net::due_in(loop.now(), stall); !sent_all() && !(or_answered && any_received());) {
    if (given_up_ || over_ || closed()) co_return std::unexpected(broken());
    co_await writable_.wait(until);
    if (bytes_out() != sent) {
      sent = bytes_out();
      sent_at_ = loop.now();
      until = net::due_in(sent_at_, stall);
    } else if (loop.now() >= until && !sent_all()) {
      co_return std::unexpected(upstream(Fault::timeout, "the pod takes nothing"));
    }
  }
  co_return Status{};
}

bool H2ClientStream::on_field(std::string_view name, std::string_view value) noexcept {
  if (final_seen_) {
    if (!net::http::allowed_in_trailers(name)) return true;
    if (trailers_.size() + name.size() + value.size() + 4 > net::http::kMostTrailers) {
      trailers_too_large_ = true;
      return false;
    }
    if (trailers_.empty()) trailers_.reserve(kUsualTrailers);
    trailers_.append(name).append(": ").append(value).append("\r\n");
    return true;
  }
  if (name == ":status") {
    if (std::from_chars(value.data(), value.data() + value.size(), filling_.status).ec != std::errc{})
      filling_.status = 0;
    return true;
  }
  const std::size_t limit = ex_ ? head_limit(*ex_->settings) : 0;
  if (filling_.fields == net::http::kMaxFields || filling_.bytes.size() + name.size() + value.size() + 2 > limit) {
    filling_.too_large = true;
    filling_.refused = "head: larger than proxy-buffer-size, or of too many fields";
    return false;
  }
  if (filling_.bytes.empty()) filling_.bytes.reserve(kUsualHead);
  filling_.bytes.append(name).push_back('\0');
  filling_.bytes.append(value).push_back('\0');
  ++filling_.fields;
  return true;
}

void H2ClientStream::on_fields_end() noexcept {
  if (final_seen_) return;
  if (filling_.status < 100 || filling_.status > 599) filling_.refused = "status: not within 100 to 599";
  final_seen_ = filling_.status >= 200 || filling_.refused;
  ++heads_seen_;
  head_bytes_ += filling_.bytes.size();
  if (heads_.size() < kMostHeads || final_seen_) heads_.push_back(std::move(filling_));
  filling_ = Head{};
}

net::Task<Status> H2ClientStream::read_head(Exchange& ex) {
  if (std::exchange(head_read_, true) && !heads_.empty()) heads_.pop_front();
  auto& worker = connection_.worker_;
  const Instant asked_for = worker.loop.now();
  Instant until = std::min(net::due_in(asked_for, ex.settings->read_timeout), ex.try_due(asked_for));
  while (heads_.empty()) {
    if (given_up_ || over_ || closed()) co_return std::unexpected(broken());
    const bool woken = co_await readable_.wait(until);
    if (woken || !heads_.empty()) continue;
    // A pod answers when it has the request, and that is still on its way, or was not long ago.
    const Instant now = worker.loop.now();
    const Instant from = ex.grpc ? asked_for : ex.awaits_client ? now : sent_at_;
    const Instant later = std::min(net::due_in(from, ex.settings->read_timeout), ex.try_due(now));
    if (later > until) {
      until = later;
      continue;
    }
    // Nothing at all came since: it may be dead, and others shall not wait for it.
    if (connection_.stream_.bytes_read() == connection_read_) connection_.wearing_ = true;
    co_return std::unexpected(upstream(Fault::timeout, "the pod sends nothing", Retry::yes));
  }
  Status parsed = parse(heads_.front(), ex);
  if (!parsed) worker.stats.malformed_responses.add();
  co_return parsed;
}

Status H2ClientStream::parse(const Head& head, Exchange& ex) noexcept {
  auto& out = ex.memory.response;
  out.status = head.status;
  out.major = 2;
  out.minor = 1;
  out.reason = net::http::reason_phrase(head.status);
  out.fields.clear();
  out.framing = Framing::none;
  out.content_length = 0;
  out.keep_alive = true;
  if (head.refused)
    return std::unexpected(
        Error{head.too_large ? Fault::too_large : Fault::malformed, Whose::upstream, Retry::no, 502, head.refused});
  constexpr std::size_t kNone = net::http::kMaxFields;
  std::size_t length_at = kNone;
  net::http::SaidOnce once;
  for (const char *p = head.bytes.data(), *end = p + head.bytes.size(); p != end;) {
    auto& f = out.fields.add();
    f.name = p;
    p += f.name.size() + 1;
    f.value = trim(p);
    p += std::string_view(p).size() + 1;
    f.id = net::http::name_of(f.name);
    f.drop = f.id == Name::proxy_connection || f.id == Name::te;
    if (f.id == Name::content_length) length_at = out.fields.size() - 1;
    if (f.id != Name::other) once.came(out.fields, f);
  }
  auto* const length = length_at == kNone ? nullptr : &out.fields[length_at];
  if (length && !net::http::read_length(length->value, out.content_length))
    return std::unexpected(
        Error{Fault::malformed, Whose::upstream, Retry::no, 502, "content-length: not a number up to 2^63-1"});
  if (out.status < 200) return {};
  // As with HTTP/1: to HEAD and in a 304 a length tells what a GET would get.
  no_body_ = ex.head().method == net::http::Method::head || out.status == 304 || out.status == 204;
  if (out.status == 204) out.content_length = 0;
  if (length && (!no_body_ || out.status == 204)) length->drop = true;
  if (no_body_) return {};
  out.framing = length ? Framing::length : Framing::chunked;
  return {};
}

Result<Chunk> H2ClientStream::take(std::size_t most) {
  if (no_body_) return Chunk{{}, true, {}};
  if (given_up_) return std::unexpected(*given_up_);
  if (trailers_too_large_) {
    ex_->reset_code = net::h2::internal_error;
    return std::unexpected(Error{Fault::too_large, Whose::upstream, Retry::no, 502, "trailers: larger than 8 KiB"});
  }
  const bool last = end_received();
  if (received() == 0) {
    if (!last && (over_ || closed())) return std::unexpected(broken());
    return Chunk{{}, last, last ? std::string_view(trailers_) : std::string_view{}};
  }
  const auto data = connection_.session_.take(*this, most);
  body_bytes_ += data.size();
  const bool all = last && received() == 0;
  return Chunk{data, all, all ? std::string_view(trailers_) : std::string_view{}};
}

net::Task<Result<Chunk>> H2ClientStream::read(std::size_t most) {
  auto& loop = connection_.worker_.loop;
  const Instant until = net::due_in(loop.now(), ex_->settings->read_timeout);
  for (;;) {
    if (stopped_) co_return std::unexpected(upstream(Fault::cancelled, "the response is not wanted any more"));
    Result<Chunk> ready = take(most);
    if (!ready || ready->last || !ready->data.empty()) co_return ready;
    connection_.session_.take(*this);  // what was handed on has left: the pod's window opens again
    const bool woken = co_await readable_.wait(until);
    if (!woken) co_return std::unexpected(upstream(Fault::timeout, "the pod sends nothing"));
  }
}

}  // namespace sluice::data
