#include "base/cdn_loop.h"
#include "base/hex.h"
#include "data/filter/filter.h"
#include "data/server/worker.h"

// Requests that come back (RFC 9110 section 7.6: "An intermediary MUST NOT forward a message to itself unless it is
// protected from an infinite request loop"). A request that goes outside carries CDN-Loop (base/cdn_loop.h); one that
// goes to pods does only when it has come from a proxy itself.
namespace sluice::data {

namespace {

using net::http::Name;

constexpr std::size_t kMostPasses = 5;  // what reaches any Sluice for this time is not passed on
constexpr std::size_t kRouteDigits = 16;

// Which route it is, for this process alone: keyed, so that it tells nobody which routes there are, and nobody can name
// one.
void write_route(const Exchange& ex, char* digits) noexcept {
  const auto& seed = ex.worker.shared.loop_seed;
  const auto& spec = *ex.route->spec;
  const auto host = hash_name(seed, ex.route->host);
  const auto hash = hash_name({seed.k0 ^ host, seed.k1 + static_cast<std::uint64_t>(spec.match)}, spec.path.view());
  write_hex(hash, digits);
}

// All that a proxy of Ingresses tells its pods.
constexpr net::http::NameSet kOfAProxy{Name::x_real_ip,        Name::x_forwarded_for,   Name::x_forwarded_host,
                                       Name::x_forwarded_port, Name::x_forwarded_proto, Name::x_forwarded_scheme,
                                       Name::x_scheme};

LocalReply ended(Exchange& ex, const char* why) {
  ex.worker.stats.loops.add();
  return {508, {}, why};
}

}  // namespace

// A filter. What a request has passed already is read here, and what is to be written about this pass put into
// ex.loop_mark.
std::optional<LocalReply> loop(Exchange& ex) {
  const auto& names = ex.head().names;
  const bool outside = ex.cluster && ex.cluster->outside();
  const bool marked = names.has(Name::cdn_loop);
  const bool proxied = names.has_all(kOfAProxy);
  if (!outside && !marked && !proxied) return std::nullopt;

  char digits[kRouteDigits];
  write_route(ex, digits);
  const std::string_view route(digits, sizeof digits);
  auto& mark = ex.memory.joined.emplace_back();
  std::size_t before = 0;
  bool same_route = false;
  for (const auto& f : ex.head().fields.all()) {
    if (f.id != Name::cdn_loop) continue;
    for_each_pass(f.value, [&](std::string_view by) {
      ++before;
      same_route = same_route || by == route;
    });
    if (f.value.empty()) continue;
    mark += f.value;
    mark += ", ";
  }
  if (same_route) return ended(ex, "the request has come back to a route that it took before");
  if (before + 1 >= kMostPasses)
    return ended(ex, "the request has been passed on four times before, by this proxy or others of its kind");
  // Another proxy's field, on its way to pods: passed on as it came.
  if (!outside && before == 0 && !proxied) return std::nullopt;
  // The pass before was one to pods, which leave no mark: it counts.
  if (before == 0 && proxied) mark.append(kCdnId).append(", ");
  mark += kCdnId;
  // Pods may ask for their own host with what they were asked: only the number of passes counts for them.
  if (outside) mark.append("; r=").append(route);
  for (auto& f : ex.head().fields.all())
    if (f.id == Name::cdn_loop) f.drop = true;
  ex.loop_mark = mark;
  return std::nullopt;
}

}  // namespace sluice::data
