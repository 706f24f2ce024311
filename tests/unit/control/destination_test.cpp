// The one rule about where requests may be sent, over a table.
#include "control/destination.h"

#include <gtest/gtest.h>

#include "control/kube/options.h"

namespace sluice::control {
namespace {

using model::Ip;

// What an option value lets through.
struct Allowed {
  model::Options options;
  explicit Allowed(const std::string& value = "") {
    for (const auto& row : control::options()) {
      if (row.key != "allow-destinations") continue;
      EXPECT_EQ(row.value.parse(value, options), "") << value;
    }
  }
  operator AllowedDestinations() const {  // NOLINT(google-explicit-constructor)
    return {options.allow_destinations, options.allow_destination_names};
  }
};

std::string verdict(const char* address, Says says, const Allowed& allowed, const model::OwnListeners* own = nullptr,
                    std::uint16_t port = 8080) {
  const auto ip = model::read_ip(address);
  if (!ip) return "no address";
  const auto why = judge(*ip, port, says, allowed, own);
  return why ? std::string(to_string(*why)) : "";
}

constexpr const char* kLoopback = "a loopback address";
constexpr const char* kLink = "a link-local address";
constexpr const char* kNone = "an unspecified address";
constexpr const char* kMeta = "an address of a cloud's metadata";
constexpr const char* kMulticast = "a multicast or broadcast address";

const struct Row {
  const char *address, *why;
} kTable[] = {
    {"127.0.0.1", kLoopback},
    {"127.0.0.0", kLoopback},
    {"127.255.255.255", kLoopback},
    {"126.255.255.255", ""},
    {"128.0.0.1", ""},
    {"::1", kLoopback},
    {"::ffff:127.0.0.1", kLoopback},
    {"::ffff:7f00:0001", kLoopback},
    {"::2", kNone},  // IPv4-compatible 0.0.0.2
    {"::127.0.0.1", kLoopback},
    {"64:ff9b::127.0.0.1", kLoopback},
    {"64:ff9b:1::127.0.0.1", kLoopback},
    {"64:ff9b::10.0.0.1", ""},
    {"2002:7f00:1::", kLoopback},
    {"2002:a00:1::", ""},
    {"169.254.0.1", kLink},
    {"169.254.169.254", kLink},
    {"169.254.170.2", kLink},
    {"169.253.255.255", ""},
    {"169.255.0.0", ""},
    {"fe80::1", kLink},
    {"febf::1", kLink},
    {"fec0::1", ""},
    {"::ffff:169.254.169.254", kLink},
    {"64:ff9b::a9fe:a9fe", kLink},
    {"0.0.0.0", kNone},
    {"0.1.2.3", kNone},
    {"1.0.0.0", ""},
    {"::", kNone},
    {"::ffff:0.0.0.0", kNone},
    {"100.100.100.200", kMeta},
    {"100.100.100.201", ""},
    {"168.63.129.16", kMeta},
    {"192.0.0.192", kMeta},
    {"fd00:ec2::254", kMeta},
    {"fd00:ec2::23", kMeta},
    {"fd20:ce::254", kMeta},
    {"fd00:42::42", kMeta},
    {"fd00:a9fe:a9fe::1", kMeta},
    {"fd00:c1::a9fe:a9fe", kMeta},
    {"fd00:100::100:200", kMeta},
    {"fd00:100::100:201", ""},
    {"fd00:ec2::1234", ""},
    {"224.0.0.1", kMulticast},
    {"239.255.255.255", kMulticast},
    {"240.0.0.1", ""},
    {"255.255.255.255", kMulticast},
    {"255.255.255.254", ""},
    {"ff02::1", kMulticast},
    {"10.0.0.1", ""},
    {"192.168.1.1", ""},
    {"203.0.113.1", ""},
    {"2001:db8::1", ""},
    {"fd00::1", ""},
};

TEST(Destination, NamesAndObjectsOfAClusterLeadOutOnly) {
  for (const auto& row : kTable) {
    EXPECT_EQ(verdict(row.address, Says::name, Allowed()), row.why) << row.address;
    EXPECT_EQ(verdict(row.address, Says::object, Allowed()), row.why) << row.address;
  }
}

TEST(Destination, PodsOfADirectoryMayRunOnLoopback) {
  for (const auto& row : kTable) {
    const std::string_view why = row.why;
    EXPECT_EQ(verdict(row.address, Says::directory, Allowed()), why == kLoopback ? "" : why) << row.address;
    EXPECT_EQ(verdict(row.address, Says::operator_, Allowed()), "") << row.address;
  }
}

TEST(Destination, WhatIsListedIsOpenAndNothingElse) {
  const Allowed some("127.0.0.0/8, 169.254.169.254, fe80::/10");
  EXPECT_EQ(verdict("127.0.0.1", Says::name, some), "");
  EXPECT_EQ(verdict("::ffff:127.0.0.1", Says::object, some), "");
  EXPECT_EQ(verdict("64:ff9b::127.0.0.1", Says::name, some), "");
  EXPECT_EQ(verdict("::1", Says::name, some), kLoopback);
  EXPECT_EQ(verdict("169.254.169.254", Says::name, some), "");
  EXPECT_EQ(verdict("169.254.169.253", Says::name, some), kLink);
  EXPECT_EQ(verdict("fe80::7", Says::object, some), "");
  EXPECT_EQ(verdict("100.100.100.200", Says::name, some), kMeta);
  EXPECT_EQ(verdict("64:ff9b::169.254.1.1", Says::name, Allowed("64:ff9b::/96")), "");
  for (const auto& row : kTable) EXPECT_EQ(verdict(row.address, Says::name, Allowed("0.0.0.0/0")), "") << row.address;
}

TEST(Destination, NothingOpensOurOwnListeners) {
  const model::OwnListeners own{
      {model::read_listener("http", "127.0.0.1:80"), model::read_listener("admin", "[::]:81")},
      {*model::read_ip("10.0.0.5")},
      {},
      {},
      {},
      {}};
  const Allowed all("0.0.0.0/0");
  const std::string ours = "where this process listens itself";
  for (const auto says : {Says::name, Says::object, Says::directory, Says::operator_}) {
    EXPECT_EQ(verdict("127.0.0.1", says, all, &own, 80), ours);
    EXPECT_EQ(verdict("::ffff:127.0.0.1", says, all, &own, 80), ours);
    EXPECT_EQ(verdict("0.0.0.0", says, all, &own, 80), ours);
    EXPECT_EQ(verdict("10.0.0.5", says, all, &own, 81), ours);
    EXPECT_EQ(verdict("64:ff9b::10.0.0.5", says, all, &own, 81), ours);
    EXPECT_EQ(verdict("10.0.0.5", says, all, &own, 80), "");
    EXPECT_EQ(verdict("10.0.0.6", says, all, &own, 81), "");
  }
}

TEST(Destination, AQuestionMayComeBackToWhereRequestsAreTaken) {
  const model::OwnListeners own{
      {model::read_listener("https", "0.0.0.0:443"), model::read_listener("admin", "0.0.0.0:10254")},
      {*model::read_ip("10.0.0.5")},
      {},
      {},
      {},
      {}};
  EXPECT_EQ(verdict("10.0.0.5", Says::question, Allowed{}, &own, 443), "");
  EXPECT_NE(verdict("10.0.0.5", Says::name, Allowed{}, &own, 443), "");
  EXPECT_NE(verdict("10.0.0.5", Says::question, Allowed{}, &own, 10254), "");
  EXPECT_EQ(verdict("127.0.0.1", Says::question, Allowed{}, &own, 443), kLoopback);
  EXPECT_EQ(verdict("169.254.169.254", Says::question, Allowed{}, &own, 80), kLink);
  EXPECT_EQ(verdict("203.0.113.1", Says::question, Allowed{}, &own, 443), "");
}

TEST(Destination, NamesThatMeanLoopback) {
  for (const char* name : {"localhost", "a.localhost", "a.b.localhost"}) {
    EXPECT_EQ(judge_name(name, Allowed()), Refusal::loopback) << name;
    EXPECT_EQ(judge_name(name, Allowed("10.0.0.0/8,other.example")), Refusal::loopback) << name;
    EXPECT_EQ(judge_name(name, Allowed("127.0.0.2")), std::nullopt) << name;
    EXPECT_EQ(judge_name(name, Allowed("0.0.0.0/0")), std::nullopt) << name;
    EXPECT_EQ(judge_name(name, Allowed("::1")), std::nullopt) << name;
    EXPECT_EQ(judge_name(name, Allowed("LOCALHOST., *.localhost")), std::nullopt) << name;
  }
  EXPECT_EQ(judge_name("a.localhost", Allowed("localhost")), Refusal::loopback);
  EXPECT_EQ(judge_name("localhost", Allowed("*.localhost")), Refusal::loopback);
  for (const char* name : {"localhost.example", "mylocalhost", "localhost-1", "db.example"})
    EXPECT_EQ(judge_name(name, Allowed()), std::nullopt) << name;
}

TEST(Destination, NamesAreListedWholeOrBelowAStar) {
  const Allowed some("db.example,*.corp.example");
  EXPECT_TRUE(name_allowed("db.example", some));
  EXPECT_TRUE(name_allowed("a.corp.example", some));
  EXPECT_TRUE(name_allowed("a.b.corp.example", some));
  for (const char* name : {"corp.example", "xcorp.example", "a.db.example", "db.example.evil", ""})
    EXPECT_FALSE(name_allowed(name, some)) << name;
}

TEST(Destination, SpellingsOfAddressesAreNoNames) {
  for (const char* name : {"127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.5",
                           "a.1", "0x", "1.0X"})
    EXPECT_TRUE(spells_address(name)) << name;
  for (const char* name : {"1a", "a", "1.example", "0x7f.example", "127-1", "10-0-0-1.pod.cluster.local", "x0", "1.0y"})
    EXPECT_FALSE(spells_address(name)) << name;
}

TEST(Destination, TheOptionIsReadWholeOrNotAtAll) {
  for (const auto& row : control::options()) {
    if (row.key != "allow-destinations") continue;
    model::Options o;
    ASSERT_EQ(row.value.parse("127.0.0.1/8, Db.Example., *.x.example,::1", o), "");
    EXPECT_EQ(row.value.print(o), "127.0.0.0/8,::1/128,db.example,*.x.example");
    model::Options again;
    ASSERT_EQ(row.value.parse(row.value.print(o), again), "");
    EXPECT_EQ(o, again);
    for (const char* bad :
         {"127.0.0.0/33", "127.1", "a b_/c", "10.0.0.0/8,*", "*.", "http://x", "10.0.0.0/8;::1", "a..b"}) {
      EXPECT_NE(row.value.parse(bad, o), "") << bad;
      EXPECT_EQ(o, again) << bad;
    }
    ASSERT_EQ(row.value.parse("127.0.0.0/8 ::1\ndb.example\n*.x.example", o), "") << "words, as those of other lists";
    EXPECT_EQ(o, again);
    ASSERT_EQ(row.value.parse("", o), "");
    EXPECT_EQ(o, model::Options{});
    return;
  }
  FAIL() << "no such option";
}

TEST(Destination, ASieveNamesTheFirstOfEachReason) {
  const Allowed allowed;
  Sieve sieve(Says::object, allowed, nullptr);
  EXPECT_TRUE(sieve.takes("10.0.0.1", 80));
  EXPECT_EQ(sieve.text(), "");
  EXPECT_FALSE(sieve.takes("127.0.0.1", 80));
  EXPECT_FALSE(sieve.takes("127.0.0.2", 80));
  EXPECT_FALSE(sieve.takes("fe80::1", 80));
  EXPECT_FALSE(sieve.takes("not an address", 80));
  EXPECT_EQ(sieve.refused(), 3U);
  EXPECT_EQ(sieve.text(), "127.0.0.1:80, a loopback address; [fe80::1]:80, a link-local address");
  model::Entries entries;
  sieve.report({"EndpointSlice", "default", "a", {}}, "endpoints.addresses", "", "nothing is sent there", entries);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(
      model::Report::line(entries[0]),
      "EndpointSlice default/a: error DestinationRefused field=endpoints.addresses value=\"127.0.0.1:80 and 1 "
      "more\" expected a destination other than a loopback address, or one that allow-destinations lists; nothing "
      "is sent there");
}

TEST(Destination, InterfacesAreKnown) {
  const auto all = interface_addresses();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(std::find(all.begin(), all.end(), *model::read_ip("127.0.0.1")) != all.end());
}

}  // namespace
}  // namespace sluice::control
