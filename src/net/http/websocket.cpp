#include "net/http/websocket.h"

#include <openssl/evp.h>

#include <cstring>

namespace sluice::net::http {

bool accepts_websocket(std::string_view key, std::string_view accept) noexcept {
  static constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  constexpr std::size_t kKey = 24, kDigest = 20, kAccept = 28;  // in base64, but the digest
  if (key.size() != kKey || accept.size() != kAccept) return false;
  unsigned char text[kKey + kGuid.size()];
  std::memcpy(text, key.data(), kKey);
  std::memcpy(text + kKey, kGuid.data(), kGuid.size());
  unsigned char digest[EVP_MAX_MD_SIZE], encoded[kAccept + 1];
  if (EVP_Digest(text, sizeof text, digest, nullptr, EVP_sha1(), nullptr) != 1) return false;
  EVP_EncodeBlock(encoded, digest, kDigest);
  return std::memcmp(encoded, accept.data(), kAccept) == 0;
}

}  // namespace sluice::net::http
