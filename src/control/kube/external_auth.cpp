#include "control/kube/external_auth.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/header_map.h"

namespace sluice::control {

namespace {

// Beside letters and digits, as ingress-nginx has it.
constexpr std::string_view kOfUrls = "-._~/:,?&=$";
constexpr std::string_view kHostNames[] = {"host", "http_host", "best_http_host", "server_name"};

// The one variable that `text` is.
std::string_view only_variable(std::string_view text) {
  if (!text.starts_with('$')) return {};
  text.remove_prefix(1);
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  return text;
}

// What is written stands in a request line as it is: a blank would end the target there, and what follows would be
// another version or another request (values of variables are percent-encoded).
bool fine_target(const Template& target) {
  for (const auto& part : target.parts())
    if (part.variable == kLiteral && !made_of(target.text_of(part), "-._~:/?[]@!$&'()*+,;=%")) return false;
  return true;
}

}  // namespace

std::string read_auth_url(std::string_view written, model::ExternalAuth& out) {
  static const std::string expected = "an absolute http or https URL";
  out.url = written;
  out.tls = iequals(written.substr(0, 8), "https://");
  if (!out.tls && !iequals(written.substr(0, 7), "http://")) return expected;
  auto rest = written.substr(out.tls ? 8 : 7);
  // A variable behind the host begins the path: https://mirror.example$request_uri.
  const auto path = std::min(rest.find_first_of(rest.starts_with('$') ? "/?" : "/?$"), rest.size());
  auto authority = rest.substr(0, path);
  auto target = std::string(rest.substr(path));
  if (target.starts_with('$') && !target.starts_with("$request_uri") && !target.starts_with("${request_uri}"))
    return expected + " whose host is a name, an address or $host";
  if (target.empty() || target.front() == '?') target.insert(0, "/");
  if (!fine_target(target)) return expected + " of the characters of URLs, without a fragment";
  out.port = out.tls ? 443 : 80;
  // An address of IPv6 has colons of its own.
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto port = parse_int(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return expected + " whose port is a number from 1 to 65535";
    out.port = static_cast<std::uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (authority.empty()) return expected + " with a host";
  const auto variable = only_variable(authority);
  out.by_host = std::ranges::find(kHostNames, variable) != std::end(kHostNames);
  if (out.by_host) {
    out.host_header = "$host";
  } else if (authority.find('$') != std::string_view::npos) {
    return expected + " whose host is a name or $host, and no other variable";
  } else {
    const bool six = authority.starts_with('[') && authority.ends_with(']');
    auto host = lower(six ? authority.substr(1, authority.size() - 2) : authority);
    while (host.ends_with('.')) host.pop_back();
    const bool address = six ? is_ipv6(host) : is_ipv4(host);
    if (!address && (six || !is_host_name(host, false))) return expected + " whose host is a name or an address";
    out.host = std::move(host);
    out.host_header = std::string(authority);
  }
  out.target = std::move(target);
  return wrong_variables(out.target, false);
}

std::string read_auth_method(std::string_view written, std::string& out) {
  static constexpr std::string_view kMethods[] = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                                  "DELETE", "CONNECT", "OPTIONS", "TRACE"};
  if (std::ranges::find(kMethods, written) == std::end(kMethods)) return "a method, such as GET";
  // A tunnel and an echo are no questions.
  if (written == "CONNECT" || written == "TRACE") return "a method other than CONNECT and TRACE";
  out = written;
  return {};
}

std::string read_signin(std::string_view written, Template& out) {
  if (!made_of(written, kOfUrls)) return "an URL of letters, digits and " + std::string(kOfUrls);
  const bool absolute =
      std::ranges::any_of(std::array{"http://", "https://", "$scheme://", "${scheme}://"},
                          [&](std::string_view scheme) { return iequals(written.substr(0, scheme.size()), scheme); });
  if (!absolute && !written.starts_with('/')) return "an absolute http or https URL, or a path";
  out = Template(written);
  return wrong_variables(out, false);
}

Template with_return(const Template& url, std::string_view param) {
  if (url.empty()) return {};
  const std::string& text = url.text();
  const auto question = text.find('?');
  const auto query = question == std::string::npos ? std::string_view() : std::string_view(text).substr(question + 1);
  for (std::string_view rest = query; !rest.empty();) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) == param && equals != std::string_view::npos && equals + 1 < pair.size()) return url;
  }
  std::string out = text;
  if (query.empty())
    out += question == std::string::npos ? "?" : "";
  else
    out += '&';
  out.append(param).append("=$pass_access_scheme://$http_host$escaped_request_uri");
  return out;
}

std::string read_auth_headers(std::string_view written, std::vector<std::string>& out) {
  out.clear();
  std::string wrong;
  for_each_element(written, [&](std::string_view name) {
    if (name.empty()) return;
    // Pods get no Host, no length and nothing of a connection from there.
    if (!made_of(name, "-_") || iequals(name, "host") || !wrong_header_name(name, HeadersTo::pods).empty())
      wrong = name;
    else if (out.size() <= model::HeaderMap::kMostLines &&
             std::ranges::none_of(out, [&](const auto& known) { return iequals(known, name); }))
      out.emplace_back(name);
  });
  if (!wrong.empty())
    return "names of headers that pods may get, separated by commas, which " + shorten(wrong) + " is not";
  if (out.size() > model::HeaderMap::kMostLines)
    return "at most " + std::to_string(model::HeaderMap::kMostLines) + " names";
  return {};
}

std::string read_cache_key(std::string_view written, Template& out) {
  if (!made_of(written, "-_${}")) return "variables, letters, digits, - and _";
  out = Template(written);
  return wrong_variables(out, false);
}

namespace {

// nginx's units; more than one may follow each other ("1h 30m").
std::optional<std::int64_t> milliseconds(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789");
  const auto number = parse_int(text.substr(0, digits));
  if (!number || digits == std::string_view::npos || digits == 0) return std::nullopt;
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ms", 1},         {"s", 1000},        {"m", 60'000},        {"h", 3'600'000},
      {"d", 86'400'000}, {"w", 604'800'000}, {"M", 2'592'000'000}, {"y", 31'536'000'000},
  };
  for (const auto& [unit, size] : kUnits)
    if (text.substr(digits) == unit && *number <= 31'536'000'000 / size) return *number * size;
  return std::nullopt;
}

std::string read_cache_time(std::string_view written, model::AuthCacheTime& out) {
  static const std::string expected = "statuses and a time, such as 200 202 401 5m";
  std::int64_t total = 0;
  bool timed = false;
  while (!(written = trim_of(written, kBlank)).empty()) {
    const auto word = written.substr(0, written.find(' '));
    written.remove_prefix(word.size());
    if (word == "any") {
      if (timed) return expected;
      out.statuses.push_back(0);
    } else if (word.size() == 3 && parse_int(word)) {
      if (timed) return expected;
      out.statuses.push_back(static_cast<std::uint16_t>(*parse_int(word)));
    } else if (const auto time = milliseconds(word)) {
      timed = true;
      total += *time;
    } else {
      return expected;
    }
  }
  if (!timed) return expected;
  out.time = std::chrono::seconds(total / 1000);
  return {};
}

}  // namespace

std::string read_cache_times(std::string_view written, std::vector<model::AuthCacheTime>& out) {
  out.clear();
  std::string wrong;
  for_each_element(written, [&](std::string_view element) {
    if (element.empty() || !wrong.empty()) return;
    wrong = read_cache_time(element, out.emplace_back());
  });
  return wrong;
}

std::string cache_times_text(const std::vector<model::AuthCacheTime>& times) {
  std::string out;
  for (const auto& one : times) {
    if (!out.empty()) out += ", ";
    for (const auto status : one.statuses) out += (status == 0 ? "any" : std::to_string(status)) + " ";
    const auto seconds = one.time.count();
    out += seconds % 3600 == 0 ? std::to_string(seconds / 3600) + "h"
           : seconds % 60 == 0 ? std::to_string(seconds / 60) + "m"
                               : std::to_string(seconds) + "s";
  }
  return out;
}

}  // namespace sluice::control
