#include "data/server/passthrough.h"

#include <algorithm>
#include <array>

#include "data/plan/plan.h"
#include "data/server/worker.h"

namespace sluice::data {

Passthrough::Passthrough(Connection& connection, const Route& route, const net::tls::ClientHello& hello)
    : ByteStream(connection, connection.worker.cluster(route.cluster),
                 [&] {
                   const auto& options = connection.worker.options();
                   const auto* cluster = connection.worker.cluster(route.cluster);
                   Terms terms;
                   terms.connect_timeout = route.settings->connect_timeout;
                   terms.tries = route.settings->tries;
                   terms.limits = {options.tunnel_idle_timeout, options.tunnel_max_lifetime};
                   if (cluster != nullptr) terms.proxy_header = cluster->spec().proxy_protocol;
                   return terms;
                 }()),
      hello_(hash_name(worker_.shared.loop_seed, hello.random)),
      came_back_(worker_.shared.hellos && !worker_.shared.hellos->enter(hello_)),
      server_name_(hello.server_name),
      ns_(route.spec->ns.view()),
      ingress_(route.spec->ingress.view()),
      service_(route.spec->service.view()),
      service_port_(route.spec->service_port.view()),
      upstream_name_(route.spec->upstream_name.view()) {
  record_.log = route.settings->access_log;
  worker_.stats.passthrough.add();
  worker_.stats.passthrough_active.add();
}

Passthrough::~Passthrough() {
  if (worker_.shared.hellos && !came_back_) worker_.shared.hellos->leave(hello_);
  worker_.stats.passthrough_active.sub();
}

Status Passthrough::may_begin() {
  if (!came_back_) return {};
  worker_.stats.loops.add();
  return std::unexpected(upstream(Fault::unsupported, 508, "the connection has come back: its host leads to us"));
}

void Passthrough::describe(ExchangeRecord& r) const {
  r.host = r.server_name = server_name_;
  r.ns = ns_;
  r.ingress = ingress_;
  r.service = service_;
  r.service_port = service_port_;
  r.upstream_name = upstream_name_;
}

void Passthrough::over(const Status& outcome, const Carried&, Duration) {
  if (!outcome) worker_.stats.passthrough_failures.add();
}

net::Task<Status> Connection::look_at_hello(Instant until) {
  using net::tls::ClientHelloReader;
  using net::tls::Io;
  ClientHelloReader reader;
  std::size_t seen = 0;
  while (reader.state() == ClientHelloReader::State::more) {
    char* const bytes = worker.scratch.get();
    const auto r = stream.peek(bytes, ClientHelloReader::kMaxBytes, seen);
    if (r.io == Io::done) {
      reader.feed({bytes + seen, r.bytes - seen});
      seen = r.bytes;
      continue;
    }
    if (r.io != Io::again_read) co_return std::unexpected(stream.error(Fault::closed, "closed in the ClientHello"));
    Status ready = co_await stream.readable(until);
    if (!ready) co_return ready;
  }
  // What is no ClientHello, or none that we read, is OpenSSL's to refuse; so are names that are not passed through.
  const std::string& name = reader.hello().server_name;
  if (name.empty()) co_return Status{};
  const Route* route = worker.view()->snapshot().routes->root(name);
  if (!route || !route->passthrough) co_return Status{};
  if (route->plan != nullptr) {
    std::array<std::uint8_t, 16> client;
    std::copy_n(peer.bytes, client.size(), client.begin());
    for (const auto& entry : (*route->plan)[Phase::guard])
      if (!entry.step->admits(client)) co_return std::unexpected(stream.error(Fault::closed, "a client who is denied"));
  }
  protocol_ = std::make_unique<Passthrough>(*this, *route, reader.hello());
  co_return Status{};
}

}  // namespace sluice::data
