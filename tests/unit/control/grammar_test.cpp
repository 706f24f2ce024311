#include "control/kube/grammar.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(Grammar, BooleansAreGos) {
  for (auto t : {"1", "t", "T", "TRUE", "true", "True"}) EXPECT_EQ(parse_bool(t), true) << t;
  for (auto f : {"0", "f", "F", "FALSE", "false", "False"}) EXPECT_EQ(parse_bool(f), false) << f;
  for (auto n : {"", "yes", "on", " true", "true ", "tRUE", "2", "-1"}) EXPECT_FALSE(parse_bool(n)) << n;
}

TEST(Grammar, SizesAreNginxs) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("2000"), 2000U);
  EXPECT_EQ(parse_size("1k"), 1024U);
  EXPECT_EQ(parse_size("1K"), 1024U);
  EXPECT_EQ(parse_size("8m"), 8U << 20);
  EXPECT_EQ(parse_size("2G"), 2ULL << 30);
  for (auto n : {"", "m", "-1", "1.5m", "8 m", "8mb", "0x10", "18446744073709551616", "99999999999g"})
    EXPECT_FALSE(parse_size(n)) << n;
}

TEST(Grammar, IntsAreDecimal) {
  EXPECT_EQ(parse_int("60"), 60);
  EXPECT_EQ(parse_int("-3"), -3);
  EXPECT_EQ(parse_int("+3"), 3);
  for (auto n : {"", "1s", "1 ", " 1", "0x1", "1.0", "9223372036854775808"}) EXPECT_FALSE(parse_int(n)) << n;
}

TEST(Grammar, RangesAreMappedAndMasked) {
  auto v4 = parse_cidr("10.1.2.3/8");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->bits, 104);
  EXPECT_EQ(cidr_text(*v4), "10.0.0.0/8");
  EXPECT_EQ(cidr_text(*parse_cidr("192.0.2.7")), "192.0.2.7/32");
  EXPECT_EQ(cidr_text(*parse_cidr("2001:db8::1/32")), "2001:db8::/32");
  EXPECT_EQ(*parse_cidr("0.0.0.0/0"), model::Cidr{});
  EXPECT_EQ(*parse_cidr("::/0"), model::Cidr{});
  for (auto n :
       {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "::/129", "host/8", "10.0.0.0/8/8"})
    EXPECT_FALSE(parse_cidr(n)) << n;
}

TEST(Grammar, AListHoldsEverybodyWhenItHoldsBothFamilies) {
  for (auto all :
       {"0.0.0.0/0,::/0", " ::/0 ,\n0.0.0.0/0\t", "0.0.0.0/0,::/0,10.0.0.1,2001:db8::/32", "1.2.3.4/0,2001::/0",
        "0.0.0.0/1,128.0.0.0/1,::/1,8000::/1", "128.0.0.0/1,0.0.0.0/2,64.0.0.0/2,::/0", "::/0,::/0,0.0.0.0/00"})
    EXPECT_EQ(holds_everybody(all), true) << all;
  for (auto some : {"0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0", "0.0.0.0/1,128.0.0.0/2,::/0", "0.0.0.0,::/0",
                    "0.0.0.0/0,::", "0.0.0.0/1,0.0.0.0/1,::/0", "::ffff:0.0.0.0/96,::/0"})
    EXPECT_EQ(holds_everybody(some), false) << some;
  for (auto none : {"", ",", "0.0.0.0/0,::/0,", "0.0.0.0/0 ::/0", "0.0.0.0/-0,::/0", "0.0.0.0/+0,::/0", "0.0.0.0/,::/0",
                    "0/0,::/0", "0.0.0.0/0,::/129", "0.0.0.0/33,::/0", "everybody", "0.0.0.0/0,::/0,everybody",
                    "00.0.0.0/0,::/0", "fe80::1%eth0/0,0.0.0.0/0"})
    EXPECT_FALSE(holds_everybody(none)) << none;
  // All but one address, and then that one: as deep and as many as it gets.
  std::string list = "::/0";
  for (int bit = 0; bit < 32; ++bit) {
    const std::uint32_t half = 1U << (31 - bit);  // 128.0.0.0/1, 64.0.0.0/2 …
    list += "," + std::to_string(half >> 24) + "." + std::to_string(half >> 16 & 255) + "." +
            std::to_string(half >> 8 & 255) + "." + std::to_string(half & 255) + "/" + std::to_string(bit + 1);
  }
  EXPECT_EQ(holds_everybody(list), false);
  EXPECT_EQ(holds_everybody(list + ",0.0.0.1"), false);
  EXPECT_EQ(holds_everybody(list + ",0.0.0.0"), true);
}

TEST(Grammar, HostNames) {
  for (auto y : {"a", "a.example", "A-1.example", "xn--bcher-kva.example", "1.2"})
    EXPECT_TRUE(is_host_name(y, false)) << y;
  for (auto n : {"", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "a/b", "*.a", "a:80", "ü.example"})
    EXPECT_FALSE(is_host_name(n, false)) << n;
  EXPECT_FALSE(is_host_name(std::string(64, 'a') + ".example", false));
  EXPECT_TRUE(is_host_name("*.a", true));
  for (auto n : {"*", "*.", "a.*", "*.*.a", "*a.b"}) EXPECT_FALSE(is_host_name(n, true)) << n;
}

TEST(Grammar, ControlCharactersNeverReachTheReport) {
  EXPECT_EQ(shorten("a\nb\x7f"), "a?b?");
  EXPECT_EQ(shorten(std::string(500, 'x')).size(), 120U);
  EXPECT_EQ(shorten("http://u:secret@auth.example:80/x:y@z"), "http://u:…@auth.example:80/x:y@z");
  EXPECT_EQ(shorten("https://u:p@ss@h"), "https://u:…@h");
  EXPECT_EQ(shorten("http://auth.example:80/a@b"), "http://auth.example:80/a@b");
}

TEST(Grammar, EachNameOfAPolicyIsRead) {
  std::size_t names = 0;
  for (std::uint8_t i = 0; !to_string(static_cast<model::LoadBalance>(i)).empty(); ++i, ++names) {
    const auto way = static_cast<model::LoadBalance>(i);
    EXPECT_EQ(parse_load_balance(to_string(way)), way);
    EXPECT_NE(kLoadBalanceValues.find(to_string(way)), std::string_view::npos);
  }
  EXPECT_EQ(names, 5U);
  EXPECT_EQ(kLoadBalanceValues, "round_robin, ewma, least_request, random or prequal");
  EXPECT_TRUE(kLoadBalanceGrammar.starts_with(std::string(kLoadBalanceValues) + "; "));
  for (const auto* none : {"", "EWMA", "ewma ", "round-robin", "chash"}) EXPECT_FALSE(parse_load_balance(none)) << none;
}

// RFC 9110, section 5.6.2: of each byte.
TEST(Grammar, TokensAreRfc9110s) {
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool mark = c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos;
    EXPECT_EQ(is_token(std::string_view(&byte, 1)), alnum || mark) << c;
    EXPECT_EQ(is_token(std::string("a") + byte), alnum || mark) << c;
  }
  EXPECT_FALSE(is_token(""));
}

}  // namespace
}  // namespace sluice::control
