#include "base/descriptor_gauge.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

namespace sluice {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST(DescriptorGauge, CountsThoseOfThisProcess) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  FakeClock clock;
  DescriptorGauge gauge;
  const Usage before = gauge.read(0, clock.now());
  EXPECT_EQ(before.limit, limit.rlim_cur);
  ASSERT_GT(before.used, 2u);
  std::vector<int> more;
  for (int i = 0; i < 100; ++i) more.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  // Where the kernel does not tell, those that are known to have come count until it is asked again.
  EXPECT_EQ(gauge.read(100, clock.now()).used, before.used + 100);
  clock.advance(1h);
  EXPECT_EQ(gauge.read(100, clock.now()).used, before.used + 100);
  for (const int fd : more) close(fd);
  clock.advance(1h);
  EXPECT_EQ(gauge.read(0, clock.now()).used, before.used);
}

TEST(DescriptorGauge, CountsEntriesWhereTheKernelDoesNotTell) {
  char name[] = "/tmp/descriptor-gauge-XXXXXX";
  const fs::path root = mkdtemp(name), directory = root / "proc/self/fd";
  fs::create_directories(directory);
  for (int i = 0; i < 7; ++i) std::ofstream(directory / std::to_string(i)) << "";
  FakeClock clock;
  DescriptorGauge gauge(root.string());
  EXPECT_EQ(gauge.read(3, clock.now()).used, 7u);
  std::ofstream(directory / "7") << "";
  EXPECT_EQ(gauge.read(5, clock.now()).used, 9u) << "not asked again so soon: two clients more are known";
  EXPECT_EQ(gauge.read(1, clock.now()).used, 5u);
  clock.advance(1h);
  EXPECT_EQ(gauge.read(1, clock.now()).used, 8u);
  fs::remove_all(root);
  clock.advance(1h);
  const Usage gone = gauge.read(1, clock.now());
  EXPECT_EQ(gone.limit, 0u) << "what cannot be read is no limit";
  EXPECT_EQ(gone.used, 0u);
}

}  // namespace
}  // namespace sluice
