#include "data/runtime/answer_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::data {
namespace {

using std::chrono::seconds;

const Instant kNow{seconds(1000)};

AnswerCache::Answer answer(std::uint16_t status, std::string value = {}) {
  AnswerCache::Answer out{status, {}};
  if (!value.empty()) out.fields.emplace_back("X-User", std::move(value));
  return out;
}

TEST(AnswerCache, KeepsAnAnswerUntilItsTimeIsOver) {
  AnswerCache cache;
  cache.keep("a", answer(200, "alice"), kNow + seconds(5));
  ASSERT_NE(cache.find("a", kNow), nullptr);
  EXPECT_EQ(cache.find("a", kNow + seconds(4))->fields.at(0).second, "alice");
  EXPECT_EQ(cache.find("b", kNow), nullptr);
  EXPECT_EQ(cache.find("a", kNow + seconds(5)), nullptr);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(AnswerCache, ALaterAnswerStandsInPlaceOfTheFormer) {
  AnswerCache cache;
  cache.keep("a", answer(200, "alice"), kNow + seconds(5));
  cache.keep("a", answer(401), kNow + seconds(9));
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find("a", kNow + seconds(8))->status, 401);
}

TEST(AnswerCache, WhatWasNotAskedForLongestGoesFirst) {
  AnswerCache cache;
  for (std::size_t i = 0; i < AnswerCache::kMostAnswers; ++i)
    cache.keep(std::to_string(i), answer(200), kNow + seconds(60));
  ASSERT_NE(cache.find("0", kNow), nullptr);  // asked for: no longer the oldest
  cache.keep("one more", answer(200), kNow + seconds(60));
  EXPECT_EQ(cache.size(), AnswerCache::kMostAnswers);
  EXPECT_NE(cache.find("0", kNow), nullptr);
  EXPECT_EQ(cache.find("1", kNow), nullptr);
}

TEST(AnswerCache, IsBoundedInBytes) {
  AnswerCache cache;
  for (int i = 0; i < 1000; ++i) {
    cache.keep(std::to_string(i), answer(200, std::string(100'000, 'x')), kNow + seconds(60));
    ASSERT_LE(cache.bytes(), AnswerCache::kMostBytes);
  }
  EXPECT_GT(cache.size(), 10U);
  EXPECT_NE(cache.find("999", kNow), nullptr);
  // One alone that would push out many is not kept.
  const auto before = cache.size();
  cache.keep("huge", answer(200, std::string(AnswerCache::kMostBytes / 8, 'x')), kNow + seconds(60));
  EXPECT_EQ(cache.find("huge", kNow), nullptr);
  EXPECT_EQ(cache.size(), before);
  cache.clear();
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace sluice::data
