#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/runtime/cluster.h"
#include "model/settings/upstream_connection.h"
#include "net/io/signal.h"
#include "net/stream.h"

// Connections to pods that outlive an exchange, and the exchanges that wait for one.
namespace sluice::data {

// How a connection is made and what it is good for: those whose `tls`, `proxy_header` and `fastcgi` are equal are
// alike. One that begins with a PROXY header speaks for one client, and serves no other.
struct Dial {
  model::Shared<model::UpstreamTls> tls;  // null: plain
  std::string_view alpn;                  // offered by ALPN; empty: none. A literal
  std::string proxy_header;               // sent before anything else; see proxy_out.h
  bool fastcgi = false;                   // it carries FastCGI
};

// A connection to a pod. It may lie idle in the pool of its worker; what it speaks is its derived class's.
class PooledConnection {
 public:
  PooledConnection(const PooledConnection&) = delete;
  PooledConnection& operator=(const PooledConnection&) = delete;
  net::Stream& stream() noexcept { return stream_; }
  EndpointRuntime& endpoint() noexcept { return *endpoint_; }
  // Is it what `how` would make?
  bool suits(const Dial& how) const noexcept {
    return tls_ == how.tls && proxy_header_ == how.proxy_header && fastcgi_ == how.fastcgi;
  }

 protected:
  // Takes fd. `how` it will be made. `shared`: it carries many exchanges at once, and is lent without leaving the
  // endpoint's list of such ones.
  PooledConnection(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how,
                   bool shared);
  virtual ~PooledConnection();
  // No longer in the pool and of no more use: its life ends, now or as soon as may be.
  virtual void close_idle() noexcept = 0;

  WorkerContext& worker_;
  std::shared_ptr<EndpointRuntime> endpoint_;
  net::Stream stream_;
  const model::Shared<model::UpstreamTls> tls_;
  const std::string proxy_header_;
  const bool fastcgi_;
  const bool shared_;
  const Instant made_;
  std::uint32_t exchanges_ = 0;
  Duration idle_most_ = Duration::max();  // the pod ends it soon after
  model::KeptConnections kept_;           // what the exchange before had to say of that

 private:
  friend class IdlePool;
  struct IdleDeadline final : net::Deadline {
    PooledConnection* connection = nullptr;
    void expired() override;
  };
  IdleDeadline idle_deadline_;
  PooledConnection *newer_ = nullptr, *older_ = nullptr;  // of the worker
  PooledConnection *above_ = nullptr, *below_ = nullptr;  // of the endpoint
};

// Idle connections of one worker: one LRU bound for all, last in first out for each endpoint.
class IdlePool {
 public:
  explicit IdlePool(WorkerContext& worker);
  ~IdlePool();
  IdlePool(const IdlePool&) = delete;
  IdlePool& operator=(const IdlePool&) = delete;
  // A connection that suits and is not shared (it is of HTTP/1 or FastCGI, as `how` says), or null; the caller's from
  // now on. `careful`: for requests that cannot be sent again, so that the pod's having closed is noticed before and
  // not after.
  PooledConnection* take(EndpointRuntime& endpoint, const Dial& how, bool careful);
  // May it carry a further exchange? Limits of number and age decide, and whether the pod still speaks. One that
  // carried none yet may: what it was made for is not to be refused by what it was made by.
  bool carries_more(const PooledConnection& c) const noexcept;
  // Keeps it, or closes it when a limit or its endpoint says so.
  void put(PooledConnection& c);
  // Gives up the endpoint's oldest idle connection, for whoever found none that suits and has no place to make one.
  // False: it has none.
  bool make_room(EndpointRuntime& endpoint) noexcept;
  // Of a shared one that gets an exchange again, or ends by itself.
  void take_out(PooledConnection& c) noexcept { unlink(c); }
  // Nobody takes them any more; they are closed a few at a time, between requests.
  void close_all(EndpointRuntime& endpoint);
  void close_everything();
  std::size_t size() const noexcept { return size_; }

 private:
  friend class PooledConnection;
  bool worth_keeping(const PooledConnection& c) const noexcept;
  void unlink(PooledConnection& c) noexcept;
  void close_some();
  static void on_activity(void* context, bool broken);
  WorkerContext& worker_;
  PooledConnection* newest_ = nullptr;
  PooledConnection* oldest_ = nullptr;
  std::size_t size_ = 0;
  std::vector<PooledConnection*> doomed_;
};

// An exchange that waits for a connection: for its turn at a full endpoint (upstream-max-connections), or for one that
// is being made and will carry many. On its coroutine's frame; in the endpoint's queue while it waits.
struct SlotWait final : net::Cancellable {
  SlotWait(net::Loop& loop, const Dial& wanted, bool shared) : signal(loop), how(wanted), for_shared(shared) {}
  net::Signal signal;
  const Dial& how;
  bool for_shared;             // a stream of a shared connection will do
  std::optional<Error> error;  // why it waits in vain
  std::string note;
  void cancel(Error why) noexcept override {
    error = why;
    signal.notify();
  }
};

// A connection that is being made. On its coroutine's frame; known to the endpoint while it lives.
class Connecting {
 public:
  Connecting(EndpointRuntime& endpoint, net::Cancellable& what) noexcept
      : endpoint_(endpoint), what_(what), next_(endpoint.connecting) {
    if (next_ != nullptr) next_->before_ = this;
    endpoint_.connecting = this;
  }
  ~Connecting() {
    (before_ != nullptr ? before_->next_ : endpoint_.connecting) = next_;
    if (next_ != nullptr) next_->before_ = before_;
  }
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;

 private:
  friend void send_elsewhere(EndpointRuntime& endpoint) noexcept;
  EndpointRuntime& endpoint_;
  net::Cancellable& what_;
  Connecting *next_, *before_ = nullptr;
};

// A connection was closed or became idle, or has room for a stream: the first in the queue looks again.
void slot_free(EndpointRuntime& endpoint);
// Where it takes no requests any more: whoever waits for a connection to it, or makes one, is woken and fails with
// kPodGoes. They go on at the end of the turn, not here.
inline constexpr Error kPodGoes{Fault::cancelled, Whose::internal, Retry::elsewhere, 503,
                                "the pod takes no requests any more"};
void send_elsewhere(EndpointRuntime& endpoint) noexcept;

}  // namespace sluice::data
