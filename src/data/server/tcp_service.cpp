#include "data/server/tcp_service.h"

#include "data/server/worker.h"

namespace sluice::data {

ByteStream::Terms TcpService::terms_of(const model::Options& options, const model::StreamListener& spec,
                                       const ClusterRuntime* cluster) {
  Terms terms;
  terms.connect_timeout = options.proxy_connect_timeout;
  terms.tries = options.proxy_stream_next_upstream ? options.proxy_stream_next_upstream_tries : 1;
  terms.tries_timeout = options.proxy_stream_next_upstream_timeout;
  terms.each_pod_once = true;
  // Who has said all may wait for a long answer: half-closed connections live as others do.
  terms.limits = {options.proxy_stream_timeout, Duration{}, options.proxy_stream_timeout};
  if (cluster != nullptr) terms.proxy_header = cluster->spec().proxy_protocol;
  if (spec.proxy_out && terms.proxy_header == model::ProxyProtocol::off) terms.proxy_header = model::ProxyProtocol::v1;
  return terms;
}

TcpService::TcpService(Connection& connection, const StreamTarget& target)
    : TcpService(connection, target, connection.worker.cluster(target.cluster)) {}

TcpService::TcpService(Connection& connection, const StreamTarget& target, ClusterRuntime* cluster)
    : ByteStream(connection, cluster, terms_of(connection.worker.options(), *target.spec, cluster)),
      figures_(target.figures),
      spec_(target.spec) {
  record_.stream_kind = StreamKind::tcp;
  figures_->active.fetch_add(1, std::memory_order_relaxed);
}

TcpService::~TcpService() {
  figures_->active.fetch_sub(1, std::memory_order_relaxed);
}

void TcpService::describe(ExchangeRecord& r) const {
  r.ns = spec_->ns;
  r.service = spec_->service;
  r.service_port = spec_->service_port;
  r.upstream_name = spec_->upstream_name;
}

void TcpService::over(const Status& outcome, const Carried& carried, Duration life) {
  constexpr auto relaxed = std::memory_order_relaxed;
  (outcome ? figures_->carried : figures_->unreachable).fetch_add(1, relaxed);
  figures_->received.fetch_add(carried.up, relaxed);
  figures_->sent.fetch_add(carried.down, relaxed);
  figures_->milliseconds.fetch_add(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(life).count()), relaxed);
}

}  // namespace sluice::data
