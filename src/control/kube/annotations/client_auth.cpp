#include <algorithm>
#include <array>

#include "base/regex.h"
#include "base/strings.h"
#include "control/kube/annotations/values.h"

// auth-tls-*: clients of a host show certificates. What is written is judged here, once for each Ingress; of those that
// a namespace has at a host HostBuilder::choose_client_auth() takes one.
namespace sluice::control::annotation {

namespace {

using model::Severity, model::VerifyClient;

constexpr std::string_view kTlsSecret = "auth-tls-secret", kVerifyClient = "auth-tls-verify-client",
                           kVerifyDepth = "auth-tls-verify-depth", kErrorPage = "auth-tls-error-page",
                           kPass = "auth-tls-pass-certificate-to-upstream", kMatchCn = "auth-tls-match-cn";
constexpr std::string_view kModes[] = {"off", "on", "optional", "optional_no_ca"};

// finish_client_auth() judges all of them.
template <std::string WrittenClientAuth::* M>
std::string keep(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.client_auth.*M = v;
  return {};
}

std::string read_tls_secret(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  auto& w = out.client_auth;
  w.secret = v;
  w.ingress = context.ns() + "/" + context.ingress.meta.name;
  const auto slash = v.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == v.size() ||
      v.find('/', slash + 1) != std::string_view::npos)
    return {};
  w.name = v;
  w.ns = v.substr(0, slash);
  w.foreign = w.ns != context.ns() && !context.options.allow_cross_namespace_resources;
  if (!w.foreign) w.held = context.look_up.secret(w.name);
  return {};
}

const model::ClientAuth& auth_of(const ServedRoute& served) {
  static const model::ClientAuth none;
  return served.settings.client_auth ? *served.settings.client_auth : none;
}
std::string print_tls_secret(const ServedRoute& served) {
  const auto& auth = auth_of(served);
  return auth.denied.empty() ? auth.secret : auth.secret + " (403: " + auth.denied + ")";
}
std::string print_verify_client(const ServedRoute& served) {
  return std::string(kModes[static_cast<std::size_t>(auth_of(served).verify)]);
}
std::string print_tls_depth(const ServedRoute& served) {
  return std::to_string(auth_of(served).depth);
}
std::string print_error_page(const ServedRoute& served) {
  return auth_of(served).error_page;
}
std::string print_pass(const ServedRoute& served) {
  return truth(auth_of(served).pass_certificate);
}
std::string print_match_cn(const ServedRoute& served) {
  return auth_of(served).match_cn;
}

constexpr std::array kClientAuthRows{
    Annotation{
        .name = kErrorPage,
        .value = {"absolute URL", keep<&WrittenClientAuth::error_page>, print_error_page, White::spaces_or_absent},
        .on_invalid = OnInvalid::drop,
        .risk = model::Risk::high,
        .scope = Scope::host,
        .needs = kTlsSecret,
        .read_with = kTlsSecret,
        .doc = "where clients are sent (302) that are refused for their certificate, instead of 400"},
    Annotation{.name = kMatchCn,
               .value = {"CN= and a regular expression", keep<&WrittenClientAuth::match_cn>, print_match_cn},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::high,
               .scope = Scope::host,
               .needs = kTlsSecret,
               .read_with = kTlsSecret,
               .doc = "what the subject of the certificate must match, anywhere in it; else 403"},
    Annotation{.name = kPass,
               .value = {"boolean", keep<&WrittenClientAuth::pass>, print_pass, White::none},
               .on_invalid = OnInvalid::drop,
               .scope = Scope::host,
               .initial = "false",
               .needs = kTlsSecret,
               .read_with = kTlsSecret,
               .doc = "pods get the certificate, as PEM that is percent-encoded, in `ssl-client-cert`"},
    Annotation{.name = kTlsSecret,
               .value = {"NAMESPACE/NAME", read_tls_secret, print_tls_secret, White::spaces},  // alone they would open
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .scope = Scope::host,
               .doc =
                   "Secret with ca.crt, the authorities of clients' certificates, and perhaps ca.crl; without one that "
                   "can be used the host answers 403 ([client certificates](client-certificates.md))"},
    Annotation{.name = kVerifyClient,
               .value = {"on, off, optional or optional_no_ca", keep<&WrittenClientAuth::verify>, print_verify_client,
                         White::spaces},
               .risk = model::Risk::medium,
               .scope = Scope::host,
               .initial = "on",
               .needs = kTlsSecret,
               .read_with = kTlsSecret,
               .doc =
                   "on: who shows no good certificate is refused; optional: who shows none may come; optional_no_ca: "
                   "one of an unknown authority may come as well"},
    Annotation{.name = kVerifyDepth,
               .value = {"number", keep<&WrittenClientAuth::depth>, print_tls_depth, White::none},
               .scope = Scope::host,
               .initial = "1",
               .needs = kTlsSecret,
               .read_with = kTlsSecret,
               .doc = "how many authorities may stand between the certificate and one of ca.crt"},
};

// As ingress-nginx takes it.
bool is_error_page(std::string_view v) {
  if (v.starts_with('@')) return v.size() > 1 && made_of(v.substr(1), "_-");
  const auto scheme = v.find("://");
  if (scheme != std::string_view::npos && v.substr(0, scheme) != "http" && v.substr(0, scheme) != "https") return false;
  const auto rest = scheme == std::string_view::npos ? v : v.substr(scheme + 3);
  const auto slash = rest.find('/');
  const auto host = rest.substr(0, slash);
  const auto colon = host.find(':');
  if (scheme != std::string_view::npos && host.empty()) return false;
  if (!made_of(host.substr(0, colon), ".-")) return false;
  if (colon != std::string_view::npos && (colon == 0 || colon + 1 == host.size() ||
                                          host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos))
    return false;
  if (slash == std::string_view::npos) return true;
  const auto path = rest.substr(slash);
  return made_of(path, "/-_.") && path.find("//") == std::string_view::npos;
}

struct ClientAuthReader {
  AnnotationResult& out;
  WrittenClientAuth& w = out.values.client_auth;
  model::ClientAuth auth{};

  void say(std::string_view annotation, std::string_view value, Severity severity, const char* reason,
           std::string expected, std::string consequence) {
    out.problems.push_back({severity, reason, "metadata.annotations[" + std::string(annotation) + "]", shorten(value),
                            std::move(expected), std::move(consequence)});
  }
  void drop(std::string_view annotation, std::string_view value, std::string expected) {
    out.dropped = true;
    say(annotation, value, Severity::error, "InvalidAnnotation", std::move(expected), "the Ingress is not served");
  }

  void read_rest() {
    auth.secret = w.name.empty() ? w.secret : w.name;
    if (!w.verify.empty()) {
      const auto at = std::ranges::find(kModes, w.verify);
      if (at == std::end(kModes))
        say(kVerifyClient, w.verify, Severity::warning, "InvalidAnnotation", "on, off, optional or optional_no_ca",
            "the default is used: on");
      else
        auth.verify = static_cast<VerifyClient>(at - std::begin(kModes));
    }
    if (!w.depth.empty()) {
      const auto n = parse_int(w.depth);
      if (!n || *n < 0 || *n > 100)
        say(kVerifyDepth, w.depth, Severity::warning, "InvalidAnnotation", "a number from 0 to 100",
            "the default is used: 1");
      else if (*n > 0)
        auth.depth = static_cast<std::uint32_t>(*n);
    }
    if (!w.error_page.empty()) {
      if (!is_error_page(w.error_page))
        drop(kErrorPage, w.error_page, "an absolute URL of letters, digits and -._/");
      else if (!w.error_page.starts_with("http://") && !w.error_page.starts_with("https://"))
        say(kErrorPage, w.error_page, Severity::warning, "UnsupportedAnnotation", "a URL with http:// or https://",
            "clients that are refused get 400: a page of the host itself would have to be open to them");
      else
        auth.error_page = w.error_page;
    }
    if (!w.pass.empty()) {
      const auto b = parse_bool(w.pass);
      if (!b)
        drop(kPass, w.pass, "true or false");
      else
        auth.pass_certificate = *b;
    }
    if (w.match_cn.empty()) return;
    if (!w.match_cn.starts_with("CN=")) return drop(kMatchCn, w.match_cn, "CN= and a regular expression");
    if (auto pattern = Regex::make("(?-i)" + w.match_cn); !pattern)
      return drop(kMatchCn, w.match_cn, "a regular expression (PCRE2): " + pattern.error());
    auth.match_cn = w.match_cn;
  }

  // Why the authorities cannot be used, and by what reason it is reported; what they hold is read by the compiler.
  std::pair<const char*, std::string> wrong() const {
    if (w.name.empty()) return {"InvalidAnnotation", "NAMESPACE/NAME of a Secret"};
    if (w.foreign)
      return {"InvalidAnnotation",
              "a Secret of the Ingress's namespace, not of " + w.ns + ", as allow-cross-namespace-resources is false"};
    if (w.held == nullptr) return {"MissingSecret", "a Secret that exists"};
    const auto ca = w.held->data.find("ca.crt");
    if (ca == w.held->data.end() || ca->second.find("-----BEGIN ") == std::string::npos)
      return {"InvalidSecret", "a Secret with the key ca.crt in PEM"};
    return {nullptr, ""};
  }

  void read() {
    if (w.secret.empty()) return;
    if (!made_of(w.secret, " -._~/:")) drop(kTlsSecret, w.secret, "NAMESPACE/NAME of a Secret");
    read_rest();
    if (out.dropped) return;
    if (const auto [reason, expected] = wrong(); reason != nullptr) {
      const bool asks_nobody = auth.verify == VerifyClient::off && auth.match_cn.empty();
      say(kTlsSecret, w.secret, asks_nobody ? Severity::warning : Severity::error, reason, expected,
          asks_nobody ? "nothing, as nobody is asked for a certificate"
                      : "all paths of its hosts answer 403, as far as the hosts are its namespace's");
      if (asks_nobody) return;
      auth.denied = "the Secret of auth-tls-secret of Ingress " + w.ingress + " cannot be used: expected " + expected;
    } else {
      auth.ca_pem = data_of(*w.held, "ca.crt", *out.readings);
      auth.crl_pem = data_of(*w.held, "ca.crl", *out.readings);
    }
    out.values.settings.client_auth = std::move(auth);
  }
};

void finish_client_auth(AnnotationResult& out) {
  ClientAuthReader{out}.read();
}

}  // namespace

AnnotationFamily client_auth() {
  return {kClientAuthRows, finish_client_auth};
}

}  // namespace sluice::control::annotation
