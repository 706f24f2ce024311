#include <cstring>

#include "net/h1/parser.h"
#include "net/h1/request_checks.h"
#include "net/h1/scan.h"
#include "net/http/passed_names.h"

namespace sluice::net::h1 {

using std::string_view_literals::operator""sv;
namespace {

class RequestParser {
 public:
  RequestParser(std::string_view head, const HeadLimits& limits, http::RequestHead& out)
      : p_(head.data()), end_(head.data() + head.size()), limits_(limits), out_(out), checks_(out) {}

  Status run() {
    if (auto ok = request_line(); !ok) return ok;
    if (auto ok = fields(); !ok) return ok;
    return checks_.head();
  }

 private:
  // RFC 9112 section 3: method SP request-target SP HTTP-version, single spaces only.
  Status request_line() {
    const char* start = p_;
    while (kToken[byte(*p_)] != 0) ++p_;
    const auto method = static_cast<std::size_t>(p_ - start);
    if (*p_ != ' ' || method == 0) return refuse(400, "request line: does not start with a method and a space");
    if (method > http::kMostMethod) return refuse(400, "request line: the method is longer than 32 bytes");
    out_.method_text = {start, method};
    out_.method = http::method_of(out_.method_text);

    const char* target = ++p_;
    while (kTarget[byte(*p_)]) ++p_;
    if (*p_ != ' ' || p_ == target) return refuse(400, "request line: no target, or a byte in it that no target has");
    out_.target = {target, static_cast<std::size_t>(p_ - target)};

    ++p_;
    if (end_ - p_ < 12 || std::memcmp(p_, "HTTP/", 5) != 0 || !is_digit(p_[5]) || p_[6] != '.' || !is_digit(p_[7]) ||
        p_[8] != '\r' || p_[9] != '\n')
      return refuse(400, "request line: does not end with a version as HTTP/1.1");
    if (p_[5] != '1') return refuse(505, "request line: a version other than HTTP/1");
    out_.minor = p_[7] == '0' ? 0 : 1;
    p_ += 10;

    if (out_.method == http::Method::connect || out_.method == http::Method::trace)
      return refuse(405, "a method that a gateway does not serve");
    return {};
  }

  Status fields() {
    http::Fields& all = out_.fields;
    const std::size_t most = limits_.fields < http::kMaxFields ? limits_.fields : http::kMaxFields;
    while (*p_ != '\r') {
      if (all.size() == most) return refuse(431, "head: more fields than the limit");
      http::Field& field = all.add();
      unsigned seen = 0;
      const char* why = nullptr;
      p_ = read_field(p_, end_, field, seen, why);
      if (!p_) {
        all.take_back();
        return refuse(400, why);
      }
      field.id = http::name_of(field.name);
      if (seen != kPlain)
        field.drop = http::drops_name(field.name, seen, limits_.ignore_invalid_names, limits_.underscores);
      out_.names.add(field.id);
      if (field.id != http::Name::other)
        if (auto ok = checks_.known(field); !ok) return ok;
    }
    if (p_ + 2 != end_) return refuse(400, "head: an empty line before its end");
    return {};
  }

  const char* p_;
  const char* end_;
  const HeadLimits& limits_;
  http::RequestHead& out_;
  RequestChecks checks_;
};

}  // namespace

Status parse_request(std::string_view head, const HeadLimits& limits, http::RequestHead& out) {
  out.clear();
  if (!head.ends_with("\r\n\r\n"sv)) return refuse(400, "head: does not end with an empty line");
  return RequestParser(head, limits, out).run();
}

}  // namespace sluice::net::h1
