#include "net/tls/client_hello.h"

#include <algorithm>
#include <utility>

#include "base/release.h"
#include "base/strings.h"

namespace sluice::net::tls {

namespace {

constexpr std::uint8_t kHandshake = 22, kClientHello = 1;
constexpr std::size_t kMessageHead = 4;
constexpr std::uint16_t kServerName = 0, kAlpn = 16, kSupportedVersions = 43;

// Reads from the front of bytes. What is too short fails, and everything after it fails too.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool good() const noexcept { return good_; }
  bool empty() const noexcept { return rest_.empty(); }
  std::string_view take(std::size_t n) {
    if (n > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::size_t number(int bytes) {
    std::size_t out = 0;
    for (char c : take(static_cast<std::size_t>(bytes))) out = out << 8 | static_cast<unsigned char>(c);
    return out;
  }
  // A vector: its length in `bytes` bytes, then that many.
  std::string_view vector(int bytes) { return take(number(bytes)); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

// RFC 6066 section 3: a host name in ASCII. What no host can be called is refused rather than matched.
bool host_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

bool read_server_name(std::string_view extension, std::string& out) {
  Cursor outer(extension);
  Cursor list(outer.vector(2));
  if (!outer.good() || !outer.empty() || list.empty()) return false;
  bool found = false;
  while (!list.empty()) {
    const auto type = list.number(1);
    const auto name = list.vector(2);
    if (!list.good()) return false;
    if (type != 0) continue;
    if (found || !host_name(name)) return false;
    found = true;
    out = lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  }
  return true;
}

bool read_alpn(std::string_view extension, std::vector<std::string>& out) {
  Cursor outer(extension);
  Cursor list(outer.vector(2));
  if (!outer.good() || !outer.empty() || list.empty()) return false;
  while (!list.empty()) {
    const auto name = list.vector(1);
    if (!list.good() || name.empty()) return false;
    out.emplace_back(name);
  }
  return true;
}

bool read_versions(std::string_view extension, std::uint16_t& out) {
  Cursor outer(extension);
  Cursor list(outer.vector(1));
  if (!outer.good() || !outer.empty() || list.empty()) return false;
  std::uint16_t highest = 0;
  while (!list.empty()) {
    const auto version = static_cast<std::uint16_t>(list.number(2));
    if (!list.good()) return false;
    if (version >> 8 == 3) highest = std::max(highest, version);  // others are drafts and GREASE (RFC 8701)
  }
  if (highest) out = highest;
  return true;
}

}  // namespace

ClientHelloReader::State ClientHelloReader::feed(std::string_view bytes) {
  while (state_ == State::more && !bytes.empty()) {
    if (record_left_ == 0) {
      record_[record_have_++] = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      if (record_[0] != kHandshake) return refuse("does not begin with a TLS handshake record");
      if (record_have_ > 1 && record_[1] != 3) return refuse("a record of another version than TLS");
      if (record_have_ < sizeof record_) continue;
      record_have_ = 0;
      record_left_ = static_cast<std::size_t>(record_[3] << 8 | record_[4]);
      if (record_left_ == 0 || record_left_ > 16 * 1024) return refuse("a handshake record of a wrong length");
      if (++records_ > kMaxRecords) return refuse("a ClientHello in too many records");
      continue;
    }
    const auto piece = bytes.substr(0, record_left_);
    record_left_ -= piece.size();
    bytes.remove_prefix(piece.size());
    message_ += piece;
    if (static_cast<std::uint8_t>(message_[0]) != kClientHello) return refuse("a handshake without a ClientHello");
    if (message_.size() < kMessageHead) continue;
    Cursor head(std::string_view(message_).substr(1));
    const auto whole = kMessageHead + head.number(3);
    if (whole > kMaxMessage) return refuse("a ClientHello longer than 16 KiB");
    if (message_.size() < whole) continue;
    message_.resize(whole);
    return read_message();
  }
  return state_;
}

ClientHelloReader::State ClientHelloReader::read_message() {
  Cursor in(std::string_view(message_).substr(kMessageHead));
  ClientHello hello;
  hello.version = static_cast<std::uint16_t>(in.number(2));
  hello.random = in.take(32);
  const auto session = in.vector(1);
  const auto suites = in.vector(2);
  const auto compression = in.vector(1);
  if (!in.good() || session.size() > 32 || suites.empty() || suites.size() % 2 != 0 || compression.empty())
    return refuse("a ClientHello that breaks the grammar");
  if (!in.empty()) {  // TLS 1.2 may leave extensions out
    Cursor extensions(in.vector(2));
    if (!in.good() || !in.empty()) return refuse("a ClientHello that breaks the grammar");
    bool name = false, alpn = false, versions = false;
    while (!extensions.empty()) {
      const auto type = extensions.number(2);
      const auto value = extensions.vector(2);
      bool fine = extensions.good();
      if (fine && type == kServerName) fine = !std::exchange(name, true) && read_server_name(value, hello.server_name);
      if (fine && type == kAlpn) fine = !std::exchange(alpn, true) && read_alpn(value, hello.alpn);
      if (fine && type == kSupportedVersions)
        fine = !std::exchange(versions, true) && read_versions(value, hello.version);
      if (!fine) return refuse("a ClientHello with an extension that breaks the grammar");
    }
  }
  hello_ = std::move(hello);
  release(message_);
  return state_ = State::done;
}

}  // namespace sluice::net::tls
