#include "app/options.h"

#ifdef SLUICE_JEMALLOC
#include <jemalloc/jemalloc.h>
#include <sys/types.h>

#include <cstdio>

// jemalloc serves the whole process, OpenSSL included; this is what it reads at its start (docs/adr/0005-allocator.md).
// MALLOC_CONF in the environment is stronger.
extern "C" {
// Threads of its own give back what has been free for half a second: a worker that became idle never would.
__attribute__((used, visibility("default"))) const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0";
}

namespace sluice::app {

void give_memory_back_at_once(bool on) noexcept {
  ssize_t decay = 0;
  std::size_t size = sizeof decay;
  if (!on && mallctl("opt.dirty_decay_ms", &decay, &size, nullptr, 0) != 0) return;
  unsigned arenas = 0;
  size = sizeof arenas;
  if (mallctl("arenas.narenas", &arenas, &size, nullptr, 0) != 0) return;
  for (unsigned i = 0; i < arenas; ++i) {
    char name[48];
    std::snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", i);
    mallctl(name, nullptr, nullptr, &decay, sizeof decay);  // of one that no thread uses yet: refused, and no matter
  }
  mallctl("arenas.dirty_decay_ms", nullptr, nullptr, &decay, sizeof decay);
}

}  // namespace sluice::app
#else
// Sanitizers bring an allocator of their own.
namespace sluice::app {

void give_memory_back_at_once(bool) noexcept {}

}  // namespace sluice::app
#endif
