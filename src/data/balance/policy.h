#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

// Policies choose an endpoint; nothing else. No sockets, no clock. One instance a Cluster and worker.
namespace sluice::data {

// What a policy may know: which endpoints take requests, and which of them this exchange has tried already.
struct Candidates {
  std::span<const std::uint8_t> usable;  // one for each endpoint, not 0: takes requests
  std::span<const std::uint32_t> tried;  // indexes, a handful
  bool takes(std::size_t i) const noexcept { return usable[i] != 0; }
  bool was_tried(std::size_t i) const noexcept {
    for (auto t : tried)
      if (t == i) return true;
    return false;
  }
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Index of the chosen one, or candidates.usable.size() when none takes requests. Prefers those not tried, falls back
  // to tried ones. Must not cost more with more endpoints, as long as they take requests.
  virtual std::size_t pick(const Candidates& candidates) noexcept = 0;
};

struct PolicyRow {
  std::string_view name;  // of the configuration, of admin pages, of metric labels
  std::unique_ptr<Policy> (*make)(std::uint64_t seed);
  std::string_view doc;
};
std::span<const PolicyRow> policies();

}  // namespace sluice::data
