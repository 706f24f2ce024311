#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/message.h"

// What an Authorization of Digest says (RFC 7616), with MD5 and qop=auth.
namespace sluice::data {

inline constexpr std::size_t kMostDigest = 4096;  // bytes of the field

// Views into the field. What stood in quotes is as it stood there, which is what is hashed.
struct DigestGiven {
  std::string_view username, realm, nonce, uri, response, cnonce, count_text;
  std::uint32_t count = 0;
};

// Nothing where it is of another scheme, cannot be read, lacks a part, has one twice, or asks for another way of
// hashing. Whether it is right is not asked.
std::optional<DigestGiven> digest_given_by(const net::http::RequestHead& head) noexcept;

// A name without the quotes' backslashes.
std::string unquoted(std::string_view text);

// The response that it would have to be: 32 digits. `ha1`: MD5 of the name, the realm and the password, as 32 digits.
// Empty where there is no memory. Any thread.
std::string digest_response(const DigestGiven& given, std::string_view ha1, std::string_view method);

}  // namespace sluice::data
