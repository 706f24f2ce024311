#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace sluice {

// Base of large objects that come in bursts: their memory is pages of the kernel's, which have it back on delete (a
// heap would keep it, with small things that live on between them), and pages that nothing writes to cost nothing. A
// system call for each new and delete: for objects that are pooled.
struct PageAllocated {
  static void* operator new(std::size_t size) {
    void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    return p;
  }
  static void operator delete(void* p, std::size_t size) noexcept { ::munmap(p, size); }
};

}  // namespace sluice
