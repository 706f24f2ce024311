#include "data/proxy/pacing.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/strings.h"
#include "data/proxy/ahead.h"
#include "data/proxy/response_body.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

using std::chrono::milliseconds;

// Whoever was not told that nobody waits any more looks once in a while.
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

Pacing::Pacing(Exchange& ex, BodySource& body, Allowance allowance)
    : ex_(ex), body_(body), allowance_(allowance), wake_(ex.worker.loop) {}

// Wherever it is noticed: the pause ends, and so does what goes on below it.
void Pacing::cancel(Error why) noexcept {
  cancelled_ = why;
  if (below_ != nullptr) below_->cancel(why);
  wake_.notify();
}

net::Task<Status> Pacing::may_go_on() {
  for (;;) {
    if (cancelled_) co_return std::unexpected(*cancelled_);
    if (ex_.given_up) co_return std::unexpected(*ex_.given_up);
    if (ex_.client_gone) co_return std::unexpected(kClientLeft);
    const Instant now = ex_.worker.loop.now();
    const Instant at = allowance_.next(now);
    if (at <= now) co_return Status{};
    net::Cancellable* const pause = this;
    below_ = std::exchange(ex_.waiting_on, pause);
    co_await wake_.wait(std::min(at, now + kLook));
    ex_.waiting_on = std::exchange(below_, nullptr);
  }
}

Chunk Pacing::cut(Chunk piece, std::uint64_t most) {
  if (piece.data.size() <= most) return piece;
  kept_.assign(piece.data.substr(most));
  sent_of_kept_ = 0;
  trailers_ = piece.trailers;
  last_ = piece.last;
  return {piece.data.substr(0, most), false, {}};
}

Chunk Pacing::next_kept(std::uint64_t most) noexcept {
  const auto data = std::string_view(kept_).substr(sent_of_kept_, most);
  sent_of_kept_ += data.size();
  const bool all = sent_of_kept_ == kept_.size();
  return {data, all && last_, all && last_ ? std::string_view(trailers_) : std::string_view{}};
}

Chunk Pacing::first(Chunk piece, std::uint64_t before) {
  const Instant now = ex_.worker.loop.now();
  const std::uint64_t most = allowance_.left(now);
  const Chunk out = cut(piece, most > before ? most - before : 0);
  allowance_.gone(before + out.data.size(), now);
  return out;
}

net::Task<Status> Pacing::send_rest() {
  for (;;) {
    net::Task<Status> waiting = may_go_on();
    Status may = co_await waiting;
    if (!may) {
      ex_.down.abort();
      co_return may;
    }
    const auto most = [&] { return allowance_.left(ex_.worker.loop.now()); };
    Chunk piece;
    if (sent_of_kept_ < kept_.size()) {
      piece = next_kept(std::min<std::uint64_t>(most(), ex_.down.room(0)));
    } else {
      if (!kept_.empty()) std::string().swap(kept_), sent_of_kept_ = 0;
      const std::size_t wanted = std::min<std::uint64_t>(most(), ex_.down.room(0));
      net::Task<Result<Chunk>> reading = body_.read(wanted);
      Result<Chunk> read = co_await reading;
      if (!read) {
        ex_.down.abort();
        co_return std::unexpected(read.error());
      }
      piece = cut(*read, std::max<std::uint64_t>(most(), wanted));
    }
    const bool last = piece.last;
    note_trailers(ex_, piece);
    allowance_.gone(piece.data.size(), ex_.worker.loop.now());
    Status sent = co_await ex_.down.write(piece);
    if (!sent || last) co_return sent;
  }
}

std::uint64_t head_size(const ResponseStart& response) noexcept {
  std::uint64_t bytes = sizeof "HTTP/1.1 200 \r\n\r\n" - 1 + response.reason.size();
  for (const auto& f : response.fields)
    if (!f.drop) bytes += f.name.size() + f.value.size() + sizeof ": \r\n" - 1;
  return bytes;
}

std::unique_ptr<Pacing> pace(Exchange& ex, const ResponseStart& response, BodySource& body) {
  if (!is_buffered(ex, response.fields)) return nullptr;
  std::uint64_t rate = ex.settings->limit_rate;
  for (const auto& f : response.fields) {
    if (f.id != net::http::Name::x_accel || !iequals(f.name, "x-accel-limit-rate")) continue;
    std::uint64_t said = 0;
    const auto* const end = f.value.data() + f.value.size();
    const auto [at, error] = std::from_chars(f.value.data(), end, said);
    if (error == std::errc() && at == end && said < model::RouteSettings::kMostRate) rate = said;
  }
  if (rate == 0) return nullptr;
  return std::make_unique<Pacing>(ex, body, Allowance(rate, ex.settings->limit_rate_after, ex.begun));
}

}  // namespace sluice::data
