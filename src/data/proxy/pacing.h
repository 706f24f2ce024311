#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
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

// The response's body behind the head, in place of send_rest() (response_body.h). Between two pieces nothing is asked
// of the pod: what it cannot get rid of waits with it. Kept is no more than the rest of one piece.
class Pacing final : private net::Cancellable {
 public:
  // `body` lives as long.
  Pacing(Exchange& ex, BodySource& body, Allowance allowance);
  // What of the first piece, which is still to be sent behind `before` bytes, may go with the head.
  Chunk first(Chunk piece, std::uint64_t before);
  net::Task<Status> send_rest();

 private:
  void cancel(Error why) noexcept override;
  net::Task<Status> may_go_on();
  Chunk cut(Chunk piece, std::uint64_t most);
  Chunk next_kept(std::uint64_t most) noexcept;

  Exchange& ex_;
  BodySource& body_;
  Allowance allowance_;
  net::Signal wake_;
  net::Cancellable* below_ = nullptr;  // what the exchange waits for otherwise
  std::optional<Error> cancelled_;
  std::string kept_;  // the rest of a piece, with what came behind it
  std::size_t sent_of_kept_ = 0;
  std::string trailers_;
  bool last_ = false;  // nothing comes behind what is kept
};

// Bytes of the head of a response, about, which count as those of the body do.
std::uint64_t head_size(const ResponseStart& response) noexcept;

// Null: nothing limits it, or it is not buffered (is_buffered). A pod may ask for a rate itself (X-Accel-Limit-Rate).
std::unique_ptr<Pacing> pace(Exchange& ex, const ResponseStart& response, BodySource& body);

}  // namespace sluice::data
