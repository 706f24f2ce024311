// Elements of block-user-agents and block-referers, as nginx reads words of its configuration.
#include "control/kube/text_rules.h"

#include <gtest/gtest.h>

#include "control/kube/options.h"

namespace sluice::control {
namespace {

using model::TextRule;
using enum TextRule::Kind;

TEST(TextRules, AreReadAsWordsOfNginx) {
  const std::vector<std::pair<std::string_view, TextRule>> good{
      {"curl", {whole, "curl"}},
      {"~^Bad", {pattern, "^Bad"}},
      {"~*bad\\.bot", {pattern_of_any_case, "bad\\.bot"}},
      {"~a\\ b", {pattern, "a\\ b"}},
      {"~a\\\\.b", {pattern, "a\\.b"}},
      {"\"a b\"", {whole, "a b"}},
      {"'~*a{2} b'", {pattern_of_any_case, "a{2} b"}},
      {"\"\"", {whole, ""}},
      {"\\~x", {whole, "~x"}},
      {"\\default", {whole, "default"}},
      {"a\"b", {whole, "a\"b"}},
  };
  RegexBudget budget;
  for (const auto& [text, rule] : good) {
    const auto read = read_text_rule(text, budget);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, rule) << text;
    const auto again = read_text_rule(text_rule_text(rule), budget);
    ASSERT_TRUE(again) << text << " is printed as " << text_rule_text(rule);
    EXPECT_EQ(*again, rule) << text << " is printed as " << text_rule_text(rule);
  }
  for (const std::string_view bad : {"a b", "~a{2}", "a;", "\"a", "\"a\"b", "~(", "~", "~*", "default", "include",
                                     "hostnames", "volatile", "a\\", "#a", "a\nb", "a\tb"})
    EXPECT_FALSE(read_text_rule(bad, budget)) << bad;
}

TEST(TextRules, OfAListThatCannotBeReadWholeBlockEverybody) {
  const auto read = [](const std::string& value) {
    return read_options({{"block-user-agents", value}}, {"ConfigMap", "", "", {}}, {}, {});
  };
  const auto good = read(" curl,\n~*badbot\n,");
  EXPECT_EQ(good.options.block_user_agents, (std::vector<TextRule>{{whole, "curl"}, {pattern_of_any_case, "badbot"}}));
  EXPECT_EQ(good.entries.all().size(), 0U);
  const auto bad = read("curl,~(");
  EXPECT_EQ(bad.options.block_user_agents, (std::vector<TextRule>{{pattern_of_any_case, "^"}}));
  ASSERT_EQ(bad.entries.all().size(), 1U);
  EXPECT_NE(model::Report::line(bad.entries.all().front())
                .find("which \"~(\" is not: missing closing parenthesis at 6; what counts is ~*^"),
            std::string::npos)
      << model::Report::line(bad.entries.all().front());
}

// What a list takes is bounded by its text: by what one expression may take, by what all may, by their number.
TEST(TextRules, OfAListTakeNoMoreThanItsText) {
  const auto said = [](const std::string& value) {
    const auto read = read_options({{"block-user-agents", value}}, {"ConfigMap", "", "", {}}, {}, {});
    return read.entries.all().empty() ? std::string() : model::Report::line(read.entries.all().front());
  };
  std::string robots, dear, short_ones, texts;
  for (int i = 0; i < 1'000; ++i) robots += "~*(?:\\b)Robot-" + std::to_string(i) + "(?:\\b|/),";
  EXPECT_EQ(said(robots), "") << "lists as people have them";
  const auto grows = said("ok,\"~(?:[a-z]){99}\"");
  EXPECT_NE(grows.find("is not: no more than 1312 bytes once compiled"), std::string::npos) << grows;
  for (int i = 0; i < 600; ++i) dear += "\"~(?:[a-z]){20}" + std::to_string(i) + "\",";
  EXPECT_NE(said(dear).find("256 KiB and 16 for each byte of their text"), std::string::npos) << said(dear);
  for (int i = 0; i < 9'000; ++i) short_ones += "~a" + std::to_string(i) + ",";
  EXPECT_EQ(said(short_ones), "");
  for (int i = 0; i < 10'001; ++i) texts += "a,";
  EXPECT_NE(said(texts).find("at most 10000 texts and regular expressions"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control
