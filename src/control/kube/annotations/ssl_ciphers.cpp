#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// ssl-ciphers and ssl-prefer-server-ciphers of a host. HostBuilder::choose_tls_policy() takes the oldest of each.
namespace sluice::control::annotation {

namespace {

// As ingress-nginx takes it: @STRENGTH and @SECLEVEL=0 to 5 beside the names.
std::string read_host_ciphers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  constexpr const char* expected = "an OpenSSL cipher list of letters, digits and !:+-_, @STRENGTH or @SECLEVEL=0 to 5";
  for (auto rest = v; !rest.empty();) {
    const auto at = rest.find('@');
    if (!made_of(rest.substr(0, at), "!:+-_")) return expected;
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at);
    if (rest.starts_with("@STRENGTH"))
      rest.remove_prefix(9);
    else if (rest.starts_with("@SECLEVEL=") && rest.size() > 10 && rest[10] >= '0' && rest[10] <= '5')
      rest.remove_prefix(11);
    else
      return expected;
  }
  out.tls.ciphers = v;
  return {};
}

std::string read_prefer(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.tls.prefer_server_ciphers = *b;
  return {};
}

const model::TlsPolicy& policy_of(const ServedRoute& served) {
  static const model::TlsPolicy none;
  return served.host && served.host->tls_policy ? *served.host->tls_policy : none;
}
std::string print_host_ciphers(const ServedRoute& served) {
  return policy_of(served).ciphers;
}
std::string print_prefer(const ServedRoute& served) {
  return truth(policy_of(served).prefer_server_ciphers);
}

constexpr std::array kCipherRows{
    Annotation{.name = "ssl-ciphers",
               .value = {"OpenSSL list", read_host_ciphers, print_host_ciphers, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .scope = Scope::host,
               .option = "ssl-ciphers",
               .doc = "ciphers of the host up to TLS 1.2; a list without a cipher that is known is reported and leaves "
                      "those of the option ([TLS](tls.md#of-a-host))"},
    Annotation{.name = "ssl-prefer-server-ciphers",
               .value = {"boolean", read_prefer, print_prefer, White::none},
               .scope = Scope::host,
               .initial = "true",
               .doc = "the order of our ciphers counts at the host, not that of the client"},
};

}  // namespace

AnnotationFamily ssl_ciphers() {
  return {kCipherRows};
}

}  // namespace sluice::control::annotation
