#include "data/proxy/pacing.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/strings.h"

namespace sluice::data {

namespace {

using std::chrono::milliseconds;

// A pause is told by nobody that nobody waits any more: it looks once in a while.
constexpr Duration kLook = std::chrono::seconds(1);

constexpr Duration kLate = 2 * net::DeadlineWheel::kTick;

std::int64_t second_of(Instant at) noexcept {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

Duration time_of(std::uint64_t bytes, std::uint64_t rate) noexcept {
  constexpr std::uint64_t kMost = 3600;  // seconds
  const std::uint64_t seconds = std::min(bytes / rate, kMost);
  return milliseconds(seconds * 1000 + (seconds < kMost ? bytes % rate * 1000 / rate : 0));
}

}  // namespace

std::int64_t Allowance::balance(Instant now) const noexcept {
  auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(second_of(now) - second_of(begun_), 0)) + 1;
  seconds = std::min(seconds, (std::uint64_t{1} << 62) / rate_);  // whatever the rate and however long it takes
  return static_cast<std::int64_t>(rate_ * seconds + after_) - static_cast<std::int64_t>(sent_);
}

std::uint64_t Allowance::left(Instant now) const noexcept {
  if (now < ready_) return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(balance(now), 0));
}

Instant Allowance::next(Instant now) const noexcept {
  if (now < ready_) return ready_;
  const std::int64_t balance_now = balance(now);
  if (balance_now > 0) return now;
  return now + time_of(static_cast<std::uint64_t>(-balance_now), rate_) + milliseconds(1);
}

void Allowance::gone(std::uint64_t bytes, Instant now) noexcept {
  const std::uint64_t before = sent_ > after_ ? sent_ - after_ : 0;
  sent_ += bytes;
  const std::uint64_t counted = sent_ > after_ ? sent_ - after_ : 0;
  // The loop's deadlines come late, which is not to be paid for with every piece.
  const Instant from = now - ready_ <= kLate ? ready_ : now;
  ready_ = from + time_of(counted - before, rate_);
}

net::Task<Status> Pacing::may_go_on() {
  for (;;) {
    if (ex_.given_up) co_return std::unexpected(*ex_.given_up);
    if (ex_.client_gone) co_return std::unexpected(kClientLeft);
    const Instant now = ex_.worker.loop.now();
    const Instant at = allowance_.next(now);
    if (at <= now) co_return Status{};
    co_await wake_.wait(std::min(at, now + kLook));
  }
}

Chunk Pacing::first(Chunk piece, std::uint64_t before) {
  const Instant now = ex_.worker.loop.now();
  const std::uint64_t left = allowance_.left(now), most = left > before ? left - before : 0;
  if (piece.data.size() > most) {
    kept_ = {std::string(piece.data.substr(most)), std::string(piece.trailers), piece.last};
    piece = {piece.data.substr(0, most), false, {}};
  }
  allowance_.gone(before + piece.data.size(), now);
  return piece;
}

std::uint64_t head_size(const ResponseStart& response) noexcept {
  std::uint64_t bytes = sizeof "HTTP/1.1 200 \r\n\r\n" - 1 + response.reason.size();
  for (const auto& f : response.fields)
    if (!f.drop) bytes += f.name.size() + f.value.size() + sizeof ": \r\n" - 1;
  return bytes;
}

std::optional<std::uint64_t> asked_rate(std::string_view value) noexcept {
  std::uint64_t rate = 0;
  const auto* const end = value.data() + value.size();
  const auto [at, error] = std::from_chars(value.data(), end, rate);
  if (error != std::errc() || at != end || rate >= model::RouteSettings::kMostRate) return std::nullopt;
  return rate;
}

std::unique_ptr<Pacing> pace(Exchange& ex, const ResponseStart& response) {
  std::uint64_t rate = ex.settings->limit_rate;
  for (const auto& f : response.fields) {
    if (f.id == net::http::Name::x_accel && iequals(f.name, "x-accel-limit-rate"))
      rate = asked_rate(f.value).value_or(rate);
  }
  if (rate == 0) return nullptr;
  return std::make_unique<Pacing>(ex, Allowance(rate, ex.settings->limit_rate_after, ex.begun));
}

}  // namespace sluice::data
