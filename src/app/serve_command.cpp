#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <latch>
#include <thread>

#include "app/options.h"
#include "app/overload_watch.h"
#include "app/pages.h"
#include "app/publisher.h"
#include "app/signals.h"
#include "app/stream_ports.h"
#include "app/terminal.h"
#include "base/blocking_pool.h"
#include "base/descriptor_gauge.h"
#include "base/log.h"
#include "base/memory_gauge.h"
#include "base/reserve.h"
#include "base/strings.h"
#include "model/text_rules.h"
#include "net/io/socket.h"
#include "ops/recorder.h"

namespace sluice::app {

namespace {

ops::AccessLogSettings log_settings(const model::Options& o, const std::string& flag) {
  ops::AccessLogSettings s;
  s.enabled = flag.empty() ? !o.disable_access_log : flag != "off";
  s.requests = !o.disable_http_access_log;
  s.streams = !o.disable_stream_access_log;
  s.path = flag.empty() || flag == "off" ? o.access_log_path : flag;
  s.format = o.log_format_upstream;
  s.stream_format = o.log_format_stream;
  s.escape = o.log_format_escape_json   ? ops::LogEscape::json
             : o.log_format_escape_none ? ops::LogEscape::none
                                        : ops::LogEscape::nginx;
  s.json = o.access_log_format == model::LogFormat::json;
  s.skip_urls = model::text_map(o.skip_access_log_urls);
  s.log_unrouted = o.enable_access_log_for_default_backend;
  return s;
}

ops::ControllerState::Api api_state(const control::ApiFigures& f, const std::string& lease) {
  ops::ControllerState::Api out{.leading = f.leading,
                                .lease = lease,
                                .resources = {},
                                .statuses = f.statuses,
                                .status_failures = f.status_failures,
                                .events = f.events,
                                .event_failures = f.event_failures};
  for (const auto& r : f.resources) out.resources.push_back({r.path, r.followed, r.failures});
  return out;
}

constexpr std::chrono::minutes kForgetSeries{5};  // this often memory of metric series is looked through
constexpr std::chrono::seconds kRetryPorts{3};    // and ports that could not be opened are tried again

struct Bound {
  std::string kind;
  std::string address;   // with the port that was chosen
  std::vector<int> fds;  // one a worker
  data::ListenerSettings settings;
};

// ADDR:PORT[,proxy-protocol]. One socket a worker for each address; port 0 is chosen once and shared.
std::expected<Bound, std::string> bind_all(const std::string& text, bool tls, unsigned workers, bool share,
                                           std::vector<std::string>& said) {
  Bound out{tls ? "https" : "http", {}, {}, {}};
  out.settings.tls = tls;
  std::string unknown;
  const auto comma = std::min(text.find(','), text.size());
  for_each_element(std::string_view(text).substr(comma), [&](std::string_view word) {
    if (word == "proxy-protocol")
      out.settings.proxy_protocol = true;
    else
      unknown = word;
  });
  if (!unknown.empty())
    return std::unexpected(
        fmt::format("--{} {}: {}: expected proxy-protocol behind the comma", out.kind, text, unknown));
  auto address = net::parse_listen(std::string_view(text).substr(0, comma));
  if (!address) return std::unexpected(fmt::format("--{} {}", out.kind, address.error()));
  for (unsigned i = 0; i < workers; ++i) {
    auto fd = net::listen_on(*address, 4096, i == 0 && !share ? net::Binding::first : net::Binding::shared);
    if (!fd)
      return std::unexpected(fmt::format("--{} {}: {}; expected an address that nobody listens on{}", out.kind, text,
                                         fd.error(), share ? "" : ", or --share-ports beside another Sluice"));
    out.fds.push_back(*fd);
    if (i == 0) *address = net::local_address(*fd);
  }
  out.address = address->text();
  said.push_back(fmt::format("listening {} {}", out.kind, out.address));
  return out;
}

// One thread a worker. Started before anything is read: later there may be no memory for them.
class WorkerThreads {
 public:
  using Workers = std::vector<std::unique_ptr<data::Worker>>;
  // Throws std::system_error.
  explicit WorkerThreads(Workers& workers) : workers_(workers), warm_(static_cast<std::ptrdiff_t>(workers.size())) {
    threads_.reserve(workers.size());
    for (std::size_t i = 0; i < workers.size(); ++i) {
      threads_.emplace_back([this, w = workers[i].get()] {
        Reserve::warm_up();
        warm_.count_down();
        w->run();
        ++ended_;
      });
      pthread_setname_np(threads_.back().native_handle(), fmt::format("worker-{}", i).c_str());
    }
    warm_.wait();
  }
  ~WorkerThreads() {
    for (auto& w : workers_) w->loop.post([worker = w.get()] { worker->loop.stop(); });
    join();
  }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;
  bool ended() const { return ended_ == workers_.size(); }
  void join() {
    for (auto& t : threads_)
      if (t.joinable()) t.join();
  }

 private:
  Workers& workers_;
  std::latch warm_;
  std::atomic<std::size_t> ended_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

int serve(const ServeOptions& options) {
  log::start(options.log_level, options.log_json);
  for (const auto& note : options.notes) log::info("{}", note);
  if (!options.core_dumps) forbid_core_dumps();
  const Signals signals;  // before any thread
  Reserve::keep();
  const auto descriptors = net::raise_descriptor_limit();
  const unsigned count = options.workers ? options.workers : usable_cores();

  std::vector<std::string> said;
  std::vector<Bound> bound;
  for (const auto& a : options.http) {
    auto b = bind_all(a, false, count, options.share_ports, said);
    if (!b) return refuse(b.error());
    bound.push_back(*b);
  }
  for (const auto& a : options.https) {
    auto b = bind_all(a, true, count, options.share_ports, said);
    if (!b) return refuse(b.error());
    bound.push_back(*b);
  }

  ops::Metrics metrics(ops::Metrics::Identity::from_environment(SLUICE_VERSION, SLUICE_COMMIT));
  ops::AccessLog access_log(log_settings(model::Options{}, options.access_log.empty() ? "off" : options.access_log));
  metrics.set_log_figures([&] {
    const auto s = access_log.stats();
    return ops::Metrics::LogFigures{s.lines, s.lost, s.bytes, s.write_errors};
  });

  SystemClock clock;
  MemoryGauge gauge(options.memory_limit);
  data::Overload overload(clock, [&gauge] { return gauge.read(); }, count);
  data::Shared shared(overload);
  shared.workers = count;
  metrics.set_endpoint_health([&] {
    const auto out = shared.health.count(clock.now());
    return ops::Metrics::EndpointHealth{out.ejected, out.unwell};
  });
  shared.passthrough = options.control.ssl_passthrough;
  if (shared.passthrough) shared.hellos = std::make_unique<data::PassingHellos>();
  shared.descriptor_connections =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(16, std::min<std::uint64_t>(descriptors, 2'000'000) * 8 / 10));
  DescriptorGauge open_descriptors;
  std::atomic<std::uint32_t> max_connections{shared.descriptor_connections};
  overload.count_by([&] {
    const std::uint32_t clients = shared.limits.total();
    return data::Overload::Counts{open_descriptors.read(clients, clock.now()),
                                  {clients, max_connections.load(std::memory_order_relaxed)}};
  });
  std::vector<std::unique_ptr<WorkerStats>> stats;
  ops::FailureLog failures([](const std::string& line) { log::warn("{}", line); });
  std::vector<std::unique_ptr<ops::WorkerRecorder>> recorders;
  std::vector<std::unique_ptr<data::Worker>> workers;
  const std::shared_ptr<const data::Snapshot> nothing_yet = [] {
    model::Change first;
    first.everything = true;
    return data::Compiler().compile(model::Model{}, first).snapshot;
  }();
  for (unsigned i = 0; i < count; ++i) {
    stats.push_back(std::make_unique<WorkerStats>());
    metrics.watch(stats.back().get());
    recorders.push_back(std::make_unique<ops::WorkerRecorder>(metrics, access_log, failures));
    workers.push_back(std::make_unique<data::Worker>(i, clock, shared, *stats.back(), *recorders.back(), nothing_yet));
  }
  BlockingPool blocking(std::clamp(count / 2, 1U, 4U));  // ends before the workers, which it tells of what is done
  shared.blocking = &blocking;
  // Of its own, as whoever checks passwords is not to wait for a slow disk.
  BlockingPool disk(std::clamp(count, 2U, 8U), {4096, 2048}, "disk");
  shared.spool.configure(
      {options.buffer_directory, options.buffer_limit,
       static_cast<std::uint32_t>(std::min<std::uint64_t>(4096, std::max<std::uint64_t>(16, descriptors / 16)))},
      &disk);
  if (!options.buffer_directory.empty() && ::access(options.buffer_directory.c_str(), W_OK | X_OK) != 0)
    log::warn(
        "--buffer-directory {}: {}; expected a directory that may be written to: bodies that are too long for memory "
        "are refused (503)",
        options.buffer_directory, ::strerrordesc_np(errno));
  overload.on_change([&workers](data::Held held) {
    give_memory_back_at_once(!held.of(data::Source::memory).none());
    for (auto& w : workers) w->loop.post([] {});  // they act at the end of the turn
  });
  OverloadWatch watch(overload);

  const auto& at = options.control.stream_address;
  const auto stream_address = at.empty() ? net::parse_listen(":0") : net::make_address(at, 0);
  if (!stream_address)
    return refuse("--stream-address " + stream_address.error() + "; expected an address without port");
  StreamPorts ports(workers, *stream_address, options.share_ports, descriptors / 4);
  std::atomic<bool> announced{false};
  std::atomic<std::int64_t> grace{0}, deadline{240};
  Publisher publisher(workers, metrics, ports, [&](const model::Options& o) {
    for (const auto& problem : access_log.configure(log_settings(o, options.access_log)))
      log::warn("access log: {}", problem);
    grace = o.shutdown_grace_period.count();
    deadline = o.worker_shutdown_timeout.count();
    overload.set_thresholds(overload_thresholds(o), o.overload_loop_lag);
    max_connections = shared.max_connections(o);
    overload.look();
    log::set_level(options.log_level == "info" ? o.log_level : options.log_level);
  });

  shared.status_page = [&metrics] { return metrics.stub_status(); };
  const EndpointStates endpoint_state = [&shared, &clock, &publisher](const model::Cluster& cluster) {
    const Instant now = clock.now();
    std::vector<std::string_view> states(cluster.endpoints.size());
    std::vector<std::string> identities(cluster.endpoints.size());
    std::vector<data::OutEndpoint> out;
    std::size_t takers = 0;
    for (std::size_t i = 0; i < states.size(); ++i) {
      const auto& endpoint = cluster.endpoints[i];
      takers += endpoint.ready ? 1 : 0;
      identities[i] = data::identity_of(endpoint);
      const auto health = shared.health.find(cluster.ns, identities[i]);
      if (!health || !health->is_out(now)) continue;
      states[i] = health->is_unwell() ? "unhealthy" : "ejected, but asked";
      out.push_back({health->out_since(now), identities[i], i});
    }
    if (out.empty()) return states;
    data::keep_left_out(out, takers, publisher.snapshot()->options->outlier_max_ejected_percent);
    for (const auto& one : out)
      if (states[one.at].starts_with("ejected")) states[one.at] = "ejected";
    return states;
  };
  std::unique_ptr<ops::AdminServer> admin;
  try {
    admin = ops::AdminServer::start(options.admin, pages(publisher, metrics, shared.draining, said, endpoint_state),
                                    options.admin_access);
  } catch (const std::exception& e) {
    return refuse(e.what());
  }
  for (const auto& line : said) print_line(std::cout, line);
  print_line(std::cout, "listening admin " + admin->bound_address());
  std::cout.flush();

  WorkerThreads threads(workers);
  // Workers listen only once they have something to serve: an empty table cannot be asked.
  const auto go = [&] {
    for (unsigned i = 0; i < count; ++i) {
      data::Worker* w = workers[i].get();
      w->loop.post([w, i, &bound] {
        for (const auto& b : bound) w->listen(b.fds[i], b.settings);
      });
    }
    fmt::print("ready\n");
    std::fflush(stdout);
  };

  std::unique_ptr<control::Webhook> webhook;
  if (!options.webhook.address.empty()) {
    try {
      webhook = control::Webhook::listen(options.webhook);
    } catch (const std::exception& e) {
      return refuse(e.what());
    }
  }

  // All of ours is bound before anything is judged: a port may have been the kernel's choice.
  control::Settings settings = options.control;
  for (const auto& b : bound) settings.listeners.push_back(model::read_listener(b.kind, b.address));
  settings.listeners.push_back(model::read_listener("admin", admin->bound_address()));
  if (webhook) settings.listeners.push_back(model::read_listener("webhook", webhook->bound_address()));

  std::unique_ptr<control::Watcher> watcher;
  try {
    watcher = control::Watcher::start(settings, [&](control::Update update) {
      publisher.publish(update);
      announced = true;
      announced.notify_all();
      publisher.tell(update);
    });
  } catch (const std::exception& e) {
    return refuse(e.what());
  }

  if (webhook) {
    webhook->serve(*watcher);
    fmt::print("listening webhook {}\n", webhook->bound_address());
    std::fflush(stdout);
  }

  const auto show = [&] {
    try {
      const auto s = watcher->stats();
      metrics.update([&](ops::ControllerState& state) {
        watch.show(state);
        state.files = {s.files, s.objects, s.reads, s.unreadable_files, s.batches, s.dns_failures};
        if (s.api) state.api = api_state(*s.api, options.control.status.election_id);
        if (webhook) {
          const auto w = webhook->figures();
          if (state.webhook && state.webhook->allowed + state.webhook->refused == w.allowed + w.refused) return;
          ops::ControllerState::Webhook now{w.allowed, w.refused, w.seconds, w.last_seconds, {}};
          for (auto& c : webhook->checked())
            now.checked.push_back({std::move(c.ns), std::move(c.ingress), c.allowed, c.refused});
          state.webhook = std::move(now);
        }
      });
    } catch (const std::bad_alloc&) {
      // The figures stay those of a second ago.
    }
  };
  const auto retry = [&] {
    try {
      publisher.retry_ports();
    } catch (const std::bad_alloc&) {
      // The next time.
    }
  };
  const auto forget = [&] {
    try {
      publisher.forget_series(::time(nullptr));
    } catch (const std::bad_alloc&) {
      // The next time.
    }
  };
  Asked asked = Asked::nothing;
  for (unsigned turn = 0; !announced && asked != Asked::end; ++turn) {
    if (turn % 200 == 0) show();
    asked = signals.next(5);
  }
  if (announced) go();
  // Said once it serves: nobody may read it.
  watch.look();
  if (const auto limit = overload.figures().limit)
    log::info("memory limit: {} MiB ({})", limit >> 20, gauge.describe());
  else
    log::info("memory limit: none ({})", gauge.describe());

  for (auto shown = std::chrono::steady_clock::now(), forgot = shown, retried = shown; asked != Asked::end;) {
    asked = signals.next(watch.milliseconds());
    if (asked == Asked::reopen) access_log.reopen();
    watch.look();
    if (const auto now = std::chrono::steady_clock::now(); now - shown >= std::chrono::milliseconds(990)) {
      shown = now;
      show();
      if (now - retried >= kRetryPorts) {
        retried = now;
        retry();
      }
      if (now - forgot >= kForgetSeries) {
        forgot = now;
        forget();
      }
    }
  }

  // Not ready any more, but still accepting; then no more connections; then the deadline.
  shared.draining = true;
  log::info("draining: not ready from now on, accepting for another {} s, then at most {} s for what is running",
            grace.load(), deadline.load());
  const auto second = [&] { return signals.next(20) == Asked::end; };
  const auto wait_until = std::chrono::steady_clock::now() + std::chrono::seconds(grace.load());
  bool at_once = false;
  while (!at_once && std::chrono::steady_clock::now() < wait_until) at_once = second();
  for (auto& w : workers) {
    data::Worker* worker = w.get();
    worker->loop.post([worker, &deadline] { worker->drain(std::chrono::seconds(deadline.load())); });
  }
  while (!at_once && !threads.ended()) {
    at_once = second();
    watch.look();
  }
  if (at_once) {
    log::warn("a second signal: ending at once");
    access_log.flush(200);
    ::syscall(SYS_exit_group, 0);  // whatever runs and whatever hooks an exit: at once
  }
  threads.join();
  webhook.reset();
  watcher.reset();
  admin.reset();
  blocking.stop();
  disk.stop();
  workers.clear();
  log::info("drained");
  return 0;
}

}  // namespace sluice::app
