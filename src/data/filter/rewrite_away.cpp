#include "data/plan/step.h"
#include "data/proxy/edit.h"

// A rewrite-target that is an absolute URL: a redirect, as in nginx.
namespace sluice::data {

namespace {

class RewriteAway final : public Step {
 public:
  std::optional<LocalReply> decide(const RequestView& request) const override {
    Rewritten to;
    rewrite(request, to);
    if (to.wrong != nullptr) return LocalReply{.status = 500, .why = to.wrong, .gave_up = to.gave_up};
    return LocalReply{302, std::move(to.target), "rewrite-target is a URL"};
  }
};

StepPtr make_rewrite_away(const Needs& needs) {
  const auto& rewrite = needs.settings.rewrite;
  return rewrite && leads_away(*rewrite) ? std::make_shared<const RewriteAway>() : nullptr;
}

}  // namespace

extern const Row kRewriteAway;
const Row kRewriteAway{"rewrite-target", in(Phase::answer), make_rewrite_away};

}  // namespace sluice::data
