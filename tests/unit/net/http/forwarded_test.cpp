#include "net/http/forwarded.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::net::http {
namespace {

TEST(Forwarded, TheFirstElementOfAListCounts) {
  EXPECT_EQ(first_element("a, b"), "a");
  EXPECT_EQ(first_element(" , b"), "b");
  EXPECT_EQ(first_element(" ,, "), "");
}

TEST(Forwarded, AHostIsWhatHostMayBe) {
  for (const char* good : {"b.example", "b.example:8443", "[::1]", "[2001:db8::1]:443", "192.0.2.1", ", b.example",
                           "a.example, b.example"})
    EXPECT_TRUE(forwarded_host(good)) << good;
  EXPECT_EQ(forwarded_host("[::1]:80, x")->authority.host, "[::1]");
  for (const std::string& bad :
       {std::string("a b"), std::string("a@b.example"), std::string("a.example/x"), std::string("a.example#f"),
        std::string("[::1"), std::string("a.example:port"), std::string("a\tb"), std::string("b\xc3\xbc.example"),
        std::string(300, 'a'), std::string(), std::string(",")})
    EXPECT_FALSE(forwarded_host(bad)) << bad;
}

TEST(Forwarded, APortIsANumber) {
  for (const char* good : {"1", "443", "65535", "444, 80"}) EXPECT_TRUE(forwarded_port(good)) << good;
  for (const char* bad : {"", "0", "65536", "-1", "+1", "80x", "a b", "443 80", "0000443", "0443"})
    EXPECT_FALSE(forwarded_port(bad)) << bad;
}

TEST(Forwarded, ASchemeIsHttpOrHttps) {
  EXPECT_EQ(forwarded_scheme("HTTPS, http"), "https");
  EXPECT_EQ(forwarded_scheme("http,https"), "http");
  EXPECT_EQ(forwarded_scheme("wss"), "https");
  EXPECT_EQ(forwarded_scheme("ws"), "http");
  for (const char* bad : {"", "ftp", "https http", "http/1.1", "javascript"})
    EXPECT_FALSE(forwarded_scheme(bad)) << bad;
}

TEST(Forwarded, TheFieldOfRfc7239) {
  for (const char* good : {"for=192.0.2.60;proto=http;by=203.0.113.43", "for=192.0.2.43, for=198.51.100.17",
                           "For=\"[2001:db8::17]:4711\"", "for=unknown", "for=_hidden;host=a.example",
                           "host=\"a.example:8443\"; proto=HTTPS", " ,for=1.2.3.4,; ", "secret=\"a,b;c=d\""})
    EXPECT_TRUE(is_forwarded(good)) << good;
  for (const char* bad : {"", ",", "for", "for=", "=x", "for 1.2.3.4", "for=1.2.3.4:80", "for=\"1.2.3.4", "for=\"a\"b",
                          "for=\"a\\\"b\"", "host=a.example:8443", "host=\"a b\"", "host=\"\"", "proto=ftp",
                          "proto=\"https, http\"", "for=1.2.3.4 for=2.3.4.5"})
    EXPECT_FALSE(is_forwarded(bad)) << bad;
}

}  // namespace
}  // namespace sluice::net::http
