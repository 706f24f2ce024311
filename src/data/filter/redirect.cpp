#include <fmt/format.h>

#include <algorithm>

#include "data/filter/filter.h"
#include "data/server/worker.h"

namespace sluice::data {

std::optional<LocalReply> redirect(Exchange& ex) {
  const auto& to = ex.settings->redirect;
  if (!to) return std::nullopt;
  if (to->location.starts_with('/') && !ex.settings->relative_redirects) {
    return LocalReply{to->status, fmt::format("{}://{}{}", ex.https ? "https" : "http", ex.head().host, to->location),
                      "redirect annotation"};
  }
  return LocalReply{to->status, to->location, "redirect annotation"};
}

// Location: https, the host without its port, the target with one trailing slash removed (ingress-nginx's lua_ingress).
std::optional<std::string> https_redirect(const HttpsRedirect& request, const Route& route,
                                          const model::RouteSettings& settings, std::uint16_t port) {
  if (request.https || route.no_tls_redirect) return std::nullopt;
  if (!settings.force_ssl_redirect && !(settings.ssl_redirect && route.host_tls)) return std::nullopt;
  std::string_view target = request.path_query;
  if (!settings.preserve_trailing_slash && target.ends_with('/')) target.remove_suffix(1);
  if (port != 0 && port != 443) return fmt::format("https://{}:{}{}", request.host, port, target);
  return fmt::format("https://{}{}", request.host, target);
}

namespace {
// With use-port-in-redirects that of our first listener of TLS, as in ingress-nginx; else, or where there is none, 0.
std::uint16_t redirect_port(const Snapshot& snapshot) {
  if (!snapshot.options->use_port_in_redirects || !snapshot.own) return 0;
  const auto& all = snapshot.own->all;
  const auto https = std::find_if(all.begin(), all.end(), [](const auto& l) { return l.what == "https"; });
  return https == all.end() ? std::uint16_t{0} : https->port;
}
}  // namespace

std::optional<LocalReply> ssl_redirect(Exchange& ex) {
  if (!ex.plain) return std::nullopt;
  auto location = https_redirect({false, ex.client_host, ex.head().path_query}, *ex.route, *ex.settings,
                                 redirect_port(ex.view->snapshot()));
  if (!location) return std::nullopt;
  return LocalReply{ex.settings->ssl_redirect_status, std::move(*location), "https redirect"};
}

}  // namespace sluice::data
