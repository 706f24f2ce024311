// What is written into the status of Ingresses, and what is left as it is.
#include "control/source/cluster/status_writer.h"

#include <gtest/gtest.h>

#include "api_server.h"

namespace sluice::control::cluster {
namespace {

using testing::ApiServer;

struct StatusWriterTest : ::testing::Test {
  static Settings settings(std::vector<std::string> addresses, std::string service) {
    Settings out;
    out.status.addresses = std::move(addresses);
    out.status.publish_service = std::move(service);
    return out;
  }
  void see(StatusWriter& writer, const std::string& identity, const std::string& json) {
    const auto document = parse_json(json, 1);
    writer.seen(identity, *document->root);
  }
  void see_ingress(StatusWriter& writer, const std::string& uid, const std::string& address) {
    see(writer, "Ingress/a/i", object(uid, address));
  }
  static std::string object(const std::string& uid, const std::string& address) {
    return R"({"metadata":{"namespace":"a","name":"i","uid":")" + uid + R"(","resourceVersion":")" + uid +
           R"("},"status":{"loadBalancer":{"ingress":[)" + (address.empty() ? "" : R"({"ip":")" + address + R"("})") +
           "]}}}";
  }
  boost::asio::io_context io;
  testing::Nobody nobody;
  std::vector<std::string> written;
  ApiServer server{io, [this](const std::string& asked, const std::string& body) -> ApiServer::Said {
                     written.push_back(asked + " " + body);
                     io.stop();
                     return {200, object("9", "192.0.2.1")};
                   }};
};

// For the Store nothing has changed then: it says nothing anew.
TEST_F(StatusWriterTest, AnIngressThatIsMadeAnewAtOnceGetsItsStatus) {
  StatusWriter writer(io, server.access, nobody, settings({"192.0.2.1"}, ""), [] { return true; }, 1);
  see_ingress(writer, "1", "192.0.2.1");
  writer.served({{{"Ingress", "a/i", ""}, true}});
  writer.gone("Ingress/a/i");
  see_ingress(writer, "2", "");
  writer.start();
  io.run_for(std::chrono::seconds(30));
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(written[0].find("192.0.2.1"), std::string::npos) << written[0];
}

TEST_F(StatusWriterTest, AServiceWithoutAnAddressYetTakesNoneAway) {
  StatusWriter writer(io, server.access, nobody, settings({}, "a/lb"), [] { return true; }, 1);
  const auto service = [&](const std::string& ip) {
    see(writer, "Service/a/lb",
        R"({"metadata":{"namespace":"a","name":"lb"},"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{)" +
            (ip.empty() ? "" : R"("ingress":[{"ip":")" + ip + R"("}])") + "}}}");
  };
  service("192.0.2.1");
  see_ingress(writer, "1", "192.0.2.1");
  writer.served({{{"Ingress", "a/i", ""}, true}});
  service("");
  see(writer, "Ingress/a/j", object("2", ""));
  writer.served({{{"Ingress", "a/j", ""}, true}});
  writer.start();
  io.run_for(std::chrono::seconds(30));
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(written[0].find("/j/status"), std::string::npos) << written[0];
  EXPECT_NE(written[0].find("192.0.2.1"), std::string::npos) << written[0];
}

// A status that names whom it is for: what it says follows from all of them that serve the object.
TEST_F(StatusWriterTest, OfSeveralParentsEachHasItsPartOfTheStatus) {
  static const StatusRow rows[] = {
      {.kind = "Secret",
       .read =
           [](const Node& object) {
             const Node* status = object.get("status");
             const Node* said = status ? status->get("said") : nullptr;
             return said ? std::string(said->text) : std::string();
           },
       .want =
           [](const std::string&, const std::set<std::string>& parents, const std::string& addresses) {
             std::string out;
             for (const auto& parent : parents) out += parent + "=" + addresses + ";";
             return out;
           },
       .write = [](const std::string& wanted) { return boost::json::object{{"said", wanted}}; }},
  };
  StatusWriter writer(io, server.access, nobody, settings({"192.0.2.1"}, ""), [] { return true; }, 1, rows);
  see(writer, "Secret/a/i", R"({"metadata":{"namespace":"a","name":"i","uid":"1","resourceVersion":"1"}})");
  see_ingress(writer, "1", "");
  writer.served(
      {{{"Secret", "a/i", "one"}, true}, {{"Secret", "a/i", "three"}, true}, {{"Secret", "a/i", "two"}, true}});
  writer.served({{{"Secret", "a/i", "three"}, false}, {{"Ingress", "a/i", ""}, true}});
  writer.start();
  io.run_for(std::chrono::seconds(30));
  ASSERT_EQ(written.size(), 1U) << "nothing of an Ingress, which has no row here";
  EXPECT_NE(written[0].find("/api/v1/namespaces/a/secrets/i/status"), std::string::npos) << written[0];
  EXPECT_NE(written[0].find("one=192.0.2.1;two=192.0.2.1;\""), std::string::npos) << written[0];
}

// Nobody says that the Lease is held again when it lapsed between two looks at it.
TEST_F(StatusWriterTest, WhoMayNotLooksAgainSoon) {
  int asked = 0;
  StatusWriter writer(io, server.access, nobody, settings({"192.0.2.1"}, ""), [&] { return ++asked > 8; }, 1);
  see_ingress(writer, "1", "");
  writer.served({{{"Ingress", "a/i", ""}, true}});
  writer.start();
  io.run_for(std::chrono::seconds(30));
  EXPECT_EQ(written.size(), 1U);
}

}  // namespace
}  // namespace sluice::control::cluster
