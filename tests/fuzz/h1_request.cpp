#include <memory>
#include <string>

#include "net/h1/parser.h"
#include "net/http/path.h"
#include "strict_reader.h"
#include "support.h"

// A request head: the same answer however it arrives; what is accepted is strictly well-formed, and so is what would be
// sent to a pod.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

struct Found {
  std::size_t length = 0;
  std::size_t skip = 0;
  unsigned status = 0;
  bool operator==(const Found&) const = default;
};

Found find_whole(std::string_view bytes, const h1::HeadLimits& limits) {
  h1::HeadScan scan;
  const auto found = h1::find_head(bytes, scan, limits, true);
  if (!found) return {0, 0, found.error().status};
  return {*found, *found ? scan.skip : 0, 0};
}

Found find_in_pieces(std::string_view bytes, const h1::HeadLimits& limits) {
  fuzz::Pieces pieces(bytes);
  h1::HeadScan scan;
  for (std::size_t have = 0; have < bytes.size();) {
    have += pieces.next(bytes.size() - have);
    const std::string copy(bytes.substr(0, have));  // of exactly this size, so that reading behind it is seen
    const auto found = h1::find_head(copy, scan, limits, true);
    if (!found) return {0, 0, found.error().status};
    if (*found) return {*found, scan.skip, 0};
  }
  return {};
}

void judge(const fuzz::StrictHead& strict, const http::RequestHead& head) {
  PROPERTY(strict.count("host") <= 1 && (head.minor == 0 || strict.count("host") == 1));
  PROPERTY(strict.count("content-length") + strict.count("transfer-encoding") <= 1);
  PROPERTY(strict.count("authorization") <= 1);
  PROPERTY(head.fields.size() == strict.fields.size());
  if (strict.count("transfer-encoding")) {
    PROPERTY(lower(strict.value("transfer-encoding")) == "chunked" && head.framing == http::Framing::chunked &&
             head.minor == 1);
  } else if (strict.count("content-length")) {
    PROPERTY(fuzz::strict_number(strict.value("content-length")) && head.framing == http::Framing::length);
    PROPERTY(std::stoull(std::string(strict.value("content-length"))) == head.content_length);
  } else {
    PROPERTY(head.framing == http::Framing::none);
  }
}

// The request as a pod would get it, much as the upstream client writes it.
std::string sent_on(const http::RequestHead& head) {
  std::string out = std::string(head.method_text) + " " + std::string(head.path_query) + " HTTP/1.1\r\n";
  out += "Host: " + (head.authority.empty() ? std::string("none") : std::string(head.authority)) + "\r\n";
  if (head.framing == http::Framing::length) out += "Content-Length: " + std::to_string(head.content_length) + "\r\n";
  if (head.framing == http::Framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  for (const auto& f : head.fields.all())
    if (!f.drop && f.id != http::Name::host) out += std::string(f.name) + ": " + std::string(f.value) + "\r\n";
  return out + "\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  h1::HeadLimits limits;
  limits.request_line = 256;
  limits.field_line = 256;
  limits.head = 1024;
  limits.fields = 20;
  const Found found = find_whole(bytes, limits);
  PROPERTY(find_in_pieces(bytes, limits) == found);
  if (found.length == 0) return 0;

  static auto* head = new http::RequestHead;
  const std::string block(bytes.substr(found.skip, found.length));
  if (!h1::parse_request(block, limits, *head)) return 0;
  const auto strict = fuzz::read_strictly(block);
  PROPERTY(strict.has_value());
  judge(*strict, *head);
  PROPERTY(!head->path_query.empty() &&
           (head->path_query.front() == '/' || (head->path_query == "*" && head->method == http::Method::options)));
  for (char c : head->path_query) PROPERTY(c > 0x20 && c < 0x7f && c != '#');
  PROPERTY(head->authority.find_first_of(" ,/@\\\"<>") == std::string_view::npos);
  PROPERTY(head->authority.starts_with(head->host));
  PROPERTY(!head->upgrade || !head->upgrade_token.empty());

  std::string room(head->path_query.size(), '\0');
  if (head->path_query != "*" && !http::normalise_path(head->path_query, room.data())) return 0;

  // What goes on is read again by a pod: it must be one request with the same meaning.
  const std::string on = sent_on(*head);
  const bool chunked = head->framing == http::Framing::chunked;
  const auto length = head->content_length;
  h1::HeadLimits wide;
  wide.underscores = true;
  wide.ignore_invalid_names = false;
  h1::HeadScan scan;
  const auto again = h1::find_head(on, scan, wide, true);
  PROPERTY(again.has_value() && *again == on.size() && scan.skip == 0);
  static auto* second = new http::RequestHead;
  PROPERTY(h1::parse_request(on, wide, *second).has_value());
  PROPERTY((second->framing == http::Framing::chunked) == chunked && second->content_length == length);
  PROPERTY(second->path_query == head->path_query && !second->upgrade && second->keep_alive);
  return 0;
}
