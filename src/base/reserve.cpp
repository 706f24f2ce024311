#include "base/reserve.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

namespace sluice {

namespace {

std::array<std::atomic<void*>, Reserve::kPieces> pieces{};
std::atomic<unsigned> given{0};  // pieces so far
thread_local unsigned seen = 0;  // of them, when this thread was told to try again
thread_local bool dispensable = false;

// Called by operator new when there is no memory: to return means to try again.
void give() {
  if (dispensable) throw std::bad_alloc();
  for (auto& piece : pieces) {
    if (void* p = piece.exchange(nullptr)) {
      ::munmap(p, Reserve::kPiece);
      seen = given.fetch_add(1) + 1;
      return;
    }
  }
  // What another thread was given may be enough for both.
  if (const unsigned now = given.load(); seen != now) {
    seen = now;
    return;
  }
  throw std::bad_alloc();
}

}  // namespace

void Reserve::keep() {
  refill();
  std::set_new_handler(give);
}

bool Reserve::refill() noexcept {
  bool full = true;
  for (auto& piece : pieces) {
    if (piece.load() != nullptr) continue;
    void* fresh = ::mmap(nullptr, kPiece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void* none = nullptr;
    if (fresh == MAP_FAILED)
      full = false;
    else if (!piece.compare_exchange_strong(none, fresh))
      ::munmap(fresh, kPiece);
  }
  return full;
}

bool Reserve::has_room(std::size_t bytes) noexcept {
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p != MAP_FAILED && ::munmap(p, bytes) == 0;
}

void Reserve::warm_up() noexcept {
  void* volatile p = std::malloc(64);
  std::free(p);
}

Dispensable::Dispensable() noexcept : before_(dispensable) {
  dispensable = true;
}
Dispensable::~Dispensable() {
  dispensable = before_;
}
bool Dispensable::here() noexcept {
  return dispensable;
}

}  // namespace sluice
