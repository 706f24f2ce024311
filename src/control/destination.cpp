#include "control/destination.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using model::Ip;

struct Range {
  const char* text;
  Refusal why;
};
// RFC 6890, RFC 4291 and RFC 1122; for metadata what the providers' documentation says, as far as it is not link-local
// (169.254.169.254 of AWS, Google, Azure, OpenStack and others; 169.254.170.2 and .23 of AWS; fe80::a9fe:a9fe).
constexpr Range kRanges[] = {
    {"127.0.0.0/8", Refusal::loopback},        {"::1", Refusal::loopback},
    {"169.254.0.0/16", Refusal::link_local},   {"fe80::/10", Refusal::link_local},
    {"0.0.0.0/8", Refusal::unspecified},       {"::", Refusal::unspecified},
    {"100.100.100.200", Refusal::metadata},     // Alibaba Cloud
    {"168.63.129.16", Refusal::metadata},       // Azure, WireServer
    {"192.0.0.192", Refusal::metadata},         // Oracle Cloud
    {"fd00:ec2::254", Refusal::metadata},       // AWS, instance metadata
    {"fd00:ec2::23", Refusal::metadata},        // AWS, EKS Pod Identity
    {"fd20:ce::254", Refusal::metadata},        // Google Cloud
    {"fd00:42::42", Refusal::metadata},         // Scaleway
    {"fd00:a9fe:a9fe::1", Refusal::metadata},   // Akamai (Linode)
    {"fd00:c1::a9fe:a9fe", Refusal::metadata},  // Oracle Cloud
    {"fd00:100::100:200", Refusal::metadata},   // Alibaba Cloud
    {"224.0.0.0/4", Refusal::multicast},       {"255.255.255.255", Refusal::multicast},
    {"ff00::/8", Refusal::multicast},
};

std::optional<Refusal> kind_of(const Ip& ip) noexcept {
  struct Row {
    model::Cidr range;
    Refusal why;
  };
  static const std::vector<Row> rows = [] {
    std::vector<Row> out;
    for (const auto& r : kRanges) out.push_back({parse_cidr(r.text).value(), r.why});
    return out;
  }();
  for (const auto& row : rows)
    if (contains(row.range, ip)) return row.why;
  return std::nullopt;
}

bool listed(const Ip& ip, const AllowedDestinations& allowed) noexcept {
  return std::any_of(allowed.ranges.begin(), allowed.ranges.end(), [&](auto& range) { return contains(range, ip); });
}

std::optional<Refusal> judge_one(const Ip& ip, Says says, const AllowedDestinations& allowed) noexcept {
  const auto kind = kind_of(ip);
  if (!kind || listed(ip, allowed) || (says == Says::directory && *kind == Refusal::loopback)) return std::nullopt;
  return kind;
}

}  // namespace

std::string_view to_string(Refusal r) noexcept {
  switch (r) {
    case Refusal::loopback:
      return "a loopback address";
    case Refusal::link_local:
      return "a link-local address";
    case Refusal::unspecified:
      return "an unspecified address";
    case Refusal::metadata:
      return "an address of a cloud's metadata";
    case Refusal::multicast:
      return "a multicast or broadcast address";
    case Refusal::own_listener:
      return "where this process listens itself";
  }
  return "";
}

std::optional<Refusal> judge(const Ip& ip, std::uint16_t port, Says says, const AllowedDestinations& allowed,
                             const model::OwnListeners* own, model::Transport by) noexcept {
  if (by == model::Transport::udp) {
    if (own && own->reached_by_datagrams(ip, port)) return Refusal::own_listener;
  } else if (own && own->reached(ip, port) && !(says == Says::question && own->takes_requests(ip, port))) {
    return Refusal::own_listener;
  }
  if (says == Says::operator_) return std::nullopt;
  if (auto why = judge_one(ip, says, allowed); why || kind_of(ip) || listed(ip, allowed)) return why;
  for (const Ip& inner : model::embedded_ipv4(ip))
    if (auto why = judge_one(inner, says, allowed)) return why;
  return std::nullopt;
}

bool name_allowed(std::string_view name, const AllowedDestinations& allowed) noexcept {
  return std::any_of(allowed.names.begin(), allowed.names.end(), [&](const std::string& row) {
    return row.starts_with("*.") ? name.size() > row.size() - 1 && name.ends_with(row.substr(1)) : name == row;
  });
}

std::optional<Refusal> judge_name(std::string_view name, const AllowedDestinations& allowed) noexcept {
  if (name != "localhost" && !name.ends_with(".localhost")) return std::nullopt;
  if (name_allowed(name, allowed)) return std::nullopt;
  // Where some of loopback is open, the addresses decide.
  const auto open = [&](const model::Cidr& range) {
    static const model::Cidr four = parse_cidr("127.0.0.0/8").value(), six = parse_cidr("::1").value();
    for (const auto& loopback : {four, six}) {
      Ip a, b;
      std::memcpy(a.data(), range.bytes, a.size());
      std::memcpy(b.data(), loopback.bytes, b.size());
      if (contains(loopback, a) || contains(range, b)) return true;
    }
    return false;
  };
  if (std::any_of(allowed.ranges.begin(), allowed.ranges.end(), open)) return std::nullopt;
  return Refusal::loopback;
}

bool spells_address(std::string_view name) noexcept {
  auto last = name.substr(name.find_last_of('.') + 1);
  const bool hex = last.starts_with("0x") || last.starts_with("0X");
  if (hex) last.remove_prefix(2);
  return (hex || !last.empty()) &&
         last.find_first_not_of(hex ? "0123456789abcdefABCDEF" : "0123456789") == std::string_view::npos;
}

bool Sieve::takes(const std::string& address, std::uint16_t port) {
  const auto ip = model::read_ip(address);
  if (!ip) return false;
  const auto why = judge(*ip, port, says_, allowed_, own_, by_);
  if (!why) return true;
  ++refused_;
  const auto same = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& k) { return k.why == *why; });
  if (same != kinds_.end()) {
    ++same->count;
    return false;
  }
  const bool six = address.find(':') != std::string::npos;
  kinds_.push_back({*why, (six ? "[" + address + "]" : address) + ":" + std::to_string(port), 1});
  return false;
}

std::string Sieve::text() const {
  std::string out;
  for (const auto& k : kinds_) out += (out.empty() ? "" : "; ") + k.first + ", " + std::string(to_string(k.why));
  return out;
}

void Sieve::report(const model::ObjectRef& object, const std::string& field, const std::string& name,
                   const std::string& consequence, model::Entries& entries) const {
  for (const auto& k : kinds_) {
    const std::string more = k.count > 1 ? " and " + std::to_string(k.count - 1) + " more" : "";
    const std::string from = name.empty() ? "" : name.substr(0, 60) + " at ";
    entries.push_back(refusal_entry(object, field, from + k.first + more, k.why, consequence));
  }
}

model::Entry refusal_entry(const model::ObjectRef& object, const std::string& field, std::string value, Refusal why,
                           const std::string& consequence) {
  return {object,
          {model::Severity::error, "DestinationRefused", field, shorten(value),
           why == Refusal::own_listener
               ? "a destination other than where this process listens itself"
               : "a destination other than " + std::string(to_string(why)) + ", or one that allow-destinations lists",
           consequence}};
}

std::vector<Ip> interface_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  std::vector<Ip> out;
  for (const ifaddrs* i = first; i; i = i->ifa_next) {
    if (!i->ifa_addr) continue;
    // These hold the addresses of all Services for IPVS, which leads connections to pods before they reach a listener.
    if (std::strcmp(i->ifa_name, "kube-ipvs0") == 0 || std::strcmp(i->ifa_name, "kube-dummy-if") == 0) continue;
    Ip ip{};
    if (i->ifa_addr->sa_family == AF_INET) {
      ip[10] = ip[11] = 0xff;
      std::memcpy(ip.data() + 12, &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr, 4);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      std::memcpy(ip.data(), &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    out.push_back(ip);
  }
  ::freeifaddrs(first);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace sluice::control
