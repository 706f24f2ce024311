#include "control/kube/header_map.h"

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using model::HeaderMap;

// Fields of the connection, of the framing and of what the proxy itself has to tell. nginx takes some of them; a
// message that two readers end at different bytes is the price. Those of a WebSocket are agreed on by its two ends, and
// over HTTP/2 we are one of them.
constexpr std::string_view kOfNobody[] = {"connection",
                                          "content-length",
                                          "keep-alive",
                                          "proxy-connection",
                                          "te",
                                          "transfer-encoding",
                                          "trailer",
                                          "upgrade",
                                          "http2-settings",
                                          "sec-websocket-key",
                                          "sec-websocket-accept",
                                          "sec-websocket-extensions",
                                          "sec-websocket-version",
                                          "sec-websocket-protocol"};
// Date is ours, and a call of gRPC that failed must not look like one that did not.
constexpr std::string_view kNotToClients[] = {"date", "grpc-status", "grpc-message"};
// Expect is answered here, Proxy is a variable of CGI (httpoxy), by CDN-Loop requests that come back are recognised.
constexpr std::string_view kNotToPods[] = {"expect", "proxy", "cdn-loop"};

bool names_one(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::any_of(names, [&](auto n) { return iequals(n, name); });
}

}  // namespace

bool is_of_connection(std::string_view name) {
  return names_one(kOfNobody, name);
}

std::string wrong_header_name(std::string_view name, HeadersTo to) {
  if (!is_token(name)) return "the name of a header";
  if (is_of_connection(name)) return "a header that is not of the connection or of the framing of its messages";
  if (names_one(to == HeadersTo::clients ? std::span<const std::string_view>(kNotToClients) : kNotToPods, name))
    return "a header that the proxy does not need for itself";
  return {};
}

namespace {

// What lines add up to.
struct Size {
  std::size_t lines = 0, bytes = 0, variables = 0;
  friend Size operator+(Size a, Size b) { return {a.lines + b.lines, a.bytes + b.bytes, a.variables + b.variables}; }
  friend Size operator-(Size a, Size b) { return {a.lines - b.lines, a.bytes - b.bytes, a.variables - b.variables}; }
  bool fits() const {
    return lines <= HeaderMap::kMostLines && bytes <= HeaderMap::kMostBytes && variables <= HeaderMap::kMostVariables;
  }
};

// `text`: its value as it is written.
Size size_of(const model::HeaderLine& line, std::string_view text) {
  const auto variables = std::ranges::count_if(line.value.parts(), [](const auto& p) {
    return p.variable != kLiteral && p.variable != variable("literal_dollar");
  });
  return {1, line.name.size() + text.size(), static_cast<std::size_t>(variables)};
}

// Reads all of them; `read` makes the value, or returns what was expected.
template <class Read>
ReadHeaders read_all(const std::map<std::string, std::string>& data, HeadersTo to, Read&& read) {
  ReadHeaders out;
  std::vector<Size> sizes;  // of out.lines
  Size taken;
  std::size_t removals = 0;  // of what is wrong
  for (const auto& [name, written] : data) {
    model::HeaderLine line{name, {}};
    const auto text = trim_of(written, kBlank);
    std::string expected = wrong_header_name(name, to);
    const bool removable = to == HeadersTo::pods && expected.empty() && !iequals(name, "host");
    if (expected.empty() && has_control(text)) expected = "a value without control characters";
    if (expected.empty()) expected = read(name, text, line.value);
    const auto before = std::ranges::find_if(out.lines, [&](const auto& other) { return iequals(other.name, name); });
    const auto size_before = sizes.begin() + (before - out.lines.begin());
    Size size = size_of(line, text);
    if (expected.empty()) {
      const Size with = taken + size - (before == out.lines.end() ? Size{} : *size_before);
      if (with.fits())
        taken = with;
      else
        expected = "at most " + std::to_string(HeaderMap::kMostLines) + " headers, " +
                   size_text(HeaderMap::kMostBytes) + " and " + std::to_string(HeaderMap::kMostVariables) +
                   " variables in all";
    }
    if (!expected.empty()) {
      const bool removed = removable && removals < HeaderMap::kMostRemovals;
      if (out.wrong.size() < ReadHeaders::kShown)
        out.wrong.push_back({"data[" + shorten(name) + "]", shorten(text), std::move(expected), removed});
      else
        ++out.more;
      if (!removed) continue;
      ++removals;
      if (before != out.lines.end()) taken = taken - *size_before;
      line.value = {};
      size = {};
    }
    if (before != out.lines.end()) {
      out.lines.erase(before);
      sizes.erase(size_before);
    }
    out.lines.push_back(std::move(line));
    sizes.push_back(size);
  }
  return out;
}

}  // namespace

bool names_config_map(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_name = [](std::string_view s) { return !s.empty() && made_of(s, "-."); };
  return slash != std::string_view::npos && is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

ReadHeaders read_headers(const std::map<std::string, std::string>& data, HeadersTo to) {
  return read_all(data, to, [to](const std::string& name, std::string_view text, Template& out) -> std::string {
    out = Template(text);
    if (to == HeadersTo::pods && text.empty() && iequals(name, "host")) return "a host, which every request has";
    using When = VariableRow::When;
    return wrong_variables(out, false, to == HeadersTo::pods ? When::request : When::response);
  });
}

ReadHeaders read_literal_headers(const std::map<std::string, std::string>& data,
                                 const std::vector<std::string>& allowed) {
  // A name may have several spellings, but not many.
  if (data.size() > 2 * HeaderMap::kMostLines)
    return {{},
            {{"data", std::to_string(data.size()) + " keys",
              "at most " + std::to_string(HeaderMap::kMostLines) + " headers", false}},
            0};
  return read_all(data, HeadersTo::clients,
                  [&](const std::string& name, std::string_view text, Template& out) -> std::string {
                    if (std::ranges::none_of(allowed, [&](const auto& a) { return iequals(a, name); }))
                      return "a header that global-allowed-response-headers lists";
                    const auto fine = [](char c) { return c >= ' ' && c <= '~'; };
                    if (text.empty() || !std::ranges::all_of(text, fine)) return "a value of printable ASCII";
                    std::string literal;
                    for (const char c : text) {
                      if (c == '$')
                        literal += "${literal_dollar}";
                      else
                        literal += c;
                    }
                    out = Template(std::move(literal));
                    return {};
                  });
}

NamedHeaders named_headers(const ConfigMap& map, ReadHeaders&& read) {
  if (!read.wrong.empty()) return {{}, std::move(read.wrong), read.more};
  return {model::HeaderMap{map.meta.ns + "/" + map.meta.name, std::move(read.lines)}, {}, 0};
}

}  // namespace sluice::control
