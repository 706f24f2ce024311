#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

std::string read_secret(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  if (!made_of(v, " -._~/:")) return "NAMESPACE/NAME of a Secret, of letters, digits and -._~/:";
  out.on_invalid = OnInvalid::deny;
  auto slash = v.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == v.size() ||
      v.find('/', slash + 1) != std::string_view::npos)
    return "NAMESPACE/NAME of a Secret";
  if (v.substr(0, slash) != context.ns()) return "a Secret of the namespace " + context.ns();
  // What it holds is judged at each host, where that of another Ingress may count.
  context.look_up.secret(v);
  out.proxy_ssl.secret = v;
  return {};
}

std::string read_verify(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  out.proxy_ssl.verify = *b;
  return {};
}

std::string read_verify_depth(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  auto n = parse_int(v);
  if (!n || *n < 0 || *n > 100) return "a number from 0 to 100";
  out.proxy_ssl.verify_depth = *n == 0 ? 1 : static_cast<std::uint32_t>(*n);
  return {};
}

std::string read_name(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!is_host_name(v, false)) return "a host name";
  out.proxy_ssl.name = v;
  return {};
}

std::string read_server_name(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  out.proxy_ssl.server_name = *b;
  return {};
}

std::string read_protocols(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  std::string kept;
  while (!v.empty()) {
    auto space = v.find(' ');
    auto name = v.substr(0, space);
    v.remove_prefix(space == std::string_view::npos ? v.size() : space + 1);
    if (name.empty()) continue;
    if (name != "TLSv1.2" && name != "TLSv1.3") return "TLSv1.2, TLSv1.3 or both, separated by a space";
    kept += (kept.empty() ? "" : " ") + std::string(name);
  }
  if (kept.empty()) return "names of TLS versions";
  out.proxy_ssl.protocols = kept;
  return {};
}

std::string read_ciphers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, "!:+-_=@")) return "an OpenSSL cipher list";
  out.proxy_ssl.ciphers = v;
  return {};
}

// By proxy-ssl-secret all of them count; without it none does.
const model::UpstreamTls& tls_of(const ServedRoute& served) {
  static const model::UpstreamTls none;
  return served.settings.upstream_tls ? *served.settings.upstream_tls : none;
}
std::string print_secret(const ServedRoute& served) {
  return tls_of(served).secret;
}
std::string print_verify(const ServedRoute& served) {
  return on_off_text(tls_of(served).verify);
}
std::string print_verify_depth(const ServedRoute& served) {
  return std::to_string(tls_of(served).verify_depth);
}
std::string print_name(const ServedRoute& served) {
  return tls_of(served).server_name;
}
std::string print_server_name(const ServedRoute& served) {
  return on_off_text(tls_of(served).send_sni);
}
std::string print_protocols(const ServedRoute& served) {
  return tls_of(served).protocols;
}
std::string print_ciphers(const ServedRoute& served) {
  return tls_of(served).ciphers;
}

constexpr std::string_view kSecret = "proxy-ssl-secret";

constexpr std::array kProxySslRows{
    Annotation{.name = "proxy-ssl-ciphers",
               .value = {"OpenSSL list", read_ciphers, print_ciphers, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::host,
               .initial = "DEFAULT",
               .needs = kSecret,
               .doc = "ciphers towards pods up to TLS 1.2"},
    Annotation{.name = "proxy-ssl-name",
               .value = {"host name", read_name, print_name, White::any_or_absent},
               .risk = model::Risk::high,
               .scope = Scope::host,
               .needs = kSecret,
               .doc = "name that the pod's certificate must have, and that is sent by SNI"},
    Annotation{.name = "proxy-ssl-protocols",
               .value = {"TLS versions", read_protocols, print_protocols, White::spaces_or_absent},
               .scope = Scope::host,
               .initial = "TLSv1.2",
               .needs = kSecret,
               .doc = "versions towards pods, of TLSv1.2 and TLSv1.3"},
    Annotation{
        .name = kSecret,
        .value = {"NAMESPACE/NAME", read_secret, print_secret, White::spaces_or_absent},
        .on_invalid = OnInvalid::drop,
        .risk = model::Risk::medium,
        .scope = Scope::host,
        .doc =
            "Secret with ca.crt and, for client certificates, tls.crt and tls.key; one of another namespace or without "
            "its namespace is 503; without it the other proxy-ssl-* have no effect"},
    Annotation{.name = "proxy-ssl-server-name",
               .value = {"on or off", read_server_name, print_server_name, White::spaces},
               .scope = Scope::host,
               .initial = "off",
               .needs = kSecret,
               .doc = "send proxy-ssl-name by SNI"},
    Annotation{.name = "proxy-ssl-verify",
               .value = {"on or off", read_verify, print_verify, White::spaces},
               .scope = Scope::host,
               .initial = "off",
               .needs = kSecret,
               .doc = "verify the pod's certificate"},
    Annotation{.name = "proxy-ssl-verify-depth",
               .value = {"number", read_verify_depth, print_verify_depth, White::none},
               .scope = Scope::host,
               .initial = "1",
               .needs = kSecret,
               .doc = "longest chain of issuers"},
};

void finish_proxy_ssl(AnnotationResult& out) {
  const ProxySsl& written = out.values.proxy_ssl;
  if (!out.dropped && out.closing.denied.empty() && written.secret.empty() && written != ProxySsl{})
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[proxy-ssl-*]", "",
                            "proxy-ssl-secret beside them", "without proxy-ssl-secret they are ignored"});
}

}  // namespace

AnnotationFamily proxy_ssl() {
  return {kProxySslRows, finish_proxy_ssl};
}

}  // namespace sluice::control::annotation
