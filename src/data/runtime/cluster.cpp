#include "data/runtime/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "data/balance/placement.h"
#include "data/balance/session_cookie.h"
#include "data/exchange/variables.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {
constexpr std::uint32_t kAll = 1U << 16;  // of ClusterRuntime::stay_

const char* ejection_text(bool lost, bool crowded) noexcept {
  if (lost)
    return crowded ? "its machine does not answer, and it gets requests as too many are left out already"
                   : "it gets no requests for a while, as its machine does not answer";
  return crowded ? "it has failed too often in a row, and gets requests as too many are left out already"
                 : "it gets no requests for a while, as it has failed too often in a row";
}
}  // namespace

ClusterRuntime::ClusterRuntime(WorkerContext& worker, std::shared_ptr<const model::Cluster> spec,
                               std::shared_ptr<const Placement> placement, std::uint64_t seed)
    : budget(worker.shared.workers), worker_(worker), chance_(seed), seed_(seed) {
  reconcile(std::move(spec), std::move(placement));
}

ClusterRuntime::~ClusterRuntime() {
  for (auto& e : endpoints_) retire(*e);
}

// Its address may be another pod's from now on, of another tenant: what was not written to it yet never is.
void ClusterRuntime::retire(EndpointRuntime& endpoint) {
  endpoint.retired = true;
  endpoint.takes = false;
  worker_.pool.close_all(endpoint);
  send_elsewhere(endpoint);
}

void ClusterRuntime::retire() {
  auto nowhere = std::make_shared<model::Cluster>(*spec_);
  nowhere->endpoints.clear();
  nowhere->balancing.reset();
  reconcile(std::move(nowhere), nullptr);
}

void ClusterRuntime::reconcile(std::shared_ptr<const model::Cluster> spec, std::shared_ptr<const Placement> placement) {
  std::unordered_map<std::string_view, std::shared_ptr<EndpointRuntime>> old;
  old.reserve(endpoints_.size());
  for (auto& e : endpoints_) old.emplace(e->identity, e);
  std::vector<std::shared_ptr<EndpointRuntime>> now;
  now.reserve(spec->endpoints.size());
  loads_.clear();
  takers_.clear();
  far_.clear();
  std::vector<std::uint32_t> newcomers;
  for (const auto& e : spec->endpoints) {
    const auto at = static_cast<std::uint32_t>(now.size());
    std::string identity = identity_of(e);
    std::shared_ptr<EndpointRuntime> runtime;
    if (auto found = old.find(identity); found != old.end()) {
      runtime = found->second;
      old.erase(found);
    } else {
      runtime = std::make_shared<EndpointRuntime>();
      runtime->identity = std::move(identity);
      runtime->load.id = ++last_id_;
      auto address = net::make_address(e.address, e.port);
      runtime->valid = address.has_value();
      runtime->question = spec->question;
      if (address) runtime->address = *address, runtime->text = address->text();
      newcomers.push_back(at);
    }
    runtime->takes = e.ready && runtime->valid;
    if (runtime->takes) (e.far ? far_ : takers_).push_back(at);
    send_elsewhere(*runtime);
    loads_.push_back(&runtime->load);
    now.push_back(std::move(runtime));
  }
  for (auto& [identity, gone] : old) retire(*gone);
  endpoints_ = std::move(now);
  const bool first = spec_ == nullptr;
  spec_ = std::move(spec);
  look_again_ = Instant::min();
  if (takers_.empty()) takers_.swap(far_);
  left_out_ = unproven_ = 0;
  regroup();
  health_slot_ = HealthTable::slot_of(spec_->ns);

  static const model::Balancing plain{};
  const model::Balancing* balancing = spec_->balancing.get();
  if (const PolicyRow& row = policy_of(balancing); row_ != &row) {
    row_ = &row;
    policy_ = row.make(seed_);
  }
  // Those that are there from the beginning are not new.
  const auto slow_start =
      balancing != nullptr && row_->key == PolicyRow::Key::none ? balancing->slow_start : std::chrono::seconds(0);
  if (!first)
    for (const auto at : newcomers) endpoints_[at]->warm_at = worker_.loop.now() + slow_start;
  warm_at_ = Instant::min();
  const auto first_of = [this](const std::vector<std::uint32_t>& group) {
    Instant out = Instant::max();
    for (const auto at : group) {
      warm_at_ = std::max(warm_at_, endpoints_[at]->warm_at);
      out = std::min(out, endpoints_[at]->warm_at);
    }
    return out;
  };
  if (slow_start.count() != 0) first_warm_at_ = first_of(takers_), first_far_warm_at_ = first_of(far_);
  checked_ = balancing != nullptr && balancing->health;
  session_id_ = row_->key == PolicyRow::Key::session ? Text(session_id_of(spec_->upstream_name)) : Text();
  policy_->reconcile({.endpoints = loads_,
                      .takers = takers_,
                      .newcomers = newcomers,
                      .balancing = balancing != nullptr ? *balancing : plain,
                      .placement = std::move(placement),
                      .now = worker_.loop.now()});
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(std::vector<std::uint32_t>& tried, std::string_view key,
                                                      std::string* session) {
  // A key has its place among all of them, whoever is left out.
  const Candidates candidates{.endpoints = loads_,
                              .takers = key.empty() ? here_ : std::span<const std::uint32_t>(takers_),
                              .tried = tried,
                              .key = key,
                              .now = worker_.loop.now(),
                              .session = session};
  std::size_t at = policy_->pick(candidates);
  if (!there_.empty()) [[unlikely]]
    at = settle_here_or_there(candidates, at);
  else if (at >= endpoints_.size())
    return nullptr;
  else if (!takes_any(candidates.now)) [[unlikely]]
    at = settle(candidates, at);
  if (tried.size() < 16) tried.push_back(loads_[at]->id);
  return endpoints_[at];
}

inline bool ClusterRuntime::takes_any(Instant now) const noexcept {
  return now >= warm_at_ && left_out_ == 0 && unproven_ == 0 && worker_.options().upstream_max_connections == 0;
}

std::size_t ClusterRuntime::settle(const Candidates& candidates, std::size_t at) noexcept {
  if (candidates.now < warm_at_) [[unlikely]]
    at = spare_new(candidates, at);
  if (is_left_out(at)) [[unlikely]] {
    if (row_->key != PolicyRow::Key::session)
      at = pick_another(candidates, at);
    else if (candidates.session != nullptr && !candidates.session->empty())
      at = begin_elsewhere(candidates, at);  // a session lives at its endpoint; this one only begins
  }
  if (unproven_ != 0 && row_->key != PolicyRow::Key::session && !may_be_asked(at)) [[unlikely]]
    at = wait_for_proof(candidates, at);
  if (row_->key == PolicyRow::Key::none && !has_room(at)) [[unlikely]]
    at = find_room(candidates, at);
  return at;
}

std::size_t ClusterRuntime::settle_here_or_there(const Candidates& here, std::size_t at) noexcept {
  Candidates there = here;
  there.takers = there_;
  const bool leaves = stay_ < kAll && chance_.below(kAll) >= stay_;
  const std::size_t first = leaves ? settle(there, choose(there)) : settle(here, at);
  const int against = misfit(here, first);
  if (against == 0 || here.takers.empty()) return first;
  const std::size_t other = leaves ? settle(here, at) : settle(there, choose(there));
  return misfit(here, other) < against ? other : first;
}

int ClusterRuntime::misfit(const Candidates& candidates, std::size_t at) noexcept {
  return candidates.was_tried(at) ? 3 : !may_be_asked(at) ? 2 : !has_room(at) ? 1 : 0;
}

bool ClusterRuntime::may_be_asked(std::size_t at) noexcept {
  EndpointRuntime& endpoint = *endpoints_[at];
  if (unproven_ == 0 || !endpoint.unproven) return true;
  if (!endpoint.health->is_unproven()) endpoint.unproven = false, --unproven_;
  return !endpoint.unproven || endpoint.load.in_flight == 0;
}

// Of HTTP/2 a connection in use may have room for a stream: as long as nobody waits it is taken to have.
bool ClusterRuntime::has_room(std::size_t at) const noexcept {
  const auto most = worker_.options().upstream_max_connections;
  const EndpointRuntime& e = *endpoints_[at];
  return most == 0 || e.connections < most || (e.waiting.empty() && (e.idle != 0 || !e.h2.empty()));
}

std::size_t ClusterRuntime::choose(const Candidates& candidates) noexcept {
  const auto better = [](const EndpointLoad& a, const EndpointLoad& b) { return a.in_flight < b.in_flight; };
  return is_there(candidates) ? pick_better(candidates, chance_, 8, better) : policy_->pick(candidates);
}

template <class Fits, class Next>
std::size_t ClusterRuntime::draw(Candidates candidates, std::size_t at, std::vector<std::uint32_t>& passed, Fits&& fits,
                                 Next&& next) noexcept {
  passed.assign(candidates.tried.begin(), candidates.tried.end());
  passed.reserve(passed.size() + kDraws);
  for (int i = 0; i < kDraws && !fits(at); ++i) {
    passed.push_back(loads_[at]->id);
    candidates.tried = passed;
    const std::size_t drawn = next(std::as_const(candidates));
    if (drawn >= endpoints_.size()) break;
    at = drawn;
  }
  return at;
}

// Also one that the request was sent to before: rather that than one that is left out.
std::size_t ClusterRuntime::draw_in(const Candidates& candidates, std::size_t left_out) noexcept {
  return draw(
      candidates, left_out, passed_, [this](std::size_t one) { return !is_left_out(one); },
      [this](const Candidates& c) { return choose(c); });
}

std::size_t ClusterRuntime::draw_untried(const Candidates& candidates) noexcept {
  const std::size_t drawn = choose(candidates);
  return drawn < endpoints_.size() && candidates.was_tried(drawn) ? kNobody : drawn;
}

// It is taken by the part of slow_start that it has been there, a tenth at least, beside that of the oldest one: where
// all are new they share. Another choice may be as new.
std::size_t ClusterRuntime::spare_new(const Candidates& candidates, std::size_t at) noexcept {
  const Duration whole = spec_->balancing->slow_start;
  const auto part = [&](Instant warm_at) {
    return warm_at <= candidates.now ? whole : whole - std::min(warm_at - candidates.now, whole * 9 / 10);
  };
  const Duration most = part(is_there(candidates) ? first_far_warm_at_ : first_warm_at_);
  const auto has_its_turn = [&](std::size_t one) {
    const Duration has = part(endpoints_[one]->warm_at);
    return has >= most || chance_.below(kAll) < static_cast<std::size_t>(has * kAll / most);
  };
  return draw(candidates, at, passed_, has_its_turn, [this](const Candidates& c) { return draw_untried(c); });
}

std::size_t ClusterRuntime::pick_another(const Candidates& candidates, std::size_t left_out) noexcept {
  const std::size_t at = draw_in(candidates, left_out);
  if (!is_left_out(at)) return at;
  // The policy chooses among many of these: the next one that is none, from where it has got to.
  const auto from = static_cast<std::size_t>(std::ranges::lower_bound(takers_, at) - takers_.begin());
  for (std::size_t i = 0; i < takers_.size(); ++i) {
    const std::uint32_t taker = takers_[(from + i) % takers_.size()];
    if (!is_left_out(taker) && std::ranges::find(passed_, loads_[taker]->id) == passed_.end()) return taker;
  }
  return left_out;  // the others were tried already
}

// The session has the key of the first choice, and with each further one that one's.
std::size_t ClusterRuntime::begin_elsewhere(Candidates candidates, std::size_t left_out) noexcept {
  candidates.key = {};
  candidates.takers = here_;
  return draw_in(candidates, left_out);
}

std::size_t ClusterRuntime::wait_for_proof(const Candidates& candidates, std::size_t at) noexcept {
  return draw(
      candidates, at, awaited_, [this](std::size_t one) { return may_be_asked(one); },
      [this](const Candidates& c) { return draw_well(c); });
}

std::size_t ClusterRuntime::draw_well(const Candidates& candidates) noexcept {
  std::size_t drawn = draw_untried(candidates);
  if (drawn < endpoints_.size() && is_left_out(drawn)) drawn = pick_another(candidates, drawn);
  return drawn < endpoints_.size() && is_left_out(drawn) ? kNobody : drawn;
}

std::size_t ClusterRuntime::find_room(const Candidates& candidates, std::size_t at) noexcept {
  std::size_t best = at;
  const auto fits = [&](std::size_t one) {
    if (endpoints_[one]->waiting.size() < endpoints_[best]->waiting.size()) best = one;
    return has_room(one);
  };
  const std::size_t drawn = draw(candidates, at, awaited_, fits, [this](const Candidates& c) { return draw_well(c); });
  return fits(drawn) ? drawn : best;
}

// Those here that are neither missing nor left out, beside how many are enough, are the share that stays.
void ClusterRuntime::regroup() {
  here_ = takers_;
  there_ = far_;
  if (left_out_ != 0) {
    const auto is_well = [this](std::uint32_t at) { return !endpoints_[at]->left_out; };
    well_.clear();
    std::ranges::copy_if(takers_, std::back_inserter(well_), is_well);
    const std::size_t are_here = well_.size();
    std::ranges::copy_if(far_, std::back_inserter(well_), is_well);
    here_ = std::span(well_).first(are_here);
    there_ = std::span(well_).subspan(are_here);
  }
  const std::uint64_t here = std::uint64_t{here_.size()} * 100;
  const std::uint64_t enough = spec_->near_enough;
  stay_ = here >= enough ? (here == 0 ? 0 : kAll) : static_cast<std::uint32_t>(here * kAll / enough);
}

// Costs two comparisons where nothing has changed.
void ClusterRuntime::look_at_health(const model::Options& options) {
  const auto changes = worker_.shared.health.changes(health_slot_);
  const Instant now = worker_.loop.now();
  if (changes == health_seen_ && now < look_again_) [[likely]]
    return;
  health_seen_ = changes;
  look_again_ = Instant::max();
  left_out_ = unproven_ = 0;
  std::vector<OutEndpoint> out;
  const auto look = [&](std::uint32_t taker) {
    EndpointRuntime& endpoint = *endpoints_[taker];
    endpoint.left_out = false;
    const EndpointHealth& health = health_of(endpoint);  // what other workers have found, where this one has not asked
    endpoint.unproven = options.outlier_consecutive_failures != 0 && health.is_unproven() && !health.is_out(now);
    unproven_ += endpoint.unproven ? 1 : 0;
    if (!health.is_out(now)) return;
    out.push_back({health.out_since(now), endpoint.identity, taker});
    if (health.is_ejected(now)) look_again_ = std::min(look_again_, health.until());
  };
  std::ranges::for_each(takers_, look);
  std::ranges::for_each(far_, look);
  const std::size_t all = out.size();
  keep_left_out(out, takers(), options.outlier_max_ejected_percent);
  left_out_ = out.size();
  too_many_out_ = all > left_out_ || (too_many_out_ && all != 0);
  for (const OutEndpoint& one : out) endpoints_[one.at]->left_out = true;
  regroup();
}

bool ClusterRuntime::is_crowded(const model::Options& options) {
  look_at_health(options);
  return left_out_ >= most_left_out(takers(), options.outlier_max_ejected_percent);
}

bool ClusterRuntime::call_back_all() {
  too_many_out_ = false;
  bool any = false;
  for (std::size_t i = 0; i < takers(); ++i) any = health_of(*taker(i)).call_back(worker_.loop.now()) || any;
  return any;
}

// One answers that is out, but for too many that are. What has ailed all of them is over, and the others have not been
// asked since: they may be as well.
void ClusterRuntime::succeeded(EndpointRuntime& endpoint, Instant begun) {
  EndpointHealth& health = health_of(endpoint);
  if (too_many_out_ && health.is_unproven() && begun > health.since() && call_back_all()) {
    worker_.shared.health.changed(spec_->ns);
    notice(endpoint, "it answers again, as one of too many that had failed: all may be asked");
  }
  health.succeeded(worker_.loop.now());
}

void ClusterRuntime::failed(EndpointRuntime& endpoint, bool lost, const model::Options& options) {
  EndpointHealth& health = health_of(endpoint);
  const bool crowded = is_crowded(options);
  const Instant now = worker_.loop.now();
  if (!(lost ? health.lost(options, now, crowded) : health.failed(options, now, crowded))) return;
  worker_.stats.endpoints_ejected.add();
  worker_.shared.health.changed(spec_->ns);
  notice(endpoint, ejection_text(lost, crowded));
}

void ClusterRuntime::notice(const EndpointRuntime& endpoint, const char* what) const {
  const std::string of = spec_->ns.empty() ? fmt::format("{}:{}", spec_->service, spec_->port)  // a host outside
                                           : fmt::format("Service {}/{}:{}", spec_->ns, spec_->service, spec_->port);
  worker_.recorder.noticed(fmt::format("{} of {}", endpoint.text, of), what);
}

EndpointHealth& ClusterRuntime::health_of(EndpointRuntime& endpoint) const {
  if (!endpoint.health) endpoint.health = worker_.shared.health.of(spec_->ns, endpoint.identity);
  return *endpoint.health;
}

EndpointRuntime* ClusterRuntime::find_slow(const model::Options& options) {
  const Instant now = worker_.loop.now();
  if (now - slow_looked_at_ < std::chrono::seconds(1)) return nullptr;
  slow_looked_at_ = now;
  EndpointRuntime* slowest = nullptr;
  std::vector<float> all;
  float most = 0;
  for (std::size_t i = 0; i < takers(); ++i) {
    EndpointRuntime& endpoint = *taker(i);
    const float typical = health_of(endpoint).typical_seconds();
    if (typical <= 0 || endpoint.health->is_ejected(now)) continue;
    all.push_back(typical);
    if (typical > most) most = typical, slowest = &endpoint;
  }
  if (all.size() < 2) return nullptr;
  // Of an even number the quicker one in the middle: of two endpoints one can be slow beside the other.
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
  std::ranges::nth_element(all, middle);
  const bool slow = most > std::chrono::duration<float>(options.outlier_latency_floor).count() &&
                    most > static_cast<float>(options.outlier_latency_factor) * *middle;
  return slow ? slowest : nullptr;
}

void ClusterRuntime::consider_health(const model::Options& options) {
  if (goes_by_health(options)) return look_at_health(options);
  if (left_out_ == 0 && unproven_ == 0) [[likely]]
    return;
  left_out_ = unproven_ = 0;
  regroup();
}

bool ClusterRuntime::goes_by_health(const model::Options& options) const noexcept {
  return options.outlier_consecutive_failures != 0 || options.outlier_latency_factor != 0 || checked_;
}

// By ports, which have no request to look at.
std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(std::vector<std::uint32_t>& tried) {
  consider_health(worker_.options());
  return pick(tried, {}, nullptr);
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(Exchange& ex) {
  using enum PolicyRow::Key;
  auto& tried = ex.memory.tried;
  consider_health(*ex.options);
  if (row_->key == none) [[likely]]
    return pick(tried, {}, nullptr);
  std::string& key = ex.memory.texts.next();
  if (row_->key == hash) {
    evaluate(spec_->balancing->hash_by->key, ex, Spelling::raw, key);
    return pick(tried, key, nullptr);
  }
  const std::string& name = spec_->balancing->affinity->name;
  const auto cookie = session_cookie(ex.head(), name, session_id_);
  const auto& asked_for = ex.settings->balancing;
  // Other routes go by the cookie, and set none; nor does who answers in place of another Service.
  const bool may_begin = asked_for && asked_for->affinity && !ex.instead;
  auto chosen = pick(tried, cookie.key, may_begin ? &key : nullptr);
  if (!key.empty()) {
    if (ex.session.empty()) (cookie.key.empty() ? worker_.stats.sessions_begun : worker_.stats.sessions_moved).add();
    std::string& value = ex.memory.texts.next();
    value.append(name).append("=").append(key).append("|").append(session_id_.view());
    ex.session = value;
  }
  return chosen;
}

}  // namespace sluice::data
