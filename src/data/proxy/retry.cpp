#include "data/proxy/retry.h"

namespace sluice::data {

bool may_retry(const Exchange& ex, const Error& error, std::uint32_t tries, bool nothing_sent, Instant now) noexcept {
  if (error.whose != Whose::upstream && error.fault != Fault::overload) return false;
  if (error.retry == Retry::no || ex.client_gone || ex.down.started()) return false;
  if (!ex.body_whole && ex.body_touched) return false;
  const auto& head = ex.head();
  // RFC 9110 section 9.2.2: what is not known to be idempotent is not sent twice, a method that we do not know neither.
  const bool safe_again = net::http::idempotent(head.method);
  if (!nothing_sent && !safe_again && !ex.settings->retry_non_idempotent) return false;
  if (error.retry == Retry::reused_only) return true;
  if (ex.settings->tries != 0 && tries >= ex.settings->tries) return false;
  if (tries >= 16) return false;  // tries 0 means without limit in ingress-nginx; a dead pod must not be asked for ever
  return ex.settings->tries_timeout.count() == 0 || now - ex.begun < ex.settings->tries_timeout;
}

}  // namespace sluice::data
