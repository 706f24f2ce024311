#pragma once
#include <cstddef>

// Memory set aside for those who serve, for when those who prepare changes have taken all that there is. A thread that
// prepares something says that its work can be dispensed with: it gets std::bad_alloc, gives up what it was at, and
// what was served before goes on. All other threads are given the reserve, piece by piece, before they get one.
namespace sluice {

class Reserve {
 public:
  static constexpr std::size_t kPieces = 4, kPiece = 8U << 20;

  // Sets it aside (address space: pages that nobody writes to are none) and watches over operator new from now on.
  // Once.
  static void keep();
  // Sets aside again what was given out. False while that cannot be had. Any thread.
  static bool refill() noexcept;
  // Could so much be had beside it now? For what cannot be undone halfway, such as starting threads. Any thread.
  static bool has_room(std::size_t bytes) noexcept;
  // At the start of a thread that lives long: takes from the allocator what it sets up at a thread's first request,
  // while there is memory. Later, without memory, jemalloc would end the process there.
  static void warm_up() noexcept;
};

// While it lives, what the thread does can be dispensed with.
class Dispensable {
 public:
  Dispensable() noexcept;
  ~Dispensable();
  Dispensable(const Dispensable&) = delete;
  Dispensable& operator=(const Dispensable&) = delete;
  // Is the calling thread's work so?
  static bool here() noexcept;

 private:
  bool before_;
};

}  // namespace sluice
