// tenants: two tenants whose payloads share no byte value (below and from 0x80 on) go through one worker with the
// smallest socket buffers, writes cut into pieces and random cancellation. A foreign byte, or a wrong one, is counted.
// Both directions are watched: the pods compare request bodies with their ids (X-Body), this client compares answers.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <iostream>
#include <random>

#include "body.h"
#include "net.h"

using namespace support;
namespace json = boost::json;

namespace {

struct Options {
  std::string connect;
  std::vector<std::string> hosts{"t0.example", "t1.example"};
  std::uint64_t exchanges = 20000, max_size = 20000, max_body = 10000, seed = 1;
  int connections = 64;
  double cancel = 0.05, post = 0.3;
  int timeout = 60;
};
Options g;

struct Totals {
  std::uint64_t started = 0, ok = 0, cancelled = 0, foreign = 0, wrong = 0, wrong_head = 0, wrong_status = 0, lost = 0,
                timeouts = 0, connects = 0, closed = 0;
  std::vector<std::string> samples;
};
Totals t;
Loop* g_loop;
int g_alive = 0;

class Client : public Loop::Handler {
 public:
  Client(int index, const Address& to)
      : index_(index), tenant_(index & 1), to_(to), random_(g.seed * 1000003 + static_cast<std::uint64_t>(index)) {}
  ~Client() override { drop(false); }

  void open() {
    drop(false);
    if (t.started >= g.exchanges) {
      if (--g_alive == 0) g_loop->stop();
      return;
    }
    fd_ = connect_to(to_, Buffers{1, 1});
    if (fd_ < 0) {
      ++t.lost;
      g_loop->after(std::chrono::milliseconds(10), [this] { open(); });
      return;
    }
    ++t.connects;
    g_loop->add(fd_, EPOLLIN | EPOLLOUT, this);
    begin();
  }

  void ready(std::uint32_t events) override {
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      const int fd = fd_;
      read();
      if (fd_ != fd) return;
    }
    if (events & EPOLLOUT) write();
  }

 private:
  void begin() {
    if (t.started >= g.exchanges) return open();
    ++t.started;
    busy_ = true;
    head_done_ = false;
    in_.clear();
    offset_ = 0;
    close_ = false;
    id_ = "t" + std::to_string(tenant_) + "-" + std::to_string(index_) + "-" + std::to_string(count_++);
    size_ = random_() % (g.max_size + 1);
    chunked_answer_ = random_() % 2;
    const bool post = static_cast<double>(random_() % 1000) < g.post * 1000;
    const auto body = post ? random_() % (g.max_body + 1) : 0;
    out_ = (post ? "POST" : "GET") + std::string(" /") + id_ + "?size=" + std::to_string(size_) +
           (chunked_answer_ ? "&chunked=1&chunk=" + std::to_string(1 + random_() % 3000) : "") +
           " HTTP/1.1\r\nHost: " + g.hosts[static_cast<std::size_t>(tenant_)] + "\r\nX-Id: " + id_ + "\r\n";
    if (post) {
      out_ += "X-Body: id\r\n";
      const auto text = Body(id_).text(body);
      if (random_() % 2) {
        out_ += "Content-Length: " + std::to_string(body) + "\r\n\r\n" + text;
      } else {
        out_ += "Transfer-Encoding: chunked\r\n\r\n";
        for (std::size_t at = 0; at < text.size();) {
          const auto n = std::min<std::size_t>(text.size() - at, 1 + random_() % 2000);
          char head[24];
          out_.append(head, static_cast<std::size_t>(std::snprintf(head, sizeof head, "%zx\r\n", n)));
          out_.append(text, at, n) += "\r\n";
          at += n;
        }
        out_ += "0\r\n\r\n";
      }
    } else {
      out_ += "\r\n";
    }
    out_at_ = 0;
    // Cancel after so many bytes were sent or read.
    cancel_at_ =
        static_cast<double>(random_() % 10000) < g.cancel * 10000 ? random_() % (out_.size() + size_ + 200) : ~0ull;
    moved_ = 0;
    timer_ = g_loop->after(std::chrono::seconds(g.timeout), [this] {
      timer_.reset();
      ++t.timeouts;
      note("no whole answer in time");
      open();
    });
    write();
  }

  bool cancelled() {
    if (moved_ < cancel_at_) return false;
    ++t.cancelled;
    drop(random_() % 2);
    open();
    return true;
  }

  void write() {
    while (busy_ && out_at_ < out_.size()) {
      const auto n = std::min<std::size_t>(out_.size() - out_at_, 1 + random_() % 700);  // partial writes
      const ssize_t sent = send(fd_, out_.data() + out_at_, n, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) return;  // read() will see the end
      out_at_ += static_cast<std::size_t>(sent);
      moved_ += static_cast<std::uint64_t>(sent);
      if (cancelled()) return;
      if (random_() % 4 == 0 && out_at_ < out_.size()) return;  // the loop turns: readiness calls again
    }
    if (busy_ && out_at_ == out_.size()) g_loop->mod(fd_, EPOLLIN, this);
  }

  void read() {
    char buffer[4096];
    const std::size_t limit = 1 + random_() % sizeof buffer;
    const ssize_t n = recv(fd_, buffer, limit, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (busy_) {
        ++t.lost;
        note("connection ended");
        // That exchange was not finished: it counts as lost, not as done.
      } else {
        ++t.closed;
      }
      return open();
    }
    if (!busy_) {
      ++t.wrong;
      note("bytes without a request");
      return open();
    }
    moved_ += static_cast<std::uint64_t>(n);
    in_.append(buffer, static_cast<std::size_t>(n));
    if (!parse()) return;
    cancelled();
  }

  bool bad(std::uint64_t& what, const std::string& why) {
    ++what;
    note(why);
    open();
    return false;
  }

  // False when the connection was given up or the answer is complete.
  bool parse() {
    if (!head_done_) {
      const auto end = in_.find("\r\n\r\n");
      if (end == std::string::npos) return true;
      const std::string head = in_.substr(0, end + 2);
      in_.erase(0, end + 4);
      if (!head.starts_with("HTTP/1.1 200")) return bad(t.wrong_status, head.substr(0, 60));
      if (head.find("\r\nX-Id: " + id_ + "\r\n") == std::string::npos) return bad(t.wrong_head, head);
      if (head.find("\r\nX-Pod: t" + std::to_string(tenant_) + "\r\n") == std::string::npos)
        return bad(t.wrong_head, head);
      close_ = head.find("\r\nConnection: close\r\n") != std::string::npos;
      chunked_ = head.find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos;
      left_ = chunked_ ? 0 : size_;
      chunk_state_ = 0;
      head_done_ = true;
    }
    if (!chunked_) {
      if (!check(in_)) return false;
      in_.clear();
      return offset_ < size_ || done();
    }
    while (!in_.empty()) {
      if (chunk_state_ == 1) {
        const auto n = std::min<std::size_t>(left_, in_.size());
        if (!check(std::string_view(in_).substr(0, n))) return false;
        left_ -= n;
        in_.erase(0, n);
        if (left_ == 0) chunk_state_ = 2;
        continue;
      }
      const auto end = in_.find("\r\n");
      if (end == std::string::npos) return true;
      const auto line = in_.substr(0, end);
      in_.erase(0, end + 2);
      if (chunk_state_ == 2) {
        if (!line.empty()) return bad(t.wrong, "chunk end");
        chunk_state_ = 0;
      } else if (chunk_state_ == 0) {
        if (line.empty() || line.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
          return bad(t.wrong, "chunk size " + line);
        left_ = std::stoull(line, nullptr, 16);
        chunk_state_ = left_ ? 1 : 3;
      } else if (line.empty()) {
        return offset_ == size_ ? done() : bad(t.wrong, "length");
      }
    }
    return true;
  }

  bool check(std::string_view piece) {
    for (unsigned char c : piece)
      if ((c >= 0x80) != (tenant_ == 1)) return bad(t.foreign, "a byte of the other tenant");
    if (Body(id_).mismatch(offset_, piece) != piece.size()) return bad(t.wrong, "body bytes differ");
    offset_ += piece.size();
    return offset_ <= size_ || bad(t.wrong, "too long");
  }

  bool done() {
    if (!in_.empty()) return bad(t.wrong, "bytes after the answer");
    ++t.ok;
    busy_ = false;
    if (timer_) g_loop->cancel(*timer_);
    timer_.reset();
    if (close_ || out_at_ < out_.size()) {
      open();
      return false;
    }
    g_loop->mod(fd_, EPOLLIN | EPOLLOUT, this);
    begin();
    return false;
  }

  void note(const std::string& why) {
    if (t.samples.size() < 20) t.samples.push_back(id_ + ": " + why);
  }

  void drop(bool rudely) {
    if (timer_) g_loop->cancel(*timer_);
    timer_.reset();
    busy_ = false;
    if (fd_ < 0) return;
    if (rudely) {
      const linger l{1, 0};
      setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    g_loop->del(fd_);
    close(fd_);
    fd_ = -1;
  }

  int index_, tenant_, fd_ = -1, chunk_state_ = 0;
  Address to_;
  std::mt19937_64 random_;
  std::string in_, out_, id_;
  std::size_t out_at_ = 0;
  std::uint64_t count_ = 0, size_ = 0, offset_ = 0, left_ = 0, cancel_at_ = ~0ull, moved_ = 0;
  bool busy_ = false, head_done_ = false, close_ = false, chunked_ = false, chunked_answer_ = false;
  std::optional<Loop::Timer> timer_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Two tenants through one worker");
  app.add_option("--connect", g.connect)->required();
  app.add_option("--hosts", g.hosts, "the two tenants' hosts")->expected(2);
  app.add_option("--exchanges", g.exchanges);
  app.add_option("--connections", g.connections);
  app.add_option("--max-size", g.max_size);
  app.add_option("--max-body", g.max_body);
  app.add_option("--cancel", g.cancel, "share of exchanges that are given up midway");
  app.add_option("--post", g.post, "share of exchanges with a body");
  app.add_option("--seed", g.seed);
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  try {
    Loop loop;
    g_loop = &loop;
    const auto to = Address::parse(g.connect);
    std::vector<std::unique_ptr<Client>> clients;
    g_alive = g.connections;
    const auto begin = Clock::now();
    for (int i = 0; i < g.connections; ++i) clients.push_back(std::make_unique<Client>(i, to));
    for (auto& c : clients) c->open();
    loop.run();
    clients.clear();
    const bool good = t.foreign + t.wrong + t.wrong_head + t.wrong_status + t.lost + t.timeouts == 0;
    json::array samples;
    for (const auto& s : t.samples) samples.push_back(json::string(s));
    std::cout << json::serialize(json::object{{"good", good},
                                              {"exchanges", t.started},
                                              {"ok", t.ok},
                                              {"cancelled", t.cancelled},
                                              {"foreign_bytes", t.foreign},
                                              {"wrong_bytes", t.wrong},
                                              {"wrong_head", t.wrong_head},
                                              {"wrong_status", t.wrong_status},
                                              {"lost", t.lost},
                                              {"timeouts", t.timeouts},
                                              {"connects", t.connects},
                                              {"closed_idle", t.closed},
                                              {"seconds", std::chrono::duration<double>(Clock::now() - begin).count()},
                                              {"samples", samples}})
              << std::endl;
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "tenants: " << e.what() << "\n";
    return 2;
  }
}
