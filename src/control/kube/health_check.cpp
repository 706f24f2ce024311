#include "control/kube/health_check.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using model::HealthCheck;
using Millis = HealthCheck::Millis;

constexpr std::size_t kMostRanges = 16;
constexpr std::int64_t kMostInARow = 100;
constexpr Millis kShortestInterval{1'000}, kLongestInterval{3'600'000};
constexpr Millis kShortestTimeout{100}, kLongestTimeout{60'000};

std::string read_within(std::string_view v, Millis shortest, Millis longest, Millis& out) {
  const auto time = parse_time(v);
  if (!time || *time < shortest || *time > longest)
    return "a time from " + time_text(shortest) + " to " + time_text(longest) + ", such as 1500ms, 10s or 1m";
  out = *time;
  return {};
}

std::string read_row(std::string_view v, std::uint32_t& out) {
  const auto n = parse_int(v);
  if (!n || *n < 1 || *n > kMostInARow) return "a number of checks from 1 to " + std::to_string(kMostInARow);
  out = static_cast<std::uint32_t>(*n);
  return {};
}

std::optional<std::uint16_t> read_status(std::string_view v) {
  const auto n = v.size() == 3 ? parse_int(v) : std::nullopt;
  if (!n || *n < 200 || *n > 599) return std::nullopt;
  return static_cast<std::uint16_t>(*n);
}

bool visible(std::string_view v) {
  return std::ranges::all_of(v, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::string read_check_by(std::string_view v, HealthCheck& out) {
  using enum model::CheckBy;
  for (const auto by : {off, http, grpc, tcp})
    if (v == to_string(by)) {
      out.by = by;
      return {};
    }
  return std::string(kCheckGrammar);
}

std::string read_check_path(std::string_view v, HealthCheck& out) {
  if (!v.starts_with('/') || v.size() > 1024 || !visible(v) || v.find('#') != std::string_view::npos)
    return "a path, with or without a query, which begins with /, has visible characters of ASCII but for #, and at "
           "most 1024 of them";
  out.path = v;
  return {};
}

std::string read_check_host(std::string_view v, HealthCheck& out) {
  const char* expected = "a host name or an address, with or without a port";
  std::string_view name = v, port;
  if (v.starts_with('[')) {
    const auto end = std::min(v.find(']'), v.size());
    name = v.substr(1, end - 1);
    const auto rest = v.substr(std::min(end + 1, v.size()));
    if (end == v.size() || !is_ipv6(name) || (!rest.empty() && !rest.starts_with(':'))) return expected;
    if (!rest.empty()) port = rest;
  } else {
    const auto colon = v.find(':');
    if (colon != std::string_view::npos) port = v.substr(colon), name = v.substr(0, colon);
    if (name.size() > 253 || (!is_host_name(lower(name), false) && !is_ipv4(name))) return expected;
  }
  if (!port.empty() &&
      (port == ":" || port.find_first_not_of(":0") == std::string_view::npos || !is_port(port.substr(1))))
    return expected;
  out.host = v;
  return {};
}

std::string read_check_service(std::string_view v, HealthCheck& out) {
  if (v.size() > 255 || !made_of(v, "-_./"))
    return "the name of a gRPC service, such as shop.Cart: letters, digits, - _ . and / between them, at most 255";
  out.service = v;
  return {};
}

std::string read_check_interval(std::string_view v, HealthCheck& out) {
  return read_within(v, kShortestInterval, kLongestInterval, out.interval);
}
std::string read_check_timeout(std::string_view v, HealthCheck& out) {
  return read_within(v, kShortestTimeout, kLongestTimeout, out.timeout);
}
std::string read_unhealthy_after(std::string_view v, HealthCheck& out) {
  return read_row(v, out.unhealthy_after);
}
std::string read_healthy_after(std::string_view v, HealthCheck& out) {
  return read_row(v, out.healthy_after);
}

std::string read_check_expect(std::string_view v, HealthCheck& out) {
  const std::string expected =
      "statuses from 200 to 599 and ranges of them with commas between, such as 200-299,404, at most " +
      std::to_string(kMostRanges) + " of them";
  std::vector<model::StatusRange> all;
  bool bad = false;
  std::string list(v);  // whose elements may stand on lines of their own
  std::ranges::replace_if(list, [](char c) { return c == '\n' || c == '\r'; }, ',');
  for_each_element(list, [&](std::string_view e) {
    const auto dash = e.find('-');
    const auto first = read_status(trim(e.substr(0, dash)));
    const auto last = dash == std::string_view::npos ? first : read_status(trim(e.substr(dash + 1)));
    bad = bad || !first || !last || *first > *last || all.size() == kMostRanges;
    if (!bad) all.push_back({*first, *last});
  });
  if (bad || all.empty()) return expected;
  out.expect = std::move(all);
  return {};
}

std::string print_check_by(const HealthCheck& check) {
  return std::string(to_string(check.by));
}
std::string print_check_path(const HealthCheck& check) {
  return check.path;
}
std::string print_check_host(const HealthCheck& check) {
  return check.host;
}
std::string print_check_service(const HealthCheck& check) {
  return check.service;
}
std::string print_check_interval(const HealthCheck& check) {
  return time_text(check.interval);
}
std::string print_check_timeout(const HealthCheck& check) {
  return time_text(check.timeout);
}
std::string print_unhealthy_after(const HealthCheck& check) {
  return std::to_string(check.unhealthy_after);
}
std::string print_healthy_after(const HealthCheck& check) {
  return std::to_string(check.healthy_after);
}
std::string print_check_expect(const HealthCheck& check) {
  std::string out;
  for (const auto& range : check.expect) {
    if (!out.empty()) out += ',';
    out += std::to_string(range.first);
    if (range.last != range.first) out += "-" + std::to_string(range.last);
  }
  return out;
}

}  // namespace sluice::control
