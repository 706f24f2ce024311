#include "echo/request.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace sluice::echo {

namespace {
constexpr std::size_t kLine = 64 * 1024;  // a chunk-size or trailer line
constexpr std::size_t kTrailers = 256;    // lines
constexpr std::size_t kPiece = 64 * 1024;
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string_view until_line_end(std::string_view& rest) {
  auto end = rest.find('\n');
  auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}
}  // namespace

std::string_view Request::header(std::string_view name) const {
  for (const auto& [k, v] : headers)
    if (iequals(k, name)) return v;
  return {};
}

bool Request::has_token(std::string_view name, std::string_view token) const {
  bool found = false;
  for (const auto& [k, v] : headers)
    if (iequals(k, name)) for_each_element(v, [&](std::string_view e) { found = found || iequals(e, token); });
  return found;
}

std::size_t head_size(std::string_view buffer, std::size_t from) {
  auto at = buffer.find("\r\n\r\n", from > 3 ? from - 3 : 0);
  return at == std::string_view::npos ? 0 : at + 4;
}

std::string_view parse(std::string_view head, Request& out) {
  auto rest = head;
  auto line = until_line_end(rest);
  auto first = line.find(' ');
  auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return "request line";
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  out.version = line.substr(last + 1);
  if (!out.version.starts_with("HTTP/1.")) return "version";
  for (;;) {
    line = until_line_end(rest);
    if (line.empty()) break;
    auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return "header line";
    out.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  auto length = out.header("content-length");
  if (out.has_token("transfer-encoding", "chunked")) {
    out.framing = Request::Framing::chunked;
  } else if (!length.empty()) {
    auto [p, e] = std::from_chars(length.data(), length.data() + length.size(), out.length);
    if (e != std::errc() || p != length.data() + length.size()) return "content-length";
    if (out.length > 0) out.framing = Request::Framing::length;
  }
  bool old = out.version == "HTTP/1.0";
  out.keep_alive = old ? out.has_token("connection", "keep-alive") : !out.has_token("connection", "close");
  out.expect_continue = !old && out.has_token("expect", "100-continue");
  return {};
}

Body::Body(Stream& stream, const Request& request)
    : stream_(stream), framing_(request.framing), length_(request.length), hash_(nullptr, EVP_MD_CTX_free) {}

void Body::take(std::string_view piece) {
  if (!hash_) {
    hash_.reset(EVP_MD_CTX_new());
    EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr);
  }
  EVP_DigestUpdate(hash_.get(), piece.data(), piece.size());
  size_ += piece.size();
}

Task<bool> Body::read_all(std::uint64_t rate) {
  if (finished_) co_return true;
  started_ = Clock::now();
  if (framing_ == Request::Framing::length)
    finished_ = co_await read_length(length_, rate);
  else if (framing_ == Request::Framing::chunked)
    finished_ = co_await read_chunked(rate);
  else
    finished_ = true;
  co_return finished_;
}

Task<bool> Body::pace(std::uint64_t rate) {
  if (rate == 0) co_return true;
  auto due = started_ + std::chrono::microseconds(size_ * 1'000'000 / rate);
  auto wait = std::chrono::ceil<Millis>(due - Clock::now());
  // A peer that has sent all and closed its side is no reason to stop: what it sent is still to be read.
  if (wait.count() > 0) co_await stream_.sleep(wait);
  co_return true;
}

Task<bool> Body::read_length(std::uint64_t left, std::uint64_t rate) {
  while (left > 0) {
    if (stream_.buffered().empty()) {
      bool more = co_await stream_.fill(kPiece);
      if (!more) co_return false;
    }
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, stream_.buffered().size()));
    if (rate > 0) n = std::min(n, static_cast<std::size_t>(std::max<std::uint64_t>(1, rate / 10)));
    take(stream_.buffered().substr(0, n));
    stream_.consume(n);
    left -= n;
    co_await pace(rate);
  }
  co_return true;
}

Task<bool> Body::line(std::string& out) {
  for (;;) {
    auto have = stream_.buffered();
    auto end = have.find("\r\n");
    if (end != std::string_view::npos) {
      out.assign(have.substr(0, end));
      stream_.consume(end + 2);
      co_return true;
    }
    bool more = co_await stream_.fill(kLine);
    if (!more) co_return false;
  }
}

Task<bool> Body::read_chunked(std::uint64_t rate) {
  std::string text;
  for (;;) {
    bool there = co_await line(text);
    if (!there) co_return false;
    std::uint64_t size = 0;
    auto digits = std::string_view(text).substr(0, text.find_first_of(" \t;"));
    auto [p, e] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (e != std::errc() || p != digits.data() + digits.size()) co_return false;
    if (size == 0) break;
    bool read = co_await read_length(size, rate);
    if (!read) co_return false;
    there = co_await line(text);
    if (!there || !text.empty()) co_return false;
  }
  while (trailers_.size() < kTrailers) {
    bool there = co_await line(text);
    if (!there) co_return false;
    if (text.empty()) co_return true;
    auto colon = text.find(':');
    if (colon == std::string::npos) co_return false;
    trailers_.emplace_back(text.substr(0, colon), trim(std::string_view(text).substr(colon + 1)));
  }
  co_return false;
}

std::string Body::sha256() {
  if (!hash_) return std::string(kEmptySha256);
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> copy(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_MD_CTX_copy_ex(copy.get(), hash_.get());
  EVP_DigestFinal_ex(copy.get(), raw, &size);
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += hex[raw[i] >> 4];
    out += hex[raw[i] & 15];
  }
  return out;
}

}  // namespace sluice::echo
