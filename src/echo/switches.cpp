#include "echo/switches.h"

#include <charconv>

namespace sluice::echo {

namespace {
int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '+') {
      out += ' ';
    } else if (s[i] == '%' && i + 2 < s.size() && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
      out += static_cast<char>(hex(s[i + 1]) * 16 + hex(s[i + 2]));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}

template <class T>
bool number(std::string_view s, T& out) {
  auto [p, e] = std::from_chars(s.data(), s.data() + s.size(), out);
  return e == std::errc() && p == s.data() + s.size() && !s.empty();
}

bool field(const std::string& s, std::vector<std::pair<std::string, std::string>>& out) {
  auto colon = s.find(':');
  if (colon == std::string::npos || colon == 0) return false;
  auto value = colon + 1;
  while (value < s.size() && s[value] == ' ') ++value;
  out.emplace_back(s.substr(0, colon), s.substr(value));
  return true;
}

bool flag(const std::string& s, bool& out) {
  if (s != "0" && s != "1" && !s.empty()) return false;
  out = s != "0";
  return true;
}

bool set(std::string_view name, const std::string& value, Switches& out) {
  if (name == "status") return number(value, out.status) && out.status >= 200 && out.status <= 999;
  if (name == "delay") return number(value, out.delay);
  if (name == "size") return number(value, out.size.emplace());
  if (name == "seed") return number(value, out.seed);
  if (name == "fill") {
    if (value.size() != 1) return false;
    out.fill = value[0];
    return true;
  }
  if (name == "chunks") return number(value, out.chunks) && out.chunks > 0;
  if (name == "pause") return number(value, out.pause);
  if (name == "rate") return number(value, out.rate);
  if (name == "close") return flag(value, out.close);
  if (name == "early") return flag(value, out.early);
  if (name == "upgrade") {
    bool on = true;
    if (!flag(value, on)) return false;
    out.upgrade = on;
    out.no_upgrade = !on;
    return true;
  }
  if (name == "interim") {
    int status = 0;
    if (!number(value, status) || status < 100 || status > 199 || status == 101) return false;
    if (out.interim.size() < 64) out.interim.push_back(status);
    return true;
  }
  if (name == "header") return field(value, out.headers);
  if (name == "trailer") return field(value, out.trailers);
  if (name == "abort") {
    using enum Switches::Abort;
    for (auto [word, abort] : {std::pair{"silent", silent}, {"head", head}, {"body", body}, {"reset", reset}})
      if (value == word) {
        out.abort = abort;
        return true;
      }
    return false;
  }
  if (name == "framing") {
    using enum Switches::Framing;
    for (auto [word, framing] :
         {std::pair{"length", length}, {"chunked", chunked}, {"close", Switches::Framing::close}})
      if (value == word) {
        out.framing = framing;
        return true;
      }
    return false;
  }
  return true;
}
}  // namespace

std::string apply(std::string_view text, Switches& out) {
  while (!text.empty()) {
    auto end = text.find('&');
    auto pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    auto equals = pair.find('=');
    auto value = equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1));
    if (!set(pair.substr(0, equals), value, out)) return std::string(pair);
  }
  return {};
}

std::string_view switches_help() {
  return R"(A request is answered with JSON that shows it as it arrived. Its query, or an X-Echo header
in the same form, changes the answer:
  status=503        the status (default 200)
  delay=200         milliseconds before the answer
  size=1000000      a body of so many bytes instead of JSON: byte i is (i + seed) % 251
  seed=7, fill=a    another body: shifted, or one letter throughout
  chunks=5          chunked, in five pieces
  pause=100         milliseconds between pieces
  framing=length|chunked|close    how the end of the body is told
  header=Name:Value, trailer=Name:Value   more fields (repeatable)
  interim=103       an interim response before the answer (repeatable)
  close=1           Connection: close
  early=1           answer first, read the request's body afterwards
  rate=10000        read the request's body at so many bytes a second
  abort=silent|head|body|reset    close without an answer, within its head, within its body, or reset
  upgrade=1         101 to any Upgrade token, then every byte comes back; upgrade=0: none, not even WebSocket
WebSocket handshakes are answered and every frame comes back. GET /_echo/stats counts what has been served.
)";
}

}  // namespace sluice::echo
