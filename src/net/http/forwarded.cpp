#include "net/http/forwarded.h"

#include "net/http/grammar.h"

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
  if (text.empty() || text.starts_with('0') || !is_port(text)) return std::nullopt;  // as nobody writes a port
  return text;
}

std::optional<std::string_view> forwarded_scheme(std::string_view list) noexcept {
  const auto text = first_element(list);
  if (iequals(text, "https") || iequals(text, "wss")) return "https";
  if (iequals(text, "http") || iequals(text, "ws")) return "http";
  return std::nullopt;
}

ClientScheme client_scheme(std::optional<std::string_view> list, bool tls) noexcept {
  if (!list) return {tls, !tls};
  const auto scheme = forwarded_scheme(*list);
  return {scheme ? *scheme == "https" : tls, *list == "http"};
}

bool is_forwarded(std::string_view list) noexcept {
  bool any = false;
  while (true) {
    const auto begin = list.find_first_not_of(" \t,;");
    if (begin == std::string_view::npos) return any;
    list.remove_prefix(begin);
    const auto equals = list.find('=');
    if (equals == std::string_view::npos || !is_token(list.substr(0, equals))) return false;
    const auto name = list.substr(0, equals);
    list.remove_prefix(equals + 1);
    const bool quoted = list.starts_with('"');
    if (quoted) list.remove_prefix(1);
    const auto end = std::min(list.find_first_of(quoted ? "\"\\" : " \t,;"), list.size());
    const auto value = list.substr(0, end);
    list.remove_prefix(end);
    if (quoted) {
      if (!list.starts_with('"')) return false;
      list.remove_prefix(1);
    } else if (!is_token(value)) {
      return false;
    }
    if (iequals(name, "host") && !split_authority(value)) return false;
    if (iequals(name, "proto") && !iequals(value, "http") && !iequals(value, "https")) return false;
    list = trim(list);
    if (!list.empty() && list.front() != ',' && list.front() != ';') return false;
    any = true;
  }
}

}  // namespace sluice::net::http
