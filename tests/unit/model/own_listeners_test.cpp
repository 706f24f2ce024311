// Addresses as values, and what leads to a listener of ours.
#include "model/own_listeners.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace sluice::model {
namespace {

Ip ip(std::string_view text) {
  const auto out = read_ip(text);
  EXPECT_TRUE(out) << text;
  return out.value_or(Ip{});
}

TEST(Ip, SpellingsOfAnAddressAreOneValue) {
  EXPECT_EQ(ip("10.0.0.1"), ip("::ffff:10.0.0.1"));
  EXPECT_EQ(ip("10.0.0.1"), ip("0:0:0:0:0:FFFF:a00:1"));
  EXPECT_EQ(ip("::1"), ip("0:0:0:0:0:0:0:1"));
  EXPECT_NE(ip("::1"), ip("0.0.0.1"));
  EXPECT_EQ(ip_text(ip("::ffff:10.0.0.1")), "10.0.0.1");
  EXPECT_EQ(ip_text(ip("2001:DB8:0::1")), "2001:db8::1");
  for (const char* bad : {"", "localhost", "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "[::1]", "fe80::1%lo",
                          "1.2.3.4 ", "1.2.3.4.5"})
    EXPECT_FALSE(read_ip(bad)) << bad;
  EXPECT_FALSE(read_ip(std::string_view("127.0.0.1\0x", 11)));
}

TEST(Ip, GatewaysTakeSomeForIPv4) {
  const struct {
    const char *six, *four;
  } table[] = {{"::127.0.0.1", "127.0.0.1"},
               {"::ffff:0:10.1.2.3", "10.1.2.3"},
               {"64:ff9b::169.254.169.254", "169.254.169.254"},
               {"64:ff9b:1:abcd::10.0.0.7", "10.0.0.7"},
               {"64:ff9b:1:a9fe:a9:fe00:808:808", "169.254.169.254"},  // a prefix of 48 bits and a suffix
               {"64:ff9b:1:a9:fe:a9fe:808:808", "169.254.169.254"},    // of 56
               {"64:ff9b:1:0:a9:fea9:fe00::", "169.254.169.254"},      // of 64
               {"64:ff9b:1:a00:0:100::", "10.0.0.1"},
               {"64:ff9b:1::", "0.0.0.0"},
               {"2001:db8::5efe:127.0.0.1", "127.0.0.1"},
               {"2001:db8::200:5efe:a9fe:a9fe", "169.254.169.254"},
               {"fd00::5efe:169.254.169.254", "169.254.169.254"},
               {"2002:7f00:1::1", "127.0.0.1"},
               {"2002:a9fe:a9fe::", "169.254.169.254"},
               {"2001:0:1:2:3:4:80ff:fffe", "127.0.0.1"}};
  for (const auto& row : table) {
    const auto inner = embedded_ipv4(ip(row.six));
    EXPECT_NE(std::ranges::find(inner, ip(row.four)), inner.end()) << row.six;
  }
  for (const char* none : {"10.0.0.1", "2001:db8::7f00:1", "fd00::127.0.0.1", "64:ff9b:2::1", "64:ff9c::127.0.0.1"})
    EXPECT_TRUE(embedded_ipv4(ip(none)).empty()) << none;
}

TEST(OwnListeners, AreReadAsTheyAreBound) {
  EXPECT_EQ(read_listener("http", "127.0.0.1:8080"), (OwnListener{"http", ip("127.0.0.1"), 8080}));
  EXPECT_EQ(read_listener("http", "[::1]:80"), (OwnListener{"http", ip("::1"), 80}));
  EXPECT_EQ(read_listener("http", "[fe80::1%eth0]:80"), (OwnListener{"http", ip("fe80::1"), 80}));
  EXPECT_TRUE(read_listener("http", "[::]:80").any());
  EXPECT_TRUE(read_listener("http", "0.0.0.0:80").any());
  EXPECT_FALSE(read_listener("http", "10.0.0.1:80").any());
  for (const char* bad : {"", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "localhost:80"})
    EXPECT_THROW(read_listener("http", bad), std::invalid_argument) << bad;
}

// What a connection from this machine would reach.
TEST(OwnListeners, AreFoundByEveryWayThere) {
  OwnListeners own{{read_listener("http", "[::]:80"), read_listener("admin", "127.0.0.1:10254"),
                    read_listener("webhook", "10.0.0.5:8444")},
                   {ip("10.0.0.5"), ip("2001:db8::5")},
                   {},
                   {},
                   {},
                   {}};
  std::sort(own.addresses.begin(), own.addresses.end());
  EXPECT_TRUE(own.any());
  const struct {
    const char* address;
    std::uint16_t port;
    const char* what;  // empty: nothing of ours
  } table[] = {
      // on every address
      {"127.0.0.1", 80, "http"},
      {"127.5.6.7", 80, "http"},
      {"::1", 80, "http"},
      {"0.0.0.0", 80, "http"},
      {"::", 80, "http"},
      {"::ffff:127.0.0.1", 80, "http"},
      {"10.0.0.5", 80, "http"},
      {"::ffff:10.0.0.5", 80, "http"},
      {"2001:db8::5", 80, "http"},
      {"64:ff9b::10.0.0.5", 80, "http"},
      {"2002:a00:5::", 80, "http"},
      {"10.0.0.6", 80, ""},
      {"127.0.0.1", 8080, ""},
      {"10.0.0.5", 8080, ""},
      // on one address
      {"127.0.0.1", 10254, "admin"},
      {"::ffff:7f00:1", 10254, "admin"},
      {"0.0.0.0", 10254, "admin"},
      {"::", 10254, "admin"},
      {"64:ff9b::7f00:1", 10254, "admin"},
      {"127.0.0.2", 10254, ""},
      {"10.0.0.5", 10254, ""},
      {"10.0.0.5", 8444, "webhook"},
      {"127.0.0.1", 8444, ""},
      {"0.0.0.0", 8444, ""},
  };
  for (const auto& row : table) {
    const auto* found = own.find(ip(row.address), row.port);
    EXPECT_EQ(found ? found->what : "", row.what) << row.address << " " << row.port;
  }
}

// Replicas listen on our ports, whatever address ours are bound to; a Service has ports of its own.
TEST(OwnListeners, ReplicasAndServicesLeadToThemToo) {
  const OwnListeners own{{read_listener("http", "10.0.0.5:8080"), read_listener("admin", "10.0.0.5:10254")},
                         {},
                         {ip("10.0.0.7")},
                         {{ip("10.96.0.9"), 80}, {ip("10.96.0.9"), 9000}},
                         {},
                         {}};
  const struct {
    const char* address;
    std::uint16_t port;
    bool reached;
  } table[] = {
      {"10.0.0.5", 8080, true},        {"10.0.0.7", 8080, true},       {"10.0.0.7", 10254, true},
      {"::ffff:10.0.0.7", 8080, true}, {"64:ff9b::a00:7", 8080, true}, {"10.0.0.7", 80, false},
      {"10.0.0.8", 8080, false},       {"10.96.0.9", 80, true},        {"10.96.0.9", 9000, true},
      {"10.96.0.9", 8080, false},      {"10.96.0.8", 80, false},
  };
  for (const auto& row : table)
    EXPECT_EQ(own.reached(ip(row.address), row.port), row.reached) << row.address << " " << row.port;
  EXPECT_TRUE(own.has_port(80));
  EXPECT_FALSE(own.has_port(81));
  EXPECT_FALSE(own.everywhere(8080));
}

// Where clients' requests are taken, a question may come back to; nowhere else.
TEST(OwnListeners, SomeTakeRequests) {
  const OwnListeners own{{read_listener("http", "0.0.0.0:80"), read_listener("https", "10.0.0.5:443"),
                          read_listener("admin", "0.0.0.0:10254"), read_listener("webhook", "10.0.0.6:443")},
                         {ip("10.0.0.5"), ip("10.0.0.6")},
                         {ip("10.0.0.7")},
                         {{ip("10.96.0.9"), 80}, {ip("10.96.0.9"), 443}},
                         {},
                         {}};
  const struct {
    const char* address;
    std::uint16_t port;
    bool takes;
  } table[] =
      {
          {"10.0.0.5", 80, true},     {"10.0.0.5", 443, true},    {"::ffff:10.0.0.5", 443, true},
          {"10.0.0.6", 443, false},   {"10.0.0.5", 10254, false}, {"10.0.0.7", 80, true},
          {"10.0.0.7", 443, false},  // the webhook's there, perhaps
          {"10.0.0.7", 10254, false}, {"10.96.0.9", 80, false},   {"10.96.0.9", 443, false},
          {"10.0.0.9", 80, false},    {"127.0.0.1", 80, true},    {"127.0.0.1", 10254, false},
      };
  for (const auto& row : table)
    EXPECT_EQ(own.takes_requests(ip(row.address), row.port), row.takes) << row.address << " " << row.port;
}

// A number is one port of TCP and another one of UDP.
TEST(OwnListeners, DatagramsHavePortsOfTheirOwn) {
  OwnListeners own{{read_listener("https", "[::]:443"), read_listener("tcp", "[::]:9000")},
                   {ip("10.0.0.5")},
                   {ip("10.0.0.7")},
                   {{ip("10.96.0.9"), 80}},
                   {read_listener("udp", "[::]:443"), read_listener("udp", "127.0.0.1:53")},
                   {{ip("10.96.0.9"), 53}}};
  const struct {
    const char* address;
    std::uint16_t port;
    bool reached;
  } table[] = {
      {"127.0.0.1", 443, true},         {"10.0.0.5", 443, true},  {"10.0.0.7", 443, true},    {"10.0.0.8", 443, false},
      {"64:ff9b::10.0.0.5", 443, true}, {"127.0.0.1", 53, true},  {"0.0.0.0", 53, true},      {"10.0.0.5", 53, false},
      {"10.96.0.9", 53, true},          {"10.96.0.9", 80, false}, {"127.0.0.1", 9000, false}, {"10.96.0.9", 443, false},
  };
  for (const auto& row : table)
    EXPECT_EQ(own.reached_by_datagrams(ip(row.address), row.port), row.reached) << row.address << " " << row.port;
  EXPECT_FALSE(own.reached(ip("127.0.0.1"), 53));
  EXPECT_TRUE(own.takes_requests(ip("10.0.0.7"), 443)) << "the port of datagrams is none beside it";
  EXPECT_FALSE(own.takes_requests(ip("10.0.0.7"), 9000));
  own.all.clear();
  EXPECT_TRUE(own.any());
}

}  // namespace
}  // namespace sluice::model
