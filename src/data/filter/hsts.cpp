#include "data/exchange/exchange.h"
#include "data/plan/step.h"

// Strict-Transport-Security. A browser that remembered it from a connection with the default certificate could not come
// back: only what is secured by a certificate for the name carries it, unless `compat: exact` asks for it.
namespace sluice::data {

namespace {

class Hsts final : public Step {
 public:
  Hsts(const model::Options& options, bool secured)
      : value_("max-age=" + options.hsts_max_age), secured_(secured), exact_(options.exact) {
    if (options.hsts_include_subdomains) value_ += "; includeSubDomains";
    if (options.hsts_preload) value_ += "; preload";
  }
  void respond(const RequestView& request, ResponseFields& fields) const override {
    // The bare name of a www. one may have other hosts below it, which includeSubDomains would speak of.
    if (!secured_ && (request.from == nullptr || !request.from->tls)) return;
    if (request.route != nullptr && request.route->settings->to_host) return;
    if (exact_ && request.unlocated) return;  // ingress-nginx sets it by its locations
    fields.set_if_free("Strict-Transport-Security", value_, net::http::Name::strict_transport_security);
  }

 private:
  std::string value_;
  bool secured_, exact_;
};

StepPtr make_hsts(const model::Options& options, bool secured) {
  return options.hsts && (secured || options.exact) ? std::make_shared<const Hsts>(options, secured) : nullptr;
}

}  // namespace

extern const Row kHsts;
const Row kHsts{"hsts", in(Phase::respond), nullptr, make_hsts};

}  // namespace sluice::data
