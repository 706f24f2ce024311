#pragma once
#include <cstdint>

namespace sluice::ops {

// Figures of this process from /proc/self (proc(5)); 0 where the kernel does not tell.
struct ProcessFigures {
  double cpu_seconds = 0;
  double start_time = 0;  // Unix seconds
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
  std::uint64_t read_bytes = 0, written_bytes = 0;
  std::uint64_t open_fds = 0, max_fds = 0;
};

ProcessFigures read_process();

}  // namespace sluice::ops
