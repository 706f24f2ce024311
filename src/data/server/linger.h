#pragma once
#include <cstdint>

#include "base/clock.h"
#include "net/io/task.h"
#include "net/stream.h"

// What a client goes on sending after it was answered early (a 413, a 401, a pod's own answer) is read and thrown away
// for a while. A close or RST_STREAM with the request unread may destroy the answer on its way, and clients that write
// all of their request before they read would then never see it (RFC 9112 section 9.6, RFC 9113 section 8.1). It costs
// reading and no memory, and is bounded by time, by silence, by rate and by number.
namespace sluice::data {

class Worker;

inline constexpr Duration kLingerTime = std::chrono::seconds(30);     // in all, as nginx's lingering_time
inline constexpr Duration kLingerSilence = std::chrono::seconds(5);   // without a byte, as its lingering_timeout
inline constexpr Duration kLingerDraining = std::chrono::seconds(1);  // without a byte, once the worker drains
inline constexpr std::uint32_t kMostLingering = 1024;                 // connections and streams of a worker

// One connection or stream that lingers. Made when it begins; `admitted()` is false when too many do already: then it
// ends at once. On the worker's thread.
class Linger {
 public:
  explicit Linger(Worker& worker, Duration most = kLingerTime) noexcept;  // in all
  ~Linger();
  Linger(const Linger&) = delete;
  Linger& operator=(const Linger&) = delete;

  bool admitted() const noexcept { return admitted_; }
  // `bytes` more were thrown away.
  void took(std::size_t bytes) noexcept { bytes_ += bytes; }
  // Until when the next byte must come. Not in the future: its time is over.
  Instant until() const noexcept;
  // The client kept us waiting since `begun`. False: it sends below client-min-rate.
  bool waited_since(Instant begun) noexcept;

 private:
  Worker& worker_;
  const Instant end_;
  Duration waited_{};
  std::uint64_t bytes_ = 0;
  bool admitted_;
};

// Before a close that the client may not expect: announces the end, then reads on as said above. Returns when the
// client has closed, or was given time enough: `most` in all.
net::Task<void> linger(Worker& worker, net::Stream& stream, Duration most = kLingerTime);

}  // namespace sluice::data
