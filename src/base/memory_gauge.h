#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/usage.h"

// How much memory this process may use and uses, as the kernel counts it before it kills: cgroups of version 1 and 2
// (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst), and a limit of its own.
namespace sluice {

// In bytes, without cache that the kernel gives up by itself.
using MemoryFigures = Usage;

// One thread at a time.
class MemoryGauge {
 public:
  // `own_limit`: for what this process has itself, in bytes; 0: none. `root`: where /proc and the mounts are looked
  // for, for tests.
  explicit MemoryGauge(std::uint64_t own_limit, std::string root = {});
  ~MemoryGauge();
  MemoryGauge(const MemoryGauge&) = delete;
  MemoryGauge& operator=(const MemoryGauge&) = delete;
  // Of the limits that hold (the process's own, those of its cgroup and of each above it) the one that is nearest to
  // being reached. Limits may change while it runs. What cannot be read counts as no limit.
  MemoryFigures read() noexcept;
  // Where limits are looked for, for the log: "cgroup v1 /kubepods/pod1, --memory-limit", or "no cgroup".
  std::string describe() const;

 private:
  struct Level;  // a directory of a cgroup
  void find_cgroups();
  std::uint64_t own_use() noexcept;
  std::uint64_t own_limit_;
  std::string root_;
  std::string cgroup_;  // for describe()
  std::vector<Level> levels_;
  int statm_ = -1;
};

}  // namespace sluice
