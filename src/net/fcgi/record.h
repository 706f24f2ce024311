#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Records of FastCGI (FastCGI Specification 1.0, section 3.3), as a web server writes and reads them: one request on a
// connection at a time, always number 1. No I/O; safe to call from any thread on disjoint arguments.
namespace sluice::net::fcgi {

enum class Type : std::uint8_t {
  begin_request = 1,
  abort_request = 2,
  end_request = 3,
  params = 4,
  in = 5,
  out = 6,
  err = 7,
};

inline constexpr std::size_t kHeader = 8;
inline constexpr std::size_t kMostContent = 65535;
// Of a record of ours: a multiple of eight needs no padding.
inline constexpr std::size_t kFullContent = 65528;

using Header = std::array<char, kHeader>;
// Of a record without padding. `size`: at most kMostContent.
constexpr Header header(Type type, std::size_t size) noexcept {
  return {1, static_cast<char>(type), 0, 1, static_cast<char>(size >> 8), static_cast<char>(size), 0, 0};
}

// Appends the record that begins a request as its responder. `keep`: the pod is asked to keep the connection.
void append_begin(std::string& out, bool keep);

// Appends the stream of parameters. A pair lies in one record wherever that takes it: there are programs that read no
// other (PHP).
class Params {
 public:
  explicit Params(std::string& out) : out_(out) { open(); }
  Params(const Params&) = delete;
  Params& operator=(const Params&) = delete;
  void add(std::string_view name, std::string_view value);
  // Its last record, and the empty one behind it.
  void end();

 private:
  void open();
  void close();
  std::string& out_;
  std::size_t at_ = 0;  // where the open record begins
};

// What became of a request, by its FCGI_END_REQUEST.
struct End {
  std::uint32_t app_status = 0;
  enum Protocol : std::uint8_t { complete, cannot_multiplex, overloaded, unknown_role } protocol = complete;
};

// Tells what pods send apart, piece by piece.
class Reader {
 public:
  struct Step {
    std::size_t consumed = 0;  // bytes of the input that are done with
    std::string_view out;      // of the response, inside of the input
    std::string_view err;      // of standard error, likewise
  };
  // Takes some of `in`, up to the first bytes of either stream and with them. A step that consumed nothing needs more.
  // After the end nothing is consumed. Errors: upstream, 502; after one every step fails.
  Result<Step> step(std::string_view in);
  bool ended() const noexcept { return state_ == State::ended; }
  // What the pod said of it; of no meaning before ended().
  const End& end() const noexcept { return end_; }
  // For the next request.
  void reset() noexcept { *this = Reader{}; }

 private:
  enum class State : std::uint8_t { header, content, padding, ended, failed };
  std::unexpected<Error> fail(const char* why) noexcept;
  const char* begin_record() noexcept;
  const char* judge_end() noexcept;
  State state_ = State::header;
  Type type_ = Type::out;
  bool out_closed_ = false, err_closed_ = false;
  std::uint8_t have_ = 0;     // bytes of `head_`
  std::uint8_t padding_ = 0;  // bytes of it to come
  std::uint16_t left_ = 0;    // bytes of content to come
  Header head_{};             // of the record, then what the last one says
  End end_{};
  const char* damage_ = "";
};

}  // namespace sluice::net::fcgi
