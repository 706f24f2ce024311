// Passes that a CDN-Loop field tells of.
#include "base/cdn_loop.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

std::string routes(std::string_view list) {
  std::string out;
  for_each_pass(list, [&](std::string_view route) { out += "[" + std::string(route) + "]"; });
  return out;
}

TEST(CdnLoop, ElementsOfOursAreFound) {
  const struct {
    const char *list, *routes;
  } table[] = {
      {"", ""},
      {"sluice", "[]"},
      {"sluice; r=00ff", "[00ff]"},
      {"SLUICE;r=1", "[1]"},
      {" sluice\t ;\t r=1 ; x=y", "[1]"},
      {"sluice, sluice; r=2,sluice;x=y", "[][2][]"},
      {"cloudflare, fastly; a=b, sluice; r=3, other.example:8080", "[3]"},
      {"sluices, xsluice, sluice-1, asluice; r=1", ""},
      {"other; sluice", ""},
      {"other; a=\"sluice, sluice\", sluice", "[]"},
      {"other; a=\"b\\\", sluice\", sluice; r=4", "[4]"},
      {"\"sluice\"", ""},
      {",,, ,sluice,,", "[]"},
      {"sluice; r", "[]"},
      {"sluice; r=", "[]"},
      {"sluice;", "[]"},
      {"sluice; r=1; r=2", "[1]"},
      {"x; a=\"never ends, sluice", "[]"},
      {"\", sluice; r=1", "[1]"},
      {"x=\", sluice; r=1, sluice; r=2", "[1][2]"},
      {"\"\\, sluice; r=1", "[1]"},
      {"a, \"b, sluice; r=1", "[1]"},
      {"\"a\", \"b, sluice; r=1", "[1]"},
      {"x; a=\"\\", ""},
      {"\\", ""},
      {"\"", ""},
  };
  for (const auto& row : table) EXPECT_EQ(routes(row.list), row.routes) << row.list;
  EXPECT_EQ(passes("sluice, other, sluice; r=1, Sluice"), 3U);
  EXPECT_EQ(passes("other"), 0U);
}

}  // namespace
}  // namespace sluice
