#include "data/exchange/variables.h"
#include "data/plan/step.h"

// permanent-redirect and temporal-redirect.
namespace sluice::data {

namespace {

class Redirect final : public Step {
 public:
  explicit Redirect(const model::RouteSettings& settings)
      : to_(*settings.redirect),
        completed_(to_.location.text().starts_with('/') && !settings.relative_redirects),
        names_port_(settings.port_in_redirects) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    LocalReply reply{to_.status, {}, "a redirect annotation"};
    if (completed_) request.append_origin(names_port_, reply.location);
    evaluate(to_.location, request, Spelling::url, reply.location);
    return reply;
  }

 private:
  const model::Redirect to_;
  const bool completed_;  // with scheme and host
  const bool names_port_;
};

StepPtr make_redirect(const Needs& needs) {
  return needs.settings.redirect ? std::make_shared<const Redirect>(needs.settings) : nullptr;
}

}  // namespace

extern const Row kRedirect;
const Row kRedirect{"redirect", in(Phase::answer), make_redirect};

}  // namespace sluice::data
