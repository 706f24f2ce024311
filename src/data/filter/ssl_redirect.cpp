#include <fmt/format.h>

#include "data/plan/step.h"

// ssl-redirect and force-ssl-redirect.
namespace sluice::data {

namespace {

// Location: https, the host without its port, the target with one trailing slash removed (ingress-nginx's lua_ingress).
class SslRedirect final : public Step {
 public:
  explicit SslRedirect(const model::RouteSettings& settings)
      : status_(settings.ssl_redirect_status),
        keep_slash_(settings.preserve_trailing_slash),
        names_port_(settings.port_in_redirects),
        why_(settings.force_ssl_redirect ? "force-ssl-redirect is on" : "the host has TLS and ssl-redirect is on") {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (!request.plain) return std::nullopt;
    std::string_view target = request.received.path_query;
    if (!keep_slash_ && target.ends_with('/')) target.remove_suffix(1);
    const auto port = names_port_ ? request.https_port : std::uint16_t{0};
    return LocalReply{status_,
                      port != 0 && port != 443 ? fmt::format("https://{}:{}{}", request.client_host, port, target)
                                               : fmt::format("https://{}{}", request.client_host, target),
                      why_};
  }

 private:
  const std::uint16_t status_;
  const bool keep_slash_, names_port_;
  const char* const why_;
};

StepPtr make_ssl_redirect(const Needs& needs) {
  return needs.to_https ? std::make_shared<const SslRedirect>(needs.settings) : nullptr;
}

}  // namespace

extern const Row kSslRedirect;
const Row kSslRedirect{"ssl-redirect", in(Phase::answer), make_ssl_redirect};

}  // namespace sluice::data
