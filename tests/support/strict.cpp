#include "strict.h"

#include <algorithm>
#include <cstring>

namespace support {
namespace {

bool alpha(unsigned char c) {
  return (c | 32) >= 'a' && (c | 32) <= 'z';
}
bool digit(unsigned char c) {
  return c >= '0' && c <= '9';
}
bool hex(unsigned char c) {
  return digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}
bool tchar(unsigned char c) {
  return alpha(c) || digit(c) || (c != 0 && std::strchr("!#$%&'*+-.^_`|~", c));
}
bool unreserved(unsigned char c) {
  return alpha(c) || digit(c) || (c != 0 && std::strchr("-._~", c));
}
bool subdelim(unsigned char c) {
  return c != 0 && std::strchr("!$&'()*+,;=", c);
}
bool token(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), tchar);
}
bool digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), digit);
}

char low(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return low(x) == low(y); });
}
std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}
template <class F>
void elements(std::string_view list, F&& fn) {
  while (true) {
    const auto comma = list.find(',');
    const auto e = trimmed(list.substr(0, comma));
    if (!e.empty()) fn(e);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// RFC 9112 section 3.2, RFC 9110 section 7.2: uri-host [ ":" port ].
bool authority_ok(std::string_view a) {
  if (a.empty()) return false;
  std::string_view port;
  if (a.front() == '[') {
    const auto end = a.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    for (char c : a.substr(1, end - 1))
      if (!hex(static_cast<unsigned char>(c)) && c != ':' && c != '.') return false;
    a.remove_prefix(end + 1);
    if (a.empty()) return true;
    if (a.front() != ':') return false;
    port = a.substr(1);
  } else {
    const auto colon = a.find(':');
    const auto host = a.substr(0, colon);
    if (host.empty()) return false;
    for (std::size_t i = 0; i < host.size(); ++i) {
      const auto c = static_cast<unsigned char>(host[i]);
      if (c == '%') {
        if (i + 2 >= host.size() || !hex(static_cast<unsigned char>(host[i + 1])) ||
            !hex(static_cast<unsigned char>(host[i + 2])))
          return false;
      } else if (!unreserved(c) && !subdelim(c)) {
        return false;
      }
    }
    if (colon == std::string_view::npos) return true;
    port = a.substr(colon + 1);
  }
  if (port.empty()) return true;  // port = *DIGIT
  return digits(port) && port.size() <= 5 && std::stoi(std::string(port)) <= 65535;
}

// "host:" is "host" (RFC 3986 section 6.2.3).
std::string_view without_empty_port(std::string_view a) {
  return a.ends_with(':') ? a.substr(0, a.size() - 1) : a;
}

}  // namespace

std::string_view Request::get(std::string_view name) const {
  for (const auto& [n, v] : fields)
    if (same(n, name)) return v;
  return {};
}

std::string_view Request::query(std::string_view key) const {
  std::string_view t = target;
  const auto q = t.find('?');
  if (q == std::string_view::npos) return {};
  t.remove_prefix(q + 1);
  while (!t.empty()) {
    const auto amp = t.find('&');
    const auto pair = t.substr(0, amp);
    const auto eq = pair.find('=');
    if (pair.substr(0, eq) == key) return eq == std::string_view::npos ? std::string_view("1") : pair.substr(eq + 1);
    if (amp == std::string_view::npos) break;
    t.remove_prefix(amp + 1);
  }
  return {};
}

Reader::Event Reader::fail(std::string why) {
  reason_ = std::move(why);
  state_ = State::failed;
  return Event::violation;
}

void Reader::compact() {
  if (at_ == in_.size()) {
    in_.clear();
    at_ = 0;
  } else if (at_ > (1u << 16)) {
    in_.erase(0, at_);
    at_ = 0;
  }
}

Reader::Event Reader::next() {
  piece_ = {};
  switch (state_) {
    case State::failed:
      return Event::violation;
    case State::head: {
      compact();
      if (scanned_ > 0 && at_ == 0 && scanned_ > in_.size()) scanned_ = 0;
      std::string_view bytes = rest();
      if (bytes.empty()) return Event::more;
      if (bytes.starts_with("\r\n") || bytes == "\r") {
        // RFC 9112 section 2.2: a server ought to ignore one empty line; a gateway must not send any.
        if (rules_.behind_proxy) return fail("empty line before a request line");
        if (bytes.size() < 2) return Event::more;
        if (!first_ && bytes.starts_with("\r\n\r\n")) return fail("empty lines before a request line");
        bytes.remove_prefix(2);
        if (bytes.starts_with("\r\n")) return fail("empty lines before a request line");
        at_ += 2;
        if (bytes.empty()) return Event::more;
      }
      const auto end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) {
        if (bytes.size() > rules_.max_head) return fail("head without an end");
        for (std::size_t i = 0; i < bytes.size(); ++i) {
          if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) return fail("bare LF in the head");
          if (bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] != '\n') return fail("bare CR in the head");
          if (bytes[i] == '\0') return fail("NUL in the head");
        }
        return Event::more;
      }
      at_ += end + 4;
      first_ = false;
      return parse_head(bytes.substr(0, end + 4));
    }
    case State::length: {
      if (left_ == 0) {
        state_ = State::head;
        return Event::end;
      }
      if (at_ == in_.size()) {
        compact();
        return Event::more;
      }
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in_.size() - at_));
      piece_ = std::string_view(in_).substr(at_, n);
      at_ += n;
      left_ -= n;
      return Event::body;
    }
    case State::chunk_size: {
      compact();
      const std::string_view bytes = rest();
      const auto end = bytes.find("\r\n");
      const auto line = bytes.substr(0, end);
      const auto semicolon = line.find(';');
      const auto size = line.substr(0, semicolon);
      if (line.find('\n') != std::string_view::npos) return fail("bare LF in a chunk size line");
      for (std::size_t i = 0; i < line.size(); ++i)
        if (line[i] == '\r' && (i + 1 < line.size() || end != std::string_view::npos))
          return fail("bare CR in a chunk size line");
      if (end == std::string_view::npos) {
        for (char c : size)
          if (!hex(static_cast<unsigned char>(c)) && c != '\r') return fail("chunk size is not hexadecimal");
        return bytes.size() > 8192 ? fail("endless chunk size line") : Event::more;
      }
      if (size.empty() || !std::all_of(size.begin(), size.end(), hex)) return fail("chunk size is not hexadecimal");
      if (size.size() > 15) return fail("chunk size of more than 15 digits");
      if (semicolon != std::string_view::npos) {
        if (rules_.behind_proxy) return fail("chunk extension was passed on");
        const auto ext = line.substr(semicolon + 1);
        if (ext.empty()) return fail("chunk extension without a name");
        for (unsigned char c : ext)
          if (c < 32 || c == 127) {
            if (c != '\t') return fail("control character in a chunk extension");
          }
        const auto name = trimmed(ext.substr(0, ext.find_first_of("=;")));
        if (!token(name)) return fail("chunk extension name is not a token");
      }
      left_ = std::stoull(std::string(size), nullptr, 16);
      at_ += end + 2;
      state_ = left_ == 0 ? State::trailers : State::chunk_data;
      return next();
    }
    case State::chunk_data: {
      if (at_ == in_.size()) {
        compact();
        return Event::more;
      }
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in_.size() - at_));
      piece_ = std::string_view(in_).substr(at_, n);
      at_ += n;
      left_ -= n;
      if (left_ == 0) state_ = State::chunk_end;
      return Event::body;
    }
    case State::chunk_end: {
      compact();
      const std::string_view bytes = rest();
      if (!bytes.empty() && bytes[0] != '\r') return fail("chunk data not ended by CRLF");
      if (bytes.size() < 2) return Event::more;
      if (bytes[1] != '\n') return fail("chunk data not ended by CRLF");
      at_ += 2;
      state_ = State::chunk_size;
      return next();
    }
    case State::trailers: {
      compact();
      const std::string_view bytes = rest();
      if (bytes.starts_with("\r\n")) {
        at_ += 2;
        state_ = State::head;
        return Event::end;
      }
      const auto end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) {
        for (std::size_t i = 0; i < bytes.size(); ++i)
          if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) return fail("bare LF in trailers");
        return bytes.size() > rules_.max_head ? fail("trailers without an end") : Event::more;
      }
      at_ += end + 4;
      if (!parse_fields(bytes.substr(0, end + 2), trailers_)) return Event::violation;
      if (rules_.behind_proxy)
        for (const auto& [n, v] : trailers_)
          for (const char* bad :
               {"content-length", "transfer-encoding", "host", "authorization", "connection", "trailer", "te"})
            if (same(n, bad)) return fail("forbidden trailer field was passed on: " + n);
      state_ = State::head;
      return Event::end;
    }
  }
  return Event::more;
}

bool Reader::parse_fields(std::string_view lines, std::vector<std::pair<std::string, std::string>>& out) {
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    if (line.empty()) return fail("empty line among fields"), false;
    if (line.front() == ' ' || line.front() == '\t') return fail("obs-fold or leading white space"), false;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return fail("field line without a colon"), false;
    const auto name = line.substr(0, colon);
    if (!token(name)) return fail("field name is not a token"), false;
    const auto value = trimmed(line.substr(colon + 1));
    for (unsigned char c : value)
      if ((c < 32 && c != '\t') || c == 127) return fail("control character in a field value"), false;
    out.emplace_back(name, value);
  }
  return true;
}

Reader::Event Reader::parse_head(std::string_view head) {
  request_ = {};
  trailers_.clear();
  request_.raw = head;
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) return fail("bare LF in the head");
    if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) return fail("bare CR in the head");
  }
  const auto line_end = head.find("\r\n");
  const auto line = head.substr(0, line_end);
  const auto sp1 = line.find(' ');
  const auto sp2 = sp1 == std::string_view::npos ? sp1 : line.find(' ', sp1 + 1);
  if (sp2 == std::string_view::npos) return fail("request line without three parts");
  request_.method = line.substr(0, sp1);
  request_.target = line.substr(sp1 + 1, sp2 - sp1 - 1);
  const auto version = line.substr(sp2 + 1);
  if (!token(request_.method)) return fail("method is not a token");
  if (version.size() != 8 || !version.starts_with("HTTP/1.") || !digit(static_cast<unsigned char>(version[7])))
    return fail("version is not HTTP/1.x");
  if (rules_.behind_proxy && version[7] != '1' && version[7] != '0') return fail("minor version was passed on");
  request_.minor = version[7] == '0' ? 0 : 1;
  if (!parse_fields(head.substr(line_end + 2, head.size() - line_end - 4), request_.fields)) return Event::violation;
  if (!check_target() || !check_fields()) return Event::violation;
  left_ = request_.length;
  state_ = request_.chunked ? State::chunk_size : State::length;
  return Event::head;
}

bool Reader::check_target() {
  std::string_view t = request_.target;
  if (t == "*") {
    if (request_.method != "OPTIONS") return fail("asterisk-form without OPTIONS"), false;
    return true;
  }
  if (!t.starts_with('/')) {
    if (rules_.behind_proxy) return fail("target is not in origin-form"), false;
    if (same(t.substr(0, 7), "http://"))
      t.remove_prefix(7);
    else if (same(t.substr(0, 8), "https://"))
      t.remove_prefix(8);
    else
      return fail("target is neither origin-form nor absolute-form"), false;
    const auto end = t.find_first_of("/?#");
    request_.authority = t.substr(0, end);
    if (!authority_ok(request_.authority)) return fail("authority of an absolute-form"), false;
    t = end == std::string_view::npos ? std::string_view("/") : t.substr(end);
  }
  // A query belongs to the application: a lone '%' in it is no ambiguity of framing or routing, and browsers send it.
  const auto query = t.find('?');
  for (std::size_t i = 0; i < t.size(); ++i) {
    const auto c = static_cast<unsigned char>(t[i]);
    if (c == '%' && i < query) {
      if (i + 2 >= t.size() || !hex(static_cast<unsigned char>(t[i + 1])) || !hex(static_cast<unsigned char>(t[i + 2])))
        return fail("bad percent-encoding in the target"), false;
    } else if (c <= 32 || c >= 127) {
      return fail("control character, space or 8-bit in the target"), false;
    } else if (c == '#') {
      return fail("fragment in the target"), false;
    } else if (!unreserved(c) && !subdelim(c) && !std::strchr(":@/?", c)) {
      ++lax_targets_;
    }
  }
  return true;
}

bool Reader::check_fields() {
  int hosts = 0, lengths = 0, codings = 0, authorizations = 0;
  bool upgrade_option = false;
  std::string transfer_encoding;
  for (const auto& [name, value] : request_.fields) {
    if (same(name, "host")) {
      ++hosts;
      if (!authority_ok(value)) return fail("Host is not uri-host [ : port ]"), false;
      if (!request_.authority.empty() && !same(without_empty_port(request_.authority), without_empty_port(value)))
        return fail("Host differs from the absolute-form"), false;
      request_.authority = value;
    } else if (same(name, "content-length")) {
      ++lengths;
      if (!digits(value)) return fail("Content-Length is not digits"), false;
      std::string_view v = value;
      if (rules_.behind_proxy && v.size() > 1 && v[0] == '0')
        return fail("Content-Length with leading zeros was passed on"), false;
      while (v.size() > 1 && v[0] == '0') v.remove_prefix(1);
      if (v.size() > 19 || (v.size() == 19 && v > "9223372036854775807"))
        return fail("Content-Length above 2^63-1"), false;
      request_.length = std::stoull(std::string(v));
      request_.has_length = true;
    } else if (same(name, "transfer-encoding")) {
      ++codings;
      transfer_encoding = value;
    } else if (same(name, "authorization")) {
      ++authorizations;
    } else if (same(name, "connection")) {
      bool bad = false;
      elements(value, [&](std::string_view e) {
        if (same(e, "close"))
          request_.close = true;
        else if (same(e, "keep-alive"))
          request_.keep_alive_asked = true;
        else if (same(e, "upgrade"))
          upgrade_option = true;
        else
          bad = true;
        if (same(e, "content-length") || same(e, "transfer-encoding")) bad = true;
      });
      if (bad && rules_.behind_proxy) return fail("Connection names fields that were passed on"), false;
    } else if (same(name, "expect")) {
      if (rules_.behind_proxy) return fail("Expect was passed on"), false;
      bool unknown = false;
      elements(value,
               [&](std::string_view e) { (same(e, "100-continue") ? request_.expect_continue : unknown) = true; });
      if (request_.minor == 1 && unknown) return fail("unknown expectation"), false;
      if (request_.minor != 1) request_.expect_continue = false;
    } else if (same(name, "upgrade")) {
      request_.upgrade = value;
      if (rules_.behind_proxy && same(value, "h2c")) return fail("Upgrade: h2c was passed on"), false;
    } else if (rules_.behind_proxy) {
      for (const char* bad : {"keep-alive", "proxy-connection", "proxy-authorization", "proxy", "http2-settings"})
        if (same(name, bad)) return fail("hop-by-hop field was passed on: " + name), false;
      if (same(name, "te") && !same(value, "trailers")) return fail("TE was passed on: " + value), false;
    }
  }
  if (hosts > 1) return fail("more than one Host"), false;
  if (hosts == 0 && request_.minor == 1) return fail("no Host"), false;
  if (authorizations > 1) return fail("more than one Authorization"), false;
  if (lengths > 1) return fail("more than one Content-Length"), false;
  if (codings > 1) return fail("more than one Transfer-Encoding"), false;
  if (codings == 1) {
    if (lengths) return fail("Content-Length beside Transfer-Encoding"), false;
    if (request_.minor == 0) return fail("Transfer-Encoding in HTTP/1.0"), false;
    if (!same(transfer_encoding, "chunked")) return fail("Transfer-Encoding is not chunked"), false;
    request_.chunked = true;
  }
  if (!request_.upgrade.empty() && !upgrade_option && rules_.behind_proxy)
    return fail("Upgrade without Connection: upgrade"), false;
  if (!upgrade_option) request_.upgrade.clear();
  if (request_.minor == 0 && !request_.keep_alive_asked) request_.close = true;
  return true;
}

}  // namespace support
