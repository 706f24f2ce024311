#include "base/printable.h"

#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"

namespace sluice {
namespace {

TEST(Printable, LeavesWhatIsPlain) {
  for (const char* text : {"", "a", "/path?q=\"1\"\\d+", "größe 日本 🙂", "tab-free"}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, SpellsOutWhatATerminalWouldObey) {
  EXPECT_EQ(printable("d\nall good\x1b[2J"), "d\\nall good\\x1b[2J");
  EXPECT_EQ(printable("a\r\tb\x7f"), "a\\x0d\\x09b\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J \xc2\x85"),
            "\\u009b2J \\u0085");  // C1: CSI, NEL
  EXPECT_EQ(printable("\xe2\x80\xae\x67\x6e\x70 \xe2\x81\xa6x\xe2\x81\xa9"), "\\u202egnp \\u2066x\\u2069");  // bidi
  EXPECT_EQ(printable("\xe2\x80\x8b\xef\xbb\xbf\xe2\x80\xa8"), "\\u200b\\ufeff\\u2028");
  EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "\\U000e0041");  // a tag
}

TEST(Printable, SpellsOutBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\x9b"
                      "2J"),
            "\\x9b2J");                                     // C1 of one byte
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("a\xe2\x80"), "a\\xe2\\x80");
}

TEST(Printable, JsonMeansTheSame) {
  EXPECT_EQ(printable_json("{\"a\": \"\\n\"}\n"), "{\"a\": \"\\n\"}\n");
  EXPECT_EQ(printable_json("\"\xc2\x9b\xe2\x80\xae\x7f\xff é\""), "\"\\u009b\\u202e\\u007f\\u00ff é\"");
  EXPECT_EQ(printable_json("\"\xf3\xa0\x81\x81\""), "\"\\udb40\\udc41\"");
  EXPECT_EQ(json_content("a\"b\\c\n\x01\xff\xc2\x9b é"), "a\\\"b\\\\c\\u000a\\u0001\\u00ff\\u009b é");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "abc");
  EXPECT_EQ(cut("aé", 2), "a");
  EXPECT_EQ(cut("a日b", 3), "a");
  EXPECT_EQ(cut("a日b", 4), "a日");
  EXPECT_EQ(cut("🙂🙂", 7), "🙂");
  EXPECT_EQ(cut("\xff\xff\xff\xff", 2), "\xff\xff");
  EXPECT_EQ(cut("\x80\x80\x80\x80\x80\x80", 4), "\x80\x80\x80\x80");
  EXPECT_EQ(cut("é", 0), "");
}

// Whatever comes in: UTF-8 comes out, in which no byte and no character is left that a terminal obeys.
TEST(Printable, HoldsForRandomBytes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const char* const parts[] = {"\x1b[", "\n",       "\xc2\x9b",         "\xe2\x80\xae", "\xe2\x81\xa6", "é",
                               "\xff",  "\xe2\x80", "\xf3\xa0\x81\x81", "\xef\xbb\xbf", "\\n",          "a",
                               "\"",    "\x7f"};
  for (int round = 0; round < 20'000; ++round) {
    std::string in;
    for (auto n = random() % 12; n > 0; --n)
      in +=
          random() % 3 ? std::string(parts[random() % std::size(parts)]) : std::string(1, static_cast<char>(random()));
    const std::string out = printable(in);
    ASSERT_EQ(printable(out), out);
    for (const std::string& text : {out, json_content(in), printable_json("\"" + json_content(in) + "\"")}) {
      for (std::string_view left = text; !left.empty();) {
        const auto size = utf8_length(left);
        ASSERT_NE(size, 0U) << text;
        ASSERT_TRUE(size > 1 || (left[0] >= 0x20 && left[0] != 0x7f)) << text;
        ASSERT_FALSE(left.starts_with("\xc2\x9b") || left.starts_with("\xe2\x80\xae") ||
                     left.starts_with("\xe2\x81\xa6"))
            << text;
        left.remove_prefix(size);
      }
    }
  }
}

}  // namespace
}  // namespace sluice
