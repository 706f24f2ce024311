#include "data/proxy/pacing.h"

#include <chrono>

#include "net/http/grammar.h"
#include "support.h"

// X-Accel-Limit-Rate of a pod, a line, and how a response then goes: a byte for each step, the first one for what goes
// before. A rate is digits alone; a client never has more than the rate allows, and never waits for ever.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

constexpr std::uint64_t kMostRate = model::RouteSettings::kMostRate;

std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t out = 0;
  for (const char c : text) {
    if (!net::http::is_digit(c)) return std::nullopt;
    out = std::min(out * 10 + static_cast<std::uint64_t>(c - '0'), kMostRate);
  }
  return text.empty() || out == kMostRate ? std::nullopt : std::optional(out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto in = fuzz::text_of(bytes, size);
  const auto value = fuzz::up_to('\n', in);
  const auto rate = data::asked_rate(value);
  PROPERTY(rate == digits(value));
  if (!rate || *rate == 0 || in.empty()) return 0;

  const std::uint64_t after = static_cast<std::uint8_t>(in.front()) * 16U;
  in.remove_prefix(1);
  const Instant begun{seconds(1'000'000) + std::chrono::milliseconds(700)};
  data::Allowance allowance(*rate, after, begun);
  std::uint64_t sent = 0;
  Instant now = begun;
  for (const char c : in) {
    const auto step = static_cast<std::uint8_t>(c);
    const std::uint64_t left = allowance.left(now);
    const auto second = [](Instant at) { return std::chrono::floor<seconds>(at.time_since_epoch()); };
    const auto begun_seconds = static_cast<std::uint64_t>((second(now) - second(begun)).count()) + 1;
    PROPERTY(left == 0 || sent + left <= *rate * begun_seconds + after);
    const Instant next = allowance.next(now);
    PROPERTY(next >= now && (next == now) == (left > 0));
    // Behind the pause of the last piece the next second that begins brings something.
    const Instant soon = allowance.next(next) + seconds(1);
    PROPERTY(allowance.left(soon) > 0);
    if (step % 2 == 0) {
      now = step % 4 == 0 ? next : now + std::chrono::milliseconds(step);
      continue;
    }
    const std::uint64_t piece = std::min<std::uint64_t>(left, step * std::uint64_t{step});
    if (piece == 0) continue;
    allowance.gone(piece, now);
    sent += piece;
  }
  return 0;
}
