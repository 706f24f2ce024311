#include "data/balance/session_cookie.h"

#include <algorithm>

#include "base/strings.h"
#include "data/balance/placement.h"

namespace sluice::data {

std::string session_id_of(std::string_view upstream_name) {
  return md5_text(md5_text(upstream_name).append(upstream_name));
}

SessionCookie session_cookie(const net::http::RequestHead& head, std::string_view name, std::string_view id) noexcept {
  SessionCookie out;
  if (!head.names.has(net::http::Name::cookie)) return out;
  for (const auto& field : head.fields.all()) {
    if (field.id != net::http::Name::cookie) continue;
    auto rest = field.value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto pair = trim_of(rest.substr(0, end), " \t");
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (pair.size() <= name.size() || pair[name.size()] != '=' || !pair.starts_with(name)) continue;
      const auto value = pair.substr(name.size() + 1);
      const auto bar = std::min(value.find('|'), value.size());
      const SessionCookie found{value.substr(0, bar), value.substr(std::min(bar + 1, value.size()))};
      if (found.key.empty()) continue;
      if (found.id == id) return found;
      if (out.key.empty()) out = found;
    }
  }
  return out;
}

}  // namespace sluice::data
