#include "data/plan/destination.h"

#include "base/strings.h"
#include "data/plan/loop.h"
#include "model/default_upstream.h"

namespace sluice::data {

namespace {

// Routes that lead nowhere: a resource backend, no default backend, a denied location, `/foo` of a path `/foo/`.
std::optional<LocalReply> route_answer(const RequestView& request) {
  if (request.route->forwards) return std::nullopt;
  const auto& spec = *request.route->spec;
  if (model::is_slash_redirect(spec.match)) {
    std::string location;
    const auto& settings = *request.route->settings;
    if (settings.port_in_redirects && !settings.relative_redirects) {
      request.append_origin(true, location);
    } else if (!settings.relative_redirects) {
      location.append(request.scheme).append("://");
      for (const char c : request.received.authority) location += lower(c);
    }
    location.append(spec.path.view()).append("/").append(request.query);
    return LocalReply{301, std::move(location), "the path of the route ends in a slash"};
  }
  return LocalReply{.status = spec.status ? spec.status : std::uint16_t{404},
                    .why = !spec.because.empty() ? "the route is closed"
                           : spec.ingress.empty() || spec.path_type.empty()
                               ? "no path of an Ingress that is served takes the request, and there "
                                 "is no default backend"
                               : "the backend is not a Service",
                    .detail = spec.because.view()};
}

std::optional<LocalReply> endpoints(const RequestView& request) {
  if (request.available) return std::nullopt;
  const std::uint16_t status = no_endpoints_status(*request.route->spec);
  return LocalReply{status,
                    {},
                    status == 404 ? "no path of an Ingress takes the request, and the default backend has no endpoints"
                                  : "the Service has no ready endpoints"};
}

constexpr Always kDestination[] = {
    {"route-answer", route_answer, nullptr, "routes without a Cluster (404, denied 503) have nothing further to ask"},
    {"loop", loop, mark_pass, "508 for what has come back: behind the answers that end a loop by themselves"},
    {kNoEndpoints, endpoints, nullptr, "no endpoints is 503 before limits and authentication, as in ingress-nginx"},
};

}  // namespace

std::uint16_t no_endpoints_status(const model::Route& route) noexcept {
  // As in ingress-nginx, whose own page of 404 answers where --default-backend-service names nobody who could.
  return route.upstream_name == model::kDefaultUpstream ? 404 : 503;
}

std::optional<LocalReply> body_size(const RequestView& request) {
  const auto limit = request.route->settings->body_limit;
  const auto& head = request.received;
  if (limit == 0 || head.framing != net::http::Framing::length || head.content_length <= limit) return std::nullopt;
  return LocalReply{.status = 413, .why = "Content-Length is above proxy-body-size", .close = true};
}

std::span<const Always> destination() {
  return kDestination;
}

}  // namespace sluice::data
