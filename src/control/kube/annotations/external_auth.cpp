#include "control/kube/external_auth.h"

#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// auth-url and what goes with it.
namespace sluice::control::annotation {

namespace {

using model::ExternalAuth;
using model::Severity;

constexpr std::string_view kAuthUrl = "auth-url", kAuthHeaders = "auth-proxy-set-headers", kKept = "auth-keepalive",
                           kGlobalAuth = "enable-global-auth";

std::string read_url(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.external_auth.auth.url = v;
  return {};
}
std::string print_url(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->url : "";
}

std::string read_method(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_auth_method(v, out.external_auth.auth.method);
}
std::string print_method(const ServedRoute& served) {
  const auto& auth = served.settings.external_auth;
  return auth && !auth->method.empty() ? auth->method : "GET";
}

std::string read_signin_url(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_signin(v, out.external_auth.auth.signin);
}
std::string print_signin(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->signin.text() : "";
}

std::string read_signin_param(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, "-._~")) return "the name of a parameter";
  out.external_auth.auth.signin_param = v;
  return {};
}
std::string print_signin_param(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->signin_param : "rd";
}

std::string read_response_headers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_auth_headers(v, out.external_auth.auth.response_headers);
}
std::string print_response_headers(const ServedRoute& served) {
  std::string out;
  if (served.settings.external_auth)
    for (const auto& name : served.settings.external_auth->response_headers) add_element(out, name);
  return out;
}

std::string read_request_redirect(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, "-._~/:,?&=")) return "an URL of letters, digits and -._~/:,?&=";
  out.external_auth.auth.request_redirect = Template(v);
  return {};
}
std::string print_request_redirect(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->request_redirect.text() : "";
}

std::string read_auth_config_map(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  if (!names_config_map(v)) return "NAMESPACE/NAME of a ConfigMap";
  const auto ns = v.substr(0, v.find('/'));
  if (ns != context.ns() && !context.options.allow_cross_namespace_resources)
    return "a ConfigMap of the Ingress's namespace, not of " + shorten(ns) +
           ", as allow-cross-namespace-resources is false";
  auto& w = out.external_auth;
  w.config_map = v;
  const ConfigMap* map = context.look_up.config_map(v);
  w.missing = map == nullptr;
  if (map == nullptr) return {};
  const auto& read = context.look_up.readings().of(
      *map, "auth-proxy-set-headers", [&] { return named_headers(*map, read_headers(map->data, HeadersTo::pods)); });
  w.wrong = read.wrong;
  if (read.headers) w.auth.request_headers = read.headers;
  return {};
}
std::string print_auth_config_map(const ServedRoute& served) {
  const auto& auth = served.settings.external_auth;
  return auth && auth->request_headers ? auth->request_headers->config_map : "";
}

std::string read_always(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_bool(v);
  if (!on) return "true or false";
  out.external_auth.auth.always_set_cookie = *on;
  return {};
}
std::string print_always(const ServedRoute& served) {
  return truth(served.settings.external_auth && served.settings.external_auth->always_set_cookie);
}

std::string read_key(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_cache_key(v, out.external_auth.auth.cache_key);
}
std::string print_key(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->cache_key.text() : "";
}

std::string read_times(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_cache_times(v, out.external_auth.auth.cache_times);
}
std::string print_times(const ServedRoute& served) {
  const auto& auth = served.settings.external_auth;
  return auth ? cache_times_text(auth->cache_times) : "200 202 401 5m";
}

// Each as ingress-nginx: what is no number above 0 is the default.
std::string read_kept(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 0 || *n > 1'000'000) return "a number of connections, 0 for as many as there is room for";
  out.external_auth.auth.kept.idle = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_kept(const ServedRoute& served) {
  return std::to_string(served.settings.external_auth ? served.settings.external_auth->kept.idle : 0);
}
std::string read_kept_requests(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 1 || *n > 4'000'000'000) return "a number of requests above 0";
  out.external_auth.auth.kept.requests = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_kept_requests(const ServedRoute& served) {
  const auto& auth = served.settings.external_auth;
  return std::to_string(auth ? auth->kept.requests : model::KeptConnections{}.requests);
}
std::string read_kept_timeout(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 1 || *n > 31'536'000) return "seconds above 0";
  out.external_auth.auth.kept.timeout = std::chrono::seconds(*n);
  return {};
}
std::string print_kept_timeout(const ServedRoute& served) {
  const auto& auth = served.settings.external_auth;
  return std::to_string((auth ? auth->kept.timeout : model::KeptConnections{}.timeout).count());
}

constexpr std::array kExternalAuthRows{
    Annotation{.name = "auth-always-set-cookie",
               .value = {"boolean", read_always, print_always, White::none},
               .initial = "false",
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "clients get the service's cookies with answers of any status, not of 200, 201, 204, 206, 301 to "
                      "304, 307 and 308 alone"},
    Annotation{.name = "auth-cache-duration",
               .value = {"list of STATUS… TIME", read_times, print_times, White::spaces_or_absent},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .initial = "200 202 401 5m",
               .needs = "auth-cache-key",
               .read_with = kAuthUrl,
               .doc = "how long answers of the service are kept, by their status"},
    Annotation{.name = "auth-cache-key",
               .value = {"text with variables", read_key, print_key, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "requests of one path for which this comes to the same get the same answer, which is kept "
                      "([external authentication](external-authentication.md))"},
    Annotation{.name = "auth-keepalive",
               .value = {"number", read_kept, print_kept, White::none},
               .initial = "0",
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "idle connections to an address of the service that a worker keeps; 0: as many as to pods"},
    Annotation{.name = "auth-keepalive-requests",
               .value = {"number", read_kept_requests, print_kept_requests, White::none},
               .initial = "1000",
               .needs = kKept,
               .read_with = kAuthUrl,
               .doc = "requests on one of these connections"},
    Annotation{.name = "auth-keepalive-timeout",
               .value = {"seconds", read_kept_timeout, print_kept_timeout, White::none},
               .initial = "60",
               .needs = kKept,
               .read_with = kAuthUrl,
               .doc = "how long one of these connections lies idle"},
    Annotation{.name = "auth-method",
               .value = {"method", read_method, print_method, White::spaces},
               .on_invalid = OnInvalid::deny,
               .initial = "GET",
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "the method of the question; with it the service gets X-Original-URI and X-Scheme, too"},
    Annotation{.name = kAuthHeaders,
               .value = {"NAMESPACE/NAME", read_auth_config_map, print_auth_config_map, White::spaces_or_absent},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "ConfigMap whose data are headers that the service gets; without one that can be used the paths "
                      "answer 503"},
    Annotation{.name = "auth-request-redirect",
               .value = {"URL", read_request_redirect, print_request_redirect, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .otherwise = "the request's path and query",
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "what the service gets as X-Auth-Request-Redirect"},
    Annotation{.name = "auth-response-headers",
               .value = {"list", read_response_headers, print_response_headers, White::spaces_or_absent},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc = "headers of the service's answer that pods get; they get none of these names from clients"},
    Annotation{.name = "auth-signin",
               .value = {"URL", read_signin_url, print_signin, White::spaces_or_absent},
               .risk = model::Risk::high,
               .needs = kAuthUrl,
               .read_with = kAuthUrl,
               .doc =
                   "where clients are sent (302) in place of 401, whoever says it of the service, auth-type and, with "
                   "custom-http-errors, the pod"},
    Annotation{.name = "auth-signin-redirect-param",
               .value = {"name", read_signin_param, print_signin_param, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .initial = "rd",
               .needs = "auth-signin",
               .read_with = kAuthUrl,
               .doc = "the parameter of auth-signin that names the request"},
    Annotation{.name = kAuthUrl,
               .value = {"URL", read_url, print_url, White::spaces},  // alone they would open
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::high,
               .option = "global-auth-url",
               .also_by = kGlobalAuth,
               .doc = "the service that is asked whether a request may come: 2xx, it may; 401 and 403 are passed on; "
                      "else 500; one that is no URL is 503 ([external authentication](external-authentication.md))"},
    Annotation{.name = kGlobalAuth,
               .value = boolean<&RouteSettings::global_auth>,
               .initial = "true",
               .doc = "false: the service of the option global-auth-url is not asked about its requests"},
};

struct ExternalAuthReader {
  AnnotationResult& out;
  WrittenExternalAuth& w = out.values.external_auth;

  void say(std::string_view name, std::string_view value, Severity severity, const char* reason, std::string expected,
           std::string consequence) {
    out.problems.push_back({severity, reason, "metadata.annotations[" + std::string(name) + "]", shorten(value),
                            std::move(expected), std::move(consequence)});
  }
  void deny(std::string_view name, std::string_view value, const char* reason, std::string expected) {
    add_element(out.closing.denied, name);
    say(name, value, Severity::error, reason, std::move(expected), "the paths of this Ingress answer 503");
  }

  void read() {
    auto& settings = out.values.settings;
    const std::string url = w.auth.url;
    if (url.empty()) {
      if (out.own.no_global_auth) settings.external_auth.reset();
      return;
    }
    settings.external_auth.reset();
    if (!made_of(url, " -._~/:,?&=$")) {
      out.dropped = true;
      say(kAuthUrl, url, Severity::error, "InvalidAnnotation", "an absolute URL of letters, digits and -._~/:,?&=$",
          "the Ingress is not served");
      return;
    }
    if (auto expected = read_auth_url(url, w.auth); !expected.empty())
      return deny(kAuthUrl, url, "InvalidAnnotation", std::move(expected));
    if (w.missing) return deny(kAuthHeaders, w.config_map, "MissingConfigMap", "a ConfigMap that exists");
    if (!w.wrong.empty())
      return deny(kAuthHeaders, w.config_map, "InvalidConfigMap",
                  w.wrong.front().field + ": " + w.wrong.front().expected);
    w.auth.signin = with_return(w.auth.signin, w.auth.signin_param);
    if (w.auth.kept.idle == 0 && w.auth.kept != model::KeptConnections{}) {
      w.auth.kept = {};
      say("auth-keepalive-*", "", Severity::warning, "NoEffect", "auth-keepalive beside them",
          "connections to the service are kept as those to pods are");
    }
    if (w.auth.cache_times.empty()) read_cache_times("200 202 401 5m", w.auth.cache_times);
    settings.external_auth = w.auth;
  }
};

void finish_external_auth(AnnotationResult& out) {
  ExternalAuthReader{out}.read();
}

}  // namespace

AnnotationFamily external_auth() {
  return {kExternalAuthRows, finish_external_auth};
}

}  // namespace sluice::control::annotation
