// Objects that are asked for by name, of a server that is not always well.
#include "control/source/cluster/named_objects.h"

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <map>

namespace sluice::control::cluster {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Nobody : Credentials {
  asio::awaitable<Answer> current(Instant) override { co_return Answer(Current{}); }
  void refused() override {}
};

struct Learns : Sink {
  void learnt(const std::string& identity, ObjectPtr object, std::vector<model::Entry> entries) override {
    heard[identity] = object ? "there" : entries.empty() ? "" : entries.front().problem.reason;
  }
  void gone(const std::string& identity, ObjectPtr) override { heard[identity] = "gone"; }
  void complete(const Resource&) override {}
  void trouble(const Resource&, const ApiError&) override { ++troubles; }
  void recovered(const Resource&) override {}
  std::map<std::string, std::string> heard;
  int troubles = 0;
};

constexpr int kNoJson = -1;  // 200, with what cannot be read

// Answers each path with the statuses that it was given, the last one for ever; 0: the connection ends instead.
struct Server {
  explicit Server(asio::io_context& context) : io(context), acceptor(io, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(io, accept(), asio::detached);
  }
  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      asio::co_spawn(io, answer(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> answer(tcp::socket socket) {
    std::string in;
    for (;;) {
      const auto [error, size] = co_await asio::async_read_until(socket, asio::dynamic_buffer(in), "\r\n\r\n",
                                                                 asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      const std::string path = in.substr(4, in.find(' ', 4) - 4);
      in.erase(0, size);
      const auto& of = statuses.at(path);
      const int status = of[std::min(asked[path]++, of.size() - 1)];
      if (status == 0) co_return;
      std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a","name":")" +
                         path.substr(path.rfind('/') + 1) + R"("},"data":{}})";
      if (status == kNoJson) body.resize(body.size() - 1);
      const std::string out =
          "HTTP/1.1 " + std::to_string(status == kNoJson ? 200 : status) +
          " Any\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
          body;
      const auto [failed, written] =
          co_await asio::async_write(socket, asio::buffer(out), asio::as_tuple(asio::use_awaitable));
      if (failed) co_return;
    }
  }
  asio::io_context& io;
  tcp::acceptor acceptor;
  std::map<std::string, std::vector<int>> statuses;
  std::map<std::string, std::size_t> asked;
};

// What is published without the ConfigMap of proxy-set-headers lets clients set what only we may.
TEST(NamedObjects, AnErrorOfTheServerIsNoAnswer) {
  asio::io_context io;
  Server server(io);
  const auto at = [](const std::string& name) { return "/api/v1/namespaces/a/configmaps/" + name; };
  server.statuses = {{at("error"), {500, 200}}, {at("cut"), {0, 404}}, {at("busy"), {429, 200}},
                     {at("none"), {404}},       {at("denied"), {403}}, {at("broken"), {kNoJson}}};
  Access access;
  access.tls = false;
  access.host = "127.0.0.1";
  access.port = std::to_string(server.acceptor.local_endpoint().port());
  Nobody credentials;
  Learns sink;
  bool settled = false;
  NamedObjects objects(
      io, access, credentials, sink, [](const std::string&) { return false; },
      [&] {
        settled = true;
        io.stop();
      },
      1);
  objects.start();
  std::set<std::string> names;
  for (const auto& [path, of] : server.statuses) names.insert("ConfigMap/a/" + path.substr(path.rfind('/') + 1));
  objects.want(names);
  io.run_for(std::chrono::seconds(60));
  ASSERT_TRUE(settled);
  for (const char* name : {"error", "cut", "busy"}) EXPECT_EQ(server.asked[at(name)], 2U) << name;
  EXPECT_GE(sink.troubles, 3);
  EXPECT_EQ(sink.heard["ConfigMap/a/error"], "there");
  EXPECT_EQ(sink.heard["ConfigMap/a/busy"], "there");
  EXPECT_EQ(sink.heard["ConfigMap/a/cut"], "gone");
  EXPECT_EQ(sink.heard["ConfigMap/a/none"], "gone");
  EXPECT_EQ(sink.heard["ConfigMap/a/denied"], "Forbidden");
  EXPECT_EQ(sink.heard["ConfigMap/a/broken"], "Unreadable");
}

}  // namespace
}  // namespace sluice::control::cluster
