#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/balance/maglev_table.h"
#include "data/balance/policy.h"
#include "model/model.h"

// Where keys lead: made by the Compiler of the endpoints of a Cluster, for the policies that go by a key. Immutable,
// and shared by all workers, as the one of ten thousand endpoints takes megabytes and milliseconds.
namespace sluice::data {

// Points on a circle of 2^32: a key belongs to the owner of the first point at or behind its hash. Points are found by
// the names of their owners alone, the way of ngx_http_upstream_hash's "consistent" and of the lua-resty-balancer that
// ingress-nginx uses: 160 for each name, so that a key leads to the same pod here and there.
class Ring {
 public:
  static constexpr std::size_t kPoints = 160;  // of each owner

  struct Point {
    std::uint32_t hash = 0, owner = 0;
    auto operator<=>(const Point&) const = default;
  };
  Ring() = default;
  // `names`: of the owners 0, 1, … `before` with `now_at`: another ring, and what number each of its owners has now,
  // or kGone; owners without a number there are new. Costs what sorting the new points and walking over all costs.
  explicit Ring(std::span<const std::string> names);
  static constexpr std::uint32_t kGone = 0xffffffff;
  Ring(const Ring& before, std::span<const std::uint32_t> now_at, std::span<const std::string> names);

  // Calls `takes(owner)` for the owners of the points behind the key's, each point once, until it says yes, and
  // returns that owner; kGone when none does. An owner may be asked several times.
  template <class Takes>
  std::uint32_t find(std::string_view key, Takes&& takes) const noexcept {
    if (points_.empty()) return kGone;
    const std::size_t from = at(hash(key));
    for (std::size_t i = from; i < points_.size(); ++i)
      if (takes(points_[i].owner)) return points_[i].owner;
    for (std::size_t i = 0; i < from; ++i)
      if (takes(points_[i].owner)) return points_[i].owner;
    return kGone;
  }
  static std::uint32_t hash(std::string_view key) noexcept;
  std::span<const Point> points() const noexcept { return points_; }

 private:
  std::size_t at(std::uint32_t hash) const noexcept;
  void index();

  std::vector<Point> points_;          // ascending
  std::vector<std::uint32_t> begins_;  // for each slice of the circle the first point in it or behind it
  unsigned shift_ = 32;
};

class Placement {
 public:
  // Null where the Cluster's policy goes by no key. `before`: of the same Cluster as it was; may be null.
  static std::shared_ptr<const Placement> of(const model::Cluster& cluster, const Placement* before);

  const Ring& ring() const noexcept { return ring_; }
  // With Places::table; empty without.
  const MaglevTable& table() const noexcept { return table_; }
  // With Places::ring_of_subsets: how many subsets there are, each `subset_size` places of the endpoints that are
  // ready.
  std::uint32_t subsets() const noexcept { return subsets_; }
  // With Places::names: the endpoint that a session's key names, and the key of one; kNobody and empty: none.
  std::size_t named(std::string_view key) const noexcept;
  std::string_view name_of(std::size_t index) const noexcept {
    return index < names_.size() ? std::string_view(names_[index]) : std::string_view();
  }

 private:
  struct Name {
    static constexpr std::uint32_t kNone = 0xffffffff;
    std::uint64_t high = 0, low = 0;
    std::uint32_t index = kNone;
    bool read(std::string_view text) noexcept;  // false: it is the name of nobody
  };
  void index_names();

  PolicyRow::Places places_ = PolicyRow::Places::none;
  Ring ring_;
  MaglevTable table_;
  std::uint32_t subsets_ = 0;
  std::vector<std::string> addresses_;  // of the endpoints, as they are named on the ring
  std::vector<std::string> names_;      // of sessions: 32 hexadecimal digits each
  std::vector<Name> by_name_;           // a table of them; its size is a power of two
  std::string salt_;                    // that the names were made with
};

// "10.0.0.1:8080", "[2001:db8::1]:8080": an endpoint as ingress-nginx names it.
std::string address_of(const model::Endpoint& endpoint);
// MD5 as 32 lower-case hexadecimal digits: for names that ingress-nginx makes with it, not against forgery.
std::string md5_text(std::string_view text);

}  // namespace sluice::data
