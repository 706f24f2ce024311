#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "net/http/cidr.h"
#include "net/http/client_address.h"
#include "net/http/date.h"
#include "net/http/host.h"
#include "net/http/message.h"

namespace sluice::net::http {
namespace {

TEST(Names, EveryOneIsFoundInAnyCase) {
  const std::vector<std::pair<std::string, Name>> all = {
      {"accept-encoding", Name::accept_encoding},
      {"authorization", Name::authorization},
      {"connection", Name::connection},
      {"content-encoding", Name::content_encoding},
      {"content-length", Name::content_length},
      {"content-type", Name::content_type},
      {"cookie", Name::cookie},
      {"date", Name::date},
      {"expect", Name::expect},
      {"forwarded", Name::forwarded},
      {"host", Name::host},
      {"http2-settings", Name::http2_settings},
      {"cdn-loop", Name::cdn_loop},
      {"keep-alive", Name::keep_alive},
      {"location", Name::location},
      {"max-forwards", Name::max_forwards},
      {"proxy", Name::proxy},
      {"proxy-authenticate", Name::proxy_authenticate},
      {"proxy-authorization", Name::proxy_authorization},
      {"proxy-connection", Name::proxy_connection},
      {"referer", Name::referer},
      {"server", Name::server},
      {"strict-transport-security", Name::strict_transport_security},
      {"te", Name::te},
      {"trailer", Name::trailer},
      {"transfer-encoding", Name::transfer_encoding},
      {"upgrade", Name::upgrade},
      {"user-agent", Name::user_agent},
      {"via", Name::via},
      {"x-accel-redirect", Name::x_accel},
      {"x-accel-buffering", Name::x_accel},
      {"x-accel-limit-rate", Name::x_accel},
      {"x-accel-expires", Name::x_accel},
      {"x-forwarded-for", Name::x_forwarded_for},
      {"x-forwarded-host", Name::x_forwarded_host},
      {"x-forwarded-port", Name::x_forwarded_port},
      {"x-forwarded-proto", Name::x_forwarded_proto},
      {"x-forwarded-scheme", Name::x_forwarded_scheme},
      {"x-original-forwarded-for", Name::x_original_forwarded_for},
      {"x-original-forwarded-host", Name::x_original_forwarded_host},
      {"x-original-uri", Name::x_original_uri},
      {"x-real-ip", Name::x_real_ip},
      {"x-request-id", Name::x_request_id},
      {"x-scheme", Name::x_scheme},
  };
  for (const auto& [name, id] : all) {
    EXPECT_EQ(name_of(name), id) << name;
    std::string upper = name;
    for (char& c : upper)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    EXPECT_EQ(name_of(upper), id) << upper;
    // Any other byte at any place makes it another name; above all '_' and CR for '-', which differ in one bit or look
    // alike.
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (id == Name::x_accel && i >= 8) break;
      for (int c = 0; c < 256; ++c) {
        std::string other = name;
        other[i] = static_cast<char>(c);
        if (iequals(other, name)) continue;
        EXPECT_NE(name_of(other), id) << other;
      }
    }
  }
  for (const char* name :
       {"", "x", "x-accel-", "hos", "hostt", "content_length", "a-name-that-is-longer-than-all-the-known-ones"})
    EXPECT_EQ(name_of(name), Name::other) << name;
}

TEST(Methods, TokensAreCaseSensitive) {
  for (Method m : {Method::get, Method::head, Method::post, Method::put, Method::del, Method::patch, Method::options,
                   Method::trace, Method::connect})
    EXPECT_EQ(method_of(to_string(m)), m);
  for (const char* token : {"", "get", "Get", "GETS", "PROPFIND", "other", "DELETES"})
    EXPECT_EQ(method_of(token), Method::other) << token;
  EXPECT_EQ(to_string(Method::other), "other");
}

TEST(Authority, Splits) {
  const auto split = [](std::string_view text) { return split_authority(text).value_or(Authority{"-", "-"}); };
  const auto host = [&](std::string_view text) { return split(text).host; };
  const auto port = [&](std::string_view text) { return split(text).port; };
  EXPECT_EQ(host("a.example:80"), "a.example");
  EXPECT_EQ(port("a.example:80"), "80");
  EXPECT_EQ(port("a.example:"), "");
  EXPECT_EQ(port("a.example"), "");
  EXPECT_EQ(host("a.example."), "a.example.");
  EXPECT_EQ(host("[2001:db8::1]:443"), "[2001:db8::1]");
  EXPECT_EQ(port("[2001:db8::1]:443"), "443");
  EXPECT_EQ(host("[::ffff:1.2.3.4]"), "[::ffff:1.2.3.4]");
  EXPECT_EQ(host("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(port("a:0"), "0");
  EXPECT_EQ(port("a:65535"), "65535");
  EXPECT_EQ(host(std::string(255, 'a')), std::string(255, 'a'));
}

TEST(Authority, Refuses) {
  for (std::string text : {"",          ":80",
                           "a b",       "a,b",
                           "a, b",      "a/b",
                           "u@a",       "u:p@a",
                           "a:65536",   "a:99999",
                           "a:000080",  "a:8x",
                           "a:-1",      "a: 80",
                           "a:80:80",   "::1",
                           "[::1",      "[::1]x",
                           "[]",        "[a]",
                           "[1.2.3.4]", "[fe80::1%25eth0]",
                           "[v1.x]",    "a[::1]",
                           "a?b",       "a#b",
                           "a%2eb",     "a\\b",
                           "a\"b",      "a<b",
                           "\xc3\xa9",  "a\tb",
                           "a\x01",     "a|b",
                           "a^b"})
    EXPECT_FALSE(split_authority(text).has_value()) << text;
  EXPECT_FALSE(split_authority(std::string(256, 'a')).has_value());
  for (const char* text : {"a..x", "a.x..", "..", ".", ".:80"}) EXPECT_FALSE(split_authority(text).has_value()) << text;
  for (const char* text : {"a.x.", ".x", "a.x.:80"}) EXPECT_TRUE(split_authority(text).has_value()) << text;
  EXPECT_FALSE(split_authority(std::string_view("a\0b", 3)).has_value());
  EXPECT_EQ(split_authority("a b").error().status, 400);
}

TEST(Authority, SameOrigin) {
  const auto same = [](std::string_view a, std::string_view b, unsigned port) {
    return same_authority(*split_authority(a), *split_authority(b), port);
  };
  EXPECT_TRUE(same("a.example", "A.Example:80", 80));
  EXPECT_TRUE(same("a:", "a", 80));
  EXPECT_TRUE(same("a:0080", "a:80", 443));
  EXPECT_FALSE(same("a.example", "a.example:80", 443));
  EXPECT_FALSE(same("a.example", "b.example", 80));
}

std::string round_trip(std::string_view text) {
  Address address{};
  if (!parse_address(text, address)) return "-";
  char out[kAddressText];
  return std::string(format_address(address, out));
}

TEST(Addresses, ReadAndWritten) {
  EXPECT_EQ(round_trip("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(round_trip("255.255.255.255"), "255.255.255.255");
  EXPECT_EQ(round_trip("::1"), "::1");
  EXPECT_EQ(round_trip("2001:DB8:0:0::1"), "2001:db8::1");
  EXPECT_EQ(round_trip("::ffff:1.2.3.4"), "1.2.3.4");
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "[::1]", "::1%eth0", "1.2.3.4:80", "a",
        ":::", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "0x1.2.3.4", "1"})
    EXPECT_EQ(round_trip(text), "-") << text;
  EXPECT_EQ(round_trip(std::string_view("1.2.3.4\0", 8)), "-");
}

TEST(Addresses, WithPorts) {
  Address a{};
  for (const char* text : {"1.2.3.4", "1.2.3.4:5", "1.2.3.4:65535", "::1", "[::1]", "[::1]:80"})
    EXPECT_TRUE(parse_address_port(text, a)) << text;
  for (const char* text :
       {"1.2.3.4:", "1.2.3.4:x", "[::1]:", "[::1]80", "[::1", "[1.2.3.4]", "unknown", "_hidden", "1.2.3.4:123456"})
    EXPECT_FALSE(parse_address_port(text, a)) << text;
}

bool in(std::string_view range, unsigned bits, std::string_view text) {
  Address r{}, a{};
  EXPECT_TRUE(parse_address(range, r) && parse_address(text, a));
  return contains(r.bytes, bits, a.bytes);
}

TEST(Addresses, Ranges) {
  EXPECT_TRUE(in("10.0.0.0", 96 + 8, "10.255.1.2"));
  EXPECT_FALSE(in("10.0.0.0", 96 + 8, "11.0.0.1"));
  EXPECT_TRUE(in("192.168.128.0", 96 + 17, "192.168.255.1"));
  EXPECT_FALSE(in("192.168.128.0", 96 + 17, "192.168.127.1"));
  EXPECT_TRUE(in("1.2.3.4", 128, "1.2.3.4"));
  EXPECT_FALSE(in("1.2.3.4", 128, "1.2.3.5"));
  EXPECT_TRUE(in("0.0.0.0", 96, "9.9.9.9"));
  EXPECT_FALSE(in("0.0.0.0", 96, "2001:db8::1"));
  EXPECT_TRUE(in("::", 0, "9.9.9.9"));
  EXPECT_TRUE(in("::", 0, "2001:db8::1"));
  EXPECT_TRUE(in("2001:db8::", 32, "2001:db8:1::1"));
  EXPECT_FALSE(in("2001:db8::", 32, "2001:db9::1"));
  EXPECT_FALSE(in("::", 129, "::"));
  // Only IPv6 addresses are in a range of IPv6, wide as it may be.
  EXPECT_TRUE(in("::", 1, "::1") && in("::", 80, "::1"));
  EXPECT_FALSE(in("::", 1, "9.9.9.9") || in("::", 80, "9.9.9.9") || in("::ffff:0:0", 95, "9.9.9.9"));
  EXPECT_TRUE(in("::ffff:0:0", 96, "9.9.9.9"));
}

std::string client(std::string_view peer, std::vector<std::string_view> forwarded,
                   std::vector<std::string_view> trusted) {
  Address address{};
  EXPECT_TRUE(parse_address(peer, address));
  const auto result = client_address(address, forwarded, [&](const Address& a) {
    char text[kAddressText];
    const auto shown = format_address(a, text);
    for (auto t : trusted)
      if (t == shown || t == "all") return true;
    return false;
  });
  char text[kAddressText];
  return std::string(format_address(result, text));
}

TEST(ClientAddress, WalksFromTheRight) {
  EXPECT_EQ(client("10.0.0.1", {}, {"all"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1"}, {}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1"}, {"10.0.0.1"}), "1.1.1.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 2.2.2.2"}, {"10.0.0.1"}), "2.2.2.2");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 2.2.2.2"}, {"10.0.0.1", "2.2.2.2"}), "1.1.1.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 2.2.2.2"}, {"all"}), "1.1.1.1");
  // several lines are one list
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1", "2.2.2.2"}, {"10.0.0.1"}), "2.2.2.2");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1", "2.2.2.2"}, {"10.0.0.1", "2.2.2.2"}), "1.1.1.1");
  // empty elements, ports, IPv6
  EXPECT_EQ(client("10.0.0.1", {" 1.1.1.1 ,, ", ""}, {"10.0.0.1"}), "1.1.1.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1:4711"}, {"10.0.0.1"}), "1.1.1.1");
  EXPECT_EQ(client("::1", {"[2001:db8::5]:4711"}, {"::1"}), "2001:db8::5");
  // what is no address ends the walk
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, unknown"}, {"all"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, unknown, 2.2.2.2"}, {"all"}), "2.2.2.2");
}

std::string date(std::int64_t seconds) {
  char text[kDateText];
  format_date(seconds, text);
  return {text, kDateText};
}

TEST(Date, ImfFixdate) {
  EXPECT_EQ(date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(951782399), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(date(-5), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(Date, CacheFollowsTheSecond) {
  DateCache cache;
  EXPECT_EQ(cache.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(784111778), "Sun, 06 Nov 1994 08:49:38 GMT");
  EXPECT_EQ(cache.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace sluice::net::http
