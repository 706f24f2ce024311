#include "model/settings/basic_auth.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "asked.h"
#include "data/filter/made_once.h"
#include "data/filter/users.h"
#include "data/runtime/credentials.h"
#include "model/ip.h"

namespace sluice::data {
namespace {

model::RouteSettings guarded(std::string users = "foo:{PLAIN}a\nbar:$1$abcd$zNtFohdpqEzGVnLU66vEp.\n") {
  model::RouteSettings out;
  model::BasicAuth auth;
  auth.realm = "here";
  auth.secret = "default/users";
  auth.users = std::move(users);
  out.basic_auth = std::move(auth);
  return out;
}

// "401 basic-auth", "waits", or "" for a request that goes on.
std::string first_word(const Asked& asked) {
  const Plan::Entry* waits = nullptr;
  const auto verdict = decide_for_route(asked.view, &waits);
  if (verdict) return std::to_string(verdict->reply.status) + " " + std::string(verdict->by);
  return waits != nullptr ? "waits" : "";
}

// The same, with all that explain asks.
std::string last_word(const Asked& asked) {
  const Plan::Entry* waits = nullptr;
  const auto verdict = decide_for_route(asked.view, &waits);
  if (verdict) return std::to_string(verdict->reply.status);
  if (waits == nullptr) return "";
  const auto reply = waits->step->decide_at_length(asked.view);
  return reply ? std::to_string(reply->status) : "";
}

TEST(BasicAuth, WhoGivesNothingIsToldAtOnce) {
  Asked asked(guarded());
  EXPECT_EQ(first_word(asked), "401 basic-auth");
  const auto verdict = decide_for_route(asked.view);
  ASSERT_EQ(verdict->reply.fields.size(), 1U);
  EXPECT_EQ(verdict->reply.fields[0].first, "WWW-Authenticate");
  EXPECT_EQ(verdict->reply.fields[0].second, "Basic realm=\"here\"");
}

TEST(BasicAuth, ReadsWhatIsGivenAsNginxDoes) {
  const auto answer = [](std::string_view value) {
    Asked asked(guarded());
    asked.field("Authorization", value);
    return last_word(asked);
  };
  for (const auto* right : {"Basic Zm9vOmE=", "basic Zm9vOmE=", "BASIC    Zm9vOmE=", "Basic Zm9vOmE",
                            "Basic Zm9vOmE= x", "Basic Zm9vOmE==x", "Basic Zm9vOmEAeA==", "Basic YmFyOmJhcg=="})
    EXPECT_EQ(answer(right), "") << right;
  for (const auto* wrong :
       {"Basic Zm9vOmI=", "Basic", "Basic ", "Bearer Zm9vOmE=", "Basic Zm9v", "Basic OmE=", "Basic !!!",
        "Basic Zm9vOmEx", "Basic Rm9vOmE=", "Basic Zm9vOg==", "BasicZm9vOmE=", "Basic Z", "Basic Zm9vOmE x"})
    EXPECT_EQ(answer(wrong), "401") << wrong;
  EXPECT_EQ(answer("Basic " + std::string(2000, 'A')), "401");
}

TEST(BasicAuth, TheFirstOfANameCounts) {
  Asked asked(guarded("foo:{PLAIN}a\nfoo:{PLAIN}b\n"));
  asked.field("Authorization", "Basic Zm9vOmI=");
  EXPECT_EQ(last_word(asked), "401");
}

TEST(BasicAuth, AnySparesThoseOfAnAddressThePassword) {
  auto settings = guarded();
  settings.satisfy_any = true;
  model::SourceRanges ranges;
  model::Cidr range;
  std::ranges::copy(*model::read_ip("192.0.2.0"), range.bytes);
  range.bits = 120;
  ranges.allowed = {range};
  settings.source_ranges = ranges;
  Asked asked(settings);
  asked.view.client = *model::read_ip("192.0.2.9");
  EXPECT_EQ(first_word(asked), "");
  asked.view.client = *model::read_ip("198.51.100.9");
  EXPECT_EQ(first_word(asked), "401 basic-auth");
  asked.field("Authorization", "Basic Zm9vOmE=");
  EXPECT_EQ(first_word(asked), "waits");
  EXPECT_EQ(last_word(asked), "");
}

TEST(BasicAuth, OneTableServesAllWhoShareTheUsers) {
  model::Common<model::SecretText> lines(std::string("foo:{PLAIN}a\n")), apart(std::string("foo:{PLAIN}a\n"));
  auto table = made_once<Users>(lines);
  EXPECT_EQ(table, made_once<Users>(model::Common<model::SecretText>(lines)));
  EXPECT_NE(table, made_once<Users>(apart));
  const model::Shared<model::SecretText>::Watch held(lines.part());
  lines = {};
  EXPECT_EQ(table->find("foo")->hash, "{PLAIN}a") << "it holds what it is made of";
  table.reset();
  EXPECT_TRUE(held.gone());
}

TEST(BasicAuth, DecidesWithoutMemory) {
  Asked asked(guarded());
  asked.field("Authorization", "Basic Zm9vOmE=");
  const Plan::Entry* waits = nullptr;
  const auto before = test::allocations();
  EXPECT_FALSE(decide_for_route(asked.view, &waits));
  EXPECT_EQ(test::allocations(), before);
  EXPECT_NE(waits, nullptr);
}

constexpr std::array<std::uint8_t, 16> client(std::uint8_t last, std::uint8_t subnet = 0) {
  return {0x20, 1, 0xd, 0xb8, 0, 0, 0, subnet, 0, 0, 0, 0, 0, 0, 0, last};
}

TEST(Credentials, RememberAPasswordBesideItsHash) {
  Credentials credentials;
  const auto key = credentials.key_of("$1$a", "secret");
  EXPECT_FALSE(credentials.known(key));
  credentials.remember(key);
  EXPECT_TRUE(credentials.known(key));
  EXPECT_FALSE(credentials.known(credentials.key_of("$1$b", "secret"))) << "the hash has changed";
  EXPECT_FALSE(credentials.known(credentials.key_of("$1$a", "Secret")));
  EXPECT_FALSE(Credentials().known(key)) << "another process has another key";
  // Bounded: many others push it out, and what is remembered last is known.
  for (int i = 0; i < 100'000; ++i) credentials.remember(credentials.key_of("$1$a", std::to_string(i)));
  EXPECT_FALSE(credentials.known(key));
  EXPECT_TRUE(credentials.known(credentials.key_of("$1$a", "99999")));
}

TEST(Credentials, WhatWasNotWrongIsGivenBack) {
  Credentials credentials;
  Instant now{std::chrono::hours(1)};
  credentials.not_wrong(client(1));  // nothing is there
  for (std::uint64_t i = 0; i < 3 * Credentials::kBurst; ++i) {
    EXPECT_FALSE(credentials.limited(client(1), now)) << i;
    credentials.wrong(client(1), now);
    now += std::chrono::milliseconds(200);
    credentials.not_wrong(client(1));
  }
  for (std::uint64_t i = 0; i < Credentials::kBurst; ++i) {
    EXPECT_FALSE(credentials.limited(client(1), now)) << i;
    credentials.wrong(client(1), now);
  }
  EXPECT_TRUE(credentials.limited(client(1), now));
}

TEST(Credentials, AClientThatWasWrongTooOftenHasOneTryASecond) {
  Credentials credentials;
  Instant now{std::chrono::hours(1)};
  for (std::uint64_t i = 0; i < Credentials::kBurst; ++i) {
    EXPECT_FALSE(credentials.limited(client(1), now)) << i;
    credentials.wrong(client(1), now);
  }
  EXPECT_TRUE(credentials.limited(client(1), now));
  EXPECT_TRUE(credentials.limited(client(9), now)) << "the same /64";
  EXPECT_FALSE(credentials.limited(client(1, 7), now)) << "another";
  now += std::chrono::seconds(1);
  EXPECT_FALSE(credentials.limited(client(1), now));
  credentials.wrong(client(1), now);
  EXPECT_TRUE(credentials.limited(client(1), now));
  now += std::chrono::minutes(1);
  for (std::uint64_t i = 0; i < Credentials::kBurst; ++i) credentials.wrong(client(1), now);
  EXPECT_TRUE(credentials.limited(client(1), now));
}

}  // namespace
}  // namespace sluice::data
