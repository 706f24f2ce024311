#include "data/filter/limiting.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "data/exchange/variables.h"
#include "net/http/reason.h"

namespace sluice::data {

namespace {

LocalReply refusal(Exchange& ex, std::uint16_t status, const char* why) {
  LocalReply out{.status = status, .why = why, .ours = false, .silent = is_silent(status)};
  const Instant now = ex.worker.loop.now();
  if (now - ex.worker.limits_told >= std::chrono::seconds(1)) {
    ex.worker.limits_told = now;
    out.ours = true;
    ex.note = fmt::format("client {}", ex.client_address);
  }
  if (net::http::reason_phrase(status).empty()) out.body.emplace();  // nginx has no page for it
  return out;
}

// A snippet may say so for its location.
std::uint16_t status_of(const Exchange& ex, std::uint16_t model::SnippetLimits::* own, std::uint16_t option) noexcept {
  const auto& snippet = ex.settings->snippet;
  return snippet && snippet->limits.*own != 0 ? snippet->limits.*own : option;
}

}  // namespace

LimitedKey::LimitedKey(const Exchange& ex, const Template& of) : bytes_(ex.worker.out) {
  bytes_.assign(sizeof(std::uint64_t), '\0');
  if (of.text() == model::Options::kByAddress)
    bytes_.append(reinterpret_cast<const char*>(ex.client.data()), ex.client.size());
  else
    evaluate(of, ex, Spelling::raw, bytes_);
}

std::uint64_t LimitedKey::counter(std::uint64_t of) noexcept {
  std::memcpy(bytes_.data(), &of, sizeof of);
  return LimitTable::number(bytes_);
}

LimitTable::Rate limit_rate(std::uint64_t thousandths_a_second, std::uint64_t burst) noexcept {
  return {static_cast<std::uint32_t>(std::min<std::uint64_t>(thousandths_a_second, LimitTable::kMostRate)),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(burst, LimitTable::kMostBurst / 1000) * 1000)};
}

std::uint32_t limit_time(const Exchange& ex) noexcept {
  using std::chrono::duration_cast;
  const auto now = ex.worker.loop.now().time_since_epoch();
  return static_cast<std::uint32_t>(duration_cast<std::chrono::milliseconds>(now).count());
}

LimitTable::Said note_limit(Exchange& ex, LimitTable::Said said) noexcept {
  if (said.forgot) ex.worker.stats.limits_forgotten.add();
  if (!said.counted) ex.worker.stats.limits_uncounted.add();
  return said;
}

bool enter_limit(Exchange& ex, LimitTable::Key key, std::uint32_t most) noexcept {
  const auto entered = ex.worker.shared.client_limits.enter(key, most);
  if (entered.place != nullptr) *std::ranges::find(ex.counted, nullptr) = entered.place;
  if (entered.admitted && entered.place == nullptr) ex.worker.stats.limits_uncounted.add();
  return entered.admitted;
}

LocalReply refused_by_rate(Exchange& ex, const char* why, LimitTable::Said said) {
  ex.worker.stats.limited_rate.add();
  LocalReply out =
      refusal(ex, status_of(ex, &model::SnippetLimits::rate_status, ex.options->limit_req_status_code), why);
  if (out.ours == true)
    ex.note = fmt::format("client {}, excess {}.{:03}", ex.client_address, said.excess / 1000, said.excess % 1000);
  return out;
}

LocalReply refused_by_connections(Exchange& ex, const char* why) {
  ex.worker.stats.limited_connections.add();
  return refusal(ex, status_of(ex, &model::SnippetLimits::connection_status, ex.options->limit_conn_status_code), why);
}

}  // namespace sluice::data
