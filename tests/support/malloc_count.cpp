// Preloaded into a program to count what it allocates, in all threads: LD_PRELOAD=libmalloc-count.so, and
// MALLOC_COUNT=FILE, of which the first 16 bytes are kept up to date: calls, bytes (64-bit, native order).
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

struct Counters {
  std::atomic<std::uint64_t> calls{0}, bytes{0};
};
Counters early;
std::atomic<Counters*> counters{&early};

__attribute__((constructor)) void share() {
  const char* path = std::getenv("MALLOC_COUNT");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, sizeof(Counters)) != 0) std::abort();
  void* shared = ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (shared == MAP_FAILED) std::abort();
  counters = static_cast<Counters*>(shared);
}

void count(std::size_t size) {
  Counters* c = counters.load(std::memory_order_relaxed);
  c->calls.fetch_add(1, std::memory_order_relaxed);
  c->bytes.fetch_add(size, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  count(size);
  return __libc_malloc(size);
}

void* calloc(std::size_t n, std::size_t size) {
  count(n * size);
  return __libc_calloc(n, size);
}

void* realloc(void* old, std::size_t size) {
  count(size);
  return __libc_realloc(old, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  count(size);
  *out = __libc_memalign(alignment, size);
  return *out != nullptr ? 0 : ENOMEM;
}

}  // extern "C"
