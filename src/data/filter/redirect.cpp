#include "data/exchange/variables.h"
#include "data/plan/step.h"
#include "data/proxy/media_type.h"

// permanent-redirect and temporal-redirect.
namespace sluice::data {

namespace {

// Of the statuses that the annotations may name these alone lead anywhere, as nginx has it; with others the URL is the
// text that is answered.
constexpr bool leads(std::uint16_t status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

class Redirect final : public Step {
 public:
  explicit Redirect(const model::RouteSettings& settings)
      : to_(*settings.redirect),
        completed_(to_.location.text().starts_with('/') && !settings.relative_redirects),
        names_port_(settings.port_in_redirects) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    LocalReply reply{to_.status, {}, "a redirect annotation"};
    if (!leads(to_.status)) {
      evaluate(to_.location, request, Spelling::url, reply.body.emplace());
      if (const auto type = media_type_of(request.path); !type.empty()) reply.content_type = type;
      return reply;
    }
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
