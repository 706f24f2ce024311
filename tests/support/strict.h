#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A reader of HTTP/1.1 requests that takes nothing but what RFC 9112 and RFC 9110 generate. It is the oracle of the
// tests: written for clarity and independent of the code it judges.
namespace support {

struct Rules {
  bool behind_proxy =
      true;  // also refuse what a gateway must not pass on: hop-by-hop fields, chunk extensions, absolute-form…
  std::size_t max_head = 1 << 20;
};

struct Request {
  std::string method, target, authority;
  int minor = 1;
  std::vector<std::pair<std::string, std::string>> fields;
  bool chunked = false;
  bool has_length = false;
  std::uint64_t length = 0;
  bool close = false;
  bool keep_alive_asked = false;
  std::string upgrade;
  bool expect_continue = false;
  std::string raw;  // the head as it came
  // First value of a field, or "".
  std::string_view get(std::string_view name) const;
  // Value of a query parameter, not decoded, or "".
  std::string_view query(std::string_view key) const;
};

class Reader {
 public:
  enum class Event { more, head, body, end, violation };
  explicit Reader(Rules rules = {}) : rules_(rules) {}
  void append(std::string_view bytes) { in_.append(bytes); }
  // The next thing in the bytes so far. After `violation` nothing more comes.
  Event next();
  const Request& request() const { return request_; }
  std::string_view piece() const { return piece_; }  // of the body; valid until the next call
  const std::vector<std::pair<std::string, std::string>>& trailers() const { return trailers_; }
  const std::string& reason() const { return reason_; }
  // True between messages with nothing buffered.
  bool at_boundary() const { return state_ == State::head && at_ == in_.size(); }
  bool idle() const { return state_ == State::head; }
  // Bytes that were not taken yet.
  std::string_view rest() const { return std::string_view(in_).substr(at_); }
  std::string take_rest() {
    std::string s(rest());
    at_ = in_.size();
    return s;
  }
  // Targets held a character that RFC 3986 does not allow but every server takes, such as | or [.
  std::uint64_t lax_targets() const { return lax_targets_; }

 private:
  enum class State { head, length, chunk_size, chunk_data, chunk_end, trailers, failed };
  Event fail(std::string why);
  Event parse_head(std::string_view head);
  bool parse_fields(std::string_view lines, std::vector<std::pair<std::string, std::string>>& out);
  bool check_target();
  bool check_fields();
  void compact();

  Rules rules_;
  State state_ = State::head;
  std::string in_;
  std::size_t at_ = 0;
  std::size_t scanned_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t lax_targets_ = 0;
  bool first_ = true;
  Request request_;
  std::vector<std::pair<std::string, std::string>> trailers_;
  std::string_view piece_;
  std::string reason_;
};

}  // namespace support
