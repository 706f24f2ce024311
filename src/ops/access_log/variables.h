#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/variables.h"
#include "ops/access_log/format.h"

// The variables that the record of an exchange holds, and how each is read from it.
namespace sluice::ops {

// A bounded place for one line. Writing past the end is remembered, not done.
class LineWriter {
 public:
  LineWriter(char* begin, char* end) noexcept : at_(begin), begin_(begin), end_(end) {}
  void put(char c) noexcept {
    if (at_ < end_) [[likely]]
      *at_++ = c;
    else
      full_ = true;
  }
  void put(std::string_view s) noexcept {
    const auto room = static_cast<std::size_t>(end_ - at_);
    if (s.size() > room) [[unlikely]] {
      full_ = true;
      s = s.substr(0, room);
    }
    at_ = std::copy(s.begin(), s.end(), at_);  // a view without data too
  }
  void put_number(std::uint64_t n) noexcept {
    char text[20];
    const auto end = std::to_chars(text, text + sizeof text, n).ptr;
    put(std::string_view(text, static_cast<std::size_t>(end - text)));
  }
  // Seconds with three decimals, rounded down like nginx's milliseconds.
  void put_seconds(float seconds) noexcept;
  char* at() const noexcept { return at_; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t room() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  bool full() const noexcept { return full_; }
  void back_to(char* at) noexcept { at_ = at; }

 private:
  char* at_;
  char* begin_;
  char* end_;
  bool full_ = false;
};

void put_escaped_nginx(LineWriter& out, std::string_view s) noexcept;
void put_escaped_json(LineWriter& out, std::string_view s) noexcept;

struct LogContext {
  const ExchangeRecord& record;
  LogTimes& times;
  bool json = false;
};

// text: comes from outside and is escaped; false: there is no such value. raw: digits and the like, written as it is;
// `false`: absent.
using TextReader = bool (*)(const LogContext&, std::string_view& value) noexcept;
using RawReader = bool (*)(const LogContext&, LineWriter& out) noexcept;

struct LogReader {
  TextReader text = nullptr;  // one of both is set
  RawReader raw = nullptr;
  bool number = false;      // JSON without quotes when it is written
  bool of_streams = false;  // what the record says of a connection that was passed on; of requests it says less
                            // than is known
};

// How a variable is read from the record, of a connection that was passed through or of a request; null: the record
// does not hold it.
const LogReader* log_reader(VariableId id, bool of_stream) noexcept;

}  // namespace sluice::ops
