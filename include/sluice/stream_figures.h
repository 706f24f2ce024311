#pragma once
#include <atomic>
#include <cstdint>

// What became of the connections (TCP) or sessions (UDP) of a port that is passed on to a Service.
namespace sluice {

// Workers add, ops reads; any thread. What a connection carried is added when it ends.
struct StreamFigures {
  std::atomic<std::uint64_t> carried{0};      // a pod took it
  std::atomic<std::uint64_t> unreachable{0};  // no pod did
  std::atomic<std::uint64_t> active{0};
  std::atomic<std::uint64_t> received{0}, sent{0};  // bytes from clients, and to them
  std::atomic<std::uint64_t> milliseconds{0};       // their lives, all together
  std::atomic<std::uint64_t> dropped{0};            // datagrams that could not be passed on
};

}  // namespace sluice
