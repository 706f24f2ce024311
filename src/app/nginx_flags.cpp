#include "app/nginx_flags.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>

namespace sluice::app {

namespace {

struct Idle {
  std::string_view name;
  bool value;  // it has one that is no boolean
  std::string_view why;
};

constexpr std::string_view kNginx = "it belongs to nginx's processes, which are not here";
constexpr std::string_view kMetrics = "metrics are always there, and what they count does not depend on flags";
constexpr std::string_view kLogs = "the program log goes to standard error; --log-level and --log-json shape it";

constexpr std::array kIdle{
    Idle{"--add_dir_header", false, kLogs},
    Idle{"--alsologtostderr", false, kLogs},
    Idle{"--bucket-factor", true, kMetrics},
    Idle{"--deep-inspect", false, "objects are always looked at as a whole"},
    Idle{"--default-server-port", true, kNginx},
    Idle{"--disable-full-test", false, "no configuration file is made that could be tested"},
    Idle{"--disable-sync-events", false, "Events follow --update-status"},
    Idle{"--dynamic-configuration-retries", true, kNginx},
    Idle{"--election-ttl", true, "the Lease has the usual times of Kubernetes"},
    Idle{"--enable-annotation-validation", false, "values of annotations are always judged"},
    Idle{"--enable-metrics", false, kMetrics},
    Idle{"--enable-ssl-chain-completion", false, "nobody is asked for authorities that a Secret leaves out"},
    Idle{"--exclude-socket-metrics", true, kMetrics},
    Idle{"--health-check-path", true, "the admin address answers /healthz, /livez and /readyz"},
    Idle{"--health-check-timeout", true, kNginx},
    Idle{"--ingress-class-by-name", false, "classes count by their name, too"},
    Idle{"--internal-logger-address", true, "access lines are written by the process itself"},
    Idle{"--legacy_stderr_threshold_behavior", false, kLogs},
    Idle{"--length-buckets", true, kMetrics},
    Idle{"--log_backtrace_at", true, kLogs},
    Idle{"--log_dir", true, kLogs},
    Idle{"--log_file", true, kLogs},
    Idle{"--log_file_max_size", true, kLogs},
    Idle{"--logtostderr", false, kLogs},
    Idle{"--max-buckets", true, kMetrics},
    Idle{"--maxmind-edition-ids", true, "GeoIP is not served by this version"},
    Idle{"--maxmind-license-key", true, "GeoIP is not served by this version"},
    Idle{"--maxmind-mirror", true, "GeoIP is not served by this version"},
    Idle{"--maxmind-retries-count", true, "GeoIP is not served by this version"},
    Idle{"--maxmind-retries-timeout", true, "GeoIP is not served by this version"},
    Idle{"--metrics-per-host", false, kMetrics},
    Idle{"--metrics-per-undefined-host", false, kMetrics},
    Idle{"--monitor-max-batch-size", true, kMetrics},
    Idle{"--one_output", false, kLogs},
    Idle{"--post-shutdown-grace-period", true, "the process ends when its last request has"},
    Idle{"--profiler-address", true, "there is no profiler inside"},
    Idle{"--profiler-port", true, "there is no profiler inside"},
    Idle{"--profiling", false, "there is no profiler inside"},
    Idle{"--report-status-classes", false, kMetrics},
    Idle{"--size-buckets", true, kMetrics},
    Idle{"--skip_headers", false, kLogs},
    Idle{"--skip_log_headers", false, kLogs},
    Idle{"--ssl-passthrough-proxy-port", true, "no second listener stands behind the first"},
    Idle{"--status-port", true, "/nginx_status and /configuration are pages of the admin address"},
    Idle{"--status-update-interval", true, "a status is written when it changes"},
    Idle{"--stderrthreshold", true, kLogs},
    Idle{"--stream-port", true, kNginx},
    Idle{"--sync-period", true, "objects are watched, and listed anew only where a watch has a gap"},
    Idle{"--sync-rate-limit", true, "a change is served within milliseconds, and a burst of them at once"},
    Idle{"--time-buckets", true, kMetrics},
    Idle{"--vmodule", true, kLogs},
};

bool given(const CLI::App& command, std::string_view flag) {
  return command.get_option(std::string(flag))->count() > 0;
}

}  // namespace

void NginxFlags::add(CLI::App& command) {
  const auto ours = [](CLI::Option* option) { option->group("Flags of ingress-nginx"); };
  ours(command.add_option("--http-port", http_, "--http=:PORT")->check(CLI::Range(0, 65535)));
  ours(command.add_option("--https-port", https_, "--https=:PORT")->check(CLI::Range(0, 65535)));
  ours(command.add_option("--healthz-port", healthz_, "port of --admin, on --healthz-host or on every address")
           ->check(CLI::Range(0, 65535)));
  ours(command.add_option("--healthz-host", healthz_host_, "address of --admin"));
  ours(command.add_option("--shutdown-grace-period", grace_, "--set shutdown-grace-period=SECONDS"));
  // Go's -v=4 leaves the '=' with the value.
  ours(command.add_option_function<std::string>(
      "--v,-v",
      [this](const std::string& text) {
        const char* const from = text.data() + (text.starts_with('=') ? 1 : 0);
        const char* const end = text.data() + text.size();
        unsigned value = 0;
        const auto [at, error] = std::from_chars(from, end, value);
        if (error != std::errc() || at != end) throw CLI::ValidationError("--v", "expected a number, not " + text);
        verbosity_ = value;
      },
      "3 and 4: --log-level=debug; 5 and more: --log-level=trace"));
  // Not in the help: what they would say there is said when they are given.
  for (const Idle& flag : kIdle) {
    const std::string name(flag.name);
    (flag.value ? command.add_option(name) : command.add_flag(name))->group("");
  }
}

std::string NginxFlags::take(const CLI::App& command, ServeOptions& options) {
  const struct {
    const char *theirs, *ours;
    bool there;
  } pairs[] = {{"--http-port", "--http", http_.has_value()},
               {"--https-port", "--https", https_.has_value()},
               {"--healthz-port", "--admin", healthz_.has_value()},
               {"--healthz-host", "--admin", !healthz_host_.empty()},
               {"--v", "--log-level", verbosity_.has_value()}};
  for (const auto& pair : pairs)
    if (pair.there && given(command, pair.ours))
      return fmt::format("{} and {}: expected one of them, they say the same", pair.theirs, pair.ours);
  if (http_) options.http = {fmt::format(":{}", *http_)};
  if (https_) options.https = {fmt::format(":{}", *https_)};
  if (healthz_ || !healthz_host_.empty()) {
    const bool bare_v6 = healthz_host_.find(':') != std::string::npos && !healthz_host_.starts_with('[');
    options.admin = fmt::format("{}:{}", bare_v6 ? "[" + healthz_host_ + "]" : healthz_host_, healthz_.value_or(10254));
  }
  if (verbosity_ && *verbosity_ >= 3) options.log_level = *verbosity_ >= 5 ? "trace" : "debug";
  if (grace_) {
    if (auto wrong = control::check_option("shutdown-grace-period", *grace_); !wrong.empty())
      return "--shutdown-grace-period: " + wrong;
    options.control.set.emplace("shutdown-grace-period", *grace_);
  }
  for (const Idle& flag : kIdle)
    if (given(command, flag.name)) notes_.push_back(fmt::format("{} has no effect: {}", flag.name, flag.why));
  return {};
}

void add_api_server(CLI::App& command, control::Settings& settings) {
  for (CLI::Option* option :
       {command.add_option("--apiserver-host", settings.api_server,
                           "URL of the API of the cluster, in place of what --kubeconfig or --kubernetes says"),
        command.add_option("--certificate-authority", settings.api_ca,
                           "file with the authorities of the API's certificate, likewise")})
    option->group("Flags of ingress-nginx");
}

void add_exclusions(CLI::App& command, control::Settings& settings) {
  command.add_flag("--disable-catch-all", settings.disable_catch_all,
                   "do not serve Ingresses that have a defaultBackend");
  command.add_flag("--disable-svc-external-name", settings.disable_external_names,
                   "send nothing to Services of type ExternalName");
}

void add_whereabouts(CLI::App& command, control::Settings& settings) {
  command.add_option("--zone", settings.zone,
                     "the zone that we run in, for topology-aware-routing; else as EndpointSlices say of our node");
  command.add_option("--node-name", settings.node, "the node that we run on, likewise")->envname("NODE_NAME");
  command
      .add_flag_callback(
          "--enable-topology-aware-routing",
          [&settings] { settings.set.insert_or_assign("topology-aware-routing", "true"); },
          "--set topology-aware-routing=true")
      ->group("Flags of ingress-nginx");
}

}  // namespace sluice::app
