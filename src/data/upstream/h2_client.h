#pragma once
#include <memory>
#include <string>

#include "base/result.h"
#include "data/exchange/streams.h"
#include "data/runtime/pool.h"
#include "data/upstream/dial.h"
#include "net/h2/session.h"
#include "net/h2/transport.h"
#include "net/io/signal.h"

namespace sluice::data {

class H2ClientStream;

// One HTTP/2 connection to an endpoint: connects, then reads frames for its streams (H2ClientStream) and writes once a
// turn what they have made ready. Without streams it lies idle in the pool; whoever leases from it takes it out. Ends
// by itself, after its last stream.
class H2Client final : public PooledConnection, private net::h2::Owner {
 public:
  // One that has room for a stream now, or null. Those that should carry no more (age, number, GOAWAY) are passed over.
  static H2Client* with_room(EndpointRuntime& endpoint, const Dial& how) noexcept;
  // Connections are being made that will carry whoever waits.
  static bool enough_under_way(const EndpointRuntime& endpoint, const Dial& how) noexcept;
  // Begins to make one; takes fd. Those who wait in the endpoint's queue are woken when it takes streams, or fail with
  // it when it does not come about until `until`.
  static Status start(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, Dial how,
                      Instant until);
  // A new stream: with_room() was asked in this turn. The caller's until release().
  Upstream& stream();
  ~H2Client() override;

 private:
  friend class H2ClientStream;
  H2Client(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how);
  void close_idle() noexcept override;
  void output_waits() noexcept override { transport_.output_waits(); }
  bool output_full() noexcept override { return transport_.write_now(); }
  void stream_closed() noexcept override;
  net::h2::Stream* begin() noexcept override { return nullptr; }
  net::Task<void> run(Dial how, Instant until);
  net::Task<Status> serve_frames();
  // Does the pod live? By what has come until now, and a PING where that was long ago. False: it does not.
  bool looks_alive() noexcept;
  Instant look_at() const noexcept;  // when to ask again; the end of time: never
  bool takes_streams() const noexcept;
  void entered(H2ClientStream& s) noexcept;
  void left(H2ClientStream& s) noexcept;
  void fail_waiting(const Error& why, const std::string& note) noexcept;
  void wake_waiting() noexcept;
  void unlist() noexcept;

  net::h2::Session session_;
  net::h2::Transport transport_;
  net::Signal all_left_;
  H2ClientStream* streams_ = nullptr;  // linked; each its lessee's
  std::size_t running_ = 0;
  std::uint64_t heard_ = 0;  // bytes, when it was looked at last
  Instant heard_at_{};       // likewise, or when the first stream of those that are running began
  bool ping_waits_ = false;  // for its answer
  bool ready_ = false;       // streams may be opened
  bool wearing_ = false;     // no further streams: it ends after the last one
  bool idle_ = false;        // in the pool
  bool over_ = false;
};

}  // namespace sluice::data
