#include "control/kube/host_builder.h"

#include <algorithm>

#include "control/kube/grammar.h"

namespace sluice::control {

using model::Severity;

bool older(const Ingress& a, const Ingress& b) {
  if (a.meta.created != b.meta.created) return a.meta.created < b.meta.created;
  if (a.meta.created == kNoTimestamp) {
    if (a.meta.origin.file != b.meta.origin.file) return a.meta.origin.file < b.meta.origin.file;
    if (a.meta.position != b.meta.position) return a.meta.position < b.meta.position;
  }
  return key_of(a.meta) > key_of(b.meta);
}

Store::State::HostBuilder::HostBuilder(State& state, const std::string& name)
    : state_(state), name_(name), host_(std::make_shared<model::Host>()) {
  host_->name = name;
}

BuiltHost Store::State::HostBuilder::build() {
  find_owners();
  if (owners_.empty() && !(name_.empty() && !state_.default_backend_service.empty())) return std::move(out_);
  choose_upstream_tls();
  add_root();
  for (const IngressState* owner : owners_) add_paths(*owner);
  host_->passthrough = passes_through();
  add_routes();
  add_certificates();
  out_.host = std::move(host_);
  return std::move(out_);
}

void Store::State::HostBuilder::report(const IngressState& at, model::Problem problem) {
  out_.entries.push_back({*at.ref, std::move(problem)});
}

void Store::State::HostBuilder::find_owners() {
  for (const auto& key : state_.hosts.find(name_)->second.owners)
    owners_.push_back(&state_.ingresses.find(key)->second);
  std::sort(owners_.begin(), owners_.end(), [](auto* a, auto* b) { return older(a->ingress(), b->ingress()); });
}

// Of the Ingresses that ask for proxy-ssl-*, the oldest with a usable Secret counts for the host.
void Store::State::HostBuilder::choose_upstream_tls() {
  for (const IngressState* o : owners_) {
    if (!o->proxy_ssl) continue;
    std::string why;
    auto made = state_.upstream_tls(*o->proxy_ssl, why);
    if (!made) {
      without_secret_.insert(o);
      report(*o, {Severity::error, "InvalidSecret", "metadata.annotations[proxy-ssl-secret]", o->proxy_ssl->secret, why,
                  "the paths of this Ingress answer 503"});
    } else if (!upstream_tls_) {
      upstream_tls_ = std::move(made);
    }
  }
}

// Do the paths of this Ingress answer 503, because what protects them is not served?
bool Store::State::HostBuilder::closed_by(const IngressState& owner) const {
  return owner.denied || without_secret_.contains(&owner);
}

// Its own settings, with what holds for the whole host.
std::shared_ptr<const model::RouteSettings> Store::State::HostBuilder::settings_of(const IngressState& owner) {
  auto& known = settings_[&owner];
  if (known) return known;
  const bool closed = closed_by(owner);
  const auto protocol = owner.settings->protocol;
  const bool plain = protocol == model::BackendProtocol::http || protocol == model::BackendProtocol::grpc;
  if (!closed && (plain || !upstream_tls_)) return known = owner.settings;
  model::RouteSettings copy = *owner.settings;
  if (!plain) copy.upstream_tls = upstream_tls_;
  if (closed) {  // refused before any redirect
    copy.redirect.reset();
    copy.ssl_redirect = copy.force_ssl_redirect = false;
  }
  return known = state_.shared_settings.of(std::move(copy));
}

// Is TLS of the host passed through? Its oldest Ingress says whether, its path / says where to, as in ingress-nginx.
// What of such a wish cannot be is reported.
bool Store::State::HostBuilder::passes_through() {
  bool wanted = false;
  const auto in_vain = [&](const IngressState& o, std::string expected) {
    report(o, {Severity::warning, "NoEffect", "metadata.annotations[ssl-passthrough]", "true", std::move(expected),
               "TLS of " + (name_.empty() ? "its host" : name_) + " ends here"});
  };
  for (const IngressState* o : owners_) {
    if (!o->ssl_passthrough) continue;
    if (!state_.settings.ssl_passthrough)
      in_vain(*o, "--enable-ssl-passthrough on the command line");
    else if (name_.empty())
      in_vain(*o, "a host in the rule, to tell its clients by");
    else if (!owners_.front()->ssl_passthrough)
      in_vain(*o, "the annotation on Ingress " + key_of(owners_.front()->ingress().meta) + ", which is older");
    else
      wanted = true;
  }
  if (!wanted) return false;
  const auto root = std::find_if(locations_.begin(), locations_.end(), [](const Location& l) {
    return l.path == "/" && l.backend && !l.backend->resource && !l.closed;
  });
  if (root == locations_.end()) {
    in_vain(*owners_.front(), "a path / with a Service");
    return false;
  }
  for (const Location& l : locations_)
    if (l.path != "/" && l.owner)
      report(*l.owner,
             {Severity::warning, "PassthroughPath", "spec.rules", shorten(l.path),
              "the path / alone, as TLS of " + name_ + " is passed through",
              "it is served on plain http; by TLS all of the host goes to Service " + root->backend->service});
  return true;
}

void Store::State::HostBuilder::add_certificates() {
  for (const IngressState* o : owners_) {
    const Ingress& ingress = o->ingress();
    if (ingress.tls.empty() || name_.empty()) continue;
    host_->tls = true;
    std::vector<std::string> named;
    for (const auto& t : ingress.tls)
      for (const auto& h : t.hosts)
        if (lower(h) == name_ && named.empty() && !t.secret.empty()) named.push_back(t.secret);
    if (named.empty())
      for (const auto& t : ingress.tls)
        if (!t.secret.empty()) named.push_back(t.secret);
    for (const auto& secret : named) {
      auto full = ingress.meta.ns + "/" + secret;
      if (out_.certificates.emplace(full, o->ref).second) host_->certificates.push_back(full);
    }
  }
}

}  // namespace sluice::control
