#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/h2/frame_scan.h"
#include "net/h2/stream_ids.h"

struct nghttp2_session;

// HTTP/2 (RFC 9113) for either side without I/O, over nghttp2: bytes in, bytes out, streams between. Framing, HPACK,
// windows and the order of frames are nghttp2's; what a peer may cost us is judged here.
namespace sluice::net::h2 {

class Session;

// Error codes of RFC 9113 section 7.
enum Code : std::uint32_t {
  no_error = 0,
  protocol_error = 1,
  internal_error = 2,
  flow_control_error = 3,
  stream_closed = 5,
  frame_size_error = 6,
  refused_stream = 7,
  cancel = 8,
  compression_error = 9,
  enhance_your_calm = 11,
  http_1_1_required = 13,
};

// One stream as its owner has it: derive from it. The session holds a plain pointer; the destructor takes it back (and
// resets a stream that still runs). The on_… functions are called from inside Session::receive(): they store, and
// neither resume a coroutine nor call the session nor destroy a stream.
class Stream {
 public:
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  std::int32_t id() const noexcept { return id_; }  // 0: not opened yet
  // Body bytes that came and were not taken.
  std::size_t received() const noexcept { return in_.size() + taken_.size() - taken_at_ - lent_; }
  // The peer's END_STREAM came; what was received may still wait to be taken.
  bool end_received() const noexcept { return ended_; }
  // It is no longer in the session: both sides ended, or one reset it.
  bool closed() const noexcept { return closed_; }
  // Closed before both sides had ended; `code` says why (the peer's, or what we answered its fault with).
  bool was_reset() const noexcept { return closed_ && !(ended_ && end_sent_); }
  std::uint32_t code() const noexcept { return code_; }
  bool reset_by_peer() const noexcept { return reset_by_peer_; }
  // Everything given to send() has been put into frames.
  bool sent_all() const noexcept { return out_.empty() && (!out_last_ || end_sent_); }
  bool end_sent() const noexcept { return end_sent_; }
  // Bytes in frames of this stream, each way.
  std::uint64_t bytes_in() const noexcept { return bytes_in_; }
  std::uint64_t bytes_out() const noexcept { return bytes_out_; }

 protected:
  Stream() noexcept = default;
  virtual ~Stream();
  // One field of a head or of trailers, name in lower case, checked by RFC 9113 section 8.2.1. False: no more of them
  // are wanted (the rest is decoded and dropped).
  virtual bool on_field(std::string_view name, std::string_view value) noexcept = 0;
  // The head (or the trailers) is whole. end_received() is up to date.
  virtual void on_fields_end() noexcept = 0;
  // Something of the above changed. Called by Session::deliver(): here one may do anything, self-destruction included.
  virtual void on_event() = 0;

 private:
  friend class Session;
  Session* session_ = nullptr;
  std::int32_t id_ = 0;
  std::uint32_t code_ = 0;
  bool ended_ = false, closed_ = false, reset_by_peer_ = false, touched_ = false;
  bool end_sent_ = false, reset_sent_ = false, out_last_ = false, deferred_ = false;
  std::string in_;            // what came since `taken_`
  std::string taken_;         // what take() gives, piece by piece
  std::size_t taken_at_ = 0;  // where the piece begins that is lent at the moment
  std::size_t lent_ = 0;      // and its size
  std::string kept_;          // unsent bytes of our own
  std::string_view out_;      // what send() got and is not in frames yet: the caller's during send(), then kept_
  std::string trailers_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

// What a session tells its connection. Called from inside receive(), fill() and send(): store only.
class Owner {
 public:
  // Server: a request begins. Null: REFUSED_STREAM.
  virtual Stream* begin() noexcept = 0;
  // There is something to send: call fill() and write output(), at the end of the turn.
  virtual void output_waits() noexcept = 0;
  // From inside send(): output() is full. Writes it now if that is possible; true: there is room again.
  virtual bool output_full() noexcept = 0;
  // A stream has ended: there may be room for another one.
  virtual void stream_closed() noexcept {}

 protected:
  ~Owner() = default;
};

struct Field {
  std::string_view name, value;  // names in any case: they leave in lower case
  bool secret = false;           // never put into a table of the compression
};

struct Limits {
  std::uint32_t streams = 128;           // that the peer may have open at once
  std::uint32_t window = 64 * 1024 - 1;  // of a stream: what may wait to be taken
  std::uint32_t connection_window = 1024 * 1024;
  // Of all streams together: what may wait to be taken before the connection's window stays shut. Up to here a slow
  // stream stalls itself alone.
  std::size_t unread = SIZE_MAX;
  std::uint32_t header_list = 32 * 1024;  // announced; decoding ends the connection above twice as much
  // Frames that serve nobody cost one token each, a served stream gives `earned` back. Empty: ENHANCE_YOUR_CALM.
  std::uint32_t tokens = 400, tokens_a_second = 40, earned = 4;
};

enum class Side : std::uint8_t { server, client };

class Session {
 public:
  Session(Side side, const Limits& limits, Owner& owner);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Bytes from the peer, any amount. An error ends the connection: a GOAWAY waits in output(), send it, then close.
  // Call deliver() after it, and whenever streams may have changed.
  Status receive(std::string_view bytes, Instant now) noexcept;
  // Tells the streams that something changed. Not from inside on_event.
  void deliver();
  // Frames that are ready to be written. The caller takes them out.
  std::string& output() noexcept { return output_; }
  // Adds frames to output() until it holds about limit_output() bytes or nothing is left that windows allow. Streams
  // whose bytes left are told by the next deliver().
  void fill() noexcept;
  static constexpr std::size_t kMost = 96 * 1024;
  // What the socket would take; kMost at most.
  void limit_output(std::size_t bytes) noexcept { most_output_ = std::min(bytes, kMost); }
  bool output_full() const noexcept { return output_.size() >= most_output_; }
  // The socket takes no more: nothing is put into frames until it does.
  void block(bool blocked) noexcept { blocked_ = blocked; }
  // Both sides have said all: close.
  bool over() const noexcept;

  // The largest head that is sent, in bytes of names and values, and what one of these may have. nghttp2, which many
  // clients are made of, ends the connection of a peer that sends more, and behind eight CONTINUATION frames.
  static constexpr std::size_t kMostFields = 448, kMostHead = 128 * 1024, kMostOfField = 64 * 1024 - 1;
  static bool fits(std::span<const Field> fields) noexcept;
  // Server: a response head (status ≥ 200), or an interim one, which is left out when it does not fit. Fields start
  // with
  // ":status". `end`: no body, no trailers. False: it does not fit, and nothing is sent. A closed stream takes all.
  bool respond(Stream& stream, std::span<const Field> fields, bool end);
  void interim(Stream& stream, std::span<const Field> fields);
  // Client: opens a stream. False when it cannot be (the peer's limit, GOAWAY, a head that does not fit): look at
  // can_open() and fits() before.
  bool open(Stream& stream, std::span<const Field> fields, bool end);
  bool can_open() const noexcept;

  // Body bytes; `trailers` as "Name: value\r\n" lines, only with last. The ones before must have been sent. Puts into
  // frames at once what windows and output allow, and copies the rest; false: wait for sent_all(), of which on_event
  // tells. A closed stream takes everything and sends nothing.
  bool send(Stream& stream, std::string_view data, bool last, std::string_view trailers);
  // How much a send() would put into frames now.
  std::size_t window(const Stream& stream) const noexcept;
  // Bytes of send() that are not in frames yet, of all streams.
  std::size_t kept() const noexcept { return kept_; }
  static std::size_t kept_of(const Stream& stream) noexcept { return stream.kept_.size(); }
  // Received body bytes, at most so many, valid until the next take() of this stream; the peer's window for those of
  // the call before opens again.
  std::string_view take(Stream& stream, std::size_t most = SIZE_MAX) noexcept;
  // Received body bytes that were not taken, and those that were taken last, of all streams.
  std::size_t unread() const noexcept { return unread_; }
  // All of the body came, in one piece: valid until the stream dies.
  bool whole(const Stream& stream) const noexcept { return stream.ended_ && stream.taken_.empty(); }
  // Ends a stream with RST_STREAM. `peers_fault`: it costs the peer tokens.
  void reset(Stream& stream, std::uint32_t code, bool peers_fault = false) noexcept;

  // A PING, which the peer answers.
  void ping() noexcept;
  // Server: says that no further streams are wanted without refusing any (GOAWAY 2^31-1), then `finally` the real one.
  void shutdown_notice() noexcept;
  void goaway(std::uint32_t code) noexcept;
  bool goaway_received() const noexcept { return goaway_received_; }
  bool goaway_sent() const noexcept { return goaway_sent_; }
  std::size_t streams() const noexcept { return open_; }
  std::uint32_t opened() const noexcept { return opened_; }
  bool head_open() const noexcept { return head_open_; }  // a block of fields has begun and not ended
  // Where receive() failed: for logs. A literal.
  const char* why() const noexcept { return why_; }
  bool failed() const noexcept { return why_[0] != '\0'; }
  bool abused() const noexcept { return abused_; }

 private:
  friend class Stream;
  struct Callbacks;
  enum class State : std::uint8_t { none, open, ended };  // ended: the peer's END_STREAM came
  State state_of(std::int32_t id) const noexcept;
  void touch(Stream& s) noexcept;
  bool pay(std::uint32_t tokens) noexcept;
  void earn() noexcept;
  void forget(Stream& s) noexcept;
  bool on_closed_stream(std::int32_t id, bool fields) noexcept;
  bool expel(std::int32_t id, std::uint32_t code) noexcept;
  bool judge(const FrameHead& frame) noexcept;
  bool judge_payload(const FrameHead& frame) noexcept;
  bool fail(const char* why, std::uint32_t code) noexcept;  // false
  bool next_frame() noexcept;
  void came(std::size_t bytes) noexcept;
  void went(std::size_t bytes) noexcept;
  void keep(Stream& s, std::string_view bytes);

  Side side_;
  Limits limits_;
  Owner& owner_;
  Instant now_{};
  nghttp2_session* session_ = nullptr;
  FrameScan scan_;
  std::vector<Stream*> touched_;
  std::string output_;
  std::size_t most_output_ = kMost;
  std::size_t kept_ = 0, unread_ = 0;
  std::size_t owed_ = 0;  // bytes that the connection's window was not opened for yet
  std::size_t open_ = 0;
  std::uint32_t opened_ = 0;
  std::int32_t goaway_promised_ = INT32_MAX;  // the last stream that is served, once goaway() was called
  std::int32_t goaway_last_ = INT32_MAX;      // the same, once goaway_sent_
  std::uint32_t crossed_ = 0;                 // frames of later ones
  StreamIds ids_;
  std::set<std::int32_t> forgiven_;  // streams whose reset the peer did not cause; their owners may be gone by then
  Stream* filling_ = nullptr;        // whose block of fields is being decoded
  bool swallow_ = false;             // the rest of that block is not wanted
  std::size_t block_bytes_ = 0;
  double tokens_;
  Instant tokens_at_{};
  std::uint32_t updates_ = 64;  // WINDOW_UPDATE and PING frames that cost nothing: some for each DATA frame we sent
  const char* why_ = "";
  bool head_open_ = false, goaway_received_ = false, goaway_sent_ = false, abused_ = false, blocked_ = false,
       delivering_ = false, settings_sent_ = false;
  bool drop_ = false;                // the frame that is coming, of which nghttp2 is not told
  std::uint32_t continuations_ = 0;  // of the block of fields
};

}  // namespace sluice::net::h2
