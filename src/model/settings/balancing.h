#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/variables.h"
#include "model/settings/health_check.h"
#include "model/shared.h"

namespace sluice::model {

// Which endpoint the next request goes to, where neither a session nor a key says so.
enum class LoadBalance : std::uint8_t { round_robin, ewma, least_request, random, prequal };
constexpr std::string_view to_string(LoadBalance way) noexcept {
  switch (way) {
    case LoadBalance::round_robin:
      return "round_robin";
    case LoadBalance::ewma:
      return "ewma";
    case LoadBalance::least_request:
      return "least_request";
    case LoadBalance::random:
      return "random";
    case LoadBalance::prequal:
      return "prequal";
  }
  return "";
}

// What leads from the hash of a key to an endpoint.
enum class HashPolicy : std::uint8_t { ring, maglev };
constexpr std::string_view to_string(HashPolicy way) noexcept {
  switch (way) {
    case HashPolicy::ring:
      return "ring";
    case HashPolicy::maglev:
      return "maglev";
  }
  return "";
}

// Requests with the same key go to the same endpoint (upstream-hash-by), or to one of the same few.
struct HashBy {
  Template key;
  bool subset = false;
  std::uint32_t subset_size = 3;  // endpoints of one subset; not 0
  // Not with a subset, which is on a ring and bounded by its size:
  HashPolicy policy = HashPolicy::ring;
  // Per cent of the mean of requests in flight that the key's endpoint may have, above 100; with more the key goes to
  // another one. 0: without bound.
  std::uint32_t balance_factor = 0;
  bool operator==(const HashBy&) const = default;
};

enum class SameSite : std::uint8_t { unset, none, lax, strict };
constexpr std::string_view to_string(SameSite way) noexcept {
  switch (way) {
    case SameSite::unset:
      return "";
    case SameSite::none:
      return "None";
    case SameSite::lax:
      return "Lax";
    case SameSite::strict:
      return "Strict";
  }
  return "";
}

// A cookie keeps the requests of one browser at one endpoint (affinity: cookie).
struct Affinity {
  bool persistent = false;         // for as long as the endpoint is there, however many others come
  bool change_on_failure = false;  // a failed attempt ends the session: another endpoint is asked
  std::string name = "INGRESSCOOKIE";
  std::string path;                              // empty: the path of the route as its Ingress wrote it
  std::string domain;                            // empty: none
  std::optional<std::int64_t> expires, max_age;  // seconds; empty: as long as the browser runs
  SameSite same_site = SameSite::unset;
  bool same_site_none_if_understood = false;  // None is left out for browsers that take it for something else
  bool secure = false;                        // of requests over plain HTTP, too
  bool operator==(const Affinity&) const = default;
};

// How the endpoints of a Cluster are chosen. A session is stronger than a key, and a key than `load_balance`.
struct Balancing {
  LoadBalance load_balance = LoadBalance::round_robin;
  Shared<HashBy> hash_by;     // null: not by a key
  Shared<Affinity> affinity;  // null: no sessions
  // A new endpoint gets a share that grows to that of the others in this time; 0: the same at once. Neither by keys nor
  // by sessions.
  std::chrono::seconds slow_start{0};
  bool by_service = false;  // its Service's cluster address is the one endpoint, where it has one
  // Of a Cluster: null where its endpoints are not checked. Of a route: what is asked for, be it CheckBy::off.
  Shared<HealthCheck> health;
  bool operator==(const Balancing&) const = default;
};

}  // namespace sluice::model
