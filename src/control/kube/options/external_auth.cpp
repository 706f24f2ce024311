// The service that is asked about requests of every Ingress (global-auth-url).
#include "control/kube/external_auth.h"

#include <array>

#include "control/kube/error_pages.h"
#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

// One that cannot be read closes (guarding_options.cpp).
std::string read_global_url(std::string_view v, Options& o) {
  model::ExternalAuth scratch;
  if (auto expected = v.empty() ? "" : read_auth_url(v, scratch); !expected.empty()) return expected;
  o.global_auth_url = v;
  return {};
}

std::string read_global_method(std::string_view v, Options& o) {
  std::string method;
  if (auto expected = v.empty() ? "" : read_auth_method(v, method); !expected.empty()) return expected;
  o.global_auth_method = method;
  return {};
}

std::string read_global_signin(std::string_view v, Options& o) {
  Template scratch;
  if (auto expected = v.empty() ? "" : read_signin(v, scratch); !expected.empty()) return expected;
  o.global_auth_signin = v;
  return {};
}

std::string read_global_param(std::string_view v, Options& o) {
  if (!made_of(v, "-._~")) return "the name of a parameter";
  o.global_auth_signin_redirect_param = v;
  return {};
}

std::string read_global_redirect(std::string_view v, Options& o) {
  if (!made_of(v, "-._~/:,?&=")) return "an URL of letters, digits and -._~/:,?&=";
  o.global_auth_request_redirect = v;
  return {};
}

std::string read_global_headers(std::string_view v, Options& o) {
  return read_auth_headers(on_one_line(v), o.global_auth_response_headers);
}

std::string read_global_key(std::string_view v, Options& o) {
  Template scratch;
  if (auto expected = read_cache_key(v, scratch); !expected.empty()) return expected;
  o.global_auth_cache_key = v;
  return {};
}

std::string read_global_times(std::string_view v, Options& o) {
  std::vector<model::AuthCacheTime> scratch;
  std::string one_line = on_one_line(v);
  if (auto expected = read_cache_times(one_line, scratch); !expected.empty()) return expected;
  o.global_auth_cache_duration = std::move(one_line);
  return {};
}

// All of it together is what Ingresses have that say nothing of their own.
void ask_global(const Options& o, RouteSettings& s) {
  if (o.global_auth_url.empty()) return;
  model::ExternalAuth auth;
  Template signin;
  if (!read_auth_url(o.global_auth_url, auth).empty()) return;
  auth.method = o.global_auth_method;
  if (!o.global_auth_signin_redirect_param.empty()) auth.signin_param = o.global_auth_signin_redirect_param;
  if (!o.global_auth_signin.empty() && read_signin(o.global_auth_signin, signin).empty())
    auth.signin = with_return(signin, auth.signin_param);
  auth.response_headers = o.global_auth_response_headers;
  auth.request_redirect = Template(o.global_auth_request_redirect);
  auth.always_set_cookie = o.global_auth_always_set_cookie;
  auth.cache_key = Template(o.global_auth_cache_key);
  const auto& times = o.global_auth_cache_duration;
  read_cache_times(times.empty() ? "200 202 401 5m" : std::string_view(times), auth.cache_times);
  s.external_auth = std::move(auth);
}

std::string read_custom_errors(std::string_view v, Options& o) {
  std::string list;  // each element without the blanks and ends of lines around it
  for_each_word(v, [&](std::string_view word) { list.append(word).append(","); });
  return read_statuses(list, o.custom_http_errors);
}
std::string print_custom_errors(const Options& o) {
  return statuses_text(o.custom_http_errors);
}
void answer_errors(const Options& o, RouteSettings& s) {
  if (!o.custom_http_errors.empty()) s.error_pages = model::ErrorPages{o.custom_http_errors, {}, true};
}

constexpr std::array kExternalAuthOptions{
    Option{"custom-http-errors",
           {"list of statuses", read_custom_errors, print_custom_errors, true},
           "errors that the Service of --default-backend-service answers in place of, or that of `default-backend` "
           "([error pages](error-pages.md))",
           answer_errors},
    Option{"global-auth-always-set-cookie", boolean<&Options::global_auth_always_set_cookie>,
           "as auth-always-set-cookie, for global-auth-url"},
    Option{"global-auth-cache-duration",
           {"list of STATUS… TIME", read_global_times, print_text<&Options::global_auth_cache_duration>, false, true},
           "as auth-cache-duration, for global-auth-url; empty: 200 202 401 5m"},
    Option{"global-auth-cache-key",
           {"text with variables", read_global_key, print_text<&Options::global_auth_cache_key>},
           "as auth-cache-key, for global-auth-url"},
    Option{"global-auth-method",
           {"method", read_global_method, print_text<&Options::global_auth_method>},
           "as auth-method, for global-auth-url"},
    Option{"global-auth-request-redirect",
           {"URL", read_global_redirect, print_text<&Options::global_auth_request_redirect>},
           "as auth-request-redirect, for global-auth-url"},
    Option{"global-auth-response-headers",
           {"list", read_global_headers, print_list<&Options::global_auth_response_headers>, true},
           "as auth-response-headers, for global-auth-url"},
    Option{"global-auth-signin",
           {"URL", read_global_signin, print_text<&Options::global_auth_signin>},
           "as auth-signin, for global-auth-url"},
    Option{"global-auth-signin-redirect-param",
           {"name", read_global_param, print_text<&Options::global_auth_signin_redirect_param>},
           "as auth-signin-redirect-param, for global-auth-url; empty: rd"},
    Option{"global-auth-url",
           {"URL", read_global_url, print_text<&Options::global_auth_url>},
           "the service that is asked about requests of every Ingress that has no auth-url and no enable-global-auth: "
           "\"false\"; not about paths below no-auth-locations "
           "([external authentication](external-authentication.md)); one that cannot be read closes them",
           ask_global},
};

}  // namespace

std::span<const Option> external_auth() {
  return kExternalAuthOptions;
}

}  // namespace sluice::control::options_of
