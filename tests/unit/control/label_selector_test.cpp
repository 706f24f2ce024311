#include <gtest/gtest.h>

#include "control/control.h"

namespace sluice::control {
namespace {

TEST(LabelSelector, TakesWhatKubernetesTakes) {
  for (const char* good :
       {"a", "!a", "a=b", "a==b", "a!=b", "a=", "a = b , c", "a in (b)", "a in (b,c)", "a notin ( b , c )", "a in (,b)",
        "a>1", "a<22", "example.com/team=x", "x.y_z-1=A.b_c", "in=notin", "a=b,!c,d in (e,f),g"})
    EXPECT_EQ(check_label_selector(good), "") << good;
}

TEST(LabelSelector, NamesWhatItDidNotExpect) {
  const auto says = [](const std::string& text, const std::string& what) {
    EXPECT_NE(check_label_selector(text).find(what), std::string::npos) << text << ": " << check_label_selector(text);
  };
  says("", "expected the key of a label, found the end");
  says("a,", "expected the key of a label, found the end");
  says("=b", "expected the key of a label, found \"=\"");
  says("-a=b", "expected the key of a label, found \"-a\"");
  says("A.b/team", "expected the key of a label");
  says("a/b/c", "expected the key of a label");
  says("a b", "expected =, ==, !=, in, notin, < or >, found \"b\"");
  says("a=b c", "expected ',' or the end, found \"c\"");
  says("!a=b", "expected ',' or the end, found \"=\"");
  says("a in b", "expected '(', found \"b\"");
  says("a in (b", "expected ')', found the end");
  says("a>b", "expected a number, found \"b\"");
  says("a=b_", "expected the value of a label, found \"b_\"");
  says("a=" + std::string(64, 'x'), "expected the value of a label");
  says(std::string(5000, 'a'), "at most 4096 bytes");
}

}  // namespace
}  // namespace sluice::control
