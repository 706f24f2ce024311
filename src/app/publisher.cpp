#include "app/publisher.h"

#include <chrono>

#include "base/base64.h"
#include "base/log.h"

namespace sluice::app {

namespace {

net::tls::ServerPolicy policy_of(const model::Options& o) {
  net::tls::ServerPolicy p;
  p.protocols = o.ssl_protocols;
  p.ciphers = o.ssl_ciphers;
  p.curves = o.ssl_ecdh_curve;
  p.session_cache = o.ssl_session_cache;
  p.session_tickets = o.ssl_session_tickets;
  p.session_timeout = o.ssl_session_timeout.count();
  p.ticket_key = decode_base64(o.ssl_session_ticket_key).value_or("");
  return p;
}

}  // namespace

Publisher::Publisher(std::vector<std::unique_ptr<data::Worker>>& workers, ops::Metrics& metrics,
                     std::function<void(const model::Options&)> on_options)
    : workers_(workers), metrics_(metrics), on_options_(std::move(on_options)) {}

void Publisher::publish(control::Update update) {
  const auto begun = std::chrono::steady_clock::now();
  data::Publication publication = compiler_.compile(*update.model, update.change);

  std::shared_ptr<net::tls::ServerContext> tls;
  if (update.first || update.change.everything || update.change.options) {
    const auto& options = *update.model->options;
    if (auto made = net::tls::make_server_context(policy_of(options)))
      tls = *made;
    else
      log::error("the TLS settings cannot be used: {}; {}", made.error(),
                 server_tls_ ? "the previous ones are kept" : "the defaults are used");
    if (!tls && !server_tls_) tls = net::tls::make_server_context(policy_of(model::Options{})).value_or(nullptr);
    if (tls) server_tls_ = tls;
    on_options_(options);
  }
  auto shared = std::make_shared<const data::Publication>(std::move(publication));
  for (auto& worker : workers_) {
    data::Worker* w = worker.get();
    w->loop.post([w, shared, tls] { w->apply(*shared, tls); });
  }
  {
    std::lock_guard lock(mutex_);
    for (const auto& c : shared->clusters) {
      if (c.id >= clusters_.size()) clusters_.resize(c.id + 1);
      clusters_[c.id] = c.cluster;
    }
    model_report_ = update.model->report;
    if (snapshot_) retired_.push_back(std::move(snapshot_));
    snapshot_ = shared->snapshot;
    compile_report_ = compiler_.report();
  }
  forget_old();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  ready_ = true;
  tell_metrics(update, seconds);
  look_at_certificates(update);
}

// Which certificate each TLS host is served with, for the expiry metrics: looked up anew for hosts that changed, and
// for all of them when a certificate did.
void Publisher::look_at_certificates(const control::Update& update) {
  const auto& table = *snapshot()->certificates;
  const auto look = [&](const std::string& name) {
    certificates_.erase(name);
    const auto host = update.model->hosts.find(name);
    if (host == update.model->hosts.end() || !host->second->tls) return;
    const auto* pairs = table.find(name);
    const auto& pair = pairs && !pairs->empty() ? pairs->front() : table.fallback();
    if (!pair) return;
    ops::CertificateState state;
    state.host = name.empty() ? "_" : name;
    if (pairs && !host->second->certificates.empty()) {
      const auto& secret = host->second->certificates.front();
      const auto slash = secret.find('/');
      state.ns = secret.substr(0, slash);
      state.secret = slash == std::string::npos ? secret : secret.substr(slash + 1);
    }
    state.serial_number = pair->serial();
    state.identifier = state.serial_number;
    state.issuer_common_name = pair->issuer();
    state.public_key_algorithm = std::string(pair->key_type());
    state.not_after = pair->not_after();
    certificates_.emplace(name, std::move(state));
  };
  const auto& change = update.change;
  if (change.everything || change.default_certificate || !change.certificates.empty()) {
    certificates_.clear();
    for (const auto& [name, host] : update.model->hosts) look(name);
  } else {
    for (const auto& name : change.hosts) look(name);
    if (change.hosts.empty()) return;
  }
  metrics_.update([&](ops::ControllerState& s) {
    s.certificates.clear();
    for (const auto& [name, state] : certificates_) s.certificates.push_back(state);
  });
}

void Publisher::forget_old() {
  std::erase_if(retired_, [](const auto& s) { return s.use_count() == 1; });
}

void Publisher::tell_metrics(const control::Update& update, double seconds) {
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts;
  std::size_t errors = 0;
  const auto count = [&](const model::Report& r) {
    for (const auto& e : r.entries) {
      ++counts[{std::string(model::to_string(e.problem.severity)), e.problem.reason}];
      errors += e.problem.severity == model::Severity::error;
    }
  };
  std::uint64_t endpoints = 0;
  for (const auto& c : clusters()) endpoints += c ? c->endpoints.size() : 0;
  count(update.model->report);
  count(compiler_.report());
  if (errors > last_errors_) ++reload_errors_;
  last_errors_ = errors;
  ++reloads_;
  const auto snapshot = this->snapshot();
  metrics_.update([&](ops::ControllerState& s) {
    s.ready = true;
    s.config_version = snapshot->version;
    s.config_hash = snapshot->version;
    s.last_reload_successful = true;
    s.last_reload_success_time =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    s.reloads = reloads_;
    s.reload_errors = reload_errors_;
    s.last_compile_seconds = seconds;
    s.hosts = snapshot->routes->hosts();
    s.routes = snapshot->routes->routes();
    s.clusters = update.model->clusters.size();
    s.endpoints = endpoints;
    s.problems.clear();
    for (const auto& [key, n] : counts) s.problems.push_back({key.first, key.second, n});
  });
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
  return all;
}

}  // namespace sluice::app
