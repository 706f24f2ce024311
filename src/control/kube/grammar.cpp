#include "control/kube/grammar.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <set>
#include <span>

#include "base/absent_variables.h"
#include "base/printable.h"
#include "base/strings.h"

namespace sluice::control {

std::optional<bool> parse_bool(std::string_view s) {
  static constexpr std::string_view kTrue[] = {"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::string_view kFalse[] = {"0", "f", "F", "FALSE", "false", "False"};
  if (std::ranges::find(kTrue, s) != std::end(kTrue)) return true;
  if (std::ranges::find(kFalse, s) != std::end(kFalse)) return false;
  return std::nullopt;
}

std::optional<bool> parse_on_off(std::string_view s) {
  if (s == "on") return true;
  if (s == "off") return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_int(std::string_view s) {
  if (s.starts_with('+')) s.remove_prefix(1);
  std::int64_t out = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (s.empty() || error != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return out;
}

std::optional<std::uint64_t> parse_size(std::string_view s) {
  int shift = 0;
  if (!s.empty()) {
    switch (lower(s.back())) {
      case 'k':
        shift = 10;
        break;
      case 'm':
        shift = 20;
        break;
      case 'g':
        shift = 30;
        break;
      default:
        break;
    }
  }
  if (shift) s.remove_suffix(1);
  std::uint64_t out = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (s.empty() || error != std::errc{} || end != s.data() + s.size() || out > (1ULL << 60 >> shift))
    return std::nullopt;
  return out << shift;
}

std::optional<model::Cidr> parse_cidr(std::string_view s) {
  model::Cidr out;
  auto slash = s.find('/');
  std::string address(s.substr(0, slash));
  int base = 0;
  if (in_addr v4{}; ::inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    out.bytes[10] = out.bytes[11] = 0xff;
    std::memcpy(out.bytes + 12, &v4, 4);
    base = 96;
  } else if (in6_addr v6{}; ::inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    std::memcpy(out.bytes, &v6, 16);
  } else {
    return std::nullopt;
  }
  int bits = 128 - base;
  if (slash != std::string_view::npos) {
    auto given = parse_int(s.substr(slash + 1));
    if (!given || *given < 0 || *given > bits || s[slash + 1] == '+') return std::nullopt;
    bits = static_cast<int>(*given);
  }
  out.bits = static_cast<std::uint8_t>(base + bits);
  for (int i = out.bits; i < 128; ++i)
    out.bytes[i / 8] = static_cast<std::uint8_t>(out.bytes[i / 8] & ~(0x80 >> (i % 8)));
  // 0.0.0.0/0 is everyone, IPv6 clients too, as nginx treats it for proxy-real-ip-cidr in dual-stack clusters.
  if (base == 96 && bits == 0) out = {};
  return out;
}

namespace {

struct Range {
  std::array<std::uint8_t, 16> bytes{};
  int bits = 0;  // that count, from the front
};

// "10.0.0.0/8" or an address alone, which is a range of one. Adds it to the ranges of its family.
bool add_range(std::string_view s, std::vector<Range>& v4, std::vector<Range>& v6) {
  Range out;
  const auto slash = s.find('/');
  const std::string address(s.substr(0, slash));
  const bool four = ::inet_pton(AF_INET, address.c_str(), out.bytes.data()) == 1;
  if (!four && ::inet_pton(AF_INET6, address.c_str(), out.bytes.data()) != 1) return false;
  out.bits = four ? 32 : 128;
  if (slash != std::string_view::npos) {
    const auto digits = s.substr(slash + 1);
    if (digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
    const auto bits = parse_int(digits);
    if (!bits || *bits > out.bits) return false;
    out.bits = static_cast<int>(*bits);
  }
  (four ? v4 : v6).push_back(out);
  return true;
}

// Do the ranges, which agree in their first `bit` bits, hold every address that does? So they do when one of them ends
// there, and when those of either half hold that half.
bool hold_all(std::span<Range> ranges, int bit) {
  if (std::ranges::any_of(ranges, [&](const Range& r) { return r.bits == bit; })) return true;
  const auto upper = std::ranges::partition(
      ranges, [&](const Range& r) { return (r.bytes[static_cast<std::size_t>(bit) / 8] >> (7 - bit % 8) & 1) == 0; });
  const auto lower = ranges.first(ranges.size() - upper.size());
  return !lower.empty() && !upper.empty() && hold_all(lower, bit + 1) && hold_all(std::span<Range>(upper), bit + 1);
}

}  // namespace

std::optional<bool> holds_everybody(std::string_view list) {
  std::vector<Range> v4, v6;
  for (std::size_t from = 0; from <= list.size();) {
    const auto comma = std::min(list.find(',', from), list.size());
    if (!add_range(trim_space(list.substr(from, comma - from)), v4, v6)) return std::nullopt;
    from = comma + 1;
  }
  return hold_all(v4, 0) && hold_all(v6, 0);
}

std::string on_one_line(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return out;
}

std::string because_absent(std::string_view name) {
  const auto why = absent_because(name.substr(name.starts_with('$') ? 1 : 0));
  return why.empty() ? std::string() : ": " + std::string(why);
}

std::string wrong_variables(const Template& text, bool groups, VariableRow::When by) {
  if (const auto unknown = text.first_unknown(groups); !unknown.empty())
    return "variables of docs/variables.md, which " + unknown + " is not" + because_absent(unknown);
  if (const auto late = text.first_too_late(by); !late.empty())
    return "variables that have a value by then, which " + late + " has not";
  return {};
}

bool is_ipv4(std::string_view s) {
  in_addr a{};
  return ::inet_pton(AF_INET, std::string(s).c_str(), &a) == 1;
}

bool is_ipv6(std::string_view s) {
  in6_addr a{};
  return ::inet_pton(AF_INET6, std::string(s).c_str(), &a) == 1;
}

bool is_host_name(std::string_view s, bool wildcard) {
  if (wildcard && s.starts_with("*.")) s.remove_prefix(2);
  if (s.empty() || s.size() > 253) return false;
  std::size_t label = 0;
  char before = '.';
  for (char raw : s) {
    char c = lower(raw);
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
    } else {
      bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      if (!alnum && !(c == '-' && label > 0)) return false;
      if (++label > 63) return false;
    }
    before = c;
  }
  return label > 0 && before != '-';
}

bool has_control(std::string_view s) {
  for (char c : s)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

std::string shorten(std::string_view s) {
  std::string out(cut(s, 120));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  // A password in an URL is shown to nobody who reads messages.
  const std::size_t scheme = out.find("://");
  if (scheme == std::string::npos) return out;
  const std::size_t user = scheme + 3, end = std::min(out.find_first_of("/?# ", user), out.size());
  const std::size_t at = out.substr(0, end).rfind('@');
  const std::size_t colon = out.find(':', user);
  if (at != std::string::npos && at >= user && colon < at) out.replace(colon + 1, at - colon - 1, "…");
  return out;
}

std::string size_text(std::uint64_t bytes) {
  for (auto [shift, unit] : {std::pair{30, "g"}, {20, "m"}, {10, "k"}})
    if (bytes && bytes % (1ULL << shift) == 0) return std::to_string(bytes >> shift) + unit;
  return std::to_string(bytes);
}

std::string cidr_text(const model::Cidr& c) {
  char text[INET6_ADDRSTRLEN];
  static constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (c.bits == 0) return "0.0.0.0/0";
  if (c.bits >= 96 && std::memcmp(c.bytes, mapped, 12) == 0)
    return std::string(::inet_ntop(AF_INET, c.bytes + 12, text, sizeof text)) + "/" + std::to_string(c.bits - 96);
  return std::string(::inet_ntop(AF_INET6, c.bytes, text, sizeof text)) + "/" + std::to_string(c.bits);
}

std::optional<std::vector<model::Cidr>> parse_source_ranges(std::string_view list) {
  std::vector<model::Cidr> out;
  std::set<model::Cidr> known;  // lists have thousands
  for (std::size_t from = 0; from <= list.size();) {
    const auto comma = std::min(list.find(',', from), list.size());
    const auto element = trim_space(list.substr(from, comma - from));
    auto range = parse_cidr(element);
    const auto slash = element.find('/');
    const bool digits =
        slash == std::string_view::npos || element.find_first_not_of("0123456789", slash + 1) == std::string_view::npos;
    if (!range || !digits) return std::nullopt;
    // parse_cidr() takes 0.0.0.0/0 for everyone.
    if (range->bits == 0 && element.find(':') == std::string_view::npos) {
      range->bits = 96;
      range->bytes[10] = range->bytes[11] = 0xff;
    }
    if (known.insert(*range).second) out.push_back(*range);
    from = comma + 1;
  }
  return out;
}

std::string source_ranges_text(const std::vector<model::Cidr>& ranges) {
  std::string out;
  for (const auto& range : ranges) {
    if (!out.empty()) out += ',';
    out += range.bits == 0 ? "::/0" : cidr_text(range);
  }
  return out;
}

namespace {

struct RetryWord {
  std::string_view text;
  model::RetryOn means;
};
constexpr RetryWord kRetryWords[] = {
    {"error", model::RetryOn::error},
    {"timeout", model::RetryOn::timeout},
    {"invalid_header", model::RetryOn::invalid_header},
    {"http_500", model::RetryOn::http_500},
    {"http_502", model::RetryOn::http_502},
    {"http_503", model::RetryOn::http_503},
    {"http_504", model::RetryOn::http_504},
    {"http_403", model::RetryOn::http_403},
    {"http_404", model::RetryOn::http_404},
    {"http_429", model::RetryOn::http_429},
    {"non_idempotent", model::RetryOn::non_idempotent},
};

}  // namespace

std::optional<model::RetryConditions> parse_retry_conditions(std::string_view text) {
  model::RetryConditions out{0};
  bool off = false, any = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find_first_of(" \t\n\r\f\v", at), text.size());
    const auto word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    any = true;
    if (word == "off") {
      off = true;
      continue;
    }
    const auto known = std::ranges::find(kRetryWords, word, &RetryWord::text);
    if (known == std::end(kRetryWords)) return std::nullopt;
    out.add(known->means);
  }
  if (!any) return std::nullopt;
  return off ? model::RetryConditions{0} : out;
}

std::string retry_conditions_text(model::RetryConditions conditions) {
  std::string out;
  for (const auto& [text, means] : kRetryWords)
    if (conditions.has(means)) out.append(out.empty() ? "" : " ").append(text);
  return out.empty() ? "off" : out;
}

std::optional<model::Millis> parse_time(std::string_view text) {
  const auto digits = text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
  const auto unit = text.substr(digits.size());
  const std::int64_t scale = unit == "ms"                  ? 1
                             : unit.empty() || unit == "s" ? 1'000
                             : unit == "m"                 ? 60'000
                             : unit == "h"                 ? 3'600'000
                                                           : 0;
  const auto n = digits.empty() || digits.size() > 9 ? std::nullopt : parse_int(digits);
  if (!n || scale == 0) return std::nullopt;
  return model::Millis(*n * scale);
}

std::string time_text(model::Millis time) {
  const auto ms = time.count();
  if (ms == 0) return "0";
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  return ms % 1'000 == 0 ? std::to_string(ms / 1'000) + "s" : std::to_string(ms) + "ms";
}

std::optional<model::Millis> parse_patience(std::string_view text) {
  const auto time = parse_time(text);
  return time && *time <= std::chrono::hours(1) ? time : std::nullopt;
}

std::optional<model::LoadBalance> parse_load_balance(std::string_view text) {
  for (std::uint8_t i = 0;; ++i) {
    const auto way = static_cast<model::LoadBalance>(i);
    const auto name = to_string(way);
    if (name.empty()) return std::nullopt;
    if (text == name) return way;
  }
}

bool is_namespace(std::string_view name) {
  return name.find('.') == std::string_view::npos && lower(name) == name && is_host_name(name, false);
}

std::optional<model::Priority> parse_priority(std::string_view text) {
  using enum model::Priority;
  for (const auto priority : {low, normal, high})
    if (iequals(text, to_string(priority))) return priority;
  return std::nullopt;
}

std::optional<model::AmbiguousPaths> parse_ambiguous_paths(std::string_view text) {
  using enum model::AmbiguousPaths;
  for (const auto way : {raw, normalize, refuse})
    if (iequals(text, to_string(way))) return way;
  return std::nullopt;
}

}  // namespace sluice::control
