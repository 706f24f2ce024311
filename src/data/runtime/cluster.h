#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/balance/draw.h"
#include "data/balance/policy.h"
#include "data/routing/route_table.h"
#include "data/runtime/adaptive_limit.h"
#include "data/runtime/health.h"
#include "data/runtime/retry_budget.h"
#include "model/model.h"
#include "net/io/socket.h"

// The runtime of Clusters on one worker: endpoint state, kept while identities stay the same and
// reconciled, never rebuilt, when a Cluster changes.
namespace sluice::data {

class H2Client;
class PooledConnection;
class WorkerContext;
class Connecting;
struct SlotWait;

struct RequestView;
struct Exchange;

// One endpoint on one worker. Lives as long as its Cluster names it or a connection to it is in use.
struct EndpointRuntime {
  std::string text;      // "10.0.0.1:8080"
  std::string identity;  // identity_of()
  net::SocketAddress address;
  EndpointLoad load;                       // what policies know of it
  bool valid = false;                      // the address could be understood
  bool question = false;                   // model::Cluster::question
  bool left_out = false;                   // for its health, by this worker
  bool unproven = false;                   // EndpointHealth::is_unproven(), as this worker has seen it last
  std::shared_ptr<EndpointHealth> health;  // once somebody has asked; null: nobody has
  Instant warm_at = Instant::min();        // when its share is that of the others (Balancing::slow_start)
  bool retired = false;                    // no longer named: connections are closed instead of given back
  bool takes = true;                       // requests; false: it is neither dialled nor waited for any more
  std::uint32_t connections = 0;           // open, idle ones included
  std::uint32_t idle = 0;
  std::uint32_t ended_unused = 0;         // connections of HTTP/2 that ended before a stream was opened, counted
  PooledConnection* idle_head = nullptr;  // last in, first out
  std::vector<H2Client*> h2;              // that take, or will take, streams; oldest first
  // For a connection; first in, first out. Whoever has waited looks itself up in any case; an empty std::deque would
  // take 576 bytes for each endpoint.
  std::vector<SlotWait*> waiting;
  Connecting* connecting = nullptr;  // connections that are being made, linked
};

// Shared by the worker's table and the exchanges that pin it; one thread, so the count is a plain one.
class ClusterRuntime {
 public:
  // `placement`: where its keys lead (balance/placement.h), of this very form; null where its policy goes by none.
  ClusterRuntime(WorkerContext& worker, std::shared_ptr<const model::Cluster> spec,
                 std::shared_ptr<const Placement> placement, std::uint64_t seed);
  ~ClusterRuntime();
  ClusterRuntime(const ClusterRuntime&) = delete;
  ClusterRuntime& operator=(const ClusterRuntime&) = delete;

  // Takes another form of the same Cluster: endpoints with the same identity keep their state and connections, and the
  // policy what it has learned, if it is the same one.
  void reconcile(std::shared_ptr<const model::Cluster> spec, std::shared_ptr<const Placement> placement);
  // It is gone: those who still hold it find no endpoint, as nobody knows any longer whose the addresses are.
  void retire();
  const model::Cluster& spec() const noexcept { return *spec_; }
  bool available() const noexcept { return !takers_.empty(); }
  bool outside() const noexcept { return spec_->outside; }
  // Of its sessions; empty: it has none. Until the next change.
  std::string_view session_id() const noexcept { return session_id_.view(); }
  const PolicyRow& policy() const noexcept { return *row_; }
  // The policy's choice, null when there is none. `tried`: ids of those chosen before; the new one is added when there
  // is room.
  std::shared_ptr<EndpointRuntime> pick(std::vector<std::uint32_t>& tried);
  // The same for a request, by its key or its session. Where a session begins, `ex.session` says so to the response.
  std::shared_ptr<EndpointRuntime> pick(Exchange& ex);
  // Of one of its endpoints.
  EndpointHealth& health_of(EndpointRuntime& endpoint) const;
  // Whose answers take too long beside those of the others: looked for once a second. Null: nobody's, or it is too
  // early.
  EndpointRuntime* find_slow(const model::Options& options);
  // Are so many left out that a further one that fails is asked all the same?
  bool is_crowded(const model::Options& options);
  // Have more been out than may be left out, and none of them answered since? Then it was something that ailed all.
  bool too_many_out() const noexcept { return too_many_out_; }
  // What an attempt that began then, and is over, says to all workers of one of its endpoints: it is well, or it is to
  // blame; `lost`: its machine does not answer at all. `options` count failures.
  void succeeded(EndpointRuntime& endpoint, Instant begun);
  void failed(EndpointRuntime& endpoint, bool lost, const model::Options& options);
  // A line of the log about one of its endpoints.
  void notice(const EndpointRuntime& endpoint, const char* what) const;
  // All that are ejected may be asked again, by one request a worker until they have answered. False: there is none.
  bool call_back_all();
  // Those that take requests; until reconcile().
  std::size_t takers() const noexcept { return takers_.size() + far_.size(); }
  const std::shared_ptr<EndpointRuntime>& taker(std::size_t at) const noexcept {
    return endpoints_[at < takers_.size() ? takers_[at] : far_[at - takers_.size()]];
  }
  RetryBudget budget;          // where there is one
  std::uint32_t requests = 0;  // under way, where there is a limit of them
  AdaptiveLimit adaptive;      // likewise
  std::uint32_t awaited = 0;   // of these, those without the head of an answer yet
  std::uint32_t waiting = 0;   // for their turn at full endpoints; at most upstream-max-pending

  void pin() noexcept { ++pins_; }
  void unpin() noexcept {
    if (--pins_ == 0) delete this;
  }

 private:
  std::shared_ptr<EndpointRuntime> pick(std::vector<std::uint32_t>& tried, std::string_view key, std::string* session);
  // Is anybody left out for his health?
  bool goes_by_health(const model::Options& options) const noexcept;
  void consider_health(const model::Options& options);
  void look_at_health(const model::Options& options);
  // The policy's choice, or elsewhere one of two by chance that has less to do.
  std::size_t choose(const Candidates& candidates) noexcept;
  bool is_there(const Candidates& candidates) const noexcept { return candidates.takers.data() == there_.data(); }
  // Here or elsewhere: as the share says, or where there is somebody against whom less speaks. `at`: the policy's
  // choice here.
  std::size_t settle_here_or_there(const Candidates& here, std::size_t at) noexcept;
  // Is each choice as good as any: nobody is new, left out, unproven or may be full?
  bool takes_any(Instant now) const noexcept;
  // The choice, or another one of the same candidates in its place where it is new, left out, unproven or full.
  std::size_t settle(const Candidates& candidates, std::size_t at) noexcept;
  // What still speaks against it, the worst alone: it was tried, it has yet to prove itself, it is full. 0: nothing.
  int misfit(const Candidates& candidates, std::size_t at) noexcept;
  bool is_left_out(std::size_t at) const noexcept { return left_out_ != 0 && endpoints_[at]->left_out; }
  // Not one that is back and has not answered yet, while a request is about to find out.
  bool may_be_asked(std::size_t at) noexcept;
  // Has it a connection left below upstream-max-connections, or one that may be had?
  bool has_room(std::size_t at) const noexcept;
  // Whom requests without a key choose from, and how many of them stay here.
  void regroup();
  // How another is found. From `at` on each that does not fit is passed over and `next` draws another, until one fits:
  // kDraws times, which leaves the one drawn last, or until `next` says kNobody, which leaves the one before. `next`
  // gets the candidates with those that were passed over among the tried ones; `passed` is where these stand meanwhile.
  static constexpr int kDraws = 8;
  template <class Fits, class Next>
  std::size_t draw(Candidates candidates, std::size_t at, std::vector<std::uint32_t>& passed, Fits&& fits,
                   Next&& next) noexcept;
  // For `next`: kNobody rather than one that the request was sent to, or that was passed over.
  std::size_t draw_untried(const Candidates& candidates) noexcept;
  // Until one is not left out.
  std::size_t draw_in(const Candidates& candidates, std::size_t left_out) noexcept;
  // In place of an endpoint that has just come, at times.
  std::size_t spare_new(const Candidates& candidates, std::size_t at) noexcept;
  // In place of an endpoint that is left out, for a key.
  std::size_t pick_another(const Candidates& candidates, std::size_t left_out) noexcept;
  // The same for a session that would begin there.
  std::size_t begin_elsewhere(Candidates candidates, std::size_t left_out) noexcept;
  // In place of an endpoint that may not be asked.
  std::size_t wait_for_proof(const Candidates& candidates, std::size_t at) noexcept;
  // In place of an endpoint without room: one that has some. Where none of those that were drawn has, the one for which
  // the fewest wait.
  std::size_t find_room(const Candidates& candidates, std::size_t at) noexcept;
  // As draw_untried(), and none that is left out.
  std::size_t draw_well(const Candidates& candidates) noexcept;
  // Nobody names it any more.
  void retire(EndpointRuntime& endpoint);

  WorkerContext& worker_;
  std::shared_ptr<const model::Cluster> spec_;
  std::vector<std::shared_ptr<EndpointRuntime>> endpoints_;
  std::vector<EndpointLoad*> loads_;   // of endpoints_
  std::vector<std::uint32_t> takers_;  // indexes of those that take requests, but for:
  std::vector<std::uint32_t> far_;     // model::Endpoint::far, of a Cluster with endpoints that are none
  // Of takers_ and of far_ those that are not left out: themselves, or parts of well_.
  std::span<const std::uint32_t> here_, there_;
  std::vector<std::uint32_t> well_;
  std::uint32_t stay_ = 0;            // of 2^16 requests so many stay here, where there are others
  Instant warm_at_ = Instant::min();  // the latest of EndpointRuntime::warm_at; none: nobody is new
  Instant first_warm_at_{};           // the first of them, of takers_
  Instant first_far_warm_at_{};       // and of far_
  Chance chance_;                     // for both
  std::uint32_t last_id_ = 0;         // of endpoints, as tried ones are known
  const PolicyRow* row_ = nullptr;
  std::unique_ptr<Policy> policy_;
  const std::uint64_t seed_;
  Text session_id_;       // of its sessions; empty: it has none
  bool checked_ = false;  // its endpoints are
  std::uint32_t pins_ = 1;
  // Whose health says that they are left out, as this worker has found when it looked last.
  std::size_t left_out_ = 0, unproven_ = 0;
  bool too_many_out_ = false;
  std::size_t health_slot_ = 0;          // of its namespace
  std::uint64_t health_seen_ = 0;        // HealthTable::changes() then
  Instant look_again_ = Instant::min();  // when the first of them is back
  Instant slow_looked_at_{};             // by find_slow()
  std::vector<std::uint32_t> passed_;    // scratch of draw()
  std::vector<std::uint32_t> awaited_;   // likewise of the one in which another may be: wait_for_proof(), find_room()
};

// An attempt at an endpoint: in flight from its beginning until this goes, however it ends. The Cluster may go before.
// One thread.
class AttemptInFlight {
 public:
  AttemptInFlight(std::shared_ptr<EndpointRuntime> endpoint, const PolicyRow& policy, Instant begun) noexcept
      : endpoint_(std::move(endpoint)), observe_(policy.observe), begun_(begun) {
    endpoint_->load.begin();
  }
  ~AttemptInFlight() { endpoint_->load.end(); }
  AttemptInFlight(const AttemptInFlight&) = delete;
  AttemptInFlight& operator=(const AttemptInFlight&) = delete;
  void swap(AttemptInFlight& o) noexcept {
    std::swap(endpoint_, o.endpoint_);
    std::swap(observe_, o.observe_);
    std::swap(begun_, o.begun_);
  }
  const std::shared_ptr<EndpointRuntime>& endpoint() const noexcept { return endpoint_; }
  Instant begun() const noexcept { return begun_; }
  // Does its policy learn from it? Without over() nothing is learned.
  bool is_observed() const noexcept { return observe_ != nullptr; }
  void over(const AttemptOutcome& outcome, Instant now) noexcept {
    if (observe_ != nullptr) observe_(endpoint_->load, outcome, now);
  }

 private:
  std::shared_ptr<EndpointRuntime> endpoint_;
  void (*observe_)(EndpointLoad&, const AttemptOutcome&, Instant) noexcept;
  Instant begun_;
};

}  // namespace sluice::data
