#include "data/proxy/grpc.h"

#include <gtest/gtest.h>

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

TEST(Grpc, IsKnownByItsContentType) {
  for (const char* type :
       {"application/grpc", "application/grpc+proto", "Application/GRPC+json", "application/grpc;x=y"})
    EXPECT_TRUE(is_grpc(type)) << type;
  for (const char* type : {"application/grpc-web", "application/grpc-web-text+proto", "application/grpcx", "text/html",
                           "application/grp", "", "xapplication/grpc"})
    EXPECT_FALSE(is_grpc(type)) << type;
}

TEST(Grpc, StatusesAreMappedAsClientsWould) {
  const std::pair<int, int> rows[] = {{400, 13}, {401, 16}, {403, 7}, {404, 12}, {429, 14}, {502, 14},
                                      {503, 14}, {504, 14}, {413, 8}, {431, 8},  {408, 4},  {499, 1},
                                      {500, 2},  {308, 2},  {200, 2}, {418, 2},  {501, 2}};
  for (const auto& [http, grpc] : rows) EXPECT_EQ(grpc_status_of(http), grpc) << http;
}

TEST(Grpc, TimeoutsAreDigitsAndAUnit) {
  const std::pair<const char*, Duration> good[] = {{"1H", 1h},
                                                   {"2M", 2min},
                                                   {"30S", 30s},
                                                   {"1500m", 1500ms},
                                                   {"99999999u", 99999999us},
                                                   {"0n", 0ns},
                                                   {"00000001S", 1s},
                                                   {"99999999H", 24h * 366}};
  for (const auto& [text, expected] : good) {
    const auto read = read_grpc_timeout(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, expected) << text;
  }
  for (const char* bad : {"", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S", " 1S", "1 S", "1SS", "0x1S", "1S "})
    EXPECT_FALSE(read_grpc_timeout(bad)) << bad;
}

TEST(Grpc, StatusIsFoundAmongFieldsAndTrailers) {
  EXPECT_EQ(find_grpc_status("grpc-message: x\r\nGrpc-Status: 13\r\n"), 13);
  EXPECT_EQ(find_grpc_status("grpc-status:0\r\n"), 0);
  EXPECT_EQ(find_grpc_status("grpc-status: x\r\n"), -1);
  EXPECT_EQ(find_grpc_status("grpc-status: 12345\r\n"), -1);
  EXPECT_EQ(find_grpc_status("x-grpc-status: 1\r\nbroken"), -1);
  EXPECT_EQ(find_grpc_status(""), -1);
  net::http::Fields fields;
  EXPECT_EQ(find_grpc_status(fields), -1);
  fields.add() = {"x", "1", net::http::Name::other, false};
  fields.add() = {"grpc-status", "5", net::http::Name::other, false};
  EXPECT_EQ(find_grpc_status(fields), 5);
}

}  // namespace
}  // namespace sluice::data
