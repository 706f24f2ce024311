#pragma once
#include <optional>

#include "data/plan/step.h"
#include "data/runtime/limit_table.h"

// Requests that come back (RFC 9110 section 7.6: "An intermediary MUST NOT forward a message to itself unless it is
// protected from an infinite request loop"). A request that goes outside carries CDN-Loop (base/cdn_loop.h); one that
// goes to pods does only when it has come from a proxy itself.
namespace sluice::data {

// 508 for one that has come back; nothing: it goes on. The request has a route and `route_seed`.
std::optional<LocalReply> loop(const RequestView& request);
// The effect: a loop is counted; of a request that goes on (`passed`), what is to be written about this pass is put
// into ex.loop_mark.
void mark_pass(Exchange& ex, bool passed);

// With `compat: exact` such requests carry no mark, as those of ingress-nginx. What comes back has the X-Request-ID
// that it left with, so those that are under way with one id are counted: a loop ends where there are kMost. One for
// each time that an exchange asks, for as long.
class UnderWay {
 public:
  static constexpr std::uint32_t kMost = 100;
  explicit UnderWay(Exchange& ex);
  ~UnderWay() {
    if (place_ != nullptr) LimitTable::leave(place_);
  }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  bool too_often() const noexcept { return too_often_; }

 private:
  std::atomic<std::uint64_t>* place_ = nullptr;
  bool too_often_ = false;
};

}  // namespace sluice::data
