// How many hosts, paths and other names there may be: who is served where there are too many, at any order of changes.
#include "control/kube/ingress/ceilings.h"

#include <gtest/gtest.h>

#include <random>

#include "bare_ingress.h"
#include "control/kube/store.h"

namespace sluice::control {
namespace {

constexpr const char* kPrefix = "nginx.ingress.kubernetes.io";

struct Wish {
  std::string ns, name;
  std::int64_t created;
  std::size_t rules = 1, paths = 1;  // paths of each
  std::map<std::string, std::string> annotations = {};
};

Ingress ingress(const Wish& wish) {
  Ingress out = testing::bare_ingress(wish.ns, wish.name, wish.created, wish.annotations);
  const Backend backend = testing::to_service();
  for (std::size_t r = 0; r < wish.rules; ++r) {
    IngressRule rule{wish.ns + "-" + wish.name + "-" + std::to_string(r) + ".example", {}};
    for (std::size_t p = 0; p < wish.paths; ++p) rule.paths.push_back({"/" + std::to_string(p), "Prefix", backend});
    out.rules.push_back(std::move(rule));
  }
  return out;
}

ObjectPtr object(const Wish& wish) {
  return std::make_shared<const Object>(ingress(wish));
}

TEST(Ceilings, CountRulesPathsAndOtherNames) {
  const auto load = [](const Wish& wish) { return load_of(ingress(wish), kPrefix); };
  EXPECT_EQ(load({"shop", "a", 1}), 2U);
  EXPECT_EQ(load({"shop", "a", 1, 3, 0}), 3U);
  EXPECT_EQ(load({"shop", "a", 1, 10, 2}), 30U);
  EXPECT_EQ(load({"shop", "a", 1, 10, 2, {{"server-alias", "a.example, b.example,,~c"}}}), 60U);
  EXPECT_EQ(load({"shop", "a", 1, 10, 2, {{"from-to-www-redirect", "true"}}}), 40U);
  Ingress other = ingress({"shop", "a", 1, 2, 1});
  other.default_backend = Backend{};
  other.tls = {{{"a", "b", "c"}, "s"}, {{"d", "e"}, "s"}};
  EXPECT_EQ(load_of(other, kPrefix), 4U + 1U + 3U);
}

using Found = std::map<std::string, OverCeiling>;

// Loads of Ingresses, the oldest first.
Found over(const std::map<std::string, std::vector<std::size_t>>& loads, const Ceilings& ceilings) {
  std::vector<std::unique_ptr<Meta>> metas;
  std::map<std::string_view, std::vector<Loaded>> all;
  for (const auto& [ns, list] : loads)
    for (std::size_t i = list.size(); i-- > 0;) {
      auto& meta = *metas.emplace_back(std::make_unique<Meta>());
      meta.ns = ns;
      meta.name = std::to_string(i);
      meta.created = static_cast<std::int64_t>(i);
      all[ns].push_back({&meta, list[i]});
    }
  Found out;
  for (const auto& [meta, what] : who_is_over(std::move(all), ceilings)) out.emplace(key_of(*meta), what);
  return out;
}

TEST(Ceilings, OfANamespaceAreForItsOldest) {
  EXPECT_EQ(over({{"a", {5, 5}}, {"b", {10}}}, {10, 20}), Found{});
  EXPECT_EQ(over({{"a", {5, 3, 4, 2, 1}}}, {10, 20}), (Found{{"a/2", {4, 2, 10, false}}, {"a/4", {1, 0, 10, false}}}));
  EXPECT_EQ(over({{"a", {11, 1}}, {"b", {1}}}, {10, 20}), (Found{{"a/0", {11, 10, 10, false}}}));
}

// What one does not need of its share is for the others.
TEST(Ceilings, OfAllAreGivenInEqualShares) {
  EXPECT_EQ(over({{"a", {1}}, {"b", {8, 1}}, {"c", {4, 4, 1}}}, {10, 19}), Found{});
  // a leaves 17 for two: 8 for b, and what that leaves for c.
  EXPECT_EQ(over({{"a", {1}}, {"b", {8, 1}}, {"c", {4, 4, 1}}}, {10, 18}), (Found{{"b/1", {1, 0, 8, true}}}));
  EXPECT_EQ(over({{"a", {6, 6}}, {"b", {3}}}, {12, 12}), (Found{{"a/1", {6, 3, 9, true}}}));
}

TEST(Ceilings, OfAllTakeNothingFromWhoHasLess) {
  std::map<std::string, std::vector<std::size_t>> loads;
  for (int i = 0; i < 5; ++i) loads["many" + std::to_string(i)] = std::vector<std::size_t>(100, 1);
  loads["few"] = {2, 2};
  loads["some"] = {10, 6};
  const auto found = over(loads, {100, 120});
  std::map<std::string, std::size_t> lost;
  for (const auto& [key, what] : found) {
    EXPECT_TRUE(what.shared);
    EXPECT_EQ(what.most, 20U);
    ++lost[key.substr(0, key.find('/'))];
  }
  EXPECT_EQ(lost.size(), 5U);
  for (const auto& [ns, count] : lost) EXPECT_EQ(count, 80U) << ns;
}

struct WithCeilings : ::testing::Test {
  static Settings settings() {
    Settings out;
    out.ceilings = {20, 50};
    return out;
  }
  void commit() { model = store.commit().model; }
  void put(const Wish& wish) {
    store.upsert(object(wish));
    commit();
  }
  void take(const Wish& wish) {
    store.erase(*object(wish));
    commit();
  }
  bool served(const std::string& ns, const std::string& name) const {
    return model->hosts.contains(ns + "-" + name + "-0.example");
  }
  std::string said() const {
    std::string out;
    for (const auto& e : model->report.entries)
      if (e.problem.reason == "TooMany") out += model::Report::line(e) + "\n";
    return out;
  }
  Store store{settings()};
  std::shared_ptr<const model::Model> model;
};

TEST_F(WithCeilings, WhatDoesNotFitIsNotServedAndReported) {
  put({"shop", "a", 1, 8});
  put({"shop", "c", 3, 1, 2});
  EXPECT_EQ(said(), "");
  put({"shop", "b", 2, 3});  // older than c
  EXPECT_TRUE(served("shop", "a") && served("shop", "c") && !served("shop", "b"));
  EXPECT_EQ(
      said(),
      "Ingress shop/b: error TooMany field=spec.rules value=\"6\" expected at most 4 rules, paths and other names, "
      "which older Ingresses of namespace shop leave of its 20; nothing of it is served, and it claims no host\n");
  put({"else", "x", 9, 10});
  EXPECT_TRUE(served("else", "x"));
  const Review no = store.review(*object({"shop", "d", 5, 9}));
  EXPECT_FALSE(no.allowed);
  EXPECT_NE(no.message.find("TooMany"), std::string::npos) << no.message;
  EXPECT_TRUE(store.review(*object({"else", "x", 9, 9})).allowed);
  // What goes makes room for it.
  take({"shop", "c", 3});
  EXPECT_FALSE(served("shop", "b"));
  put({"shop", "a", 1, 7});
  EXPECT_TRUE(served("shop", "b"));
  EXPECT_EQ(said(), "");
}

TEST_F(WithCeilings, WhatDoesNotFitClaimsNothing) {
  Wish big{"shop", "a", 1, 30, 0};
  put(big);
  EXPECT_FALSE(served("shop", "a"));
  EXPECT_EQ(model->hosts.size(), 0U);
  Ingress same = ingress({"else", "b", 9});
  same.rules[0].host = "shop-a-0.example";
  store.upsert(std::make_shared<const Object>(same));
  commit();
  EXPECT_EQ(model->hosts.at("shop-a-0.example")->ns, "else");
  big.rules = 5;
  put(big);
  EXPECT_EQ(model->hosts.at("shop-a-0.example")->ns, "shop");
}

TEST_F(WithCeilings, ANamespaceLosesNothingToOthersThatHaveMore) {
  put({"shop", "a", 100, 4});
  for (const char* ns : {"m1", "m2", "m3", "m4"})
    for (int i = 0; i < 10; ++i) store.upsert(object({ns, std::to_string(i), i}));
  commit();
  EXPECT_TRUE(served("shop", "a"));
  for (const char* ns : {"m1", "m2", "m3", "m4"})
    for (int i = 0; i < 10; ++i) EXPECT_EQ(served(ns, std::to_string(i)), i < 5) << ns << i;
  EXPECT_NE(said().find("of its share of the 50 of all, 10"), std::string::npos) << said();
}

// Whatever came before: a new Store makes the same of what is there.
TEST_F(WithCeilings, DoNotDependOnTheOrderOfChanges) {
  std::mt19937 random(5);
  std::map<std::string, Wish> there;
  for (int round = 0; round < 400; ++round) {
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
      const std::string ns = "n" + std::to_string(random() % 5), name = "i" + std::to_string(random() % 5);
      const auto key = ns + "/" + name;
      if (const auto at = there.find(key); at != there.end() && random() % 3 == 0) {
        store.erase(*object(at->second));
        there.erase(at);
        continue;
      }
      Wish wish{ns, name, static_cast<std::int64_t>(random() % 4), random() % 6, random() % 3};
      if (random() % 4 == 0) wish.annotations["server-alias"] = "x.example,~^p";
      store.upsert(object(wish));
      there.insert_or_assign(key, wish);
    }
    commit();
    Store fresh{settings()};
    for (const auto& [key, wish] : there) fresh.upsert(object(wish));
    const auto expected = fresh.commit().model;
    ASSERT_EQ(model->hosts.size(), expected->hosts.size()) << round;
    for (const auto& [name, host] : expected->hosts) ASSERT_EQ(*model->hosts.at(name), *host) << name;
    ASSERT_EQ(model->report.entries, expected->report.entries) << round;
  }
}

}  // namespace
}  // namespace sluice::control
