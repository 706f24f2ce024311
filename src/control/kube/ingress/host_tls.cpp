#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/ingress/closing.h"
#include "control/kube/ingress/host_builder.h"

// How TLS with clients of a host is spoken: by its owner's Ingresses alone, as a handshake is for all of the host.
namespace sluice::control {

using model::Severity;

namespace {

bool guards_by_certificate(const model::Shared<model::ClientAuth>& auth) {
  return auth && (!auth->denied.empty() || auth->verify != model::VerifyClient::off || !auth->match_cn.empty());
}

}  // namespace

// As in ingress-nginx the oldest counts for all paths of the host, whosever they are; but one whose Secret cannot be
// used closes the host, be it younger. What others than the owner ask for guards paths of theirs: as it cannot be
// served, these are closed.
void HostBuilder::choose_client_auth() {
  if (tenants_.empty()) return;
  const IngressState* chosen = nullptr;
  for (const IngressState* o : owner().ingresses) {
    const auto& auth = o->settings->client_auth;
    if (auth && (!chosen || (!auth->denied.empty() && chosen->settings->client_auth->denied.empty()))) chosen = o;
  }
  const auto wanted = chosen ? chosen->settings->client_auth : model::Shared<model::ClientAuth>();
  for (const Tenant& tenant : tenants_) {
    for (const IngressState* o : tenant.ingresses) {
      const auto& auth = o->settings->client_auth;
      if (!auth || o == chosen) continue;
      if (&tenant != &owner()) {
        if (!guards_by_certificate(auth)) continue;
        demands_certificates_.try_emplace(tenant.ns.view(), "auth-tls-secret of " + o->ref->text() +
                                                                " guards paths of its namespace, and " + shown_name() +
                                                                " belongs to namespace " + owner().ns +
                                                                ", which decides about its TLS");
        report(*o, {Severity::error, "HostOfOtherNamespace", "metadata.annotations[auth-tls-secret]", auth->secret,
                    "an Ingress of namespace " + owner().ns + ", which " + shown_name() + " belongs to",
                    "paths of namespace " + tenant.ns + " at " + shown_name() + " answer 503"});
      } else if (auth != wanted && auth->denied.empty()) {
        report(*o, {Severity::warning, "NoEffect", "metadata.annotations[auth-tls-secret]", auth->secret,
                    "the same auth-tls-* as " + chosen->ref->text() + ", which counts at the whole host",
                    "clients of " + shown_name() + " are judged as that one says"});
      }
    }
  }
  model::Shared<model::ClientAuth> without_clear;
  for (Location& l : locations_) {
    auto own = wanted;
    if (own && needs_no_auth(l.path, state_.core_.model->options->no_auth_locations)) {
      if (!without_clear) {
        model::ClientAuth copy = *own;
        copy.plain_too = true;
        without_clear = std::move(copy);
      }
      own = without_clear;
    }
    if (l.settings->client_auth == own) continue;
    model::RouteSettings copy = *l.settings;
    copy.client_auth = own;
    l.settings = state_.core_.shared_settings.of(std::move(copy));
  }
  choose_tls_policy(wanted);
}

void HostBuilder::choose_tls_policy(const model::Shared<model::ClientAuth>& clients) {
  model::TlsPolicy policy;
  const IngressState *ciphers = nullptr, *order = nullptr;
  const auto in_vain = [&](const IngressState& o, const char* field, std::string value, std::string expected) {
    report(o, {Severity::warning, "NoEffect", field, shorten(value), std::move(expected),
               "TLS of " + shown_name() + " is not changed by it"});
  };
  for (const Tenant& tenant : tenants_) {
    for (const IngressState* o : tenant.ingresses) {
      if (!o->tls) continue;
      const auto& w = *o->tls;
      const auto judge = [&](const IngressState*& first, const char* field, const std::string& value) {
        if (&tenant != &owner())
          in_vain(*o, field, value, "an Ingress of namespace " + owner().ns + ", which the host belongs to");
        else if (!first)
          first = o;
        else
          in_vain(*o, field, value, "the annotation on " + first->ref->text() + ", which is older, alone");
      };
      if (!w.ciphers.empty()) judge(ciphers, "metadata.annotations[ssl-ciphers]", w.ciphers);
      if (w.prefer_server_ciphers)
        judge(order, "metadata.annotations[ssl-prefer-server-ciphers]", *w.prefer_server_ciphers ? "true" : "false");
    }
  }
  if (ciphers) {
    policy.ciphers = ciphers->tls->ciphers;
    policy.ciphers_by = {ciphers->ref->kind, ciphers->ref->ns, ciphers->ref->name, {}};
  }
  if (order) policy.prefer_server_ciphers = *order->tls->prefer_server_ciphers;
  if (clients && clients->denied.empty() && clients->verify != model::VerifyClient::off) policy.client_auth = clients;
  if (policy != model::TlsPolicy{}) host_->tls_policy = std::move(policy);
}

}  // namespace sluice::control
