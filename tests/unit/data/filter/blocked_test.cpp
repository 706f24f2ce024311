// block-user-agents and block-referers: who is answered 403, as a map of nginx decides it.
#include <gtest/gtest.h>

#include "../allocations.h"
#include "asked.h"

namespace sluice::data {
namespace {

using enum model::TextRule::Kind;

model::Options blocking(std::vector<model::TextRule> agents, std::vector<model::TextRule> referers = {}) {
  model::Options out;
  out.block_user_agents = std::move(agents);
  out.block_referers = std::move(referers);
  return out;
}

std::string asked(const model::Options& options, const std::vector<std::pair<std::string, std::string>>& fields) {
  const auto plan = plan_of_process(options, false);
  Asked request;
  for (const auto& [name, value] : fields) request.field(name, value);
  const auto verdict = decide_for_all(plan.get(), request.view);
  return verdict ? std::to_string(verdict->reply.status) : "";
}

TEST(Blocked, ByTheWholeTextOrAnExpression) {
  const auto options =
      blocking({{whole, "curl"}, {whole, "Other/2"}, {pattern, "^Bad"}, {pattern_of_any_case, "worse.bot"}});
  for (const char* blocked : {"curl", "CURL", "other/2", "BadBot", "is a WORSE bot"})
    EXPECT_EQ(asked(options, {{"User-Agent", blocked}}), "403") << blocked;
  for (const char* open : {"curl/8", "badbot", "a BadBot", "wors", ""})
    EXPECT_EQ(asked(options, {{"User-Agent", open}}), "") << open;
  EXPECT_EQ(asked(options, {}), "");
  EXPECT_EQ(asked(options, {{"Referer", "curl"}}), "");
}

TEST(Blocked, ByTheRefererToo) {
  const auto options = blocking({}, {{pattern_of_any_case, "spam\\."}});
  EXPECT_EQ(asked(options, {{"Referer", "https://SPAM.example/"}}), "403");
  EXPECT_EQ(asked(options, {{"Referer", "https://good.example/"}, {"User-Agent", "spam.example"}}), "");
}

// What is not there is the empty text, in nginx too.
TEST(Blocked, WithoutTheField) {
  for (const auto& rule : {model::TextRule{whole, ""}, model::TextRule{pattern, "^$"}}) {
    EXPECT_EQ(asked(blocking({rule}), {}), "403");
    EXPECT_EQ(asked(blocking({rule}), {{"User-Agent", "curl"}}), "");
  }
}

TEST(Blocked, ByAnyOfSeveralLinesAndByAllOfThem) {
  const auto options = blocking({{whole, "curl"}, {pattern, "^one, two$"}});
  EXPECT_EQ(asked(options, {{"User-Agent", "good"}, {"User-Agent", "curl"}}), "403");
  EXPECT_EQ(asked(options, {{"User-Agent", "one"}, {"User-Agent", "two"}}), "403");
  EXPECT_EQ(asked(options, {{"User-Agent", "one"}, {"User-Agent", "three"}}), "");
}

TEST(Blocked, NotByAnExpressionThatTakesTooManySteps) {
  EXPECT_EQ(asked(blocking({{pattern, "^(a+)+$"}}), {{"User-Agent", std::string(60, 'a') + "!"}}), "500");
}

TEST(Blocked, CostsNothingWhereNobodyIsAndNoMemoryWhereSomebodyIs) {
  const auto none = plan_of_process({}, false);
  EXPECT_TRUE(none == nullptr || (*none)[Phase::answer].empty());
  const auto plan = plan_of_process(blocking({{whole, "curl"}, {pattern, "^Bad"}}, {{pattern, "spam"}}), false);
  Asked request;
  request.field("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)");
  request.field("Referer", "https://a.example/");
  EXPECT_FALSE(decide_for_all(plan.get(), request.view));
  const auto before = test::allocations();
  EXPECT_FALSE(decide_for_all(plan.get(), request.view));
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace sluice::data
