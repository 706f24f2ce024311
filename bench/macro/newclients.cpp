// newclients PORT SECONDS THREADS HOST PATH: clients that were never there before. Each of THREADS opens one connection
// after the other: a full TLS handshake (no session is ever offered), one request with Connection: close, read to the
// end. Prints "N requests in S seconds, B bad".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// One connection from its SYN to its end: true for a whole answer of 200.
bool ask(SSL_CTX* ctx, const sockaddr_in& to, const std::string& request, const char* host) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  const timeval patience{5, 0};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  SSL* ssl = SSL_new(ctx);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, host);
  std::string answer;
  char buffer[16384];
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 && SSL_connect(ssl) == 1 &&
      SSL_session_reused(ssl) == 0 && SSL_write(ssl, request.data(), static_cast<int>(request.size())) > 0)
    for (int n; (n = SSL_read(ssl, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<std::size_t>(n));
  SSL_free(ssl);
  close(fd);
  const auto head = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200") || head == std::string::npos) return false;
  for (const char* name : {"Content-Length: ", "content-length: "})
    if (const auto at = answer.find(name); at < head)
      return answer.size() - head - 4 == std::strtoul(answer.c_str() + at + 16, nullptr, 10);
  return true;  // chunked, or until the end
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: newclients PORT SECONDS THREADS HOST PATH\n");
    return 2;
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  const std::string request =
      std::string("GET ") + argv[5] + " HTTP/1.1\r\nHost: " + argv[4] + "\r\nConnection: close\r\n\r\n";
  const auto began = Clock::now(), end = began + std::chrono::seconds(std::atoi(argv[2]));
  std::atomic<long> good{0}, bad{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[3]); ++i)
    threads.emplace_back([&] {
      while (Clock::now() < end) (ask(ctx, to, request, argv[4]) ? good : bad)++;
    });
  for (auto& t : threads) t.join();
  std::printf("%ld requests in %.2f seconds, %ld bad\n", good.load(),
              std::chrono::duration<double>(Clock::now() - began).count(), bad.load());
  SSL_CTX_free(ctx);
}
