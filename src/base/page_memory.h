#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <memory_resource>
#include <new>
#include <span>

namespace sluice {

// Pages of the kernel's. Where there are none, does as operator new does: asks the new-handler, then throws.
inline void* map_pages(std::size_t size) {
  for (;;) {
    void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) return p;
    const auto handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

// Base of large objects that come in bursts: their memory is pages of the kernel's, which have it back on delete (a
// heap would keep it, with small things that live on between them), and pages that nothing writes to cost nothing. A
// system call for each new and delete: for objects that are pooled.
struct PageAllocated {
  static void* operator new(std::size_t size) { return map_pages(size); }
  static void operator delete(void* p, std::size_t size) noexcept { ::munmap(p, size); }
};

// For what is large and soon over: pieces from 64 KiB on are pages of the kernel's, smaller ones come from the heap.
// What is given back is memory of the whole process again, not of the thread that had it. Any thread.
class PageResource final : public std::pmr::memory_resource {
 public:
#ifdef SLUICE_SANITIZED  // sanitizers, and fuzz targets that measure, see each piece
  static constexpr std::size_t kPages = static_cast<std::size_t>(-1);
#else
  static constexpr std::size_t kPages = 64 * 1024;
#endif

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return bytes < kPages ? ::operator new(bytes, std::align_val_t(alignment)) : map_pages(bytes);
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
    if (bytes < kPages)
      ::operator delete(p, bytes, std::align_val_t(alignment));
    else
      ::munmap(p, bytes);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override {
    return dynamic_cast<const PageResource*>(&other) != nullptr;
  }
};

// Pages for what is made and gone again and again, so that each time need not get its own: for as long as this lives.
class Pages {
 public:
  // None where there are none, and none under sanitizers: whoever uses them does without.
  explicit Pages(std::size_t size) noexcept {
    if (size < PageResource::kPages) return;
    void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) all_ = {static_cast<std::byte*>(p), size};
  }
  ~Pages() {
    if (!all_.empty()) ::munmap(all_.data(), all_.size());
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::span<std::byte> all() const noexcept { return all_; }

 private:
  std::span<std::byte> all_;
};

}  // namespace sluice
