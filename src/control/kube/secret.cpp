#include "control/kube/state.h"

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

std::shared_ptr<const model::Certificate> Store::State::build_certificate(const std::string& name, CertificateState& c,
                                                                          Entries& entries) {
  auto found = secrets.find(name);
  auto user =
      c.users.empty() ? model::ObjectRef{"CommandLine", "", "--default-ssl-certificate", {}} : *c.users.begin()->second;
  if (found == secrets.end()) {
    const auto had = model->certificates.find(name);
    const bool kept = had != model->certificates.end() && graced(Kept::certificate, name, c.grace);
    entries.push_back(
        {user,
         {model::Severity::warning, "MissingSecret", "spec.tls.secretName", name, "a Secret of type kubernetes.io/tls",
          kept ? "the pair that it had is used for some seconds" : "the default certificate is used"}});
    return kept ? had->second : nullptr;
  }
  settle(Kept::certificate, name, c.grace);
  auto& secret = std::get<Secret>(*found->second);
  auto& chain = member(secret, "tls.crt");
  auto& key = member(secret, "tls.key");
  if (!pem(chain) || !pem(key)) {
    entries.push_back({reference(*found->second),
                       {model::Severity::error, "InvalidSecret", !pem(chain) ? "data[tls.crt]" : "data[tls.key]", "",
                        "PEM text", "it is not used: the previous pair stays, or the default certificate is used"}});
    return nullptr;
  }
  auto out = std::make_shared<model::Certificate>();
  out->name = name;
  out->chain_pem = chain;
  out->key_pem = key;
  out->object = reference(*found->second);
  return out;
}

void Store::State::rebuild_certificate(const std::string& name, model::Change& change) {
  auto it = certificates.find(name);
  if (it == certificates.end()) return;
  auto had = model->certificates.find(name);
  if (it->second.users.empty() && name != settings.default_ssl_certificate) {
    say("certificate/" + name, {});
    if (had != model->certificates.end()) {
      model->certificates.erase(had);
      change.certificates.push_back(name);
    }
    settle(Kept::certificate, name, it->second.grace);
    certificates.erase(it);
    return;
  }
  ++work.certificates;
  Entries entries;
  auto built = build_certificate(name, it->second, entries);
  bool exists = secrets.contains(name);
  say("certificate/" + name, std::move(entries));
  if (built ? had != model->certificates.end() && *had->second == *built : had == model->certificates.end()) return;
  if (built)
    model->certificates[name] = built;
  else if (exists)
    return;  // broken: the previous pair stays
  else
    model->certificates.erase(had);
  change.certificates.push_back(name);
}

model::Shared<model::UpstreamTls> Store::State::upstream_tls(const ProxySsl& wanted, std::string& why) const {
  auto found = secrets.find(wanted.secret);
  if (found == secrets.end()) {
    why = "a Secret that exists";
    return nullptr;
  }
  auto& secret = std::get<Secret>(*found->second);
  model::UpstreamTls out;
  out.secret = wanted.secret;
  out.ca_pem = member(secret, "ca.crt");
  out.certificate_pem = member(secret, "tls.crt");
  out.key_pem = member(secret, "tls.key");
  bool pair = pem(out.certificate_pem) && pem(out.key_pem);
  if (!pair) {
    out.certificate_pem.clear();
    out.key_pem.clear();
  }
  if (!pair && !pem(out.ca_pem)) {
    why = "a Secret with ca.crt, or tls.crt and tls.key, in PEM";
    return nullptr;
  }
  out.verify = wanted.verify;
  out.verify_depth = wanted.verify_depth;
  out.send_sni = wanted.server_name;
  out.server_name = wanted.name;
  out.protocols = wanted.protocols;
  out.ciphers = wanted.ciphers;
  return out;
}

}  // namespace sluice::control
