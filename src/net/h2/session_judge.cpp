#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "net/h2/session.h"

// What a peer may cost us, and what it breaks: judged before nghttp2 acts on it.
namespace sluice::net::h2 {

namespace {

constexpr std::size_t kPriority = 5;             // bytes of a PRIORITY frame
constexpr std::uint32_t kMostContinuations = 8;  // nghttp2's own limit, which it keeps without a word to the peer
constexpr std::uint32_t kMostCrossed = 1024;     // frames that may cross our GOAWAY at no cost

// Updates of the dynamic table's size that a block of fields begins with (RFC 7541 section 6.3), as far as its first
// bytes show: one that needs more than two (section 4.2) is made to cost.
unsigned table_updates(std::uint8_t flags, std::basic_string_view<unsigned char> begin) noexcept {
  std::size_t at = (flags & NGHTTP2_FLAG_PADDED ? 1 : 0) + (flags & NGHTTP2_FLAG_PRIORITY ? 5 : 0);
  unsigned count = 0;
  while (at < begin.size() && (begin[at] & 0xe0) == 0x20) {
    ++count;
    if ((begin[at++] & 0x1f) == 0x1f)
      while (at < begin.size() && (begin[at++] & 0x80)) {
      }
  }
  return count;
}

}  // namespace

bool Session::pay(std::uint32_t tokens) noexcept {
  if (tokens_at_ == Instant{}) tokens_at_ = now_;
  const double passed = std::chrono::duration<double>(now_ - tokens_at_).count();
  tokens_at_ = now_;
  tokens_ = std::min<double>(limits_.tokens, tokens_ + passed * limits_.tokens_a_second) - tokens;
  return tokens_ >= 0;
}

void Session::earn() noexcept {
  tokens_ = std::min<double>(limits_.tokens, tokens_ + limits_.earned);
}

// A frame of a stream that is not open (any more). Those under way when we closed it are nobody's fault.
bool Session::on_closed_stream(std::int32_t id, bool fields) noexcept {
  if (id > ids_.last() || id % 2 == 0) return true;  // nghttp2 refuses these
  if (ids_.left_out(id)) return fail("a stream id below one that was opened", protocol_error);
  if (ids_.was_closed_by_us(id)) return true;
  if (fields) return fail("a block of fields of a closed stream", stream_closed);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, stream_closed);
  return pay(1) || fail("too many frames of closed streams", enhance_your_calm);
}

// Resets a stream that its peer has broken before nghttp2 knows how: it would end the connection, where RFC 9113 asks
// for a stream error. What comes of it then is a frame of a closed stream.
bool Session::expel(std::int32_t id, std::uint32_t code) noexcept {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
  while (state_of(id) != State::none && next_frame()) {
  }
  return !failed();
}

// Every frame of a client is judged before nghttp2 acts on it. False: the connection is over.
bool Session::judge(const FrameHead& frame) noexcept {
  const auto id = frame.stream;
  if (id > goaway_last_) {  // on its way when our GOAWAY left: ignored (RFC 9113 section 6.8)
    if (frame.type == NGHTTP2_HEADERS) head_open_ = true, ids_.opens(id);
    return ++crossed_ <= kMostCrossed || pay(1) || fail("too many frames after GOAWAY", enhance_your_calm);
  }
  const auto state = [&] { return id == 0 ? State::open : state_of(id); };
  switch (frame.type) {
    case NGHTTP2_DATA:
      if (const State s = state(); s == State::none)
        return on_closed_stream(id, false);
      else if (s == State::ended && !expel(id, stream_closed))
        return false;
      if (frame.length > 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM)) return true;
      break;
    case NGHTTP2_HEADERS:
      head_open_ = true;
      continuations_ = 0;
      if (id == 0 || ids_.opens(id)) return true;
      if (state() == State::ended) return expel(id, stream_closed);
      return state() == State::open || on_closed_stream(id, true);
    case NGHTTP2_CONTINUATION:
      if (++continuations_ > kMostContinuations)
        return fail("too many CONTINUATION frames in a block of fields", enhance_your_calm);
      break;
    case NGHTTP2_PING:  // gRPC's clients measure the bandwidth with one each round trip while data flows
    case NGHTTP2_WINDOW_UPDATE:
      if (updates_ > 0) return --updates_, true;
      break;
    case NGHTTP2_PRIORITY:
      if (id == 0) return fail("PRIORITY on stream 0", protocol_error);
      drop_ = frame.length != kPriority && id <= ids_.last() && !head_open_;
      if (drop_ && state() != State::none && !expel(id, frame_size_error)) return false;
      break;
    default:
      break;
  }
  return pay(1) || fail("too many frames that serve no request", enhance_your_calm);
}

bool Session::judge_payload(const FrameHead& frame) noexcept {
  if ((frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_CONTINUATION) && (frame.flags & NGHTTP2_FLAG_END_HEADERS))
    head_open_ = false;
  if (frame.type == NGHTTP2_HEADERS && table_updates(frame.flags, scan_.begin()) > 2)
    return fail("more than two updates of the table's size in a block of fields", compression_error);
  const auto id = frame.stream;
  if (frame.type == NGHTTP2_PRIORITY && frame.length == kPriority &&
      scan_.word_of_begin(0) == static_cast<std::uint32_t>(id))
    return state_of(id) == State::none ? fail("PRIORITY of a stream that depends on itself", protocol_error)
                                       : expel(id, protocol_error);
  if (frame.type == NGHTTP2_WINDOW_UPDATE && frame.length == 4 && id != 0 && scan_.word_of_begin(0) == 0 &&
      state_of(id) != State::none)
    return expel(id, protocol_error);
  const bool padding_alone = frame.type == NGHTTP2_DATA && frame.length > 0 && (frame.flags & NGHTTP2_FLAG_PADDED) &&
                             !(frame.flags & NGHTTP2_FLAG_END_STREAM) && frame.length == scan_.begin()[0] + 1u;
  return !padding_alone || pay(1) || fail("too many frames that serve no request", enhance_your_calm);
}

}  // namespace sluice::net::h2
