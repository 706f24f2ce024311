// strict-pod: a pod that reads requests strictly, counts what it got and answers as the query of the request asks.
//   size=N status=N delay=MS chunked=1 chunk=N gap=MS trailers=1 nolength=1 close=1 stale=1 early=1 interim=CODE[:N]
//   abort=N (reset after N body bytes; abort=head: before the head) raw=HEX (these bytes, then close) hold=1 (never
//   answer) h=Name%3AValue (one more field)
// Control port: GET /stats, /ids, /last, /violations; POST /reset.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <deque>
#include <iostream>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "body.h"
#include "net.h"
#include "strict.h"

using namespace support;
namespace json = boost::json;

namespace {

struct Options {
  std::vector<std::string> listen{"127.0.0.1:0"};
  std::string control = "127.0.0.1:0";
  std::string name = "pod";
  bool small_buffers = false;
  std::uint64_t close_after = 0;  // requests a connection; the last answer is not announced when stale
  bool stale = false;
  int idle_close_ms = 0;
  std::uint64_t delay = 0, status = 200;
  std::uint64_t slots = 0;  // requests that are at their delay at once; the others wait for their turn; 0: all may
  bool forget_ids = false;
  bool graceful = false;
  std::string ledger;
};

struct Counts {
  std::uint64_t connections = 0, open = 0, requests = 0, completed = 0, responses = 0, violations = 0, body_bytes = 0;
  std::uint64_t bad_bodies = 0, lax_targets = 0, aborted_by_peer = 0, pipelined = 0, tunnels = 0, truncated = 0;
  std::unordered_map<std::string, std::uint32_t> ids;
  std::vector<std::pair<std::string, std::string>> samples;  // reason, bytes
  std::vector<std::string> last;                             // heads
  std::uint64_t seq = 0;
};

Options g_options;
Counts g_counts;
Loop* g_loop;
bool g_leaving = false;
int g_ledger = -1;

class Connection;
std::set<Connection*> g_connections;
std::uint64_t g_at_it = 0;  // requests that have a slot
std::deque<Connection*> g_waiting;

// What was asked, for whoever looks when this process is gone: in the file before it is answered.
void write_down(const std::string& id) {
  if (g_ledger < 0 || id.empty()) return;
  const std::string line = id + "\n";
  if (write(g_ledger, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
}

std::string hex(std::string_view s) {
  static const char* d = "0123456789abcdef";
  std::string out;
  for (unsigned char c : s) {
    out += d[c >> 4];
    out += d[c & 15];
  }
  return out;
}
std::string unhex(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i + 1 < s.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(s.substr(i, 2)), nullptr, 16));
  return out;
}
std::string percent_decode(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size()) {
      out += unhex(s.substr(i + 1, 2));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}
std::uint64_t number(std::string_view s, std::uint64_t otherwise) {
  if (s.empty()) return otherwise;
  std::uint64_t n = 0;
  for (char c : s) {
    if (c < '0' || c > '9') return otherwise;
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return n;
}

// RFC 6455 section 4.2.2.
std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH], out[32];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return {reinterpret_cast<char*>(out), static_cast<std::size_t>(EVP_EncodeBlock(out, digest, sizeof digest))};
}

void violation(const std::string& why, std::string_view bytes) {
  ++g_counts.violations;
  if (g_counts.samples.size() < 100) g_counts.samples.emplace_back(why, std::string(bytes.substr(0, 4096)));
}

class Connection : public Loop::Handler {
 public:
  explicit Connection(int fd) : fd_(fd) {
    ++g_counts.connections;
    ++g_counts.open;
    g_connections.insert(this);
    g_loop->add(fd_, EPOLLIN | EPOLLRDHUP, this);
    arm_idle();
  }
  ~Connection() override {
    disarm();
    disarm_idle();
    give_slot_back();
    std::erase(g_waiting, this);
    --g_counts.open;
    g_connections.erase(this);
    ::close(fd_);
    if (g_leaving && g_connections.empty()) g_loop->stop();
  }
  // As servers do that end: who asks nothing is let go, the others have their answer first.
  void leave() {
    if (!busy_ && !in_request_ && out_at_ == out_.size()) die(false);
  }

  void ready(std::uint32_t events) override {
    if (events & (EPOLLERR | EPOLLHUP)) return die(true);
    if (events & EPOLLOUT) {
      if (!flush()) return;
      pump();
      if (gone_) return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP)) receive();
  }

 private:
  void receive() {
    char buffer[65536];
    for (int round = 0; round < 16; ++round) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (n < 0) return die(true);
      if (n == 0) {
        eof_ = true;
        update();
        break;
      }
      const std::string_view got(buffer, static_cast<std::size_t>(n));
      if (tunnel_) {
        out_.append(got);
        continue;
      }
      if (raw_.size() < 8192) raw_.append(got.substr(0, 8192));
      reader_.append(got);
      if (static_cast<std::size_t>(n) < sizeof buffer) break;
    }
    step();
    if (gone_) return;
    if (!flush()) return;
    if (eof_ && !gone_) at_eof();
  }

  void at_eof() {
    if (tunnel_ && out_.empty()) return die(false);
    if (!busy_ && !in_request_) {
      if (!reader_.at_boundary() && !failed_) violation("connection ended inside a head", raw_);
      return die(false);
    }
    if (in_request_ && !request_done_) {
      ++g_counts.truncated;
      return die(false);
    }
    if (busy_) {  // the proxy left while we owed an answer: it gave up, or it half-closed
      ++g_counts.aborted_by_peer;
      return die(false);
    }
  }

  void step() {
    while (!gone_ && !failed_ && !tunnel_) {
      if (busy_ && request_done_) {
        if (!reader_.rest().empty()) ++g_counts.pipelined;
        return;
      }
      switch (reader_.next()) {
        case Reader::Event::more:
          return;
        case Reader::Event::violation:
          failed_ = true;
          violation(reader_.reason(), raw_);
          out_ +=
              "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nX-Violation: " + reader_.reason() +
              "\r\n\r\n";
          closing_ = true;
          if (!flush()) return;
          return;
        case Reader::Event::head:
          on_head();
          break;
        case Reader::Event::body: {
          const auto piece = reader_.piece();
          hash_ = fnv1a(piece, hash_);
          if (check_body_ && Body(id_).mismatch(length_, piece) != piece.size()) {
            if (!bad_body_) ++g_counts.bad_bodies;
            bad_body_ = true;
          }
          length_ += piece.size();
          g_counts.body_bytes += piece.size();
          break;
        }
        case Reader::Event::end:
          on_end();
          break;
      }
    }
  }

  void on_head() {
    disarm_idle();
    const Request& r = reader_.request();
    ++g_counts.requests;
    seq_ = ++g_counts.seq;
    id_ = r.get("x-id");
    if (id_.empty()) id_ = r.query("id");
    if (!id_.empty() && !g_options.forget_ids) ++g_counts.ids[id_];
    write_down(id_);
    g_counts.last.push_back(r.raw);
    if (g_counts.last.size() > 20) g_counts.last.erase(g_counts.last.begin());
    g_counts.lax_targets = std::max(g_counts.lax_targets, reader_.lax_targets());
    in_request_ = true;
    request_done_ = false;
    busy_ = true;
    answered_ = false;
    hash_ = 0xcbf29ce484222325ull;
    length_ = 0;
    bad_body_ = false;
    check_body_ = !r.get("x-body").empty();
    if (r.query("early") == "1") answer();
  }

  void on_end() {
    request_done_ = true;
    in_request_ = false;
    ++g_counts.completed;
    raw_.clear();
    if (answered_) return maybe_next();
    delay_ = number(reader_.request().query("delay"), g_options.delay);
    if (delay_ == 0) return answer();
    if (g_options.slots != 0 && g_at_it >= g_options.slots)
      g_waiting.push_back(this);
    else
      work();
  }

  void work() {
    ++g_at_it;
    has_slot_ = true;
    timer_ = g_loop->after(std::chrono::milliseconds(delay_), [this] {
      timer_.reset();
      give_slot_back();
      answer();
      flush();
    });
  }

  // As a server with so many threads: who has waited for longest comes next.
  void give_slot_back() {
    if (!has_slot_) return;
    has_slot_ = false;
    --g_at_it;
    if (g_options.slots == 0 || g_waiting.empty()) return;
    Connection* const next = g_waiting.front();
    g_waiting.pop_front();
    next->work();
  }

  void answer() {
    const Request& r = reader_.request();
    answered_ = true;
    ++served_;
    if (r.query("hold") == "1") return;
    if (!r.query("raw").empty()) {
      out_ += unhex(r.query("raw"));
      closing_ = r.query("keep").empty();
      busy_ = !closing_;
      if (!closing_) finish_response();
      return;
    }
    if (r.query("abort") == "head") return reset();
    if (!r.upgrade.empty() && r.query("noupgrade").empty()) {
      out_ += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + r.upgrade +
              "\r\nConnection: Upgrade\r\nX-Pod-Seq: " + std::to_string(seq_) + "\r\nX-Pod: " + g_options.name + "\r\n";
      if (const auto key = r.get("sec-websocket-key"); !key.empty())
        out_ += "Sec-WebSocket-Accept: " + websocket_accept(key) + "\r\n";
      out_ += "\r\n";
      tunnel_ = true;
      ++g_counts.tunnels;
      out_ += reader_.take_rest();
      return;
    }
    const auto interim = r.query("interim");
    if (!interim.empty() && r.minor == 1) {
      const auto colon = interim.find(':');
      const auto n = colon == std::string_view::npos ? 1 : number(interim.substr(colon + 1), 1);
      for (std::uint64_t i = 0; i < n; ++i) {
        out_ += "HTTP/1.1 " + std::string(interim.substr(0, colon)) + " Interim\r\nLink: </s.css>; rel=preload\r\n\r\n";
      }
    }
    const auto status = number(r.query("status"), g_options.status);
    const bool bodyless = r.method == "HEAD" || status == 204 || status == 304 || status < 200;
    size_ = number(r.query("size"), 16);
    chunk_ = number(r.query("chunk"), 16384);
    if (chunk_ == 0) chunk_ = 1;
    gap_ = number(r.query("gap"), 0);
    chunked_ = r.query("chunked") == "1" && r.minor == 1;
    const bool nolength = r.query("nolength") == "1";
    const bool last = g_options.close_after && served_ >= g_options.close_after;
    stale_ = r.query("stale") == "1" || (last && g_options.stale);
    close_ = r.query("close") == "1" || g_leaving || r.close || nolength || (last && !g_options.stale);
    abort_ = r.query("abort").empty() ? ~0ull : number(r.query("abort"), 0);
    trailers_ = chunked_ && r.query("trailers") == "1";
    std::string& o = out_;
    o += "HTTP/1.1 " + std::to_string(status) + " Answer\r\n";
    o += "X-Pod: " + g_options.name + "\r\nX-Pod-Seq: " + std::to_string(seq_) + "\r\n";
    if (!id_.empty()) o += "X-Id: " + id_ + "\r\n";
    if (request_done_)
      o += "X-Req-Length: " + std::to_string(length_) + "\r\nX-Req-Hash: " + std::to_string(hash_) + "\r\n";
    if (!r.query("h").empty()) o += percent_decode(r.query("h")) + "\r\n";
    if (gap_) o += "Content-Type: text/event-stream\r\n";
    if (close_) o += "Connection: close\r\n";
    if (trailers_) o += "Trailer: X-Sum\r\n";
    if (status != 204 && status >= 200) {
      if (chunked_)
        o += "Transfer-Encoding: chunked\r\n";
      else if (!nolength)
        o += "Content-Length: " + std::to_string(size_) + "\r\n";
    }
    o += "\r\n";
    sent_ = 0;
    if (bodyless) {
      size_ = 0;
      chunked_ = trailers_ = false;
    }
    responding_ = true;
    pump();
  }

  // Adds body bytes while the backlog is small; the socket's readiness calls again.
  void pump() {
    while (responding_ && !gone_ && out_.size() - out_at_ < (256u << 10)) {
      if (sent_ >= abort_) return reset();
      if (sent_ == size_) {
        if (chunked_) out_ += trailers_ ? "0\r\nX-Sum: " + std::to_string(size_) + "\r\n\r\n" : "0\r\n\r\n";
        responding_ = false;
        return finish_response();
      }
      auto n = std::min(size_ - sent_, chunked_ || gap_ ? chunk_ : std::uint64_t{65536});
      n = std::min(n, abort_ - sent_);
      if (chunked_) {
        char head[24];
        out_.append(
            head, static_cast<std::size_t>(std::snprintf(head, sizeof head, "%lx\r\n", static_cast<unsigned long>(n))));
      }
      const auto at = out_.size();
      out_.resize(at + n);
      Body(id_).fill(sent_, out_.data() + at, n);
      if (chunked_) out_ += "\r\n";
      sent_ += n;
      if (gap_ && sent_ < size_) {
        timer_ = g_loop->after(std::chrono::milliseconds(gap_), [this] {
          timer_.reset();
          pump();
          if (!gone_) flush();
        });
        return;
      }
    }
  }

  void finish_response() {
    ++g_counts.responses;
    if (close_ || stale_) closing_ = true;
    busy_ = false;
    if (request_done_) maybe_next();
  }

  void maybe_next() {
    if (responding_ || closing_) return;
    busy_ = false;
    arm_idle();
  }

  bool flush() {
    while (out_at_ < out_.size()) {
      const ssize_t n = send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        want(true);
        return true;
      }
      if (n < 0) {
        die(true);
        return false;
      }
      out_at_ += static_cast<std::size_t>(n);
      if (responding_ && out_.size() - out_at_ < 65536) {
        out_.erase(0, out_at_);
        out_at_ = 0;
        if (!timer_) pump();
        if (gone_) return false;
      }
    }
    out_.clear();
    out_at_ = 0;
    want(false);
    if (closing_ && !responding_) {
      die(false);
      return false;
    }
    if (!busy_ && !failed_ && !tunnel_ && !reader_.rest().empty() && !stepping_) {
      stepping_ = true;
      step();
      stepping_ = false;
      if (gone_) return false;
      return flush();
    }
    return true;
  }

  void want(bool writing) {
    if (writing_ == writing) return;
    writing_ = writing;
    update();
  }
  void update() {
    const std::uint32_t in = eof_ ? 0u : static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP);
    g_loop->mod(fd_, in | (writing_ ? static_cast<std::uint32_t>(EPOLLOUT) : 0u), this);
  }

  void reset() {
    // What was said so far goes out before the reset.
    while (out_at_ < out_.size()) {
      const ssize_t n = send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
      if (n <= 0) break;
      out_at_ += static_cast<std::size_t>(n);
    }
    const linger l{1, 0};
    if (reader_.request().query("fin").empty()) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    die(false);
  }

  void die(bool by_peer) {
    if (gone_) return;
    gone_ = true;
    give_slot_back();
    std::erase(g_waiting, this);
    if (by_peer && (busy_ || in_request_)) ++g_counts.aborted_by_peer;
    disarm();
    disarm_idle();
    g_loop->del(fd_);
    g_loop->bury(std::unique_ptr<Handler>(this));
  }

  void disarm() {
    if (timer_) g_loop->cancel(*timer_);
    timer_.reset();
  }
  void arm_idle() {
    if (!g_options.idle_close_ms || idle_) return;
    idle_ = g_loop->after(std::chrono::milliseconds(g_options.idle_close_ms), [this] {
      idle_.reset();
      die(false);
    });
  }
  void disarm_idle() {
    if (idle_) g_loop->cancel(*idle_);
    idle_.reset();
  }

  int fd_;
  Reader reader_;
  std::string out_, raw_, id_;
  std::size_t out_at_ = 0;
  std::optional<Loop::Timer> timer_, idle_;
  std::uint64_t delay_ = 0;
  bool has_slot_ = false;
  bool gone_ = false, eof_ = false, failed_ = false, tunnel_ = false, writing_ = false, stepping_ = false;
  bool busy_ = false, in_request_ = false, request_done_ = false, answered_ = false, responding_ = false,
       closing_ = false;
  bool chunked_ = false, close_ = false, stale_ = false, trailers_ = false, check_body_ = false, bad_body_ = false;
  std::uint64_t size_ = 0, sent_ = 0, chunk_ = 0, gap_ = 0, abort_ = ~0ull, length_ = 0, hash_ = 0, seq_ = 0,
                served_ = 0;
};

class Control : public Loop::Handler {
 public:
  explicit Control(int fd) : fd_(fd) { g_loop->add(fd_, EPOLLIN, this); }
  ~Control() override { ::close(fd_); }
  void ready(std::uint32_t) override {
    char buffer[8192];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) in_.append(buffer, static_cast<std::size_t>(n));
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0 && in_.find("\r\n\r\n") == std::string::npos) return;
    if (n > 0) {
      const std::string body = handle(in_);
      const std::string head =
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n";
      fcntl_blocking();
      for (const std::string& part : {head, body})
        for (std::size_t at = 0; at < part.size();) {
          const ssize_t sent = send(fd_, part.data() + at, part.size() - at, MSG_NOSIGNAL);
          if (sent <= 0) break;
          at += static_cast<std::size_t>(sent);
        }
    }
    g_loop->del(fd_);
    g_loop->bury(std::unique_ptr<Handler>(this));
  }

 private:
  void fcntl_blocking();
  static std::string handle(std::string_view request) {
    const auto& c = g_counts;
    const auto path = request.substr(0, request.find(" HTTP/"));
    if (path == "POST /reset") {
      const auto open = c.open;
      g_counts = {};
      g_counts.open = open;
      return "{}";
    }
    if (path == "GET /ids") {
      std::string out;
      for (const auto& [id, n] : c.ids) out += id + " " + std::to_string(n) + "\n";
      return out;
    }
    if (path == "GET /last") {
      json::array a;
      for (const auto& h : c.last) a.push_back(json::string(hex(h)));
      return json::serialize(a);
    }
    std::uint64_t twice = 0;
    json::array duplicates;
    for (const auto& [id, n] : c.ids)
      if (n > 1) {
        ++twice;
        if (duplicates.size() < 20) duplicates.push_back(json::string(id));
      }
    json::array samples;
    for (const auto& [why, bytes] : c.samples) samples.push_back(json::object{{"reason", why}, {"hex", hex(bytes)}});
    return json::serialize(json::object{{"name", g_options.name},
                                        {"connections", c.connections},
                                        {"open", c.open},
                                        {"requests", c.requests},
                                        {"completed", c.completed},
                                        {"responses", c.responses},
                                        {"violations", c.violations},
                                        {"violation_samples", samples},
                                        {"body_bytes", c.body_bytes},
                                        {"bad_bodies", c.bad_bodies},
                                        {"lax_targets", c.lax_targets},
                                        {"aborted_by_peer", c.aborted_by_peer},
                                        {"truncated", c.truncated},
                                        {"pipelined", c.pipelined},
                                        {"tunnels", c.tunnels},
                                        {"ids", c.ids.size()},
                                        {"ids_twice", twice},
                                        {"duplicates", duplicates}});
  }
  int fd_;
  std::string in_;
};

void Control::fcntl_blocking() {
  const timeval tv{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  set_blocking(fd_);
}

template <class T>
class Acceptor : public Loop::Handler {
 public:
  explicit Acceptor(int fd) : fd_(fd) { g_loop->add(fd_, EPOLLIN, this); }
  void leave() {
    g_loop->del(fd_);
    close(fd_);
  }
  void ready(std::uint32_t) override {
    for (int i = 0; i < 64; ++i) {
      const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      new T(fd);  // NOLINT: owns itself until the loop buries it
    }
  }

 private:
  int fd_;
};

// SIGTERM of a graceful pod: it takes nothing more, and ends when all that was asked has its answer.
class Leaving : public Loop::Handler {
 public:
  Leaving(int fd, std::vector<Acceptor<Connection>*> listeners) : fd_(fd), listeners_(std::move(listeners)) {
    g_loop->add(fd_, EPOLLIN, this);
  }
  void ready(std::uint32_t) override {
    g_loop->del(fd_);
    g_leaving = true;
    for (auto* listener : listeners_) listener->leave();
    const std::vector<Connection*> all(g_connections.begin(), g_connections.end());
    for (auto* connection : all) connection->leave();
    if (all.empty()) g_loop->stop();
  }

 private:
  int fd_;
  std::vector<Acceptor<Connection>*> listeners_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A strict pod");
  app.add_option("--listen", g_options.listen);
  app.add_option("--control", g_options.control);
  app.add_option("--name", g_options.name);
  app.add_flag("--small-buffers", g_options.small_buffers, "smallest socket buffers");
  app.add_option("--close-after", g_options.close_after, "requests a connection may carry");
  app.add_flag("--stale", g_options.stale, "close after --close-after without announcing it");
  app.add_option("--idle-close", g_options.idle_close_ms, "close connections idle for this many milliseconds");
  app.add_flag("--forget-ids", g_options.forget_ids, "do not keep the ids of requests");
  app.add_option("--delay", g_options.delay, "milliseconds before each answer whose query does not say");
  app.add_option("--slots", g_options.slots, "requests that are at that delay at once; others wait for their turn");
  app.add_option("--status", g_options.status, "of each answer likewise");
  app.add_flag("--graceful", g_options.graceful, "end at SIGTERM once all that was asked has its answer");
  app.add_option("--ledger", g_options.ledger, "file that the id of each request is appended to before its answer");
  CLI11_PARSE(app, argc, argv);
  if (!g_options.ledger.empty()) {
    g_ledger = open(g_options.ledger.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (g_ledger < 0) return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  try {
    Loop loop;
    g_loop = &loop;
    std::vector<std::unique_ptr<Loop::Handler>> acceptors;
    std::vector<Acceptor<Connection>*> listeners;
    const Buffers buffers = g_options.small_buffers ? Buffers{1, 1} : Buffers{};
    for (const auto& at : g_options.listen) {
      const int fd = listen_on(Address::parse(at), buffers);
      std::cout << "listening pod " << bound(fd).text() << "\n";
      auto acceptor = std::make_unique<Acceptor<Connection>>(fd);
      listeners.push_back(acceptor.get());
      acceptors.push_back(std::move(acceptor));
    }
    const int fd = listen_on(Address::parse(g_options.control));
    std::cout << "listening control " << bound(fd).text() << "\nready" << std::endl;
    acceptors.push_back(std::make_unique<Acceptor<Control>>(fd));
    if (g_options.graceful) {
      sigset_t ends;
      sigemptyset(&ends);
      sigaddset(&ends, SIGTERM);
      sigprocmask(SIG_BLOCK, &ends, nullptr);
      acceptors.push_back(std::make_unique<Leaving>(signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC), listeners));
    }
    loop.run();
  } catch (const std::exception& e) {
    std::cerr << "strict-pod: " << e.what() << "\n";
    return 1;
  }
}
