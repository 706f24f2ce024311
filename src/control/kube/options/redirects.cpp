// Redirects and HSTS.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

std::string read_redirect_code(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || (*n != 301 && *n != 302 && *n != 307 && *n != 308)) return "301, 302, 307 or 308";
  o.http_redirect_code = static_cast<std::uint16_t>(*n);
  return {};
}

std::string read_hsts_age(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || *n < 0) return "seconds";
  o.hsts_max_age = std::to_string(*n);
  return {};
}

constexpr std::array kRedirectsRows{
    Option{"http-redirect-code",
           {"301, 302, 307, 308", read_redirect_code, print_number<&Options::http_redirect_code>},
           "status of redirects to https",
           to_route<&Options::http_redirect_code, &RouteSettings::ssl_redirect_status>},
    Option{"ssl-redirect", boolean<&Options::ssl_redirect>, "redirect http to https on hosts with a TLS section",
           to_route<&Options::ssl_redirect, &RouteSettings::ssl_redirect>},
    Option{"force-ssl-redirect", boolean<&Options::force_ssl_redirect>, "redirect http to https on every host",
           to_route<&Options::force_ssl_redirect, &RouteSettings::force_ssl_redirect>},
    Option{"preserve-trailing-slash", boolean<&Options::preserve_trailing_slash>,
           "keep a final / in redirects to https",
           to_route<&Options::preserve_trailing_slash, &RouteSettings::preserve_trailing_slash>},
    Option{"use-port-in-redirects", boolean<&Options::use_port_in_redirects>,
           "name ports in redirects: that of the first https listener in those to https, that of the listener in those "
           "to paths of the host",
           to_route<&Options::use_port_in_redirects, &RouteSettings::port_in_redirects>},
    Option{"relative-redirects", boolean<&Options::relative_redirects>, "Location without scheme and host",
           to_route<&Options::relative_redirects, &RouteSettings::relative_redirects>},
    Option{"redirect-variables", boolean<&Options::redirect_variables>,
           "Sluice's own: `permanent-redirect` and `temporal-redirect` may name [variables](variables.md), as in "
           "ingress-nginx without the validation of annotations; with it, and here by default, such an Ingress is not "
           "served"},
    Option{"no-tls-redirect-locations", list<&Options::no_tls_redirect_locations>,
           "configured paths below these are never redirected to https"},
    Option{"hsts", boolean<&Options::hsts>, "send Strict-Transport-Security on https"},
    Option{"hsts-max-age", {"seconds", read_hsts_age, print_text<&Options::hsts_max_age>}, "its max-age"},
    Option{"hsts-include-subdomains", boolean<&Options::hsts_include_subdomains>, "its includeSubDomains"},
    Option{"hsts-preload", boolean<&Options::hsts_preload>, "its preload"},
};

}  // namespace

std::span<const Option> redirects() {
  return kRedirectsRows;
}

}  // namespace sluice::control::options_of
