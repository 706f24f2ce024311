#include <gtest/gtest.h>

#include "../allocations.h"
#include "asked.h"

namespace sluice::data {
namespace {

model::RouteSettings setting(std::vector<model::HeaderLine> lines) {
  model::RouteSettings settings;
  settings.custom_headers = model::HeaderMap{"default/headers", std::move(lines)};
  return settings;
}

// What is sent: the fields of `theirs` that are left, then ours.
std::string sent(const Asked& asked, std::vector<net::http::Field> theirs, const Plan* process = nullptr) {
  std::string out;
  Responded(asked, std::move(theirs), process).each([&](const auto& f) {
    out.append(f.name).append(": ").append(f.value).append("\n");
  });
  return out;
}

TEST(CustomHeaders, StandInPlaceOfAllLinesOfTheirName) {
  const Asked asked(setting({{"X-A", "ours"}, {"Content-Type", "text/css"}}));
  EXPECT_EQ(sent(asked, {field("x-a", "1"), field("X-B", "2"), field("X-A", "3"), field("content-type", "text/html")}),
            "X-B: 2\nX-A: ours\nContent-Type: text/css\n");
}

// As the option add-headers sets them.
std::string added(std::vector<model::HeaderLine> lines, std::vector<net::http::Field> theirs,
                  std::vector<std::string> hidden = {}, bool from_pod = true) {
  model::Options options;
  options.add_headers = model::HeaderMap{"default/headers", std::move(lines)};
  options.hide_headers = std::move(hidden);
  const auto process = plan_of_process(options, false);
  const Asked asked(setting({{"X-Route", "of the route"}}));
  std::vector<net::http::Field> ours;
  Texts texts;
  const ResponseFields::Response response{theirs, from_pod, options};
  ResponseFields fields(ours, texts, &response);
  add_response_fields(process.get(), asked.view, fields);
  std::string out;
  for (const auto& f : ours)
    if (!f.drop) out.append(f.name).append(": ").append(f.value).append("\n");
  return out;
}

TEST(AddHeaders, ReadTheResponseAsThePodSentItAndAsItIsSent) {
  const std::vector<net::http::Field> theirs{
      field("X-Id", "1"),      field("x-id", "2"),       field("X-Hidden", "h"),  field("Server", "pod"),
      field("Location", "/a"), field("Keep-Alive", "k"), field("X-Route", "pod"), field("Content-Length", "5")};
  EXPECT_EQ(added({{"X-A",
                    "$upstream_http_x_id|$upstream_http_x_hidden|$upstream_http_server|$upstream_http_x_route|"
                    "$upstream_http_keep_alive|$upstream_http_none"},
                   {"X-B",
                    "$sent_http_x_id|$sent_http_x_hidden|$sent_http_server|$sent_http_x_route|"
                    "$sent_http_keep_alive|$sent_http_content_length|$sent_http_location"},
                   {"X-C", "<$sent_http_x_a>"}},
                  theirs, {"x-hidden"}),
            "X-Route: of the route\n"
            "X-A: 1, 2|h|pod|pod|k|\n"
            "X-B: 1, 2|||of the route||5|/a\n"
            "X-C: <1, 2|h|pod|pod|k|>\n");
  EXPECT_EQ(added({{"Location", "$upstream_http_location?b"}}, theirs), "X-Route: of the route\nLocation: /a?b\n")
      << "of its own name";
  EXPECT_EQ(added({{"X-A", "$upstream_http_none"}}, theirs), "X-Route: of the route\n");
  EXPECT_EQ(added({{"X-A", "<$upstream_http_location$sent_http_location>"}}, theirs, {}, false),
            "X-Route: of the route\nX-A: </a>\n")
      << "an answer of our own";
}

// Nobody behind add-headers sets what it drops: hsts, or the head's own Server and Via.
TEST(AddHeaders, WhatIsDroppedStaysAway) {
  model::Options options;
  options.add_headers = model::HeaderMap{
      "default/headers",
      {{"Strict-Transport-Security", ""}, {"X-A", ""}, {"Via", "$http_none"}, {"X-B", "<$sent_http_via>"}}};
  const auto process = plan_of_process(options, true);
  std::vector<net::http::Field> theirs{field("Via", "1.1 pod"), field("x-a", "pod")}, ours;
  Texts texts;
  const Asked asked(setting({{"X-A", "of the route"}}));
  const ResponseFields::Response response{theirs, true, options};
  ResponseFields fields(ours, texts, &response);
  add_response_fields(process.get(), asked.view, fields);
  std::string out;
  for (const auto& f : ours) out.append(f.name).append(f.drop ? " dropped" : ": ").append(f.value).append("\n");
  EXPECT_EQ(out, "X-A: of the route\nStrict-Transport-Security dropped\nVia dropped\nX-B: <>\n");
  EXPECT_TRUE(theirs[0].drop && theirs[1].drop);
}

// HTTP/2 takes a message with one for malformed.
TEST(AddHeaders, NoBlankBeginsOrEndsAValue) {
  const std::vector<net::http::Field> theirs{field("X-Id", "1"), field("X-Gone", "2")};
  EXPECT_EQ(added({{"X-A", "$http_none $upstream_http_x_id $http_none"}, {"X-Gone", "$http_none  $http_none"}}, theirs),
            "X-Route: of the route\nX-A: 1\n");
  model::Options options;
  options.add_headers = model::HeaderMap{"default/headers", {{"X-Uri", "$uri"}}};
  Asked asked(setting({}));
  asked.view.path = "/x ";
  EXPECT_EQ(sent(asked, {}, plan_of_process(options, false).get()), "X-Uri: /x\n");
}

TEST(ResponseHeaders, TheContentTypeOfACallStays) {
  const Asked asked(setting({{"Content-Type", "text/plain"}, {"X-A", "1"}}));
  for (const std::string type : {"application/grpc", "Application/GRPC+proto", "application/grpc-web-text"})
    EXPECT_EQ(sent(asked, {field("content-type", type)}), "content-type: " + type + "\nX-A: 1\n");
  const Asked removing(setting({{"content-type", "$http_none"}}));
  EXPECT_EQ(sent(removing, {field("Content-Type", "application/grpc")}), "Content-Type: application/grpc\n");
  EXPECT_EQ(sent(removing, {field("Content-Type", "text/html")}), "");
}

TEST(AddHeaders, OfAResponseThatIsNotThereAreShownAsWritten) {
  model::Options options;
  options.add_headers = model::HeaderMap{"default/headers", {{"X-A", "$host $upstream_http_x"}, {"X-B", "$scheme"}}};
  const auto process = plan_of_process(options, false);
  const Asked asked(setting({}));
  std::vector<net::http::Field> ours;
  Texts texts;
  ResponseFields fields(ours, texts, nullptr);
  add_response_fields(process.get(), asked.view, fields);
  ASSERT_EQ(ours.size(), 2U);
  EXPECT_EQ(ours[0].value, "$host $upstream_http_x");
  EXPECT_EQ(ours[1].value, "http");
}

TEST(CustomHeaders, ADollarIsADollar) {
  EXPECT_EQ(sent(Asked(setting({{"X-A", "${literal_dollar}host ${literal_dollar}5"}})), {}), "X-A: $host $5\n");
}

TEST(CustomHeaders, CorsIsBeforeThemAndHstsBehind) {
  auto settings = setting({{"access-control-allow-origin", "https://other.example"},
                           {"Access-Control-Max-Age", "1"},
                           {"strict-transport-security", "max-age=1"}});
  model::Options options;
  const auto secured = plan_of_process(options, true);
  EXPECT_EQ(sent(Asked(settings), {}, secured.get()),
            "access-control-allow-origin: https://other.example\nAccess-Control-Max-Age: 1\n"
            "strict-transport-security: max-age=1\n");
  settings.cors = model::Cors{};
  const std::string both = sent(Asked(settings), {}, secured.get());
  EXPECT_NE(both.find("Access-Control-Allow-Origin: *\n"), std::string::npos) << both;
  EXPECT_EQ(both.find("other.example"), std::string::npos) << both;
  EXPECT_EQ(both.find("Max-Age: 1\n"), std::string::npos) << both;
  EXPECT_EQ(both.find("includeSubDomains"), std::string::npos) << both;
}

TEST(ResponseHeaders, CostNoMemoryOnceThereIsSome) {
  const Asked asked(setting({{"X-A", "ours"}, {"X-B", "${literal_dollar}1"}}));
  std::vector<net::http::Field> ours;
  Texts texts;
  const auto respond = [&] {
    ours.clear();
    texts.clear();
    ResponseFields fields(ours, texts, nullptr);
    add_response_fields(nullptr, asked.view, fields);
  };
  respond();
  const auto before = test::allocations();
  respond();
  EXPECT_EQ(test::allocations(), before);
}

TEST(CustomHeaders, ARouteWithoutThemHasNoPlan) {
  EXPECT_EQ(plan_of_route({model::RouteSettings{}}), nullptr);
}

}  // namespace
}  // namespace sluice::data
