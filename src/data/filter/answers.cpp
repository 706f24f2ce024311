#include "data/filter/filter.h"
#include "data/upstream/cluster.h"

namespace sluice::data {

// Routes that lead nowhere: a resource backend, no default backend, a denied location, `/foo` of a path `/foo/`.
std::optional<LocalReply> route_answer(Exchange& ex) {
  if (ex.route->forwards) return std::nullopt;
  const auto& spec = *ex.route->spec;
  if (spec.match == model::PathMatch::slash_redirect) {
    std::string location(ex.https ? "https://" : "http://");
    location += ex.head().authority;
    location += spec.path;
    location += '/';
    location += ex.query;
    return LocalReply{301, std::move(location), "the path of the Ingress ends in a slash"};
  }
  return LocalReply{spec.status ? spec.status : std::uint16_t{404},
                    {},
                    !spec.because.empty()  ? "what guards the route is not served"
                    : spec.ingress.empty() ? "no path of an Ingress takes the request"
                                           : "the backend is not a Service"};
}

std::optional<LocalReply> endpoints(Exchange& ex) {
  if (ex.cluster && ex.cluster->available()) return std::nullopt;
  return LocalReply{503, {}, "the Service has no ready endpoints"};
}

std::optional<LocalReply> body_size(Exchange& ex) {
  const auto limit = ex.settings->body_limit;
  if (limit == 0 || ex.head().framing != net::http::Framing::length || ex.head().content_length <= limit)
    return std::nullopt;
  ex.close_after = true;
  return LocalReply{413, {}, "Content-Length is above proxy-body-size"};
}

}  // namespace sluice::data
