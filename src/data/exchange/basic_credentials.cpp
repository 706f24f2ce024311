#include "data/exchange/basic_credentials.h"

#include <algorithm>

#include "base/base64.h"
#include "base/strings.h"

namespace sluice::data {

namespace {

// Both alphabets of base64, padded or not.
std::optional<std::size_t> decode(std::string_view text, std::array<char, kMostCredentials>& out) noexcept {
  static constexpr auto kValue = [] {
    auto t = kBase64Values;
    t['-'] = 62;
    t['_'] = 63;
    return t;
  }();
  text = text.substr(0, text.find('='));
  if (text.size() % 4 == 1 || text.size() / 4 * 3 + 2 > out.size()) return std::nullopt;
  std::uint32_t bits = 0;
  std::size_t have = 0, size = 0;
  for (const char c : text) {
    const int value = kValue[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out[size++] = static_cast<char>(bits >> have);
  }
  return size;
}

}  // namespace

std::optional<Given> given_by(const net::http::RequestHead& head, std::array<char, kMostCredentials>& room) noexcept {
  const auto* field = head.find(net::http::Name::authorization);
  constexpr std::string_view scheme = "basic ";
  if (field == nullptr || field->value.size() < scheme.size()) return std::nullopt;
  std::string_view text = field->value;
  if (!iequals(text.substr(0, scheme.size()), scheme)) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of(' ', scheme.size()), text.size()));
  const auto size = decode(text, room);
  if (!size) return std::nullopt;
  const std::string_view both(room.data(), *size);
  const auto colon = both.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const auto password = both.substr(colon + 1);
  return Given{both.substr(0, colon), password.substr(0, password.find('\0'))};
}

}  // namespace sluice::data
