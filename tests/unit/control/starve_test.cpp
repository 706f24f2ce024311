// What the control thread does when an allocation fails, whichever it is: nothing that was published is lost, and what
// changes later is published.
#include "starve.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <mutex>
#include <new>
#include <random>
#include <utility>

#include "base/read_file.h"
#include "base/reserve.h"
#include "control/control.h"
#include "control/source/files/manifest_file.h"
#include "control/source/files/tree.h"
#include "scratch.h"

namespace {

std::atomic<std::size_t> fails_in{0};

void* take(std::size_t size) {
  if (fails_in.load(std::memory_order_relaxed) > 0 && sluice::Dispensable::here() && fails_in.fetch_sub(1) == 1)
    throw std::bad_alloc();
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return take(size);
}
void* operator new[](std::size_t size) {
  return take(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size != 0 ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size != 0 ? size : 1);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace sluice::control {

namespace testing {
void starve_at(std::size_t n) noexcept {
  fails_in = n;
}
bool starved() noexcept {
  return fails_in == 0;
}
}  // namespace testing

namespace {

using testing::eventually;
using testing::ingress;
using testing::service;
using testing::slice;

class Starving : public ::testing::Test {
 protected:
  ~Starving() override { testing::starve_at(0); }

  void start() {
    Settings settings;
    settings.manifests = dir_.str();
    settings.resolv_conf = "";
    watcher_ = Watcher::start(settings, [this](const Update& update) {
      std::lock_guard lock(mutex_);
      for (const auto& [name, host] : model_.hosts) lost_ = lost_ || !update.model->hosts.contains(name);
      model_ = *update.model;
      ++updates_;
    });
  }
  bool serves(const std::string& host) {
    std::lock_guard lock(mutex_);
    return model_.hosts.contains(host);
  }
  bool refused(const std::string& file) {
    std::lock_guard lock(mutex_);
    const auto& entries = model_.report.entries;
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& e) { return e.problem.reason == "NotEnoughMemory" && e.object.name == file; });
  }

  testing::Scratch dir_;
  std::mutex mutex_;
  model::Model model_;
  int updates_ = 0;
  bool lost_ = false;
  std::unique_ptr<Watcher> watcher_;
};

TEST_F(Starving, AChangeIsRefusedAndTheNextOneServed) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  dir_.write("a.yaml", ingress("a", "a.example") + service("app") + slice("app", "10.0.0.1"));
  start();
  ASSERT_TRUE(eventually([&] { return serves("a.example"); }));
  int hits = 0;
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    const std::string n = std::to_string(round), file = "f" + n + ".yaml", host = "h" + n + ".example";
    testing::starve_at(1 + random() % (round < 10 ? 150 : 1500));
    dir_.replace(file, ingress("i" + n, host) + service("s" + n));
    ASSERT_TRUE(eventually([&] { return serves(host) || refused(file); }));
    hits += testing::starved();
    testing::starve_at(0);
    // It is looked at again when it changes.
    dir_.replace(file, ingress("i" + n, host) + "# again\n");
    ASSERT_TRUE(eventually([&] { return serves(host) && !refused(file); }));
    ASSERT_TRUE(serves("a.example"));
  }
  EXPECT_FALSE(lost_);
  EXPECT_GT(hits, 5);
}

// Whichever allocation fails, what was opened is closed: the sanitizer's preset sees the memory, this the descriptors.
TEST_F(Starving, WhatWasOpenedIsClosed) {
  const std::string far = "a-name-that-no-short-string-holds";
  for (const auto* name : {"-1.yaml", "-2.yaml", "/below-it/3.yaml"}) dir_.write(far + name, service("app"));
  const auto open_now = [] {
    const testing::fs::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const std::pair<const char*, std::function<void()>> readers[] = {
      {"walk", [&] { (void)walk(dir_.str()); }},
      {"read_file", [&] { (void)read_file((dir_ / (far + "-1.yaml")).string(), 1 << 20); }},
      {"ManifestReading", [&] { ManifestReading(far + "-1.yaml", nullptr, far).read(dir_.str()); }},
  };
  for (const auto& [reader, read] : readers) {
    SCOPED_TRACE(reader);
    const auto before = open_now();
    std::size_t nth = 0;
    do {
      const Dispensable here;
      testing::starve_at(++nth);
      try {
        read();
      } catch (const std::bad_alloc&) {
      }
    } while (testing::starved());
    testing::starve_at(0);
    EXPECT_EQ(open_now(), before);
    EXPECT_GT(nth, 2U);
  }
}

TEST_F(Starving, AStartServesTheRest) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 15; ++round) {
    SCOPED_TRACE(round);
    for (int i = 0; i < 5; ++i)
      dir_.write("f" + std::to_string(i) + ".yaml",
                 ingress("i" + std::to_string(i), "h" + std::to_string(i) + ".example"));
    {
      std::lock_guard lock(mutex_);
      model_ = {};
    }
    testing::starve_at(1 + random() % 3000);
    start();
    // One file at most is left out for one allocation.
    EXPECT_TRUE(eventually([&] {
      int there = 0;
      for (int i = 0; i < 5; ++i) there += serves("h" + std::to_string(i) + ".example");
      return there >= 4;
    }));
    testing::starve_at(0);
    watcher_.reset();
  }
}

}  // namespace
}  // namespace sluice::control
