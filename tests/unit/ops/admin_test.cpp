#include "ops/admin/admin.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <stdexcept>
#include <thread>

#include "base/log.h"
#include "ops/metrics/metrics.h"

namespace sluice::ops {
namespace {

AdminPage page(std::string path, std::function<AdminResponse(const AdminRequest&)> handler) {
  AdminPage p;
  p.path = std::move(path);
  p.content_type = "text/plain; charset=utf-8";
  p.help = "a page of the test";
  p.handler = std::move(handler);
  return p;
}

AdminPage health() {
  auto p = page("/healthz", [](const AdminRequest&) { return AdminResponse{200, "ok\n", {}}; });
  p.readers = AdminReaders::everybody;
  return p;
}

std::string curl(const AdminServer& server, const std::string& path, const std::string& more = "") {
  FILE* out =
      ::popen(("curl -sS -m 20 -i " + more + " 'http://" + server.bound_address() + path + "' 2>&1").c_str(), "r");
  std::string text;
  for (char part[4096]; std::fgets(part, sizeof part, out) != nullptr;) text += part;
  ::pclose(out);
  return text;
}

int dial(const AdminServer& server) {
  const std::string address = server.bound_address();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// Everything until the server closes, at most 10 s.
std::string read_all(int fd) {
  std::string text;
  char part[4096];
  for (pollfd p{fd, POLLIN, 0}; ::poll(&p, 1, 10'000) > 0;) {
    const ssize_t n = ::recv(fd, part, sizeof part, 0);
    if (n <= 0) return text;
    text.append(part, static_cast<std::size_t>(n));
  }
  return text + "(still open)";
}

std::string talk(const AdminServer& server, const std::string& request) {
  const int fd = dial(server);
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  std::string text = read_all(fd);
  ::close(fd);
  return text;
}

TEST(Admin, ServesPagesOnAPortItReports) {
  const auto server = AdminServer::start("127.0.0.1:0", {health()});
  EXPECT_TRUE(server->bound_address().starts_with("127.0.0.1:"));
  EXPECT_FALSE(server->bound_address().ends_with(":0"));
  const std::string text = curl(*server, "/healthz");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  EXPECT_NE(text.find("Content-Type: text/plain; charset=utf-8"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\n\r\nok\n")) << text;
}

TEST(Admin, ListsItsPagesAndRefusesOthers) {
  const auto server = AdminServer::start("127.0.0.1:0", {health(), log_level_page()});
  const std::string root = curl(*server, "/");
  EXPECT_NE(root.find("/healthz "), std::string::npos) << root;
  EXPECT_NE(root.find("/log/level "), std::string::npos) << root;
  const std::string missing = curl(*server, "/nosuch");
  EXPECT_TRUE(missing.starts_with("HTTP/1.1 404 ")) << missing;
  EXPECT_NE(missing.find("/healthz "), std::string::npos) << missing;
  const std::string wrong = curl(*server, "/healthz", "-X POST");
  EXPECT_TRUE(wrong.starts_with("HTTP/1.1 405 ")) << wrong;
  EXPECT_NE(wrong.find("Allow: GET, HEAD"), std::string::npos) << wrong;
}

TEST(Admin, AnswersHeadWithoutABody) {
  const auto server = AdminServer::start("127.0.0.1:0", {health()});
  const std::string text = talk(*server, "HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  EXPECT_NE(text.find("Content-Length: 3\r\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\n\r\n")) << text;
}

TEST(Admin, KeepsAConnectionForFurtherRequests) {
  const auto server = AdminServer::start("127.0.0.1:0", {health()});
  const std::string text =
      talk(*server,
           "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nosuch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
           "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 3U) << text;
}

TEST(Admin, PassesQueryAndBody) {
  auto p = page("/echo", [](const AdminRequest& r) {
    return AdminResponse{201, r.method + "|" + r.query + "|" + r.body, "text/x-test"};
  });
  p.methods = {"PUT"};
  const auto server = AdminServer::start("127.0.0.1:0", {p});
  const std::string text = curl(*server, "/echo?a=b", "-X PUT -d hello");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 201 ")) << text;
  EXPECT_NE(text.find("Content-Type: text/x-test"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("PUT|a=b|hello")) << text;
}

TEST(Admin, RefusesWhatIsTooLargeOrNoHttp) {
  const auto server = AdminServer::start("127.0.0.1:0", {health()});
  EXPECT_TRUE(talk(*server, "GET /healthz HTTP/1.1\r\nA: " + std::string(17'000, 'x')).starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(talk(*server, "PUT /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(talk(*server, "hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

TEST(Admin, AFailingPageIsA500AndTheRestLives) {
  const auto server =
      AdminServer::start("127.0.0.1:0", {health(), page("/bad", [](const AdminRequest&) -> AdminResponse {
                                           throw std::runtime_error("secret detail");
                                         })});
  const std::string text = curl(*server, "/bad");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 500 ")) << text;
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_TRUE(curl(*server, "/healthz").starts_with("HTTP/1.1 200 "));
}

TEST(Admin, SlowPagesAndSlowClientsDoNotHoldUpHealth) {
  std::promise<void> release;
  std::promise<void> entered;
  auto slow = page("/slow", [&, wait = release.get_future().share()](const AdminRequest&) {
    entered.set_value();
    wait.wait();
    return AdminResponse{200, "done", {}};
  });
  slow.slow = true;
  const auto server = AdminServer::start("127.0.0.1:0", {health(), slow});
  std::thread waiting([&] { EXPECT_TRUE(curl(*server, "/slow").ends_with("done")); });
  entered.get_future().wait();
  // Clients that never finish their head, more of them than connections are allowed.
  std::vector<int> idle;
  for (int i = 0; i < 80; ++i) {
    idle.push_back(dial(*server));
    ::send(idle.back(), "GET /heal", 9, MSG_NOSIGNAL);
  }
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(curl(*server, "/healthz").starts_with("HTTP/1.1 200 "));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  release.set_value();
  waiting.join();
  for (int fd : idle) ::close(fd);
}

TEST(Admin, ClosesAConnectionThatSendsNothing) {
  const auto server = AdminServer::start("127.0.0.1:0", {health()}, {}, {.connections = 4, .seconds = 1});
  EXPECT_EQ(talk(*server, "GET /healthz HTT"), "");
}

TEST(Admin, EndsWhileClientsAreConnected) {
  auto server = AdminServer::start("127.0.0.1:0", {health()});
  const int fd = dial(*server);
  EXPECT_TRUE(curl(*server, "/healthz").starts_with("HTTP/1.1 200 "));
  server.reset();
  EXPECT_EQ(read_all(fd), "");
  ::close(fd);
}

TEST(Admin, SaysWhyItCannotListen) {
  const auto message = [](const std::string& address) {
    try {
      AdminServer::start(address, {health()});
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string("it listened");
  };
  const auto server = AdminServer::start("127.0.0.1:0", {health()});
  EXPECT_NE(message(server->bound_address()).find("--admin " + server->bound_address() + ": cannot listen"),
            std::string::npos);
  EXPECT_NE(message("127.0.0.1").find("expected ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(message("127.0.0.1:x").find("port"), std::string::npos);
  EXPECT_NE(message("127.0.0.1:70000").find("port"), std::string::npos);
  EXPECT_NE(message("no host:1").find("no IP address"), std::string::npos);
}

TEST(Admin, ListensOnIpv6) {
  std::unique_ptr<AdminServer> server;
  try {
    server = AdminServer::start("[::1]:0", {health()});
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "no IPv6 here";
  }
  EXPECT_TRUE(server->bound_address().starts_with("[::1]:"));
  EXPECT_TRUE(curl(*server, "/healthz", "-g").starts_with("HTTP/1.1 200 "));
}

// A socket of both versions shows an IPv4 peer as ::ffff:127.0.0.1.
TEST(Admin, AMappedLoopbackAddressIsOne) {
  std::unique_ptr<AdminServer> server;
  try {
    server = AdminServer::start("[::]:0", {log_level_page()});
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "no IPv6 here";
  }
  const std::string before = log::level();
  const std::string text = talk(*server,
                                "PUT /log/level HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
                                "Connection: close\r\n\r\nerror");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 ")) << text;
  EXPECT_EQ(log::level(), "error");
  log::set_level(before);
}

TEST(Admin, SettingsOfAccessThatCannotBeAreNamed) {
  const auto message = [](AdminAccessSettings access) {
    try {
      AdminServer::start("127.0.0.1:0", {health()}, std::move(access));
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string("it listened");
  };
  AdminAccessSettings none;
  none.token_file = "/nonexistent/token";
  EXPECT_EQ(message(none),
            "--admin-token-file /nonexistent/token: cannot be read: No such file or directory; expected a file with a "
            "token");
  for (const char* host : {"", "a b", "a:1", "*.example", "http://a", ".a", "a..", "[::1]"}) {
    AdminAccessSettings named;
    named.hosts = {host};
    EXPECT_NE(message(named).find("--admin-host " + std::string(host) + ": expected a DNS name without port"),
              std::string::npos)
        << host;
  }
}

TEST(Admin, ChangesTheLogLevelLive) {
  const std::string before = log::level();
  const auto server = AdminServer::start("127.0.0.1:0", {log_level_page()});
  EXPECT_TRUE(curl(*server, "/log/level", "-X PUT -d error").ends_with("error\n"));
  EXPECT_EQ(log::level(), "error");
  EXPECT_TRUE(curl(*server, "/log/level").ends_with("error\n"));
  EXPECT_TRUE(curl(*server, "/log/level", "-X POST -d loud").starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(log::level(), "error");
  log::set_level(before);
}

TEST(Admin, ShowsMetrics) {
  Metrics metrics({"ns", "pod", "class", "0.1.0", "c"});
  const auto server = AdminServer::start("127.0.0.1:0", {metrics_page(metrics)});
  const std::string text = curl(*server, "/metrics");
  EXPECT_NE(text.find("Content-Type: text/plain; version=0.0.4; charset=utf-8"), std::string::npos)
      << text.substr(0, 300);
  EXPECT_NE(text.find("\nsluice_ready 0\n"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ops
