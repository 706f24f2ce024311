#include <poll.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include "support.h"

// Other people's clients against our sessions: openssl s_client, Python's ssl, curl, and sslyze where it is installed.
namespace sluice::net::tls {
namespace {

using namespace test;

// A thread a connection: handshake, read a request head, answer, close_notify.
class TinyServer {
 public:
  TinyServer(std::shared_ptr<ServerContext> context, std::shared_ptr<const CertificateTable> table)
      : context_(std::move(context)), table_(std::move(table)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(listener_, 128), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = std::to_string(ntohs(at.sin_port));
    acceptor_ = std::thread([this] {
      for (;;) {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        std::lock_guard lock(mutex_);
        connections_.emplace_back([this, fd] { serve(fd); });
      }
    });
  }
  ~TinyServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& t : connections_) t.join();
    close(listener_);
  }
  const std::string& port() const { return port_; }

 private:
  static bool wait(int fd, Io io) {
    pollfd p{fd, static_cast<short>(io == Io::again_write ? POLLOUT : POLLIN), 0};
    return poll(&p, 1, 20'000) == 1;
  }
  void serve(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    set_current_table(table_.get());
    {
      auto session = Session::server(context_, fd);
      Io io;
      while ((io = session->handshake()) == Io::again_read || io == Io::again_write)
        if (!wait(fd, io)) break;
      std::string head;
      char buffer[4096];
      while (io == Io::done && head.find("\r\n\r\n") == std::string::npos && head.size() < 10'000) {
        const auto r = session->read(buffer, sizeof buffer);
        if (r.io == Io::done) head.append(buffer, r.bytes);
        if (r.io == Io::again_read ? !wait(fd, r.io) : r.io != Io::done) io = Io::closed;
      }
      if (io == Io::done) {
        std::string body = "name=" + std::string(session->server_name()) +
                           " resumed=" + (session->resumed() ? "yes" : "no") +
                           " version=" + std::string(session->version()) + "\n";
        std::string answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n" + body;
        const iovec part{answer.data(), answer.size()};
        session->write(&part, 1);
        while (session->flush() == Io::again_write && wait(fd, Io::again_write)) {
        }
        session->shutdown();
      }
    }
    ::shutdown(fd, SHUT_WR);
    close(fd);
  }

  std::shared_ptr<ServerContext> context_;
  std::shared_ptr<const CertificateTable> table_;
  int listener_;
  std::string port_;
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<std::thread> connections_;
};

std::string run(const std::string& command) {
  FILE* pipe = popen(("timeout 120 " + command + " 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  std::size_t n;
  while ((n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) out.append(buffer.data(), n);
  pclose(pipe);
  return out;
}
bool have(const std::string& tool) {
  return std::system(("command -v " + tool + " >/dev/null 2>&1").c_str()) == 0;
}

class Strangers : public testing::Test {
 protected:
  Identity root_ = make_identity({.cn = "root", .ca = true});
  KeyPairPtr issued(const std::string& type) {
    const Identity leaf = make_identity({.type = type, .cn = "localhost", .san = "DNS:localhost", .issuer = &root_});
    return parse_key_pair(leaf.certificate_pem, leaf.key_pem).value_or(nullptr);
  }
  std::shared_ptr<const CertificateTable> table_ =
      make_table(nullptr, {{"localhost", {issued("RSA"), issued("EC")}}}, nullptr, false);
  TinyServer server_{server_context(), table_};
};

TEST_F(Strangers, OpensslClientConnectsAndResumes) {
  if (!have("openssl")) GTEST_SKIP() << "openssl is not installed";
  const std::string file = testing::TempDir() + "tls-session-" + std::to_string(getpid());
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const std::string client = std::string("openssl s_client -quiet -ign_eof ") + version +
                               " -servername LocalHost -connect 127.0.0.1:" + server_.port();
    const std::string request = "sh -c 'printf \"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\" | ";
    std::string said = run(request + client + " -sess_out " + file + "'");
    EXPECT_NE(said.find("name=localhost resumed=no"), std::string::npos) << said;
    said = run(request + client + " -sess_in " + file + "'");
    EXPECT_NE(said.find("name=localhost resumed=yes"), std::string::npos) << said;
    std::remove(file.c_str());
  }
}

TEST_F(Strangers, PythonVerifiesTheChainAndSeesACleanEnd) {
  if (!have("python3")) GTEST_SKIP() << "python3 is not installed";
  const std::string base = testing::TempDir() + "tls-python-" + std::to_string(getpid());
  std::ofstream(base + ".pem") << root_.certificate_pem;
  std::ofstream(base + ".py") << R"(
import socket, ssl, sys
ctx = ssl.create_default_context(cafile=sys.argv[1])
with ctx.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname="localhost",
                     suppress_ragged_eofs=False) as s:
    s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    while chunk := s.recv(1000):
        data += chunk
    print(s.version(), data.decode().splitlines()[-1], "clean end")
)";
  const std::string said = run("python3 " + base + ".py " + base + ".pem " + server_.port());
  EXPECT_NE(said.find("TLSv1.3 name=localhost resumed=no version=TLSv1.3 clean end"), std::string::npos) << said;
  std::remove((base + ".pem").c_str());
  std::remove((base + ".py").c_str());
}

TEST_F(Strangers, CurlVerifiesTheChain) {
  if (!have("curl")) GTEST_SKIP() << "curl is not installed";
  const std::string ca = testing::TempDir() + "tls-curl-" + std::to_string(getpid()) + ".pem";
  std::ofstream(ca) << root_.certificate_pem;
  const std::string said = run("curl -sS --http1.1 --cacert " + ca + " --resolve localhost:" + server_.port() +
                               ":127.0.0.1 https://localhost:" + server_.port() + "/");
  EXPECT_EQ(said, "name=localhost resumed=no version=TLSv1.3\n");
  std::remove(ca.c_str());
}

TEST_F(Strangers, SslyzeFindsMozillasIntermediateProfile) {
  if (!have("sslyze")) GTEST_SKIP() << "sslyze is not installed";
  const std::string said = run("sslyze --mozilla_config=intermediate localhost:" + server_.port());
  const auto verdict = said.find("COMPLIANCE AGAINST TLS CONFIGURATION");
  ASSERT_NE(verdict, std::string::npos) << said;
  // A test's certificate cannot chain to a public root; that is the one thing that may be found.
  int findings = 0;
  for (auto at = said.find("        * ", verdict); at != std::string::npos; at = said.find("        * ", at + 1))
    findings += said.compare(at, 37, "        * certificate_path_validation") != 0;
  EXPECT_EQ(findings, 0) << said;
  EXPECT_NE(said.find("certificate_path_validation", verdict), std::string::npos) << said;
}

}  // namespace
}  // namespace sluice::net::tls
