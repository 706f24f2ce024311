#include "base/memory_gauge.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMega = 1 << 20;

// A tree of files as the kernel shows them.
struct Tree {
  fs::path root;
  Tree() {
    char name[] = "/tmp/memory-gauge-XXXXXX";
    root = mkdtemp(name);
  }
  ~Tree() { fs::remove_all(root); }
  void write(const std::string& path, const std::string& text) {
    const fs::path file = root.string() + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  void v1(const std::string& directory, const std::string& limit, std::uint64_t used, std::uint64_t cache = 0) {
    write(directory + "/memory.limit_in_bytes", limit);
    write(directory + "/memory.usage_in_bytes", std::to_string(used));
    write(directory + "/memory.stat",
          "cache 99\ninactive_file 1\nhierarchical_memory_limit 1\ntotal_cache 5\ntotal_inactive_file " +
              std::to_string(cache) + "\ntotal_active_file 7");
  }
  void v2(const std::string& directory, const std::string& limit, const std::string& high, std::uint64_t used,
          std::uint64_t cache = 0) {
    write(directory + "/memory.max", limit);
    write(directory + "/memory.high", high);
    write(directory + "/memory.current", std::to_string(used));
    write(directory + "/memory.stat",
          "anon 5\nfile 6\nkernel 1\nsock 3\ninactive_anon 4\ninactive_file " + std::to_string(cache));
  }
  void mounts(const std::string& v1_root, const std::string& v2_root) {
    std::string text =
        "21 1 8:1 / / rw - ext4 /dev/sda rw\n30 21 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    if (!v1_root.empty())
      text += "31 21 0:27 " + v1_root + " /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n";
    if (!v2_root.empty())
      text += "32 21 0:28 " + v2_root + " /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    write("/proc/self/mountinfo", text);
  }
  MemoryFigures read(std::uint64_t own = 0) { return MemoryGauge(own, root.string()).read(); }
};

constexpr const char* kV1None = "9223372036854771712";

TEST(MemoryGauge, Version1WithoutCacheThatIsGivenUp) {
  Tree t;
  t.mounts("/", "");
  t.write("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/a/b\n0::/");
  t.v1("/sys/fs/cgroup/memory", kV1None, 900 * kMega);
  t.v1("/sys/fs/cgroup/memory/a", kV1None, 500 * kMega);
  t.v1("/sys/fs/cgroup/memory/a/b", std::to_string(64 * kMega), 50 * kMega, 10 * kMega);
  const auto m = t.read();
  EXPECT_EQ(m.limit, 64 * kMega);
  EXPECT_EQ(m.used, 40 * kMega);
  EXPECT_EQ(m.share(), 625u);
  EXPECT_EQ(MemoryGauge(0, t.root.string()).describe(), "cgroup v1 /a/b");
}

TEST(MemoryGauge, TheTightestOfTheLimitsAboveHolds) {
  Tree t;
  t.mounts("/", "");
  t.write("/proc/self/cgroup", "4:memory:/pod/container");
  t.v1("/sys/fs/cgroup/memory", kV1None, 900 * kMega);
  t.v1("/sys/fs/cgroup/memory/pod", std::to_string(100 * kMega), 95 * kMega);  // its neighbours take the most of it
  t.v1("/sys/fs/cgroup/memory/pod/container", std::to_string(80 * kMega), 40 * kMega);
  EXPECT_EQ(t.read().share(), 950u);
  t.v1("/sys/fs/cgroup/memory/pod/container", std::to_string(40 * kMega), 39 * kMega);
  EXPECT_EQ(t.read().limit, 40 * kMega);
}

TEST(MemoryGauge, Version2) {
  Tree t;
  t.mounts("", "/");
  t.write("/proc/self/cgroup", "0::/kubepods.slice/pod1/abc");
  t.v2("/sys/fs/cgroup/kubepods.slice/pod1", "max", "max", 500 * kMega);
  t.v2("/sys/fs/cgroup/kubepods.slice/pod1/abc", std::to_string(200 * kMega), "max", 150 * kMega, 50 * kMega);
  auto m = t.read();
  EXPECT_EQ(m.limit, 200 * kMega);
  EXPECT_EQ(m.used, 100 * kMega);
  EXPECT_EQ(MemoryGauge(0, t.root.string()).describe(), "cgroup v2 /kubepods.slice/pod1/abc");
  t.v2("/sys/fs/cgroup/kubepods.slice/pod1/abc", std::to_string(200 * kMega), std::to_string(120 * kMega), 150 * kMega,
       50 * kMega);
  EXPECT_EQ(t.read().limit, 120 * kMega) << "what throttles is the limit";
  t.v2("/sys/fs/cgroup/kubepods.slice/pod1/abc", "max", "max", 150 * kMega);
  EXPECT_EQ(t.read().limit, 0u);
}

TEST(MemoryGauge, InsideAContainerTheMountIsTheTop) {
  for (const auto& [root, path] : {std::pair{"/docker/abc", "/docker/abc"},
                                   {"/", "/"},
                                   {"/docker/abc", "/"},
                                   {"/other", "/docker/abc"},
                                   {"/docker/ab", "/docker/abc"},
                                   {"/", "/../../outside"}}) {
    Tree t;
    t.mounts(root, "");
    t.write("/proc/self/cgroup", std::string("4:memory:") + path);
    t.v1("/sys/fs/cgroup/memory", std::to_string(64 * kMega), 32 * kMega);
    EXPECT_EQ(t.read().share(), 500u) << root << " " << path;
  }
}

// A machine with both: the memory controller is in version 1, and version 2 has no limits.
TEST(MemoryGauge, Hybrid) {
  Tree t;
  t.mounts("/", "/");
  t.write("/proc/self/cgroup", "4:memory:/x\n0::/y");
  t.v1("/sys/fs/cgroup/memory/x", std::to_string(64 * kMega), 32 * kMega);
  t.write("/sys/fs/cgroup/y/memory.max", "1");
  EXPECT_EQ(t.read().limit, 64 * kMega);
  fs::remove_all(t.root / "sys/fs/cgroup/memory");
  t.v2("/sys/fs/cgroup/y", std::to_string(10 * kMega), "max", 5 * kMega);
  EXPECT_EQ(t.read().limit, 10 * kMega);
}

TEST(MemoryGauge, LimitsChangeWhileItRuns) {
  Tree t;
  t.mounts("", "/");
  t.write("/proc/self/cgroup", "0::/");
  t.v2("/sys/fs/cgroup", "max", "max", 10 * kMega);
  MemoryGauge gauge(0, t.root.string());
  EXPECT_EQ(gauge.read().limit, 0u);
  t.v2("/sys/fs/cgroup", std::to_string(20 * kMega), "max", 15 * kMega);
  EXPECT_EQ(gauge.read().share(), 750u);
}

TEST(MemoryGauge, ALimitOfItsOwn) {
  Tree t;
  t.write("/proc/self/statm", "90000 10000 2000 500 0 8000 0");
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  auto m = t.read(64 * kMega);
  EXPECT_EQ(m.limit, 64 * kMega);
  EXPECT_EQ(m.used, 8000 * page);
  EXPECT_EQ(MemoryGauge(1, t.root.string()).describe(), "--memory-limit");
  // The cgroup's is nearer.
  t.mounts("/", "");
  t.write("/proc/self/cgroup", "4:memory:/");
  t.v1("/sys/fs/cgroup/memory", std::to_string(100 * kMega), 99 * kMega);
  EXPECT_EQ(t.read(64 * kMega).share(), 990u);
}

TEST(MemoryGauge, NothingToReadIsNoLimit) {
  Tree t;
  EXPECT_EQ(t.read().limit, 0u);
  EXPECT_EQ(MemoryGauge(0, t.root.string()).describe(), "no cgroup");
  t.mounts("/", "/");
  t.write("/proc/self/cgroup", "4:memory:/x\nnonsense\n0::/");
  t.write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "nonsense");
  t.write("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "");
  EXPECT_EQ(t.read().limit, 0u);
}

// This process, on whatever machine the test runs.
TEST(MemoryGauge, OwnUseIsSomething) {
  MemoryGauge gauge(1 << 30);
  EXPECT_GT(gauge.read().used, 100'000u);
}

}  // namespace
}  // namespace sluice
