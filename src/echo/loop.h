#pragma once
#include <openssl/ssl.h>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "echo/task.h"

// One epoll loop a thread, and a byte stream over a socket or TLS on it.
namespace sluice::echo {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;

// What waits for one descriptor. Edge-triggered: the flags say what is possible until a call answers EAGAIN.
struct Watch {
  bool readable = true;
  bool writable = true;
  bool peer_left = false;  // the peer sent FIN or RST
  std::coroutine_handle<> reader, writer, sleeper;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Calls `accept(fd)` for each connection; the listener is shared by all loops.
  void listen(int fd, std::function<void(int)> accept);
  void watch(int fd, Watch& w);
  void run();  // never returns

  using Timers = std::multimap<Clock::time_point, std::coroutine_handle<>>;
  Timers timers;

 private:
  struct Listener {
    int fd;
    std::function<void(int)> accept;
  };
  void accept_all(Listener& l);
  int epoll_;
  std::map<int, Listener> listeners_;
};

// One connection. Reads are buffered; writes are sent whole. All calls answer false or 0 when the connection is over.
class Stream {
 public:
  Stream(Loop& loop, int fd, SSL* ssl);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Task<bool> handshake();
  std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t n) { begin_ += n; }
  // Reads more behind what is buffered (at most `limit` bytes then lie in the buffer).
  Task<bool> fill(std::size_t limit);
  Task<bool> write(std::string_view bytes);
  // False when the peer left meanwhile.
  Task<bool> sleep(Millis time);
  bool peer_left() const { return watch_.peer_left; }
  // Ends with RST instead of FIN.
  void reset_on_close();
  SSL* ssl() const { return ssl_; }
  std::string remote() const;

 private:
  enum class Want { done, read, write, over };
  Want try_read(char* out, std::size_t size, std::size_t& got);
  Want try_write(std::string_view bytes, std::size_t& sent);
  struct Ready;
  struct Sleep;

  Loop& loop_;
  int fd_;
  SSL* ssl_;
  Watch watch_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace sluice::echo
