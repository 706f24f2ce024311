#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>

#include "net/tls/openssl.h"

namespace sluice::net::tls {

// The keys that session tickets are sealed with (RFC 5077 section 4), one object for all contexts and threads that were
// given the same key, so that a context made anew still opens the tickets of the one before.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> hmac;
    std::array<unsigned char, 32> aes;
  };
  using Time = std::chrono::steady_clock::time_point;

  // `given`: 80 bytes (name, HMAC key, AES key), used without rotation; empty: random keys, a new one each period with
  // the two before it still accepted.
  static std::expected<std::shared_ptr<TicketKeys>, std::string> shared(const std::string& given);
  explicit TicketKeys(const std::string& given);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  void set_period(std::chrono::seconds period);
  // The key for new tickets. False: the system has no randomness.
  bool current(Time now, Key& out);
  enum class Found : std::uint8_t { no, current, older };
  Found find(const unsigned char name[16], Time now, Key& out);

 private:
  bool rotate(Time now);

  std::mutex mutex_;  // held for a copy of 80 bytes, once a handshake
  std::array<Key, 3> keys_{};
  std::size_t count_ = 0;
  bool fixed_ = false;
  std::chrono::seconds period_{600};
  Time since_{};
};

// What OpenSSL asks of its ticket key callback: SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
int seal_or_open_ticket(TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, bool seal);

}  // namespace sluice::net::tls
