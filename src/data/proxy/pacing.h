#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"
#include "net/io/task.h"

// limit-rate and limit-rate-after: how fast one response goes to its client.
namespace sluice::data {

// How much of it may have gone when, as nginx counts: so many bytes for each second that has begun since the one in
// which the request came, and `after` beside. Behind each piece there is a pause of the time that the piece takes at
// this rate. Pure.
class Allowance {
 public:
  // `rate`: bytes a second, not 0.
  Allowance(std::uint64_t rate, std::uint64_t after, Instant begun) noexcept
      : rate_(rate), after_(after), begun_(begun) {}
  // Bytes that may go now.
  std::uint64_t left(Instant now) const noexcept;
  // From when on some may; `now`: at once.
  Instant next(Instant now) const noexcept;
  void gone(std::uint64_t bytes, Instant now) noexcept;

 private:
  std::int64_t balance(Instant now) const noexcept;
  std::uint64_t rate_, after_, sent_ = 0;
  Instant begun_, ready_{};
};

// When how much of a response may go to its client. What the pod gives lies here meanwhile as any buffered answer does
// (send_ahead), so that the pod is done before a slow client is.
class Pacing {
 public:
  Pacing(Exchange& ex, Allowance allowance) : ex_(ex), allowance_(allowance), wake_(ex.worker.loop) {}
  // What of the first piece, which is still to be sent behind `before` bytes, may go with the head. The rest of it is
  // kept.
  Chunk first(Chunk piece, std::uint64_t before);
  // That rest, once, with what comes behind it.
  struct Kept {
    std::string data, trailers;
    bool last = false;  // nothing comes behind it
  };
  Kept take_kept() noexcept { return std::exchange(kept_, {}); }
  // Until some may go. Errors: who waited has left, or was given up.
  net::Task<Status> may_go_on();
  // So much may; it counts as gone when gone() says so.
  std::uint64_t most() const noexcept { return allowance_.left(ex_.worker.loop.now()); }
  void gone(std::uint64_t bytes) noexcept { allowance_.gone(bytes, ex_.worker.loop.now()); }

 private:
  Exchange& ex_;
  Allowance allowance_;
  net::Signal wake_;
  Kept kept_;
};

// Bytes of the head of a response, about, which count as those of the body do.
std::uint64_t head_size(const ResponseStart& response) noexcept;

// What a value of X-Accel-Limit-Rate asks for, in bytes a second; 0: no limit. Nothing: it is no rate.
std::optional<std::uint64_t> asked_rate(std::string_view value) noexcept;

// For an answer that is buffered; null: nothing limits it. A pod may ask for a rate itself (X-Accel-Limit-Rate).
std::unique_ptr<Pacing> pace(Exchange& ex, const ResponseStart& response);

}  // namespace sluice::data
