#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/proxy/carry.h"
#include "data/routing/route_table.h"
#include "data/server/connection.h"
#include "net/stream.h"
#include "net/tls/client_hello.h"
#include "sluice/record.h"

namespace sluice::data {

class ClusterRuntime;
struct EndpointRuntime;
class View;

// A client whose TLS is not ours to end: its bytes go to a pod of the host's Service as they came, and back. Holds no
// routes while it runs.
class Passthrough final : public Protocol {
 public:
  // `route`: of the worker's present View. `hello`: what the client asks for, which lies unread.
  Passthrough(Connection& connection, const Route& route, const net::tls::ClientHello& hello);
  ~Passthrough() override;
  net::Task<void> run() override;
  void drain(bool) noexcept override {}  // it may run as long as other tunnels do
  void kill() noexcept override;
  void holdings(Holdings& out) noexcept override;

 private:
  net::Task<Status> connect();
  net::Task<Status> try_endpoint(Attempt& attempt);
  void let_go() noexcept;
  void finish(Status outcome);

  Connection& connection_;
  Worker& worker_;
  View* view_;               // pinned until a pod has answered
  ClusterRuntime* cluster_;  // the same; null: there is none
  const model::RouteSettings* settings_;
  const model::Options* options_;
  std::uint64_t hello_;  // its hash
  const bool came_back_;
  std::string server_name_, ns_, ingress_, service_, service_port_, upstream_name_;
  std::shared_ptr<EndpointRuntime> endpoint_;
  std::unique_ptr<net::Stream> pod_;
  bool killed_ = false;
  std::string note_;
  Instant begun_;
  Carried carried_;
  ExchangeRecord record_;
};

}  // namespace sluice::data
