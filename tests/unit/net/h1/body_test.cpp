#include "net/h1/body.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::net::h1 {
namespace {

using http::Framing;

struct Taken {
  std::string body;
  std::size_t consumed = 0;
  bool done = false;
};

Taken take(BodyDecoder& decoder, std::string bytes) {
  const auto piece = decoder.take(bytes.data(), bytes.size());
  EXPECT_TRUE(piece.has_value());
  if (!piece) return {};
  return {std::string(piece->data), piece->consumed, piece->done};
}

TEST(BodyDecoder, Length) {
  BodyDecoder decoder(Whose::downstream);
  decoder.start(Framing::length, 5);
  EXPECT_EQ(decoder.left(), 5u);
  EXPECT_EQ(take(decoder, "hel").body, "hel");
  EXPECT_FALSE(decoder.end_of_file().has_value());
  const auto rest = take(decoder, "loGET /");
  EXPECT_EQ(rest.body, "lo");
  EXPECT_EQ(rest.consumed, 2u);
  EXPECT_TRUE(rest.done);
  EXPECT_TRUE(decoder.end_of_file().has_value());
}

TEST(BodyDecoder, NoBodyTakesNothing) {
  BodyDecoder decoder(Whose::upstream);
  for (const auto framing : {Framing::none, Framing::length}) {
    decoder.start(framing, 0);
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(take(decoder, "surplus").consumed, 0u);
  }
}

TEST(BodyDecoder, UntilClose) {
  BodyDecoder decoder(Whose::upstream);
  decoder.start(Framing::until_close, 0);
  EXPECT_EQ(take(decoder, "hello").body, "hello");
  EXPECT_FALSE(decoder.done());
  EXPECT_TRUE(decoder.end_of_file().has_value());
  EXPECT_TRUE(decoder.done());
}

TEST(BodyDecoder, ChunksAreMovedTogether) {
  BodyDecoder decoder(Whose::upstream);
  decoder.start(Framing::chunked, 0);
  const auto all = take(decoder, "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-T: y\r\n\r\nNEXT");
  EXPECT_EQ(all.body, "hello");
  EXPECT_TRUE(all.done);
  EXPECT_EQ(decoder.trailers(), "X-T: y\r\n");
  decoder.start(Framing::chunked, 0);
  EXPECT_EQ(take(decoder, "2\r\nhe").body, "he");
  EXPECT_FALSE(decoder.end_of_file().has_value());
}

// The decoder lives as long as the connection: trailers of one exchange must not be seen in the next.
TEST(BodyDecoder, TrailersEndWithTheirMessage) {
  BodyDecoder decoder(Whose::upstream);
  for (const auto framing : {Framing::none, Framing::length, Framing::until_close, Framing::chunked}) {
    decoder.start(Framing::chunked, 0);
    ASSERT_TRUE(take(decoder, "0\r\nX-Secret: y\r\n\r\n").done);
    ASSERT_EQ(decoder.trailers(), "X-Secret: y\r\n");
    decoder.start(framing, 3);
    EXPECT_EQ(decoder.trailers(), "");
  }
}

TEST(BodyDecoder, DamageIsAnErrorOfItsSide) {
  BodyDecoder decoder(Whose::upstream);
  decoder.start(Framing::chunked, 0);
  std::string bytes = "5\r\nhelloXX";
  const auto piece = decoder.take(bytes.data(), bytes.size());
  ASSERT_FALSE(piece.has_value());
  EXPECT_EQ(piece.error().whose, Whose::upstream);
}

}  // namespace
}  // namespace sluice::net::h1
