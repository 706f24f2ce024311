#include "data/filter/order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../allocations.h"
#include "asked.h"
#include "data/plan/destination.h"

namespace sluice::data {
namespace {

TEST(Plan, IsNoneWhereNothingIsUsed) {
  EXPECT_EQ(Asked().plan, nullptr);
  EXPECT_EQ(plan_of_process(model::Options{}, false), nullptr);
  EXPECT_EQ(Asked().decided(), "");
}

TEST(Plan, StepsStandInTheOrderOfTheList) {
  model::RouteSettings all;
  all.ambiguous_paths = model::AmbiguousPaths::refuse;
  all.redirect = model::Redirect{302, "/to"};
  all.rewrite = model::Rewrite{"https://to.example/"};
  Asked asked(all, true);
  std::vector<std::string_view> names;
  for (const auto& entry : (*asked.plan)[Phase::answer]) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string_view>{"ambiguous-paths", "redirect", "rewrite-target", "ssl-redirect"}));
  EXPECT_TRUE((*asked.plan)[Phase::guard].empty());

  asked.head.path_query = "/a//b";
  EXPECT_EQ(asked.decided(), "400 ambiguous-paths");
  asked.head.path_query = "/a/b";
  EXPECT_EQ(asked.decided(), "302 redirect");
}

TEST(Plan, EveryRowHasAReasonAndANameOfItsOwn) {
  std::vector<std::string_view> names;
  for (const auto& ordered : planned()) {
    names.push_back(ordered.row->name);
    EXPECT_FALSE(ordered.why_here.empty()) << ordered.row->name;
    EXPECT_NE(ordered.row->phases, 0) << ordered.row->name;
    EXPECT_TRUE(ordered.row->of_route != nullptr || ordered.row->of_process != nullptr) << ordered.row->name;
  }
  for (const auto& always : destination()) {
    names.push_back(always.name);
    EXPECT_FALSE(always.why_here.empty()) << always.name;
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(Plan, ADecisionToGoOnAllocatesNothing) {
  model::RouteSettings settings;
  settings.ambiguous_paths = model::AmbiguousPaths::refuse;
  Asked asked(settings, true);
  asked.view.plain = false;
  asked.field("CDN-Loop", "other");
  const auto before = test::allocations();
  EXPECT_FALSE(decide_for_route(asked.view));
  EXPECT_EQ(test::allocations(), before);
}

TEST(Plan, WhereTheRouteLeads) {
  Asked asked;
  asked.view.available = false;
  EXPECT_EQ(asked.decided(), "503 endpoints");
  asked.route.forwards = false;
  EXPECT_EQ(asked.decided(), "404 route-answer");
  asked.spec.status = 503;
  EXPECT_EQ(asked.decided(), "503 route-answer");
  asked.spec.match = model::PathMatch::slash_redirect;
  asked.spec.path = "/foo";
  asked.view.scheme = "https";
  EXPECT_EQ(asked.location(), "https://a.example:8080/foo/?y=1");
}

TEST(Plan, BodiesThatAreTooLargeEndTheConnection) {
  Asked asked;
  asked.settings.body_limit = 10;
  asked.head.framing = net::http::Framing::length;
  asked.head.content_length = 10;
  EXPECT_EQ(asked.decided(), "");
  asked.head.content_length = 11;
  const auto verdict = decide_for_route(asked.view);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reply.status, 413);
  EXPECT_TRUE(verdict->reply.close);
  asked.settings.body_limit = 0;
  EXPECT_EQ(asked.decided(), "");
}

TEST(Plan, BodiesThatAreTooLargeAreToldSoBeforeALocationAnswers) {
  model::RouteSettings settings;
  settings.body_limit = 10;
  settings.redirect = model::Redirect{301, "/to"};
  Asked asked(settings);
  asked.head.framing = net::http::Framing::length;
  asked.head.content_length = 11;
  EXPECT_EQ(asked.decided(), "413 body-size");
  asked.head.content_length = 10;
  EXPECT_EQ(asked.decided(), "301 redirect");
  asked.head.content_length = 11;
  asked.view.available = false;
  EXPECT_EQ(asked.decided(), "413 body-size");
  settings.redirect.reset();
  Asked slash(settings);
  slash.head.framing = net::http::Framing::length;
  slash.head.content_length = 11;
  slash.route.forwards = false;
  slash.spec.match = model::PathMatch::slash_redirect;
  EXPECT_EQ(slash.decided(), "413 body-size");
  // What nginx asks at the server comes first.
  model::RouteSettings root;
  root.body_limit = 10;
  root.app_root = model::AppRoot{"/app"};
  Asked at_root(root);
  at_root.view.path = "/";
  at_root.head.framing = net::http::Framing::length;
  at_root.head.content_length = 11;
  EXPECT_EQ(at_root.decided(), "302 app-root");
}

TEST(Plan, RedirectAnnotation) {
  model::RouteSettings settings;
  settings.redirect = model::Redirect{308, "/to"};
  Asked asked(settings);
  asked.view.scheme = "https";
  EXPECT_EQ(asked.location(), "https://a.example/to");
  settings.relative_redirects = true;
  EXPECT_EQ(Asked(settings).location(), "/to");
  settings.redirect = model::Redirect{308, "http://b.example/z"};
  settings.relative_redirects = false;
  EXPECT_EQ(Asked(settings).location(), "http://b.example/z");
}

TEST(Plan, VariablesInARedirect) {
  model::RouteSettings settings;
  settings.redirect = model::Redirect{308, "https://$host/z$request_uri"};
  EXPECT_EQ(Asked(settings).location(), "https://a.example/z/x?y=1");
  // Where it has no scheme, it gets that of the client and its host.
  settings.redirect = model::Redirect{308, "/z/$http_x-${arg_y}$uri"};
  Asked asked(settings);
  asked.view.path = "/a\r\nSet-Cookie: b";
  asked.field("X", "v\x7f\t\"<\xc3\xa9");
  EXPECT_EQ(asked.location(), "http://a.example/z/v%7F%09%22%3C%C3%A9-1/a%0D%0ASet-Cookie:%20b");
}

TEST(Plan, ARewriteToAUrlIsARedirect) {
  model::RouteSettings settings;
  settings.rewrite = model::Rewrite{"https://to.example/z"};
  const Asked asked(settings, true);
  EXPECT_EQ(asked.decided(), "302 rewrite-target");
  EXPECT_EQ(asked.location(), "https://to.example/z?y=1");
  settings.rewrite = model::Rewrite{"/z"};
  EXPECT_EQ(Asked(settings).plan, nullptr);
}

TEST(Plan, WhatAPatternCannotTellIsAnswered) {
  Asked asked;
  asked.view.undecided = true;
  const auto verdict = decide_without_route(nullptr, asked.view);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reply.status, 500);
  EXPECT_TRUE(verdict->reply.gave_up);
}

TEST(Plan, RedirectToHttps) {
  Asked asked({}, true);
  EXPECT_EQ(asked.decided(), "308 ssl-redirect");
  EXPECT_EQ(asked.location(), "https://a.example/x?y=1");
  asked.head.path_query = "/x/";
  EXPECT_EQ(asked.location(), "https://a.example/x");
  asked.view.https_port = 8443;
  EXPECT_EQ(asked.location(), "https://a.example/x");
  asked.view.plain = false;
  EXPECT_EQ(asked.decided(), "");

  model::RouteSettings with_port;
  with_port.port_in_redirects = true;
  Asked named(with_port, true);
  EXPECT_EQ(named.location(), "https://a.example/x?y=1");  // no listener of TLS
  named.view.https_port = 8443;
  EXPECT_EQ(named.location(), "https://a.example:8443/x?y=1");
  named.view.https_port = 443;
  EXPECT_EQ(named.location(), "https://a.example/x?y=1");

  model::RouteSettings keeps;
  keeps.preserve_trailing_slash = true;
  Asked kept(keeps, true);
  kept.head.path_query = "/x/";
  EXPECT_EQ(kept.location(), "https://a.example/x/");
}

TEST(Plan, PortsInRedirectsToPathsOfTheHost) {
  model::RouteSettings settings;
  settings.redirect = model::Redirect{301, "/to", false};
  EXPECT_EQ(Asked(settings).location(), "http://a.example/to");
  settings.port_in_redirects = true;
  Asked asked(settings);
  EXPECT_EQ(asked.location(), "http://a.example/to");
  asked.view.came_by = 8080;
  EXPECT_EQ(asked.location(), "http://a.example:8080/to");
  asked.view.said_port = "80";
  EXPECT_EQ(asked.location(), "http://a.example/to");
  asked.view.https = true;
  EXPECT_EQ(asked.location(), "http://a.example:80/to");
  settings.relative_redirects = true;
  EXPECT_EQ(Asked(settings).location(), "/to");
  // /foo of a path /foo/
  for (const bool named : {false, true}) {
    model::RouteSettings plain;
    plain.port_in_redirects = named;
    Asked slash(plain);
    slash.spec.match = model::PathMatch::slash_redirect;
    slash.spec.path = "/foo";
    slash.route.forwards = false;
    slash.view.came_by = 9080;
    EXPECT_EQ(slash.location(), std::string("http://a.example:") + (named ? "9080" : "8080") + "/foo/?y=1");
    slash.settings.relative_redirects = true;
    EXPECT_EQ(slash.location(), "/foo/?y=1");
  }
}

TEST(Plan, AppRootIsForThePathAlone) {
  model::RouteSettings settings;
  settings.app_root = model::AppRoot{"/home"};
  settings.redirect = model::Redirect{301, "/to", false};
  Asked asked(settings, true);
  EXPECT_EQ(asked.decided(), "301 redirect");
  asked.view.path = "/";
  EXPECT_EQ(asked.decided(), "302 app-root");
  EXPECT_EQ(asked.location(), "http://a.example:8080/home");
  asked.view.scheme = "https";
  EXPECT_EQ(asked.location(), "https://a.example:8080/home");
  asked.head.authority = {};
  EXPECT_EQ(asked.location(), "/home");
}

TEST(Plan, ANameIsSentToTheOtherWithThePortThatTheClientCameBy) {
  model::RouteSettings settings;
  settings.to_host = model::ToHost{"www.a.example"};
  settings.ssl_redirect_status = 301;
  Asked asked(settings);
  EXPECT_EQ(asked.decided(), "301 from-to-www-redirect");
  EXPECT_EQ(asked.location(), "http://www.a.example:80/x?y=1");
  asked.head.path_query = "/x/";
  asked.view.came_by = 8080;
  EXPECT_EQ(asked.location(), "http://www.a.example:8080/x");
  asked.view.https = true;
  asked.view.scheme = "https";
  asked.view.came_by = 0;
  EXPECT_EQ(asked.location(), "https://www.a.example:443/x");
  asked.view.said_port = "8443";
  EXPECT_EQ(asked.location(), "https://www.a.example:8443/x");
}

TEST(Plan, LoopsAreEndedByTheNumberOfPasses) {
  Asked asked;
  asked.field("CDN-Loop", "sluice");
  EXPECT_EQ(asked.decided(), "");
  asked.field("CDN-Loop", "sluice, sluice, sluice");
  EXPECT_EQ(asked.decided(), "508 loop");
}

TEST(Plan, WithoutARoute) {
  Asked asked;
  asked.view.route = nullptr;
  auto verdict = decide_without_route(nullptr, asked.view);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reply.status, 404);
  EXPECT_EQ(verdict->by, kNoRoute);
  asked.view.path = kProbePath;
  verdict = decide_without_route(nullptr, asked.view);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->by, kProbe);
  asked.view.route = &asked.route;
  EXPECT_FALSE(decide_without_route(nullptr, asked.view));
}

TEST(Plan, TheCountersOfNginxAreForLoopback) {
  Asked asked;
  asked.view.route = nullptr;
  asked.view.path = kStatusPath;
  const auto status = [&](std::array<std::uint8_t, 16> client) {
    asked.view.client = client;
    const auto verdict = decide_without_route(nullptr, asked.view);
    return verdict && verdict->by == kStatus ? verdict->reply.status : 0;
  };
  constexpr std::uint8_t ff = 0xff;
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ff, ff, 127, 0, 0, 1}), 200);
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ff, ff, 127, 9, 9, 9}), 200);
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 200);
  EXPECT_EQ(status({}), 403) << "the unspecified address";
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ff, ff, 128, 0, 0, 1}), 403);
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1}), 403) << "IPv4-compatible, not mapped";
  EXPECT_EQ(status({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 403);
  asked.view.client_known = false;
  EXPECT_EQ(status({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 403) << "explain was not told";
  asked.view.route = &asked.route;
  EXPECT_FALSE(decide_without_route(nullptr, asked.view)) << "a host that an Ingress names has its own";
}

TEST(Plan, StrictTransportSecurityStandsInPlaceOfThePods) {
  model::Options options;
  options.hsts_preload = true;
  EXPECT_EQ(plan_of_process(options, false), nullptr);
  const auto secured = plan_of_process(options, true);
  ASSERT_NE(secured, nullptr);
  net::http::Field theirs[] = {
      {"strict-transport-security", "max-age=1", net::http::Name::strict_transport_security, false},
      {"X-Other", "1", net::http::Name::other, false}};
  std::vector<net::http::Field> ours;
  Texts texts;
  const ResponseFields::Response response{theirs, true, options};
  ResponseFields fields(ours, texts, &response);
  const Asked asked;
  add_response_fields(secured.get(), asked.view, fields);
  EXPECT_TRUE(theirs[0].drop);
  EXPECT_FALSE(theirs[1].drop);
  ASSERT_EQ(ours.size(), 1u);
  EXPECT_EQ(ours[0].value, "max-age=31536000; includeSubDomains; preload");
  options.hsts = false;
  EXPECT_EQ(plan_of_process(options, true), nullptr);
}

}  // namespace
}  // namespace sluice::data
