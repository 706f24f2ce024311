#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"

namespace sluice::data {

// The one retry rule. `nothing_sent`: the pod cannot have seen the request.
//  - nothing of a response has been started, the client is there, and the body can be sent again (or was not touched);
//  - methods that are not idempotent (POST, PATCH and all that are not known) go again only when nothing was sent, or
//    retry-non-idempotent is on, or proxy-next-upstream says non_idempotent;
//  - a stale kept-alive connection is replaced, without counting, where proxy-next-upstream has that condition;
//  - what the pod says it has not processed goes again without counting, kMostUnprocessed times;
//  - so does what waited for a pod that takes no requests any more, of which nothing was sent;
//  - otherwise it is a condition of proxy-next-upstream, and -tries and -timeout bound it, and of what a pod may have
//    seen the budget of its Cluster (RetryBudget), which such a try is taken from.
inline constexpr std::uint32_t kMostUnprocessed = 16;
// The pause before the next try of what a pod has seen: by chance, up to retry-backoff, twice that before the next one…
Duration backoff(const Exchange& ex) noexcept;
bool may_retry(const Exchange& ex, const Error& error, bool nothing_sent, Instant now) noexcept;
// Of the method and of what the route says: may it be sent again although a pod may have seen it?
bool repeatable(const Exchange& ex) noexcept;
// Until when this try may take for the head of an answer: try_timeout from `now` on where its end by a timeout could be
// followed by another one; else the end of time.
Instant try_until(const Exchange& ex, Instant now) noexcept;
// The copy of its body that was kept for another try is given up, as there is no more room for it, or what was sent is
// not to be had again: this try is the last one, and has the usual time.
void send_once(Exchange& ex) noexcept;
// More of the body was sent: a pod answers when it has the request.
void moved_on(Exchange& ex, Instant now) noexcept;
// What another try depends on may have changed: where none may follow any more, this one has the usual time.
void review_try(Exchange& ex, Instant now) noexcept;
// may_retry() over the status of an answer that has come. If not, the client gets it, whatever it is. Not of calls of
// gRPC: their statuses stand elsewhere.
bool may_retry_over(const Exchange& ex, int status) noexcept;

// A second pod beside one that has not answered within hedge-delay: may it be asked now? All of the request is here, in
// memory and without trailers, it may be sent twice, and -tries and -timeout allow a further try.
bool may_hedge(const Exchange& ex, Instant now) noexcept;
// True: the budget of the Cluster has room for it, and it is taken. Where further tries have none, hedges have one of
// the same kind.
bool within_hedge_budget(const Exchange& ex, Instant now) noexcept;

}  // namespace sluice::data
