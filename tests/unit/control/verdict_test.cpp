#include "control/source/cluster/verdict.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace sluice::control::cluster {
namespace {

model::Entry entry(const char* name, const char* reason, const std::string& consequence = "not served") {
  return {{"Ingress", "default", name, {"where/it/was/read.yaml", 7}},
          {model::Severity::error, reason, "spec.rules", "value", "a host", consequence}};
}

TEST(Verdicts, SayWhatBecameOfAnIngress) {
  Verdicts v;
  EXPECT_EQ(v.of("default/app", true), R"({"verdict":"served"})");
  EXPECT_EQ(v.of("default/app", false), "");  // of another class: not ours to judge
  EXPECT_EQ(v.report({entry("app", "InvalidHost")}), std::vector<std::string>{"default/app"});
  const char* problems =
      R"("problems":[{"reason":"InvalidHost","field":"spec.rules","text":"expected a host; not served"}]})";
  EXPECT_EQ(v.of("default/app", true), std::string(R"({"verdict":"served with problems",)") + problems);
  EXPECT_EQ(v.of("default/app", false), std::string(R"({"verdict":"refused",)") + problems);
}

TEST(Verdicts, TellWhoseProblemsDiffer) {
  Verdicts v;
  v.report({entry("a", "One"),
            entry("b", "Two"),
            {{"Secret", "default", "b", {}}, {model::Severity::error, "X", "", "", "", ""}}});
  auto moved = entry("a", "One");
  moved.object.origin = {"elsewhere.yaml", 1};
  EXPECT_TRUE(v.report({moved, entry("b", "Two")}).empty());
  EXPECT_EQ(v.report({entry("b", "Three")}), (std::vector<std::string>{"default/b", "default/a"}));
}

TEST(Verdicts, AreShort) {
  Verdicts v;
  std::vector<model::Entry> many(50,
                                 entry("app", "PathConflict", std::string(299, 'x') + "äöü" + std::string(5000, 'y')));
  v.report(many);
  const auto text = v.of("default/app", false);
  EXPECT_LT(text.size(), 2500U);
  const auto parsed = boost::json::parse(text);  // valid, cut between characters
  EXPECT_EQ(parsed.at("problems").as_array().size(), kVerdictProblems);
  EXPECT_EQ(parsed.at("more"), 45);
}

}  // namespace
}  // namespace sluice::control::cluster
