#include "net/h2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "net/h2/spare.h"
#include "net/http/trailers.h"

namespace sluice::net::h2 {

namespace {

constexpr std::size_t kFrameHead = 9;
constexpr std::uint32_t kNoLimit = 0x7fff'ffff;

// What bodies are received into: a stream that waits for bytes keeps a small buffer at most.
Spare& spare_input() {
  static thread_local Spare spare(64 * 1024, 16);
  return spare;
}

// Writes the value of a setting into a SETTINGS frame (RFC 9113 section 6.5.1).
void set_setting(char* frame, std::size_t size, std::uint16_t id, std::uint32_t value) noexcept {
  for (char* p = frame + kFrameHead; p + 6 <= frame + size; p += 6) {
    if (static_cast<std::uint8_t>(p[0]) != id >> 8 || static_cast<std::uint8_t>(p[1]) != (id & 0xff)) continue;
    for (int i = 0; i < 4; ++i) p[2 + i] = static_cast<char>(value >> (24 - 8 * i));
  }
}

const std::uint8_t* bytes_of(std::string_view s) noexcept {
  return reinterpret_cast<const std::uint8_t*>(s.data());
}
std::string_view view(const std::uint8_t* p, std::size_t n) noexcept {
  return {reinterpret_cast<const char*>(p), n};
}

// nghttp2 copies names (in lower case) and values.
nghttp2_nv to_nv(const Field& f) noexcept {
  return {const_cast<std::uint8_t*>(bytes_of(f.name)), const_cast<std::uint8_t*>(bytes_of(f.value)), f.name.size(),
          f.value.size(), static_cast<std::uint8_t>(f.secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
}

// A head that fits, as nghttp2 takes it.
struct Nv {
  explicit Nv(std::span<const Field> fields) noexcept : count(fields.size()) {
    std::transform(fields.begin(), fields.end(), all, to_nv);
  }
  nghttp2_nv all[Session::kMostFields];
  const std::size_t count;
};

}  // namespace

struct Session::Callbacks {
  static Session& self(void* p) noexcept { return *static_cast<Session*>(p); }
  static Stream* stream(nghttp2_session* s, std::int32_t id) noexcept {
    return id == 0 ? nullptr : static_cast<Stream*>(nghttp2_session_get_stream_user_data(s, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = self(user);
    me.filling_ = nullptr;
    me.swallow_ = false;
    me.block_bytes_ = 0;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    const auto id = frame->hd.stream_id;
    if (me.side_ == Side::server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      ++me.open_;
      ++me.opened_;
      // nghttp2 would end the connection for one stream too many; RFC 9113 section 5.1.2 has it refused.
      const bool room = me.open_ <= me.limits_.streams;
      if (!room && !me.pay(1)) {
        me.fail("streams above the limit", enhance_your_calm);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
      }
      // What the peer will read as not processed is not: the GOAWAY may wait for its socket.
      Stream* s = room && id <= me.goaway_promised_ ? me.owner_.begin() : nullptr;
      if (!s) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      }
      s->session_ = &me;
      s->id_ = id;
      nghttp2_session_set_stream_user_data(session, id, s);
      me.filling_ = s;
      return 0;
    }
    me.filling_ = stream(session, id);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Session& me = self(user);
    me.block_bytes_ += name_size + value_size + 32;
    if (me.block_bytes_ > 2 * static_cast<std::size_t>(me.limits_.header_list))
      return me.fail("a list of fields above twice the limit", enhance_your_calm) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!me.filling_ || me.swallow_) return 0;
    if (!me.filling_->on_field(view(name, name_size), view(value, value_size))) me.swallow_ = true;
    return 0;
  }

  static int on_invalid_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t*, std::size_t,
                               const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = self(user);
    Stream* s = stream(session, frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (!s) return 0;
        s->bytes_in_ += kFrameHead + frame->hd.length;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->ended_ = true;
        s->on_fields_end();
        me.touch(*s);
        break;
      case NGHTTP2_DATA:
        if (!s) return 0;
        s->bytes_in_ += kFrameHead + frame->hd.length;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->ended_ = true;
        me.touch(*s);
        break;
      case NGHTTP2_RST_STREAM:
        if (!s) return 0;
        s->reset_by_peer_ = true;
        s->code_ = frame->rst_stream.error_code;
        break;
      case NGHTTP2_GOAWAY:
        me.goaway_received_ = true;
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t size, void* user) {
    Session& me = self(user);
    Stream* s = stream(session, id);
    if (!s || s->reset_sent_) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    if (s->in_.empty()) spare_input().lend(s->in_);
    s->in_.append(reinterpret_cast<const char*>(data), size);
    me.came(size);
    me.touch(*s);
    return 0;
  }

  static int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    Session& me = self(user);
    --me.open_;
    me.forgiven_.erase(id);
    me.owner_.stream_closed();
    Stream* s = stream(session, id);
    if (!s || !(s->ended_ || s->reset_by_peer_)) me.ids_.closed_by_us(id);
    if (!s) return 0;
    s->closed_ = true;
    if (!s->reset_by_peer_) s->code_ = code;
    if (s->ended_ && s->end_sent_) me.earn();
    me.touch(*s);
    return 0;
  }

  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = self(user);
    Stream* s = stream(session, frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if (frame->hd.type == NGHTTP2_DATA && me.updates_ < 4096) me.updates_ += 3;
        if (!s) return 0;
        s->bytes_out_ += kFrameHead + frame->hd.length;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
          s->end_sent_ = true;
          me.touch(*s);
        }
        break;
      case NGHTTP2_RST_STREAM:
        // Resets that the peer makes us send cost it what its own would (CVE-2025-8671).
        if (me.side_ == Side::server && !me.forgiven_.contains(frame->hd.stream_id) &&
            frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM && !me.pay(2))
          me.fail("too many streams that had to be reset", enhance_your_calm);
        break;
      case NGHTTP2_GOAWAY:
        if (frame->goaway.last_stream_id == INT32_MAX) break;
        me.goaway_sent_ = true;
        me.goaway_last_ = frame->goaway.last_stream_id;
        break;
      default:
        break;
    }
    return 0;
  }

  // The stream lives on in nghttp2, which has on_close called when it ends: by itself where a request was not sent.
  static int on_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void* user) {
    Stream* s = stream(session, frame->hd.stream_id);
    if (frame->hd.type != NGHTTP2_HEADERS || !s || frame->headers.cat == NGHTTP2_HCAT_REQUEST) return 0;
    self(user).reset(*s, internal_error);
    return 0;
  }

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source*, void*) {
    Stream* s = stream(session, id);
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->out_.empty() && !s->out_last_) {
      s->deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const std::size_t n = std::min(length, s->out_.size());
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == s->out_.size() && s->out_last_) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!s->trailers_.empty() && submit_trailers(session, *s)) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return static_cast<ssize_t>(n);
  }

  static bool submit_trailers(nghttp2_session* session, Stream& s) {
    std::vector<nghttp2_nv> nv;
    http::for_each_line(
        s.trailers_, [&](std::string_view name, std::string_view value) { nv.push_back(to_nv({name, value, false})); });
    return !nv.empty() && nghttp2_submit_trailer(session, s.id_, nv.data(), nv.size()) == 0;
  }

  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* head, std::size_t length,
                       nghttp2_data_source*, void* user) {
    Session& me = self(user);
    if (me.output_full()) return NGHTTP2_ERR_WOULDBLOCK;
    Stream* s = stream(session, frame->hd.stream_id);
    if (!s || s->out_.size() < length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    me.output_.append(reinterpret_cast<const char*>(head), kFrameHead);
    me.output_.append(s->out_.substr(0, length));
    s->out_.remove_prefix(length);
    if (s->out_.empty() && !s->kept_.empty()) {
      me.keep(*s, {});
      me.touch(*s);
    }
    return 0;
  }

  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* made = [] {
      nghttp2_session_callbacks* c = nullptr;
      nghttp2_session_callbacks_new(&c);
      nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(c, on_header);
      nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
      nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_not_sent);
      nghttp2_session_callbacks_set_send_data_callback(c, send_data);
      return c;
    }();
    return made;
  }

  static const nghttp2_option* options() {
    static const nghttp2_option* made = [] {
      nghttp2_option* o = nullptr;
      nghttp2_option_new(&o);
      nghttp2_option_set_no_auto_window_update(o, 1);
      nghttp2_option_set_no_closed_streams(o, 1);
      nghttp2_option_set_max_send_header_block_length(o, 2 * kMostHead);  // with what it adds to each field
      // Resets are paid for in tokens, which requests that are served give back; nghttp2 counts them alone, and would
      // end the connection of a browser that leaves page after page.
      nghttp2_option_set_stream_reset_rate_limit(o, kNoLimit, kNoLimit);
      nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
      return o;
    }();
    return made;
  }
};

Stream::~Stream() {
  if (session_) session_->forget(*this);
}

Session::Session(Side side, const Limits& limits, Owner& owner)
    : side_(side), limits_(limits), owner_(owner), tokens_(limits.tokens) {
  if (side == Side::server)
    nghttp2_session_server_new2(&session_, Callbacks::table(), this, Callbacks::options());
  else
    nghttp2_session_client_new2(&session_, Callbacks::table(), this, Callbacks::options());
  nghttp2_settings_entry settings[5];
  std::size_t n = 0;
  settings[n++] = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.window};
  settings[n++] = {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_list};
  if (side == Side::server) {
    settings[n++] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kNoLimit};  // the peer is told limits.streams: fill()
    settings[n++] = {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    settings[n++] = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
  } else {
    settings[n++] = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, n);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(limits.connection_window));
}

Session::~Session() {
  nghttp2_session_del(session_);
}

bool Session::fail(const char* why, std::uint32_t code) noexcept {
  why_ = why;
  abused_ = code == enhance_your_calm;
  nghttp2_session_terminate_session(session_, code);
  return false;
}

// The connection's window opens as bytes come, the stream's when its owner has taken them.
void Session::came(std::size_t bytes) noexcept {
  unread_ += bytes;
  owed_ += bytes;
  went(0);
}

void Session::went(std::size_t bytes) noexcept {
  unread_ -= bytes;
  if (owed_ == 0 || unread_ > limits_.unread) return;
  nghttp2_session_consume_connection(session_, std::exchange(owed_, 0));
  if (bytes > 0) owner_.output_waits();
}

void Session::keep(Stream& s, std::string_view bytes) {
  kept_ -= s.kept_.size();
  kept_ += bytes.size();
  std::string(bytes).swap(s.kept_);  // an assignment would keep the capacity
  s.out_ = s.kept_;
}

void Session::touch(Stream& s) noexcept {
  if (s.touched_) return;
  s.touched_ = true;
  touched_.push_back(&s);
}

void Session::forget(Stream& s) noexcept {
  if (s.touched_) std::replace(touched_.begin(), touched_.end(), &s, static_cast<Stream*>(nullptr));
  keep(s, {});
  went(s.received() + s.lent_);
  spare_input().give(s.in_);
  spare_input().give(s.taken_);
  if (filling_ == &s) filling_ = nullptr;  // the rest of the block may come before the reset has left
  if (s.closed_ || s.id_ == 0) return;
  if (!s.reset_sent_) {
    forgiven_.insert(s.id_);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id_, side_ == Side::client ? cancel : internal_error);
    owner_.output_waits();
  }
  nghttp2_session_set_stream_user_data(session_, s.id_, nullptr);
}

Session::State Session::state_of(std::int32_t id) const noexcept {
  switch (nghttp2_session_get_stream_remote_close(session_, id)) {
    case 0:
      return State::open;
    case 1:
      return State::ended;
    default:
      return State::none;
  }
}

Status Session::receive(std::string_view bytes, Instant now) noexcept {
  now_ = now;
  const auto opened = opened_;
  ssize_t n = 0;
  const auto feed = [&](std::string_view piece) {
    if (n >= 0) n = nghttp2_session_mem_recv(session_, bytes_of(piece), piece.size());
  };
  while (!bytes.empty() && n >= 0 && !failed()) {
    std::string_view from = bytes;
    if (side_ == Side::client) {
      bytes = {};
    } else {
      const bool head_was_cut = scan_.inside_head();
      auto event = scan_.step(bytes);
      if (scan_.inside_head()) break;  // nghttp2 gets it whole, once it is judged
      if (event == FrameScan::Event::head) {
        if (!judge(scan_.frame())) break;
        if (head_was_cut && !drop_) feed(scan_.head());
        if (head_was_cut) from = bytes;
        event = scan_.step(bytes);
      }
      const bool at_end = event == FrameScan::Event::end;
      if (at_end && !judge_payload(scan_.frame())) break;
      if (drop_) {
        drop_ = !at_end;
        continue;
      }
    }
    feed(from.substr(0, from.size() - bytes.size()));
  }
  if (nghttp2_session_want_write(session_)) {
    owner_.output_waits();
    // A stream that these bytes began and broke is closed before deliver(): nobody works for it.
    if (side_ == Side::server && opened_ != opened) fill();
  }
  if (n >= 0 && !failed()) return {};
  if (!failed()) why_ = nghttp2_strerror(static_cast<int>(n));
  return std::unexpected(
      Error{Fault::malformed, side_ == Side::server ? Whose::downstream : Whose::upstream, Retry::no, 0, why_});
}

void Session::deliver() {
  if (delivering_) return;
  delivering_ = true;
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    Stream* s = std::exchange(touched_[i], nullptr);
    if (!s) continue;
    s->touched_ = false;
    s->on_event();
  }
  touched_.clear();
  delivering_ = false;
}

// Puts the next frame into output_, if there is one.
bool Session::next_frame() noexcept {
  const std::uint8_t* frame = nullptr;
  const auto n = nghttp2_session_mem_send(session_, &frame);
  if (n <= 0) return false;
  const auto size = static_cast<std::size_t>(n);
  output_.append(reinterpret_cast<const char*>(frame), size);
  if (side_ == Side::server && !std::exchange(settings_sent_, true))
    set_setting(output_.data() + output_.size() - size, size, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams);
  return true;
}

void Session::fill() noexcept {
  while (!blocked_ && !output_full() && next_frame()) {
  }
}

bool Session::over() const noexcept {
  return output_.empty() && !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_);
}

bool Session::fits(std::span<const Field> fields) noexcept {
  if (fields.size() > kMostFields) return false;
  std::size_t all = 0;
  for (const auto& f : fields) {
    if (f.name.size() > kMostOfField || f.value.size() > kMostOfField) return false;
    all += f.name.size() + f.value.size();
  }
  return all <= kMostHead;
}

bool Session::respond(Stream& s, std::span<const Field> fields, bool end) {
  if (s.closed_) return true;
  if (!fits(fields)) return false;
  const Nv nv(fields);
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  nghttp2_submit_response(session_, s.id_, nv.all, nv.count, end ? nullptr : &body);
  s.out_last_ = end;
  owner_.output_waits();
  if (end) fill();
  return true;
}

void Session::interim(Stream& s, std::span<const Field> fields) {
  if (s.closed_ || !fits(fields)) return;
  const Nv nv(fields);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, s.id_, nullptr, nv.all, nv.count, nullptr);
  owner_.output_waits();
}

bool Session::can_open() const noexcept {
  return nghttp2_session_check_request_allowed(session_) && !goaway_received_ &&
         open_ < nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Session::open(Stream& s, std::span<const Field> fields, bool end) {
  if (!fits(fields)) return false;
  const Nv nv(fields);
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  const auto id = nghttp2_submit_request(session_, nullptr, nv.all, nv.count, end ? nullptr : &body, &s);
  if (id < 0) return false;
  s.session_ = this;
  s.id_ = id;
  ++open_;
  ++opened_;
  owner_.output_waits();
  return true;
}

bool Session::send(Stream& s, std::string_view data, bool last, std::string_view trailers) {
  if (s.closed_ || s.end_sent_ || s.reset_sent_) return true;
  s.out_ = data;
  s.out_last_ = last;
  s.trailers_ = trailers;
  if (std::exchange(s.deferred_, false)) nghttp2_session_resume_data(session_, s.id_);
  owner_.output_waits();
  if (data.empty() && !last) return true;
  do fill();
  while (!s.sent_all() && output_full() && owner_.output_full());
  if (s.sent_all() || s.closed_) {
    s.out_ = {};
    return true;
  }
  keep(s, s.out_);
  return false;
}

std::size_t Session::window(const Stream& s) const noexcept {
  if (blocked_ || s.closed_) return 0;
  const auto stream = nghttp2_session_get_stream_remote_window_size(session_, s.id_);
  const auto all = nghttp2_session_get_remote_window_size(session_);
  return static_cast<std::size_t>(std::max(0, std::min(stream, all)));
}

std::string_view Session::take(Stream& s, std::size_t most) noexcept {
  if (s.lent_ > 0 && !s.closed_ && !s.ended_) {
    nghttp2_session_consume_stream(session_, s.id_, s.lent_);
    owner_.output_waits();
  }
  const std::size_t done = std::exchange(s.lent_, 0);
  s.taken_at_ += done;
  if (s.taken_at_ == s.taken_.size()) {
    s.taken_.clear();
    s.taken_at_ = 0;
    s.taken_.swap(s.in_);
    spare_input().give(s.in_);
    if (s.taken_.empty()) spare_input().give(s.taken_);
  }
  s.lent_ = std::min(most, s.taken_.size() - s.taken_at_);
  went(done);
  return std::string_view(s.taken_).substr(s.taken_at_, s.lent_);
}

void Session::reset(Stream& s, std::uint32_t code, bool peers_fault) noexcept {
  if (s.closed_ || std::exchange(s.reset_sent_, true)) return;
  if (!peers_fault) forgiven_.insert(s.id_);
  keep(s, {});
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id_, code);
  owner_.output_waits();
}

void Session::shutdown_notice() noexcept {
  if (goaway_sent_) return;
  nghttp2_submit_shutdown_notice(session_);
  owner_.output_waits();
}

void Session::ping() noexcept {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Session::goaway(std::uint32_t code) noexcept {
  if (goaway_sent_ || goaway_promised_ != INT32_MAX) return;  // a second one could not name more (RFC 9113 section 6.8)
  goaway_promised_ = nghttp2_session_get_last_proc_stream_id(session_);
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, goaway_promised_, code, nullptr, 0);
  owner_.output_waits();
}

}  // namespace sluice::net::h2
