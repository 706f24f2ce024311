#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What a TLS ClientHello asks for, read without a TLS library and without answering it: for connections that are routed
// by name and passed on as they are.
namespace sluice::net::tls {

struct ClientHello {
  std::string random;             // 32 bytes, a connection's own
  std::string server_name;        // SNI in lower case without trailing dot; "" when none came
  std::vector<std::string> alpn;  // in the client's order
  std::uint16_t version = 0;      // the highest that is offered: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3
};

// Takes the first bytes of a connection in pieces of any size (RFC 8446 sections 5.1, 4.1.2 and 4.2, RFC 6066 section
// 3, RFC 7301). The message may span records; it has at most kMaxMessage bytes in at most kMaxRecords records.
class ClientHelloReader {
 public:
  static constexpr std::size_t kMaxMessage = 16 * 1024, kMaxRecords = 256;
  // No more than this many bytes are ever asked for.
  static constexpr std::size_t kMaxBytes = kMaxMessage + 5 * kMaxRecords;

  enum class State : std::uint8_t {
    more,     // what came may become a ClientHello
    done,     // hello() holds it; what came behind it was not looked at
    refused,  // not a ClientHello, or one that breaks the grammar: why() tells
  };
  // The bytes that follow those of the calls before. After `done` or `refused` nothing changes any more.
  State feed(std::string_view bytes);
  State state() const noexcept { return state_; }
  const ClientHello& hello() const noexcept { return hello_; }
  const char* why() const noexcept { return why_; }

 private:
  State refuse(const char* why) noexcept {
    why_ = why;
    return state_ = State::refused;
  }
  State read_message();

  State state_ = State::more;
  const char* why_ = "";
  unsigned char record_[5] = {};  // header of the current record
  std::size_t record_have_ = 0, record_left_ = 0, records_ = 0;
  std::string message_;  // handshake bytes of all records
  ClientHello hello_;
};

}  // namespace sluice::net::tls
