#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "net/http/message.h"

// What an Authorization of Basic says (RFC 7617), as nginx reads it.
namespace sluice::data {

inline constexpr std::size_t kMostCredentials = 768;  // bytes of name, colon and password

struct Given {
  std::string_view name, password;
};

// Views into `room`; nothing where there are none that can be read, or longer ones. Whether they are right is not
// asked.
std::optional<Given> given_by(const net::http::RequestHead& head, std::array<char, kMostCredentials>& room) noexcept;

}  // namespace sluice::data
