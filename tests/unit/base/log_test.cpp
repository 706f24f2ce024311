#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

// What goes to standard error while `run` logs.
template <class F>
std::string logged(bool json, std::string_view level, F&& run) {
  testing::internal::CaptureStderr();
  log::start(level, json);
  run();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, TextIsOneLineWhateverTheMessageHolds) {
  const std::string text = logged(false, "info", [] { log::error("object {}: {}", "a\nb", "c\x1b[31md\xff é \"q\""); });
  EXPECT_TRUE(text.ends_with(" error    object a\\nb: c\\x1b[31md\\xff é \"q\"\n")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Log, JsonEscapesTheMessage) {
  const std::string text = logged(true, "info", [] { log::warn("a\"b\\c\n\x01\xff é"); });
  EXPECT_TRUE(text.ends_with(R"(,"level":"warning","message":"a\"b\\c\u000a\u0001\u00ff é"})"
                             "\n"))
      << text;
  EXPECT_TRUE(text.starts_with("{\"time\":\"2")) << text;
}

TEST(Log, LevelChangesWhileRunning) {
  const std::string text = logged(false, "info", [] {
    log::debug("one");
    EXPECT_TRUE(log::set_level("debug"));
    log::debug("two");
    EXPECT_TRUE(log::set_level("ERROR"));
    log::warn("three");
    EXPECT_EQ(log::level(), "error");
    EXPECT_FALSE(log::set_level("loud"));
    EXPECT_FALSE(log::set_level(""));
    EXPECT_EQ(log::level(), "error");
  });
  EXPECT_EQ(text.find("one"), std::string::npos);
  EXPECT_NE(text.find("two"), std::string::npos);
  EXPECT_EQ(text.find("three"), std::string::npos);
}

TEST(Log, TakesNginxNames) {
  for (const auto& [name, level] : {std::pair{"notice", "info"},
                                    {"warning", "warn"},
                                    {"warn", "warn"},
                                    {"err", "error"},
                                    {"crit", "critical"},
                                    {"alert", "critical"},
                                    {"emerg", "critical"},
                                    {"off", "off"}}) {
    EXPECT_TRUE(log::set_level(name)) << name;
    EXPECT_EQ(log::level(), level);
  }
  log::set_level("info");
}

TEST(Log, AnUnknownLevelAtTheStartIsInfo) {
  logged(false, "loud", [] { EXPECT_EQ(log::level(), "info"); });
}

}  // namespace
}  // namespace sluice
