#include <fmt/format.h>

#include "data/plan/step.h"

// from-to-www-redirect, at the name that is sent to the other.
namespace sluice::data {

namespace {

// Location: the scheme and port that the client came by, the host, the target with one trailing slash removed
// (ingress-nginx's ngx_srv_redirect.lua).
class ToHost final : public Step {
 public:
  explicit ToHost(const model::RouteSettings& settings)
      : host_(settings.to_host->host), status_(settings.ssl_redirect_status) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    std::string_view target = request.received.path_query;
    if (target.ends_with('/')) target.remove_suffix(1);
    return LocalReply{status_, fmt::format("{}://{}:{}{}", request.scheme, host_, request.port(), target),
                      "from-to-www-redirect sends this name to the other"};
  }

 private:
  const std::string host_;
  const std::uint16_t status_;
};

StepPtr make_to_host(const Needs& needs) {
  return needs.settings.to_host ? std::make_shared<const ToHost>(needs.settings) : nullptr;
}

}  // namespace

extern const Row kToHost;
const Row kToHost{"from-to-www-redirect", in(Phase::answer), make_to_host};

}  // namespace sluice::data
