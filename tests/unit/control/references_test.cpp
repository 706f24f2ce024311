#include "control/kube/references.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using Told = std::vector<std::string>;

struct Listener final : Dependant {
  Told told;
  void mark(const std::string& part) override { told.push_back(part); }
  void came(const ObjectPtr& o) override { told.push_back("came " + key_of(meta(*o))); }
  void moved(const ObjectPtr& o) override { told.push_back("moved " + key_of(meta(*o))); }
  void went(const Object& o) override { told.push_back("went " + key_of(meta(o))); }
  Told take() { return std::exchange(told, {}); }
};

template <class Kind>
ObjectPtr object(const std::string& ns, const std::string& name) {
  Kind out;
  out.meta.ns = ns;
  out.meta.name = name;
  return std::make_shared<const Object>(std::move(out));
}
ObjectPtr slice(const std::string& name, const std::string& service) {
  EndpointSlice out;
  out.meta.ns = "a";
  out.meta.name = name;
  out.service = service;
  return std::make_shared<const Object>(std::move(out));
}

struct Named {
  std::string part;
  References::Uses uses;
};

TEST(References, AnObjectMarksWhoeverNamesItByKindAndName) {
  References references;
  Listener hosts, pairs;
  Named one{"one", {}}, two{"two", {}}, pair{"pair", {}};
  references.set(one.uses, hosts, one.part, {name_of<Secret>("a/x"), name_of<ConfigMap>("a/x")});
  references.set(two.uses, hosts, two.part, {name_of<Secret>("a/x")});
  references.set(pair.uses, pairs, pair.part, {name_of<Secret>("a/x")});

  references.came(object<ConfigMap>("a", "x"), nullptr);
  EXPECT_EQ(hosts.take(), Told{"one"});
  EXPECT_EQ(pairs.take(), Told{});
  references.went(*object<Secret>("a", "x"));
  Told both = hosts.take();
  std::ranges::sort(both);
  EXPECT_EQ(both, (Told{"one", "two"}));
  EXPECT_EQ(pairs.take(), Told{"pair"});
  references.came(object<Secret>("b", "x"), nullptr);
  references.moved(object<Secret>("a", "x"));
  EXPECT_EQ(hosts.take(), Told{}) << "of another namespace; the same at another place";

  // What is named no more marks nobody.
  references.set(one.uses, hosts, one.part, {name_of<Secret>("a/y")});
  references.set(two.uses, hosts, two.part, {});
  EXPECT_TRUE(two.uses.empty());
  references.came(object<Secret>("a", "x"), nullptr);
  references.came(object<ConfigMap>("a", "x"), nullptr);
  EXPECT_EQ(hosts.take(), Told{});
  EXPECT_EQ(pairs.take(), Told{"pair"});
  references.came(object<Secret>("a", "y"), nullptr);
  EXPECT_EQ(hosts.take(), Told{"one"});
}

TEST(References, APartConcernsWhoeverNamesItsWholeBeforeAndAfter) {
  References references;
  Listener clusters;
  Named web{"web", {}}, api{"api", {}};
  references.set(web.uses, clusters, web.part, {name_of<Service>("a/web")});
  references.set(api.uses, clusters, api.part, {name_of<Service>("a/api")});
  const auto first = slice("s", "web"), second = slice("s", "api");
  references.came(first, nullptr);
  EXPECT_EQ(clusters.take(), Told{"web"});
  references.came(second, &*first);
  EXPECT_EQ(clusters.take(), (Told{"api", "web"}));
  references.went(*second);
  EXPECT_EQ(clusters.take(), Told{"api"});
}

TEST(References, WhomAKindConcernsIsToldOfEachObjectOfIt) {
  References references;
  Listener translator;
  references.all_of<Ingress>(translator);
  references.came(object<Ingress>("a", "x"), nullptr);
  references.moved(object<Ingress>("a", "x"));
  references.went(*object<Ingress>("a", "x"));
  references.came(object<IngressClass>("", "x"), nullptr);
  EXPECT_EQ(translator.take(), (Told{"came a/x", "moved a/x", "went a/x"}));
}

TEST(References, OfTheKindsThatAreAskedForByNameItIsKnownWhatIsNamed) {
  References references;
  Listener listener;
  Named one{"one", {}}, two{"two", {}};
  EXPECT_FALSE(references.named_anew());
  references.set(one.uses, listener, one.part, {name_of<Service>("a/web")});
  EXPECT_FALSE(references.named_anew()) << "Services are all listed";
  references.set(one.uses, listener, one.part, {name_of<Secret>("a/x"), name_of<ConfigMap>("a/y")});
  EXPECT_TRUE(references.named_anew());
  EXPECT_EQ(references.named(), (std::set<std::string>{"ConfigMap/a/y", "Secret/a/x"}));
  references.set(two.uses, listener, two.part, {name_of<Secret>("a/x")});
  EXPECT_FALSE(references.named_anew()) << "somebody names it already";
  references.set(one.uses, listener, one.part, {});
  EXPECT_TRUE(references.named_anew());
  EXPECT_EQ(references.named(), (std::set<std::string>{"Secret/a/x"}));
  EXPECT_TRUE(references.is_named<Secret>("a/x"));
  references.set(two.uses, listener, two.part, {});
  EXPECT_FALSE(references.is_named<Secret>("a/x"));
}

TEST(LookUp, FindsByKindAndNameAndRecordsWhatWasAskedFor) {
  Objects objects;
  objects.put(object<Secret>("a", "both"));
  ConfigMap map;
  map.meta.ns = "a";
  map.meta.name = "both";
  map.data["auth"] = "map";
  objects.put(std::make_shared<const Object>(map));

  Readings readings;
  LookUp look_up(objects, readings);
  ASSERT_NE(look_up.secret("a/both"), nullptr);
  ASSERT_NE(look_up.config_map("a/both"), nullptr);
  EXPECT_EQ(look_up.config_map("a/both")->data.at("auth"), "map");
  EXPECT_EQ(look_up.secret("a/absent"), nullptr);
  EXPECT_EQ(look_up.config_map("a/absent"), nullptr);
  EXPECT_NE(look_up.secret("a/both"), nullptr);
  EXPECT_EQ(look_up.take(), (std::vector<ObjectName>{name_of<Secret>("a/absent"), name_of<Secret>("a/both"),
                                                     name_of<ConfigMap>("a/absent"), name_of<ConfigMap>("a/both")}));
}

}  // namespace
}  // namespace sluice::control
