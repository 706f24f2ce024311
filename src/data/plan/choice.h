#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/regex.h"
#include "data/exchange/request_view.h"
#include "model/model.h"

// choose: which Backend of its Route takes a request, the main one or the canary's. Pure: serve(), `sluice explain` and
// tests ask the same.
namespace sluice::data {

// One of the two, as it is when a request is matched.
struct Candidate {
  const model::Cluster* cluster = nullptr;  // null: it is not there
  bool available = false;                   // it has an endpoint that takes requests
  std::string_view session_id{};            // session_id_of() where it has sessions: made once, not for each request
};

// Is the request bound to an endpoint of this Cluster, which is there, by its cookie of affinity?
bool is_bound(const RequestView& request, const Candidate& candidate) noexcept;

// The canary of a route, compiled. Immutable; any number of threads may ask at once.
class Choice {
 public:
  // What decided, in the order in which it is asked.
  enum class By : std::uint8_t {
    no_main,           // the main Service has no endpoint: its requests are answered 503
    no_canary,         // the canary's has none
    bound_to_main,     // the cookie of affinity
    bound_to_canary,   // likewise
    header_value,      // canary-by-header-value
    header_pattern,    // canary-by-header-pattern
    unusable_pattern,  // which is no regular expression: what has the header stays
    pattern_gave_up,   // which takes too many steps for this header: likewise
    header,            // "always" or "never" in the header of canary-by-header
    cookie,            // in the cookie of canary-by-cookie
    weight,            // nothing else did
  };
  struct Opinion {
    By by = By::weight;
    bool canary = false;  // takes it; of By::weight: as a draw says
  };

  // `spec` is shared, not copied. `series`: number of the metric label set of requests that the canary takes.
  Choice(model::Shared<model::Canary> spec, std::uint32_t series);

  // May allocate where the request has several fields of the header's name; else never.
  Opinion ask(const RequestView& request, const Candidate& main, const Candidate& canary) const;
  // Of requests that nothing else decides: `random` is any number, each as likely as the others.
  bool draw(std::uint64_t random) const noexcept;
  // Of `total()` requests that nothing else decides the canary takes so many.
  std::int64_t share() const noexcept;
  std::int64_t total() const noexcept { return spec_->rule.total; }
  // What decided, in words: "X-Canary is yes (canary-by-header-value)".
  std::string because(By by) const;

  const model::Canary& spec() const noexcept { return *spec_; }
  std::uint32_t series() const noexcept { return series_; }

 private:
  std::optional<Opinion> by_header(const RequestView& request) const;

  model::Shared<model::Canary> spec_;
  std::shared_ptr<const Regex> pattern_;  // null: none, or it is unusable
  std::uint32_t series_;
};

}  // namespace sluice::data
