#include "data/proxy/retry.h"

#include <algorithm>

#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

using model::RetryOn;

RetryOn condition_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::timeout:
    case Fault::connect_timeout:
      return RetryOn::timeout;
    case Fault::malformed:
    case Fault::too_large:
      return RetryOn::invalid_header;
    default:
      return RetryOn::error;
  }
}

// What is asked whatever the reason is.
bool can_be_sent_again(const Exchange& ex, bool nothing_sent) noexcept {
  if (ex.client_gone || ex.down.started()) return false;
  if (!ex.body_whole && ex.body_touched) return false;
  return nothing_sent || repeatable(ex);
}

bool more_tries(const Exchange& ex, Instant now) noexcept {
  if (ex.settings->tries != 0 && ex.tries >= ex.settings->tries) return false;
  if (ex.tries >= 16) return false;  // tries 0 means without limit in ingress-nginx; a dead pod is not asked for ever
  return ex.settings->tries_timeout.count() == 0 || now - ex.tries_begun < ex.settings->tries_timeout;
}

// What a pod may have seen costs it as much as a request: such tries are a share of these.
bool within_budget(const Exchange& ex, bool nothing_sent, Instant now) noexcept {
  const auto& options = *ex.options;
  if (options.retry_budget_percent == 0 || nothing_sent || ex.cluster == nullptr) return true;
  if (ex.cluster->budget.take(now, options.retry_budget_percent, options.retry_budget_min_rate)) return true;
  ex.worker.stats.retries_over_budget.add();
  return false;
}

// Without a budget for further tries a fifth of the requests may be hedged.
constexpr std::uint32_t kHedgePercent = 20;

}  // namespace

// RFC 9110 section 9.2.2: what is not known to be idempotent is not sent twice, a method that we do not know neither.
bool repeatable(const Exchange& ex) noexcept {
  return net::http::idempotent(ex.head().method) || ex.settings->retry_non_idempotent ||
         ex.settings->retry_on.has(RetryOn::non_idempotent);
}

Duration backoff(const Exchange& ex) noexcept {
  const std::uint64_t most = static_cast<std::uint64_t>(ex.options->retry_backoff.count())
                             << std::min<std::uint32_t>(ex.tries == 0 ? 0 : ex.tries - 1, 5);
  return std::chrono::milliseconds(ex.worker.random() % (most + 1));
}

bool may_retry(const Exchange& ex, const Error& error, bool nothing_sent, Instant now) noexcept {
  if (error.retry == Retry::elsewhere) return !ex.client_gone && !ex.down.started() && ex.tries < 16;
  if (error.whose != Whose::upstream && error.fault != Fault::overload) return false;
  if (error.retry == Retry::no || !can_be_sent_again(ex, nothing_sent)) return false;
  if (error.retry != Retry::unprocessed && !ex.settings->retry_on.has(condition_of(error.fault))) return false;
  if (error.retry == Retry::reused_only) return true;
  return more_tries(ex, now) && within_budget(ex, nothing_sent, now);
}

bool may_retry_over(const Exchange& ex, int status) noexcept {
  if (!ex.settings->retry_on.has_status(status) || ex.grpc) return false;
  const Instant now = ex.worker.loop.now();
  return can_be_sent_again(ex, false) && more_tries(ex, now) && within_budget(ex, false, now);
}

bool may_hedge(const Exchange& ex, Instant now) noexcept {
  const bool all_here = ex.body_whole && ex.trailers.empty() && !ex.on_disk;
  return all_here && can_be_sent_again(ex, false) && more_tries(ex, now);
}

bool within_hedge_budget(const Exchange& ex, Instant now) noexcept {
  const auto& options = *ex.options;
  const auto percent = options.retry_budget_percent != 0 ? options.retry_budget_percent : kHedgePercent;
  return ex.cluster->budget.take(now, percent, options.retry_budget_min_rate);
}

void send_once(Exchange& ex) noexcept {
  ex.body_touched = true;
  ex.try_until = Instant::max();
}

void moved_on(Exchange& ex, Instant now) noexcept {
  if (ex.try_until != Instant::max()) [[unlikely]]
    ex.try_until = now + ex.settings->try_timeout;
}

void review_try(Exchange& ex, Instant now) noexcept {
  if (ex.try_until != Instant::max() && try_until(ex, now) == Instant::max()) ex.try_until = Instant::max();
}

Instant try_until(const Exchange& ex, Instant now) noexcept {
  const auto& settings = *ex.settings;
  if (settings.try_timeout.count() == 0) [[likely]]
    return Instant::max();
  const Instant until = now + settings.try_timeout;
  const bool another = settings.retry_on.has(RetryOn::timeout) && can_be_sent_again(ex, false) && more_tries(ex, until);
  return another ? until : Instant::max();
}

}  // namespace sluice::data
