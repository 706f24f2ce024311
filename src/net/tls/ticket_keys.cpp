#include "net/tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace sluice::net::tls {

std::expected<std::shared_ptr<TicketKeys>, std::string> TicketKeys::shared(const std::string& given) {
  if (!given.empty() && given.size() != 80)
    return std::unexpected("session ticket key has " + std::to_string(given.size()) + " bytes, expected 80");
  static std::mutex mutex;
  static std::shared_ptr<TicketKeys> random;                        // lives as long as the process
  static std::pair<std::string, std::shared_ptr<TicketKeys>> last;  // the one given key; a new one replaces it
  std::lock_guard lock(mutex);
  if (given.empty()) {
    if (!random) random = std::make_shared<TicketKeys>(given);
    return random;
  }
  if (last.first != given) {
    OPENSSL_cleanse(last.first.data(), last.first.size());
    last = {given, std::make_shared<TicketKeys>(given)};
  }
  return last.second;
}

TicketKeys::TicketKeys(const std::string& given) {
  if (given.size() != 80) return;
  fixed_ = true;
  count_ = 1;
  std::memcpy(keys_[0].name.data(), given.data(), 16);
  std::memcpy(keys_[0].hmac.data(), given.data() + 16, 32);
  std::memcpy(keys_[0].aes.data(), given.data() + 48, 32);
}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(keys_.data(), sizeof keys_);
}

void TicketKeys::set_period(std::chrono::seconds period) {
  std::lock_guard lock(mutex_);
  period_ = std::max(period, std::chrono::seconds(1));
}

bool TicketKeys::rotate(Time now) {
  if (fixed_) return true;
  if (count_ > 0) {
    const auto periods = (now - since_) / period_;
    if (periods < 1) return true;
    // After a quiet time the keys in between never sealed anything: they only age the others.
    if (periods >= static_cast<std::int64_t>(keys_.size())) {
      OPENSSL_cleanse(keys_.data(), sizeof keys_);
      count_ = 0;
    }
  }
  Key fresh;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&fresh), sizeof fresh) != 1) return count_ > 0;
  std::move_backward(keys_.begin(), keys_.end() - 1, keys_.end());
  keys_[0] = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  count_ = std::min(count_ + 1, keys_.size());
  since_ = now;
  return true;
}

bool TicketKeys::current(Time now, Key& out) {
  std::lock_guard lock(mutex_);
  if (!rotate(now)) return false;
  out = keys_[0];
  return true;
}

TicketKeys::Found TicketKeys::find(const unsigned char name[16], Time now, Key& out) {
  std::lock_guard lock(mutex_);
  rotate(now);
  for (std::size_t i = 0; i < count_; ++i) {
    if (std::memcmp(keys_[i].name.data(), name, 16) != 0) continue;
    out = keys_[i];
    return i == 0 ? Found::current : Found::older;
  }
  return Found::no;
}

int seal_or_open_ticket(TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, bool seal) {
  static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);  // fetching is slow
  TicketKeys::Key key;
  const auto now = std::chrono::steady_clock::now();
  int result = 1;
  if (seal) {
    if (!keys.current(now, key) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1) return -1;
    std::memcpy(name, key.name.data(), key.name.size());
  } else {
    const auto found = keys.find(name, now, key);
    if (found == TicketKeys::Found::no) return 0;
    if (found == TicketKeys::Found::older) result = 2;  // resume, and give the client a new ticket
  }
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac.data(), key.hmac.size()),
                         OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                         OSSL_PARAM_construct_end()};
  const bool ready = EVP_MAC_CTX_set_params(mac, params) == 1 &&
                     (seal ? EVP_EncryptInit_ex(cipher, aes, nullptr, key.aes.data(), iv)
                           : EVP_DecryptInit_ex(cipher, aes, nullptr, key.aes.data(), iv)) == 1;
  OPENSSL_cleanse(&key, sizeof key);
  return ready ? result : -1;
}

}  // namespace sluice::net::tls
