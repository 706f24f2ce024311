#include "control/kube/references.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::control {
namespace {

using Names = std::vector<std::string>;

Names all(const References& references) {
  Names out;
  references.each([&](const std::string& object) { out.push_back(object); });
  std::ranges::sort(out);
  return out;
}

TEST(References, KnowWhoNamesWhatInBothDirections) {
  References references;
  EXPECT_TRUE(references.set("Ingress/a/one", {"ConfigMap/a/x", "Secret/a/x"}));
  EXPECT_TRUE(references.set("Ingress/a/two", {"Secret/a/x"}));
  EXPECT_EQ(*references.users("Secret/a/x"), (std::set<std::string>{"Ingress/a/one", "Ingress/a/two"}));
  EXPECT_EQ(*references.users("ConfigMap/a/x"), (std::set<std::string>{"Ingress/a/one"}));
  EXPECT_EQ(references.users("ConfigMap/a/y"), nullptr);

  EXPECT_FALSE(references.set("Ingress/a/two", {"Secret/a/x"})) << "the same again is no news";
  EXPECT_FALSE(references.set("Ingress/a/three", {})) << "nor is nothing where there was nothing";

  EXPECT_TRUE(references.set("Ingress/a/one", {"Secret/a/y"}));
  EXPECT_EQ(*references.users("Secret/a/x"), (std::set<std::string>{"Ingress/a/two"}));
  EXPECT_EQ(references.users("ConfigMap/a/x"), nullptr);
  EXPECT_EQ(all(references), (Names{"Secret/a/x", "Secret/a/y"}));

  EXPECT_TRUE(references.set("Ingress/a/one", {}));
  EXPECT_TRUE(references.set("Ingress/a/two", {}));
  EXPECT_EQ(all(references), Names{});
}

TEST(LookUp, FindsByKindAndNameAndRecordsWhatWasAskedFor) {
  StringMap<ObjectPtr> secrets, config_maps;
  Secret secret;
  secret.data["auth"] = "secret";
  secrets["a/both"] = std::make_shared<const Object>(secret);
  ConfigMap map;
  map.data["auth"] = "map";
  config_maps["a/both"] = std::make_shared<const Object>(map);

  LookUp look_up(secrets, config_maps);
  ASSERT_NE(look_up.secret("a/both"), nullptr);
  EXPECT_EQ(look_up.secret("a/both")->data.at("auth"), "secret");
  ASSERT_NE(look_up.config_map("a/both"), nullptr);
  EXPECT_EQ(look_up.config_map("a/both")->data.at("auth"), "map");
  EXPECT_EQ(look_up.secret("a/absent"), nullptr);
  EXPECT_EQ(look_up.config_map("a/absent"), nullptr);
  EXPECT_EQ(look_up.take(), (Names{"ConfigMap/a/absent", "ConfigMap/a/both", "Secret/a/absent", "Secret/a/both"}));
}

}  // namespace
}  // namespace sluice::control
