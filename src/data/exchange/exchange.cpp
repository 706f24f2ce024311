#include "data/exchange/exchange.h"

namespace sluice::data {

Exchange::Exchange(const Exchange& of, ExchangeMemory& m)
    : RequestView(of), worker(of.worker), down(of.down), peer(of.peer), memory(m) {
  m.request = of.head();
  view = of.view;
  options = of.options;
  process = of.process;
  settings = of.settings;
  cluster = of.cluster;
  further = of.further;
  target = of.target;
  pod_host = of.pod_host;
  set_for_pods = of.set_for_pods;
  vouched = of.vouched;
  client_address = of.client_address;
  forwarded_for = of.forwarded_for;
  forwarded_host = of.forwarded_host;
  proxy_trusted = of.proxy_trusted;
  loop_mark = of.loop_mark;
  body_whole = of.body_whole;
  body = of.body;
  trailers = of.trailers;
  instead = of.instead;
  of_ours = of.of_ours;
  grpc = of.grpc;
  on_disk = of.on_disk;
  keeps = of.keeps;
  begun = of.begun;
  waited = of.waited;
}

const net::tls::ClientCertificate* shown_certificate(const RequestView& request) noexcept {
  if (request.from == nullptr || request.route == nullptr) return nullptr;
  const auto& auth = request.route->settings->client_auth;
  return auth && auth->verify != model::VerifyClient::off ? request.from->client.get() : nullptr;
}

}  // namespace sluice::data
