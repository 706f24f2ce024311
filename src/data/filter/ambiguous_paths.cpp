#include "data/plan/step.h"
#include "net/http/path.h"

namespace sluice::data {

namespace {

class Refuse final : public Step {
  std::optional<LocalReply> decide(const RequestView& request) const override {
    const char* why = net::http::ambiguity(request.received.path_query);
    if (why == nullptr) return std::nullopt;
    return LocalReply{.status = 400,
                      .why = "ambiguous-paths is refuse, and readers may take the path for different ones",
                      .detail = why};
  }
};

StepPtr make_ambiguous_paths(const Needs& needs) {
  if (needs.settings.ambiguous_paths != model::AmbiguousPaths::refuse) return nullptr;
  static const auto step = std::make_shared<const Refuse>();
  return step;
}

}  // namespace

extern const Row kAmbiguousPaths;
const Row kAmbiguousPaths{"ambiguous-paths", in(Phase::answer), make_ambiguous_paths};

}  // namespace sluice::data
