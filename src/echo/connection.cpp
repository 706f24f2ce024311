#include "echo/connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <memory>

#include "base/strings.h"
#include "echo/request.h"
#include "echo/switches.h"

namespace sluice::echo {

namespace {
constexpr std::size_t kHead = 1024 * 1024;
constexpr std::size_t kPeriod = 251;
constexpr std::size_t kPattern = kPeriod * 522;  // about 128 KiB
constexpr std::size_t kOneWrite = 64 * 1024;
constexpr std::uint64_t kDefaultChunk = 64 * 1024;

void quote(std::string& out, std::string_view s) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (char c : s) {
    auto b = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (b < 0x20 || b >= 0x7f) {
      // Bytes above ASCII are shown one by one (Latin-1), so that any request gives valid JSON and loses nothing.
      out += "\\u00";
      out += hex[b >> 4];
      out += hex[b & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class List>
void quote_pairs(std::string& out, const List& list) {
  out += '[';
  bool first = true;
  for (const auto& [k, v] : list) {
    if (!first) out += ',';
    first = false;
    out += '[';
    quote(out, k);
    out += ',';
    quote(out, v);
    out += ']';
  }
  out += ']';
}

void append(std::string& out, std::uint64_t n, int base = 10) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, n, base).ptr;
  out.append(text, end);
}

std::string_view reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

// The Date of this second (RFC 9110 section 5.6.7).
std::string_view date() {
  thread_local std::time_t shown = 0;
  thread_local char text[40] = "";
  auto now = std::time(nullptr);
  if (now != shown) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    shown = now;
  }
  return text;
}

const std::string& pattern() {
  static const std::string bytes = [] {
    std::string s(kPattern, '\0');
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = static_cast<char>(i % kPeriod);
    return s;
  }();
  return bytes;
}

// The answer's body: some text, or bytes that are made as they leave.
class Payload {
 public:
  Payload(std::string_view text, const Switches& s) : text_(text) {
    if (!s.size) return;
    made_ = true;
    size_ = *s.size;
    shift_ = s.seed % kPeriod;
    if (s.fill) filled_.assign(static_cast<std::size_t>(std::min<std::uint64_t>(size_, kOneWrite)), *s.fill);
  }
  std::uint64_t size() const { return made_ ? size_ : text_.size(); }
  // What can be given in one piece from `at`, at most `most` bytes.
  std::string_view from(std::uint64_t at, std::uint64_t most) const {
    if (!made_) return text_.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(most));
    if (!filled_.empty()) return std::string_view(filled_).substr(0, static_cast<std::size_t>(most));
    auto begin = static_cast<std::size_t>((at + shift_) % kPeriod);
    return std::string_view(pattern()).substr(begin, static_cast<std::size_t>(std::min<std::uint64_t>(most, kPattern)));
  }

 private:
  std::string_view text_;
  std::string filled_;
  bool made_ = false;
  std::uint64_t size_ = 0, shift_ = 0;
};

class Connection {
 public:
  Connection(Pod& pod, Loop& loop, int fd, SSL* ssl, std::uint64_t id) : pod_(pod), stream_(loop, fd, ssl), id_(id) {}
  Task<bool> run();

 private:
  Task<bool> read_head();
  Task<bool> exchange();
  Task<bool> answer(Body& body);
  Task<bool> send_body(const Payload& payload, bool chunked);
  Task<bool> tunnel(bool websocket);
  bool is_websocket() const;
  std::string describe(Body& body);
  std::string statistics() const;
  void start_head(std::string& out, int status) const;
  bool given(std::string_view name) const;

  Pod& pod_;
  Stream stream_;
  std::uint64_t id_;
  std::uint64_t count_ = 0;
  std::string head_;
  Request request_;
  Switches switches_;
};

bool Connection::given(std::string_view name) const {
  return std::any_of(switches_.headers.begin(), switches_.headers.end(),
                     [&](const auto& h) { return iequals(h.first, name); });
}

void Connection::start_head(std::string& out, int status) const {
  out += "HTTP/1.1 ";
  append(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out += reason(status);
  out += "\r\n";
}

std::string Connection::describe(Body& body) {
  std::string out;
  out.reserve(512 + head_.size() * 2);
  out += "{\"name\":";
  quote(out, pod_.name);
  out += ",\"method\":";
  quote(out, request_.method);
  out += ",\"target\":";
  quote(out, request_.target);
  out += ",\"version\":";
  quote(out, request_.version);
  out += ",\"headers\":";
  quote_pairs(out, request_.headers);
  out += ",\"framing\":";
  quote(out, request_.framing == Request::Framing::none     ? "none"
             : request_.framing == Request::Framing::length ? "length"
                                                            : "chunked");
  out += ",\"body_size\":";
  if (body.finished()) {
    append(out, body.size());
    out += ",\"body_sha256\":";
    quote(out, body.sha256());
  } else {
    out += "null,\"body_sha256\":null";  // answered early
  }
  out += ",\"trailers\":";
  quote_pairs(out, body.trailers());
  out += ",\"connection\":";
  append(out, id_);
  out += ",\"request\":";
  append(out, count_);
  out += ",\"remote\":";
  quote(out, stream_.remote());
  out += ",\"tls\":";
  if (auto* ssl = stream_.ssl()) {
    out += "{\"version\":";
    quote(out, SSL_get_version(ssl));
    out += ",\"server_name\":";
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    quote(out, name ? name : "");
    out += '}';
  } else {
    out += "null";
  }
  out += "}\n";
  return out;
}

std::string Connection::statistics() const {
  const auto& s = pod_.stats;
  std::string out = "{\"name\":";
  quote(out, pod_.name);
  using Row = std::pair<std::string_view, const std::atomic<std::uint64_t>*>;
  for (auto [name, value] : {Row{"connections", &s.connections},
                             {"open", &s.open},
                             {"requests", &s.requests},
                             {"answered", &s.answered},
                             {"body_bytes", &s.body_bytes},
                             {"malformed", &s.malformed},
                             {"cut", &s.cut},
                             {"abandoned", &s.abandoned},
                             {"upgrades", &s.upgrades}}) {
    out += ",\"";
    out += name;
    out += "\":";
    append(out, value->load());
  }
  out += "}\n";
  return out;
}

Task<bool> Connection::run() {
  bool up = co_await stream_.handshake();
  while (up) {
    up = co_await read_head();
    if (up) up = co_await exchange();
  }
  co_return true;
}

Task<bool> Connection::read_head() {
  std::size_t looked = 0;
  for (;;) {
    auto have = stream_.buffered();
    auto size = head_size(have, looked);
    if (size > 0) {
      head_.assign(have.substr(0, size));
      stream_.consume(size);
      break;
    }
    looked = have.size();
    bool more = co_await stream_.fill(kHead);
    if (!more) {
      if (looked > 0) ++pod_.stats.malformed;
      co_return false;
    }
  }
  request_ = Request{};
  switches_ = Switches{};
  std::string wrong(parse(head_, request_));
  if (wrong.empty()) {
    auto query = request_.target.find('?');
    if (query != std::string_view::npos) wrong = apply(request_.target.substr(query + 1), switches_);
    auto header = request_.header("x-echo");
    if (wrong.empty() && !header.empty()) wrong = apply(header, switches_);
    if (wrong.empty()) co_return true;
  }
  ++pod_.stats.malformed;
  std::string out = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ";
  append(out, wrong.size() + 16);
  out += "\r\n\r\nnot understood: ";
  out += wrong;
  co_await stream_.write(out);
  co_return false;
}

bool Connection::is_websocket() const {
  return request_.has_token("connection", "upgrade") && request_.has_token("upgrade", "websocket") &&
         request_.method == "GET" && !request_.header("sec-websocket-key").empty();
}

Task<bool> Connection::exchange() {
  bool stats = request_.target.starts_with("/_echo/stats");
  if (!stats) ++pod_.stats.requests;
  ++count_;
  bool websocket = is_websocket() && !switches_.no_upgrade;
  if (websocket || (switches_.upgrade && request_.has_token("connection", "upgrade")))
    co_return co_await tunnel(websocket);

  Body body(stream_, request_);
  bool read = request_.framing == Request::Framing::none;
  if (read) {
    co_await body.read_all(0);
  } else if (!switches_.early) {
    if (request_.expect_continue) co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
    read = co_await body.read_all(switches_.rate);
    pod_.stats.body_bytes += body.size();
    if (!read) {
      ++pod_.stats.cut;
      co_return false;
    }
  }
  if (switches_.delay > 0) {
    bool there = co_await stream_.sleep(Millis(switches_.delay));
    if (!there) {
      ++pod_.stats.abandoned;
      co_return false;
    }
  }
  bool sent = co_await answer(body);
  if (!sent) {
    if (switches_.abort == Switches::Abort::none) ++pod_.stats.abandoned;
    co_return false;
  }
  if (!stats) ++pod_.stats.answered;
  if (!read) {
    read = co_await body.read_all(switches_.rate);
    pod_.stats.body_bytes += body.size();
    if (!read) ++pod_.stats.cut;
  }
  co_return read&& request_.keep_alive && !switches_.close && switches_.framing != Switches::Framing::close;
}

Task<bool> Connection::answer(Body& body) {
  using Abort = Switches::Abort;
  if (switches_.abort == Abort::reset) stream_.reset_on_close();
  if (switches_.abort == Abort::silent || switches_.abort == Abort::reset) co_return false;

  std::string out;
  for (int status : switches_.interim) {
    start_head(out, status);
    out += "Link: </style.css>; rel=preload\r\n\r\n";
  }
  const bool stats = request_.target.starts_with("/_echo/stats");
  const std::string text = stats ? statistics() : switches_.size ? std::string() : describe(body);
  const Payload payload(text, switches_);
  auto framing = switches_.framing;
  if (framing == Switches::Framing::automatic)
    framing =
        switches_.chunks > 0 || !switches_.trailers.empty() ? Switches::Framing::chunked : Switches::Framing::length;
  if (framing == Switches::Framing::chunked && request_.version == "HTTP/1.0") framing = Switches::Framing::close;
  const bool bodiless = switches_.status == 204 || switches_.status == 304;

  const auto begin = out.size();
  start_head(out, switches_.status);
  if (!given("date")) out.append("Date: ").append(date()).append("\r\n");
  if (!given("content-type") && !bodiless)
    out.append("Content-Type: ")
        .append(switches_.size ? "application/octet-stream" : "application/json")
        .append("\r\n");
  out.append("X-Echo-Name: ").append(pod_.name).append("\r\n");
  if (switches_.size && body.finished()) {
    out += "X-Echo-Body-Size: ";
    append(out, body.size());
    out.append("\r\nX-Echo-Body-Sha256: ").append(body.sha256()).append("\r\n");
  }
  for (const auto& [k, v] : switches_.headers) out.append(k).append(": ").append(v).append("\r\n");
  if (!switches_.trailers.empty() && framing == Switches::Framing::chunked) {
    out += "Trailer: ";
    for (const auto& t : switches_.trailers) out.append(&t == &switches_.trailers.front() ? "" : ", ").append(t.first);
    out += "\r\n";
  }
  if (!bodiless && !given("content-length") && !given("transfer-encoding")) {
    if (framing == Switches::Framing::length) {
      out += "Content-Length: ";
      append(out, payload.size());
      out += "\r\n";
    } else if (framing == Switches::Framing::chunked) {
      out += "Transfer-Encoding: chunked\r\n";
    }
  }
  if (framing == Switches::Framing::close) switches_.close = true;
  if (!given("connection")) {
    if (switches_.close || (!request_.keep_alive && request_.version != "HTTP/1.0"))
      out += "Connection: close\r\n";
    else if (request_.version == "HTTP/1.0" && request_.keep_alive)
      out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";

  if (switches_.abort == Abort::head) {
    auto half = begin + (out.size() - begin) / 2;
    while (out[half - 1] == '\n' || out[half - 1] == '\r') --half;  // within a line
    co_await stream_.write(std::string_view(out).substr(0, half));
    co_return false;
  }
  if (bodiless || request_.method == "HEAD") co_return co_await stream_.write(out);
  const bool plain = framing != Switches::Framing::chunked && switches_.chunks <= 1 && switches_.abort == Abort::none;
  if (plain && payload.size() <= kOneWrite) {
    out += payload.from(0, payload.size());
    co_return co_await stream_.write(out);
  }
  bool sent = co_await stream_.write(out);
  if (!sent) co_return false;
  co_return co_await send_body(payload, framing == Switches::Framing::chunked);
}

Task<bool> Connection::send_body(const Payload& payload, bool chunked) {
  const auto total = payload.size();
  auto pieces = switches_.chunks;
  if (pieces == 0) pieces = chunked ? (total + kDefaultChunk - 1) / kDefaultChunk : 1;
  pieces = std::max<std::uint64_t>(1, std::min(pieces, total));
  const auto stop_at = switches_.abort == Switches::Abort::body ? total / 2 : total;
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < pieces && total > 0; ++i) {
    auto size = total / pieces + (i < total % pieces ? 1 : 0);
    if (i > 0 && switches_.pause > 0) {
      bool there = co_await stream_.sleep(Millis(switches_.pause));
      if (!there) co_return false;
    }
    std::string out;
    if (chunked) {
      append(out, size, 16);
      out += "\r\n";
    }
    for (auto end = at + size; at < end;) {
      if (at >= stop_at && stop_at < total) co_return false;
      auto most = std::min(end, stop_at < total ? std::max(stop_at, at + 1) : end) - at;
      auto piece = payload.from(at, most);
      at += piece.size();
      // Small pieces leave together with their chunk line; large ones are not copied.
      if (piece.size() <= 4096) {
        out += piece;
      } else {
        if (!out.empty()) {
          bool sent = co_await stream_.write(out);
          if (!sent) co_return false;
          out.clear();
        }
        bool sent = co_await stream_.write(piece);
        if (!sent) co_return false;
      }
    }
    if (chunked) out += "\r\n";
    bool sent = co_await stream_.write(out);
    if (!sent) co_return false;
  }
  if (switches_.abort == Switches::Abort::body) co_return false;
  if (!chunked) co_return true;
  std::string last = "0\r\n";
  for (const auto& [k, v] : switches_.trailers) last.append(k).append(": ").append(v).append("\r\n");
  last += "\r\n";
  co_return co_await stream_.write(last);
}

Task<bool> Connection::tunnel(bool websocket) {
  std::string out;
  start_head(out, 101);
  out.resize(out.find(' ', 9));
  out += " Switching Protocols\r\nConnection: Upgrade\r\n";
  out.append("Upgrade: ").append(request_.header("upgrade")).append("\r\n");
  out.append("X-Echo-Name: ").append(pod_.name).append("\r\n");
  if (websocket) {
    out.append("Sec-WebSocket-Accept: ").append(websocket_accept(request_.header("sec-websocket-key"))).append("\r\n");
    auto offered = request_.header("sec-websocket-protocol");
    if (!offered.empty())
      out.append("Sec-WebSocket-Protocol: ").append(trim(offered.substr(0, offered.find(',')))).append("\r\n");
  }
  for (const auto& [k, v] : switches_.headers) out.append(k).append(": ").append(v).append("\r\n");
  out += "\r\n";
  if (switches_.delay > 0) co_await stream_.sleep(Millis(switches_.delay));
  bool up = co_await stream_.write(out);
  if (!up) co_return false;
  ++pod_.stats.upgrades;
  ++pod_.stats.answered;
  if (websocket) {
    co_await echo_frames(stream_);
    co_return false;
  }
  for (;;) {
    if (stream_.buffered().empty()) {
      bool more = co_await stream_.fill(kOneWrite);
      if (!more) co_return false;
    }
    auto piece = stream_.buffered();
    bool sent = co_await stream_.write(piece);
    if (!sent) co_return false;
    stream_.consume(piece.size());
  }
}

Detached run(Pod& pod, Loop& loop, int fd, SSL* ssl, std::uint64_t id) {
  auto connection = std::make_unique<Connection>(pod, loop, fd, ssl, id);
  co_await connection->run();
  connection.reset();
  --pod.stats.open;
}
}  // namespace

void serve(Pod& pod, Loop& loop, int fd, SSL_CTX* tls) {
  auto id = ++pod.stats.connections;
  ++pod.stats.open;
  SSL* ssl = tls ? SSL_new(tls) : nullptr;
  if (ssl) SSL_set_accept_state(ssl);
  run(pod, loop, fd, ssl, id);
}

}  // namespace sluice::echo
