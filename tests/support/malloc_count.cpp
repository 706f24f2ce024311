// Preloaded into a program to count what it allocates, in all threads: LD_PRELOAD=libmalloc-count.so, and
// MALLOC_COUNT=FILE, of which the first 16 bytes are kept up to date: calls, bytes (64-bit, native order). What comes
// next in the order of libraries, glibc or another allocator, serves.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

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

template <class F>
F next(std::atomic<F>& known, const char* name) {
  F f = known.load(std::memory_order_relaxed);
  if (f == nullptr) known = f = reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
  return f;
}

void* serve(std::size_t size) {
  static std::atomic<void* (*)(std::size_t)> known{nullptr};
  count(size);
  return next(known, "malloc")(size);
}

void* serve(std::size_t size, std::align_val_t alignment) {
  static std::atomic<void* (*)(std::size_t, std::size_t)> known{nullptr};
  count(size);
  return next(known, "aligned_alloc")(static_cast<std::size_t>(alignment), size);
}

void* or_throw(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  return serve(size);
}

void* calloc(std::size_t n, std::size_t size) {
  static std::atomic<void* (*)(std::size_t, std::size_t)> known{nullptr};
  count(n * size);
  return next(known, "calloc")(n, size);
}

void* realloc(void* old, std::size_t size) {
  static std::atomic<void* (*)(void*, std::size_t)> known{nullptr};
  count(size);
  return next(known, "realloc")(old, size);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  static std::atomic<int (*)(void**, std::size_t, std::size_t)> known{nullptr};
  count(size);
  return next(known, "posix_memalign")(out, alignment, size);
}

}  // extern "C"

void* operator new(std::size_t size) {
  return or_throw(serve(size));
}
void* operator new[](std::size_t size) {
  return or_throw(serve(size));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return serve(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return serve(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return or_throw(serve(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return or_throw(serve(size, alignment));
}
