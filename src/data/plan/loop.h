#pragma once
#include <optional>

#include "data/plan/step.h"

// Requests that come back (RFC 9110 section 7.6: "An intermediary MUST NOT forward a message to itself unless it is
// protected from an infinite request loop"). A request that goes outside carries CDN-Loop (base/cdn_loop.h); one that
// goes to pods does only when it has come from a proxy itself.
namespace sluice::data {

// 508 for one that has come back; nothing: it goes on. The request has a route and `route_seed`.
std::optional<LocalReply> loop(const RequestView& request);
// The effect: a loop is counted; of a request that goes on (`passed`), what is to be written about this pass is put
// into ex.loop_mark.
void mark_pass(Exchange& ex, bool passed);

}  // namespace sluice::data
