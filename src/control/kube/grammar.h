#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"  // what names of header fields are made of
#include "base/variables.h"
#include "model/model.h"

// The value grammars that annotations and options share. Each reads the whole text or nothing.
namespace sluice::control {

// Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False.
std::optional<bool> parse_bool(std::string_view s);
// "on" or "off", as nginx flags are written.
std::optional<bool> parse_on_off(std::string_view s);
// Decimal digits with an optional sign.
std::optional<std::int64_t> parse_int(std::string_view s);
// nginx's sizes: digits and one of k K m M g G.
std::optional<std::uint64_t> parse_size(std::string_view s);
// "10.0.0.0/8", "2001:db8::/32", or an address alone.
std::optional<model::Cidr> parse_cidr(std::string_view s);
// Do the addresses and ranges of a comma-separated list hold every IPv4 and every IPv6 address? Nothing when one of
// them is none.
std::optional<bool> holds_everybody(std::string_view list);
// Ends of lines and tabs are blanks: a block of YAML has the elements of a list on lines of their own, and ends in one.
std::string on_one_line(std::string_view text);
// ": ", and why a variable of nginx has no value here, be the dollar sign in front or not; empty: nginx has none of the
// name either, or it has one.
std::string because_absent(std::string_view name);
// What was expected where a text names what is no variable, or one that has its value later than those of `by`, so that
// it would stand for nothing; empty: it is fine. `groups`: $1 to $9 are.
std::string wrong_variables(const Template& text, bool groups, VariableRow::When by = VariableRow::When::request);
// An IPv4 or IPv6 literal without brackets.
bool is_ipv4(std::string_view s);
bool is_ipv6(std::string_view s);
// RFC 1123 host name; `wildcard` allows one leading "*.".
bool is_host_name(std::string_view s, bool wildcard);
// Has bytes below 0x20 or 0x7f.
bool has_control(std::string_view s);
// At most 120 bytes, control characters shown as '?', the password of an URL as an ellipsis.
std::string shorten(std::string_view s);
// "8m", "4096": the shortest spelling of a size.
std::string size_text(std::uint64_t bytes);
std::string cidr_text(const model::Cidr& c);
// A comma-separated list of addresses and ranges, as model::SourceRanges means them: 0.0.0.0/0 is IPv4 alone. Nothing
// when one of them is none.
std::optional<std::vector<model::Cidr>> parse_source_ranges(std::string_view list);
// "10.0.0.0/8,::/0".
std::string source_ranges_text(const std::vector<model::Cidr>& ranges);

// A DNS label, as Namespaces have it.
bool is_namespace(std::string_view name);

inline constexpr std::string_view kPriorityGrammar = "low, normal or high";
std::optional<model::Priority> parse_priority(std::string_view text);

// raw, normalize or refuse.
std::optional<model::AmbiguousPaths> parse_ambiguous_paths(std::string_view text);

// The names of model::LoadBalance, all that there are, and `behind`; with zeros up to the end.
consteval std::array<char, 256> list_load_balances(std::string_view behind) {
  const auto name = [](std::size_t i) { return to_string(static_cast<model::LoadBalance>(i)); };
  std::array<char, 256> out{};
  std::size_t size = 0;
  const auto append = [&](std::string_view text) {
    for (const char c : text) out.at(size++) = c;
  };
  for (std::size_t i = 0; !name(i).empty(); ++i) {
    if (i > 0) append(name(i + 1).empty() ? " or " : ", ");
    append(name(i));
  }
  append(behind);
  return out;
}
inline constexpr auto kLoadBalanceNames = list_load_balances("");
inline constexpr auto kLoadBalanceWish =
    list_load_balances("; hashing is upstream-hash-by, and sessions are affinity: cookie");
inline constexpr std::string_view kLoadBalanceValues(kLoadBalanceNames.data()),
    kLoadBalanceGrammar(kLoadBalanceWish.data());
std::optional<model::LoadBalance> parse_load_balance(std::string_view text);
// A whole number and its unit: ms, s, m or h; seconds without one. Not of nginx's own directives, which take more.
std::optional<model::Millis> parse_time(std::string_view text);
std::string time_text(model::Millis time);

// How long to wait where it may be less than a second.
inline constexpr std::string_view kPatienceGrammar =
    "seconds, a bare number, or a time with its unit such as 250ms, 10s or 1m, an hour at most";
std::optional<model::Millis> parse_patience(std::string_view text);

// Words of nginx's proxy_next_upstream with blanks between them, as ingress-nginx takes them; `off` among them is none.
inline constexpr std::string_view kRetryGrammar =
    "off, or words of error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, "
    "http_429 and non_idempotent";
std::optional<model::RetryConditions> parse_retry_conditions(std::string_view text);
std::string retry_conditions_text(model::RetryConditions conditions);

}  // namespace sluice::control
