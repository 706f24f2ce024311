#include "net/http/forwarded.h"

namespace sluice::net::http {

std::optional<ForwardedHost> forwarded_host(std::string_view list) noexcept {
  const auto text = first_element(list);
  if (text.empty()) return std::nullopt;
  const auto authority = split_authority(text);
  if (!authority) return std::nullopt;
  return ForwardedHost{text, *authority};
}

std::optional<std::string_view> forwarded_port(std::string_view list) noexcept {
  const auto text = first_element(list);
  if (text.empty() || text.size() > 5) return std::nullopt;
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return text;
}

std::optional<std::string_view> forwarded_scheme(std::string_view list) noexcept {
  const auto text = first_element(list);
  if (iequals(text, "https") || iequals(text, "wss")) return "https";
  if (iequals(text, "http") || iequals(text, "ws")) return "http";
  return std::nullopt;
}

}  // namespace sluice::net::http
