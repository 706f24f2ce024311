#include "model/own_listeners.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace sluice::model {

namespace {

constexpr std::size_t kQuad = 12;

bool is_ipv4(const Ip& ip) noexcept {
  return std::all_of(ip.begin(), ip.begin() + 10, [](auto b) { return b == 0; }) && ip[10] == 0xff && ip[11] == 0xff;
}
bool loopback(const Ip& ip) noexcept {
  if (is_ipv4(ip)) return ip[kQuad] == 127;
  return std::all_of(ip.begin(), ip.end() - 1, [](auto b) { return b == 0; }) && ip[15] == 1;
}
// A connection to an unspecified address goes to loopback.
bool unspecified(const Ip& ip) noexcept {
  if (is_ipv4(ip)) return ip[kQuad] == 0;
  return std::all_of(ip.begin(), ip.end(), [](auto b) { return b == 0; });
}

}  // namespace

bool OwnListener::any() const noexcept {
  return unspecified(address);
}

OwnListener read_listener(std::string what, const std::string& bound) {
  const auto fail = [&] { return std::invalid_argument("not an address and a port: " + bound); };
  const auto colon = bound.rfind(':');
  if (colon == std::string::npos) throw fail();
  std::string host = bound.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto ip = read_ip(host.substr(0, host.find('%')));  // a link-local one has a zone
  OwnListener out{std::move(what), ip.value_or(Ip{}), 0};
  const char* const end = bound.data() + bound.size();
  const auto [at, error] = std::from_chars(bound.data() + colon + 1, end, out.port);
  if (!ip || error != std::errc{} || at != end) throw fail();
  return out;
}

bool OwnListeners::listens_on(std::uint16_t port) const noexcept {
  return std::any_of(all.begin(), all.end(), [&](const OwnListener& l) { return l.port == port; });
}

bool OwnListeners::has_port(std::uint16_t port) const noexcept {
  return listens_on(port) ||
         std::any_of(services.begin(), services.end(), [&](const auto& s) { return s.second == port; });
}

bool OwnListeners::reached(const Ip& ip, std::uint16_t port) const noexcept {
  if (find(ip, port) || std::binary_search(services.begin(), services.end(), std::pair(ip, port))) return true;
  if (listens_on(port) && std::binary_search(replicas.begin(), replicas.end(), ip)) return true;
  return std::ranges::any_of(embedded_ipv4(ip), [&](const Ip& inner) { return reached(inner, port); });
}

bool OwnListeners::takes_datagrams_on(std::uint16_t port) const noexcept {
  return std::ranges::find(datagrams, port, &OwnListener::port) != datagrams.end();
}

bool OwnListeners::has_datagram_port(std::uint16_t port) const noexcept {
  return takes_datagrams_on(port) ||
         std::ranges::any_of(datagram_services, [&](const auto& s) { return s.second == port; });
}

bool OwnListeners::reached_by_datagrams(const Ip& ip, std::uint16_t port) const noexcept {
  if (!has_datagram_port(port)) return false;
  if (std::ranges::binary_search(datagram_services, std::pair(ip, port))) return true;
  const bool here = loopback(ip) || unspecified(ip);
  const bool by_address = here || std::ranges::binary_search(addresses, ip) || std::ranges::binary_search(replicas, ip);
  for (const OwnListener& l : datagrams)
    if (l.port == port && (l.any() ? by_address : l.address == ip || (unspecified(ip) && loopback(l.address))))
      return true;
  return !here && std::ranges::any_of(embedded_ipv4(ip), [&](const Ip& i) { return reached_by_datagrams(i, port); });
}

bool OwnListeners::takes_requests(const Ip& ip, std::uint16_t port) const noexcept {
  const auto for_clients = [](const OwnListener& l) { return l.what == "http" || l.what == "https"; };
  if (const OwnListener* here = find(ip, port)) return for_clients(*here);
  if (!std::binary_search(replicas.begin(), replicas.end(), ip)) return false;
  const auto of_port = [&](const OwnListener& l) { return l.port == port; };
  return std::ranges::any_of(all, [&](const auto& l) { return of_port(l) && for_clients(l); }) &&
         std::ranges::none_of(all, [&](const auto& l) { return of_port(l) && !for_clients(l); });
}

bool OwnListeners::everywhere(std::uint16_t port) const noexcept {
  return std::any_of(all.begin(), all.end(), [&](const OwnListener& l) { return l.port == port && l.any(); });
}

bool OwnListeners::any() const noexcept {
  const auto is_any = [](const OwnListener& l) { return l.any(); };
  return std::ranges::any_of(all, is_any) || std::ranges::any_of(datagrams, is_any);
}

const OwnListener* OwnListeners::find(const Ip& ip, std::uint16_t port) const noexcept {
  if (!has_port(port)) return nullptr;
  const bool here = loopback(ip) || unspecified(ip);
  const bool ours = here || std::binary_search(addresses.begin(), addresses.end(), ip);
  for (const OwnListener& l : all)
    if (l.port == port && (l.any() ? ours : l.address == ip || (unspecified(ip) && loopback(l.address)))) return &l;
  if (here) return nullptr;
  for (const Ip& inner : embedded_ipv4(ip))
    if (const OwnListener* l = find(inner, port)) return l;
  return nullptr;
}

}  // namespace sluice::model
