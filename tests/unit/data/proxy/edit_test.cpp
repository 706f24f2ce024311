#include "data/proxy/edit.h"

#include <gtest/gtest.h>

#include "data/routing/host_routes.h"
#include "data/upstream/request_fields.h"
#include "net/http/message.h"

namespace sluice::data {
namespace {

// A host with one path and its rewrite.
struct Rewriting {
  explicit Rewriting(const std::string& path, const std::string& target) {
    settings->rewrite = model::Rewrite{target};
    auto spec = std::make_shared<model::Host>();
    spec->name = "h";
    model::Route& route = spec->routes.emplace_back();
    route.match = model::PathMatch::pattern;
    route.path = path;
    std::vector<Route> routes(1);
    routes[0].spec = &route;
    routes[0].settings = settings.get();
    host = HostRoutes::make(spec, routes);
  }
  std::string operator()(std::string_view path, std::string_view query = "") const {
    const Route* route = host->match(path);
    if (route == nullptr) return "404";
    Rewritten out;
    RequestView view(head);
    view.route = route;
    view.path = path;
    view.query = query;
    view.past_rewrites = past_rewrites;
    rewrite(view, out);
    if (out.wrong != nullptr) return out.wrong;
    return (out.redirect ? "302 " : "") + out.target;
  }
  std::shared_ptr<model::RouteSettings> settings = std::make_shared<model::RouteSettings>();
  std::shared_ptr<const HostRoutes> host;
  net::http::RequestHead head;
  bool past_rewrites = false;
};

TEST(SetForPods, HoldsBehindTheBodyToo) {
  const std::vector<net::http::Field> set{{"X-User", "ours", net::http::Name::other, false},
                                          {"X-Gone", "", net::http::Name::other, false}};
  std::string out;
  append_upstream_trailers(set, "x-user: a\r\nX-Sum: X-User: 1\r\nX_User: b\r\nX-GONE: c\r\nX-Users: d\r\n", out);
  EXPECT_EQ(out, "X-Sum: X-User: 1\r\nX-Users: d\r\n");
  out.clear();
  append_upstream_trailers(set, "X-User: a\r\n", out);
  EXPECT_EQ(out, "");
}

// It is evaluated once more for pods when the request is past it, and names the path that the client asked for then,
// too.
TEST(Rewrite, TheUriInItIsThatBeforeIt) {
  Rewriting r("/u/(.*)", "/w$uri/$1");
  EXPECT_EQ(r("/u/x"), "/w/u/x/x");
  r.past_rewrites = true;
  EXPECT_EQ(r("/u/x"), "/w/u/x/x");
  EXPECT_EQ(Rewriting("/u/(.*)", "/w/$document_uri/$1")("/u/x", "?"), "/w//u/x/x") << "a lone ? goes";
}

TEST(Rewrite, GroupsAndTheQuery) {
  const Rewriting r("/something(/|$)(.*)", "/$2");
  EXPECT_EQ(r("/something"), "/");
  EXPECT_EQ(r("/something/new", "?x=1"), "/new?x=1");
  EXPECT_EQ(r("/SOMETHING/New"), "/New");
  EXPECT_EQ(r("/somethingelse"), "404");
}

TEST(Rewrite, WhatIsNoGroupStays) {
  EXPECT_EQ(Rewriting("/a(.*)", "/$1$1-$10-$2$")("/a/x"), "//x/x-/x0-$");
  EXPECT_EQ(Rewriting("/a", "/x/$1/y")("/a/b"), "/x//y") << "a path without groups";
}

TEST(Rewrite, TextOfTheRequestIsEncoded) {
  const Rewriting r("/(.*)", "/$1");
  EXPECT_EQ(r("/a b?c#d%e\"f<g>h\\i^j`k{l|m}n\x01\x7f\xc3\xa9"),
            "/a%20b%3Fc%23d%25e%22f%3Cg%3Eh%5Ci%5Ej%60k%7Bl%7Cm%7Dn%01%7F%C3%A9");
  EXPECT_EQ(r("/&=;:@,$!'()*+~[]"), "/&=;:@,$!'()*+~[]");
  const Rewriting strict("/(.*)", "/$1");
  strict.settings->ambiguous_paths = model::AmbiguousPaths::normalize;
  EXPECT_EQ(strict("/a;b[c]"), "/a%3Bb%5Bc%5D");
}

TEST(Rewrite, Variables) {
  Rewriting r("/a(/.*)", "/$host$1-$http_x");
  r.head.host = "H.Example";
  r.head.fields.add() = {"X", "v?#\r\nw", net::http::Name::other, false};
  EXPECT_EQ(r("/a/b", "?q=1"), "/h.example/b-v%3F%23%0D%0Aw?q=1");
  // nginx escapes what is escaped already.
  EXPECT_EQ(Rewriting("/a", "/$arg_q/x")("/a", "?q=b%26c"), "/b%2526c/x?q=b%26c");
  Rewriting away("/go", "$scheme://$http_host/in");
  away.head.authority = "to.example:81";
  EXPECT_EQ(away("/go"), "302 http://to.example:81/in");
  EXPECT_EQ(Rewriting("/go", "$scheme/in")("/go"), "rewrite-target makes an URL that is none");
}

TEST(Rewrite, VariablesMakeNoAmbiguousPathWhereNoneMayBe) {
  Rewriting r("/a", "/in/$arg_q");
  EXPECT_EQ(r("/a", "?q=../b"), "/in/../b?q=../b");
  r.settings->ambiguous_paths = model::AmbiguousPaths::normalize;
  EXPECT_EQ(r("/a", "?q=../b"), "rewrite-target makes a path that two readers may take for different ones");
  EXPECT_EQ(r("/a", "?q=b"), "/in/b?q=b");
}

// ingress-nginx looks for the path anywhere when it rewrites.
TEST(Rewrite, AnAlternativeIsFoundWhereItIsFirst) {
  EXPECT_EQ(Rewriting("/a(x)|/b(y)", "/$1$2")("/0/ax/by"), "/x");
}

TEST(Rewrite, AUrlIsARedirect) {
  const Rewriting r("/go/(.*)", "https://to.example/$1");
  EXPECT_EQ(r("/go/a/b", "?x=1"), "302 https://to.example/a/b?x=1");
  EXPECT_EQ(r("/go/a?b#c;d"), "302 https://to.example/a%3Fb%23c%3Bd");
}

TEST(Rewrite, ATargetThatARequestMakesIsNoRedirect) {
  const Rewriting r("/(.*)", "$1");
  EXPECT_EQ(r("/http://evil.example/"), "rewrite-target makes a path that begins with no slash");
  EXPECT_EQ(r("/"), "rewrite-target makes a path that begins with no slash");
}

// The route is found by a literal, the text that the rewrite takes apart is what runs away.
TEST(Rewrite, WhatRunsAwayIsSaid) {
  const Rewriting r("/(?:a|(x+x+)+[yz])|/a", "/$1");
  const std::string runaway = "/" + std::string(60, 'x') + "/a";
  Doubt doubt;
  const Route* route = r.host->match(runaway, &doubt);
  ASSERT_TRUE(doubt.undecided);
  Rewritten out;
  RequestView view(r.head);
  view.route = route;
  view.path = runaway;
  rewrite(view, out);
  EXPECT_STREQ(out.wrong, "the pattern of the route takes too many steps for this path");
}

}  // namespace
}  // namespace sluice::data
