#include <algorithm>
#include <cstring>
#include <optional>

#include "base/strings.h"
#include "net/h1/connection.h"
#include "net/h1/parser.h"
#include "net/h1/scan.h"

namespace sluice::net::h1 {

using std::string_view_literals::operator""sv;
namespace {

using http::Framing;
using http::Method;
using http::Name;

// What a pod cannot have removed by naming it: the frame and meaning of the content, and what clients are secured by.
bool keep_named(const http::Field& field) noexcept {
  switch (field.id) {
    case Name::content_length:
    case Name::transfer_encoding:
    case Name::content_type:
    case Name::content_encoding:
    case Name::date:
    case Name::location:
    case Name::strict_transport_security:
      return true;
    case Name::other:
      return iequals(field.name, "set-cookie") || iequals(field.name, "content-range") ||
             iequals(field.name, "cache-control") || iequals(field.name, "vary") ||
             iequals(field.name, "www-authenticate") || iequals(field.name, "content-security-policy");
    default:
      return false;
  }
}

class ResponseParser {
 public:
  ResponseParser(std::string_view head, const HeadLimits& limits, Method method, http::ResponseHead& out)
      : p_(head.data()), end_(head.data() + head.size()), limits_(limits), method_(method), out_(out) {}

  Status run() {
    if (auto ok = status_line(); !ok) return ok;
    if (auto ok = fields(); !ok) return ok;
    ConnectionOptions options;
    if (has_connection_) options = apply_connection(out_.fields, keep_named);
    if (options.too_many) return refuse_upstream("Connection: more than 64 options");
    out_.keep_alive = !options.close && (out_.minor == 1 || options.keep_alive);
    return framing();
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
      if (field.id != Name::other)
        if (auto ok = known(field); !ok) return ok;
    }
    if (p_ + 2 != end_) return refuse_upstream("head: an empty line before its end");
    return {};
  }

  Status known(http::Field& field) {
    switch (field.id) {
      case Name::content_length:
        if (length_) return refuse_upstream("Content-Length: twice");
        if (!read_length(field.value, out_.content_length))
          return refuse_upstream("Content-Length: not a number up to 2^63-1");
        length_ = out_.fields.size() - 1;
        break;
      case Name::transfer_encoding:
        if (coding_) return refuse_upstream("Transfer-Encoding: twice");
        coding_ = field.value;
        field.drop = true;
        break;
      case Name::connection:
        has_connection_ = true;
        field.drop = true;
        break;
      case Name::keep_alive:
        field.drop = true;
        for_each_element(field.value, [this](std::string_view parameter) { keep_alive(parameter); });
        break;
      default:
        if (http::hop_by_hop(field.id)) field.drop = true;
        break;
    }
    return {};
  }

  // RFC 2068 section 19.7.1.1. No number: as if it were not there.
  void keep_alive(std::string_view parameter) noexcept {
    constexpr std::string_view kTimeout = "timeout=";
    if (!iequals(parameter.substr(0, kTimeout.size()), kTimeout)) return;
    auto digits = parameter.substr(kTimeout.size());
    std::uint64_t seconds = 0;
    if (http::read_length(digits, seconds))
      out_.idle_seconds = static_cast<std::uint32_t>(std::min<std::uint64_t>(seconds, out_.idle_seconds));
  }

  // RFC 9112 section 6.3.
  Status framing() {
    if (coding_ && length_) return refuse_upstream("Transfer-Encoding and Content-Length together");
    if (coding_ && out_.minor == 0) return refuse_upstream("Transfer-Encoding in HTTP/1.0");
    if (coding_ && !iequals(*coding_, "chunked"))
      return refuse_upstream("Transfer-Encoding: something other than chunked");

    const bool never_framed = out_.status < 200 || out_.status == 204;
    if (never_framed) {
      // Such a field is a mistake (RFC 9110 section 8.6). What the pod would send after it is nobody's: no reuse.
      if (coding_ || out_.content_length > 0) out_.keep_alive = false;
      if (length_) out_.fields[*length_].drop = true;
      out_.content_length = 0;
      return {};
    }
    if (method_ == Method::head || out_.status == 304)
      return {};  // Content-Length tells what a GET would get: passed on
    if (coding_) {
      out_.framing = Framing::chunked;
    } else if (length_) {
      out_.framing = Framing::length;
      out_.fields[*length_].drop = true;
    } else {
      out_.framing = Framing::until_close;
      out_.keep_alive = false;
    }
    return {};
  }

  const char* p_;
  const char* end_;
  const HeadLimits& limits_;
  Method method_;
  http::ResponseHead& out_;
  std::optional<std::size_t> length_;  // which field it is
  std::optional<std::string_view> coding_;
  bool has_connection_ = false;
};

}  // namespace

Status parse_response(std::string_view head, const HeadLimits& limits, Method request_method, http::ResponseHead& out) {
  out.clear();
  if (!head.ends_with("\r\n\r\n"sv)) return refuse_upstream("head: does not end with an empty line");
  return ResponseParser(head, limits, request_method, out).run();
}

}  // namespace sluice::net::h1
