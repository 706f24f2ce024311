#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string proxy_ssl_secret(std::string_view v, const Ingress& ingress, AnnotationValues& out) {
  auto slash = v.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == v.size() ||
      v.find('/', slash + 1) != std::string_view::npos)
    return "NAMESPACE/NAME of a Secret";
  if (v.substr(0, slash) != ingress.meta.ns) return "a Secret of the namespace " + ingress.meta.ns;
  out.proxy_ssl.secret = v;
  return {};
}

std::string proxy_ssl_verify(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  out.proxy_ssl.verify = *b;
  return {};
}

std::string proxy_ssl_verify_depth(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto n = parse_int(v);
  if (!n || *n < 0 || *n > 100) return "a number from 0 to 100";
  out.proxy_ssl.verify_depth = *n == 0 ? 1 : static_cast<std::uint32_t>(*n);
  return {};
}

std::string proxy_ssl_name(std::string_view v, const Ingress&, AnnotationValues& out) {
  if (!is_host_name(v, false)) return "a host name";
  out.proxy_ssl.name = v;
  return {};
}

std::string proxy_ssl_server_name(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  out.proxy_ssl.server_name = *b;
  return {};
}

std::string proxy_ssl_protocols(std::string_view v, const Ingress&, AnnotationValues& out) {
  std::string kept;
  while (!v.empty()) {
    auto space = v.find(' ');
    auto name = v.substr(0, space);
    v.remove_prefix(space == std::string_view::npos ? v.size() : space + 1);
    if (name.empty()) continue;
    if (name != "SSLv2" && name != "SSLv3" && name != "TLSv1" && name != "TLSv1.1" && name != "TLSv1.2" &&
        name != "TLSv1.3")
      return "names of TLS versions separated by spaces, such as TLSv1.2 TLSv1.3";
    kept += (kept.empty() ? "" : " ") + std::string(name);
  }
  if (kept.empty()) return "names of TLS versions";
  out.proxy_ssl.protocols = kept;
  return {};
}

std::string proxy_ssl_ciphers(std::string_view v, const Ingress&, AnnotationValues& out) {
  for (char c : v) {
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && std::string_view("!:+-_=@").find(c) == std::string_view::npos) return "an OpenSSL cipher list";
  }
  out.proxy_ssl.ciphers = v;
  return {};
}

}  // namespace sluice::control::annotation
