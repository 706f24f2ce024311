#include "ops/access_log/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <thread>

#include "ops/access_log/ring.h"
#include "record_for_test.h"

namespace sluice::ops {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string pattern = testing::TempDir() + "sluice_log_XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~AccessLogTest() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  static AccessLogSettings to(const std::string& file, const std::string& format = "$status $request_uri") {
    AccessLogSettings s;
    s.path = file;
    s.format = format;
    return s;
  }
  static std::vector<std::string> lines(const std::string& file) {
    std::ifstream in(file);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  // Turns until `done`, at most 10 s.
  template <class F>
  static bool wait_for(F&& done) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::string directory_;
};

TEST(LogRing, KeepsOrderAcrossItsEndAndRefusesWhatDoesNotFit) {
  LogRing ring(64);
  EXPECT_TRUE(ring.push(std::string(40, 'a')));
  EXPECT_FALSE(ring.push(std::string(25, 'b')));
  EXPECT_TRUE(ring.push(std::string(24, 'c')));
  ring.consume(40);
  EXPECT_TRUE(ring.push(std::string(30, 'd')));
  const auto parts = ring.readable(1000);
  EXPECT_EQ(std::string(parts.first) + std::string(parts.second), std::string(24, 'c') + std::string(30, 'd'));
  EXPECT_FALSE(parts.second.empty());
  ring.consume(parts.size());
  EXPECT_TRUE(ring.empty());
}

TEST_F(AccessLogTest, WritesEveryLineOfEveryWorkerWhole) {
  constexpr int kWorkers = 3, kEach = 5000;
  AccessLog log(to(path("a.log")));
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w)
    threads.emplace_back([w, worker = log.add_worker()] {
      for (int i = 0; i < kEach; ++i) {
        const std::string target = "/" + std::to_string(w) + "/" + std::to_string(i);
        auto r = answered();
        r.target = target;
        worker->write(r);
      }
    });
  for (auto& t : threads) t.join();
  ASSERT_TRUE(log.flush(10'000));
  int next[kWorkers]{};
  for (const std::string& line : lines(path("a.log"))) {
    ASSERT_TRUE(line.starts_with("200 /") && line.size() > 7) << line;
    const int w = line[5] - '0';
    ASSERT_EQ(line.substr(7), std::to_string(next[w]++));  // a worker's lines keep their order
  }
  for (int n : next) EXPECT_EQ(n, kEach);
  EXPECT_EQ(log.stats().lines, static_cast<std::uint64_t>(kWorkers * kEach));
  EXPECT_EQ(log.stats().lost, 0U);
}

TEST_F(AccessLogTest, WritesTheRestAtTheEnd) {
  {
    AccessLog log(to(path("a.log")));
    const auto worker = log.add_worker();
    for (int i = 0; i < 1000; ++i) worker->write(answered());
  }
  EXPECT_EQ(lines(path("a.log")).size(), 1000U);
}

TEST_F(AccessLogTest, APipeThatNobodyReadsHoldsUpNoWorker) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  constexpr int kLines = 60'000;
  std::uint64_t lost = 0, written = 0;
  {
    AccessLog log(to(pipe, ""), 256 * 1024);
    const auto worker = log.add_worker();
    const auto before = steady_clock::now();
    for (int i = 0; i < kLines; ++i) worker->write(answered());
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(5)) << "a worker waited";
    const auto stats = log.stats();
    EXPECT_EQ(stats.lines + stats.lost, static_cast<std::uint64_t>(kLines));
    EXPECT_GT(stats.lost, static_cast<std::uint64_t>(kLines / 2));
    lost = stats.lost;
    // A reader comes after all: what was kept arrives, then new lines do.
    std::string text;
    const auto read_what_is_there = [&] {
      char part[65536];
      for (ssize_t n; (n = ::read(reader, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
    };
    const auto read_until_flushed = [&] {
      const bool flushed = wait_for([&] {
        read_what_is_there();
        return log.flush(0);
      });
      read_what_is_there();
      return flushed;
    };
    ASSERT_TRUE(read_until_flushed());
    worker->write(answered());
    ASSERT_TRUE(read_until_flushed());
    for (std::istringstream in(text); std::getline(in, text);) {
      ASSERT_TRUE(text.starts_with("192.0.2.7 - - [") && text.ends_with("0123456789abcdef")) << text;
      ++written;
    }
  }
  EXPECT_EQ(written, kLines - lost + 1);
  ::close(reader);
}

TEST_F(AccessLogTest, SurvivesAReaderThatGoesAndTakesUpTheNextOne) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  AccessLog log(to(pipe));
  const auto worker = log.add_worker();
  worker->write(answered());
  ASSERT_TRUE(log.flush(10'000));
  char text[256];
  ASSERT_GT(::read(reader, text, sizeof text), 0);
  ::close(reader);
  worker->write(answered(0, 201));
  ASSERT_TRUE(wait_for([&] { return log.stats().write_errors > 0; }));  // EPIPE, and no SIGPIPE ended us
  reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  EXPECT_TRUE(log.flush(10'000));
  const ssize_t n = ::read(reader, text, sizeof text);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))), "201 /shop?item=1\n");
  ::close(reader);
}

TEST_F(AccessLogTest, AFullDiskCostsLinesOnly) {
  AccessLog log(to("/dev/full"), 64 * 1024);
  const auto worker = log.add_worker();
  for (int i = 0; i < 20'000; ++i) worker->write(answered());
  ASSERT_TRUE(wait_for([&] { return log.stats().write_errors > 0; }));
  const auto full = log.stats();
  EXPECT_GT(full.lost, 0U);
  EXPECT_EQ(full.lines + full.lost, 20'000U);
  EXPECT_EQ(full.bytes, 0U);
  // Room again (here: another place): what was kept is written.
  log.configure(to(path("a.log")));
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log")).size(), full.lines);
}

// A request that began before a change has the line that it was asked for, with its own values.
TEST_F(AccessLogTest, AnExchangeHasTheFormatThatItBeganWith) {
  AccessLog log(to(path("a.log"), "old $http_a $status"));
  const auto worker = log.add_worker();
  std::shared_ptr<const WantedValues> wanted;
  worker->renew(wanted);
  ASSERT_NE(wanted, nullptr);
  const auto begun = wanted;
  const std::vector<std::string_view> a{"A"}, b{"B", "C"};
  const auto written = [&](const WantedValues* of, std::span<const std::string_view> values) {
    auto r = answered();
    r.wanted = of;
    r.values = values;
    worker->write(r);
  };
  log.configure(to(path("a.log"), "new $http_b-$arg_c"));
  EXPECT_EQ(wanted, begun) << "changes in renew() alone";
  worker->renew(wanted);
  ASSERT_NE(wanted, begun);
  written(begun.get(), a);
  written(wanted.get(), b);
  written(nullptr, {});  // there was no format yet that wants nothing
  log.configure(to(path("a.log"), "plain $status"));
  worker->renew(wanted);
  EXPECT_EQ(wanted, nullptr);
  written(begun.get(), a);
  written(nullptr, {});
  log.configure(to(path("a.log"), "newest $http_b"));
  written(nullptr, {});
  auto off = to(path("a.log"), "$http_a");
  off.enabled = false;
  log.configure(off);
  worker->renew(wanted);
  EXPECT_EQ(wanted, nullptr) << "without a log nothing is wanted";
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log")),
            (std::vector<std::string>{"old A 200", "new B-C", "new ---", "old A 200", "plain 200", "plain 200"}));
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedIsTriedAgain) {
  AccessLog log(to(path("later/a.log")));
  const auto worker = log.add_worker();
  worker->write(answered());
  ASSERT_TRUE(wait_for([&] { return log.stats().write_errors > 0; }));
  fs::create_directory(path("later"));
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("later/a.log")).size(), 1U);
}

TEST_F(AccessLogTest, ReopensAfterARotation) {
  AccessLog log(to(path("a.log")));
  const auto worker = log.add_worker();
  worker->write(answered());
  ASSERT_TRUE(log.flush(10'000));
  fs::rename(path("a.log"), path("a.log.1"));
  worker->write(answered(0, 201));
  ASSERT_TRUE(log.flush(10'000));
  log.reopen();
  ASSERT_TRUE(log.flush(10'000));
  worker->write(answered(0, 202));
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log.1")), (std::vector<std::string>{"200 /shop?item=1", "201 /shop?item=1"}));
  EXPECT_EQ(lines(path("a.log")), std::vector<std::string>{"202 /shop?item=1"});
}

TEST_F(AccessLogTest, TakesANewFormatAndPlaceWhileRunning) {
  AccessLog log(to(path("a.log"), "one $status"));
  const auto worker = log.add_worker();
  worker->write(answered());
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(log.configure(to(path("b.log"), "two $status $typo")).size(), 1U);
  ASSERT_TRUE(log.flush(10'000));
  worker->write(answered());
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log")), std::vector<std::string>{"one 200"});
  EXPECT_EQ(lines(path("b.log")), std::vector<std::string>{"two 200 -"});
}

TEST_F(AccessLogTest, LogsWhatIsAskedForOnly) {
  auto settings = to(path("a.log"));
  settings.skip_urls = {{"/shop?item=1", "/Healthz"}, {*Regex::make("\\.css$")}};
  AccessLog log(settings);
  const auto worker = log.add_worker();
  const auto write = [&](std::string_view target, std::uint32_t series, std::uint16_t status, bool wanted = true) {
    auto r = answered(series, status);
    r.target = target;
    r.log = wanted;
    if (series == 0xffffffff) r.ingress = r.ns = r.route_host = {};
    worker->write(r);
  };
  write("/healthz", 0, 200);
  write("/shop?item=1", 0, 200);
  write("/a.CSS", 0, 200);
  write("/shop?item=2", 0, 200);
  write("/off", 0, 200, false);
  write("/unknown-host", 0xffffffff, 404);
  write("/bad", 0xffffffff, 400);
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log")), (std::vector<std::string>{"200 /shop?item=2", "400 /bad"}));

  settings.log_unrouted = true;
  log.configure(settings);
  write("/unknown-host", 0xffffffff, 404);
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(lines(path("a.log")).back(), "404 /unknown-host");

  settings.enabled = false;
  log.configure(settings);
  const auto before = log.stats().lines;
  write("/x", 0, 200);
  EXPECT_EQ(log.stats().lines, before);
}

TEST_F(AccessLogTest, MakesNoFileWhenItIsOff) {
  auto settings = to(path("a.log"));
  settings.enabled = false;
  {
    AccessLog log(settings);
    log.add_worker()->write(answered());
    ASSERT_TRUE(log.flush(10'000));
  }
  EXPECT_FALSE(fs::exists(path("a.log")));
}

TEST_F(AccessLogTest, KeepsTheCountsOfAWorkerThatEnded) {
  AccessLog log(to(path("a.log")));
  log.add_worker()->write(answered());
  ASSERT_TRUE(log.flush(10'000));
  log.reopen();
  ASSERT_TRUE(log.flush(10'000));
  EXPECT_EQ(log.stats().lines, 1U);
  EXPECT_EQ(lines(path("a.log")).size(), 1U);
}

}  // namespace
}  // namespace sluice::ops
