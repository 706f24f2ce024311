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
  std::vector<net::http::Field> ours;
  Texts texts;
  ResponseFields fields(ours, theirs, texts);
  add_response_fields(process, asked.view, fields);
  std::string out;
  for (const auto* all : {&theirs, &ours})
    for (const auto& f : *all)
      if (!f.drop) out.append(f.name).append(": ").append(f.value).append("\n");
  return out;
}

net::http::Field field(std::string_view name, std::string_view value) {
  return {name, value, net::http::name_of(name), false};
}

TEST(CustomHeaders, StandInPlaceOfAllLinesOfTheirName) {
  const Asked asked(setting({{"X-A", "ours"}, {"Content-Type", "text/css"}}));
  EXPECT_EQ(sent(asked, {field("x-a", "1"), field("X-B", "2"), field("X-A", "3"), field("content-type", "text/html")}),
            "X-B: 2\nX-A: ours\nContent-Type: text/css\n");
}

TEST(CustomHeaders, ADollarIsADollar) {
  EXPECT_EQ(sent(Asked(setting({{"X-A", "${literal_dollar}host ${literal_dollar}5"}})), {}), "X-A: $host $5\n");
}

TEST(CustomHeaders, CorsIsBeforeThemAndHstsBehind) {
  auto settings = setting({{"access-control-allow-origin", "https://other.example"},
                           {"Access-Control-Max-Age", "1"},
                           {"strict-transport-security", "max-age=1"}});
  model::Options options;
  const auto secured = Plan::of_process(options, true);
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
    ResponseFields fields(ours, {}, texts);
    add_response_fields(nullptr, asked.view, fields);
  };
  respond();
  const auto before = test::allocations();
  respond();
  EXPECT_EQ(test::allocations(), before);
}

TEST(CustomHeaders, ARouteWithoutThemHasNoPlan) {
  EXPECT_EQ(Plan::of_route({model::RouteSettings{}}), nullptr);
}

}  // namespace
}  // namespace sluice::data
