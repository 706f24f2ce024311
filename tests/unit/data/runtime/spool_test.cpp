// What of bodies may lie on the disk: who has how much of it, and that nothing stays.
#include "data/runtime/spool.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace sluice::data {
namespace {

using Refusal = Spool::Refusal;

struct Disk : ::testing::Test {
  BlockingPool pool{1};
  Spool spool;
  std::string directory = ::testing::TempDir();
  void bounds(std::uint64_t bytes, std::uint32_t files) { spool.configure({directory, bytes, files}, &pool); }
};

TEST_F(Disk, HalfOfItIsOneNamespacesAtMost) {
  bounds(100, 4);
  auto a = spool.begin("a"), b = spool.begin("b"), more = spool.begin("a");
  ASSERT_TRUE(a && b && more);
  EXPECT_EQ(spool.begin("a"), nullptr) << "half of the files";
  EXPECT_EQ(a->take(30), Refusal::none);
  EXPECT_EQ(more->take(21), Refusal::own_share);
  EXPECT_EQ(more->take(20), Refusal::none);
  EXPECT_EQ(b->take(50), Refusal::none);
  auto c = spool.begin("c");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->take(1), Refusal::all);
  EXPECT_EQ(spool.begin("d"), nullptr) << "all files";
  EXPECT_EQ(spool.bytes(), 100U);
  a.reset();
  EXPECT_EQ(spool.bytes(), 70U);
  EXPECT_EQ(c->take(30), Refusal::none);
  EXPECT_TRUE(spool.begin("a"));
  b.reset(), c.reset(), more.reset();
  EXPECT_EQ(spool.bytes(), 0U);
  EXPECT_EQ(spool.files(), 0U);
}

TEST_F(Disk, WhatIsWrittenIsRead) {
  bounds(1 << 20, 4);
  auto body = spool.begin("a");
  ASSERT_EQ(body->take(6), Refusal::none);
  EXPECT_EQ(body->write("abc"), 0);
  EXPECT_EQ(body->write("def"), 0);
  EXPECT_EQ(body->size(), 6U);
  std::string out(4, ' ');
  EXPECT_EQ(body->read(1, out.data(), 4), 0);
  EXPECT_EQ(out, "bcde");
  EXPECT_EQ(body->read(4, out.data(), 4), EIO) << "behind the end";
  // From the beginning again, the room that it has is its own still.
  body->restart();
  EXPECT_EQ(body->take(6), Refusal::none);
  EXPECT_EQ(spool.bytes(), 6U);
  EXPECT_EQ(body->write("ghijkl"), 0);
  EXPECT_EQ(body->read(0, out.data(), 4), 0);
  EXPECT_EQ(out, "ghij");
}

TEST_F(Disk, FilesHaveNoNames) {
  directory = ::testing::TempDir() + "spool_test." + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  bounds(1 << 20, 4);
  auto body = spool.begin("a");
  ASSERT_EQ(body->write("abc"), 0);
  EXPECT_EQ(::rmdir(directory.c_str()), 0) << "it is empty";
}

TEST_F(Disk, WithoutADirectoryThereIsNone) {
  spool.configure({"", 100, 4}, &pool);
  EXPECT_EQ(spool.begin("a"), nullptr);
  spool.configure({"/nowhere", 100, 4}, nullptr);
  EXPECT_EQ(spool.begin("a"), nullptr);
  spool.configure({"/nowhere", 100, 4}, &pool);
  auto body = spool.begin("a");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->write("abc"), ENOENT);
  EXPECT_EQ(body->size(), 0U);
}

TEST_F(Disk, ALongOneIsClosedElsewhere) {
  bounds(1 << 30, 4);
  auto body = spool.begin("a");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) ASSERT_EQ(body->write(piece), 0);
  body.reset();
  pool.stop();  // waits for what runs
  EXPECT_EQ(spool.files(), 0U);
  // Nor is one lost that comes too late for the pool.
  body = spool.begin("a");
  for (int i = 0; i < 8; ++i) ASSERT_EQ(body->write(piece), 0);
  body.reset();
  EXPECT_EQ(spool.files(), 0U);
}

}  // namespace
}  // namespace sluice::data
