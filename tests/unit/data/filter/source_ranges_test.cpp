#include "model/settings/source_ranges.h"

#include <gtest/gtest.h>

#include <random>

#include "../allocations.h"
#include "asked.h"
#include "data/filter/address_set.h"
#include "model/ip.h"

namespace sluice::data {
namespace {

model::Cidr range(std::string_view address, int bits) {
  const auto ip = model::read_ip(address);
  model::Cidr out;
  std::copy(ip->begin(), ip->end(), out.bytes);
  out.bits = static_cast<std::uint8_t>(bits + (address.find(':') == std::string_view::npos ? 96 : 0));
  return out;
}

bool holds(const std::vector<model::Cidr>& ranges, std::string_view address) {
  return AddressSet(ranges).contains(*model::read_ip(address));
}

TEST(AddressSet, RangesHoldFromTheirFirstToTheirLastAddress) {
  const std::vector<model::Cidr> list{range("10.1.0.0", 16), range("192.0.2.7", 32), range("2001:db8::", 33)};
  for (const auto* in : {"10.1.0.0", "10.1.255.255", "192.0.2.7", "2001:db8::", "2001:db8:7fff:ffff::1"})
    EXPECT_TRUE(holds(list, in)) << in;
  for (const auto* out : {"10.0.255.255", "10.2.0.0", "192.0.2.6", "192.0.2.8", "2001:db7::", "2001:db8:8000::", "::1"})
    EXPECT_FALSE(holds(list, out)) << out;
  EXPECT_FALSE(holds({}, "10.0.0.1"));
}

TEST(AddressSet, AFamilyHoldsNothingOfTheOther) {
  const std::vector<model::Cidr> four{range("0.0.0.0", 0)}, six{range("::", 0)};
  EXPECT_TRUE(holds(four, "255.255.255.255"));
  EXPECT_FALSE(holds(four, "2001:db8::1"));
  EXPECT_TRUE(holds(six, "2001:db8::1"));
  EXPECT_FALSE(holds(six, "10.0.0.1"));
  EXPECT_TRUE(holds({range("::ffff:10.0.0.0", 104)}, "10.9.9.9")) << "written as mapped, it means IPv4";
}

TEST(AddressSet, RangesWithinOthersAreOne) {
  const std::vector<model::Cidr> list{range("10.0.0.0", 8), range("10.1.0.0", 16), range("10.0.0.0", 8)};
  EXPECT_EQ(AddressSet(list).ranges(), 1u);
  EXPECT_TRUE(holds(list, "10.200.0.1"));
}

TEST(AddressSet, AgreesWithEachRangeAskedAlone) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<model::Cidr> list;
    for (int i = 0; i < 20; ++i) {
      model::Cidr c;
      if (random() % 2 == 0) {
        c = range("0.0.0.0", static_cast<int>(random() % 9));
        c.bytes[12] = static_cast<std::uint8_t>(random() & (0xffU << (104 - c.bits)));
      } else {
        c.bits = static_cast<std::uint8_t>(4 + random() % 5);
        c.bytes[0] = static_cast<std::uint8_t>(0x20 | (random() & (0x0fU << (8 - c.bits))));
      }
      list.push_back(c);
    }
    const AddressSet set(list);
    for (int i = 0; i < 200; ++i) {
      model::Ip ip{};
      if (i % 2 == 0) {
        ip = *model::read_ip("0.0.0.1");
        ip[12] = static_cast<std::uint8_t>(random());
      } else {
        ip[0] = static_cast<std::uint8_t>(random());
      }
      bool any = false;
      for (const auto& c : list) any = any || model::contains(c, ip);
      EXPECT_EQ(set.contains(ip), any) << model::ip_text(ip);
    }
  }
}

struct Clients : ::testing::Test {
  static std::string decided(const model::SourceRanges& ranges, std::string_view client, bool available = true) {
    model::RouteSettings settings;
    settings.source_ranges = ranges;
    Asked asked(settings);
    asked.view.client = *model::read_ip(client);
    asked.view.available = available;
    return asked.decided();
  }
};

TEST_F(Clients, WhoIsDeniedIsRefusedThoughAllowed) {
  const model::SourceRanges both{{range("127.0.0.5", 32)}, {range("127.0.0.0", 29)}};
  EXPECT_EQ(decided(both, "127.0.0.1"), "");
  EXPECT_EQ(decided(both, "127.0.0.5"), "403 source-ranges");
  EXPECT_EQ(decided(both, "127.0.0.9"), "403 source-ranges");
  EXPECT_EQ(decided({both.denied, {}}, "127.0.0.9"), "");
  EXPECT_EQ(decided({{}, both.allowed}, "127.0.0.9"), "403 source-ranges");
  EXPECT_EQ(decided(both, "127.0.0.9", false), "503 endpoints") << "as in ingress-nginx";
}

TEST_F(Clients, WhoIsNotKnownIsNotRefused) {
  model::RouteSettings settings;
  settings.source_ranges = model::SourceRanges{{}, {range("10.0.0.0", 8)}};
  Asked asked(settings);
  asked.view.client_known = false;
  EXPECT_EQ(asked.decided(), "");
}

TEST_F(Clients, WithoutARouteBlockCidrsCount) {
  model::Options options;
  options.block_cidrs = {range("10.0.0.0", 8)};
  const auto process = plan_of_process(options, false);
  Asked asked;
  asked.view.route = nullptr;
  asked.view.client = *model::read_ip("10.0.0.1");
  EXPECT_EQ(decide_without_route(process.get(), asked.view)->reply.status, 403);
  asked.view.client = *model::read_ip("11.0.0.1");
  EXPECT_EQ(decide_without_route(process.get(), asked.view)->reply.status, 404);
  asked.view.client = *model::read_ip("10.0.0.1");
  asked.view.path = kProbePath;
  EXPECT_EQ(decide_without_route(process.get(), asked.view)->reply.status, 200) << "as in ingress-nginx";
}

TEST_F(Clients, ADecisionAllocatesNothing) {
  std::vector<model::Cidr> allowed;
  for (int i = 0; i < 50; ++i) allowed.push_back(range("10." + std::to_string(i) + ".0.0", 17));
  model::RouteSettings settings;
  settings.source_ranges = model::SourceRanges{{}, allowed};
  Asked asked(settings);
  asked.view.client = *model::read_ip("10.33.0.1");
  const auto before = test::allocations();
  EXPECT_FALSE(decide_for_route(asked.view));
  asked.view.client = *model::read_ip("10.33.200.1");
  EXPECT_TRUE(decide_for_route(asked.view));
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace sluice::data
