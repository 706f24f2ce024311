#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/h1/parser.h"

// Chunked bodies: rows 44 to 60 of the catalogue, and that no cut of the bytes changes the result.
namespace sluice::net::h1 {
namespace {

struct Decoded {
  std::string body;
  std::string trailers;
  std::size_t consumed = 0;  // 0 when it was refused: how much was read before is nobody's business
  bool done = false;
  std::uint16_t status = 0;

  bool operator==(const Decoded&) const = default;
};

// Feeds the pieces as a connection does: what a step leaves stays in front of the next bytes.
Decoded decode(std::string_view bytes, std::size_t piece, Whose whose = Whose::downstream) {
  ChunkedDecoder decoder(whose);
  Decoded out;
  std::size_t available = 0;
  while (available < bytes.size() && !out.done && out.status == 0) {
    available = std::min(bytes.size(), available + piece);
    for (;;) {
      const auto in = bytes.substr(out.consumed, available - out.consumed);
      auto step = decoder.step(in);
      if (!step) {
        out.status = step.error().status;
        break;
      }
      if (!step->data.empty()) {
        EXPECT_GE(step->data.data(), in.data());
        EXPECT_LE(step->data.data() + step->data.size(), in.data() + step->consumed);
      }
      out.body += step->data;
      out.consumed += step->consumed;
      out.done = step->done;
      if (out.done || (step->consumed == 0 && step->data.empty())) break;
    }
  }
  EXPECT_EQ(out.done, decoder.done());
  out.trailers = decoder.trailers();
  if (out.status != 0) out.consumed = 0;
  return out;
}

Decoded decode(std::string_view bytes) {
  return decode(bytes, bytes.size());
}

struct Row {
  const char* name;
  std::string bytes;
  std::uint16_t status;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

std::string body(std::string rest) {
  return "5" + std::move(rest) + "0\r\n\r\n";
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"row44_hex_prefix", "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"row44_underscore", "0_5\r\nhello\r\n0\r\n\r\n", 400},
      {"row44_plus", "+5\r\nhello\r\n0\r\n\r\n", 400},
      {"row44_minus", "-5\r\nhello\r\n0\r\n\r\n", 400},
      {"row44_leading_space", " 5\r\nhello\r\n0\r\n\r\n", 400},
      {"row44_empty_size", "\r\nhello\r\n0\r\n\r\n", 400},
      {"row45_17_digits", "10000000000000005\r\nhello\r\n0\r\n\r\n", 400},
      {"row45_16_digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", 400},
      {"row45_15_digits", "000000000000005\r\nhello\r\n0\r\n\r\n", 0},
      {"row46_trailing_space", body(" \r\nhello\r\n"), 400},
      {"row46_trailing_tab", body("\t\r\nhello\r\n"), 400},
      {"row47_extension", body(";a=b\r\nhello\r\n"), 0},
      {"row47_extension_without_value", body(";a\r\nhello\r\n"), 0},
      {"row47_extensions", body(";a=b;c;d=\"e;\\\"f\"\r\nhello\r\n"), 0},
      {"row47_extension_of_256", body(";" + std::string(256, 'a') + "\r\nhello\r\n"), 0},
      {"row47_extension_of_257", body(";" + std::string(257, 'a') + "\r\nhello\r\n"), 400},
      {"row47_extensions_of_4_kb",
       [] {
         std::string bytes;
         for (int i = 0; i < 17; ++i) bytes += "1;" + std::string(250, 'a') + "\r\nx\r\n";
         return bytes + "0\r\n\r\n";
       }(),
       400},
      {"row48_no_name", body(";\r\nhello\r\n"), 400},
      {"row48_no_name_but_value", body(";=b\r\nhello\r\n"), 400},
      {"row48_no_value", body(";a=\r\nhello\r\n"), 400},
      {"row48_open_quote", body(";a=\"b\r\nhello\r\n"), 400},
      {"row49_nul_in_extension", body(std::string(";a\0b\r\nhello\r\n", 13)), 400},
      {"row49_control_in_extension", body(";a\x01\r\nhello\r\n"), 400},
      {"row50_lf_ends_extension", body(";a=b\nhello\r\n"), 400},
      {"row51_cr_in_extension", body(";a\rb\r\nhello\r\n"), 400},
      {"row52_extension_of_32_kb", body(";" + std::string(32768, 'a') + "\r\nhello\r\n"), 400},
      {"row53_size_line_lf", "5\nhello\r\n0\r\n\r\n", 400},
      {"row54_data_lf", "5\r\nhello\n0\r\n\r\n", 400},
      {"row55_data_end_missing", "5\r\nhello0\r\n\r\n", 400},
      {"row55_data_end_other", "5\r\nhelloXX0\r\n\r\n", 400},
      {"row55_spill", "5\r\nhello world\r\n0\r\n\r\n", 400},
      {"row56_size_line_cr", "5\rhello\r\n0\r\n\r\n", 400},
      {"row57_last_chunk_lf", "5\r\nhello\r\n0\n\n", 400},
      {"row57_last_line_lf", "5\r\nhello\r\n0\r\n\n", 400},
      {"row58_400_zeros", "5\r\nhello\r\n" + std::string(400, '0') + "\r\n\r\n", 400},
      {"row59_framing_in_trailers",
       "5\r\nhello\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: x\r\nAuthorization: y\r\n\r\n", 0},
      {"row60_trailer_lf", "5\r\nhello\r\n0\r\nX: y\n\r\n", 400},
      {"row60_trailer_bad_name", "5\r\nhello\r\n0\r\nX T: y\r\n\r\n", 400},
      {"row60_trailer_space_before_colon", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", 400},
      {"row60_trailer_no_colon", "5\r\nhello\r\n0\r\nX\r\n\r\n", 400},
      {"row60_trailer_folded", "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", 400},
      {"row60_trailer_nul", std::string("5\r\nhello\r\n0\r\nX: \0\r\n\r\n", 21), 400},
      {"row60_trailer_cr", "5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n", 400},
      {"trailer", "5\r\nhello\r\n0\r\nX-T: y\r\n\r\n", 0},
      {"trailers_too_long", "5\r\nhello\r\n0\r\nX: " + std::string(9000, 'a') + "\r\n\r\n", 431},
      {"trailers_too_many",
       [] {
         std::string bytes = "5\r\nhello\r\n0\r\n";
         for (int i = 0; i < 65; ++i) bytes += "X: y\r\n";
         return bytes + "\r\n";
       }(),
       431},
      {"upper_case_size", "00A\r\nhellohello\r\n0\r\n\r\n", 0},
      {"two_chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 0},
      {"empty_body", "0\r\n\r\n", 0},
      {"bytes_behind", "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 0},
  };
  return all;
}

class Chunked : public ::testing::TestWithParam<Row> {};

TEST_P(Chunked, Status) {
  const auto out = decode(GetParam().bytes);
  EXPECT_EQ(out.status, GetParam().status);
  EXPECT_EQ(out.done, GetParam().status == 0);
}

TEST_P(Chunked, SameInPiecesOfAnySize) {
  const auto& bytes = GetParam().bytes;
  const auto whole = decode(bytes);
  for (std::size_t piece : {1, 2, 3, 5, 7, 11, 64, 255, 257}) EXPECT_EQ(decode(bytes, piece), whole) << piece;
}

TEST_P(Chunked, ErrorsOfAPodAre502) {
  const auto out = decode(GetParam().bytes, GetParam().bytes.size(), Whose::upstream);
  EXPECT_EQ(out.status, GetParam().status == 0 ? 0 : 502);
}

INSTANTIATE_TEST_SUITE_P(Catalogue, Chunked, ::testing::ValuesIn(rows()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(ChunkedDecoder, GivesDataAndTheEndInOneStep) {
  const std::string_view bytes = "5\r\nhello\r\n0\r\n\r\nNEXT";
  ChunkedDecoder decoder;
  const auto step = decoder.step(bytes);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->data, "hello");
  EXPECT_EQ(step->data.data(), bytes.data() + 3);
  EXPECT_TRUE(step->done);
  EXPECT_EQ(bytes.substr(step->consumed), "NEXT");
  EXPECT_TRUE(decoder.step("NEXT")->done);
  EXPECT_EQ(decoder.step("NEXT")->consumed, 0u);
}

TEST(ChunkedDecoder, DataBeforeDamageIsGiven) {
  ChunkedDecoder decoder;
  const auto step = decoder.step("5\r\nhelloXX");
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->data, "hello");
  EXPECT_FALSE(decoder.step("XX").has_value());
  EXPECT_FALSE(decoder.step("\r\n").has_value());
  EXPECT_FALSE(decoder.done());
}

TEST(ChunkedDecoder, TrailersThatMeanNothingElseAreKept) {
  const auto out = decode(
      "0\r\nX-Checksum:  abc \r\ngrpc-status: 0\r\nServer-Timing: a\r\nContent-Length: 5\r\nhost: evil\r\nSet-Cookie: "
      "a=b\r\n"
      "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nCookie: x\r\nX_Under: 1\r\nConnection: "
      "close\r\nCache-Control: no\r\n"
      "WWW-Authenticate: x\r\nContent-Type: x\r\nTrailer: x\r\nProxy-Foo: x\r\nContent-Digest: d\r\n\r\n");
  EXPECT_EQ(out.status, 0);
  EXPECT_EQ(out.trailers, "X-Checksum: abc\r\ngrpc-status: 0\r\nServer-Timing: a\r\nContent-Digest: d\r\n");
}

TEST(ChunkedDecoder, LargestSize) {
  ChunkedDecoder decoder;
  const auto step = decoder.step("fffffffffffffff\r\nabc");
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->data, "abc");
  EXPECT_FALSE(step->done);
}

TEST(ChunkedDecoder, ServesAgainAfterReset) {
  ChunkedDecoder decoder;
  ASSERT_TRUE(decoder.step("0\r\nX-T: y\r\n\r\n")->done);
  ASSERT_EQ(decoder.trailers(), "X-T: y\r\n");
  decoder.reset();
  EXPECT_FALSE(decoder.done());
  EXPECT_EQ(decoder.trailers(), "");
  EXPECT_EQ(decoder.step("3\r\nabc\r\n0\r\n\r\n")->data, "abc");
  EXPECT_TRUE(decoder.done());
  decoder.reset();
  EXPECT_FALSE(decoder.step("x").has_value());
  decoder.reset();
  EXPECT_TRUE(decoder.step("0\r\n\r\n")->done);
}

}  // namespace
}  // namespace sluice::net::h1
