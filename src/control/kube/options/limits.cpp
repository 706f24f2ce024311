// Limits of clients, and how fast they get what they asked for.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

// nginx takes statuses of errors alone.
template <auto M>
inline constexpr OptionValue error_status = number<M, 400, 599>;

// Of KiB, whose member is in bytes.
template <auto M>
std::string read_kibibytes(std::string_view v, Options& o) {
  constexpr std::int64_t kMost = 2'147'483'647;
  const auto n = parse_int(v);
  if (!n || *n < 0 || *n > kMost) return "a number from 0 to " + std::to_string(kMost);
  o.*M = static_cast<std::uint64_t>(*n) << 10;
  return {};
}
template <auto M>
std::string print_kibibytes(const Options& o) {
  return std::to_string(o.*M >> 10);
}
template <auto M>
inline constexpr OptionValue kibibytes{"number", read_kibibytes<M>, print_kibibytes<M>};

std::string read_who(std::string_view v, Options& o) {
  Template who(v);
  if (v.empty()) return "text with variables";
  if (auto expected = wrong_variables(who, false); !expected.empty()) return expected;
  o.limit_conn_zone_variable = std::move(who);
  return {};
}
std::string print_who(const Options& o) {
  return o.limit_conn_zone_variable.text();
}

constexpr std::array kLimitRows{
    Option{"limit-req-status-code", error_status<&Options::limit_req_status_code>,
           "status of requests that limit-rps and limit-rpm refuse"},
    Option{"limit-conn-status-code", error_status<&Options::limit_conn_status_code>,
           "status of requests that limit-connections refuses"},
    Option{"limit-conn-zone-variable",
           {"text with variables", read_who, print_who},
           "who one client is, for limit-rps, limit-rpm and limit-connections; where it is empty nothing is limited"},
    Option{"limit-rate", kibibytes<&Options::limit_rate>,
           "KiB a second of one response; 0 is no limit; without proxy-buffering it has no effect",
           to_route<&Options::limit_rate, &RouteSettings::limit_rate>},
    Option{"limit-rate-after", kibibytes<&Options::limit_rate_after>,
           "KiB of a response that go at once before limit-rate counts",
           to_route<&Options::limit_rate_after, &RouteSettings::limit_rate_after>},
};

}  // namespace

std::span<const Option> limits() {
  return kLimitRows;
}

}  // namespace sluice::control::options_of
