#pragma once
#include <string>

#include "base/clock.h"
#include "base/usage.h"

// How many descriptors this process has open, and may have (RLIMIT_NOFILE, the soft limit).
namespace sluice {

// One thread at a time.
class DescriptorGauge {
 public:
  // `root`: where /proc is looked for, for tests.
  explicit DescriptorGauge(std::string root = {});
  // `known`: of them so many are known to be open, such as those of clients. Where the kernel has to be asked for each
  // descriptor (before Linux 6.2) it is asked seldom, and what is known says what became of it since. Limit 0: it has
  // none, or nothing can be read.
  Usage read(std::uint64_t known, Instant now) noexcept;

 private:
  std::string directory_;
  std::uint64_t counted_ = 0, known_then_ = 0;
  bool out_of_them_ = false;  // so that they could not even be counted
  Instant count_again_{};
};

// Of this process, however long it takes; 0: it cannot be read. `directory`: /proc/self/fd.
std::uint64_t count_descriptors(const char* directory = "/proc/self/fd") noexcept;

}  // namespace sluice
