#include "ops/metrics/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <unordered_map>

#include "ops/metrics/exposition.h"
#include "ops/metrics/process.h"
#include "ops/metrics/series_block.h"

namespace sluice::ops {
namespace {

// A field of WorkerStats, and where it is shown. `label`: the value of the metric's only label, or null.
struct StatRow {
  Counter WorkerStats::* field;
  std::string_view metric;
  const char* label;
  bool gauge;
};

// Summed over workers. A counter's value stays when its worker ends; a gauge's does not.
constexpr StatRow kSummed[] = {
    {&WorkerStats::accepted, "sluice_downstream_accepted_total", nullptr, false},
    {&WorkerStats::downstream_connections, "sluice_downstream_connections", nullptr, true},
    {&WorkerStats::downstream_idle, "sluice_downstream_idle", nullptr, true},
    {&WorkerStats::downstream_lingering, "sluice_downstream_lingering", nullptr, true},
    {&WorkerStats::lingering_refused, "sluice_lingering_refused_total", nullptr, false},
    {&WorkerStats::tls_handshakes, "sluice_tls_handshakes_total", nullptr, false},
    {&WorkerStats::tls_handshakes_resumed, "sluice_tls_handshakes_resumed_total", nullptr, false},
    {&WorkerStats::tls_handshake_failures, "sluice_tls_handshake_failures_total", nullptr, false},
    {&WorkerStats::requests, "sluice_requests_total", nullptr, false},
    {&WorkerStats::requests_active, "sluice_requests_active", nullptr, true},
    {&WorkerStats::upstream_connections, "sluice_upstream_connections", nullptr, true},
    {&WorkerStats::upstream_idle, "sluice_upstream_idle", nullptr, true},
    {&WorkerStats::upstream_connects, "sluice_upstream_connects_total", nullptr, false},
    {&WorkerStats::upstream_connect_failures, "sluice_upstream_connect_failures_total", nullptr, false},
    {&WorkerStats::upstream_reused, "sluice_upstream_reused_total", nullptr, false},
    {&WorkerStats::own_refused, "sluice_upstream_own_refused_total", nullptr, false},
    {&WorkerStats::loops, "sluice_loops_total", nullptr, false},
    {&WorkerStats::regex_gave_up, "sluice_regex_gave_up_total", nullptr, false},
    {&WorkerStats::limited_rate, "sluice_limited_requests_total", "rate", false},
    {&WorkerStats::limited_connections, "sluice_limited_requests_total", "connections", false},
    {&WorkerStats::limits_forgotten, "sluice_limit_counters_total", "forgotten", false},
    {&WorkerStats::limits_uncounted, "sluice_limit_counters_total", "uncounted", false},
    {&WorkerStats::auth_cached, "sluice_auth_passwords_total", "cached", false},
    {&WorkerStats::auth_right, "sluice_auth_passwords_total", "right", false},
    {&WorkerStats::auth_wrong, "sluice_auth_passwords_total", "wrong", false},
    {&WorkerStats::auth_limited, "sluice_auth_passwords_total", "limited", false},
    {&WorkerStats::auth_unchecked, "sluice_auth_passwords_total", "unchecked", false},
    {&WorkerStats::auth_stale, "sluice_auth_passwords_total", "stale", false},
    {&WorkerStats::disk_bodies, "sluice_disk_bodies_total", "written", false},
    {&WorkerStats::disk_refused, "sluice_disk_bodies_total", "refused", false},
    {&WorkerStats::mirrored, "sluice_mirrored_requests_total", "answered", false},
    {&WorkerStats::mirrors_failed, "sluice_mirrored_requests_total", "failed", false},
    {&WorkerStats::mirrors_dropped, "sluice_mirrored_requests_total", "dropped", false},
    {&WorkerStats::auth_kept, "sluice_auth_requests_total", "kept", false},
    {&WorkerStats::auth_allowed, "sluice_auth_requests_total", "allowed", false},
    {&WorkerStats::auth_refused, "sluice_auth_requests_total", "refused", false},
    {&WorkerStats::auth_failed, "sluice_auth_requests_total", "failed", false},
    {&WorkerStats::retries, "sluice_upstream_retries_total", nullptr, false},
    {&WorkerStats::retries_over_budget, "sluice_upstream_retries_over_budget_total", nullptr, false},
    {&WorkerStats::hedges_won, "sluice_hedges_total", "won", false},
    {&WorkerStats::hedges_lost, "sluice_hedges_total", "lost", false},
    {&WorkerStats::hedges_failed, "sluice_hedges_total", "failed", false},
    {&WorkerStats::hedges_over_budget, "sluice_hedges_total", "over_budget", false},
    {&WorkerStats::hedges_limited, "sluice_hedges_total", "limited", false},
    {&WorkerStats::endpoints_ejected, "sluice_endpoint_ejections_total", "failures", false},
    {&WorkerStats::endpoints_too_slow, "sluice_endpoint_ejections_total", "latency", false},
    {&WorkerStats::checks_well, "sluice_health_checks_total", "ok", false},
    {&WorkerStats::checks_status, "sluice_health_checks_total", "status", false},
    {&WorkerStats::checks_timeout, "sluice_health_checks_total", "timeout", false},
    {&WorkerStats::checks_unconnected, "sluice_health_checks_total", "connect", false},
    {&WorkerStats::checks_tls, "sluice_health_checks_total", "tls", false},
    {&WorkerStats::checks_broken, "sluice_health_checks_total", "broken", false},
    {&WorkerStats::checks_not_serving, "sluice_health_checks_total", "not_serving", false},
    {&WorkerStats::checks_skipped, "sluice_health_checks_total", "skipped", false},
    {&WorkerStats::checks_waiting, "sluice_health_checks_waiting", nullptr, true},
    {&WorkerStats::sessions_begun, "sluice_affinity_sessions_total", "begun", false},
    {&WorkerStats::sessions_moved, "sluice_affinity_sessions_total", "moved", false},
    {&WorkerStats::tunnels_active, "sluice_tunnels_active", nullptr, true},
    {&WorkerStats::tunnels, "sluice_tunnels_total", nullptr, false},
    {&WorkerStats::passthrough, "sluice_passthrough_connections_total", nullptr, false},
    {&WorkerStats::passthrough_active, "sluice_passthrough_active", nullptr, true},
    {&WorkerStats::passthrough_failures, "sluice_passthrough_failures_total", nullptr, false},
    {&WorkerStats::shed_connections, "sluice_shed_connections_total", nullptr, false},
    {&WorkerStats::shed_requests, "sluice_shed_requests_total", nullptr, false},
    {&WorkerStats::overload_idle_closed, "sluice_overload_actions_total", "idle_closed", false},
    {&WorkerStats::overload_slow_reset, "sluice_overload_actions_total", "slow_reset", false},
    {&WorkerStats::overload_low_refused, "sluice_overload_actions_total", "low_priority_refused", false},
    {&WorkerStats::overload_refused, "sluice_overload_actions_total", "request_refused", false},
    {&WorkerStats::overload_pauses, "sluice_overload_actions_total", "accept_paused", false},
    {&WorkerStats::compressed_brotli, "sluice_compressed_responses_total", "br", false},
    {&WorkerStats::compressed_zstd, "sluice_compressed_responses_total", "zstd", false},
    {&WorkerStats::compressed_gzip, "sluice_compressed_responses_total", "gzip", false},
    {&WorkerStats::uncompressed_limit, "sluice_uncompressed_responses_total", "limit", false},
    {&WorkerStats::uncompressed_overload, "sluice_uncompressed_responses_total", "overload", false},
    {&WorkerStats::compression_in, "sluice_compression_bytes_total", "in", false},
    {&WorkerStats::compression_out, "sluice_compression_bytes_total", "out", false},
    {&WorkerStats::compression_memory, "sluice_compression_memory_bytes", nullptr, true},
    {&WorkerStats::malformed_requests, "sluice_malformed_requests_total", nullptr, false},
    {&WorkerStats::malformed_responses, "sluice_malformed_responses_total", nullptr, false},
    {&WorkerStats::h2_connections, "sluice_http2_connections_total", nullptr, false},
    {&WorkerStats::h2_connections_active, "sluice_http2_connections", nullptr, true},
    {&WorkerStats::h2_streams_reset, "sluice_http2_streams_reset_total", nullptr, false},
    {&WorkerStats::h2_abusers, "sluice_http2_abusers_total", nullptr, false},
    {&WorkerStats::proxy_headers, "sluice_proxy_protocol_headers_total", nullptr, false},
    {&WorkerStats::proxy_headers_refused, "sluice_proxy_protocol_refused_total", nullptr, false},
    {&WorkerStats::proxy_headers_untrusted, "sluice_proxy_protocol_untrusted_total", nullptr, false},
    {&WorkerStats::timeouts_header, "sluice_client_timeouts_total", "header", false},
    {&WorkerStats::timeouts_body, "sluice_client_timeouts_total", "body", false},
    {&WorkerStats::timeouts_send, "sluice_client_timeouts_total", "send", false},
    {&WorkerStats::timeouts_idle, "sluice_client_timeouts_total", "idle", false},
    {&WorkerStats::too_slow, "sluice_client_timeouts_total", "too_slow", false},
};
constexpr std::size_t kSummedCount = std::size(kSummed);

struct WorkerRow {
  Counter WorkerStats::* field;
  std::string_view metric;
  double scale;
};

constexpr WorkerRow kEachWorker[] = {
    {&WorkerStats::snapshot_version, "sluice_worker_config_version", 1},
    {&WorkerStats::publish_pause_ns_max, "sluice_worker_publish_pause_seconds_max", 1e-9},
    {&WorkerStats::publish_pause_ns_last, "sluice_worker_publish_pause_seconds", 1e-9},
    {&WorkerStats::loop_lag_ns, "sluice_event_loop_lag_seconds", 1e-9},
    {&WorkerStats::loop_lag_ns_max, "sluice_event_loop_lag_seconds_max", 1e-9},
};

static_assert(sizeof(WorkerStats) == ((kSummedCount + std::size(kEachWorker)) * sizeof(Counter) + 63) / 64 * 64,
              "a new field of WorkerStats needs a row above");

// Sums of the blocks of all workers for one label set.
struct Merged {
  const SeriesBlock* labels = nullptr;
  std::uint64_t requests = 0;
  std::vector<const SeriesBlock*> blocks;
};

// `view_of`: (block) → HistogramView. `scale`: what the sums are kept in, a unit of the metric.
template <std::size_t N, class View>
void fill(prometheus::ClientMetric& metric, const Merged& merged, const View& view_of,
          const std::array<double, N>& bounds, double scale) {
  std::array<std::uint64_t, N + 1> counts{};
  std::uint64_t sum = 0;
  for (const SeriesBlock* block : merged.blocks) {
    const HistogramView histogram = view_of(*block);
    for (std::size_t i = 0; i <= N; ++i) counts[i] += histogram.bucket(i);
    sum += histogram.sum();
  }
  std::uint64_t cumulative = 0;
  metric.histogram.bucket.reserve(N + 1);
  for (std::size_t i = 0; i <= N; ++i) {
    cumulative += counts[i];
    metric.histogram.bucket.push_back({cumulative, i < N ? bounds[i] : std::numeric_limits<double>::infinity()});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = static_cast<double>(sum) / scale;
}

template <std::size_t N, class View>
bool observed(const Merged& merged, const View& view_of, const std::array<double, N>&) {
  return std::ranges::any_of(merged.blocks, [&](const SeriesBlock* block) {
    const HistogramView histogram = view_of(*block);
    for (std::size_t i = 0; i <= N; ++i)
      if (histogram.bucket(i) != 0) return true;
    return false;
  });
}

prometheus::ClientMetric& labelled(Exposition& exposition, std::string_view name, const SeriesBlock& of) {
  const char status[4] = {static_cast<char>('0' + of.status / 100 % 10), static_cast<char>('0' + of.status / 10 % 10),
                          static_cast<char>('0' + of.status % 10), 0};
  const SeriesLabels& l = of.labels;
  return exposition.add(name, {status, kMethods[of.method], l.path, l.ns, l.ingress, l.service, l.canary, l.host});
}

template <std::size_t N, class View>
void write_histogram(Exposition& exposition, std::string_view name, const std::vector<Merged>& all, const View& view_of,
                     const std::array<double, N>& bounds, double scale, std::string& out) {
  for (const Merged& merged : all) {
    // What was never observed (no attempt was made, no head came) is no series, as in ingress-nginx.
    if (!observed(merged, view_of, bounds)) continue;
    fill(labelled(exposition, name, *merged.labels), merged, view_of, bounds, scale);
  }
  exposition.flush(out);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

double number(std::uint64_t v) {
  return static_cast<double>(v);
}

}  // namespace

struct Metrics::Impl {
  Identity identity;

  std::mutex state_mutex;  // the next two
  ControllerState state;
  std::function<LogFigures()> log_figures;
  std::function<EndpointHealth()> endpoint_health;

  // The next two. A worker takes it for /nginx_status: it is never held for longer than it takes to add up.
  std::mutex stats_mutex;
  std::vector<const WorkerStats*> watched;          // null: ended
  std::array<std::uint64_t, kSummedCount> ended{};  // counters of ended workers

  std::mutex blocks_mutex;  // the lists of blocks, against other readers
  std::vector<std::shared_ptr<WorkerMetrics>> workers;

  std::vector<Merged> merge();
  void write_requests(Exposition& exposition, std::string& out);
  void write_stats(Exposition& exposition);
  void write_controller(Exposition& exposition);
  void write_process(Exposition& exposition);
};

Metrics::Identity Metrics::Identity::from_environment(std::string version, std::string commit) {
  Identity out;
  out.controller_namespace = environment("POD_NAMESPACE");
  out.controller_pod = environment("POD_NAME");
  if (out.controller_pod.empty()) {
    char name[256]{};
    if (::gethostname(name, sizeof name - 1) == 0) out.controller_pod = name;
  }
  out.version = std::move(version);
  out.commit = std::move(commit);
  return out;
}

Metrics::Metrics(Identity identity) : impl_(std::make_unique<Impl>()) {
  impl_->identity = std::move(identity);
}
Metrics::~Metrics() = default;

std::shared_ptr<WorkerMetrics> Metrics::add_worker() {
  auto worker = std::make_shared<WorkerMetrics>();
  const std::scoped_lock lock(impl_->blocks_mutex);
  impl_->workers.push_back(worker);
  return worker;
}

void Metrics::watch(const WorkerStats* stats) {
  const std::scoped_lock lock(impl_->stats_mutex);
  impl_->watched.push_back(stats);
}

void Metrics::unwatch(const WorkerStats* stats) {
  const std::scoped_lock lock(impl_->stats_mutex);
  for (const WorkerStats*& slot : impl_->watched) {
    if (slot != stats) continue;
    for (std::size_t i = 0; i < kSummedCount; ++i)
      if (!kSummed[i].gauge) impl_->ended[i] += (stats->*kSummed[i].field).get();
    slot = nullptr;
    return;
  }
}

void Metrics::set_endpoint_health(std::function<EndpointHealth()> read) {
  const std::scoped_lock lock(impl_->state_mutex);
  impl_->endpoint_health = std::move(read);
}

void Metrics::set_log_figures(std::function<LogFigures()> read) {
  const std::scoped_lock lock(impl_->state_mutex);
  impl_->log_figures = std::move(read);
}

void Metrics::set_state(ControllerState state) {
  const std::scoped_lock lock(impl_->state_mutex);
  impl_->state = std::move(state);
}

void Metrics::update(const std::function<void(ControllerState&)>& change) {
  const std::scoped_lock lock(impl_->state_mutex);
  change(impl_->state);
}

std::string Metrics::scrape() {
  Exposition exposition({{"controller_class", impl_->identity.controller_class},
                         {"controller_namespace", impl_->identity.controller_namespace},
                         {"controller_pod", impl_->identity.controller_pod}});
  std::string out;
  impl_->write_requests(exposition, out);
  impl_->write_process(exposition);
  impl_->write_stats(exposition);
  impl_->write_controller(exposition);
  exposition.flush(out);
  return out;
}

std::vector<Merged> Metrics::Impl::merge() {
  std::unordered_map<std::uint64_t, std::size_t> by_key;
  std::vector<Merged> all;
  for (const auto& worker : workers) {
    for (const SeriesBlock* block = worker->head_.load(std::memory_order_acquire); block != nullptr;
         block = block->next) {
      const auto [at, added] = by_key.try_emplace(block->key, all.size());
      if (added) all.push_back({block, 0, {}});
      Merged& merged = all[at->second];
      merged.requests += block->requests.get();
      merged.blocks.push_back(block);
    }
  }
  std::ranges::sort(all, {}, [](const Merged& m) { return m.labels->key; });
  return all;
}

void Metrics::Impl::write_requests(Exposition& exposition, std::string& out) {
  const std::scoped_lock lock(blocks_mutex);
  const std::vector<Merged> all = merge();
  for (const Merged& merged : all)
    labelled(exposition, "nginx_ingress_controller_requests", *merged.labels).counter.value = number(merged.requests);
  exposition.flush(out);
  const auto times = [&](std::string_view name, TimeOf of) {
    write_histogram(
        exposition, name, all, [of](const SeriesBlock& b) { return b.view(of); }, kTimeBuckets, number(kTimeScale),
        out);
  };
  times("nginx_ingress_controller_request_duration_seconds", TimeOf::request);
  times("nginx_ingress_controller_response_duration_seconds", TimeOf::response);
  times("nginx_ingress_controller_header_duration_seconds", TimeOf::header);
  times("nginx_ingress_controller_connect_duration_seconds", TimeOf::connect);
  const auto lengths = [&](std::string_view name, LengthOf of) {
    write_histogram(exposition, name, all, [of](const SeriesBlock& b) { return b.view(of); }, kLengthBuckets, 1, out);
  };
  lengths("nginx_ingress_controller_request_size", LengthOf::request);
  lengths("nginx_ingress_controller_response_size", LengthOf::response);
  write_histogram(
      exposition, "nginx_ingress_controller_bytes_sent", all, [](const SeriesBlock& b) { return b.view_sent(); },
      kSizeBuckets, 1, out);

  std::uint64_t overflow = 0;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    exposition.value("sluice_metrics_series", number(workers[i]->blocks()), {std::to_string(i)});
    overflow += workers[i]->overflow();
  }
  exposition.value("sluice_metrics_overflow_total", number(overflow));
}

namespace {

// What nginx's stub_status tells, in its words: a connection is reading a head, writing an answer, or waits. Streams of
// HTTP/2 are written each, as with nginx.
struct ConnectionFigures {
  double active, reading, writing, waiting, accepted, handled, requests;
};
template <class SumOf>
ConnectionFigures connections_of(const SumOf& sum_of) {
  const double open = sum_of(&WorkerStats::downstream_connections), idle = sum_of(&WorkerStats::downstream_idle);
  const double busy = sum_of(&WorkerStats::requests_active), accepted = sum_of(&WorkerStats::accepted);
  return {open,
          std::max(0.0, open - idle - busy),
          busy,
          idle,
          accepted,
          std::max(0.0, accepted - sum_of(&WorkerStats::shed_connections)),
          sum_of(&WorkerStats::requests)};
}

}  // namespace

std::string Metrics::stub_status() {
  const auto sum_of = [this](Counter WorkerStats::* field) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kSummedCount; ++i)
      if (kSummed[i].field == field) sum = impl_->ended[i];
    for (const WorkerStats* stats : impl_->watched)
      if (stats != nullptr) sum += (stats->*field).get();
    return number(sum);
  };
  const ConnectionFigures c = [&] {
    const std::scoped_lock lock(impl_->stats_mutex);
    return connections_of(sum_of);
  }();
  const auto text = [](double n) { return std::to_string(static_cast<std::uint64_t>(n)); };
  return "Active connections: " + text(c.active) + " \nserver accepts handled requests\n " + text(c.accepted) + " " +
         text(c.handled) + " " + text(c.requests) + " \nReading: " + text(c.reading) + " Writing: " + text(c.writing) +
         " Waiting: " + text(c.waiting) + " \n";
}

void Metrics::Impl::write_stats(Exposition& exposition) {
  std::array<std::uint64_t, kSummedCount> sums{};
  std::vector<std::pair<std::size_t, std::array<std::uint64_t, std::size(kEachWorker)>>> running;
  {
    const std::scoped_lock lock(stats_mutex);
    sums = ended;
    for (std::size_t w = 0; w < watched.size(); ++w) {
      const WorkerStats* stats = watched[w];
      if (stats == nullptr) continue;
      for (std::size_t i = 0; i < kSummedCount; ++i) sums[i] += (stats->*kSummed[i].field).get();
      auto& rows = running.emplace_back().second;
      running.back().first = w;
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = (stats->*kEachWorker[i].field).get();
    }
  }
  for (const auto& [w, rows] : running)
    for (std::size_t i = 0; i < rows.size(); ++i)
      exposition.value(kEachWorker[i].metric, number(rows[i]) * kEachWorker[i].scale, {std::to_string(w)});
  const auto sum_of = [&](Counter WorkerStats::* field) {
    for (std::size_t i = 0; i < kSummedCount; ++i)
      if (kSummed[i].field == field) return number(sums[i]);
    return 0.0;
  };
  for (std::size_t i = 0; i < kSummedCount; ++i) {
    if (kSummed[i].label != nullptr)
      exposition.value(kSummed[i].metric, number(sums[i]), {kSummed[i].label});
    else
      exposition.value(kSummed[i].metric, number(sums[i]));
  }

  constexpr std::string_view kConnections = "nginx_ingress_controller_nginx_process_connections";
  const ConnectionFigures c = connections_of(sum_of);
  exposition.value(kConnections, c.active, {"active"});
  exposition.value(kConnections, c.reading, {"reading"});
  exposition.value(kConnections, c.writing, {"writing"});
  exposition.value(kConnections, c.waiting, {"waiting"});
  constexpr std::string_view kTotal = "nginx_ingress_controller_nginx_process_connections_total";
  exposition.value(kTotal, c.accepted, {"accepted"});
  exposition.value(kTotal, c.handled, {"handled"});
  exposition.value("nginx_ingress_controller_nginx_process_requests_total", c.requests);
  exposition.value("nginx_ingress_controller_nginx_process_num_procs", number(running.size()));
}

void Metrics::Impl::write_process(Exposition& exposition) {
  const ProcessFigures p = read_process();
  exposition.value("nginx_ingress_controller_nginx_process_cpu_seconds_total", p.cpu_seconds);
  exposition.value("nginx_ingress_controller_nginx_process_resident_memory_bytes", number(p.resident_bytes));
  exposition.value("nginx_ingress_controller_nginx_process_virtual_memory_bytes", number(p.virtual_bytes));
  exposition.value("nginx_ingress_controller_nginx_process_oldest_start_time_seconds", p.start_time);
  exposition.value("nginx_ingress_controller_nginx_process_read_bytes_total", number(p.read_bytes));
  exposition.value("nginx_ingress_controller_nginx_process_write_bytes_total", number(p.written_bytes));
  exposition.value("process_cpu_seconds_total", p.cpu_seconds);
  exposition.value("process_resident_memory_bytes", number(p.resident_bytes));
  exposition.value("process_virtual_memory_bytes", number(p.virtual_bytes));
  exposition.value("process_start_time_seconds", p.start_time);
  exposition.value("process_open_fds", number(p.open_fds));
  exposition.value("process_max_fds", number(p.max_fds));
}

void Metrics::Impl::write_controller(Exposition& exposition) {
  const std::scoped_lock lock(state_mutex);
  const ControllerState& s = state;
  exposition.value("nginx_ingress_controller_build_info", 1, {identity.commit, identity.version, "sluice"});
  // As ingress-nginx: a number that a float64 holds exactly.
  exposition.value("nginx_ingress_controller_config_hash", number(s.config_hash >> 11));
  exposition.value("nginx_ingress_controller_config_last_reload_successful", s.last_reload_successful ? 1 : 0);
  exposition.value("nginx_ingress_controller_config_last_reload_successful_timestamp_seconds",
                   s.last_reload_success_time);
  exposition.value("nginx_ingress_controller_success", number(s.reloads));
  exposition.value("nginx_ingress_controller_errors", number(s.reload_errors));
  for (const auto& [name, c] : s.certificates) {
    exposition.value("nginx_ingress_controller_ssl_expire_time_seconds", static_cast<double>(c.not_after),
                     {identity.controller_class, c.host, c.identifier, c.ns, c.secret});
    exposition.value("nginx_ingress_controller_ssl_certificate_info", 1,
                     {identity.controller_class, c.host, c.identifier, c.issuer_common_name, c.issuer_organization,
                      c.ns, c.public_key_algorithm, c.secret, c.serial_number});
  }
  if (s.api)
    exposition.value("nginx_ingress_controller_leader_election_status", s.api->leading ? 1 : 0, {s.api->lease});
  for (const OrphanState& o : s.orphans)
    exposition.value("nginx_ingress_controller_orphan_ingress", 1,
                     {o.ingress, o.ns, o.no_service ? "no-service" : "no-endpoint"});

  exposition.value("sluice_ready", s.ready ? 1 : 0);
  exposition.value("sluice_config_version", number(s.config_version));
  exposition.value("sluice_config_compile_seconds", s.last_compile_seconds);
  exposition.value("sluice_config_objects", number(s.hosts), {"hosts"});
  exposition.value("sluice_config_objects", number(s.routes), {"routes"});
  exposition.value("sluice_config_objects", number(s.closed_routes), {"closed_routes"});
  exposition.value("sluice_config_objects", number(s.clusters), {"clusters"});
  exposition.value("sluice_config_objects", number(s.endpoints), {"endpoints"});
  exposition.value("sluice_destinations_refused", number(s.refused_destinations));
  for (const StreamState& t : s.streams) {
    const StreamFigures& f = *t.figures;
    const auto of = [](const std::atomic<std::uint64_t>& n) { return number(n.load(std::memory_order_relaxed)); };
    const auto put = [&](std::string_view name, double value) {
      exposition.value(name, value, {t.transport, t.port, t.ns, t.service, t.service_port});
    };
    const auto over = [&](std::string_view outcome, double value) {
      exposition.value("sluice_stream_connections_total", value,
                       {t.transport, t.port, t.ns, t.service, t.service_port, outcome});
    };
    over("carried", of(f.carried));
    over("unreachable", of(f.unreachable));
    put("sluice_stream_active", of(f.active));
    put("sluice_stream_received_bytes_total", of(f.received));
    put("sluice_stream_sent_bytes_total", of(f.sent));
    put("sluice_stream_seconds_total", of(f.milliseconds) / 1000);
    if (t.transport == "udp") put("sluice_stream_dropped_datagrams_total", of(f.dropped));
  }
  for (const ProblemCount& p : s.problems)
    exposition.value("sluice_config_problems", number(p.count), {p.severity, p.reason});
  exposition.value("sluice_certificate_refusals_total", number(s.certificate_refusals));
  exposition.value("sluice_source_files", number(s.files.files));
  exposition.value("sluice_source_files_unreadable", number(s.files.unreadable));
  exposition.value("sluice_source_objects", number(s.files.objects));
  exposition.value("sluice_source_reads_total", number(s.files.reads));
  exposition.value("sluice_source_batches_total", number(s.files.batches));
  exposition.value("sluice_dns_failures_total", number(s.files.dns_failures));
  if (s.api) {
    for (const auto& r : s.api->resources) {
      exposition.value("sluice_api_followed", r.followed ? 1 : 0, {r.path});
      exposition.value("sluice_api_failures_total", number(r.failures), {r.path});
    }
    exposition.value("sluice_api_writes_total", number(s.api->statuses), {"status"});
    exposition.value("sluice_api_writes_total", number(s.api->events), {"event"});
    exposition.value("sluice_api_write_failures_total", number(s.api->status_failures), {"status"});
    exposition.value("sluice_api_write_failures_total", number(s.api->event_failures), {"event"});
  }
  if (s.webhook) {
    for (const auto& c : s.webhook->checked) {
      if (c.allowed != 0)
        exposition.value("nginx_ingress_controller_check_success", number(c.allowed), {c.ingress, c.ns});
      if (c.refused != 0)
        exposition.value("nginx_ingress_controller_check_errors", number(c.refused), {c.ingress, c.ns});
    }
    // No configuration is rendered and nothing but the Ingress itself is tested: the cost does not grow with others.
    const bool any = s.webhook->allowed + s.webhook->refused != 0;
    exposition.value("nginx_ingress_controller_admission_tested_ingresses", any ? 1 : 0);
    exposition.value("nginx_ingress_controller_admission_tested_duration", s.webhook->last_seconds);
    exposition.value("nginx_ingress_controller_admission_render_ingresses", 0);
    exposition.value("nginx_ingress_controller_admission_render_duration", 0);
    exposition.value("nginx_ingress_controller_admission_config_size", 0);
    exposition.value("nginx_ingress_controller_admission_roundtrip_duration", s.webhook->last_seconds);
    exposition.value("sluice_webhook_reviews_total", number(s.webhook->allowed), {"allowed"});
    exposition.value("sluice_webhook_reviews_total", number(s.webhook->refused), {"refused"});
    exposition.value("sluice_webhook_review_seconds_total", s.webhook->seconds);
  }

  exposition.value("sluice_memory_used_bytes", number(s.memory.used));
  exposition.value("sluice_memory_limit_bytes", number(s.memory.limit));
  exposition.value("sluice_overload_rung", s.overload.rung);
  for (const auto& source : s.overload.sources) {
    exposition.value("sluice_overload_pressure", source.pressure, {source.name});
    for (const auto& [rung, holds] : source.rungs)
      exposition.value("sluice_overload_rung_held", holds ? 1 : 0, {rung, source.name});
  }

  const EndpointHealth health = endpoint_health ? endpoint_health() : EndpointHealth{};
  exposition.value("sluice_endpoints_ejected", number(health.ejected));
  exposition.value("sluice_endpoints_unhealthy", number(health.unwell));
  const LogFigures log = log_figures ? log_figures() : LogFigures{};
  exposition.value("sluice_access_log_lines_total", number(log.lines));
  exposition.value("sluice_access_log_lost_lines_total", number(log.lost));
  exposition.value("sluice_access_log_bytes_total", number(log.bytes));
  exposition.value("sluice_access_log_write_errors_total", number(log.write_errors));
}

void Metrics::forget(const std::function<bool(std::uint32_t)>& live, std::int64_t now, std::int64_t idle_seconds) {
  const std::scoped_lock lock(impl_->blocks_mutex);
  for (const auto& worker : impl_->workers) {
    SeriesBlock* before = worker->head_.load(std::memory_order_acquire);
    bool asked = false;
    for (SeriesBlock* block = before; block != nullptr;) {
      SeriesBlock* const next = block->next;
      const BlockState state = block->state.load(std::memory_order_acquire);
      // The worker publishes at the head, so the head itself stays until a newer block comes.
      if (state == BlockState::released && block != before) {
        before->next = next;
        delete block;
        block = next;
        continue;
      }
      const bool idle = now - static_cast<std::int64_t>(block->last_seen.get()) >= idle_seconds;
      if (state == BlockState::counting && block->series != kNoSeries && idle && !live(block->series)) {
        BlockState expected = BlockState::counting;
        block->state.compare_exchange_strong(expected, BlockState::asked, std::memory_order_relaxed);
      }
      asked |= block->state.load(std::memory_order_relaxed) == BlockState::asked;
      before = block;
      block = next;
    }
    if (asked) worker->sweep_wanted_.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace sluice::ops
