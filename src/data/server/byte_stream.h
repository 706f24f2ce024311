#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/proxy/carry.h"
#include "data/server/connection.h"
#include "model/model.h"
#include "net/stream.h"
#include "sluice/record.h"

namespace sluice::data {

class ClusterRuntime;
struct EndpointRuntime;
class View;

// A client whose bytes are not ours to read: they go to a pod of a Cluster as they came, and back. TLS that is passed
// through and ports that lead to a Service are both this. Holds no routes while it runs.
class ByteStream : public Protocol {
 public:
  ~ByteStream() override;
  net::Task<void> run() final;
  void drain(bool) noexcept override {}  // it may run as long as other tunnels do
  void kill() noexcept override;
  void holdings(Holdings& out) noexcept override;

 protected:
  // How a pod is found and for how long it is listened to.
  struct Terms {
    Duration connect_timeout;
    std::uint32_t tries = 0;     // connections that are begun at most; 0: kMostTries
    Duration tries_timeout{};    // in which further ones may begin; 0: without limit
    bool each_pod_once = false;  // no pod is tried twice
    TunnelLimits limits;
    model::ProxyProtocol proxy_header = model::ProxyProtocol::off;
  };
  static constexpr std::uint32_t kMostTries = 16;

  // `cluster`: of the worker's present View; null: there is none.
  ByteStream(Connection& connection, ClusterRuntime* cluster, const Terms& terms);
  static Error upstream(Fault fault, std::uint16_t status, const char* detail) {
    return Error{fault, Whose::upstream, Retry::yes, status, detail};
  }

  // Why no pod is asked at all; nothing: one is.
  virtual Status may_begin() { return {}; }
  // Who it was for. Views into it must live as long as this.
  virtual void describe(ExchangeRecord& record) const = 0;
  // A pod has taken it, or none has, or something of ours has ended it; what it carried is known.
  virtual void over(const Status& outcome, const Carried& carried, Duration life) = 0;

  Connection& connection_;
  Worker& worker_;
  ExchangeRecord record_;

 private:
  net::Task<Status> connect();
  net::Task<Status> try_endpoint(Attempt& attempt);
  void judge(const Status& outcome, Instant begun);
  void let_go() noexcept;
  void finish(Status outcome);

  View* view_;               // pinned until a pod has answered
  ClusterRuntime* cluster_;  // the same
  const Terms terms_;
  std::shared_ptr<EndpointRuntime> endpoint_;
  std::unique_ptr<net::Stream> pod_;
  bool killed_ = false;
  std::string note_;
  Instant begun_;
  Carried carried_;
};

}  // namespace sluice::data
