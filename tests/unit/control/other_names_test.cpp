// Other names of hosts: who gets one that several ask for, at any order of changes.
#include "control/kube/ingress/other_names.h"

#include <gtest/gtest.h>

#include <random>

#include "bare_ingress.h"
#include "control/kube/ingress/name_places.h"
#include "control/kube/ingress/name_probe.h"
#include "control/kube/store.h"

namespace sluice::control {
namespace {

struct Wish {
  std::string ns, name;
  std::int64_t created;
  std::vector<std::string> hosts;
  std::map<std::string, std::string> annotations = {};
};

ObjectPtr object(const Wish& wish) {
  Ingress out = testing::bare_ingress(wish.ns, wish.name, wish.created, wish.annotations);
  for (const auto& host : wish.hosts) out.rules.push_back({host, {{"/", "Prefix", testing::to_service()}}});
  return std::make_shared<const Object>(std::move(out));
}

Wish aliased(const std::string& ns, const std::string& name, std::int64_t created, const std::string& host,
             const std::string& aliases) {
  return {ns, name, created, {host}, {{"server-alias", aliases}}};
}

struct OtherNames : ::testing::Test {
  void put(const Wish& wish) {
    store.upsert(object(wish));
    model = store.commit().model;
  }
  void take(const Wish& wish) {
    store.erase(*object(wish));
    model = store.commit().model;
  }
  std::string aliases(const std::string& host) const {
    std::string out;
    if (const auto at = model->hosts.find(host); at != model->hosts.end())
      for (const auto& alias : at->second->aliases) out += (out.empty() ? "" : " ") + alias.name;
    return out;
  }
  std::string owner(const std::string& host) const {
    const auto at = model->hosts.find(host);
    return at == model->hosts.end() ? "none" : at->second->ns.str();
  }
  std::string said() const {
    std::string out;
    for (const auto& e : model->report.entries) out += model::Report::line(e) + "\n";
    return out;
  }
  bool said(std::string_view part) const { return said().find(part) != std::string::npos; }
  Store store{Settings{}};
  std::shared_ptr<const model::Model> model;
};

TEST_F(OtherNames, AreReadAsNginxReadsThem) {
  const auto read = [](std::string_view text) {
    std::vector<std::string> names;
    RegexBudget budget;
    const auto wrong = read_alias(text, budget, names);
    EXPECT_EQ(wrong.empty(), !names.empty()) << text;
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : " ") + name;
    return out;
  };
  EXPECT_EQ(read("Shop.Example."), "shop.example");
  EXPECT_EQ(read("my_host"), "my_host");
  EXPECT_EQ(read("*.Shop.example"), "*.shop.example");
  EXPECT_EQ(read("shop.*"), "shop.*");
  EXPECT_EQ(read(".shop.example"), "*.shop.example shop.example");
  EXPECT_EQ(read("~^Www\\d+\\.example$"), "~^Www\\d+\\.example$");
  for (const char* bad : {"~", "~(", "~*x", "*", "*.", "a.*.b", "*x.example", "www*.example", "*.x.*", "a/b", "a:80",
                          "_", "$hostname", "..", "a..b", "-a"})
    EXPECT_EQ(read(bad), std::string_view(bad) == "_" ? "_" : "") << bad;
}

TEST_F(OtherNames, OfAHostAreThoseOfItsOldestIngressThatHasSome) {
  put({"shop", "plain", 1, {"h.example"}});
  put(aliased("shop", "first", 2, "h.example", "b.example,a.example,h.example"));
  put(aliased("shop", "second", 3, "h.example", "c.example"));
  EXPECT_EQ(aliases("h.example"), "a.example b.example");
  EXPECT_TRUE(said("value=\"c.example\" expected the annotation on Ingress shop/first")) << said();
  take(aliased("shop", "first", 2, "h.example", ""));
  EXPECT_EQ(aliases("h.example"), "c.example");
}

TEST_F(OtherNames, OfOthersNamespacesAreNoneOfTheOwnersHost) {
  put({"shop", "web", 1, {"h.example"}});
  put({"else", "api", 2, {"h.example"}, {{"server-alias", "theirs.example"}, {"from-to-www-redirect", "true"}}});
  EXPECT_EQ(aliases("h.example"), "");
  EXPECT_EQ(owner("www.h.example"), "none");
  EXPECT_TRUE(said("HostOfOtherNamespace field=metadata.annotations[server-alias]")) << said();
  EXPECT_TRUE(said("HostOfOtherNamespace field=metadata.annotations[from-to-www-redirect]")) << said();
}

// The recorded case alias-conflict: whoever is older, inside a namespace a rule comes first.
TEST_F(OtherNames, GiveWayToRulesOfTheirNamespace) {
  for (const std::int64_t created : {1, 9}) {
    SCOPED_TRACE(created);
    put(aliased("shop", "a", 5, "a.example", "b.example"));
    EXPECT_EQ(aliases("a.example"), "b.example");
    const Wish rule{"shop", "b", created, {"b.example"}};
    put(rule);
    EXPECT_EQ(aliases("a.example"), "");
    EXPECT_EQ(owner("b.example"), "shop");
    EXPECT_TRUE(said("NoEffect field=metadata.annotations[server-alias] value=\"b.example\"")) << said();
    take(rule);
    EXPECT_EQ(aliases("a.example"), "b.example");
    EXPECT_EQ(owner("b.example"), "none");
  }
}

TEST_F(OtherNames, TakeNoHostOfAnotherNamespaceAndLoseNoneToOne) {
  const Wish alias = aliased("shop", "a", 5, "a.example", "b.example");
  put(alias);
  const Wish older{"else", "b", 1, {"b.example"}};
  put(older);
  EXPECT_EQ(aliases("a.example"), "");
  EXPECT_EQ(owner("b.example"), "else");
  take(older);
  EXPECT_EQ(aliases("a.example"), "b.example");
  const Wish younger{"else", "b", 9, {"b.example", "own.example"}};
  const Review review = store.review(*object(younger));
  EXPECT_FALSE(review.allowed);
  EXPECT_NE(review.message.find("HostOfOtherNamespace"), std::string::npos) << review.message;
  put(younger);
  EXPECT_EQ(aliases("a.example"), "b.example");
  EXPECT_EQ(owner("b.example"), "none");
  EXPECT_EQ(owner("own.example"), "else");
  EXPECT_TRUE(said("Ingress else/b: error HostOfOtherNamespace field=spec.rules value=\"b.example\"")) << said();
  // It named the host first, so a rule of its namespace is the owner's, though a stranger's is older.
  put({"shop", "late", 20, {"b.example"}});
  EXPECT_EQ(owner("b.example"), "shop");
  take(alias);
  EXPECT_EQ(owner("b.example"), "else");
}

TEST_F(OtherNames, ThatTwoHostsAskForAreTheOlderOnes) {
  put(aliased("shop", "a", 5, "a.example", "x.example,~^re"));
  put(aliased("else", "b", 3, "b.example", "x.example,~^re"));
  EXPECT_EQ(aliases("a.example"), "");
  EXPECT_EQ(aliases("b.example"), "x.example ~^re");
  EXPECT_TRUE(said("requests for x.example go to host b.example, by Ingress else/b")) << said();
  take(aliased("else", "b", 3, "b.example", ""));
  EXPECT_EQ(aliases("a.example"), "x.example ~^re");
}

TEST_F(OtherNames, ThatAreTakenAreWarningsOfTheWebhook) {
  put({"shop", "b", 1, {"b.example"}});
  const Review review = store.review(*object(aliased("shop", "a", 5, "a.example", "b.example,mine.example")));
  EXPECT_TRUE(review.allowed) << review.message;
  ASSERT_EQ(review.warnings.size(), 1U);
  EXPECT_NE(review.warnings[0].find("NoEffect field=metadata.annotations[server-alias] value=\"b.example\""),
            std::string::npos)
      << review.warnings[0];
}

// What closes everything closes the names that are only redirected.
TEST_F(OtherNames, AreClosedByWhatGuardsEverything) {
  put({"shop", "a", 5, {"a.example"}, {{"from-to-www-redirect", "true"}}});
  ConfigMap map;
  map.meta.ns = "ingress-nginx";
  map.meta.name = "ingress-nginx-controller";
  map.data = {{"http-snippet", "deny all;"}};
  store.upsert(std::make_shared<const Object>(map));
  model = store.commit().model;
  EXPECT_EQ(model->hosts.at("www.a.example")->routes.at(0).status, 503);
  EXPECT_FALSE(model->hosts.at("www.a.example")->routes.at(0).settings->to_host);
  map.data.clear();
  store.upsert(std::make_shared<const Object>(map));
  model = store.commit().model;
  EXPECT_TRUE(model->hosts.at("www.a.example")->routes.at(0).settings->to_host);
}

// A mistake of its owner hands a name to nobody.
TEST_F(OtherNames, OfAnIngressThatIsRefusedAreKept) {
  Wish wish = aliased("shop", "a", 5, "a.example", "x.example");
  wish.annotations["permanent-redirect"] = "not a URL";
  put(wish);
  put(aliased("else", "b", 9, "b.example", "x.example"));
  EXPECT_EQ(aliases("a.example"), "x.example");
  EXPECT_EQ(aliases("b.example"), "");
  wish.annotations = {{"server-alias", "bad host {"}};
  put(wish);
  EXPECT_EQ(aliases("b.example"), "x.example");
  EXPECT_TRUE(said("InvalidAnnotation field=metadata.annotations[server-alias]"));
}

TEST_F(OtherNames, ThatCannotBeReadAreLeftOutAlone) {
  put(aliased("shop", "a", 5, "a.example", "good.example,~(,a.*.b"));
  EXPECT_EQ(aliases("a.example"), "good.example");
  EXPECT_TRUE(said("error InvalidAlias field=metadata.annotations[server-alias] value=\"~(\"")) << said();
  EXPECT_FALSE(store.review(*object(aliased("shop", "c", 6, "c.example", "~("))).allowed);
}

TEST_F(OtherNames, AreThoseOfANamespaceThatMayHaveThem) {
  Settings settings;
  settings.set["host-namespaces"] = "*.shop.example=shop,shop.example=shop,deep.shop.example=else,*=else";
  Store strict{settings};
  const auto put = [&](const std::string& ns, const std::string& host, const std::string& names) {
    strict.upsert(object(aliased(ns, "app", 1, host, names)));
    const auto made = strict.commit().model;
    std::string out;
    for (const auto& alias : made->hosts.at(host)->aliases) out += (out.empty() ? "" : " ") + alias.name;
    return out;
  };
  EXPECT_EQ(put("shop", "shop.example",
                "x.shop.example,deep.shop.example,*.a.shop.example,*.shop.example,other.example,"
                "shop.*,~x"),
            "*.a.shop.example x.shop.example");
  EXPECT_EQ(put("else", "else.example", "*.example,*.other.example,e.*,~e"), "*.other.example");
}

TEST_F(OtherNames, AreAskedForByAtMostSoManyRegularExpressions) {
  for (std::size_t i = 0; i < kMostNamePatterns + 2; ++i) {
    const auto n = std::to_string(i);
    store.upsert(object(aliased("shop", "i" + n, static_cast<std::int64_t>(i), "h" + n + ".example", "~^p" + n + "$")));
  }
  model = store.commit().model;
  const auto host = [](std::size_t i) { return "h" + std::to_string(i) + ".example"; };
  EXPECT_NE(aliases(host(kMostNamePatterns - 1)), "");
  EXPECT_EQ(aliases(host(kMostNamePatterns)), "");
  EXPECT_TRUE(said("expected at most 100 regular expressions")) << said();
  take(aliased("shop", "i3", 3, "h3.example", ""));
  EXPECT_NE(aliases(host(kMostNamePatterns)), "");
  EXPECT_EQ(aliases(host(kMostNamePatterns + 1)), "");
  put(aliased("shop", "older", -1, "older.example", "~older"));
  EXPECT_EQ(aliases(host(kMostNamePatterns)), "");
}

TEST_F(OtherNames, OfOneIngressAreNoMoreThanThatEither) {
  std::string list;
  for (std::size_t i = 0; i < kMostNamePatterns + 5; ++i) list += "~^p" + std::to_string(i) + "$,";
  put(aliased("shop", "a", 5, "a.example", list + "plain.example"));
  EXPECT_EQ(model->hosts.at("a.example")->aliases.size(), kMostNamePatterns + 1);
}

std::string regular(const std::string& of, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + std::string("~^") + of + std::to_string(i) + "$";
  return out;
}

TEST_F(OtherNames, OfANamespaceWithFewAreNotTakenByOneWithMany) {
  put({"evil", "old", 1, {"e.example"}});
  put(aliased("shop", "v", 5, "v.example", "~^va$,~^vb$"));
  put(aliased("shop", "w", 6, "w.example", "~^wa$"));
  const Wish many = aliased("evil", "old", 1, "e.example", regular("m", 3 * kMostNamePatterns));
  put(many);
  EXPECT_EQ(aliases("v.example"), "~^va$ ~^vb$");
  EXPECT_EQ(aliases("w.example"), "~^wa$");
  EXPECT_EQ(model->hosts.at("e.example")->aliases.size(), kMostNamePatterns - 3);
  for (const auto& e : model->report.entries) {
    if (e.problem.reason == "NoEffect") {
      EXPECT_EQ(e.object.ns.view(), "evil") << model::Report::line(e);
    }
  }
  EXPECT_TRUE(said("expected at most 100 regular expressions in all server-alias, which namespaces get in turns"));
  // What another namespace lets go is there again.
  take(aliased("shop", "w", 6, "w.example", ""));
  EXPECT_EQ(model->hosts.at("e.example")->aliases.size(), kMostNamePatterns - 2);
  // What has no place keeps its text from nobody.
  put(aliased("third", "t", 9, "t.example", "~^m99$"));
  EXPECT_NE(aliases("t.example"), "");
  // And the webhook says the same beforehand.
  const Review review = store.review(*object(aliased("evil", "more", 2, "more.example", "~^more$")));
  EXPECT_TRUE(review.allowed) << review.message;
  ASSERT_EQ(review.warnings.size(), 1U);
  EXPECT_NE(review.warnings[0].find("in turns"), std::string::npos) << review.warnings[0];
  const Review few = store.review(*object(aliased("fourth", "more", 20, "more.example", "~^more$")));
  EXPECT_TRUE(few.warnings.empty());
}

TEST_F(OtherNames, OfOneTextTakeOnePlace) {
  for (int i = 0; i < 3; ++i)
    put(aliased("shop", "i" + std::to_string(i), i, "h" + std::to_string(i) + ".example",
                regular("p", kMostNamePatterns)));
  EXPECT_EQ(model->hosts.at("h0.example")->aliases.size(), kMostNamePatterns);
  EXPECT_FALSE(said("in turns"));
}

TEST(NamePlaces, AreGivenInTurns) {
  NamePlaces wanted;
  const auto age = [](std::int64_t created) { return model::Age{created, {}, 0, {}, {}}; };
  for (std::int64_t i = 0; i < 50; ++i) wanted.add("many", age(i), "m" + std::to_string(100 + i));
  wanted.add("two", age(90), "a");
  wanted.add("two", age(91), "b");
  wanted.add("one", age(99), "z");
  using Given = NamePlaces::Given;
  EXPECT_EQ(wanted.give(0), Given{});
  EXPECT_EQ(wanted.give(1), (Given{{"one", "z"}}));
  EXPECT_EQ(wanted.give(3), (Given{{"many", "m100"}, {"one", "z"}, {"two", "a"}}));
  // Of those who want as many names, the older.
  EXPECT_EQ(wanted.give(4), (Given{{"many", "m100"}, {"one", "z"}, {"two", "a"}, {"two", "b"}}));
  EXPECT_EQ(wanted.give(1000).size(), 53U);
  wanted.add("many", age(-1), "m149");
  wanted.add("two", age(80), "a");
  EXPECT_TRUE(wanted.give(3).contains({"many", "m149"}));
  wanted.remove("many", age(-1), "m149");
  EXPECT_TRUE(wanted.give(3).contains({"many", "m100"}));
  wanted.remove("many", age(49), "m149");
  wanted.remove("one", age(99), "z");
  wanted.remove("one", age(99), "z");
  EXPECT_EQ(wanted.give(1000).size(), 51U);
}

TEST(NameProbe, TellsWhatIsForAnyName) {
  for (const char* any : {".", "^.*$", "^", "", "[aeiou]", "^[a-z0-9.-]+$", "^[^.]+$", "^[^.]+\\.[^.]+$", "x|.",
                          "^(?!www)", "^[0-9.]+$", "^\\[", "^([a-z0-9.-]+)*[^a-z0-9.-]$", "(shop)?"})
    EXPECT_TRUE(names_nothing(any)) << any;
  for (const char* some : {"\\.shop\\.example$", "^va\\.z$", "^www\\d+\\.example$", "^re", "^shop\\.",
                           "tenant-[a-z]+\\.", "^(a+)+$", "^$", "example", "^10\\.0\\.", "(", "\\.(com|org)$"})
    EXPECT_FALSE(names_nothing(some)) << some;
}

// Of a younger namespace; the owner of the catch-all, and whoever is older, may ask for that.
TEST_F(OtherNames, ThatStandForAnyTakeNothingFromTheCatchAllOfAnOlderNamespace) {
  const Wish all = aliased("else", "e", 5, "e.example", "~.,~\\.shop\\.example$");
  put(all);
  EXPECT_EQ(aliases("e.example"), "~. ~\\.shop\\.example$");
  const Wish catch_all{"shop", "catch", 1, {""}};
  put(catch_all);
  EXPECT_EQ(aliases("e.example"), "~\\.shop\\.example$");
  EXPECT_TRUE(
      said("Ingress else/e: warning HostOfOtherNamespace field=metadata.annotations[server-alias] value=\"~.\""))
      << said();
  EXPECT_TRUE(said("Ingress shop/catch, which is older")) << said();
  const Review review = store.review(*object(aliased("else", "f", 6, "f.example", "~^.*$")));
  ASSERT_EQ(review.warnings.size(), 1U);
  EXPECT_NE(review.warnings[0].find("HostOfOtherNamespace"), std::string::npos) << review.warnings[0];
  // It keeps its text from nobody.
  put(aliased("shop", "own", 9, "own.example", "~."));
  EXPECT_EQ(aliases("own.example"), "~.");
  take(aliased("shop", "own", 9, "own.example", "~."));
  take(catch_all);
  EXPECT_EQ(aliases("e.example"), "~. ~\\.shop\\.example$");
  put({"shop", "catch", 9, {""}});
  EXPECT_EQ(aliases("e.example"), "~. ~\\.shop\\.example$") << "the catch-all is younger";
}

TEST_F(OtherNames, ThatStandForAnyAreOfThoseWhoMayHaveTheCatchAll) {
  Settings settings;
  settings.set["host-namespaces"] = "_=shop";
  Store strict{settings};
  const Wish evil = aliased("else", "e", 5, "e.example", "~.,~^re$"), mine = aliased("shop", "s", 6, "s.example", "~.");
  strict.commit();
  EXPECT_FALSE(strict.review(*object(evil)).allowed);
  strict.upsert(object(evil));
  strict.upsert(object(mine));
  model = strict.commit().model;
  EXPECT_EQ(aliases("e.example"), "~^re$");
  EXPECT_EQ(aliases("s.example"), "~.");
  EXPECT_TRUE(said("Ingress else/e: error HostNotAllowed field=metadata.annotations[server-alias] value=\"~.\""))
      << said();
  EXPECT_TRUE(said("by _=shop")) << said();
}

TEST_F(OtherNames, WwwIsRedirectedWhereNobodyHasIt) {
  const Wish www{"shop", "a", 5, {"a.example", "www.b.example", "*.w.example", ""}, {{"from-to-www-redirect", "true"}}};
  put(www);
  for (const auto& [from, to] :
       std::map<std::string, std::string>{{"www.a.example", "a.example"}, {"b.example", "www.b.example"}}) {
    ASSERT_EQ(owner(from), "shop") << from;
    const model::Route& route = model->hosts.at(from)->routes.at(0);
    EXPECT_EQ(route.settings->to_host->host, to);
    EXPECT_EQ(route.ingress, "a");
    EXPECT_EQ(model->hosts.at(to)->redirected, from);
  }
  EXPECT_TRUE(said("nothing is redirected to *.w.example")) << said();
  put({"shop", "c", 9, {"www.a.example"}});
  EXPECT_EQ(model->hosts.at("www.a.example")->routes.at(0).ingress, "c");
  EXPECT_EQ(model->hosts.at("a.example")->redirected, "");
  put({"else", "d", 9, {"b.example"}});
  EXPECT_EQ(owner("b.example"), "shop");
  take(www);
  EXPECT_EQ(owner("b.example"), "else");
  EXPECT_FALSE(model->hosts.at("b.example")->routes.at(0).settings->to_host);
}

TEST_F(OtherNames, ARedirectComesBeforeAnAliasOfTheSameName) {
  put({"shop", "a", 5, {"a.example"}, {{"from-to-www-redirect", "true"}, {"server-alias", "www.a.example"}}});
  EXPECT_EQ(aliases("a.example"), "");
  EXPECT_EQ(owner("www.a.example"), "shop");
  put(aliased("else", "b", 1, "b.example", "www.a.example"));
  EXPECT_EQ(aliases("b.example"), "www.a.example");
  EXPECT_EQ(owner("www.a.example"), "none");
}

// Whatever came before: a new Store makes the same of what is there.
TEST_F(OtherNames, DoNotDependOnTheOrderOfChanges) {
  std::mt19937 random(11);
  const std::vector<std::string> hosts{"a.example", "b.example", "www.a.example", "c.example", "*.d.example", ""};
  const std::vector<std::string> names{"",
                                       "b.example",
                                       "www.a.example",
                                       "x.example",
                                       "~^p",
                                       "b.example,x.example,~qqq",
                                       "*.d.example",
                                       "x.*,.y.example",
                                       "~.,~^.*$",
                                       regular("m", kMostNamePatterns - 2),
                                       regular("n", 70)};
  std::map<std::string, Wish> there;
  for (int round = 0; round < 400; ++round) {
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const std::string ns = random() % 2 ? "shop" : "else", name = "i" + std::to_string(random() % 4);
      const auto key = ns + "/" + name;
      if (const auto at = there.find(key); at != there.end() && random() % 3 == 0) {
        store.erase(*object(at->second));
        there.erase(at);
        continue;
      }
      Wish wish{ns, name, static_cast<std::int64_t>(random() % 4), {hosts[random() % hosts.size()]}};
      if (random() % 3 == 0) wish.hosts.push_back(hosts[random() % hosts.size()]);
      if (const auto& list = names[random() % names.size()]; !list.empty()) wish.annotations["server-alias"] = list;
      if (random() % 3 == 0) wish.annotations["from-to-www-redirect"] = "true";
      if (random() % 6 == 0) wish.annotations["temporal-redirect"] = "no URL";
      store.upsert(object(wish));
      there.insert_or_assign(key, wish);
    }
    model = store.commit().model;
    Store fresh{Settings{}};
    for (const auto& [key, wish] : there) fresh.upsert(object(wish));
    const auto expected = fresh.commit().model;
    ASSERT_EQ(model->hosts.size(), expected->hosts.size()) << round;
    std::set<std::string> taken;
    for (const auto& [name, host] : expected->hosts) {
      ASSERT_EQ(*model->hosts.at(name), *host) << name << " in round " << round;
      for (const auto& alias : host->aliases) {
        EXPECT_TRUE(taken.insert(alias.name).second) << alias.name << " is with two hosts";
        EXPECT_FALSE(expected->hosts.contains(alias.name)) << alias.name << " is a host and an alias";
      }
    }
    ASSERT_EQ(model->report.entries, expected->report.entries) << round;
  }
}

}  // namespace
}  // namespace sluice::control
