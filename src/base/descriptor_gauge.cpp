#include "base/descriptor_gauge.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice {

namespace {

// Counting takes no more than one part in so many of the time.
constexpr int kSeldom = 100;
constexpr Duration kAtMostEach = std::chrono::milliseconds(100);

// Since Linux 6.2 the size of the directory is the number of its entries (fs/proc/fd.c); 0: it is not told. Other file
// systems mean something else by it.
std::uint64_t told(const char* directory) noexcept {
  struct statfs kind{};
  struct stat status{};
  if (::statfs(directory, &kind) != 0 || kind.f_type != PROC_SUPER_MAGIC) return 0;
  if (::stat(directory, &status) != 0 || status.st_size < 0) return 0;
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

std::uint64_t count_descriptors(const char* directory) noexcept {
  if (const auto n = told(directory)) return n;
  DIR* const dir = ::opendir(directory);
  if (dir == nullptr) return 0;
  std::uint64_t n = 0;
  while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
  ::closedir(dir);
  struct statfs kind{};
  const bool is_one_of_them = ::statfs(directory, &kind) == 0 && kind.f_type == PROC_SUPER_MAGIC;
  return is_one_of_them && n > 0 ? n - 1 : n;
}

DescriptorGauge::DescriptorGauge(std::string root) : directory_(std::move(root) + "/proc/self/fd") {}

Usage DescriptorGauge::read(std::uint64_t known, Instant now) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  std::uint64_t used = told(directory_.c_str());
  if (used == 0) {
    if (now >= count_again_) {
      const SystemClock clock;
      const Instant begun = clock.now();
      errno = 0;
      counted_ = count_descriptors(directory_.c_str());
      out_of_them_ = counted_ == 0 && (errno == EMFILE || errno == ENFILE);
      known_then_ = known;
      count_again_ = now + std::max(kAtMostEach, (clock.now() - begun) * kSeldom);
    }
    if (counted_ == 0) return out_of_them_ ? Usage{limit.rlim_cur, limit.rlim_cur} : Usage{};
    used = counted_ + known > known_then_ ? counted_ + known - known_then_ : 0;
  }
  return {used, limit.rlim_cur};
}

}  // namespace sluice
