#include "app/publisher.h"

#include <chrono>
#include <tuple>

#include "app/describe.h"
#include "base/log.h"
#include "data/compiler/tls_policies.h"
#include "data/plan/choice.h"
#include "data/snapshot/streams.h"

namespace sluice::app {

Publisher::Publisher(std::vector<std::unique_ptr<data::Worker>>& workers, ops::Metrics& metrics, StreamPorts& ports,
                     std::function<void(const model::Options&)> on_options)
    : workers_(workers), metrics_(metrics), ports_(ports), on_options_(std::move(on_options)) {}

void Publisher::publish(const control::Update& update) {
  try {
    publish_now(update);
  } catch (const std::bad_alloc&) {
    // Some workers may have got it, and the compiler may be in the middle of it.
    compiler_.start_over();
    metrics_.update([](ops::ControllerState& s) { s.last_reload_successful = false; });
    throw;
  }
}

void Publisher::publish_now(const control::Update& update) {
  const auto begun = std::chrono::steady_clock::now();
  data::Publication publication = compiler_.compile(*update.model, update.change);

  std::shared_ptr<net::tls::ServerContext> tls;
  if (update.first || update.change.everything || update.change.options) {
    const auto& options = *update.model->options;
    if (auto made = net::tls::make_server_context(data::server_policy(options)))
      tls = *made;
    else
      log::error("the TLS settings cannot be used: {}; {}", made.error(),
                 server_tls_ ? "the previous ones are kept" : "the defaults are used");
    if (!tls && !server_tls_)
      tls = net::tls::make_server_context(data::server_policy(model::Options{})).value_or(nullptr);
    if (tls) server_tls_ = tls;
    on_options_(options);
  }
  auto shared = std::make_shared<const data::Publication>(std::move(publication));
  keep(update, *shared);  // before it is served: who sees it served may ask for its Report
  ports_.leave(*shared->snapshot->streams);
  for (auto& worker : workers_) {
    data::Worker* w = worker.get();
    w->loop.post([w, shared, tls] { w->apply(*shared, tls); });
  }
  // The workers know by then where the new ports lead. Who drains opens none: a worker that has ended would keep it.
  if (!workers_.front()->draining() && ports_.follow(shared->snapshot->streams)) take_port_problems();
  fingerprint_.follow(*update.model, update.change, control::options_text);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  ready_ = true;
  tell_metrics(update, seconds);
  look_at_certificates(update, *shared);
  reported_ = update.first || update.change.everything || update.change.report || shared->report_changed;
}

void Publisher::tell(const control::Update& update) {
  try {
    if (reported_ || !update.served.empty()) news_.tell(update, compile_report_, reported_);
  } catch (const std::bad_alloc&) {
    // What is served does not suffer; it is said with the next change of the Report.
  }
}

void Publisher::keep(const control::Update& update, const data::Publication& publication) {
  std::lock_guard lock(mutex_);
  for (const auto& c : publication.clusters) {
    if (c.id >= clusters_.size()) clusters_.resize(c.id + 1);
    auto& slot = clusters_[c.id];
    if (slot) endpoints_ -= slot->endpoints.size(), refused_ -= slot->refused;
    if (c.cluster) endpoints_ += c.cluster->endpoints.size(), refused_ += c.cluster->refused;
    slot = c.cluster;
  }
  if (snapshot_) retired_.push_back(std::move(snapshot_));
  snapshot_ = publication.snapshot;
  std::erase_if(retired_, [](const auto& s) { return s.use_count() == 1; });
  if (!update.first && !update.change.everything && !update.change.report && !publication.report_changed) return;
  model_report_ = update.model->report;
  compile_report_ = compiler_.report();
  tally_problems();
}

// They are said at once: nobody need wait for a change of the configuration.
void Publisher::take_port_problems() {
  std::set<std::string> known;
  std::vector<std::string> news;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& e : port_report_.entries) known.insert(model::Report::line(e));
    port_report_.entries = ports_.problems();
    for (const auto& e : port_report_.entries)
      if (auto line = model::Report::line(e); !known.contains(line)) news.push_back(std::move(line));
    tally_problems();
  }
  constexpr std::size_t kMostLines = 50;
  for (std::size_t i = 0; i < news.size() && i < kMostLines; ++i) log::error("{}", news[i]);
  if (news.size() > kMostLines) log::error("and {} more ports that could not be opened", news.size() - kMostLines);
}

void Publisher::retry_ports() {
  if (workers_.front()->draining() || !ports_.retry()) return;
  take_port_problems();
  if (ports_.problems().empty()) log::info("all ports that lead to Services are open");
  auto problems = problem_counts();
  metrics_.update([&](ops::ControllerState& s) { s.problems = std::move(problems); });
}

std::vector<ops::ProblemCount> Publisher::problem_counts() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

void Publisher::tally_problems() {
  std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> counts;
  std::set<std::string> refused;
  std::size_t errors = 0;
  for (const auto* report : {&model_report_, &compile_report_, &port_report_}) {
    for (const auto& e : report->entries) {
      ++counts[{model::to_string(e.problem.severity), e.problem.reason}];
      if (e.problem.severity != model::Severity::error) continue;
      ++errors;
      if (e.object.kind == "Secret") refused.insert(model::Report::line(e));
    }
  }
  if (errors > errors_) ++reload_errors_;
  errors_ = errors;
  for (const auto& line : refused) certificate_refusals_ += !refused_secrets_.contains(line);
  refused_secrets_ = std::move(refused);
  problems_.clear();
  for (const auto& [key, n] : counts) problems_.push_back({std::string(key.first), std::string(key.second), n});
}

// Which certificate each TLS host is served with, for the expiry metrics.
void Publisher::look_at_certificates(const control::Update& update, const data::Publication& publication) {
  const auto& table = *publication.snapshot->certificates;
  const auto look = [&](ops::ControllerState& s, const std::string& name) {
    s.certificates.erase(name);
    const auto host = update.model->hosts.find(name);
    if (host == update.model->hosts.end() || !host->second->tls) return;
    const auto* pairs = table.find(name);
    const auto& pair = pairs && !pairs->empty() ? pairs->front() : table.fallback();
    if (!pair) return;
    ops::CertificateState state;
    state.host = name.empty() ? "_" : name;
    const auto secret = compiler_.secret_of(name);
    if (const auto slash = secret.find('/'); slash != std::string_view::npos) {
      state.ns = secret.substr(0, slash);
      state.secret = secret.substr(slash + 1);
    }
    auto issuer = pair->issuer_fields();
    state.serial_number = pair->serial_decimal();
    state.identifier = issuer.serial_number + "-" + state.serial_number;
    state.issuer_common_name = std::move(issuer.common_name);
    state.issuer_organization = std::move(issuer.organization);
    state.public_key_algorithm = std::string(pair->key_type());
    state.not_after = pair->not_after();
    s.certificates.emplace(name, std::move(state));
  };
  const bool all = update.first || update.change.everything || publication.fallback_changed;
  if (!all && update.change.hosts.empty() && publication.certificate_hosts.empty()) return;
  metrics_.update([&](ops::ControllerState& s) {
    if (all) {
      s.certificates.clear();
      for (const auto& [name, host] : update.model->hosts) look(s, name);
      return;
    }
    for (const auto& name : update.change.hosts) look(s, name);
    for (const auto& name : publication.certificate_hosts) look(s, name);
  });
}

void Publisher::tell_metrics(const control::Update& update, double seconds) {
  ++reloads_;
  const auto snapshot = this->snapshot();
  auto problems = problem_counts();
  metrics_.update([&](ops::ControllerState& s) {
    s.ready = true;
    s.config_version = snapshot->version;
    s.config_hash = fingerprint_.value();
    s.last_reload_successful = true;
    s.last_reload_success_time =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    s.reloads = reloads_;
    s.reload_errors = reload_errors_;
    s.last_compile_seconds = seconds;
    s.hosts = snapshot->routes->hosts();
    s.routes = snapshot->routes->routes();
    s.clusters = update.model->clusters.size();
    s.endpoints = endpoints_;
    s.refused_destinations = refused_;
    s.certificate_refusals = certificate_refusals_;
    s.problems = std::move(problems);
    if (snapshot->streams == told_streams_) return;
    told_streams_ = snapshot->streams;
    s.streams.clear();
    for (const data::StreamTarget& t : snapshot->streams->all())
      s.streams.push_back({model::to_string(t.spec->transport), std::to_string(t.spec->port), t.spec->ns,
                           t.spec->service, t.spec->service_port, t.figures});
  });
}

void Publisher::count_orphans() {
  const auto snapshot = this->snapshot();
  if (!snapshot) return;
  const auto clusters = this->clusters();
  {
    std::lock_guard lock(mutex_);
    if (orphans_of_ == snapshot->version) return;
    orphans_of_ = snapshot->version;
  }
  std::set<std::tuple<std::string_view, std::string_view, bool>> found;
  std::uint64_t closed = 0;
  snapshot->routes->for_each([&](const data::Route& r) {
    if (!closed_because(*r.spec).empty()) ++closed;
    if (r.spec->ingress.empty() || r.spec->cluster.empty()) return;
    const auto* cluster = r.cluster < clusters.size() ? clusters[r.cluster].get() : nullptr;
    if (cluster && cluster->endpoints.empty()) found.emplace(r.spec->ns, r.spec->ingress, cluster->no_service);
    if (r.choice == nullptr) return;
    const auto id = (*r.further)[static_cast<std::size_t>(model::Role::canary)];
    const auto* canary = id < clusters.size() ? clusters[id].get() : nullptr;
    if (canary && canary->endpoints.empty()) found.emplace(r.spec->ns, r.choice->spec().ingress, canary->no_service);
  });
  metrics_.update([&](ops::ControllerState& s) {
    s.closed_routes = closed;
    s.orphans.clear();
    for (const auto& [ns, ingress, no_service] : found)
      s.orphans.push_back({std::string(ns), std::string(ingress), no_service});
  });
}

void Publisher::forget_series(std::int64_t now) {
  const auto snapshot = this->snapshot();
  if (!snapshot) return;
  std::vector<bool> live;
  snapshot->routes->for_each([&](const data::Route& r) {
    if (r.series >= live.size()) live.resize(r.series + 1);
    live[r.series] = true;
    if (r.choice == nullptr) return;
    if (r.choice->series() >= live.size()) live.resize(r.choice->series() + 1);
    live[r.choice->series()] = true;
  });
  metrics_.forget([&](std::uint32_t series) { return series < live.size() && live[series]; }, now);
}

std::vector<std::shared_ptr<const model::Cluster>> Publisher::clusters() const {
  std::lock_guard lock(mutex_);
  return clusters_;
}

std::shared_ptr<const data::Snapshot> Publisher::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

model::Report Publisher::report() const {
  std::lock_guard lock(mutex_);
  model::Report all = model_report_;
  all.entries.insert(all.entries.end(), compile_report_.entries.begin(), compile_report_.entries.end());
  all.entries.insert(all.entries.end(), port_report_.entries.begin(), port_report_.entries.end());
  return all;
}

}  // namespace sluice::app
