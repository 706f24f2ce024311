// What a nonce of digest is good for: how long, how often, and what is forgotten.
#include "data/runtime/nonces.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

std::string made(Nonces& nonces, Instant at) {
  const auto text = nonces.make(at);
  return {text.data(), text.size()};
}

const Instant kNow = Instant{} + 1h;

TEST(Nonces, AreOfThisProcessAndOfTheLastMinutes) {
  Nonces ours, others;
  const auto nonce = made(ours, kNow);
  EXPECT_NE(nonce, made(ours, kNow));
  EXPECT_TRUE(ours.valid(nonce, kNow));
  EXPECT_TRUE(ours.valid(nonce, kNow + Nonces::kLife - 1ms));
  EXPECT_FALSE(ours.valid(nonce, kNow + Nonces::kLife));
  EXPECT_FALSE(others.valid(nonce, kNow));
  EXPECT_FALSE(others.use(nonce, 1, kNow));
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    auto forged = nonce;
    forged[i] = forged[i] == '0' ? '1' : '0';
    EXPECT_FALSE(ours.valid(forged, kNow)) << i;
    EXPECT_FALSE(ours.use(forged, 1, kNow)) << i;
  }
  for (const auto* other : {"", "0", "78dedcc56b04a7b5"}) EXPECT_FALSE(ours.valid(other, kNow)) << other;
  EXPECT_FALSE(ours.valid(nonce + "0", kNow));
}

TEST(Nonces, EachCountCountsOnce) {
  Nonces nonces;
  const auto nonce = made(nonces, kNow);
  EXPECT_FALSE(nonces.use(nonce, 0, kNow));
  for (const std::uint32_t count : {2, 1, 3, 66, 4, 65, 67}) EXPECT_TRUE(nonces.use(nonce, count, kNow)) << count;
  for (const std::uint32_t count : {2, 1, 3, 66, 4, 65, 67}) EXPECT_FALSE(nonces.use(nonce, count, kNow)) << count;
  EXPECT_TRUE(nonces.use(nonce, 0xffffffff, kNow));
  EXPECT_FALSE(nonces.use(nonce, 0xffffffff, kNow));
  EXPECT_FALSE(nonces.use(nonce, 68, kNow)) << "too far behind to be known";
  EXPECT_TRUE(nonces.use(nonce, 0xffffffff - Nonces::kWindow + 1, kNow));
  EXPECT_FALSE(nonces.use(nonce, 0xffffffff - Nonces::kWindow, kNow));
}

TEST(Nonces, WhatWasForgottenNeverCountsAgain) {
  Nonces nonces;
  std::vector<std::string> all;
  for (std::size_t i = 0; i < Nonces::kKept * 3; ++i) {
    const Instant at = kNow + std::chrono::milliseconds(i / 64);
    all.push_back(made(nonces, at));
    ASSERT_TRUE(nonces.use(all.back(), 1, at)) << i;
  }
  for (const auto& nonce : all) ASSERT_FALSE(nonces.use(nonce, 1, kNow + 1s));
  std::size_t known = 0;
  for (const auto& nonce : all) known += nonces.use(nonce, 2, kNow + 1s);
  EXPECT_EQ(known, Nonces::kKept) << "the youngest ones";
}

TEST(Nonces, ThoseThatAreTooOldMakeRoomWithoutALoss) {
  Nonces nonces;
  for (std::size_t i = 0; i < Nonces::kKept; ++i) ASSERT_TRUE(nonces.use(made(nonces, kNow), 1, kNow));
  const auto waiting = made(nonces, kNow + 1s);  // given out, and not used yet
  const Instant later = kNow + Nonces::kLife;
  for (std::size_t i = 0; i < Nonces::kKept / 2; ++i) ASSERT_TRUE(nonces.use(made(nonces, later), 1, later));
  EXPECT_TRUE(nonces.use(waiting, 1, later));
}

}  // namespace
}  // namespace sluice::data
