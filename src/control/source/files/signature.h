#pragma once
#include <sys/stat.h>

#include <cstdint>

namespace sluice::control {

// What tells one content of a path from the next without reading it.
struct Signature {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified = 0, changed = 0;
  static Signature of(const struct stat& s) {
    return {s.st_dev, s.st_ino, static_cast<std::uint64_t>(s.st_size),
            s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec,
            s.st_ctim.tv_sec * 1'000'000'000LL + s.st_ctim.tv_nsec};
  }
  bool operator==(const Signature&) const = default;
};

}  // namespace sluice::control
