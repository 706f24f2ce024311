#include <algorithm>

#include "net/h1/parser.h"
#include "net/h1/scan.h"

namespace sluice::net::h1 {
namespace {

constexpr std::size_t kMostMethod = 32;

// One search: knows which status a refusal has on this side.
class Search {
 public:
  Search(std::string_view bytes, HeadScan& scan, const HeadLimits& limits, bool request)
      : bytes_(bytes), scan_(scan), limits_(limits), request_(request) {}

  Result<std::size_t> run() {
    if (!scan_.first_line_done && scan_.scanned == scan_.skip)
      if (auto skipped = skip_empty_line(); !skipped) return std::unexpected(skipped.error());

    for (;;) {
      const char* end = bytes_.data() + bytes_.size();
      const char* hit = find_control(bytes_.data() + scan_.scanned, end);
      const auto at = static_cast<std::size_t>(hit - bytes_.data());
      if (auto ok = within_limits(at); !ok) return std::unexpected(ok.error());
      scan_.scanned = at;
      if (hit == end) return 0;

      if (*hit == '\t' && scan_.first_line_done) {
        ++scan_.scanned;
        continue;
      }
      if (*hit != '\r') return bad(*hit == '\n' ? "head: a line that ends with LF alone" : "head: a control byte");
      if (at + 1 == bytes_.size()) return 0;
      if (bytes_[at + 1] != '\n') return bad("head: a CR that no LF follows");
      if (at + 2 - scan_.skip > limits_.head) return too_large();

      const bool empty = at == scan_.line_start;
      if (!scan_.first_line_done)
        if (auto ok = first_line(bytes_.substr(scan_.line_start, at - scan_.line_start)); !ok)
          return std::unexpected(ok.error());
      scan_.first_line_done = true;
      scan_.scanned = scan_.line_start = at + 2;
      if (empty) return at + 2 - scan_.skip;
    }
  }

 private:
  // RFC 9112 section 2.2: a server ignores at least one empty line before a request.
  Status skip_empty_line() {
    if (bytes_.empty() || scan_.skip != 0) return first_byte();
    if (!request_ || bytes_[0] != '\r' || bytes_.size() == 1) return first_byte();
    if (bytes_[1] == '\n') scan_.skip = scan_.line_start = scan_.scanned = 2;
    return first_byte();
  }

  // What does not start with a token character will never be a request: a TLS hello on a plain port, say.
  Status first_byte() {
    const auto at = scan_.skip;
    if (!request_ || at >= bytes_.size() || kToken[byte(bytes_[at])] != 0) return {};
    if (bytes_[at] == '\r' && at == 0) return {};  // judged by the search, which knows whether LF follows
    return bad("request line: does not start with a method");
  }

  Status first_line(std::string_view line) const {
    if (!request_) return {};
    // Without a version it is HTTP/0.9, whose clients send nothing more: answer now.
    if (line.size() < 12 || line.substr(line.size() - 9, 6) != " HTTP/")
      return bad("request line: no HTTP version at its end");
    return {};
  }

  // `at`: everything before it was seen; at most one byte more counts as seen, whatever it is.
  Status within_limits(std::size_t at) const {
    const std::size_t seen = std::min(at + 1, bytes_.size()) - scan_.skip;
    const std::size_t line = at - scan_.line_start;
    if (!scan_.first_line_done) {
      if (line <= std::min(limits_.request_line, limits_.head)) return {};
      if (request_ && bytes_.substr(scan_.line_start, kMostMethod + 1).find(' ') == std::string_view::npos)
        return bad("request line: the method is longer than 32 bytes");
      return request_ ? refuse(414, "request line: longer than the limit")
                      : refuse_upstream("status line: longer than the limit", Fault::too_large);
    }
    if (line > limits_.field_line || seen > limits_.head) return too_large();
    return {};
  }

  std::unexpected<Error> too_large() const {
    return request_ ? refuse(431, "head: a line or the whole is longer than the limit")
                    : refuse_upstream("head: a line or the whole is longer than the limit", Fault::too_large);
  }

  std::unexpected<Error> bad(const char* why) const { return request_ ? refuse(400, why) : refuse_upstream(why); }

  std::string_view bytes_;
  HeadScan& scan_;
  const HeadLimits& limits_;
  bool request_;
};

}  // namespace

Result<std::size_t> find_head(std::string_view bytes, HeadScan& scan, const HeadLimits& limits, bool request) {
  return Search(bytes, scan, limits, request).run();
}

}  // namespace sluice::net::h1
