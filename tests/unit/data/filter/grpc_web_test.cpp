#include "data/filter/grpc_web.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace sluice::data {
namespace {

TEST(GrpcWeb, Base64InPiecesOfEverySize) {
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += static_cast<char>(i * 7);
  // Three messages, encoded one by one: padding in the middle.
  const std::string text =
      encode_base64(bytes.substr(0, 5)) + encode_base64(bytes.substr(5, 7)) + encode_base64(bytes.substr(12));
  for (std::size_t size = 1; size <= text.size(); ++size) {
    Base64Pieces pieces;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += size)
      ASSERT_TRUE(pieces.decode(std::string_view(text).substr(at, size), at + size >= text.size(), out)) << size;
    ASSERT_EQ(out, bytes) << size;
  }
}

TEST(GrpcWeb, WhatIsNoBase64IsRefused) {
  for (const char* bad :
       {"AAA", "A", "=AAA", "A===", "AA=A", "AA$A", "AAAA=", "wrpr\n\nwrpr\n\n", "AAAA AAAA", "\xff\xff\xff\xff"}) {
    Base64Pieces pieces;
    std::string out;
    EXPECT_FALSE(pieces.decode(bad, true, out)) << bad;
  }
  Base64Pieces pieces;
  std::string out;
  EXPECT_TRUE(pieces.decode("AA", false, out));
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(pieces.decode("", false, out));
  EXPECT_FALSE(pieces.decode("", true, out));
}

TEST(GrpcWeb, TrailersBecomeAFrame) {
  std::string out = "x";
  append_trailer_frame(out, "grpc-status: 0\r\n");
  EXPECT_EQ(out, std::string("x\x80\0\0\0\x10grpc-status: 0\r\n", 22));
}

}  // namespace
}  // namespace sluice::data
