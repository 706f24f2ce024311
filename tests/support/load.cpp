// load: keep-alive clients that never retry. Every answer's status, length and bytes are compared with what the id of
// the request promises (body.h); every connection that ends without an announcement is counted. Prints one JSON object.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <deque>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "body.h"
#include "net.h"

using namespace support;
namespace json = boost::json;

namespace {

struct Options {
  std::string connect, mode = "get", path = "/", id_prefix = "l", sni, name = "load";
  std::vector<std::string> hosts{"load.example"};
  int connections = 8, threads = 1, per_connection = 0, status = 200;
  std::uint64_t requests = 0;  // in all; 0: by duration
  double duration = 0, rate = 0, ramp = 0;
  std::uint64_t size_min = 1024, size_max = 1024, body = 0;
  bool tls = false, chunked_body = false, chunked_answer = false, reopen = false;
  std::string query;
  int timeout = 60;
  double interval = 1.0;  // slowloris: seconds between bytes
};
Options g;
std::atomic<bool> g_stop{false};
std::atomic<bool> g_leave{false};  // SIGUSR1: open nothing new, go on with what is open
std::atomic<std::uint64_t> g_issued{0}, g_connected{0}, g_done{0};

struct Totals {
  std::uint64_t ok = 0, wrong_status = 0, wrong_length = 0, wrong_body = 0, wrong_id = 0, malformed = 0;
  std::uint64_t lost = 0;                // the connection ended with a request in flight
  std::uint64_t closed_unannounced = 0;  // it ended idle, without a Connection: close before
  std::uint64_t closed_announced = 0, timeouts = 0, connects = 0, connect_failures = 0, tls_failures = 0, skipped = 0;
  std::uint64_t resumed = 0, echoes = 0, answers_while_slow = 0, bytes = 0;
  std::map<int, std::uint64_t> statuses;
  std::map<std::string, std::uint64_t> details;
  std::vector<std::uint32_t> latencies;  // microseconds
  std::uint64_t failed() const {
    return wrong_status + wrong_length + wrong_body + wrong_id + malformed + lost + timeouts + connect_failures +
           tls_failures;
  }
  void add(const Totals& o) {
    ok += o.ok, wrong_status += o.wrong_status, wrong_length += o.wrong_length, wrong_body += o.wrong_body,
        wrong_id += o.wrong_id;
    malformed += o.malformed, lost += o.lost, closed_unannounced += o.closed_unannounced,
        closed_announced += o.closed_announced;
    timeouts += o.timeouts, connects += o.connects, connect_failures += o.connect_failures,
        tls_failures += o.tls_failures;
    skipped += o.skipped, resumed += o.resumed, echoes += o.echoes, answers_while_slow += o.answers_while_slow,
        bytes += o.bytes;
    for (const auto& [k, v] : o.statuses) statuses[k] += v;
    for (const auto& [k, v] : o.details) details[k] += v;
    latencies.insert(latencies.end(), o.latencies.begin(), o.latencies.end());
  }
};

bool iequal(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return (x | 32) == (y | 32); });
}

struct Shard;

class Client : public Loop::Handler {
 public:
  Client(Shard& s, int index) : shard_(s), index_(index) {}
  ~Client() override { drop(); }
  void start();
  void ready(std::uint32_t events) override;
  bool idle() const { return state_ == State::idle; }
  void begin(Clock::time_point intended);
  void finish();  // the run is over

 private:
  enum class State { closed, connecting, handshake, idle, busy, hold };
  void connected();
  void next();
  void read();
  void parse();
  void answered();
  void failed(std::uint64_t Totals::* what, const std::string& detail);
  void drop();
  bool write();
  void ended();
  void want();
  void trickle();

  Shard& shard_;
  int index_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  State state_ = State::closed;
  bool want_write_ = false, armed_write_ = false, announced_ = false, over_ = false, gone_ = false, early_ = false;
  std::string in_, out_, id_;
  std::size_t out_at_ = 0;
  // of the answer
  bool head_done_ = false, chunked_ = false, until_close_ = false, close_ = false;
  int status_ = 0;
  std::uint64_t left_ = 0, offset_ = 0, size_ = 0;
  enum class Chunk { size, data, crlf, trailer } chunk_ = Chunk::size;
  std::uint64_t on_connection_ = 0, count_ = 0, body_left_ = 0, body_at_ = 0;
  Clock::time_point since_;
  std::optional<Loop::Timer> timer_, trickle_;
};

struct Shard {
  Loop loop;
  Totals totals;
  std::vector<std::unique_ptr<Client>> clients;
  SSL_CTX* ctx = nullptr;
  SSL_SESSION* session = nullptr;
  Address to;
  std::mt19937_64 random;
  std::deque<Client*> free;  // the one that rested longest first
  std::deque<Clock::time_point> backlog;
  int index = 0, alive = 0;
  void issue() {
    while (!backlog.empty() && !free.empty()) {
      Client* c = free.front();
      free.pop_front();
      if (!c->idle()) continue;
      const auto t = backlog.front();
      backlog.pop_front();
      c->begin(t);
    }
  }
};

void Client::drop() {
  if (timer_) shard_.loop.cancel(*timer_);
  if (trickle_) shard_.loop.cancel(*trickle_);
  timer_.reset();
  trickle_.reset();
  if (ssl_) SSL_free(ssl_);
  ssl_ = nullptr;
  if (fd_ >= 0) {
    shard_.loop.del(fd_);
    close(fd_);
  }
  fd_ = -1;
  state_ = State::closed;
  in_.clear();
  out_.clear();
  out_at_ = 0;
}

void Client::start() {
  drop();
  if (over_ || g_stop || g_leave) return finish();
  on_connection_ = 0;
  announced_ = head_done_ = false;
  const Buffers buffers = g.mode == "slowread" ? Buffers{1, 0} : Buffers{};
  fd_ = connect_to(shard_.to, buffers);
  if (fd_ < 0) return failed(&Totals::connect_failures, std::string("connect: ") + std::strerror(errno));
  state_ = State::connecting;
  armed_write_ = true;
  shard_.loop.add(fd_, EPOLLIN | EPOLLOUT, this);
}

void Client::want() {
  const bool w = want_write_ || out_at_ < out_.size() || state_ == State::connecting;
  if (w == armed_write_) return;
  armed_write_ = w;
  shard_.loop.mod(fd_, EPOLLIN | (w ? static_cast<std::uint32_t>(EPOLLOUT) : 0u), this);
}

void Client::connected() {
  ++shard_.totals.connects;
  ++g_connected;
  state_ = State::idle;
  next();
}

void Client::next() {
  if (over_) return finish();
  if (g.mode == "slowloris") {
    state_ = State::hold;
    out_ = "GET " + g.path + " HTTP/1.1\r\nHost: " + g.hosts[0] + "\r\nX-Slow: ";
    write();
    if (fd_ >= 0) trickle();
    return;
  }
  if (g.rate > 0) {
    shard_.free.push_back(this);
    return shard_.issue();
  }
  if (g_stop) return finish();
  if (g.requests && g_issued.fetch_add(1) >= g.requests) return finish();
  begin(Clock::now());
}

void Client::trickle() {
  trickle_ = shard_.loop.after(std::chrono::nanoseconds(static_cast<std::int64_t>(g.interval * 1e9)), [this] {
    trickle_.reset();
    if (g.mode == "slowread") {
      char c;
      const ssize_t n = recv(fd_, &c, 1, 0);
      if (n == 0 || (n < 0 && errno != EAGAIN)) {
        ++shard_.totals.closed_announced;  // a slow reader may be cut: that is the point
        return start();
      }
      return trickle();
    }
    out_ += 'a';
    write();
    if (fd_ >= 0) trickle();
  });
}

void Client::begin(Clock::time_point intended) {
  state_ = State::busy;
  since_ = intended;
  head_done_ = false;
  early_ = false;
  const auto n = count_++;
  size_ = g.size_min + (g.size_max > g.size_min ? shard_.random() % (g.size_max - g.size_min + 1) : 0);
  id_ = g.id_prefix + "-" + std::to_string(shard_.index) + "-" + std::to_string(index_) + "-" + std::to_string(n);
  const std::string& host = g.hosts[(static_cast<std::size_t>(index_) + n) % g.hosts.size()];
  std::string& o = out_;
  o.clear();
  out_at_ = 0;
  if (g.mode == "hold") {
    o = "GET " + g.path + "?id=" + id_ + " HTTP/1.1\r\nHost: " + host +
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  } else {
    const bool post = g.mode == "post";
    o = (post ? "POST " : "GET ") + g.path + "?size=" + std::to_string(size_) + (g.chunked_answer ? "&chunked=1" : "") +
        g.query + " HTTP/1.1\r\nHost: " + host + "\r\nX-Id: " + id_ + "\r\n";
    if (post) {
      o += "X-Body: id\r\n";
      o += g.chunked_body ? std::string("Transfer-Encoding: chunked\r\n")
                          : "Content-Length: " + std::to_string(g.body) + "\r\n";
    }
    o += "\r\n";
    body_at_ = 0;
    body_left_ = post ? g.body : 0;
    if (post && g.chunked_body && g.body == 0) o += "0\r\n\r\n";
  }
  timer_ = shard_.loop.after(std::chrono::seconds(g.timeout), [this] {
    timer_.reset();
    failed(&Totals::timeouts, "no whole answer in time");
  });
  write();
}

bool Client::write() {
  while (true) {
    if (out_at_ == out_.size()) {
      out_.clear();
      out_at_ = 0;
      if (state_ == State::busy && body_left_ > 0) {
        const auto n = std::min<std::uint64_t>(body_left_, 65536);
        if (g.chunked_body) {
          char head[24];
          out_.append(head, static_cast<std::size_t>(
                                std::snprintf(head, sizeof head, "%lx\r\n", static_cast<unsigned long>(n))));
        }
        const auto at = out_.size();
        out_.resize(at + n);
        Body(id_).fill(body_at_, out_.data() + at, n);
        body_at_ += n;
        body_left_ -= n;
        if (g.chunked_body) out_ += body_left_ ? "\r\n" : "\r\n0\r\n\r\n";
      } else {
        want_write_ = false;
        want();
        return true;
      }
    }
    ssize_t n;
    if (ssl_) {
      n = SSL_write(ssl_, out_.data() + out_at_,
                    static_cast<int>(std::min<std::size_t>(out_.size() - out_at_, 1 << 20)));
      if (n <= 0) {
        const int e = SSL_get_error(ssl_, static_cast<int>(n));
        ERR_clear_error();
        if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) {
          want_write_ = e == SSL_ERROR_WANT_WRITE;
          want();
          return true;
        }
        ended();
        return false;
      }
    } else {
      n = send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        want();
        return true;
      }
      if (n < 0) {
        // The answer may have come before: read it first (RFC 9112 section 9.5).
        body_left_ = 0;
        out_.clear();
        out_at_ = 0;
        read();
        return false;
      }
    }
    out_at_ += static_cast<std::size_t>(n);
  }
}

void Client::ready(std::uint32_t events) {
  if (state_ == State::connecting) {
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) return failed(&Totals::connect_failures, std::string("connect: ") + std::strerror(error));
    if (!(events & EPOLLOUT)) return;
    if (!g.tls) {
      state_ = State::idle;
      want();
      return connected();
    }
    ssl_ = SSL_new(shard_.ctx);
    SSL_set_fd(ssl_, fd_);
    SSL_set_tlsext_host_name(ssl_, (g.sni.empty() ? g.hosts[0] : g.sni).c_str());
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (shard_.session) SSL_set_session(ssl_, shard_.session);
    state_ = State::handshake;
  }
  if (state_ == State::handshake) {
    const int r = SSL_connect(ssl_);
    if (r == 1) {
      if (SSL_session_reused(ssl_)) ++shard_.totals.resumed;
      want_write_ = false;
      state_ = State::idle;
      want();
      return connected();
    }
    const int e = SSL_get_error(ssl_, r);
    ERR_clear_error();
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
      want_write_ = e == SSL_ERROR_WANT_WRITE;
      return want();
    }
    return failed(&Totals::tls_failures, "handshake");
  }
  if (g.mode == "slowread" && state_ == State::hold) {
    shard_.loop.mod(fd_, 0, this);
    return;
  }
  if (events & EPOLLOUT) {
    const int fd = fd_;
    if (!write() || fd_ != fd) return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read();
}

void Client::read() {
  char buffer[65536];
  const int fd = fd_;
  for (int round = 0; round < 32; ++round) {
    if (fd_ != fd || fd_ < 0) return;
    ssize_t n;
    if (ssl_) {
      n = SSL_read(ssl_, buffer, sizeof buffer);
      if (n <= 0) {
        const int e = SSL_get_error(ssl_, static_cast<int>(n));
        ERR_clear_error();
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return;
        return ended();
      }
    } else {
      n = recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return ended();
    }
    shard_.totals.bytes += static_cast<std::uint64_t>(n);
    in_.append(buffer, static_cast<std::size_t>(n));
    if (state_ == State::hold) {
      if (g.mode == "slowloris") {
        ++shard_.totals.answers_while_slow;  // 408 or a close: expected
        in_.clear();
        continue;
      }
      // A tunnel: the echo of what was sent.
      while (in_.size() >= id_.size()) {
        if (in_.compare(0, id_.size(), id_) == 0)
          ++shard_.totals.echoes;
        else
          ++shard_.totals.wrong_body;
        in_.erase(0, id_.size());
      }
      continue;
    }
    if (state_ != State::busy) {
      if (in_.starts_with("HTTP/1.1 408")) {
        announced_ = true;  // an idle close that says why
        continue;
      }
      return failed(&Totals::malformed, "bytes without a request");
    }
    parse();
    if (!ssl_ && static_cast<std::size_t>(n) < sizeof buffer) return;
  }
}

void Client::ended() {
  if (state_ == State::busy && head_done_ && until_close_) return answered();
  if (state_ == State::busy) {
    const std::string detail = head_done_            ? "ended inside a body"
                               : on_connection_ == 0 ? "ended before the first answer"
                                                     : "ended before a later answer";
    return failed(&Totals::lost, detail);
  }
  if (state_ == State::hold && g.mode == "slowloris") {
    ++shard_.totals.closed_announced;
    return g.reopen ? start() : finish();
  }
  if (state_ == State::hold) return failed(&Totals::lost, "tunnel ended");
  if (announced_)
    ++shard_.totals.closed_announced;
  else
    ++shard_.totals.closed_unannounced;
  start();
}

void Client::failed(std::uint64_t Totals::* what, const std::string& detail) {
  ++(shard_.totals.*what);
  ++shard_.totals.details[detail];
  if (what == &Totals::connect_failures || what == &Totals::tls_failures) {
    if (g.requests && g_issued >= g.requests) return finish();
    drop();
    trickle_ = shard_.loop.after(std::chrono::milliseconds(50), [this] {
      trickle_.reset();
      start();
    });
    return;
  }
  start();
}

void Client::parse() {
  while (state_ == State::busy) {
    if (!head_done_) {
      const auto end = in_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      const std::string_view head = std::string_view(in_).substr(0, end + 2);
      if (!head.starts_with("HTTP/1.1 ") || head.size() < 14) return failed(&Totals::malformed, "status line");
      status_ = std::atoi(head.data() + 9);
      chunked_ = close_ = false;
      until_close_ = true;
      left_ = 0;
      std::string_view id;
      std::string_view lines = head.substr(head.find("\r\n") + 2);
      while (!lines.empty()) {
        const auto e = lines.find("\r\n");
        const auto line = lines.substr(0, e);
        lines.remove_prefix(e + 2);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return failed(&Totals::malformed, "field line");
        const auto name = line.substr(0, colon);
        auto value = line.substr(colon + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        if (iequal(name, "content-length")) {
          left_ = std::strtoull(std::string(value).c_str(), nullptr, 10);
          until_close_ = false;
        } else if (iequal(name, "transfer-encoding")) {
          chunked_ = true;
          until_close_ = false;
        } else if (iequal(name, "connection") && iequal(value, "close")) {
          close_ = true;
        } else if (iequal(name, "x-id")) {
          id = value;
        }
      }
      if (status_ == 101 && g.mode == "hold") {
        in_.erase(0, end + 4);
        state_ = State::hold;
        ++shard_.totals.ok;
        ++g_done;
        if (timer_) shard_.loop.cancel(*timer_);
        timer_.reset();
        id_ += ".";
        trickle_ = shard_.loop.after(std::chrono::milliseconds(static_cast<int>(g.interval * 1000)), [this] {
          struct Again {
            Client* c;
            void operator()() const {
              c->trickle_.reset();
              c->out_ += c->id_;
              if (!c->write() || c->state_ != State::hold) return;
              c->trickle_ =
                  c->shard_.loop.after(std::chrono::milliseconds(static_cast<int>(g.interval * 1000)), Again{c});
            }
          };
          Again{this}();
        });
        return;
      }
      if (status_ < 200) {
        in_.erase(0, end + 4);
        continue;
      }
      ++shard_.totals.statuses[status_];
      if (status_ != g.status) {
        ++shard_.totals.wrong_status;
        ++shard_.totals.details["status " + std::to_string(status_)];
        return start();
      }
      if (id != id_) {
        ++shard_.totals.wrong_id;
        return start();
      }
      if (!chunked_ && !until_close_ && left_ != size_) {
        ++shard_.totals.wrong_length;
        return start();
      }
      in_.erase(0, end + 4);
      head_done_ = true;
      offset_ = 0;
      chunk_ = Chunk::size;
      if (g.mode == "slowread") {
        state_ = State::hold;
        if (timer_) shard_.loop.cancel(*timer_);
        timer_.reset();
        in_.clear();
        shard_.loop.mod(fd_, 0, this);
        ++g_done;
        return trickle();
      }
    }
    std::string_view data = in_;
    std::size_t taken = 0;
    bool done = false;
    auto body = [&](std::string_view piece) {
      if (Body(id_).mismatch(offset_, piece) != piece.size()) return false;
      offset_ += piece.size();
      return true;
    };
    if (!chunked_) {
      const auto n = until_close_ ? data.size() : std::min<std::size_t>(data.size(), left_);
      if (!body(data.substr(0, n))) return failed(&Totals::wrong_body, "body bytes differ");
      if (!until_close_) left_ -= n;
      taken = n;
      done = !until_close_ && left_ == 0;
    } else {
      while (!done) {
        const auto rest = data.substr(taken);
        if (chunk_ == Chunk::data) {
          const auto n = std::min<std::size_t>(rest.size(), left_);
          if (!body(rest.substr(0, n))) return failed(&Totals::wrong_body, "body bytes differ");
          left_ -= n;
          taken += n;
          if (left_) break;
          chunk_ = Chunk::crlf;
          continue;
        }
        const auto end = rest.find("\r\n");
        if (end == std::string_view::npos) break;
        taken += end + 2;
        if (chunk_ == Chunk::crlf) {
          if (end != 0) return failed(&Totals::malformed, "chunk end");
          chunk_ = Chunk::size;
        } else if (chunk_ == Chunk::size) {
          left_ = std::strtoull(std::string(rest.substr(0, end)).c_str(), nullptr, 16);
          chunk_ = left_ ? Chunk::data : Chunk::trailer;
        } else if (end == 0) {
          done = true;
        }
      }
    }
    in_.erase(0, taken);
    if (!done) return;
    return answered();
  }
}

void Client::answered() {
  if (timer_) shard_.loop.cancel(*timer_);
  timer_.reset();
  if (offset_ != size_)
    ++shard_.totals.wrong_length;
  else
    ++shard_.totals.ok;
  ++g_done;
  shard_.totals.latencies.push_back(
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since_).count()));
  ++on_connection_;
  if (!in_.empty()) return failed(&Totals::malformed, "bytes after the answer");
  if (close_ || until_close_) {
    ++shard_.totals.closed_announced;
    return start();
  }
  state_ = State::idle;
  announced_ = false;
  if (g.per_connection && on_connection_ >= static_cast<std::uint64_t>(g.per_connection)) return start();
  next();
}

void Client::finish() {
  over_ = true;
  if (state_ == State::busy || gone_) return;  // its answer is still due, or it was counted
  gone_ = true;
  drop();
  if (--shard_.alive == 0) shard_.loop.stop();
}

void run(Shard& s, int connections) {
  s.alive = connections;
  for (int i = 0; i < connections; ++i) s.clients.push_back(std::make_unique<Client>(s, i));
  std::function<void()> open;
  int opened = 0;
  const int step = g.ramp > 0 ? std::max(1, static_cast<int>(connections / (g.ramp * 100))) : connections;
  open = [&] {
    for (int i = 0; i < step && opened < connections; ++i) s.clients[static_cast<std::size_t>(opened++)]->start();
    if (opened < connections) s.loop.after(std::chrono::milliseconds(10), open);
  };
  open();
  if (g.duration > 0) {
    s.loop.after(std::chrono::nanoseconds(static_cast<std::int64_t>(g.duration * 1e9)), [&] {
      g_stop = true;
      s.totals.skipped += s.backlog.size();
      s.backlog.clear();
      for (auto& c : s.clients) c->finish();
    });
  }
  std::function<void()> poll = [&] {
    if (g_stop)
      for (auto& c : s.clients) c->finish();
    if (!s.loop.stopped()) s.loop.after(std::chrono::milliseconds(100), poll);
  };
  s.loop.after(std::chrono::milliseconds(100), poll);
  const auto begin = Clock::now();
  std::uint64_t sent = 0;
  std::function<void()> tick = [&] {
    if (g_stop) return;
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto due = static_cast<std::uint64_t>(elapsed * g.rate / g.threads);
    while (sent < due)
      s.backlog.push_back(begin + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(++sent) * 1e9 *
                                                                                     g.threads / g.rate)));
    s.issue();
    s.loop.after(std::chrono::microseconds(500), tick);
  };
  if (g.rate > 0) tick();
  s.loop.run();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Raw keep-alive clients that never retry");
  std::string size = "1024";
  app.add_option("--connect", g.connect, "address of the proxy")->required();
  app.add_option("--mode", g.mode)->check(CLI::IsMember({"get", "post", "slowloris", "slowread", "hold"}));
  app.add_option("--host", g.hosts, "Host values, taken in turn");
  app.add_option("--path", g.path);
  app.add_option("--query", g.query, "added to the query, with its leading &");
  app.add_option("--connections,-c", g.connections);
  app.add_option("--threads,-t", g.threads);
  app.add_option("--requests,-n", g.requests, "in all; 0: until --duration or SIGTERM");
  app.add_option("--duration,-d", g.duration, "seconds");
  app.add_option("--rate", g.rate, "requests a second, open loop; latency counts from the intended time");
  app.add_option("--ramp", g.ramp, "seconds over which connections are opened");
  app.add_option("--per-connection", g.per_connection,
                 "requests before the client itself reconnects; 0: without limit");
  app.add_option("--size", size, "of the answer: N or MIN:MAX");
  app.add_option("--body", g.body, "of the request, mode post");
  app.add_flag("--chunked-body", g.chunked_body);
  app.add_flag("--chunked-answer", g.chunked_answer);
  app.add_option("--status", g.status, "expected");
  app.add_option("--id-prefix", g.id_prefix);
  app.add_flag("--tls", g.tls);
  app.add_option("--sni", g.sni);
  app.add_option("--timeout", g.timeout, "seconds for one answer");
  app.add_option("--interval", g.interval, "seconds between bytes (slow modes) or messages (hold)");
  app.add_flag("--reopen", g.reopen, "slow modes: open a new connection when one was closed");
  CLI11_PARSE(app, argc, argv);
  g.size_min = g.size_max = std::stoull(size);
  if (const auto colon = size.find(':'); colon != std::string::npos) g.size_max = std::stoull(size.substr(colon + 1));
  signal(SIGPIPE, SIG_IGN);
  struct sigaction sa{};
  sa.sa_handler = [](int) { g_stop = true; };
  sigaction(SIGTERM, &sa, nullptr);
  sigaction(SIGINT, &sa, nullptr);
  sa.sa_handler = [](int) { g_leave = true; };
  sigaction(SIGUSR1, &sa, nullptr);
  raise_descriptor_limit();
  try {
    const auto to = Address::parse(g.connect);
    g.threads = std::min(g.threads, g.connections);
    std::vector<std::unique_ptr<Shard>> shards;
    std::vector<std::thread> threads;
    const auto begin = Clock::now();
    for (int i = 0; i < g.threads; ++i) {
      auto s = std::make_unique<Shard>();
      s->to = to;
      s->index = i;
      s->random.seed(static_cast<std::uint64_t>(i) + 1);
      if (g.tls) {
        s->ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(s->ctx, SSL_VERIFY_NONE, nullptr);
      }
      shards.push_back(std::move(s));
    }
    for (int i = 0; i < g.threads; ++i) {
      const int n = g.connections / g.threads + (i < g.connections % g.threads ? 1 : 0);
      threads.emplace_back([&s = *shards[static_cast<std::size_t>(i)], n] { run(s, n); });
    }
    std::atomic<bool> over{false};
    std::thread report([&] {  // progress on stderr, for scripts that wait for a state
      std::uint64_t last = ~0ull;
      while (!over) {
        const auto now = g_connected + g_done;
        if (now != last) std::cerr << "connected " << g_connected << " done " << g_done << std::endl;
        last = now;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    });
    for (auto& t : threads) t.join();
    over = true;
    report.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    Totals t;
    for (auto& s : shards) {
      t.add(s->totals);
      s->clients.clear();
    }
    std::sort(t.latencies.begin(), t.latencies.end());
    auto at = [&](double p) {
      if (t.latencies.empty()) return 0.0;
      return t.latencies[std::min(t.latencies.size() - 1,
                                  static_cast<std::size_t>(p * static_cast<double>(t.latencies.size())))] /
             1000.0;
    };
    json::object statuses, details;
    for (const auto& [k, v] : t.statuses) statuses[std::to_string(k)] = v;
    for (const auto& [k, v] : t.details) details[k] = v;
    std::cout << json::serialize(json::object{{"mode", g.mode},
                                              {"seconds", seconds},
                                              {"ok", t.ok},
                                              {"failed", t.failed()},
                                              {"rate", static_cast<double>(t.ok) / seconds},
                                              {"wrong_status", t.wrong_status},
                                              {"wrong_length", t.wrong_length},
                                              {"wrong_body", t.wrong_body},
                                              {"wrong_id", t.wrong_id},
                                              {"malformed", t.malformed},
                                              {"lost", t.lost},
                                              {"timeouts", t.timeouts},
                                              {"connects", t.connects},
                                              {"connect_failures", t.connect_failures},
                                              {"tls_failures", t.tls_failures},
                                              {"resumed", t.resumed},
                                              {"closed_unannounced", t.closed_unannounced},
                                              {"closed_announced", t.closed_announced},
                                              {"skipped", t.skipped},
                                              {"echoes", t.echoes},
                                              {"answers_while_slow", t.answers_while_slow},
                                              {"bytes", t.bytes},
                                              {"statuses", statuses},
                                              {"details", details},
                                              {"p50_ms", at(0.5)},
                                              {"p99_ms", at(0.99)},
                                              {"p999_ms", at(0.999)},
                                              {"max_ms", at(1.0)}})
              << std::endl;
    return t.failed() + t.closed_unannounced == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "load: " << e.what() << "\n";
    return 2;
  }
}
