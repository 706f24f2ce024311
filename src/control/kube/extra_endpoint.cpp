#include "control/kube/extra_endpoint.h"

#include "control/kube/grammar.h"

namespace sluice::control {

std::optional<ExtraEndpoint> read_extra_endpoint(const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos) return std::nullopt;
  auto left = text.substr(0, equals), right = text.substr(equals + 1);
  auto slash = left.find('/'), colon = left.rfind(':'), port_colon = right.rfind(':');
  if (slash == std::string::npos || slash == 0 || colon == std::string::npos || colon < slash + 2 ||
      colon + 1 == left.size() || port_colon == std::string::npos)
    return std::nullopt;
  auto host = right.substr(0, port_colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  auto port = parse_int(right.substr(port_colon + 1));
  if (!port || *port < 1 || *port > 65535 || (!is_ipv4(host) && !is_ipv6(host))) return std::nullopt;
  return ExtraEndpoint{left, host, static_cast<std::uint16_t>(*port)};
}

}  // namespace sluice::control
