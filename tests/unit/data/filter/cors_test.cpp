#include "model/settings/cors.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "asked.h"

namespace sluice::data {
namespace {

model::RouteSettings allowing(std::vector<std::string> origins, bool ends_alone = false) {
  model::Cors cors;
  cors.ends_alone = ends_alone;
  cors.origins = std::move(origins);
  model::RouteSettings settings;
  settings.cors = cors;
  return settings;
}

// What a page of this origin is told to be allowed; "" without a field.
std::string allowed(const std::vector<std::string>& origins, std::string_view origin, bool ends_alone = false) {
  Asked asked(allowing(origins, ends_alone));
  if (!origin.empty()) asked.field("Origin", origin);
  std::vector<net::http::Field> ours;
  Texts texts;
  ResponseFields fields(ours, texts, nullptr);
  add_response_fields(nullptr, asked.view, fields);
  return ours.empty() ? "" : std::string(ours[0].value);
}

TEST(Cors, OriginsAreComparedWhole) {
  EXPECT_EQ(allowed({"*"}, ""), "*");
  EXPECT_EQ(allowed({"*"}, "https://a.example"), "*");
  EXPECT_EQ(allowed({}, "https://a.example"), "");
  const std::vector<std::string> list{"https://a.example", "http://b.example:8080", "null"};
  EXPECT_EQ(allowed(list, "https://a.example"), "https://a.example");
  EXPECT_EQ(allowed(list, "HTTPS://A.example"), "HTTPS://A.example");
  EXPECT_EQ(allowed(list, "http://b.example:8080"), "http://b.example:8080");
  EXPECT_EQ(allowed(list, "null"), "null");
  for (const auto* other : {"", "http://a.example", "https://a.example:443", "http://b.example",
                            "https://a.example.evil", "https://evilhttps://a.example", "https://aXexample"})
    EXPECT_EQ(allowed(list, other), "") << other;
}

TEST(Cors, AStarStandsForOneLabel) {
  const std::vector<std::string> list{"http://*.o.example:8080"};
  EXPECT_EQ(allowed(list, "http://sub.o.example:8080"), "http://sub.o.example:8080");
  EXPECT_EQ(allowed(list, "http://Sub-2.o.example:8080"), "http://Sub-2.o.example:8080");
  for (const auto* other : {"http://o.example:8080", "http://.o.example:8080", "http://a.b.o.example:8080",
                            "http://sub.o.example", "https://sub.o.example:8080", "http://evil/x.o.example:8080"})
    EXPECT_EQ(allowed(list, other), "") << other;
}

TEST(Cors, TheEndOfAnOriginIsComparedWhereThatIsAskedFor) {
  const std::vector<std::string> list{"https://a.example", "http://*.b.example:8080"};
  for (const auto* good : {"https://a.example", "https://evilhttps://a.example", "HTTPS://A.example",
                           "http://x.b.example:8080", "evil http://x-1.b.example:8080"})
    EXPECT_EQ(allowed(list, good, true), good);
  for (const auto* other :
       {"", "a.example", "https://a.example.evil", "http://b.example:8080", "http://.b.example:8080",
        "http://x.y.b.example:8080", "x.b.example:8080", ".b.example:8080"})
    EXPECT_EQ(allowed(list, other, true), "") << other;
}

TEST(Cors, TwoOriginsAreNone) {
  Asked asked(allowing({"https://a.example"}));
  asked.field("Origin", "https://a.example");
  asked.field("origin", "https://a.example");
  asked.head.method = net::http::Method::options;
  EXPECT_EQ(asked.decided(), "");
}

TEST(Cors, APreflightOfAnAllowedOriginIsAnsweredWithoutAPod) {
  Asked asked(allowing({"https://a.example"}));
  asked.view.available = false;
  asked.head.method = net::http::Method::options;
  EXPECT_EQ(asked.decided(), "503 endpoints") << "no origin";
  asked.field("Origin", "https://a.example");
  const auto verdict = decide_for_route(asked.view);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->reply.status, 204);
  EXPECT_EQ(verdict->by, "cors");
  EXPECT_EQ(verdict->reply.body, "");
  asked.head.method = net::http::Method::get;
  asked.view.available = true;
  EXPECT_EQ(asked.decided(), "");
}

TEST(Cors, APreflightComesBeforeRedirects) {
  auto settings = allowing({"*"});
  settings.redirect = model::Redirect{301, "/to"};
  Asked asked(settings, true);
  EXPECT_EQ(asked.decided(), "301 redirect");
  asked.head.method = net::http::Method::options;
  EXPECT_EQ(asked.decided(), "204 cors");
}

TEST(Cors, FieldsStandInPlaceOfThePodsInTheOrderOfIngressNginx) {
  auto settings = allowing({"*"});
  model::Cors cors = *settings.cors;
  cors.expose_headers = "X-One";
  cors.max_age = 5;
  settings.cors = cors;
  net::http::Field theirs[] = {{"access-control-allow-origin", "http://pod.example", net::http::Name::other, false},
                               {"Vary", "Origin", net::http::Name::other, false}};
  std::vector<net::http::Field> ours;
  Texts texts;
  const model::Options options;
  const ResponseFields::Response response{theirs, true, options};
  ResponseFields fields(ours, texts, &response);
  const Asked asked(settings);
  add_response_fields(nullptr, asked.view, fields);
  EXPECT_TRUE(theirs[0].drop);
  EXPECT_FALSE(theirs[1].drop);
  std::string text;
  for (const auto& field : ours) text += std::string(field.name.substr(15)) + "=" + std::string(field.value) + ";";
  EXPECT_EQ(text,
            "Allow-Origin=*;Allow-Credentials=true;Allow-Methods=GET, PUT, POST, DELETE, PATCH, OPTIONS;"
            "Allow-Headers=DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,"
            "Range,Authorization;Expose-Headers=X-One;Max-Age=5;");
  cors.credentials = false;
  settings.cors = cors;
  ours.clear();
  Asked without(settings);
  add_response_fields(nullptr, without.view, fields);
  EXPECT_EQ(ours[1].name, "Access-Control-Allow-Methods");
}

TEST(Cors, ADecisionAllocatesNothing) {
  Asked asked(allowing({"https://a.example", "https://*.b.example"}));
  asked.field("Origin", "https://c.b.example");
  std::vector<net::http::Field> ours;
  ours.reserve(8);
  Texts texts;
  ResponseFields fields(ours, texts, nullptr);
  const auto before = test::allocations();
  EXPECT_FALSE(decide_for_route(asked.view));
  add_response_fields(nullptr, asked.view, fields);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_FALSE(ours.empty());
}

}  // namespace
}  // namespace sluice::data
