#include <cstring>

#include "net/h1/parser.h"
#include "net/h1/response_checks.h"
#include "net/h1/scan.h"

namespace sluice::net::h1 {

using std::string_view_literals::operator""sv;
namespace {

class ResponseParser {
 public:
  ResponseParser(std::string_view head, const HeadLimits& limits, http::Method method, http::ResponseHead& out)
      : p_(head.data()), end_(head.data() + head.size()), limits_(limits), out_(out), checks_(method, out) {}

  Status run() {
    if (auto ok = status_line(); !ok) return ok;
    if (auto ok = fields(); !ok) return ok;
    return checks_.head();
  }

 private:
  // RFC 9112 section 4. The space before an absent reason may be missing, as it is with many servers.
  Status status_line() {
    if (end_ - p_ < 16 || std::memcmp(p_, "HTTP/1.", 7) != 0 || !is_digit(p_[7]) || p_[8] != ' ')
      return refuse_upstream("status line: does not start with HTTP/1.1 and a space");
    out_.minor = p_[7] == '0' ? 0 : 1;
    p_ += 9;
    if (!is_digit(p_[0]) || !is_digit(p_[1]) || !is_digit(p_[2]) || (p_[3] != ' ' && p_[3] != '\r'))
      return refuse_upstream("status line: the status is not three digits");
    out_.status = (p_[0] - '0') * 100 + (p_[1] - '0') * 10 + (p_[2] - '0');
    if (out_.status < 100 || out_.status > 599)
      return refuse_upstream("status line: the status is not within 100 to 599");
    p_ += 3;
    const char* reason = *p_ == ' ' ? ++p_ : p_;
    while (*(p_ = find_control(p_, end_)) == '\t') ++p_;
    if (*p_ != '\r' || p_[1] != '\n')
      return refuse_upstream("status line: a control byte, or it does not end with CRLF");
    out_.reason = {reason, static_cast<std::size_t>(p_ - reason)};
    p_ += 2;
    return {};
  }

  Status fields() {
    http::Fields& all = out_.fields;
    const std::size_t most = limits_.fields < http::kMaxFields ? limits_.fields : http::kMaxFields;
    while (*p_ != '\r') {
      if (all.size() == most) return refuse_upstream("head: more fields than the limit", Fault::too_large);
      http::Field& field = all.add();
      unsigned seen = 0;
      const char* why = nullptr;
      p_ = read_field(p_, end_, field, seen, why);
      if (!p_) {
        all.take_back();
        return refuse_upstream(why);
      }
      field.id = http::name_of(field.name);
      if (field.id != http::Name::other)
        if (auto ok = checks_.known(field); !ok) return ok;
    }
    if (p_ + 2 != end_) return refuse_upstream("head: an empty line before its end");
    return {};
  }

  const char* p_;
  const char* end_;
  const HeadLimits& limits_;
  http::ResponseHead& out_;
  ResponseChecks checks_;
};

}  // namespace

Status parse_response(std::string_view head, const HeadLimits& limits, http::Method request_method,
                      http::ResponseHead& out) {
  out.clear();
  if (!head.ends_with("\r\n\r\n"sv)) return refuse_upstream("head: does not end with an empty line");
  return ResponseParser(head, limits, request_method, out).run();
}

}  // namespace sluice::net::h1
