#include "model/settings/app_root.h"

#include "data/plan/step.h"

// app-root.
namespace sluice::data {

namespace {

// Location: the scheme and authority that the client came by, without the query, as in ingress-nginx.
class AppRoot final : public Step {
 public:
  explicit AppRoot(const model::AppRoot& root) : path_(root.path) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (request.path != "/") return std::nullopt;
    LocalReply reply{302, {}, "app-root"};
    // A client of HTTP/1.0 may name no host: what is left is a path.
    if (!request.received.authority.empty())
      reply.location.append(request.scheme).append("://").append(request.received.authority);
    reply.location += path_;
    return reply;
  }

 private:
  const std::string path_;
};

StepPtr make_app_root(const Needs& needs) {
  return needs.settings.app_root ? std::make_shared<const AppRoot>(*needs.settings.app_root) : nullptr;
}

}  // namespace

extern const Row kAppRoot;
const Row kAppRoot{"app-root", in(Phase::answer), make_app_root};

}  // namespace sluice::data
