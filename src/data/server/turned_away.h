#pragma once
#include <cstddef>
#include <list>
#include <string_view>

#include "base/clock.h"
#include "net/io/loop.h"

// Clients that a limit turns away before they can ask (max-connections, max-connections-per-address). They are told so,
// and what they send is read and thrown away for a moment: a close with bytes unread is a reset, which would destroy
// the answer for clients that send a body with their head. As nobody is to hold a full process by being turned away, it
// is a moment, and for a few of them at once; others are closed right behind the answer.
namespace sluice::data {

class Worker;

// What a client is told that a limit turns away before it could ask.
inline constexpr std::string_view kBusyAnswer =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

inline constexpr Duration kTurnedAwayTime = std::chrono::seconds(1);
inline constexpr std::size_t kMostTurnedAway = 32;                  // of a worker, at once
inline constexpr std::size_t kMostOfTurnedAway = 32 * 1024 * 1024;  // bytes of one

// Of one worker, on its thread. Connections end with it.
class TurnedAway final {
 public:
  explicit TurnedAway(Worker& worker) noexcept;
  ~TurnedAway();
  TurnedAway(const TurnedAway&) = delete;
  TurnedAway& operator=(const TurnedAway&) = delete;

  // Takes the descriptor of a plain client, which does not block, and tells it.
  void tell(int fd);
  std::size_t size() const noexcept { return clients_.size(); }

 private:
  struct Client final : net::Watcher {
    Client(TurnedAway& o, int f, Instant u) noexcept : of(o), fd(f), until(u) {}
    void on_events(std::uint32_t events) override;
    TurnedAway& of;
    const int fd;
    const Instant until;
    std::size_t bytes = 0;
  };
  struct Time final : net::Deadline {
    TurnedAway* of = nullptr;
    void expired() override { of->end_late(); }
  };
  void end(std::list<Client>::iterator client) noexcept;
  void end_late();

  Worker& worker_;
  std::list<Client> clients_;  // the oldest first
  Time time_;                  // of the oldest
};

}  // namespace sluice::data
