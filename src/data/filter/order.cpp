#include "data/filter/order.h"

namespace sluice::data {

extern const Row kClientCertificate, kBlocked, kToHost, kAppRoot, kAmbiguousPaths, kCors, kRedirect, kRewriteAway,
    kSslRedirect, kClientInClear, kClientLimits, kSnippetLimits, kSourceRanges, kBasicAuth, kExternalAuth, kAuthRequest,
    kMirror, kReplaceRedirects, kReplaceInCookies, kServerSnippet, kSnippet, kSnippetHeaders, kSnippetAccess,
    kSnippetDeniesHere, kAffinity, kCustomHeaders, kAddHeaders, kHsts, kGrpcWeb, kCompression;

namespace {

constexpr Ordered kPlanned[] = {
    {&kClientCertificate,
     "before all else, as nginx asks once the head is read; a redirect would tell who may not come what there is"},
    {&kBlocked, "before anything of a route: nginx asks at the server"},
    {&kServerSnippet, "nginx runs what a server-snippet says before it looks for a location, and before app-root"},
    {&kToHost, "it has no pod and no path: the name itself is redirected"},
    {&kAppRoot, "before anything of a path, the redirect to https too: nginx asks at the server"},
    {&kAmbiguousPaths, "first: what follows decides by a path that others may read differently"},
    {&kSnippetHeaders,
     "the fields that a snippet sets stand in place of those of other annotations: in nginx it has the last word"},
    {&kCors, "browsers follow no redirect of a preflight, and send no credentials with it: before both"},
    {&kSnippet, "behind the preflight and before the redirect annotations, as ingress-nginx writes its locations"},
    {&kRedirect, "a redirect annotation wins over the https redirect and over everything that guards the pod"},
    {&kRewriteAway,
     "a rewrite-target that is a URL is a redirect: behind the redirect annotations, before the one to https, as in "
     "ingress-nginx"},
    {&kSslRedirect, "before any answer that depends on the pod: nothing of it travels in clear"},
    {&kSnippetDeniesHere, "a location of a snippet that leads to no pod denies before it is not found"},
    {&kClientInClear, "behind the redirect to https, where the client can show a certificate"},
    {&kClientLimits,
     "before all that asks who comes, as nginx counts before it asks: who guesses passwords is counted, and who is "
     "over "
     "his limit reaches nobody"},
    {&kSnippetLimits, "likewise, behind those of annotations, which stand in front of the snippet"},
    {&kSourceRanges, "the cheapest question about who comes"},
    {&kSnippetAccess, "the list of a snippet stands behind those of annotations"},
    {&kBasicAuth, "a password is hashed, perhaps for long: after all that is known without it"},
    {&kExternalAuth, "another service is asked, over the network: last of those who say who may come, as in nginx"},
    {&kAuthRequest, "likewise: a path of the host is asked; of the two a route has one"},
    {&kMirror, "what nobody has refused"},
    {&kReplaceRedirects, "the pod's own fields first: what is set by name stands in place of them"},
    {&kReplaceInCookies, "likewise"},
    {&kAffinity, "behind the pod's own cookies, whose Domain and Path are not its business"},
    {&kCustomHeaders, "behind CORS, whose fields nginx sets in a location inside of the one of these"},
    {&kAddHeaders, "behind the fields that routes set, which are the nearer ones"},
    {&kHsts, "last: who sets the field by a ConfigMap means it, as in ingress-nginx"},
    {&kGrpcWeb, "the only one that changes both bodies"},
    {&kCompression, "last: what it makes of a body nobody else can read"},
};

}  // namespace

std::span<const Ordered> planned() {
  return kPlanned;
}

std::shared_ptr<const Plan> plan_of_route(const Needs& needs) {
  return Plan::of_route(kPlanned, needs);
}

std::shared_ptr<const Plan> plan_of_process(const model::Options& options, bool secured) {
  return Plan::of_process(kPlanned, options, secured);
}

}  // namespace sluice::data
