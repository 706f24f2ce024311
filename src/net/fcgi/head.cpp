#include "net/fcgi/head.h"

#include <optional>

#include "base/strings.h"
#include "net/http/grammar.h"
#include "net/http/reason.h"

namespace sluice::net::fcgi {

namespace {

using http::Framing;
using http::Method;
using http::Name;

std::unexpected<Error> refuse(const char* why, Fault fault = Fault::malformed) noexcept {
  return std::unexpected(Error{fault, Whose::upstream, Retry::no, 502, why});
}

class HeadParser {
 public:
  HeadParser(std::string_view head, const HeadLimits& limits, Method method, http::ResponseHead& out)
      : rest_(head), limits_(limits), method_(method), out_(out) {}

  Status run() {
    for (;;) {
      const auto end = rest_.find('\n');
      if (end == std::string_view::npos) return refuse("FastCGI: a head that does not end with an empty line");
      auto line = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) break;
      if (auto ok = field(line); !ok) return ok;
    }
    if (!rest_.empty()) return refuse("FastCGI: an empty line before the end of the head");
    if (out_.status == 0) out_.status = location_ ? 302 : 200;
    if (out_.reason.empty()) out_.reason = http::reason_phrase(out_.status);
    frame();
    return {};
  }

 private:
  Status field(std::string_view line) {
    if (out_.fields.size() == std::min(limits_.fields, http::kMaxFields))
      return refuse("FastCGI: more fields than the limit", Fault::too_large);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !http::is_token(line.substr(0, colon)))
      return refuse("FastCGI: a line of the head that is no field");
    http::Field& f = out_.fields.add();
    f.name = line.substr(0, colon);
    f.value = line.substr(colon + 1);
    while (!f.value.empty() && http::is_space(f.value.front())) f.value.remove_prefix(1);
    while (!f.value.empty() && http::is_space(f.value.back())) f.value.remove_suffix(1);
    f.id = http::name_of(f.name);
    f.drop = http::hop_by_hop(f.id);
    if (f.id != Name::other) once_.came(out_.fields, f);
    if (f.id == Name::location && !f.value.empty()) location_ = true;
    if (f.id == Name::content_length) return length(f);
    if (f.id == Name::other && iequals(f.name, "status")) return status(f);
    return {};
  }

  Status length(http::Field& f) {
    if (length_) return refuse("FastCGI: Content-Length twice");
    if (!http::read_length(f.value, out_.content_length))
      return refuse("FastCGI: a Content-Length that is not a number up to 2^63-1");
    length_ = out_.fields.size() - 1;
    return {};
  }

  Status status(http::Field& f) {
    f.drop = true;
    if (out_.status != 0) return refuse("FastCGI: Status twice");
    const auto v = f.value;
    if (v.size() < 3 || !http::is_digit(v[0]) || !http::is_digit(v[1]) || !http::is_digit(v[2]) ||
        (v.size() > 3 && !http::is_space(v[3])))
      return refuse("FastCGI: a Status that does not begin with three digits");
    out_.status = (v[0] - '0') * 100 + (v[1] - '0') * 10 + (v[2] - '0');
    if (out_.status < 200 || out_.status > 599) return refuse("FastCGI: a Status that is not within 200 to 599");
    out_.reason = v.size() > 4 ? trim(v.substr(4)) : std::string_view{};
    return {};
  }

  void frame() {
    if (out_.status == 204) {
      if (length_) out_.fields[*length_].drop = true;
      out_.content_length = 0;
      return;
    }
    if (method_ == Method::head || out_.status == 304) return;  // it tells what a GET would get: passed on
    out_.framing = length_ ? Framing::length : Framing::until_close;
    if (length_) out_.fields[*length_].drop = true;
  }

  std::string_view rest_;
  const HeadLimits& limits_;
  const Method method_;
  http::ResponseHead& out_;
  std::optional<std::size_t> length_;  // which field it is
  http::SaidOnce once_;
  bool location_ = false;
};

}  // namespace

Result<std::size_t> find_head(std::string_view bytes, HeadScan& scan, const HeadLimits& limits) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  for (;;) {
    const char* const hit = http::find_control(begin + scan.scanned, end);
    const auto at = static_cast<std::size_t>(hit - begin);
    if (at >= limits.head) return refuse("FastCGI: a head larger than proxy-buffer-size", Fault::too_large);
    scan.scanned = at;
    if (hit == end) return 0;
    if (*hit == '\t') {
      ++scan.scanned;
      continue;
    }
    std::size_t next = at + 1;
    if (*hit == '\r') {
      if (next == bytes.size()) return 0;
      if (bytes[next] != '\n') return refuse("FastCGI: a CR in the head that no LF follows");
      if (++next > limits.head) return refuse("FastCGI: a head larger than proxy-buffer-size", Fault::too_large);
    } else if (*hit != '\n') {
      return refuse("FastCGI: a control byte in the head");
    }
    const bool empty = at == scan.line_start;
    scan.scanned = scan.line_start = next;
    if (empty) return next;
  }
}

Status parse_head(std::string_view head, const HeadLimits& limits, http::Method request_method,
                  http::ResponseHead& out) {
  out.clear();
  return HeadParser(head, limits, request_method, out).run();
}

}  // namespace sluice::net::fcgi
