#pragma once
#include <string>

#include "data/routing/route_table.h"
#include "data/server/byte_stream.h"
#include "net/tls/client_hello.h"

namespace sluice::data {

// A client whose TLS is not ours to end: it goes on to a pod of the host's Service.
class Passthrough final : public ByteStream {
 public:
  // `route`: of the worker's present View. `hello`: what the client asks for, which lies unread.
  Passthrough(Connection& connection, const Route& route, const net::tls::ClientHello& hello);
  ~Passthrough() override;

 private:
  Status may_begin() override;
  void describe(ExchangeRecord& record) const override;
  void over(const Status& outcome, const Carried& carried, Duration life) override;

  std::uint64_t hello_;  // its hash
  const bool came_back_;
  std::string server_name_, ns_, ingress_, service_, service_port_, upstream_name_;
};

}  // namespace sluice::data
