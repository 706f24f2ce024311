#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/settings/balancing.h"

// The contract of a policy, which chooses an endpoint and does nothing else. It knows neither sockets nor routes nor
// clocks. A policy is one file of policies/ and its name in registry.cpp.
//
// There is one instance for each Cluster and worker, used on the worker's thread alone. It is made once, and reconciled
// whenever the Cluster changes: what it has learned outlives that. What is known of an endpoint belongs to the endpoint
// (EndpointLoad), so that another policy, or the same one after a change, finds it again.
namespace sluice::data {

class Placement;

inline constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

// What is known of one endpoint, on one worker, whoever chooses it. Lives as long as the endpoint is named or in use.
struct EndpointLoad {
  std::uint32_t id = 0;         // of this endpoint alone, among all that its Cluster ever had on the worker
  std::uint32_t in_flight = 0;  // attempts that have begun and are not over; begin() and end() alone change it
  float latency = 0;            // seconds, as the policy's `observe` left it
  float among = 0;              // how many were in flight when that was measured; 0: the policy does not say
  Instant since{};              // when `observe` did; none: nothing is known
  // The sum of in_flight of all that share it, for a policy that asks for the mean. Null: nobody asks.
  std::shared_ptr<std::uint64_t> sum = {};

  void begin() noexcept {
    ++in_flight;
    if (sum) ++*sum;
  }
  void end() noexcept {
    --in_flight;
    if (sum) --*sum;
  }
};

// What a policy may look at for one choice. Views are valid during the call.
struct Candidates {
  std::span<EndpointLoad* const> endpoints;  // all of the Cluster, in its order
  std::span<const std::uint32_t> takers;     // those that take requests: indexes of `endpoints`, ascending
  std::span<const std::uint32_t> tried{};    // ids of those that this request was sent to before; a handful
  std::string_view key{};                    // of the request: its session, or what it is hashed by; empty: it has none
  Instant now{};
  std::string* session = nullptr;  // gets the key of a session that this choice begins; null: there is no use for one

  bool was_tried(std::size_t index) const noexcept {
    if (tried.empty()) return false;
    const auto id = endpoints[index]->id;
    for (const auto t : tried)
      if (t == id) return true;
    return false;
  }
};

// A Cluster as it is from now on. Views are valid during the call.
struct Members {
  std::span<EndpointLoad* const> endpoints;  // as Candidates has them from now on
  std::span<const std::uint32_t> takers;
  std::span<const std::uint32_t> newcomers;         // indexes of those that the Cluster did not have before
  const model::Balancing& balancing;                // its parameters
  std::shared_ptr<const Placement> placement = {};  // of the row's `places`; null: it has none
  Instant now{};
};

// What became of an attempt.
struct AttemptOutcome {
  enum class How : std::uint8_t {
    answered,  // the pod sent the head of a response after `seconds`
    failed,    // it did not, and it is to blame
    cut_short  // nobody waited for it any longer: it would have taken `seconds` at least
  };
  How how = How::cut_short;
  float seconds = 0;
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Index of the chosen endpoint, which is a taker; kNobody when there are none. An endpoint that was tried is chosen
  // only where all takers were, or where the request's session is bound to it. Costs the same with ten thousand
  // endpoints as with ten, allocates nothing and never throws.
  virtual std::size_t pick(const Candidates& candidates) noexcept = 0;
  // The endpoints, or the parameters, are others than before. Called before the first pick(), too.
  virtual void reconcile(const Members&) {}
};

struct PolicyRow {
  std::string_view name;  // for explain and the admin pages
  std::unique_ptr<Policy> (*make)(std::uint64_t seed);
  // What the key of a request is: none, what hash_by makes of it, or the session that its cookie names.
  enum class Key : std::uint8_t { none, hash, session };
  Key key = Key::none;
  // What leads from keys to endpoints, made once for all workers (placement.h). Null: it needs none.
  enum class Places : std::uint8_t { none, ring, ring_of_subsets, names, table };
  Places places = Places::none;
  // Told of each attempt that is over. Null: it learns nothing from them, and no clock is read for it. in_flight is
  // counted for every policy.
  void (*observe)(EndpointLoad& load, const AttemptOutcome& outcome, Instant now) noexcept = nullptr;
  std::string_view doc;
};
std::span<const PolicyRow* const> policies();
// The one that a Cluster asks for; null: one that asks for nothing.
const PolicyRow& policy_of(const model::Balancing* balancing) noexcept;

}  // namespace sluice::data
