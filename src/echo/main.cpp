#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "echo/connection.h"
#include "echo/loop.h"
#include "echo/switches.h"

namespace {

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "sluice-echo: %s\n", why.c_str());
  std::exit(1);
}

// "127.0.0.1:8000", "[::1]:0", ":8000" (every address).
int listen_on(const std::string& where, std::string& bound) {
  auto colon = where.rfind(':');
  if (colon == std::string::npos) fail("--listen " + where + ": expected ADDR:PORT, e.g. 127.0.0.1:8000 or [::1]:0");
  auto host = where.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  if (int e = getaddrinfo(host.empty() ? "0.0.0.0" : host.c_str(), where.substr(colon + 1).c_str(), &hints, &found);
      e != 0)
    fail("--listen " + where + ": " + gai_strerror(e));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 4096) != 0)
    fail("cannot listen on " + where + ": " + std::strerror(errno));
  sockaddr_storage a{};
  socklen_t len = sizeof a;
  getsockname(fd, reinterpret_cast<sockaddr*>(&a), &len);
  char name[NI_MAXHOST], port[NI_MAXSERV];
  getnameinfo(reinterpret_cast<sockaddr*>(&a), len, name, sizeof name, port, sizeof port,
              NI_NUMERICHOST | NI_NUMERICSERV);
  bound = (a.ss_family == AF_INET6 ? "[" + std::string(name) + "]" : std::string(name)) + ":" + port;
  return fd;
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned int in_size,
                void*) {
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

SSL_CTX* make_tls(const std::string& cert, const std::string& key) {
  auto* ctx = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(ctx, cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    char why[256];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    fail("--tls-cert " + cert + " --tls-key " + key + ": " + why);
  }
  return ctx;
}

struct Listener {
  int fd;
  SSL_CTX* tls;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("sluice-echo, a demo pod: answers with what it was asked");
  std::vector<std::string> plain, secure;
  std::string cert, key;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  sluice::echo::Pod pod;
  pod.name = "echo";
  app.add_option(
         "--listen", plain,
         "Address for HTTP, ADDR:PORT, repeatable; port 0 takes a free one, which is printed (default 127.0.0.1:0)")
      ->allow_extra_args(false);
  app.add_option("--tls-listen", secure, "Address for HTTPS, repeatable; needs --tls-cert and --tls-key")
      ->allow_extra_args(false);
  app.add_option("--tls-cert", cert, "PEM chain; without --tls-listen every --listen address speaks TLS");
  app.add_option("--tls-key", key, "PEM key");
  app.add_option("--name", pod.name, "What it calls itself in its answers (default echo)");
  app.add_option("--threads", threads, "Threads, default one a core")->check(CLI::Range(1u, 256u));
  app.footer(std::string(sluice::echo::switches_help()));
  CLI11_PARSE(app, argc, argv);
  if (cert.empty() != key.empty() || (!secure.empty() && cert.empty()))
    fail("--tls-listen, --tls-cert and --tls-key go together");

  std::signal(SIGPIPE, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  SSL_CTX* tls = cert.empty() ? nullptr : make_tls(cert, key);
  if (tls && secure.empty()) plain.swap(secure);
  if (plain.empty() && secure.empty()) (tls ? secure : plain).emplace_back("127.0.0.1:0");
  std::vector<Listener> listeners;
  std::string bound;
  for (const auto& where : plain) {
    listeners.push_back({listen_on(where, bound), nullptr});
    std::printf("listening http %s\n", bound.c_str());
  }
  for (const auto& where : secure) {
    listeners.push_back({listen_on(where, bound), tls});
    std::printf("listening https %s\n", bound.c_str());
  }
  std::fflush(stdout);

  for (unsigned i = 0; i < threads; ++i)
    std::thread([&] {
      sluice::echo::Loop loop;
      for (const auto& l : listeners)
        loop.listen(l.fd, [&loop, &pod, l](int fd) { sluice::echo::serve(pod, loop, fd, l.tls); });
      loop.run();
    }).detach();
  int signal = 0;
  sigwait(&ends, &signal);
  // A pod that is killed answers no more; threads and connections end with the process.
  std::_Exit(0);
}
