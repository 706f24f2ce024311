#include "data/plan/plan.h"

#include <algorithm>
#include <array>
#include <ranges>

#include "data/exchange/exchange.h"
#include "data/plan/destination.h"

namespace sluice::data {

template <class Make>
std::shared_ptr<const Plan> Plan::make(std::span<const Ordered> rows, Make&& make) {
  std::array<std::vector<Entry>, kPhases> found;
  std::size_t count = 0;
  for (const Ordered& ordered : rows) {
    const Row& row = *ordered.row;
    const StepPtr step = make(row);
    if (!step) continue;
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
      if ((row.phases >> phase & 1U) == 0) continue;
      found[phase].push_back({row.name, step});
      ++count;
    }
  }
  if (count == 0) return nullptr;
  auto plan = std::make_shared<Plan>();
  plan->steps_.reserve(count);
  for (std::size_t phase = 0; phase < kPhases; ++phase) {
    plan->steps_.insert(plan->steps_.end(), found[phase].begin(), found[phase].end());
    plan->begin_[phase + 1] = static_cast<std::uint8_t>(plan->steps_.size());
  }
  return plan;
}

std::shared_ptr<const Plan> Plan::of_route(std::span<const Ordered> rows, const Needs& needs) {
  return make(rows, [&](const Row& row) { return row.of_route ? row.of_route(needs) : nullptr; });
}

std::shared_ptr<const Plan> Plan::of_process(std::span<const Ordered> rows, const model::Options& options,
                                             bool secured) {
  return make(rows, [&](const Row& row) { return row.of_process ? row.of_process(options, secured) : nullptr; });
}

namespace {

std::optional<Verdict> run(const Plan* plan, Phase phase, const RequestView& request) {
  if (plan == nullptr) return std::nullopt;
  for (const auto& [name, step] : (*plan)[phase])
    if (auto reply = step->decide(request)) return Verdict{std::move(*reply), name};
  return std::nullopt;
}

// Up to the first that has to wait.
std::optional<Verdict> run_guards(std::span<const Plan::Entry> guards, const RequestView& request,
                                  const Plan::Entry** waits) {
  for (const Plan::Entry& guard : guards) {
    if (auto reply = guard.step->decide(request)) return Verdict{std::move(*reply), guard.name};
    if (waits == nullptr || !guard.step->waits(request)) continue;
    *waits = &guard;
    break;
  }
  return std::nullopt;
}

void respond(const Plan* plan, const RequestView& request, ResponseFields& fields) {
  if (plan == nullptr) return;
  for (const auto& entry : (*plan)[Phase::respond]) entry.step->respond(request, fields);
}

}  // namespace

bool answers_at_server(std::string_view row) noexcept {
  return row == "client-certificate" || row == "blocked" || row == "server-snippet" || row == "app-root";
}

namespace {
bool answers_before_location(std::string_view row) noexcept {
  return answers_at_server(row) || row == "from-to-www-redirect" || row == "ambiguous-paths";
}
}  // namespace

bool answers_before_rewrites(std::string_view row) noexcept {
  return answers_before_location(row) || row == kBodySize || row == "cors" || row == "configuration-snippet" ||
         row == "redirect" || row == "rewrite-target" || row == "route-answer";
}

std::optional<Verdict> decide_for_all(const Plan* process, const RequestView& request) {
  return run(process, Phase::answer, request);
}

bool is_loopback(std::span<const std::uint8_t, 16> address) noexcept {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::ranges::equal(address.first<12>(), mapped)) return address[12] == 127;
  return address[15] == 1 && std::ranges::all_of(address.first<15>(), [](std::uint8_t byte) { return byte == 0; });
}

std::optional<Verdict> decide_without_route(const Plan* process, const RequestView& request) {
  const bool for_all = request.main == nullptr;  // pages of ours let nobody in
  if (for_all && is_probe(request.route, request.path))
    return Verdict{{200, {}, "a probe of a load balancer, at a host that no Ingress names"}, kProbe};
  if (for_all && is_status_page(request.route, request.path)) {
    if (request.client_known && is_loopback(request.client))
      return Verdict{{.status = 200, .why = "the counters of nginx, asked from loopback", .content_type = "text/plain"},
                     kStatus};
    return Verdict{{403, {}, "the counters of nginx are shown to those on loopback alone"}, kStatus};
  }
  if (request.undecided)
    return Verdict{{.status = 500,
                    .why = request.route != nullptr ? "a pattern of the host takes too many steps for this path"
                                                    : "a server-alias takes too many steps for this host",
                    .gave_up = true},
                   kNoRoute};
  if (request.route != nullptr) return std::nullopt;
  if (auto refused = run(process, Phase::guard, request)) return refused;
  return Verdict{{404, {}, "no route takes the request"}, kNoRoute};
}

std::optional<Verdict> decide_for_route(const RequestView& request, const Plan::Entry** waits) {
  const Plan* plan = request.route->plan;
  if (waits != nullptr) *waits = nullptr;
  auto verdict = run(plan, Phase::answer, request);
  // nginx looks at the length of the body once it has the location, before anything of that answers.
  if (!verdict || !answers_before_location(verdict->by))
    if (auto reply = body_size(request)) return Verdict{std::move(*reply), kBodySize};
  if (verdict) return verdict;
  for (const Always& always : destination())
    if (auto reply = always.decide(request)) return Verdict{std::move(*reply), always.name};
  // As nginx has it: who may come is asked about the client's request alone.
  if (plan != nullptr && request.main == nullptr) return run_guards((*plan)[Phase::guard], request, waits);
  return std::nullopt;
}

std::optional<Verdict> decide_behind(const RequestView& request, const Plan::Entry& waited, const Plan::Entry** waits) {
  const auto guards = (*request.route->plan)[Phase::guard];
  *waits = nullptr;
  return run_guards(guards.subspan(static_cast<std::size_t>(&waited - guards.data()) + 1), request, waits);
}

void take_effect(Exchange& ex, const Verdict* verdict) {
  for (const Always& always : destination()) {
    if (always.effect == nullptr) continue;
    if (verdict == nullptr)
      always.effect(ex, true);
    else if (verdict->by == always.name)
      always.effect(ex, false);
  }
}

std::unique_ptr<BodySource> encode(Exchange& ex, ResponseStart& response, BodySource& body) {
  if (ex.process == nullptr) return nullptr;
  for (const auto& entry : (*ex.process)[Phase::encode])
    if (auto encoded = entry.step->encode(ex, response, body)) return encoded;
  return nullptr;
}

void add_response_fields(const Plan* process, const RequestView& request, ResponseFields& fields) {
  if (request.route != nullptr) respond(request.route->plan, request, fields);
  respond(process, request, fields);
}

}  // namespace sluice::data
