#include "data/plan/loop.h"

#include "base/cdn_loop.h"
#include "base/hex.h"
#include "data/exchange/exchange.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

using net::http::Name;

constexpr std::size_t kMostPasses = 5;  // what reaches any Sluice for this time is not passed on
constexpr std::size_t kRouteDigits = 16;
constexpr std::uint16_t kTenant = 0xffff;  // of counters of requests under way

// All that a proxy of Ingresses tells its pods.
constexpr net::http::NameSet kOfAProxy{Name::x_real_ip,        Name::x_forwarded_for,   Name::x_forwarded_host,
                                       Name::x_forwarded_port, Name::x_forwarded_proto, Name::x_forwarded_scheme,
                                       Name::x_scheme};

bool from_a_proxy(const RequestView& request) noexcept {
  return request.received.names.has_all(kOfAProxy);
}

// Has the request neither passed anybody nor is it to leave?
bool unmarked(const RequestView& request) noexcept {
  return !request.outside && !request.received.names.has(Name::cdn_loop) && !from_a_proxy(request);
}

// Which route it is, for this process alone: keyed, so that it tells nobody which routes there are, and nobody can name
// one.
void write_route(const RequestView& request, char* digits) noexcept {
  const auto& seed = *request.route_seed;
  const auto& spec = *request.route->spec;
  const auto host = hash_name(seed, request.route->host);
  const auto hash = hash_name({seed.k0 ^ host, seed.k1 + static_cast<std::uint64_t>(spec.match)}, spec.path.view());
  write_hex(hash, digits);
}

// The passes that the request tells of.
struct Passes {
  std::size_t before = 0;
  bool same_route = false;
};
Passes passes_of(const RequestView& request, std::string_view route) noexcept {
  Passes found;
  for (const auto& f : request.received.fields.all()) {
    if (f.id != Name::cdn_loop) continue;
    for_each_pass(f.value, [&](std::string_view by) {
      ++found.before;
      found.same_route = found.same_route || by == route;
    });
  }
  return found;
}

}  // namespace

std::optional<LocalReply> loop(const RequestView& request) {
  if (unmarked(request)) return std::nullopt;
  char digits[kRouteDigits];
  write_route(request, digits);
  const Passes passes = passes_of(request, {digits, sizeof digits});
  if (passes.same_route) return LocalReply{508, {}, "the request has come back to a route that it took before"};
  if (passes.before + 1 >= kMostPasses)
    return LocalReply{508, {}, "the request has been passed on four times before, by this proxy or others of its kind"};
  return std::nullopt;
}

void mark_pass(Exchange& ex, bool passed) {
  if (!passed) return ex.worker.stats.loops.add();
  if (unmarked(ex)) return;
  ex.is_counted = ex.options->exact && !ex.request_id.empty();
  if (ex.is_counted) return;
  char digits[kRouteDigits];
  write_route(ex, digits);
  const std::string_view route(digits, sizeof digits);
  const std::size_t before = passes_of(ex, route).before;
  const bool proxied = from_a_proxy(ex);
  // Another proxy's field, on its way to pods: passed on as it came.
  if (!ex.outside && before == 0 && !proxied) return;
  auto& mark = ex.memory.joined.emplace_back();
  for (auto& f : ex.head().fields.all()) {
    if (f.id != Name::cdn_loop) continue;
    f.drop = true;
    if (!f.value.empty()) mark.append(f.value).append(", ");
  }
  // The pass before was one to pods, which leave no mark: it counts.
  if (before == 0 && proxied) mark.append(kCdnId).append(", ");
  mark += kCdnId;
  // Pods may ask for their own host with what they were asked: only the number of passes counts for them.
  if (ex.outside) mark.append("; r=").append(route);
  ex.loop_mark = mark;
}

UnderWay::UnderWay(Exchange& ex) {
  if (!ex.is_counted) [[likely]]
    return;
  const LimitTable::Key key{LimitTable::number("under way/" + std::string(ex.request_id)), kTenant};
  const auto entered = ex.worker.shared.client_limits.enter(key, kMost);
  place_ = entered.place;
  too_often_ = !entered.admitted;
  if (too_often_) ex.worker.stats.loops.add();
}

}  // namespace sluice::data
