#include "net/http/websocket.h"

#include <gtest/gtest.h>

namespace sluice::net::http {
namespace {

TEST(WebSocket, TheAnswerFitsTheKey) {  // the example of RFC 6455 section 1.3
  constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==", accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  EXPECT_TRUE(accepts_websocket(key, accept));
  EXPECT_FALSE(accepts_websocket(key, "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_FALSE(accepts_websocket("eGhlIHNhbXBsZSBub25jZQ==", accept));
  for (std::string_view bad : {"", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "})
    EXPECT_FALSE(accepts_websocket(key, bad)) << bad;
  EXPECT_FALSE(accepts_websocket("", accept) || accepts_websocket("short", accept));
}

}  // namespace
}  // namespace sluice::net::http
