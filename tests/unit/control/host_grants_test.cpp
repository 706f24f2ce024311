// The option host-namespaces: which namespaces may name which hosts.
#include "control/kube/host_grants.h"

#include <gtest/gtest.h>

#include "control/kube/options.h"

namespace sluice::control {
namespace {

const model::ObjectRef kMap{"ConfigMap", "ns", "map", {}};

std::string who(const model::Options& options, std::string_view host) {
  std::string out, rule;
  for (const char* ns : {"shop", "team", "platform", "other"})
    if (may_name(options, ns, host, rule)) out += (out.empty() ? "" : " ") + std::string(ns);
  return out;
}

TEST(HostGrants, TheMostSpecificHostDecides) {
  model::Options o;
  ASSERT_EQ(read_host_grants("shop.example=shop\nShop.Example=team, *.team.example=team *.a.team.example=shop\r\n"
                             "open.team.example=* _=platform *=platform",
                             o),
            "");
  const std::pair<const char*, const char*> expected[] = {{"shop.example", "shop team"},
                                                          {"x.shop.example", "platform"},
                                                          {"*.shop.example", "platform"},
                                                          {"team.example", "platform"},
                                                          {"x.team.example", "team"},
                                                          {"x.y.team.example", "team"},
                                                          {"*.team.example", "team"},
                                                          {"*.x.team.example", "team"},
                                                          {"a.team.example", "team"},
                                                          {"x.a.team.example", "shop"},
                                                          {"*.a.team.example", "shop"},
                                                          {"steam.example", "platform"},
                                                          {"open.team.example", "shop team platform other"},
                                                          {"", "platform"},
                                                          {"example", "platform"}};
  for (const auto& [host, namespaces] : expected) EXPECT_EQ(who(o, host), namespaces) << host;
}

TEST(HostGrants, WhatNoWordHoldsIsEverybodys) {
  model::Options o;
  EXPECT_EQ(who(o, "shop.example"), "shop team platform other");
  ASSERT_EQ(read_host_grants("shop.example=shop", o), "");
  EXPECT_EQ(who(o, "shop.example"), "shop");
  EXPECT_EQ(who(o, "x.example"), "shop team platform other");
  EXPECT_EQ(who(o, ""), "shop team platform other");
}

TEST(HostGrants, AWordThatCannotBeReadIsNamedAndAHostWithoutNamespaceIsNobodys) {
  for (const char* bad : {"shop.example", "shop.example=", "shop.example=a,b.c=", "shop.example=Shop",
                          "shop.example=a.b", "shop.example=-x", "shop.example==shop", "shop.example:shop"}) {
    model::Options o;
    EXPECT_NE(read_host_grants(bad, o).find("HOST=NAMESPACE"), std::string::npos) << bad;
    if (std::string_view(bad).find(',') == std::string_view::npos) {
      EXPECT_EQ(who(o, "shop.example"), "") << bad;
    }
  }
  model::Options o;
  EXPECT_NE(read_host_grants("shop_.example/=shop team.example=team", o).find("\"shop_.example/=shop\""),
            std::string::npos);
  EXPECT_EQ(who(o, "team.example"), "team");
}

TEST(HostGrants, WhatCannotBeReadOpensNothingThatWasClosed) {
  const auto before =
      read_options({{"host-namespaces", "shop.example=shop team.example=team x.example=x"}}, kMap, {}, {}).options;
  const auto after = read_options(
      {{"host-namespaces", "shop.example:shop x.example=X new.example= team.example=other"}}, kMap, {}, before);
  ASSERT_EQ(after.entries.size(), 1U);
  EXPECT_EQ(after.entries[0].problem.consequence,
            "what counts is new.example=,shop.example=shop,team.example=other,x.example=x");
  EXPECT_EQ(who(after.options, "shop.example"), "shop");
  EXPECT_EQ(who(after.options, "team.example"), "other");
  // Once it can be read again, it counts as it is.
  const auto mended = read_options({{"host-namespaces", "team.example=team"}}, kMap, {}, after.options);
  EXPECT_TRUE(mended.entries.empty());
  EXPECT_EQ(who(mended.options, "shop.example"), "shop team platform other");
}

}  // namespace
}  // namespace sluice::control
