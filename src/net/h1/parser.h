#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/http/message.h"

// HTTP/1.x heads, strictly by RFC 9112 and RFC 9110, with the refusals of docs/malformed.md. No I/O, no allocation;
// safe to call from any thread on disjoint arguments.
namespace sluice::net::h1 {

struct HeadLimits {
  std::size_t request_line = 8192;   // more: 414
  std::size_t head = 32768;          // all of it with the final empty line; more: 431
  std::size_t field_line = 8192;     // one field line; more: 431
  std::size_t fields = 100;          // more: 431
  bool underscores = false;          // accept names with '_' (else the field is dropped)
  bool ignore_invalid_names = true;  // drop tokens with other bytes than [A-Za-z0-9-]; false: all pass, '_' too
};

// Finds the end of a head in bytes that arrive piecemeal.
// Returns the length of the head with its final CRLFCRLF, the skipped part not counted; 0: more is needed (scanned is
// advanced, pass it again); Error (status 400, 414, 431) as soon as the bytes cannot become a legal head: bare LF, bare
// CR, a limit. Also errors, as soon as they are seen: another control byte than a tab in a field line, a first byte
// that starts no method, a request line without a version (HTTP/0.9). For a response (request = false) every error is
// Whose::upstream, 502. Empty lines before a request line (RFC 9112 section 2.2) are skipped: at most one CRLF, its
// length is put in `skip`: the head is bytes.substr(scan.skip, result), and the next message starts at scan.skip +
// result. The result does not depend on how the bytes were cut into pieces. After a head or an error, start again with
// a fresh HeadScan.
struct HeadScan {
  std::size_t scanned = 0;
  std::size_t skip = 0;
  std::size_t line_start = 0;
  bool first_line_done = false;
};
Result<std::size_t> find_head(std::string_view bytes, HeadScan& scan, const HeadLimits& limits, bool request);

// `head`: the bytes found, final CRLFCRLF included, without the skipped part. On error: status 400, 405, 414, 417, 426,
// 431, 501, 505. Every member of `out` is set, of out.fields only count and the entries below it. After success:
// - Dropped: fields that Connection names (except Host, Authorization, Cookie and what the proxy sets itself: those
// stay),
//   Connection, Keep-Alive, Proxy-Connection, Proxy, Proxy-Authorization, TE, Transfer-Encoding, Upgrade,
//   HTTP2-Settings, Expect, Content-Length (made anew from framing and content_length), and invalid names by the
//   limits. They stay in the array. Content-Length's value has no leading zeros.
// - expect_continue: only when a body is to come; Expect in HTTP/1.0 is ignored.
// - upgrade: HTTP/1.1 only; upgrade_token is the first protocol of the list that is not HTTP/2. A websocket was
// checked:
//   Sec-WebSocket-Key is there, its version is 13 (else 426), there is no body.
// - path_query: percent escapes of the path are well-formed and not %00; those of the query were not looked at. An
//   absolute-form with a query but no path ("http://h?q") is refused with 400, as its origin-form is not in the bytes.
// - authority and host are empty only for HTTP/1.0 without Host. Methods are any token of at most 32 bytes.
Status parse_request(std::string_view head, const HeadLimits& limits, http::RequestHead& out);

// A pod's response head. `request_method` decides framing (HEAD). All errors: Whose::upstream, status 502.
// Status 100 to 599. Dropped: hop-by-hop fields (Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding,
// Upgrade, HTTP2-Settings), those that Connection names except the ones that say what the content is (and Set-Cookie),
// and Content-Length wherever it is made anew (framing `length`) or means nothing (1xx, 204). To HEAD and in a 304 it
// is kept. Whether a 101 was asked for is the caller's to judge; 1xx have framing `none`.
Status parse_response(std::string_view head, const HeadLimits& limits, http::Method request_method,
                      http::ResponseHead& out);

// Decodes chunked bodies (RFC 9112 section 7.1) strictly: chunk sizes of at most 15 digits, extensions dropped
// (at most 256 bytes a chunk and 4 KiB a message), CRLF only. Trailer fields are checked by the grammar of fields and
// collected (at most 8 KiB and 64 fields); those which RFC 9110 section 6.5.1 forbids in trailers are dropped.
class ChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;  // bytes of `in` that are done with
    std::string_view data;     // a piece of the body inside `in`; may be empty
    bool done = false;         // the final CRLF was consumed
  };
  // Takes some of `in`: all framing up to the first body bytes, those, and all framing up to the next ones. A Step that
  // consumed nothing and holds no data needs more bytes. Errors: 400 (downstream; 431 for trailers beyond the limits)
  // or 502 (upstream); data that stood before the damage is given first. After an error every step fails.
  Result<Step> step(std::string_view in);
  bool done() const noexcept { return state_ == State::done; }
  // Trailer section as "Name: value\r\n" lines ready to be sent on, possibly empty. Valid while the decoder lives.
  std::string_view trailers() const noexcept;
  void reset() noexcept;
  explicit ChunkedDecoder(Whose whose = Whose::downstream) noexcept : whose_(whose) {}
  ChunkedDecoder(const ChunkedDecoder&) = delete;
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;
  ~ChunkedDecoder();

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_line,
    trailer_lf,
    end_lf,
    done,
    failed
  };
  enum class Extension : std::uint8_t { name_first, name, value_first, value, quoted, escaped, quoted_end };
  std::unexpected<Error> fail() const noexcept;
  const char* framing_byte(char c);  // null, or why it is refused
  const char* extension_byte(char c);
  const char* size_line_end();
  const char* trailer_byte(char c);
  const char* end_trailer_line();
  State state_ = State::size_first;
  Extension extension_ = Extension::name_first;
  bool too_large_ = false;
  const char* damage_ = "";  // why the state is `failed`
  Whose whose_;
  std::uint8_t digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint32_t extension_total_ = 0;
  std::uint64_t left_ = 0;
  struct Trailers;
  Trailers* trailers_ = nullptr;  // made when the first trailer byte comes
};

}  // namespace sluice::net::h1
