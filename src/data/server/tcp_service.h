#pragma once
#include <memory>

#include "data/server/byte_stream.h"
#include "data/snapshot/streams.h"

namespace sluice::data {

// A client of a port that leads to a Service (tcp-services): the Service that it leads to now, whatever it leads to
// later.
class TcpService final : public ByteStream {
 public:
  // `target`: of the worker's present View.
  TcpService(Connection& connection, const StreamTarget& target);
  ~TcpService() override;

 private:
  TcpService(Connection& connection, const StreamTarget& target, ClusterRuntime* cluster);
  static Terms terms_of(const model::Options& options, const model::StreamListener& spec,
                        const ClusterRuntime* cluster);
  void describe(ExchangeRecord& record) const override;
  void over(const Status& outcome, const Carried& carried, Duration life) override;

  const std::shared_ptr<StreamFigures> figures_;
  const std::shared_ptr<const model::StreamListener> spec_;
};

}  // namespace sluice::data
