#include "data/filter/filter.h"

namespace sluice::data {

std::optional<LocalReply> route_answer(Exchange&);
std::optional<LocalReply> ambiguous_paths(Exchange&);
std::optional<LocalReply> redirect(Exchange&);
std::optional<LocalReply> rewrite_away(Exchange&);
std::optional<LocalReply> ssl_redirect(Exchange&);
std::optional<LocalReply> loop(Exchange&);
std::optional<LocalReply> endpoints(Exchange&);
std::optional<LocalReply> body_size(Exchange&);

namespace {
constexpr Filter kOrder[] = {
    {"ambiguous-paths", ambiguous_paths, "first: what follows decides by a path that others may read differently"},
    {"redirect", redirect,
     "a redirect annotation wins over the https redirect and over everything that guards the pod"},
    {"rewrite-target", rewrite_away,
     "a rewrite-target that is a URL is a redirect: behind the redirect annotations, before the one to https, as in "
     "ingress-nginx"},
    {"ssl-redirect", ssl_redirect, "before any answer that depends on the pod: nothing of it travels in clear"},
    {"route-answer", route_answer, "routes without a Cluster (404, denied 503) have nothing further to ask"},
    {"loop", loop, "508 for what has come back: behind the answers that end a loop by themselves"},
    {"endpoints", endpoints, "no endpoints is 503 before limits and authentication, as in ingress-nginx"},
    {"body-size", body_size, "413 by Content-Length before a byte of the body is taken or a pod is bothered"},
};
}  // namespace

std::span<const Filter> filters() {
  return kOrder;
}

std::optional<LocalReply> run_filters(Exchange& ex) {
  for (const auto& f : kOrder)
    if (auto reply = f.request(ex)) return reply;
  return std::nullopt;
}

}  // namespace sluice::data
