#include "model/fingerprint.h"

#include <type_traits>

namespace sluice::model {

namespace {

// FNV-1a over values one after the other, each with its length. Not against forgery: it compares honest replicas.
class Mixer {
 public:
  void bytes(std::string_view text) noexcept {
    for (const char c : text) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void add(T value) noexcept {
    auto rest = static_cast<std::uint64_t>(value);
    for (int i = 0; i < 8; ++i, rest >>= 8) state_ = (state_ ^ (rest & 0xff)) * 0x100000001b3ULL;
  }
  void add(Millis value) noexcept { add(value.count()); }
  void add(std::string_view text) noexcept {
    add(text.size());
    bytes(text);
  }
  void add(const std::string& text) noexcept { add(std::string_view(text)); }
  void add(const Text& text) noexcept { add(text.view()); }
  template <class T>
  void add(const std::optional<T>& value) {
    add(value.has_value());
    if (value) add(*value);
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const auto& value : values) add(value);
  }

  // A member that is added to one of these makes its line fail to compile: it is to be judged whether it counts.
  void add(const Redirect& r) {
    const auto& [status, location] = r;
    all(status, location);
  }
  void add(const UpstreamTls& t) {
    const auto& [verify, depth, sni, name, ca, certificate, _, protocols, ciphers] =
        t;  // the key is that of the certificate
    all(verify, depth, sni, name, ca, certificate, protocols, ciphers);
  }
  void add(const Rewrite& r) {
    const auto& [target] = r;
    add(target);
  }
  void add(const RouteSettings& s) {
    const auto& [ssl_redirect, force_ssl_redirect, ssl_redirect_status, preserve_trailing_slash, redirect,
                 relative_redirects, protocol, upstream_tls, body_limit, response_head_limit, request_buffering,
                 connect_timeout, send_timeout, read_timeout, tries, tries_timeout, retry_non_idempotent, access_log,
                 grpc_web, ambiguous_paths, rewrite] = s;
    all(ssl_redirect, force_ssl_redirect, ssl_redirect_status, preserve_trailing_slash, redirect, relative_redirects,
        protocol, body_limit, response_head_limit, request_buffering, connect_timeout, send_timeout, read_timeout,
        tries, tries_timeout, retry_non_idempotent, access_log, grpc_web, ambiguous_paths);
    add(upstream_tls != nullptr);
    if (upstream_tls) add(*upstream_tls);
    add(rewrite != nullptr);
    if (rewrite) add(*rewrite);
  }
  void add(const HostSecrets& s) { all(s.ingress.ns, s.ingress.name, s.secrets); }
  void add(const Endpoint& e) {
    const auto& [address, port, ready, terminating, pod] = e;
    all(address, port, ready, terminating, pod);
  }
  template <class... Values>
  void all(const Values&... values) {
    (add(values), ...);
  }

  std::uint64_t value() const noexcept {
    // Sums of these are compared: every bit of the state reaches every bit.
    std::uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

std::uint64_t of(const Route& r, std::uint64_t settings) {
  const auto& [match, path, cluster, status, tls, free, rank, _, ns, ingress, service, port, upstream, location, type,
               because, origin] = r;
  Mixer m;
  m.all(match, path, cluster, status, tls, free, rank, settings, ns, ingress, service, port, upstream, location, type,
        because);
  return m.value();
}

std::uint64_t of(const Host& host) {
  const auto& [name, ns, passthrough, tls, certificates, routes] = host;
  Mixer m;
  m.all(name, ns, passthrough, tls, certificates);
  std::uint64_t sum = 0, settings = 0;
  const RouteSettings* known = nullptr;  // most routes of a host share them
  for (const Route& route : routes) {
    if (route.settings && route.settings.get() != known) {
      Mixer s;
      s.add(*route.settings);
      settings = s.value();
    } else if (!route.settings) {
      settings = 0;
    }
    known = route.settings.get();
    sum += of(route, settings);
  }
  m.all(routes.size(), sum);
  return m.value();
}

// Without `refused` and why it is empty: what is left out because this very process is reached there differs.
std::uint64_t of(const Cluster& c) {
  Mixer m;
  m.all(c.name, c.upstream_name, c.endpoints, c.protocol, c.proxy_protocol, c.outside, c.no_service);
  return m.value();
}

std::uint64_t of(const Certificate& c) {
  Mixer m;
  m.all(c.name, c.chain_pem);
  return m.value();
}

}  // namespace

std::uint64_t fingerprint(std::string_view text) noexcept {
  Mixer m;
  m.add(text);
  return m.value();
}

void Fingerprint::Parts::set(const std::string& name, std::uint64_t value) {
  auto& slot = each[name];
  sum += value - slot;
  slot = value;
}

template <class T>
void Fingerprint::Parts::follow(const StringMap<std::shared_ptr<const T>>& now, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (const auto it = now.find(name); it != now.end()) {
      set(name, of(*it->second));
    } else if (const auto gone = each.find(name); gone != each.end()) {
      sum -= gone->second;
      each.erase(gone);
    }
  }
}

template <class T>
void Fingerprint::Parts::follow_all(const StringMap<std::shared_ptr<const T>>& now) {
  each.clear();
  sum = 0;
  for (const auto& [name, part] : now) set(name, of(*part));
}

void Fingerprint::follow(const Model& model, const Change& change) {
  if (change.everything) {
    hosts_.follow_all(model.hosts);
    clusters_.follow_all(model.clusters);
    certificates_.follow_all(model.certificates);
  } else {
    hosts_.follow(model.hosts, change.hosts);
    clusters_.follow(model.clusters, change.clusters);
    certificates_.follow(model.certificates, change.certificates);
  }
  if (change.everything || change.default_certificate) default_certificate_ = fingerprint(model.default_certificate);
}

std::uint64_t Fingerprint::value() const noexcept {
  Mixer m;
  m.all(hosts_.sum, clusters_.sum, certificates_.sum, options_, default_certificate_);
  return m.value();
}

}  // namespace sluice::model
