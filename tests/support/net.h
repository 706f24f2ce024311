#pragma once
#include <sys/epoll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Sockets and one small event loop for the test tools.
namespace support {

using Clock = std::chrono::steady_clock;

struct Address {
  sockaddr_storage ss{};
  socklen_t len = 0;
  // "127.0.0.1:80" or "[::1]:80". Throws std::runtime_error.
  static Address parse(std::string_view text);
  std::string text() const;
};

struct Buffers {
  int rcv = 0, snd = 0;  // 0: the kernel's default
};

int listen_on(const Address& at, Buffers buffers = {});
Address bound(int fd);
// Non-blocking connect; -1 with errno when it failed at once.
int connect_to(const Address& to, Buffers buffers = {});
// Blocking connect with send and receive timeouts of `seconds`; -1 with errno.
int connect_blocking(const Address& to, int seconds, Buffers buffers = {});
void set_buffers(int fd, Buffers buffers);
void set_nonblocking(int fd);
void set_blocking(int fd);
void raise_descriptor_limit();

class Loop {
 public:
  struct Handler {
    virtual ~Handler() = default;
    virtual void ready(std::uint32_t events) = 0;
  };
  using Timer = std::multimap<Clock::time_point, std::function<void()>>::iterator;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  void add(int fd, std::uint32_t events, Handler* h);
  void mod(int fd, std::uint32_t events, Handler* h);
  void del(int fd);
  Timer after(std::chrono::nanoseconds d, std::function<void()> fn);
  void cancel(Timer t) { timers_.erase(t); }
  // Destroys `h` at the end of this turn.
  void bury(std::unique_ptr<Handler> h) { graves_.push_back(std::move(h)); }
  void run();
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  int epoll_;
  bool stopped_ = false;
  std::multimap<Clock::time_point, std::function<void()>> timers_;
  std::vector<std::unique_ptr<Handler>> graves_;
};

}  // namespace support
