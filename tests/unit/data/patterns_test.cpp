#include "data/routing/patterns.h"

#include <gtest/gtest.h>

#include <random>

#include "allocations.h"
#include "data/routing/table.h"

namespace sluice::data {
namespace {

using model::PathMatch;

struct Path {
  std::string path;
  std::uint32_t rank = 0;
  PathMatch match = PathMatch::pattern;
  bool free = false;
  std::string location{};  // empty: the path
};

std::shared_ptr<const HostRoutes> host(const std::vector<Path>& paths) {
  auto spec = std::make_shared<model::Host>();
  spec->name = "h";
  for (const Path& p : paths) {
    model::Route& route = spec->routes.emplace_back();
    route.match = p.match;
    route.path = p.path;
    route.location = p.location.empty() ? p.path : p.location;
    route.rank = p.rank;
    route.free = p.free;
  }
  std::vector<Route> routes;
  for (const model::Route& route : spec->routes) routes.emplace_back().spec = &route;
  return HostRoutes::make(spec, routes);
}

std::string to(const HostRoutes& h, std::string_view path) {
  Doubt doubt;
  const Route* route = h.match(path, &doubt);
  if (doubt.undecided) return "gave up at " + route->spec->path.str();
  return route ? route->spec->path.str() : "404";
}

TEST(Patterns, MatchFromTheBeginningWhateverTheCase) {
  const auto h = host({{"/foo"}, {"/bar/[0-9]+"}, {"/end$"}});
  EXPECT_EQ(to(*h, "/foo"), "/foo");
  EXPECT_EQ(to(*h, "/FOObar"), "/foo");
  EXPECT_EQ(to(*h, "/x/foo"), "404");
  EXPECT_EQ(to(*h, "/Bar/12x"), "/bar/[0-9]+");
  EXPECT_EQ(to(*h, "/bar/x"), "404");
  EXPECT_EQ(to(*h, "/end"), "/end$");
  EXPECT_EQ(to(*h, "/ends"), "404");
}

TEST(Patterns, TheLongestTextIsAskedFirst) {
  const auto h = host({{"/foo.*"}, {"/foo/bar"}, {"/foo/bar/[a-z]+"}, {"/"}});
  EXPECT_EQ(to(*h, "/foo/bar"), "/foo/bar");
  EXPECT_EQ(to(*h, "/foo/bar/abc"), "/foo/bar/[a-z]+");
  EXPECT_EQ(to(*h, "/foo/bar/123"), "/foo/bar");
  EXPECT_EQ(to(*h, "/foo"), "/foo.*");
  EXPECT_EQ(to(*h, "/x"), "/");
}

TEST(Patterns, OfEqualLengthTheLaterInTheAlphabetIsAskedFirst) {
  const auto h = host({{"/a.c"}, {"/ab."}, {"/a.."}});
  EXPECT_EQ(to(*h, "/abc"), "/ab.");
  EXPECT_EQ(to(*h, "/axc"), "/a.c");
  EXPECT_EQ(to(*h, "/axx"), "/a..");
}

// As ingress-nginx sorts before it puts slashes behind Prefixes.
TEST(Patterns, TheWrittenTextCountsForTheOrder) {
  const auto h = host({{"/foo"}, {"/foo/", 0, PathMatch::pattern, false, "/foo"}});
  EXPECT_EQ(to(*h, "/foo/x"), "/foo");
}

TEST(Patterns, AlternativesMayBeginAnywhereButTheFirst) {
  const auto h = host({{"/a|b"}});
  EXPECT_EQ(to(*h, "/x/b"), "/a|b");
  EXPECT_EQ(to(*h, "/x/a"), "404");
}

TEST(Patterns, WhatRunsAwayIsNobodys) {
  const auto h = host({{"/(a+)+$"}, {"/"}});
  const std::string runaway = "/" + std::string(60, 'a') + "b";
  EXPECT_EQ(to(*h, runaway), "gave up at /(a+)+$");
  EXPECT_EQ(h->match(runaway), nullptr) << "who does not ask gets no route";
  EXPECT_EQ(to(*h, "/b"), "/");
}

TEST(Patterns, WhatRunsAwayTakesNothingFromANamespaceBefore) {
  const std::string runaway = "/w" + std::string(60, 'a') + "!";
  const std::string one = "/w([a-z]+)*[0-9]$", other = "/wa(a+)+[0-9]$";
  // Plain paths of the owner, and patterns.
  for (const PathMatch match : {PathMatch::prefix, PathMatch::pattern}) {
    const auto h = host({{"/", 0, match}, {one, 2}, {other, 2}});
    EXPECT_EQ(to(*h, runaway), "/");
    EXPECT_NE(h->match(runaway), nullptr);
    EXPECT_EQ(to(*h, "/wab7"), one);
    Doubt doubt;
    h->match(runaway, &doubt);
    EXPECT_EQ(doubt.passed, 2U);
    // Where something else of its own would take it, nobody knows which.
    EXPECT_EQ(to(*host({{"/", 0, match}, {one, 2}, {"/waa", 2}}), runaway), "gave up at /waa");
    // One behind it takes what is longer than what runs away, and nothing else.
    EXPECT_EQ(to(*host({{"/", 0, match}, {one, 2}, {"/waa", 4}}), runaway), "/");
    const std::string longer = "/w" + std::string(30, 'a');
    EXPECT_EQ(to(*host({{"/", 0, match}, {one, 2}, {longer, 4}}), runaway), longer);
    EXPECT_EQ(to(*host({{"/", 0, match}, {one, 2}, {longer + "/", 4, PathMatch::prefix}}), longer + "/x"),
              longer + "/");
    // Two namespaces whose patterns run away.
    EXPECT_EQ(to(*host({{"/", 0, match}, {one, 2}, {"/waaaaaaaaaaaaaaaaaa(a+)+[0-9]$", 4}}), runaway), "/");
  }
  // The owner's own: nobody behind it takes its place, but by a longer path.
  EXPECT_EQ(to(*host({{one}, {"/", 0}, {"/waa", 2}}), runaway), "gave up at " + one);
  EXPECT_EQ(to(*host({{one}, {"/w" + std::string(30, 'a'), 2}}), runaway), "/w" + std::string(30, 'a'));
  EXPECT_EQ(to(*host({{one}, {"/waaaaaaaaaaaaaaaaaa(a+)+[0-9]$", 2}}), runaway), "gave up at " + one);
  // A / that is anybody's is nobody's.
  EXPECT_EQ(to(*host({{"/", 0, PathMatch::prefix, true}, {one, 2}}), runaway), "gave up at " + one);
}

TEST(Patterns, ANamespaceBehindTakesWhatIsLonger) {
  const auto h = host({{"/"},
                       {"/shop(/|$)(.*)"},
                       {"/api(/|$)(.*)", 2},
                       {"/shop/", 2},
                       {"/shop/[a-z]+", 2},
                       {"/.*", 2},
                       {"/shop(/|$)(.*)x", 4}});
  EXPECT_EQ(to(*h, "/api/x"), "/api(/|$)(.*)");
  EXPECT_EQ(to(*h, "/shop/x"), "/shop(/|$)(.*)");
  EXPECT_EQ(to(*h, "/shop/"), "/shop(/|$)(.*)");
  EXPECT_EQ(to(*h, "/else"), "/") << "/.* is no longer than /";
}

TEST(Patterns, WhatIsFreeIsAnybodys) {
  const auto h = host({{"/", 0, PathMatch::pattern, true}, {"/own", 0}, {"/.*", 2}});
  EXPECT_EQ(to(*h, "/x"), "/.*");
  EXPECT_EQ(to(*h, "/own"), "/own");
}

TEST(Patterns, OfAnotherNamespaceBesidePlainPathsOfTheOwner) {
  const auto h = host({{"/", 0, PathMatch::prefix},
                       {"/web", 0, PathMatch::exact},
                       {"/web/", 0, PathMatch::prefix},
                       {"/WEB.*", 2},
                       {"/we", 2},
                       {"/api/v[0-9]", 2},
                       {"/api/v1/", 4, PathMatch::prefix}});
  EXPECT_EQ(to(*h, "/web"), "/web");
  EXPECT_EQ(to(*h, "/web/x"), "/web/");
  EXPECT_EQ(to(*h, "/website"), "/WEB.*");
  EXPECT_EQ(to(*h, "/west"), "/we");
  EXPECT_EQ(to(*h, "/WEB/x"), "/WEB.*") << "the owner's paths are not his in capitals";
  EXPECT_EQ(to(*h, "/api/v1/x"), "/api/v[0-9]") << "no longer, and of a namespace behind";
  EXPECT_EQ(to(*h, "/api/vx"), "/");
}

TEST(Patterns, WhatIsWithheldGoesToNobodyBehind) {
  const auto h = host({{"/"}, {"/secret", 1}, {"/secret.*", 2}, {"/secret-things", 2}});
  EXPECT_EQ(to(*h, "/secret/x"), "/");
  EXPECT_EQ(to(*h, "/secret-things"), "/secret-things");
}

TEST(Patterns, RootIsTheOneThatIsWrittenSo) {
  const auto h = host({{"/(.*)"}, {"/"}, {"/x", 2}});
  EXPECT_EQ(h->root()->spec->path.view(), "/");
  // An exact one before a prefix, as without patterns; and not one that is there for others to have.
  const auto several =
      host({{"/x.*", 2}, {"/", 0, PathMatch::prefix, true}, {"/", 0, PathMatch::prefix}, {"/", 0, PathMatch::exact}});
  ASSERT_NE(several->root(), nullptr);
  EXPECT_EQ(several->root()->spec->match, PathMatch::exact);
  EXPECT_EQ(host({{"/x.*", 2}, {"/", 0, PathMatch::prefix, true}})->root(), nullptr);
}

TEST(Patterns, MatchAllocatesNothing) {
  std::vector<Path> paths = {{"/"}};
  for (int i = 0; i < 40; ++i) paths.push_back({"/team" + std::to_string(i) + "(/|$)(.*)"});
  const auto h = host(paths);
  for (int i = 0; i < 200; ++i) to(*h, "/team7/x");  // the first matches of a thread and of a pattern
  const auto before = test::allocations();
  for (int i = 0; i < 100; ++i) ASSERT_NE(h->match("/team7/x/y"), nullptr);
  EXPECT_EQ(test::allocations() - before, 0u);
}

// Without literal beginnings and cursors: each pattern in order, by PCRE2 itself.
std::string slowly(std::vector<Path> paths, const std::string& path) {
  std::stable_sort(paths.begin(), paths.end(), [](const Path& a, const Path& b) {
    return std::tuple(a.rank, b.path.size(), b.path) < std::tuple(b.rank, a.path.size(), a.path);
  });
  std::string best = "404";
  std::int64_t longer = -1;
  for (std::uint32_t rank = 0; rank < 8; rank += 2) {
    for (const Path& p : paths) {
      if (p.rank != rank) continue;
      std::string literal = literal_beginning(p.path).text;
      if (literal.ends_with('/')) literal.pop_back();
      if (longer >= 0 && static_cast<std::int64_t>(literal.size()) <= longer) continue;
      const auto r = Regex::make("^" + p.path);
      if (!r || (*r)->match(path) != Regex::Outcome::yes) continue;
      best = p.path;
      longer = static_cast<std::int64_t>(p.path.size());
      break;
    }
  }
  return best;
}

TEST(Patterns, TheIndexFindsWhatAskingAllFinds) {
  std::mt19937 random(7);
  const auto pick = [&](auto& of) { return of[random() % std::size(of)]; };
  const std::string parts[] = {"/",  "/a", "/ab",   "/abc",  "/B",    "a",   "b",   ".*",
                               "/.", "b?", "(/|$)", "[a-c]", "(a|b)", "\\.", "|/b", "$"};
  const std::string pieces[] = {"/", "/a", "/ab", "/abc", "/A", "b", "c", ".", "/b", "/x"};
  for (int round = 0; round < 300; ++round) {
    std::vector<Path> paths;
    const auto ranks = static_cast<std::uint32_t>(1 + random() % 3);
    for (int i = 0; i < 20; ++i) {
      std::string path = "/";
      for (auto n = random() % 5; n > 0; --n) path += pick(parts);
      if (Regex::make(path)) paths.push_back({path, 2 * static_cast<std::uint32_t>(random() % ranks)});
    }
    if (round % 10 == 0)  // more beginnings of one another than there are cursors
      for (std::size_t n = 1; n < 30; ++n) paths.push_back({"/" + std::string(n, 'a') + "[a-c]"});
    const auto h = host(paths);
    for (int i = 0; i < 40; ++i) {
      std::string path = "/";
      for (auto n = random() % 6; n > 0; --n) path += pick(pieces);
      if (i % 8 == 0) path += std::string(random() % 40, 'a');
      ASSERT_EQ(to(*h, path), slowly(paths, path)) << path;
    }
  }
}

}  // namespace
}  // namespace sluice::data
