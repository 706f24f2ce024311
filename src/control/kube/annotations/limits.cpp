#include <array>
#include <limits>

#include "control/kube/annotations/values.h"

// limit-*: how much one client may ask, and how fast it gets what it asked for.
namespace sluice::control::annotation {

namespace {

using Limit = std::uint32_t model::ClientLimits::*;

model::ClientLimits& limits_of(const AnnotationContext& context, AnnotationValues& out) {
  auto& limits = out.limits.limits;
  limits.ns = context.ns();
  limits.ingress = context.ingress.meta.name;
  limits.created = context.ingress.meta.created;
  return limits;
}

// Of 0 and less there is none, as in ingress-nginx.
template <Limit Which, std::int64_t Most>
std::string read_limit(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n > Most) return "a number up to " + std::to_string(Most) + "; 0 is no limit";
  limits_of(context, out).*Which = static_cast<std::uint32_t>(std::max<std::int64_t>(*n, 0));
  return {};
}
template <Limit Which>
std::string print_limit(const ServedRoute& served) {
  const auto& limits = served.settings.client_limits;
  return limits && (*limits).*Which != 0 ? std::to_string((*limits).*Which) : "";
}

// 0 and less are a configuration that nginx refuses as a whole.
std::string read_multiplier(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 1 || *n > 1'000'000) return "a number from 1 to 1000000";
  limits_of(context, out).burst_multiplier = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_multiplier(const ServedRoute& served) {
  const auto& limits = served.settings.client_limits;
  return std::to_string(limits ? limits->burst_multiplier : model::ClientLimits{}.burst_multiplier);
}

std::string read_exempt(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  auto read = parse_source_ranges(v);
  if (!read) return "a comma-separated list of addresses and ranges such as 10.0.0.0/8";
  limits_of(context, out).exempt = std::move(*read);
  return {};
}
std::string print_exempt(const ServedRoute& served) {
  const auto& limits = served.settings.client_limits;
  return limits ? source_ranges_text(limits->exempt) : "";
}

template <std::uint64_t RouteSettings::* Which>
std::string read_kibibytes(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n > std::numeric_limits<std::int32_t>::max()) return "a number of KiB, 0 for none";
  out.settings.*Which = static_cast<std::uint64_t>(std::max<std::int64_t>(*n, 0)) << 10;
  if (Which == &RouteSettings::limit_rate) out.limits.rate = true;
  return {};
}
// A snippet counts in bytes.
template <std::uint64_t RouteSettings::* Which>
std::string print_kibibytes(const ServedRoute& served) {
  const std::uint64_t bytes = served.settings.*Which;
  return bytes % 1024 == 0 ? std::to_string(bytes / 1024) : std::to_string(bytes) + " bytes";
}

constexpr std::string_view kAllowlist = "limit-allowlist";
constexpr AnnotationValue kExempt{"list of ranges", read_exempt, print_exempt};
constexpr std::int64_t kMostRequests = std::numeric_limits<std::int32_t>::max();

constexpr std::array kLimitRows{
    Annotation{.name = kAllowlist,
               .value = kExempt,
               .on_invalid = OnInvalid::drop,
               .needs = "limit-rps",
               .doc =
                   "addresses and ranges that limit-rps, limit-rpm and limit-connections, of which one is enough, do "
                   "not count"},
    Annotation{.name = "limit-burst-multiplier",
               .value = {"number", read_multiplier, print_multiplier, White::none},
               .initial = "5",
               .needs = "limit-rps",
               .doc = "so many times limit-rps, or limit-rpm, may come at once, and one request more"},
    Annotation{.name = "limit-connections",
               .value = {"number", read_limit<&model::ClientLimits::connections, model::ClientLimits::kMostConnections>,
                         print_limit<&model::ClientLimits::connections>, White::none},
               .on_invalid = OnInvalid::drop,
               .doc = "requests that one client may have in flight at the paths of the Ingress; more are 503 "
                      "([limits of clients](limits-of-clients.md))"},
    Annotation{.name = "limit-rate",
               .value = {"KiB a second", read_kibibytes<&RouteSettings::limit_rate>,
                         print_kibibytes<&RouteSettings::limit_rate>, White::none},
               .option = "limit-rate",
               .doc = "how fast one response goes to its client; without proxy-buffering it has no effect, as in "
                      "ingress-nginx"},
    Annotation{.name = "limit-rate-after",
               .value = {"KiB", read_kibibytes<&RouteSettings::limit_rate_after>,
                         print_kibibytes<&RouteSettings::limit_rate_after>, White::none},
               .option = "limit-rate-after",
               .doc = "how much of a response goes at once before limit-rate counts"},
    Annotation{.name = "limit-rpm",
               .value = {"number", read_limit<&model::ClientLimits::rpm, kMostRequests>,
                         print_limit<&model::ClientLimits::rpm>, White::none},
               .on_invalid = OnInvalid::drop,
               .doc = "requests a minute of one client to the paths of the Ingress; more are 503"},
    Annotation{.name = "limit-rps",
               .value = {"number", read_limit<&model::ClientLimits::rps, kMostRequests>,
                         print_limit<&model::ClientLimits::rps>, White::none},
               .on_invalid = OnInvalid::drop,
               .doc = "requests a second of one client to the paths of the Ingress; more are 503"},
    Annotation{.name = "limit-whitelist",
               .value = kExempt,
               .on_invalid = OnInvalid::drop,
               .newer = kAllowlist,
               .needs = "limit-rps",
               .doc = "the older name of limit-allowlist, which counts where both are there"},
};

void finish_limits(AnnotationResult& out) {
  const auto& limits = out.values.limits.limits;
  auto& settings = out.values.settings;
  if (limits.rps != 0 || limits.rpm != 0 || limits.connections != 0) settings.client_limits = limits;
  // By a snippet it may be buffered, too: their family has been asked before.
  if (out.values.limits.rate && settings.limit_rate != 0 && !settings.response_buffering)
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[limit-rate]",
                            std::to_string(settings.limit_rate / 1024),
                            "proxy-buffering on beside it, as in ingress-nginx",
                            "responses have no rate, but those whose pods ask for buffering"});
}

}  // namespace

AnnotationFamily limits() {
  return {kLimitRows, finish_limits};
}

}  // namespace sluice::control::annotation
