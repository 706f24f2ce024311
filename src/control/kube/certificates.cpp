#include "control/kube/certificates.h"

#include <utility>

#include "control/kube/upstream_pair.h"

namespace sluice::control {

namespace {
const std::string& member(const Secret& s, const char* key) {
  static const std::string none;
  auto it = s.data.find(key);
  return it == s.data.end() ? none : it->second;
}
bool pem(const std::string& text) {
  return text.find("-----BEGIN ") != std::string::npos;
}
}  // namespace

Certificates::Certificates(Core& core) : core_(core) {
  const std::string& by_default = core.settings.default_ssl_certificate;
  if (by_default.empty()) return;
  core.model->default_certificate = by_default;
  known(by_default);
  dirty_.insert(by_default);
}

Certificates::State& Certificates::known(const std::string& name) {
  const auto [at, added] = all_.try_emplace(name);
  if (added) core_.references.set(at->second.names, *this, at->first, {name_of<Secret>(name)});
  return at->second;
}

void Certificates::show(const std::string& host, Names& had, const std::map<std::string, RefPtr>& uses) {
  const auto leave = [&](const std::string& name) {
    known(name).users.erase(host);
    dirty_.insert(name);
  };
  const auto join = [&](const std::string& name, const RefPtr& user) {
    // What is wrong with it is said of its first user, who may be another one now.
    auto& users = known(name).users;
    const User before = users.empty() ? User{nullptr, false} : users.begin()->second;
    users[host] = {user, uses.size() == 1};
    const auto& [first, alone] = users.begin()->second;
    if (!before.ingress || before.ingress->ns != first->ns || before.ingress->name != first->name ||
        before.alone != alone)
      dirty_.insert(name);
  };
  exchange(had, uses, leave, join);
}

std::shared_ptr<const model::Certificate> Certificates::build(const std::string& name, State& c, Entries& entries) {
  const Secret* secret = core_.objects.find<Secret>(name);
  auto user = c.users.empty() ? model::ObjectRef{"CommandLine", "", "--default-ssl-certificate", {}}
                              : *c.users.begin()->second.ingress;
  if (!secret) {
    const auto had = core_.model->certificates.find(name);
    const bool kept = had != core_.model->certificates.end() && core_.graces.graced(*this, name, c.grace);
    entries.push_back({user,
                       {model::Severity::warning, "MissingSecret",
                        c.users.empty() ? "--default-ssl-certificate" : "spec.tls.secretName", name,
                        "a Secret of type kubernetes.io/tls",
                        kept              ? "the pair that it had is used for some seconds"
                        : c.users.empty() ? "one that is made at the start is the default certificate"
                        : c.users.begin()->second.alone
                            ? "the default certificate is used"
                            : "the other pairs of the host are used, or the default certificate where there is none"}});
    return kept ? had->second : nullptr;
  }
  core_.graces.settle(*this, name, c.grace);
  auto& chain = member(*secret, "tls.crt");
  auto& key = member(*secret, "tls.key");
  if (!pem(chain) || !pem(key)) {
    entries.push_back({reference(*secret),
                       {model::Severity::error, "InvalidSecret", !pem(chain) ? "data[tls.crt]" : "data[tls.key]", "",
                        "PEM text", "it is not used: the previous pair stays, or the default certificate is used"}});
    return nullptr;
  }
  auto out = std::make_shared<model::Certificate>();
  out->name = name;
  out->chain_pem = chain;
  out->key_pem = key;
  out->object = reference(*secret);
  return out;
}

void Certificates::rebuild(model::Change& change) {
  for (const auto& name : std::exchange(dirty_, {})) rebuild(name, change);
}

void Certificates::rebuild(const std::string& name, model::Change& change) {
  auto it = all_.find(name);
  if (it == all_.end()) return;
  auto& pairs = core_.model->certificates;
  auto had = pairs.find(name);
  if (it->second.users.empty() && name != core_.settings.default_ssl_certificate) {
    core_.problems.say("certificate/" + name, {});
    if (had != pairs.end()) {
      pairs.erase(had);
      change.certificates.push_back(name);
    }
    core_.graces.settle(*this, name, it->second.grace);
    core_.references.set(it->second.names, *this, it->first, {});
    all_.erase(it);
    return;
  }
  ++core_.work.certificates;
  Entries entries;
  auto built = build(name, it->second, entries);
  const bool exists = core_.objects.has<Secret>(name);
  core_.problems.say("certificate/" + name, std::move(entries));
  if (built ? had != pairs.end() && *had->second == *built : had == pairs.end()) return;
  if (built)
    pairs[name] = built;
  else if (exists)
    return;  // broken: the previous pair stays
  else
    pairs.erase(had);
  change.certificates.push_back(name);
}

model::Shared<model::UpstreamTls> Certificates::upstream_tls(const ProxySsl& wanted, Unusable& why) {
  why.value = wanted.secret;
  const Secret* found = core_.objects.find<Secret>(wanted.secret);
  if (!found) {
    why.reason = "MissingSecret", why.expected = "a Secret that exists";
    return nullptr;
  }
  const Secret& secret = *found;
  model::UpstreamTls out;
  out.secret = wanted.secret;
  out.ca_pem = data_of(secret, "ca.crt", core_.readings);
  if (pem(member(secret, "tls.crt")) && pem(member(secret, "tls.key"))) {
    out.certificate_pem = data_of(secret, "tls.crt", core_.readings);
    out.key_pem = data_of<model::SecretText>(secret, "tls.key", core_.readings);
  } else if (!pem(out.ca_pem)) {
    why.reason = "InvalidSecret", why.expected = "a Secret with ca.crt, or tls.crt and tls.key, in PEM";
    return nullptr;
  }
  out.verify = wanted.verify;
  out.verify_depth = wanted.verify_depth;
  out.send_sni = wanted.server_name;
  out.server_name = wanted.name;
  out.protocols = wanted.protocols;
  out.ciphers = wanted.ciphers;
  const std::string how = std::string(out.verify ? "verified " : "not verified ") + out.ciphers;
  const auto& error = core_.readings.of(secret, how, [&] { return wrong_with(out); });
  if (!error.empty()) {
    const bool ciphers = error.starts_with("proxy-ssl-ciphers");
    why.reason = ciphers ? "InvalidAnnotation" : "InvalidSecret";
    if (ciphers) why.annotation = "proxy-ssl-ciphers", why.value = wanted.ciphers;
    why.expected =
        ciphers ? "an OpenSSL list with a cipher that is known" : "what OpenSSL takes for TLS towards pods: " + error;
    return nullptr;
  }
  return out;
}

}  // namespace sluice::control
