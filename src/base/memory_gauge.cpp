#include "base/memory_gauge.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace sluice {

namespace {

// Version 1 says "no limit" with the largest multiple of a page.
constexpr std::uint64_t kNoLimit = 1ULL << 60;

// The number that a text begins with; 0 when there is none ("max").
std::uint64_t number(std::string_view text) noexcept {
  std::uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// What stands behind `key` in lines of "key value"; 0 when it is not there.
std::uint64_t value_of(std::string_view lines, std::string_view key) noexcept {
  for (std::size_t at = 0; at < lines.size();) {
    const auto end = std::min(lines.find('\n', at), lines.size());
    const auto line = lines.substr(at, end - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return number(line.substr(key.size() + 1));
    at = end + 1;
  }
  return 0;
}

// A file of the kernel's that is read again and again: opened once.
class KernelFile {
 public:
  explicit KernelFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~KernelFile() {
    if (fd_ >= 0) close(fd_);
  }
  KernelFile(KernelFile&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  KernelFile& operator=(KernelFile&&) = delete;
  bool there() const noexcept { return fd_ >= 0; }
  // What is in it now, as far as it fits into `buffer`.
  template <std::size_t N>
  std::string_view text(char (&buffer)[N]) const noexcept {
    const ssize_t n = fd_ < 0 ? 0 : pread(fd_, buffer, N, 0);
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
  }

 private:
  int fd_;
};

struct Mount {
  std::string root, point;
};

// The mount of version 1's memory controller, or that of version 2 (proc(5), mountinfo).
Mount find_mount(const std::string& mountinfo, bool second_version) {
  std::ifstream in(mountinfo);
  for (std::string line; std::getline(in, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line.substr(0, dash)), right(line.substr(dash + 3));
    std::string id, parent, device, root, point, type, source, options;
    left >> id >> parent >> device >> root >> point;
    right >> type >> source >> options;
    if (second_version ? type != "cgroup2" : type != "cgroup") continue;
    if (!second_version && ("," + options + ",").find(",memory,") == std::string::npos) continue;
    return {root, point};
  }
  return {};
}

// The path of the process below a mount: a container may see less of the tree than /proc tells it, and is then in what
// it sees as the top.
std::string below(const Mount& mount, const std::string& path) {
  const std::string root = mount.root == "/" ? "" : mount.root;
  const bool inside = path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
  if (!inside || path.find("/..") != std::string::npos) return "";
  return path == "/" ? "" : path.substr(root.size());
}

}  // namespace

struct MemoryGauge::Level {
  Level(const std::string& directory, bool second)
      : second_version(second),
        limit(directory + (second ? "/memory.max" : "/memory.limit_in_bytes")),
        high(second ? directory + "/memory.high" : std::string()),
        usage(directory + (second ? "/memory.current" : "/memory.usage_in_bytes")),
        stat(directory + "/memory.stat") {}
  bool second_version;
  KernelFile limit, high, usage, stat;

  MemoryFigures read() const noexcept {
    char buffer[8192];
    MemoryFigures m;
    m.limit = number(limit.text(buffer));
    // Above this the kernel makes the process wait, which comes to the same.
    if (const auto soft = number(high.text(buffer)); soft && (m.limit == 0 || soft < m.limit)) m.limit = soft;
    if (m.limit == 0 || m.limit >= kNoLimit) return {};
    m.used = number(usage.text(buffer));
    if (m.used == 0) return {};
    const auto cache = value_of(stat.text(buffer), second_version ? "inactive_file" : "total_inactive_file");
    m.used -= std::min(m.used, cache);
    return m;
  }
};

MemoryGauge::MemoryGauge(std::uint64_t own_limit, std::string root) : own_limit_(own_limit), root_(std::move(root)) {
  if (own_limit_) statm_ = open((root_ + "/proc/self/statm").c_str(), O_RDONLY | O_CLOEXEC);
  find_cgroups();
}

MemoryGauge::~MemoryGauge() {
  if (statm_ >= 0) close(statm_);
}

void MemoryGauge::find_cgroups() {
  std::ifstream in(root_ + "/proc/self/cgroup");
  std::string first, second;
  for (std::string line; std::getline(in, line);) {
    const auto name = line.find(':'), path = line.find(':', name + 1);
    if (name == std::string::npos || path == std::string::npos) continue;
    const auto controllers = "," + line.substr(name + 1, path - name - 1) + ",";
    if (controllers == ",,") second = line.substr(path + 1);
    if (controllers.find(",memory,") != std::string::npos) first = line.substr(path + 1);
  }
  for (const bool second_version : {false, true}) {
    const auto& path = second_version ? second : first;
    const Mount mount = find_mount(root_ + "/proc/self/mountinfo", second_version);
    if (path.empty() || mount.point.empty() || !levels_.empty()) continue;
    const std::string top = root_ + mount.point;
    for (std::string own = below(mount, path);; own.erase(own.rfind('/'))) {
      Level level(top + own, second_version);
      if (level.usage.there() && level.limit.there()) levels_.push_back(std::move(level));
      if (own.empty()) break;
    }
    if (!levels_.empty()) cgroup_ = (second_version ? "cgroup v2 " : "cgroup v1 ") + path;
  }
}

// Without what lies in files: the kernel gives it up by itself.
std::uint64_t MemoryGauge::own_use() noexcept {
  char buffer[128];
  const ssize_t n = pread(statm_, buffer, sizeof buffer, 0);
  if (n <= 0) return 0;
  std::string_view text(buffer, static_cast<std::size_t>(n));
  text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  const auto resident = number(text);
  text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  const auto shared = number(text);
  return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

MemoryFigures MemoryGauge::read() noexcept {
  MemoryFigures tightest;
  if (own_limit_) tightest = {own_use(), own_limit_};
  for (const auto& level : levels_) {
    const auto m = level.read();
    if (m.limit && (tightest.limit == 0 || m.share() > tightest.share())) tightest = m;
  }
  return tightest;
}

std::string MemoryGauge::describe() const {
  if (!own_limit_) return cgroup_.empty() ? "no cgroup" : cgroup_;
  return cgroup_.empty() ? "--memory-limit" : cgroup_ + ", --memory-limit";
}

}  // namespace sluice
