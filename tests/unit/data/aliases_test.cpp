// Which host takes a name, where hosts have others beside their own.
#include "data/routing/aliases.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "allocations.h"
#include "data/routing/table.h"

namespace sluice::data {
namespace {

// A host of one path, with other names as old as `created`.
std::shared_ptr<const HostRoutes> host(const std::string& name, const std::vector<std::string>& aliases,
                                       const std::string& ns = "shop", std::int64_t created = 10) {
  auto spec = std::make_shared<model::Host>();
  spec->name = name;
  spec->ns = ns;
  for (const auto& alias : aliases) spec->aliases.push_back({alias, {created, {}, 0, ns + "/app", name}, {}});
  spec->routes.emplace_back().path = "/";
  std::vector<Route> routes;
  routes.emplace_back().spec = &spec->routes.front();
  return HostRoutes::make(spec, routes);
}

using Hosts = std::vector<std::shared_ptr<const HostRoutes>>;

std::shared_ptr<const RouteTable> table(const Hosts& hosts) {
  std::vector<HostChange> changes;
  for (const auto& h : hosts) changes.push_back({h->spec().name, h});
  return make_route_table(nullptr, changes);
}

std::string told(const RouteTable& t, std::string_view name) {
  std::string all;
  t.explain(name, "/", [&](std::string_view step) { all += std::string(step) + "\n"; });
  return all;
}

// The name of the host that takes it; "404", or "500" where nobody knows.
std::string taker(const RouteTable& t, std::string_view name) {
  Doubt doubt;
  const Route* route = t.match(name, "/", &doubt);
  EXPECT_EQ(t.explain(name, "/", [](std::string_view) {}), route);
  EXPECT_EQ(t.root(name), route);
  if (doubt.undecided) return "500";
  return route ? std::string(route->host) : "404";
}

TEST(Aliases, OfEachKindLeadToTheSameRoutes) {
  const auto t = table({host("main.example", {"other.example", "*.wild.example", "shop.*", "~^re[0-9]+\\.example$"})});
  const Route* main = t->match("main.example", "/");
  ASSERT_NE(main, nullptr);
  for (const char* name : {"other.example", "a.wild.example", ".wild.example", "a.b.wild.example", "shop.com",
                           "shop.co.uk", "re12.example", "main.example"})
    EXPECT_EQ(t->match(name, "/"), main) << name;
  for (const char* name : {"wild.example", "xwild.example", "shop", "ashop.com", "re.example", "re1.example.com",
                           "other.example.com", "", "x"})
    EXPECT_EQ(taker(*t, name), "404") << name;
  EXPECT_EQ(t->hosts(), 1u);
}

// nginx's server_name: the exact one, the longest *.x, the longest x.*, the first regular expression.
TEST(Aliases, StandInTheOrderOfNginx) {
  const auto t = table({host("exact.example", {"a.x.example"}), host("short.example", {"*.example"}),
                        host("long.example", {"*.x.example"}), host("trail.example", {"b.*"}),
                        host("trail2.example", {"b.x.*"}), host("re.example", {"~x"})});
  EXPECT_EQ(taker(*t, "a.x.example"), "exact.example");
  EXPECT_EQ(taker(*t, "c.x.example"), "long.example");
  EXPECT_EQ(taker(*t, "d.c.x.example"), "long.example");
  EXPECT_EQ(taker(*t, "x.example"), "short.example");
  EXPECT_EQ(taker(*t, "b.com"), "trail.example");
  EXPECT_EQ(taker(*t, "b.x.com"), "trail2.example");
  EXPECT_EQ(taker(*t, "b.x.example"), "long.example");
  EXPECT_EQ(taker(*t, "max.com"), "re.example");
}

TEST(Aliases, ThatAreRegularExpressionsAreAskedByAge) {
  const auto t = table({host("a.example", {"~^r"}, "shop", 30), host("b.example", {"~^re"}, "shop", 20),
                        host("c.example", {"~^res"}, "else", 25)});
  EXPECT_EQ(taker(*t, "rest"), "b.example");
  EXPECT_EQ(taker(*t, "rose"), "a.example");
  EXPECT_EQ(told(*t, "rose"),
            "host rose: not configured\nalias ~^re of host b.example: does not match\n"
            "alias ~^res of host c.example: does not match\nalias ~^r of host a.example: found\n"
            "it belongs to namespace shop\nroute prefix /: chosen\n");
}

// Inside a namespace a wildcard alias comes before a wildcard host, as in nginx, where that is a regular expression.
TEST(Aliases, TakeNothingFromTheHostsOfOtherNamespaces) {
  for (const char* alias : {"*.example", "c.*"}) {
    const auto own = table({host("*.x.example", {}), host("main.example", {alias})});
    EXPECT_EQ(taker(*own, "c.x.example"), "main.example") << alias;
    const auto of_others = table({host("*.x.example", {}), host("main.example", {alias}, "else", 1)});
    EXPECT_EQ(taker(*of_others, "c.x.example"), "*.x.example") << alias;
  }
  for (const char* ns : {"shop", "else"})
    EXPECT_EQ(taker(*table({host("*.x.example", {}), host("main.example", {"~."}, ns, 1)}), "c.x.example"),
              "*.x.example");
}

// What an older alias of another namespace takes is not taken by one that nginx would ask first, but by a longer one.
TEST(Aliases, TakeNothingFromOlderOnesOfOtherNamespaces) {
  for (const char* older : {"~^c\\.", "c.*"}) {
    const auto t = table({host("a.example", {older}, "shop", 10), host("b.example", {"*.com"}, "else", 20)});
    EXPECT_EQ(taker(*t, "c.x.com"), "a.example") << older;
    EXPECT_EQ(taker(*t, "d.x.com"), "b.example") << older;
    const auto same = table({host("a.example", {older}, "shop", 10), host("b.example", {"*.com"}, "shop", 20)});
    EXPECT_EQ(taker(*same, "c.x.com"), "b.example") << older;
  }
  const auto t = table({host("a.example", {"*.com"}, "shop", 10), host("b.example", {"*.x.com"}, "else", 20)});
  EXPECT_EQ(taker(*t, "c.x.com"), "b.example");
}

TEST(Aliases, OfTheCatchAllComeBeforeIt) {
  const auto t = table({host("", {"*.x.example"}), host("b.example", {"~y"})});
  EXPECT_EQ(taker(*t, "a.x.example"), "_");
  EXPECT_EQ(taker(*t, "any"), "b.example");
  EXPECT_EQ(taker(*t, "none"), "_");
  EXPECT_EQ(taker(*table({host("", {}), host("b.example", {"~^"})}), ""), "_") << "no name is no alias";
}

TEST(Aliases, WhoseMatchTakesTooManyStepsLeaveTheRequestUndecided) {
  const std::string runaway = std::string(60, 'a') + "!";
  for (const auto& others : {Hosts{host("", {})}, Hosts{}, Hosts{host("a.example", {"~!$"}, "shop", 20)}}) {
    Hosts all = others;
    all.push_back(host("b.example", {"~^(a+)+$"}));
    const auto t = table(all);
    EXPECT_EQ(taker(*t, "aaa"), "b.example");
    EXPECT_EQ(taker(*t, runaway), "500") << "of the same namespace, or nobody";
    EXPECT_EQ(t->match(runaway, "/"), nullptr);
    EXPECT_EQ(t->host(runaway), nullptr);
    EXPECT_NE(told(*t, runaway).find("takes more steps"), std::string::npos);
  }
}

TEST(Aliases, WhoseMatchTakesTooManyStepsTakeNothingFromOtherNamespaces) {
  const std::string runaway = std::string(60, 'a') + "!";
  const auto evil = host("b.example", {"~^(a+)+$"}, "evil", 1);
  const auto catch_all = host("", {}), younger = host("a.example", {"~!$"}, "third", 20);
  for (const auto& [others, takes] :
       std::vector<std::pair<Hosts, std::string>>{{{catch_all}, "_"},
                                                  {{younger}, "a.example"},
                                                  {{catch_all, younger}, "a.example"},
                                                  {{host("c.example", {"~^a*!$"}, "evil", 2), catch_all}, "500"}}) {
    Hosts all = others;
    all.push_back(evil);
    const auto t = table(all);
    EXPECT_EQ(taker(*t, "aaa"), "b.example");
    EXPECT_EQ(taker(*t, runaway), takes);
    Doubt doubt;
    const Route* const route = t->match(runaway, "/", &doubt);
    EXPECT_EQ(t->match(runaway, "/"), route) << "who does not ask for the doubt gets the same";
    EXPECT_EQ(doubt.passed, takes == "500" ? 0U : 1U);
    EXPECT_NE(told(*t, runaway).find("passed over"), std::string::npos);
  }
}

// The few steps of those behind the third are enough for what does not run away.
TEST(Aliases, WhoseMatchTakesTooManyStepsTakeLittleTimeTogether) {
  const std::string runaway = std::string(60, 'a') + "!";
  const auto took = [&](std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("~^(a+)+(x|" + std::to_string(i) + ")$");
    const auto t = table({host("b.example", names, "evil", 1), host("a.example", {"~^a+!$"}, "shop", 20)});
    EXPECT_EQ(taker(*t, runaway), "a.example");
    Doubt doubt;
    t->match(runaway, "/", &doubt);
    EXPECT_EQ(doubt.passed, count);
    timespec from{}, to{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < 10; ++i) t->match(runaway, "/", &doubt);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return static_cast<double>(to.tv_sec - from.tv_sec) * 1e9 + static_cast<double>(to.tv_nsec - from.tv_nsec);
  };
  const double few = took(3);
  EXPECT_LT(took(100), 10 * few);
}

TEST(Aliases, CostNoMemoryToLookUp) {
  const auto t = table({host("main.example", {"other.example", "*.wild.example", "shop.*", "~^re"})});
  const std::string deep = [] {
    std::string out = "a";
    for (int i = 0; i < 3000; ++i) out += ".a";
    return out;
  }();
  taker(*t, "rest");  // the thread's first match
  const auto before = test::allocations();
  for (const std::string_view name : {std::string_view("other.example"), std::string_view("a.b.wild.example"),
                                      std::string_view("shop.a.b"), std::string_view("rest"), std::string_view(deep)})
    t->match(name, "/");
  EXPECT_EQ(test::allocations(), before);
}

TEST(Aliases, GoAndComeWithTheirHosts) {
  const Hosts all{host("a.example", {"x.example", "*.y.example", "z.*", "~^p"}), host("b.example", {"other.example"})};
  auto t = table(all);
  EXPECT_EQ(taker(*t, "pet"), "a.example");
  // Of the host only one name is left, and another host has one of its former ones.
  const auto less = host("a.example", {"x.example"}), more = host("c.example", {"*.y.example", "other2.example"});
  const auto next = make_route_table(t.get(), {{"a.example", less}, {"c.example", more}});
  EXPECT_EQ(taker(*next, "x.example"), "a.example");
  EXPECT_EQ(next->host("x.example"), less.get());
  EXPECT_EQ(taker(*next, "q.y.example"), "c.example");
  EXPECT_EQ(taker(*next, "z.com"), "404");
  EXPECT_EQ(taker(*next, "pet"), "404");
  EXPECT_EQ(taker(*next, "other.example"), "b.example");
  EXPECT_EQ(taker(*t, "pet"), "a.example") << "the table before stays as it was";
  const auto none =
      make_route_table(next.get(), {{"a.example", nullptr}, {"b.example", nullptr}, {"c.example", nullptr}});
  for (const char* name : {"x.example", "q.y.example", "other.example"}) EXPECT_EQ(taker(*none, name), "404");
}

// A name that is moved is never with both, or with nobody, whatever the order of the changes.
TEST(Aliases, AgreeWithAFreshTableUnderRandomChanges) {
  std::mt19937 random(7);
  const std::vector<std::string> pool{"n1", "n2", "*.w", "*.v.w", "t.*", "t.u.*", "~^q", "~1$"};
  const std::vector<std::string> names{"h0", "h1", "h2", "n1", "n2", "a.w", "a.v.w", "t.x", "t.u.x", "q", "q1", "none"};
  std::map<std::string, std::shared_ptr<const HostRoutes>> now;
  auto t = make_route_table(nullptr, {});
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> left = pool;
    std::shuffle(left.begin(), left.end(), random);
    std::vector<HostChange> changes;
    for (const char* name : {"h0", "h1", "h2"}) {
      std::vector<std::string> aliases;
      for (auto i = random() % 4; i > 0 && !left.empty(); --i) {
        aliases.push_back(left.back());
        left.pop_back();
      }
      auto made = random() % 5 == 0 ? nullptr : host(name, aliases, random() % 2 ? "shop" : "else", random() % 5);
      if (made)
        now[name] = made;
      else
        now.erase(name);
      changes.push_back({name, std::move(made)});
    }
    std::shuffle(changes.begin(), changes.end(), random);
    t = make_route_table(t.get(), changes);
    Hosts all;
    for (const auto& [name, made] : now) all.push_back(made);
    const auto fresh = table(all);
    for (const auto& name : names) ASSERT_EQ(taker(*t, name), taker(*fresh, name)) << name << " in round " << round;
  }
}

}  // namespace
}  // namespace sluice::data
