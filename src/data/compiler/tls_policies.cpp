#include "data/compiler/tls_policies.h"

#include <algorithm>

#include "base/base64.h"
#include "data/routing/host_routes.h"

namespace sluice::data {

namespace {

// Two policies with the same one are the same context. The authority is the same object for the same texts, and lives
// as long as a context that has it.
std::string key_of(const net::tls::ServerPolicy& p) {
  std::string key;
  const auto add = [&](std::string_view text) { key.append(std::to_string(text.size())).append(":").append(text); };
  add(p.protocols);
  add(p.ciphers);
  add(p.curves);
  add(p.scope);
  add(p.ticket_key);
  for (const auto& name : p.alpn) add(name);
  key += p.prefer_server_ciphers ? '+' : '-';
  key += p.session_cache ? '+' : '-';
  key += p.session_tickets ? '+' : '-';
  add(std::to_string(p.session_timeout));
  if (p.clients) {
    add(std::to_string(reinterpret_cast<std::uintptr_t>(p.clients->authority.get())));
    add(std::to_string(p.clients->depth));
  }
  return key;
}

}  // namespace

net::tls::ServerPolicy server_policy(const model::Options& o) {
  net::tls::ServerPolicy p;
  if (o.use_http2) p.alpn.insert(p.alpn.begin(), "h2");
  p.alpn.emplace_back("http/1.0");  // some old clients ask for it by name
  p.protocols = o.ssl_protocols;
  p.ciphers = o.ssl_ciphers;
  p.curves = o.ssl_ecdh_curve;
  p.session_cache = o.ssl_session_cache;
  p.session_tickets = o.ssl_session_tickets;
  p.session_timeout = o.ssl_session_timeout.count();
  p.ticket_key = decode_base64(o.ssl_session_ticket_key).value_or("");
  return p;
}

TlsPolicies::Made TlsPolicies::of(const model::TlsPolicy& wanted, const model::Options& options,
                                  std::string_view host) {
  Made out;
  net::tls::ServerPolicy policy = server_policy(options);
  const auto add = [&](model::ObjectRef object, std::string reason, std::string field, std::string value,
                       std::string expected, std::string consequence) {
    out.problems.push_back({std::move(object),
                            {model::Severity::error, std::move(reason), std::move(field), std::move(value),
                             std::move(expected), std::move(consequence)}});
  };
  const auto shown = [&] { return host.empty() ? std::string("the catch-all host") : std::string(host); };
  if (wanted.asks_clients()) {
    const auto& auth = *wanted.client_auth;
    if (auto authority = net::tls::client_authority(auth.ca_pem, auth.crl_pem)) {
      policy.clients = net::tls::ClientCheck{std::move(*authority), auth.depth};
    } else {
      const auto slash = auth.secret.find('/');
      add({"Secret", auth.secret.substr(0, slash), auth.secret.substr(slash + 1), {}}, "InvalidSecret",
          authority.error().starts_with("ca.crl") ? "data[ca.crl]" : "data[ca.crt]", "",
          "authorities of client certificates in PEM (" + authority.error() + ")",
          shown() + " answers 403 to everybody, as auth-tls-secret names it");
    }
  }
  policy.prefer_server_ciphers = wanted.prefer_server_ciphers;
  if (!wanted.prefer_server_ciphers) policy.scope = "client's order";
  const auto make = [&]() -> std::expected<std::shared_ptr<net::tls::ServerContext>, std::string> {
    const std::string key = key_of(policy);
    if (const auto at = known_.find(key); at != known_.end())
      if (auto held = at->second.lock()) return held;
    auto made = net::tls::make_server_context(policy);
    if (!made) return made;
    if (known_.size() >= tidy_at_) {
      std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
      tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
    }
    known_[key] = *made;
    return made;
  };
  const std::string scope = policy.scope, usual = policy.ciphers;
  if (!wanted.ciphers.empty()) {
    policy.ciphers = wanted.ciphers;
    policy.scope += "/" + wanted.ciphers;
  }
  auto made = make();
  if (!made && !wanted.ciphers.empty()) {
    add(wanted.ciphers_by, "InvalidAnnotation", "metadata.annotations[ssl-ciphers]", wanted.ciphers.substr(0, 120),
        "an OpenSSL list with a cipher that is known (" + made.error() + ")",
        shown() + " is served with the ciphers of the option ssl-ciphers");
    policy.ciphers = usual;
    policy.scope = scope;
    made = make();
  }
  if (made) out.context = std::move(*made);
  return out;
}

std::shared_ptr<net::tls::ServerContext> HostContexts::context_for(std::string_view server_name) const noexcept {
  const HostRoutes* const host = routes_->host(server_name);
  return host != nullptr ? host->tls() : nullptr;
}

}  // namespace sluice::data
