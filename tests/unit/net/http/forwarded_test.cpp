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
  for (const char* bad : {"", "0", "65536", "-1", "+1", "80x", "a b", "443 80", "0000443"})
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

}  // namespace
}  // namespace sluice::net::http
