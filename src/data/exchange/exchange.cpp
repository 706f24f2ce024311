#include "data/exchange/exchange.h"

namespace sluice::data {

const net::tls::ClientCertificate* shown_certificate(const RequestView& request) noexcept {
  if (request.from == nullptr || request.route == nullptr) return nullptr;
  const auto& auth = request.route->settings->client_auth;
  return auth && auth->verify != model::VerifyClient::off ? request.from->client.get() : nullptr;
}

}  // namespace sluice::data
