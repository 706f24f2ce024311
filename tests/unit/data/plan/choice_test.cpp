#include "data/plan/choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "../allocations.h"
#include "../filter/asked.h"
#include "data/balance/session_cookie.h"

namespace sluice::data {
namespace {

using By = Choice::By;
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

model::Shared<model::Canary> canary_of(model::CanaryRule rule) {
  model::Canary out;
  out.rule = std::move(rule);
  out.ingress = "canary";
  out.service = "next";
  out.service_port = "80";
  out.upstream_name = "default-next-80";
  return out;
}

struct Ask {
  explicit Ask(model::CanaryRule rule, const Fields& fields = {}) : choice(canary_of(std::move(rule)), 7) {
    for (const auto& [name, value] : fields) asked.field(name, value);
  }
  Choice::Opinion operator()(bool main_available = true, bool canary_available = true) const {
    return choice.ask(asked.view, {&main, main_available}, {&canary, canary_available});
  }
  Choice choice;
  Asked asked;
  model::Cluster main, canary;
};

struct Row {
  const char* about;
  model::CanaryRule rule;
  Fields fields;
  By by;
  bool canary;
};

const model::CanaryRule kHeader{.header = "X-Canary", .cookie = "ck", .weight = 100},
    kValue{.header = "X-Canary", .value = "yes please", .cookie = "ck"},
    kPattern{.header = "X-Canary", .pattern = "^v[0-9]+$", .cookie = "ck"};

// The order of ingress-nginx, as recorded and as its code has it.
const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      {"nothing is said", {.weight = 30}, {}, By::weight, false},
      {"header always", kHeader, {{"X-Canary", "always"}}, By::header, true},
      {"header never", kHeader, {{"X-Canary", "never"}}, By::header, false},
      {"header names have no case", kHeader, {{"x-CANARY", "always"}}, By::header, true},
      {"header values have one", kHeader, {{"X-Canary", "Always"}}, By::weight, false},
      {"header before cookie", kHeader, {{"X-Canary", "always"}, {"Cookie", "ck=never"}}, By::header, true},
      {"never before cookie", kHeader, {{"X-Canary", "never"}, {"Cookie", "ck=always"}}, By::header, false},
      {"another word falls through", kHeader, {{"X-Canary", "odd"}, {"Cookie", "ck=never"}}, By::cookie, false},
      {"an empty header falls through", kHeader, {{"X-Canary", ""}}, By::weight, false},
      {"two fields are one value", kHeader, {{"X-Canary", "always"}, {"X-Canary", "always"}}, By::weight, false},
      {"another header says nothing", kHeader, {{"X-Other", "always"}}, By::weight, false},
      {"underscores are dashes in names", {.header = "X_Canary"}, {{"X-Canary", "always"}}, By::header, true},
      {"cookie always", kHeader, {{"Cookie", "a=b; ck=always"}}, By::cookie, true},
      {"cookie never", kHeader, {{"Cookie", "ck=never"}}, By::cookie, false},
      {"cookie names have no case", kHeader, {{"Cookie", "CK=always"}}, By::cookie, true},
      {"cookie values have one", kHeader, {{"Cookie", "ck=ALWAYS"}}, By::weight, false},
      {"the first cookie counts", kHeader, {{"Cookie", "ck=odd; ck=always"}}, By::weight, false},
      {"a cookie of a longer name", kHeader, {{"Cookie", "xck=always; ckx=always"}}, By::weight, false},
      {"in the second Cookie field", kHeader, {{"Cookie", "a=b"}, {"Cookie", "ck=always"}}, By::cookie, true},
      {"the value", kValue, {{"X-Canary", "yes please"}}, By::header_value, true},
      {"the value has a case", kValue, {{"X-Canary", "Yes Please"}}, By::weight, false},
      {"beside a value always means nothing", kValue, {{"X-Canary", "always"}}, By::weight, false},
      {"nor never, so the cookie counts", kValue, {{"X-Canary", "never"}, {"Cookie", "ck=always"}}, By::cookie, true},
      {"fields joined to the value",
       {.header = "X-Canary", .value = "a, b"},
       {{"X-Canary", "a"}, {"X-Canary", "b"}},
       By::header_value,
       true},
      {"the pattern", kPattern, {{"X-Canary", "v12"}}, By::header_pattern, true},
      {"the pattern has a case", kPattern, {{"X-Canary", "V12"}}, By::weight, false},
      {"no match falls through", kPattern, {{"X-Canary", "w12"}, {"Cookie", "ck=always"}}, By::cookie, true},
      {"beside a pattern always means nothing", kPattern, {{"X-Canary", "always"}}, By::weight, false},
      {"a pattern is found anywhere",
       {.header = "X-Canary", .pattern = "b+"},
       {{"X-Canary", "abbc"}},
       By::header_pattern,
       true},
      {"an empty header may match",
       {.header = "X-Canary", .pattern = "^$"},
       {{"X-Canary", ""}},
       By::header_pattern,
       true},
      {"no header asks no pattern", kPattern, {{"Cookie", "ck=always"}}, By::cookie, true},
      {"a value comes before a pattern",
       {.header = "X-Canary", .value = "v1", .pattern = "v2"},
       {{"X-Canary", "v2"}},
       By::weight,
       false},
      {"a pattern that is none stays, whatever the cookie says",
       {.header = "X-Canary", .pattern = "[a-z", .cookie = "ck", .weight = 100},
       {{"X-Canary", "a"}, {"Cookie", "ck=always"}},
       By::unusable_pattern,
       false},
      {"but without the header the cookie counts",
       {.header = "X-Canary", .pattern = "[a-z", .cookie = "ck"},
       {{"Cookie", "ck=always"}},
       By::cookie,
       true},
      {"without a header its value means nothing", {.value = "yes"}, {{"X-Canary", "yes"}}, By::weight, false},
  };
  return table;
}

TEST(Choice, AsksInTheOrderOfIngressNginx) {
  for (const Row& row : rows()) {
    const Ask ask(row.rule, row.fields);
    const auto opinion = ask();
    EXPECT_EQ(opinion.by, row.by) << row.about << ": " << ask.choice.because(opinion.by);
    EXPECT_EQ(opinion.canary, row.canary) << row.about;
  }
}

TEST(Choice, APatternThatGivesUpStaysWithTheMainService) {
  const std::string value = std::string(40, 'a') + '!';
  const Ask ask({.header = "X-Canary", .pattern = "^(a+)+$", .cookie = "ck"},
                {{"X-Canary", value}, {"Cookie", "ck=always"}});
  EXPECT_EQ(ask().by, By::pattern_gave_up);
  EXPECT_FALSE(ask().canary);
}

TEST(Choice, EndpointsComeBeforeAllElse) {
  const Ask ask(kHeader, {{"X-Canary", "always"}});
  EXPECT_EQ(ask(false, true).by, By::no_main);
  EXPECT_FALSE(ask(false, true).canary);
  EXPECT_EQ(ask(true, false).by, By::no_canary);
  EXPECT_FALSE(ask(true, false).canary);
  EXPECT_EQ(ask.choice.ask(ask.asked.view, {}, {&ask.canary, true}).by, By::no_main);
  EXPECT_EQ(ask.choice.ask(ask.asked.view, {&ask.main, true}, {}).by, By::no_canary);
}

TEST(Choice, ASessionBindsToTheClusterThatItsCookieNames) {
  const std::string id = session_id_of("default-main-80");
  model::Balancing sessions;
  model::Affinity affinity;
  affinity.name = "INGRESSCOOKIE";
  sessions.affinity = affinity;
  const std::string ours = "INGRESSCOOKIE=1|" + id;
  const auto bound = [&](const std::string& cookie, bool has_sessions) {
    Ask ask({}, {{"Cookie", cookie}});
    if (has_sessions) ask.main.balancing = sessions;
    return is_bound(ask.asked.view, {&ask.main, true, has_sessions ? std::string_view(id) : std::string_view()});
  };
  EXPECT_TRUE(bound(ours, true));
  EXPECT_FALSE(bound(ours, false)) << "it has no sessions";
  EXPECT_FALSE(bound("INGRESSCOOKIE=1|2", true)) << "it is another one's";
  EXPECT_FALSE(bound("INGRESSCOOKIE=|" + id, true)) << "it names no endpoint";
  EXPECT_FALSE(bound("OTHER=1|" + id, true));
}

TEST(Choice, TheShareIsBetweenNothingAndTheTotal) {
  const auto share = [](std::int64_t weight, std::int64_t total) {
    return Choice(canary_of({.weight = weight, .total = total}), 0).share();
  };
  EXPECT_EQ(share(-5, 100), 0);
  EXPECT_EQ(share(0, 100), 0);
  EXPECT_EQ(share(30, 100), 30);
  EXPECT_EQ(share(150, 100), 100);
  EXPECT_EQ(share(500, 1000), 500);
}

TEST(Choice, TheDrawTakesTheShareOfItsRequests) {
  std::mt19937_64 random(11);
  constexpr int kDraws = 200'000;
  for (const auto& [weight, total, expected] :
       {std::tuple(std::int64_t{-5}, std::int64_t{100}, 0.0), std::tuple(std::int64_t{0}, std::int64_t{100}, 0.0),
        std::tuple(std::int64_t{1}, std::int64_t{100}, 0.01), std::tuple(std::int64_t{30}, std::int64_t{100}, 0.3),
        std::tuple(std::int64_t{100}, std::int64_t{100}, 1.0), std::tuple(std::int64_t{150}, std::int64_t{100}, 1.0),
        std::tuple(std::int64_t{500}, std::int64_t{1000}, 0.5),
        std::tuple(std::int64_t{1}, std::int64_t{10'000}, 1e-4)}) {
    const Choice choice(canary_of({.weight = weight, .total = total}), 0);
    int taken = 0;
    for (int i = 0; i < kDraws; ++i) taken += choice.draw(random());
    // Five times the deviation that chance has.
    const double deviation = std::sqrt(expected * (1 - expected) / kDraws);
    EXPECT_NEAR(static_cast<double>(taken) / kDraws, expected, 5 * deviation) << weight << " of " << total;
  }
}

TEST(Choice, AllocatesNothing) {
  const Ask ask(kPattern, {{"X-Canary", "v12"}, {"Cookie", "a=b; ck=always"}});
  EXPECT_TRUE(ask().canary);  // the first match of a thread takes memory
  const auto before = test::allocations();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(ask().canary);
  EXPECT_EQ(test::allocations(), before);
}

TEST(Choice, TellsWhatDecided) {
  const Choice choice(canary_of({.header = "X-Canary", .value = "yes", .cookie = "ck", .weight = 20}), 7);
  EXPECT_EQ(choice.because(By::header_value), "X-Canary is yes (canary-by-header-value)");
  EXPECT_EQ(choice.because(By::weight),
            "nothing else decides; 20 of 100 such requests go to the canary (canary-weight)");
  EXPECT_EQ(choice.series(), 7U);
  EXPECT_EQ(choice.spec().upstream_name, "default-next-80");
}

}  // namespace
}  // namespace sluice::data
