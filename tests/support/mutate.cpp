// mutate: sends damaged requests to the proxy and asks the strict pod behind it what arrived. Holds when
//   - the pod saw no byte that a strict reader refuses,
//   - each request that the pod completed was answered exactly once, and no answer has an owner twice,
//   - what was accepted is what a strict reader finds in the bytes sent: never more requests, never other ids, in
//   order,
//   - the proxy still serves.
// Case N of a seed is always the same bytes: --only N sends and shows one.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json.hpp>
#include <csignal>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <unordered_set>

#include "net.h"
#include "strict.h"

using namespace support;
namespace json = boost::json;

namespace {

// Whole requests; {i} is the id, {h} the host. Legal ones and, from the catalogue of docs/malformed.md, illegal ones.
const char* const kSeeds[] = {
    "GET /{i}?size=20&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\n\r\n",
    "GET /{i}?size=20&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nConnection: close\r\nAccept: "
    "*/*\r\nUser-Agent: m\r\n\r\n",
    "HEAD /{i}?size=20&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\n\r\n",
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nTransfer-Encoding: "
    "chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nTransfer-Encoding: chunked\r\nTrailer: "
    "X-T\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: v\r\n\r\n",
    "PUT /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nExpect: 100-continue\r\nContent-Length: "
    "5\r\n\r\nhello",
    "OPTIONS * HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\n\r\n",
    "GET http://{h}/{i}?size=20&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\n\r\n",
    "GET /{i}?size=20&noupgrade=1 HTTP/1.0\r\nHost: {h}\r\nX-Id: {i}\r\nConnection: keep-alive\r\n\r\n",
    "GET /{i}?size=20&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nConnection: Upgrade\r\nUpgrade: "
    "websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    // Two on one connection: where the first ends is the question.
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}a\r\nContent-Length: 5\r\n\r\nhelloGET "
    "/{i}?size=9&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}b\r\n\r\n",
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}a\r\nTransfer-Encoding: "
    "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /{i}?size=9&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}b\r\n\r\n",
    "GET /{i}?size=9&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}a\r\n\r\nGET /{i}?size=9&noupgrade=1 "
    "HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}b\r\n\r\nGET /{i}?size=9&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: "
    "{i}c\r\n\r\n",
    // A request inside a body, the classic of smuggling.
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}a\r\nContent-Length: 6\r\nTransfer-Encoding: "
    "chunked\r\n\r\n0\r\n\r\nGGET /x HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}x\r\n\r\n",
    "POST /{i}?size=8&noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}a\r\nContent-Length: 44\r\n\r\nGET /{i}s "
    "HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}s\r\n\r\n\r\n",
    "POST /{i}?noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "POST /{i}?noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nTransfer-Encoding: "
    "xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /{i}?noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nTransfer-Encoding: "
    "chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "GET /{i}?noupgrade=1 HTTP/1.1\r\nHost: {h}\r\nX-Id: {i}\r\nX-A: b\r\n folded\r\n\r\n",
    "GET /{i}/%2e%2e/a%2fb/../c?q=%41&noupgrade=1 HTTP/1.1\r\nHost: {h}:80\r\nX-Id: {i}\r\nCookie: a=b; "
    "c=d\r\nAuthorization: Basic YTpi\r\n\r\n",
};

const char* const kLines[] = {
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length : 5\r\n",
    "Content-Length:\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: 18446744073709551621\r\n",
    "Content_Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding: \x0b"
    "chunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "X: a\rTransfer-Encoding: chunked\r\n",
    "X: a\nTransfer-Encoding: chunked\r\n",
    "Host: evil.example\r\n",
    "Host:\r\n",
    "Host: a b\r\n",
    " Host: x\r\n",
    "Connection: Content-Length\r\n",
    "Connection: Transfer-Encoding\r\n",
    "Connection: close, X-Forwarded-For\r\n",
    "Connection: keep-alive\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Proxy-Connection: keep-alive\r\n",
    "TE: deflate\r\n",
    "TE: trailers\r\n",
    "Proxy: x\r\n",
    "Expect: 100-continue\r\n",
    "Expect: y 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "Upgrade: websocket\r\n",
    "X-Nul: a\0b\r\n",
    "X-Ctl: a\x01"
    "b\r\n",
    "X A: b\r\n",
    ": b\r\n",
    "nocolon\r\n",
    "X@A: b\r\n",
    "X-A:\xff\xfe\r\n",
    "\r\n",
    "Authorization: Basic YTpi\r\n",
    "Max-Forwards: 0\r\n",
    "X-Forwarded-For: 1.2.3.4\r\n",
};

const char kBytes[] =
    "\0\r\n\t \x0b\x0c:;,/?#%&=+-_.\"'\\|[]{}()<>@\x7f\x80\xff"
    "0123456789aAfFxXgGzZ";

std::string replace(std::string s, std::string_view from, const std::string& to) {
  for (auto at = s.find(from); at != std::string::npos; at = s.find(from, at + to.size()))
    s.replace(at, from.size(), to);
  return s;
}

struct Case {
  std::string bytes;
  std::vector<std::size_t> cuts;  // where writes end
};

Case make(std::uint64_t seed, std::uint64_t index, const std::string& host) {
  std::mt19937_64 r(seed * 0x9e3779b97f4a7c15ull + index);
  auto below = [&](std::size_t n) { return n == 0 ? std::size_t{0} : static_cast<std::size_t>(r() % n); };
  auto pick = [&] {
    return replace(replace(kSeeds[below(std::size(kSeeds))], "{i}", "m" + std::to_string(index)), "{h}", host);
  };
  Case c;
  c.bytes = pick();
  std::string& b = c.bytes;
  const auto mutations = below(5);  // none in one of five
  for (std::size_t m = 0; m < mutations && !b.empty(); ++m) {
    const auto at = below(b.size());
    switch (below(12)) {
      case 0:
        b.erase(at, 1);
        break;
      case 1:
        b.insert(at, 1, kBytes[below(sizeof kBytes - 1)]);
        break;
      case 2:
        b[at] = kBytes[below(sizeof kBytes - 1)];
        break;
      case 3:
        b[at] = static_cast<char>(r());
        break;
      case 4:
        b.erase(at, below(20));
        break;
      case 5:
        b.insert(at, b.substr(at, 1 + below(30)));
        break;  // duplicate a span
      case 6:
      case 7: {  // a line of the catalogue between two lines
        const auto line = b.find("\r\n", at);
        const char* text = kLines[below(std::size(kLines))];
        std::string s(text);
        if (s.starts_with("X-Nul")) s = std::string("X-Nul: a\0b\r\n", 12);
        if (line != std::string::npos) b.insert(line + 2, s);
        break;
      }
      case 8: {  // duplicate a line
        const auto begin = b.find("\r\n", at);
        const auto end = begin == std::string::npos ? begin : b.find("\r\n", begin + 2);
        if (end != std::string::npos) b.insert(end + 2, b.substr(begin + 2, end - begin));
        break;
      }
      case 9: {  // move a boundary: another number
        const auto digit = b.find_first_of("0123456789", at);
        if (digit != std::string::npos) b[digit] = static_cast<char>('0' + below(10));
        break;
      }
      case 10: {  // CRLF becomes something else
        const auto line = b.find("\r\n", at);
        static const char* const ends[] = {"\n", "\r", "\r\r\n", "\n\r", " \r\n", "\t\r\n", "\r\n\r\n", ""};
        if (line != std::string::npos) b.replace(line, 2, ends[below(8)]);
        break;
      }
      case 11:
        b += pick();
        break;  // another request behind it
    }
  }
  for (auto n = below(4); n > 0; --n) c.cuts.push_back(below(b.size() + 1));
  std::sort(c.cuts.begin(), c.cuts.end());
  c.cuts.push_back(b.size());
  return c;
}

std::string hex(std::string_view s) {
  static const char* d = "0123456789abcdef";
  std::string out;
  for (unsigned char ch : s) (out += d[ch >> 4]) += d[ch & 15];
  return out;
}

std::string printable(std::string s) {
  for (char& c : s)
    if ((c < 32 && c != '\r' && c != '\n') || c == 127 || static_cast<unsigned char>(c) > 127) c = '.';
  return s;
}

// Ids of the requests that a strict reader finds, in order.
std::vector<std::string> expected(const std::string& bytes) {
  Reader reader(Rules{.behind_proxy = false});
  reader.append(bytes);
  std::vector<std::string> ids;
  std::string id;
  while (true) {
    switch (reader.next()) {
      case Reader::Event::head:
        id = reader.request().get("x-id");
        if (id.empty()) id = reader.request().query("id");
        break;
      case Reader::Event::body:
        break;
      case Reader::Event::end:
        ids.push_back(id);
        break;
      default:
        return ids;
    }
  }
}

std::string exchange(const Address& to, const Case& c, bool& reset, bool& timeout, bool& refused) {
  const int fd = connect_blocking(to, 20);
  reset = timeout = false;
  refused = fd < 0;
  if (refused) return {};
  std::size_t at = 0;
  for (const auto cut : c.cuts) {
    while (at < cut) {
      const ssize_t n = send(fd, c.bytes.data() + at, cut - at, MSG_NOSIGNAL);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
  }
  shutdown(fd, SHUT_WR);
  std::string answer;
  char buffer[16384];
  while (true) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) {
      answer.append(buffer, static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0) (errno == EAGAIN ? timeout : reset) = true;
    break;
  }
  close(fd);
  return answer;
}

std::vector<std::string> values(std::string_view text, std::string_view name) {
  std::vector<std::string> out;
  const std::string key = "\r\n" + std::string(name) + ": ";
  for (auto at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const auto begin = at + key.size();
    out.emplace_back(text.substr(begin, text.find("\r\n", begin) - begin));
  }
  return out;
}

std::string control(const Address& to, const std::string& what) {
  const int fd = connect_blocking(to, 60);
  if (fd < 0) throw std::runtime_error("the pod's control port does not answer");
  const std::string request = what + " HTTP/1.1\r\nHost: c\r\n\r\n";
  send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::string all;
  char buffer[65536];
  for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  const auto at = all.find("\r\n\r\n");
  return at == std::string::npos ? "" : all.substr(at + 4);
}

// What follows the head of a 101 is the echo of the tunnel.
std::string before_tunnel(const std::string& answer) {
  const auto at = answer.find("HTTP/1.1 101 ");
  return at == std::string::npos ? answer : answer.substr(0, answer.find("\r\n\r\n", at));
}

}  // namespace

int main(int argc, char** argv) {
  std::string connect, pod, host = "app.example";
  std::uint64_t count = 20000, seed = 1, only = ~0ull, first = 0;
  int threads = 16;
  CLI::App app("Mutated requests against the proxy, judged by the strict pod");
  app.add_option("--connect", connect)->required();
  app.add_option("--control", pod, "the strict pod's control address")->required();
  app.add_option("--host", host);
  app.add_option("--count", count);
  app.add_option("--seed", seed);
  app.add_option("--first", first, "index of the first case");
  app.add_option("--only", only, "send and show one case");
  app.add_option("--threads", threads);
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  try {
    const auto to = Address::parse(connect), ctl = Address::parse(pod);
    if (only != ~0ull) {
      const auto c = make(seed, only, host);
      bool reset, timeout, refused;
      const auto answer = exchange(to, c, reset, timeout, refused);
      std::cout << "SENT (writes end at";
      for (auto cut : c.cuts) std::cout << " " << cut;
      std::cout << ")\n"
                << c.bytes << "\nSTRICT READER FINDS " << json::serialize(json::value_from(expected(c.bytes)))
                << "\nANSWER\n"
                << answer << "\n";
      std::cout << "POD " << control(ctl, "GET /stats") << "\n";
      return 0;
    }
    control(ctl, "POST /reset");
    std::atomic<std::uint64_t> next{first}, resets{0}, timeouts{0}, refused_connects{0}, proxied{0}, refusals{0},
        silent{0}, twice{0}, more{0}, other_ids{0}, gateway_errors{0};
    std::mutex lock;
    std::unordered_set<std::uint64_t> seen;
    std::vector<json::object> samples;
    std::map<std::string, std::uint64_t> statuses;
    auto sample = [&](const char* why, std::uint64_t index, const Case& c, const std::string& answer) {
      const std::lock_guard hold(lock);
      if (samples.size() < 20)
        samples.push_back(
            {{"why", why}, {"case", index}, {"sent", hex(c.bytes)}, {"answer", printable(answer.substr(0, 600))}});
    };
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
      pool.emplace_back([&] {
        std::map<std::string, std::uint64_t> mine;
        while (true) {
          const auto index = next.fetch_add(1);
          if (index >= first + count) break;
          const auto c = make(seed, index, host);
          bool reset, timeout, refused;
          const auto answer = exchange(to, c, reset, timeout, refused);
          if (refused) {
            ++refused_connects;
            sample("connect failed", index, c, "");
            continue;
          }
          if (reset) ++resets;
          if (timeout) {
            ++timeouts;
            sample("no end in 20 s", index, c, answer);
          }
          const auto spoken = before_tunnel(answer);
          const auto seqs = values(spoken, "X-Pod-Seq");
          const auto ids = values(spoken, "X-Id");
          if (answer.size() >= 12) ++mine[answer.substr(9, 3)];
          if (answer.empty()) ++silent;
          if (seqs.empty() && !answer.empty()) ++refusals;
          if (answer.find("HTTP/1.1 502") != std::string::npos || answer.find("HTTP/1.1 500") != std::string::npos) {
            ++gateway_errors;
            sample("502 or 500", index, c, answer);
          }
          proxied += seqs.size();
          const auto want = expected(c.bytes);
          if (seqs.size() > want.size()) {
            ++more;
            sample("more requests accepted than a strict reader finds", index, c, answer);
          } else {
            std::size_t w = 0;
            for (const auto& id : ids) {
              while (w < want.size() && want[w] != id) ++w;
              if (w++ >= want.size()) {
                ++other_ids;
                sample("an id that a strict reader does not find there", index, c, answer);
                break;
              }
            }
          }
          const std::lock_guard hold(lock);
          for (const auto& s : seqs)
            if (!seen.insert(std::stoull(s)).second) ++twice;
        }
        const std::lock_guard hold(lock);
        for (const auto& [k, v] : mine) statuses[k] += v;
      });
    for (auto& t : pool) t.join();
    // Alive?
    Case ping;
    ping.bytes = "GET /ping?size=4 HTTP/1.1\r\nHost: " + host + "\r\nX-Id: ping\r\nConnection: close\r\n\r\n";
    ping.cuts = {ping.bytes.size()};
    bool reset, timeout, refused;
    auto pong = exchange(to, ping, reset, timeout, refused);
    while (pong.starts_with("HTTP/1.1 1")) pong.erase(0, pong.find("\r\n\r\n") + 4);
    const bool alive = pong.starts_with("HTTP/1.1 200");
    const auto stats = json::parse(control(ctl, "GET /stats")).as_object();
    const auto completed = stats.at("completed").to_number<std::uint64_t>() - (alive ? 1 : 0);
    const auto violations = stats.at("violations").to_number<std::uint64_t>();
    // An answer may be lost to the client only when its connection was reset.
    const std::uint64_t unanswered = completed > seen.size() ? completed - seen.size() : 0;
    const std::uint64_t invented = seen.size() > completed ? seen.size() - completed : 0;
    const bool good = alive && violations == 0 && twice == 0 && more == 0 && other_ids == 0 && invented == 0 &&
                      unanswered <= resets && refused_connects == 0 && timeouts == 0;
    json::object by_status;
    for (const auto& [k, v] : statuses) by_status[k] = v;
    json::array shown;
    for (auto& s : samples) shown.push_back(s);
    std::cout << json::serialize(json::object{{"good", good},
                                              {"count", count},
                                              {"seed", seed},
                                              {"accepted", proxied.load()},
                                              {"refused", refusals.load()},
                                              {"no_answer", silent.load()},
                                              {"first_status", by_status},
                                              {"violations", violations},
                                              {"violation_samples", stats.at("violation_samples")},
                                              {"answered_twice", twice.load()},
                                              {"more_than_strict", more.load()},
                                              {"other_ids", other_ids.load()},
                                              {"pod_completed", completed},
                                              {"answers", seen.size()},
                                              {"unanswered", unanswered},
                                              {"invented", invented},
                                              {"client_resets", resets.load()},
                                              {"timeouts", timeouts.load()},
                                              {"connect_failures", refused_connects.load()},
                                              {"gateway_errors", gateway_errors.load()},
                                              {"proxy_alive", alive},
                                              {"samples", shown}})
              << std::endl;
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "mutate: " << e.what() << "\n";
    return 2;
  }
}
