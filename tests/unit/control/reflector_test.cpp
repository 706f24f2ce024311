// What a Reflector makes of lists and watches that are large, end early or are forbidden for a moment.
#include "control/source/cluster/reflector.h"

#include <gtest/gtest.h>

#include <map>

#include "api_server.h"

namespace sluice::control::cluster {
namespace {

namespace asio = boost::asio;
using testing::ApiServer;

std::string ingress(const std::string& name, const std::string& version, const std::string& rules = "[]") {
  return R"({"metadata":{"namespace":"a","name":")" + name + R"(","resourceVersion":")" + version +
         R"("},"spec":{"ingressClassName":"nginx","rules":)" + rules + "}}";
}

// Valid, and its tree takes more than twenty times the text.
std::string many_rules() {
  std::string out = "[{}";
  for (int i = 1; i < 40'000; ++i) out += ",{}";
  return out + "]";
}

struct ReflectorTest : ::testing::Test, Sink {
  void learnt(const std::string& identity, ObjectPtr object, std::vector<model::Entry> entries) override {
    heard[identity] = object ? "there" : entries.empty() ? "" : entries.front().problem.reason;
    if (identity == last) io.stop();
  }
  void gone(const std::string& identity, ObjectPtr) override { heard[identity] = "gone"; }
  void complete(const Resource&) override {
    known_when_complete = heard.size();
    if (last.empty()) io.stop();
  }
  void trouble(const Resource&, const ApiError& error) override { troubles.emplace_back(error.what()); }
  void recovered(const Resource&) override {}

  void run(std::function<ApiServer::Said(const std::string&, const std::string&)> says,
           std::chrono::milliseconds most) {
    ApiServer server(io, std::move(says));
    Reflector reflector(io, server.access, nobody, {"Ingress", "/ingresses", "", true}, *this, 1);
    asio::co_spawn(io, reflector.run(), asio::detached);
    io.run_for(most);
  }

  asio::io_context io;
  testing::Nobody nobody;
  std::map<std::string, std::string> heard;
  std::string last;  // ends the test
  std::vector<std::string> troubles;
  std::size_t known_when_complete = 0;
};

constexpr auto kPatience = std::chrono::seconds(30);
const std::string kRefusal = R"({"kind":"Status","message":"no"})";

TEST_F(ReflectorTest, AnObjectWithALargeTreeHoldsUpNoOtherInAPage) {
  run(
      [&](const std::string& asked, const std::string&) -> ApiServer::Said {
        if (asked.find("sendInitialEvents") != std::string::npos) return {400, kRefusal};
        return {200, R"({"items":[)" + ingress("large", "1", many_rules()) + "," + ingress("small", "2") +
                         R"(],"kind":"IngressList","metadata":{"resourceVersion":"5"}})"};
      },
      kPatience);
  EXPECT_EQ(heard["Ingress/a/small"], "there");
  EXPECT_EQ(heard.size(), 2U);
  EXPECT_EQ(known_when_complete, 2U);
  EXPECT_TRUE(troubles.empty()) << troubles.front();
}

TEST_F(ReflectorTest, AnObjectWithALargeTreeHoldsUpNoOtherInAWatch) {
  last = "Ingress/a/small";
  const auto added = [](const std::string& object) { return R"({"type":"ADDED","object":)" + object + "}\n"; };
  run(
      [&](const std::string& asked, const std::string&) -> ApiServer::Said {
        if (asked.find("sendInitialEvents") != std::string::npos)
          return {200, R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1","annotations":)"
                       R"({"k8s.io/initial-events-end":"true"}}}})"
                       "\n"};
        return {200, added(ingress("large", "2", many_rules())) + added(ingress("small", "3")), true};
      },
      kPatience);
  EXPECT_EQ(heard["Ingress/a/small"], "there");
  EXPECT_TRUE(troubles.empty()) << troubles.front();
}

// What cannot be read at all is passed over, and all behind it is followed.
TEST_F(ReflectorTest, AnEventThatCannotBeReadIsNotAskedForAgain) {
  last = "Ingress/a/late";
  run(
      [&](const std::string& asked, const std::string&) -> ApiServer::Said {
        if (asked.find("sendInitialEvents") != std::string::npos)
          return {200, R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1","annotations":)"
                       R"({"k8s.io/initial-events-end":"true"}}}})"
                       "\n"};
        if (asked.find("resourceVersion=1&") != std::string::npos)
          return {200, "{\"type\":\"ADDED\",\"object\":{[\n", true};
        if (asked.find("limit=") != std::string::npos)
          return {200, R"({"metadata":{"resourceVersion":"9"},"items":[{"a":01},)" + ingress("small", "3") + "]}"};
        return {200, R"({"type":"ADDED","object":)" + ingress("late", "10") + "}\n", true};
      },
      kPatience);
  EXPECT_EQ(heard["Ingress/a/small"], "there");
  EXPECT_EQ(heard["Ingress/a/late"], "there");
  EXPECT_EQ(troubles.size(), 1U);
}

TEST_F(ReflectorTest, AListThatEndsBeforeItIsWholeIsNotAskedForInACircle) {
  int asked = 0;
  run(
      [&](const std::string&, const std::string&) -> ApiServer::Said {
        if (++asked == 4) io.stop();
        return {200, ""};
      },
      kPatience);
  EXPECT_EQ(asked, 4);
  EXPECT_GE(troubles.size(), 3U);
}

TEST_F(ReflectorTest, OneRefusalDoesNotMakeItKnown) {
  bool refused = false;
  run(
      [&](const std::string&, const std::string&) -> ApiServer::Said {
        if (!std::exchange(refused, true)) return {403, kRefusal};
        return {200,
                R"({"type":"ADDED","object":)" + ingress("small", "1") + "}\n" +
                    R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1","annotations":)"
                    R"({"k8s.io/initial-events-end":"true"}}}})"
                    "\n",
                true};
      },
      kPatience);
  EXPECT_EQ(known_when_complete, 1U);
}

}  // namespace
}  // namespace sluice::control::cluster
