#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "allocations.h"
#include "data/routing/hash.h"
#include "data/routing/table.h"

namespace sluice::data {
namespace {

using model::PathMatch;

struct Path {
  PathMatch match;
  std::string path, to;
  bool nested = false;
  std::string ns = {};
};

// As the translators write an Ingress path down.
void ingress_path(std::vector<Path>& out, char type, std::string path, const std::string& to) {
  const bool slash = path.ends_with('/');
  auto has_exact = [&](const std::string& p) {
    return std::any_of(out.begin(), out.end(), [&](auto& o) { return o.match == PathMatch::exact && o.path == p; });
  };
  if (type == 'E') {
    std::erase_if(out, [&](auto& o) { return o.match == PathMatch::exact && o.path == path; });
    out.push_back({PathMatch::exact, path, to});
  } else {
    if (!slash && !has_exact(path)) out.push_back({PathMatch::exact, path, to});
    out.push_back({PathMatch::prefix, slash ? path : path + "/", to});
  }
  if (slash && path.size() > 1) out.push_back({PathMatch::slash_redirect, path.substr(0, path.size() - 1), to});
}

std::shared_ptr<const HostRoutes> host(const std::string& name, const std::vector<Path>& paths) {
  auto spec = std::make_shared<model::Host>();
  spec->name = name;
  for (const Path& p : paths) {
    model::Route& route = spec->routes.emplace_back();
    route.match = p.match;
    route.path = p.path;
    route.service = p.to;
    route.nested = p.nested;
    route.ns = p.ns;
    route.rank = p.ns == "theirs" ? 2 : 0;
  }
  std::vector<Route> routes;
  for (const model::Route& route : spec->routes) routes.emplace_back().spec = &route;
  return HostRoutes::make(spec, routes);
}

std::shared_ptr<const RouteTable> table(const std::map<std::string, std::vector<Path>>& hosts) {
  std::vector<HostChange> changes;
  for (const auto& [name, paths] : hosts) changes.push_back({name, host(name, paths)});
  return make_route_table(nullptr, changes);
}

std::string to(const RouteTable& t, std::string_view host_name, std::string_view path) {
  const Route* route = t.match(host_name, path);
  if (route == nullptr) return "404";
  std::size_t steps = 0;
  EXPECT_EQ(t.explain(host_name, path, [&](std::string_view) { ++steps; }), route) << "explain walks another way";
  EXPECT_GE(steps, 2u);
  if (route->spec->match == PathMatch::slash_redirect) return "301";
  return route->spec->service.str();
}

using Rules = std::vector<std::tuple<std::string, char, std::string, std::string>>;
struct Golden {
  const char* name;
  Rules rules;                                                              // host, type, path, service
  std::vector<std::tuple<std::string, std::string, std::string>> requests;  // host, path, answer
};

// The tables of the recorded path cases; `E` Exact, `P` Prefix and ImplementationSpecific alike.
const std::vector<Golden>& goldens() {
  static const std::vector<Golden> all = {
      {"path-prefix-basic",
       {{"p", 'P', "/foo", "a"}},
       {{"p", "/foo", "a"},
        {"p", "/foo/", "a"},
        {"p", "/foo/bar", "a"},
        {"p", "/foobar", "404"},
        {"p", "/Foo", "404"},
        {"p", "/", "404"},
        {"other", "/foo", "404"}}},
      {"path-prefix-trailing-slash",
       {{"p", 'P', "/foo/", "a"}},
       {{"p", "/foo", "301"}, {"p", "/foo/", "a"}, {"p", "/foo/bar", "a"}, {"p", "/foobar", "404"}}},
      {"path-exact-basic",
       {{"p", 'E', "/foo", "a"}},
       {{"p", "/foo", "a"}, {"p", "/foo/", "404"}, {"p", "/foo/bar", "404"}, {"p", "/foobar", "404"}}},
      {"path-exact-trailing-slash",
       {{"p", 'E', "/foo/", "a"}},
       {{"p", "/foo", "301"}, {"p", "/foo/", "a"}, {"p", "/foo/bar", "404"}}},
      {"path-overlap-prefix-lengths",
       {{"p", 'P', "/", "a"}, {"p", 'P', "/api", "b"}, {"p", 'P', "/api/v2", "c"}},
       {{"p", "/", "a"},
        {"p", "/api", "b"},
        {"p", "/api/v1", "b"},
        {"p", "/api/v2", "c"},
        {"p", "/api/v2/x", "c"},
        {"p", "/api/v20", "b"},
        {"p", "/apix", "a"}}},
      {"path-overlap-exact-and-prefix",
       {{"p", 'P', "/foo", "a"}, {"p", 'E', "/foo", "b"}, {"p", 'P', "/", "c"}},
       {{"p", "/foo", "b"}, {"p", "/foo/", "a"}, {"p", "/foo/x", "a"}, {"p", "/fooo", "c"}}},
      {"path-root-exact", {{"p", 'E', "/", "a"}}, {{"p", "/", "a"}, {"p", "/x", "404"}}},
      {"path-missing-path-field", {{"p", 'P', "/", "a"}}, {{"p", "/", "a"}, {"p", "/any", "a"}}},
      {"path-wildcard-host",
       {{"*.w.example", 'P', "/", "a"}, {"exact.w.example", 'P', "/", "b"}},
       {{"a.w.example", "/", "a"},
        {"exact.w.example", "/", "b"},
        {"a.b.w.example", "/", "404"},
        {"w.example", "/", "404"}}},
      {"path-wildcard-host-fallthrough",
       {{"*.w.example", 'P', "/wild", "a"}, {"exact.w.example", 'P', "/exact", "b"}},
       {{"exact.w.example", "/exact", "b"},
        {"exact.w.example", "/wild", "404"},
        {"x.w.example", "/wild", "a"},
        {"x.w.example", "/exact", "404"}}},
      {"path-no-host",
       {{"", 'P', "/any", "a"}, {"p", 'P', "/foo", "b"}},
       {{"unknown", "/any", "a"},
        {"p", "/foo", "b"},
        {"p", "/any", "404"},
        {"unknown", "/foo", "404"},
        {"", "/any", "a"}}},
      {"path-mixed-pathtypes-two-hosts",
       {{"m1", 'E', "/a", "a"},
        {"m1", 'P', "/a/", "b"},
        {"m1", 'P', "/", "c"},
        {"m2", 'P', "/a", "a"},
        {"m2", 'E', "/a/b", "b"}},
       {{"m1", "/a", "a"},
        {"m1", "/a/", "b"},
        {"m1", "/a/x", "b"},
        {"m1", "/ab", "c"},
        {"m2", "/a/b", "b"},
        {"m2", "/a/b/", "a"},
        {"m2", "/a/bc", "a"}}},
      {"norm-exact-match", {{"n", 'E', "/a/b", "a"}, {"n", 'P', "/", "c"}}, {{"n", "/a/b", "a"}, {"n", "/a//b", "c"}}},
  };
  return all;
}

TEST(RouteTable, AnswersThePathGoldens) {
  for (const Golden& golden : goldens()) {
    std::map<std::string, std::vector<Path>> hosts;
    for (const auto& [name, type, path, service] : golden.rules) ingress_path(hosts[name], type, path, service);
    const auto t = table(hosts);
    for (const auto& [name, path, expected] : golden.requests)
      EXPECT_EQ(to(*t, name, path), expected) << golden.name << ": " << name << path;
  }
}

TEST(RouteTable, AWildcardStandsForOneLabelOfWordCharacters) {
  const auto t = table({{"*.x.example", {{PathMatch::prefix, "/", "w"}}}});
  for (const char* name : {"a.x.example", "a-b.x.example", "a_b.x.example", "0.x.example", "-.x.example"})
    EXPECT_EQ(to(*t, name, "/"), "w") << name;
  for (const char* name :
       {".x.example", "x.example", "a.b.x.example", "a%.x.example", "*.x.example", "a\xc3.x.example", "a.", ".", ""})
    EXPECT_EQ(to(*t, name, "/"), "404") << name;
}

TEST(RouteTable, TheWildcardAndTheNameItIsMadeOfAreDifferentHosts) {
  const auto t =
      table({{"*.x.example", {{PathMatch::prefix, "/", "wild"}}}, {"x.example", {{PathMatch::prefix, "/", "plain"}}}});
  EXPECT_EQ(to(*t, "x.example", "/"), "plain");
  EXPECT_EQ(to(*t, "a.x.example", "/"), "wild");
  EXPECT_EQ(t->hosts(), 2u);
  const auto without = make_route_table(t.get(), {{"*.x.example", nullptr}});
  EXPECT_EQ(to(*without, "x.example", "/"), "plain");
  EXPECT_EQ(to(*without, "a.x.example", "/"), "404");
}

TEST(RouteTable, AnExactPathBeatsTheSlashRedirectOfTheSamePath) {
  for (bool redirect_first : {true, false}) {
    std::vector<Path> paths = {{PathMatch::slash_redirect, "/foo", "r"}, {PathMatch::exact, "/foo", "e"}};
    if (!redirect_first) std::swap(paths[0], paths[1]);
    EXPECT_EQ(to(*table({{"h", paths}}), "h", "/foo"), "e");
  }
}

// nginx's static locations: a redirect to a path with a slash gives way to a location of the very path alone.
TEST(RouteTable, LocationsOfSnippetsAndRedirectsToASlash) {
  using enum PathMatch;
  const auto of = [](std::vector<Path> snippets) {
    std::vector<Path> paths = {{prefix, "/", "root"}, {prefix, "/foo/", "foo"}, {slash_redirect, "/foo", "foo"}};
    paths.insert(paths.end(), snippets.begin(), snippets.end());
    return table({{"a.example", paths}});
  };
  const auto plain = of({{snippet_prefix, "/foo", "snippet"}});
  EXPECT_EQ(to(*plain, "a.example", "/foo"), "snippet");
  EXPECT_EQ(to(*plain, "a.example", "/foobar"), "snippet");
  EXPECT_EQ(to(*plain, "a.example", "/foo/x"), "foo");
  const auto shorter = of({{snippet_prefix, "/fo", "snippet"}, {snippet_pattern, "^/foo$", "regex"}});
  EXPECT_EQ(to(*shorter, "a.example", "/foo"), "301") << "before shorter prefixes and regular expressions";
  EXPECT_EQ(to(*of({{snippet_prefix, "/foo", "s"}, {snippet_pattern, "^/foo$", "regex"}}), "a.example", "/foo"),
            "regex");
  const std::vector<Path> passes = {{snippet_prefix, "/x/", "x"}, {snippet_slash, "/x", "slash"}};
  EXPECT_EQ(to(*of(passes), "a.example", "/x"), "slash");
  EXPECT_EQ(to(*of(passes), "a.example", "/x/y"), "x");
  EXPECT_EQ(to(*of(passes), "a.example", "/xy"), "root");
  auto more = passes;
  more.push_back({snippet_exact, "/x", "itself"});
  EXPECT_EQ(to(*of(more), "a.example", "/x"), "itself");
  // Of two prefixes of one path, of which nginx takes none, the snippet's may forbid.
  EXPECT_EQ(to(*of({{snippet_prefix, "/foo/", "snippet"}}), "a.example", "/foo/x"), "snippet");
  EXPECT_EQ(to(*of({{snippet_first, "/foo/", "snippet"}}), "a.example", "/foo/"), "snippet");
  // What stands inside of a location is asked though the location is the very path.
  const auto inside = [](Path snippet) {
    return table({{"a.example", {{exact, "/foo.php", "e"}, {prefix, "/foo.php/", "p"}, std::move(snippet)}}});
  };
  EXPECT_EQ(to(*inside({snippet_pattern, "\\.php$", "in", true}), "a.example", "/foo.php"), "in");
  EXPECT_EQ(to(*inside({snippet_prefix, "/foo.php", "in", true}), "a.example", "/foo.php"), "in");
  EXPECT_EQ(to(*inside({snippet_pattern, "\\.php$", "beside"}), "a.example", "/foo.php"), "e");
  EXPECT_EQ(to(*inside({snippet_prefix, "/foo.php", "beside"}), "a.example", "/foo.php"), "e");
}

TEST(RouteTable, AHostWithoutRoutesAnswersNothingAndHidesTheCatchAll) {
  const auto t = table({{"h", {}}, {"", {{PathMatch::prefix, "/", "all"}}}});
  EXPECT_EQ(to(*t, "h", "/"), "404");
  EXPECT_EQ(to(*t, "i", "/"), "all");
}

TEST(RouteTable, MatchingAllocatesNothing) {
  const auto t = table({{"a.example", {{PathMatch::prefix, "/", "a"}, {PathMatch::exact, "/b", "b"}}},
                        {"*.w.example", {{PathMatch::prefix, "/w/", "w"}}},
                        {"", {{PathMatch::prefix, "/", "c"}}}});
  const std::string long_path = "/w/" + std::string(4000, 'x');
  const auto before = test::allocations();
  std::size_t found = 0;
  for (int i = 0; i < 100; ++i)
    for (std::string_view name : {"a.example", "x.w.example", "nowhere.example", ""})
      for (std::string_view path : {std::string_view("/"), std::string_view("/b"), std::string_view(long_path)})
        found += t->match(name, path) != nullptr ? 1 : 0;
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(found, 1000u);
}

TEST(RouteTable, ExplainTellsWhereItLookedAndWhyTheOthersLost) {
  const auto t = table({{"h.example",
                         {{PathMatch::prefix, "/", "a"},
                          {PathMatch::prefix, "/api/", "b"},
                          {PathMatch::exact, "/api/x", "c"},
                          {PathMatch::prefix, "/zzz/", "d"}}},
                        {"*.example", {{PathMatch::prefix, "/", "w"}}}});
  auto told = [&](std::string_view name, std::string_view path) {
    std::string all;
    t->explain(name, path, [&](std::string_view step) { all += std::string(step) + "\n"; });
    return all;
  };
  EXPECT_EQ(told("h.example", "/api/x"),
            "host h.example: found\n"
            "route exact /api/x: chosen\n"
            "route prefix /api/: matches, but exact /api/x is an exact match\n"
            "route prefix /zzz/: the path does not start with it\n"
            "route prefix /: matches, but exact /api/x is an exact match\n");
  EXPECT_EQ(told("i.example", "/"), "host i.example: not configured\nhost *.example: found\nroute prefix /: chosen\n");
  EXPECT_EQ(told("a.b.c", "/"),
            "host a.b.c: not configured\nhost *.b.c: not configured\ncatch-all host: not configured\n"
            "no host takes the request: 404\n");
}

TEST(RouteTable, ForEachVisitsEveryRouteByHostName) {
  const auto t = table({{"b", {{PathMatch::prefix, "/", "2"}}},
                        {"a", {{PathMatch::prefix, "/", "1"}}},
                        {"", {{PathMatch::prefix, "/", "3"}}}});
  std::string order;
  t->for_each([&](const Route& route) { order += route.spec->service; });
  EXPECT_EQ(order, "123");
  EXPECT_EQ(t->routes(), 3u);
}

TEST(RouteTable, AChangeOfOneHostCopiesOneShard) {
  std::vector<HostChange> changes;
  for (int i = 0; i < 10000; ++i) {
    const std::string name = "h" + std::to_string(i) + ".example";
    changes.push_back({name, host(name, {{PathMatch::prefix, "/", std::to_string(i)}})});
  }
  const auto all = make_route_table(nullptr, changes);
  auto changed = host("h77.example", {{PathMatch::prefix, "/", "new"}});
  const std::vector<HostChange> one = {{"h77.example", changed}};
  const auto before = test::allocations();
  const auto next = make_route_table(all.get(), one);
  EXPECT_LE(test::allocations() - before, 8u);
  EXPECT_EQ(different_shards(*all, *next), 1u);
  EXPECT_EQ(to(*all, "h77.example", "/"), "77");
  EXPECT_EQ(to(*next, "h77.example", "/"), "new");
  EXPECT_EQ(next->hosts(), 10000u);
  EXPECT_EQ(to(*next, "h9999.example", "/"), "9999");
  EXPECT_EQ(different_shards(*next, *make_route_table(next.get(), {{"", changed}})), 1u);
}

// The rules as one reads them, without a tree or a hash.
const model::Route* naive(const std::map<std::string, std::shared_ptr<const HostRoutes>>& hosts, std::string_view name,
                          std::string_view path) {
  auto label = [](std::string_view l) {
    return !l.empty() &&
           l.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == l.npos;
  };
  auto at = name.empty() || name.starts_with("*.") ? hosts.end() : hosts.find(std::string(name));
  if (at == hosts.end()) {
    const auto dot = name.find('.');
    if (dot != name.npos && label(name.substr(0, dot))) at = hosts.find("*" + std::string(name.substr(dot)));
  }
  if (at == hosts.end()) at = hosts.find("");
  if (at == hosts.end()) return nullptr;
  const model::Route* best = nullptr;
  for (PathMatch match : {PathMatch::exact, PathMatch::slash_redirect})
    for (const model::Route& r : at->second->spec().routes)
      if (best == nullptr && r.match == match && r.path == path) best = &r;
  if (best != nullptr) return best;
  for (const model::Route& r : at->second->spec().routes)
    if (r.match == PathMatch::prefix && path.starts_with(r.path) &&
        (best == nullptr || r.path.size() > best->path.size()))
      best = &r;
  return best;
}

TEST(RouteTable, AgreesWithANaiveMatcherUnderRandomChanges) {
  std::mt19937 random(20261123);
  auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> labels = {"a", "b", "ab", "w", "x-1", "y_2", "*"};
  auto name = [&](bool configured) {
    if (pick(20) == 0) return std::string();
    std::string out = configured && pick(3) == 0 ? "*." : "";
    for (std::size_t i = 0, n = 1 + pick(3); i < n; ++i) out += (i ? "." : "") + labels[pick(configured ? 6 : 7)];
    return out;
  };
  auto path = [&] {
    std::string out = "/";
    for (std::size_t i = 0, n = pick(5); i < n; ++i) out += "ab/c"[pick(4)];
    return out;
  };
  std::map<std::string, std::shared_ptr<const HostRoutes>> hosts;
  auto t = make_route_table(nullptr, {});
  std::size_t matched = 0;
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, HostChange> changes;
    for (std::size_t i = 0, n = 1 + pick(6); i < n; ++i) {
      const std::string h = name(true);
      if (pick(4) == 0) {
        changes[h] = {h, nullptr};
        continue;
      }
      std::vector<Path> paths;
      std::set<std::pair<PathMatch, std::string>> seen;
      for (std::size_t k = 0, m = pick(12); k < m; ++k) {
        const auto match = static_cast<PathMatch>(pick(3));
        std::string p = path();
        if (seen.insert({match, p}).second) paths.push_back({match, p, std::to_string(k)});
      }
      changes[h] = {h, host(h, paths)};
    }
    std::vector<HostChange> list;
    for (auto& [h, change] : changes) {
      if (change.routes)
        hosts[h] = change.routes;
      else
        hosts.erase(h);
      list.push_back(change);
    }
    t = make_route_table(t.get(), list);
    ASSERT_EQ(t->hosts(), hosts.size());
    for (int q = 0; q < 200; ++q) {
      const std::string h = name(false), p = path();
      const model::Route* expected = naive(hosts, h, p);
      const Route* got = t->match(h, p);
      ASSERT_EQ(got ? got->spec : nullptr, expected) << "host \"" << h << "\" path " << p;
      matched += got != nullptr ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 10000u);
}

TEST(HashName, DependsOnTheWholeSeedAndTheWholeText) {
  const HashSeed seed{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  for (char c = 0; c < 15; ++c) text += c;
  const auto value = hash_name(seed, text);
  EXPECT_NE(value, hash_name({seed.k0 ^ 1, seed.k1}, text));
  EXPECT_NE(value, hash_name({seed.k0, seed.k1 ^ 1}, text));
  EXPECT_NE(hash_name(seed, "a"), hash_name(seed, std::string_view("a\0", 2)));
  EXPECT_NE(random_seed().k0, random_seed().k0);
}

// A namespace that asks one of its own paths gets it, whatever others have by now.
TEST(Routing, OfOneNamespaceAlone) {
  using enum PathMatch;
  const auto one = host("a.example", {{prefix, "/", "root", false, "mine"},
                                      {prefix, "/app/", "app", false, "mine"},
                                      {exact, "/app", "app", false, "mine"},
                                      {snippet_exact, "/auth", "auth", false, "mine"},
                                      {exact, "/auth", "stranger", false, "theirs"},
                                      {prefix, "/auth/", "stranger", false, "theirs"},
                                      {prefix, "/app/x/", "stranger", false, "theirs"}});
  const auto of = [&](std::string_view ns, std::string_view path) {
    Doubt doubt;
    const Route* route = one->match_of(ns, path, doubt);
    EXPECT_FALSE(doubt.undecided);
    return route == nullptr ? std::string("nobody") : route->spec->service.str();
  };
  EXPECT_EQ(one->match("/auth")->spec->service.view(), "stranger");
  EXPECT_EQ(of("mine", "/auth"), "auth");
  EXPECT_EQ(of("mine", "/auth/x"), "root");
  EXPECT_EQ(of("mine", "/app/x/y"), "app");
  EXPECT_EQ(of("mine", "/app"), "app");
  EXPECT_EQ(of("theirs", "/auth"), "stranger");
  EXPECT_EQ(of("theirs", "/app/y"), "nobody");
  EXPECT_EQ(of("theirs", "/"), "nobody");
  EXPECT_EQ(of("", "/auth"), "nobody");
}

TEST(Routing, OfOneNamespaceAloneAmongPatterns) {
  using enum PathMatch;
  const auto one = host("a.example", {{pattern, "/[a-z]+", "words", false, "mine"},
                                      {snippet_exact, "/auth", "auth", false, "mine"},
                                      {exact, "/auth", "stranger", false, "theirs"},
                                      {pattern, "/words/of/.*", "stranger", false, "theirs"}});
  const auto of = [&](std::string_view ns, std::string_view path) {
    Doubt doubt;
    const Route* route = one->match_of(ns, path, doubt);
    EXPECT_FALSE(doubt.undecided);
    return route == nullptr ? std::string("nobody") : route->spec->service.str();
  };
  EXPECT_EQ(of("mine", "/auth"), "auth");
  EXPECT_EQ(one->match("/words/of/theirs")->spec->service.view(), "stranger");
  EXPECT_EQ(of("mine", "/words/of/theirs"), "words");
  EXPECT_EQ(of("theirs", "/words/of/theirs"), "stranger");
  EXPECT_EQ(of("theirs", "/words"), "nobody");
}

}  // namespace
}  // namespace sluice::data
