// How long a connection to a pod lies idle.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "../bare_context.h"
#include "../nobody.h"
#include "data/upstream/h1_client.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A worker whose clock the test moves, and one pod.
struct Pod : BareContext {
  std::shared_ptr<EndpointRuntime> endpoint = std::make_shared<EndpointRuntime>();
  std::shared_ptr<const model::Options> options = std::make_shared<model::Options>();
  model::RouteSettings settings;
  int fd = -1;

  ~Pod() {
    worker.pool.close_everything();
    if (fd >= 0) close(fd);
  }
  // Turns of the loop, a tick of its deadlines apart.
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += 100ms) {
      clock.advance(100ms);
      worker.loop.turn(0ms);
    }
  }
  // One exchange on a new connection, which the pod answers with `fields`.
  void answers(const std::string& fields) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (fd >= 0) close(fd);
    fd = fds[1];
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + "\r\n";
    ASSERT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
    net::spawn(exchange(new H1Client(worker, endpoint, fds[0], Dial{})));
    worker.loop.turn(0ms);
  }
  net::Task<void> exchange(H1Client* connection) {
    Lease lease(*connection);
    Nobody nobody;
    Peer peer;
    auto memory = worker.borrow_memory();
    memory->request.clear();
    memory->request.method_text = "GET";
    Exchange ex(worker, nobody, peer, *memory);
    ex.options = options.get();
    ex.settings = &settings;
    ex.body_whole = true;
    Upstream& up = *lease;
    up.begin(ex);
    Status sent = co_await up.send_head(ex, {}, true);
    EXPECT_TRUE(sent);
    Status read = co_await up.read_head(ex);
    EXPECT_TRUE(read);
    lease.give_back();
    worker.return_memory(std::move(memory));
  }
  bool idle() const { return worker.pool.size() == 1; }
};

TEST(IdlePool, WhatThePodAnnouncesEndsIdlenessBeforeThePodDoes) {
  struct Row {
    const char* fields;
    Duration there, gone;
  };
  for (const auto& [fields, there, gone] : {
           Row{"", 59s, 61s},
           Row{"Keep-Alive: timeout=5\r\n", 3800ms, 4200ms},  // Node
           Row{"Keep-Alive: max=100, Timeout=5\r\n", 3800ms, 4200ms},
           Row{"Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n", 300ms, 700ms},
           Row{"Keep-Alive: timeout=600\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=99999999999999999999\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=soon\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=20, timeout=10\r\n", 8500ms, 9200ms},
       }) {
    Pod pod;
    pod.answers(fields);
    EXPECT_TRUE(pod.idle()) << fields;
    pod.pass(there);
    EXPECT_TRUE(pod.idle()) << fields;
    pod.pass(gone - there);
    EXPECT_FALSE(pod.idle()) << fields;
    char byte = 0;
    EXPECT_GT(read(pod.fd, &byte, 1), 0) << "the request";
  }
}

TEST(IdlePool, NoTimeAtAllIsNoReuse) {
  Pod pod;
  pod.answers("Keep-Alive: timeout=0\r\n");
  EXPECT_FALSE(pod.idle());
  EXPECT_EQ(pod.endpoint->connections, 0U);
}

}  // namespace
}  // namespace sluice::data
