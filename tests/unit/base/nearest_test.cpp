#include "base/nearest.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string_view> words{"serve", "check", "explain", "health", "version"};
  EXPECT_EQ(nearest("chekc", words), "check");
  EXPECT_EQ(nearest("serv", words), "serve");
  EXPECT_EQ(nearest("versoin", words), "version");
  EXPECT_EQ(nearest("xplain", words), "explain");
  EXPECT_EQ(nearest("CHECK", words), "check");
  EXPECT_EQ(nearest("service", std::vector<std::string_view>{"Secret", "Service"}), "Service");
}

TEST(Nearest, SaysNothingWhereNothingIsNear) {
  const std::vector<std::string_view> words{"serve", "check"};
  EXPECT_EQ(nearest("upgrade", words), "");
  EXPECT_EQ(nearest("x", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest(std::string(10'000, 'c'), words), "");
  EXPECT_EQ(did_you_mean("chekc", words), "; did you mean check?");
  EXPECT_EQ(did_you_mean("upgrade", words), "");
}

}  // namespace
}  // namespace sluice
