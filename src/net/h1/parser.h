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
  std::size_t request_line = 8192;  // more: 414
  std::size_t head = 32768;         // all of it with the final empty line; more: 431
  std::size_t field_line = 8192;    // one field line; more: 431
  std::size_t fields = 100;         // more: 431
  bool underscores = false;         // accept names with '_' (else the field is dropped)
  bool ignore_invalid_names = true; // names outside [A-Za-z0-9-] that are still tokens are dropped when true… ('_' apart)
};

// Finds the end of a head in bytes that arrive piecemeal.
// Returns the length of the head with its final CRLFCRLF; 0: more is needed (scanned is advanced, pass it again);
// Error (status 400, 414, 431) as soon as the bytes cannot become a legal head: bare LF, bare CR, a limit.
// Empty lines before a request line (RFC 9112 section 2.2) are skipped: at most one CRLF, its length is put in `skip`.
struct HeadScan {
  std::size_t scanned = 0;
  std::size_t skip = 0;
  std::size_t line_start = 0;
  bool first_line_done = false;
};
Result<std::size_t> find_head(std::string_view bytes, HeadScan& scan, const HeadLimits& limits, bool request);

// `head`: the bytes found, final CRLFCRLF included, without the skipped part. On error: status 400, 405, 414, 417, 431, 501, 505.
Status parse_request(std::string_view head, const HeadLimits& limits, http::RequestHead& out);

// A pod's response head. `request_method` decides framing (HEAD, CONNECT). All errors: Whose::upstream, status 502.
Status parse_response(std::string_view head, const HeadLimits& limits, http::Method request_method, http::ResponseHead& out);

// Decodes chunked bodies (RFC 9112 section 7.1) strictly: chunk sizes of at most 15 digits, extensions dropped
// (at most 256 bytes a chunk and 4 KiB a message), CRLF only. Trailer fields are checked by the grammar of fields and
// collected (at most 8 KiB and 64 fields); those which RFC 9110 section 6.5.1 forbids in trailers are dropped.
class ChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;     // bytes of `in` that are done with
    std::string_view data;        // a piece of the body inside `in`; may be empty
    bool done = false;            // the final CRLF was consumed
  };
  // Takes some of `in`. A Step that consumed nothing and holds no data needs more bytes.
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
  enum class State : std::uint8_t { size_first, size, extension, size_lf, data, data_cr, data_lf, trailer, trailer_line, done, failed };
  State state_ = State::size_first;
  Whose whose_;
  std::uint8_t digits_ = 0;
  std::uint16_t extension_bytes_ = 0;
  std::uint32_t extension_total_ = 0;
  std::uint64_t left_ = 0;
  struct Trailers;
  Trailers* trailers_ = nullptr;  // made when the first trailer byte comes
};

}  // namespace sluice::net::h1
