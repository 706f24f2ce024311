#include "data/proxy/misdirected.h"

#include <algorithm>
#include <span>

#include "data/routing/host_routes.h"
#include "net/tls/tls.h"

namespace sluice::data {

namespace {

// A client that reaches one namespace by the certificate of another would trust what that has not said. A name that is
// no host here belongs to nobody: CDNs send such.
bool is_another_owners(const Snapshot& snapshot, std::string_view server_name, std::string_view host) noexcept {
  const HostRoutes* const reached = snapshot.routes->host(server_name);
  const HostRoutes* const wanted = snapshot.routes->host(host);
  if (reached == nullptr || wanted == nullptr || reached == wanted || reached->name().empty()) return false;
  const Text &theirs = reached->spec().ns, &ours = wanted->spec().ns;
  if (theirs == ours || theirs.empty() || ours.empty()) return false;
  const auto shown_for = [&](std::string_view name) {
    const auto* const pairs = snapshot.certificates->find(name);
    return pairs ? std::span(*pairs) : std::span(&snapshot.certificates->fallback(), 1);
  };
  // One in common is enough: which of two the client was shown is its own choice.
  const auto shown = shown_for(server_name), own = shown_for(host);
  return std::find_first_of(own.begin(), own.end(), shown.begin(), shown.end()) == own.end();
}

// Likewise a name that is no host here was promised nothing: such a connection is none that the host's clients made,
// and what the host demands of them is asked for by its own steps.
bool is_of_another_policy(const Snapshot& snapshot, std::string_view server_name, std::string_view host) noexcept {
  if (snapshot.contexts == nullptr) return false;
  const HostRoutes* const reached = snapshot.routes->host(server_name);
  const HostRoutes* const wanted = snapshot.routes->host(host);
  if (reached == nullptr || wanted == nullptr || reached == wanted || reached->name().empty()) return false;
  return !serves_for(reached->spec().tls_policy.get(), wanted->spec().tls_policy.get());
}

}  // namespace

bool serves_for(const model::TlsPolicy* made_for, const model::TlsPolicy* wanted) noexcept {
  if (made_for == wanted) return true;
  static const model::TlsPolicy plain;
  const auto &a = made_for != nullptr ? *made_for : plain, &b = wanted != nullptr ? *wanted : plain;
  if (a.ciphers != b.ciphers || a.prefer_server_ciphers != b.prefer_server_ciphers) return false;
  if (!b.asks_clients()) return true;
  if (!a.asks_clients()) return false;
  const auto &x = *a.client_auth, &y = *b.client_auth;
  return &x == &y || (x.depth == y.depth && x.ca_pem == y.ca_pem && x.crl_pem == y.crl_pem);
}

const char* misdirected(const Snapshot& snapshot, std::string_view server_name, std::string_view host,
                        bool passthrough) noexcept {
  if (passthrough) {
    // Its TLS is its pods' own: who says its name inside another host's has come to the wrong server.
    const Route* root = snapshot.routes->root(host);
    if (root != nullptr && root->passthrough) return "a host whose TLS is passed through";
  }
  if (server_name.empty() || server_name == host) return nullptr;
  if (is_another_owners(snapshot, server_name, host)) return "a host of another namespace than the TLS connection's";
  return is_of_another_policy(snapshot, server_name, host) ? "a host of another TLS policy than the connection's"
                                                           : nullptr;
}

}  // namespace sluice::data
