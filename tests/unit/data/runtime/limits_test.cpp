#include "data/runtime/limits.h"

#include <gtest/gtest.h>

#include <memory>

#include "net/http/cidr.h"

namespace sluice::data {
namespace {

net::Address address(const std::string& text) {
  net::Address a{};
  EXPECT_TRUE(net::http::parse_address(text, a)) << text;
  return a;
}

TEST(ConnectionLimits, NeighboursAreCountedApart) {
  const auto limits = std::make_unique<ConnectionLimits>();
  limits->seed(0x1234567890abcdef, 0xfedcba0987654321);
  int refused = 0;
  for (int i = 0; i < 2048; ++i) {
    const auto v4 = address("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
    refused += !limits->enter(v4.bytes, 0, 1);
    char text[32];
    std::snprintf(text, sizeof text, "2001:db8::%x", i);
    refused += !limits->enter(address(text).bytes, 0, 1);
  }
  EXPECT_LE(refused, 64);  // both rows of a fixed table may collide, seldom
}

TEST(ConnectionLimits, TotalAndAddress) {
  const auto limits = std::make_unique<ConnectionLimits>();
  const auto a = address("10.0.0.1"), b = address("10.0.0.2");
  EXPECT_TRUE(limits->enter(a.bytes, 3, 2));
  EXPECT_TRUE(limits->enter(a.bytes, 3, 2));
  EXPECT_FALSE(limits->enter(a.bytes, 3, 2));
  EXPECT_EQ(limits->total(), 2U);
  EXPECT_TRUE(limits->enter(b.bytes, 3, 2));
  EXPECT_FALSE(limits->enter(b.bytes, 3, 2));  // three in all
  limits->leave(a.bytes, true);
  EXPECT_TRUE(limits->enter(a.bytes, 3, 2));
}

TEST(ConnectionLimits, AnAddressThatIsKnownLater) {
  const auto limits = std::make_unique<ConnectionLimits>();
  const auto a = address("10.0.0.1");
  EXPECT_TRUE(limits->enter(a.bytes, 0, 0));
  EXPECT_TRUE(limits->enter(a.bytes, 0, 0));
  EXPECT_TRUE(limits->enter_address(a.bytes, 1));
  EXPECT_FALSE(limits->enter_address(a.bytes, 1));
  EXPECT_EQ(limits->total(), 2U);
  limits->leave(a.bytes, false);
  limits->leave(a.bytes, true);
  EXPECT_EQ(limits->total(), 0U);
  EXPECT_TRUE(limits->enter(a.bytes, 0, 1));
}

}  // namespace
}  // namespace sluice::data
