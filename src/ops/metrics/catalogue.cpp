#include "ops/metrics/catalogue.h"

#include <fmt/format.h>

#include <iterator>

namespace sluice::ops {
namespace {

using enum MetricType;

constexpr std::string_view kRequest = "status method path namespace ingress service canary host";
constexpr std::string_view kCertificate =
    "class host identifier issuer_common_name issuer_organization namespace public_key_algorithm secret_name "
    "serial_number";

constexpr std::string_view kStream = "transport port namespace service service_port";

constexpr MetricInfo kCatalogue[] = {
    // Requests, as ingress-nginx names them.
    {"nginx_ingress_controller_requests", counter, kRequest, "Requests that were answered or given up, by route."},
    {"nginx_ingress_controller_request_duration_seconds", histogram, kRequest,
     "Time from the first byte of a request to the last byte of its response."},
    {"nginx_ingress_controller_response_duration_seconds", histogram, kRequest,
     "Time until the whole response of the pod had come, of the last attempt."},
    {"nginx_ingress_controller_header_duration_seconds", histogram, kRequest,
     "Time until the response head of the pod had come, of the last attempt."},
    {"nginx_ingress_controller_connect_duration_seconds", histogram, kRequest,
     "Time to connect to the pod, of the last attempt; 0 on a reused connection."},
    {"nginx_ingress_controller_request_size", histogram, kRequest, "Size of requests in bytes: line, head and body."},
    {"nginx_ingress_controller_response_size", histogram, kRequest, "Size of responses in bytes: head and body."},
    {"nginx_ingress_controller_bytes_sent", histogram, kRequest,
     "Bytes sent to clients; as response_size with wider buckets."},

    // The controller, as ingress-nginx names it.
    {"nginx_ingress_controller_build_info", gauge, "build release repository",
     "Always 1; the labels say what is running."},
    {"nginx_ingress_controller_config_hash", gauge, "",
     "Hash of what is served; the same in all replicas that serve the same."},
    {"nginx_ingress_controller_config_last_reload_successful", gauge, "",
     "1 when the last change of configuration was published, 0 when there was no memory for it. A bad object holds "
     "nothing back."},
    {"nginx_ingress_controller_config_last_reload_successful_timestamp_seconds", gauge, "",
     "Unix time of the last published configuration."},
    {"nginx_ingress_controller_success", counter, "", "Changes of configuration that were published."},
    {"nginx_ingress_controller_errors", counter, "", "Changes of configuration that brought a new error."},
    {"nginx_ingress_controller_check_success", counter, "ingress namespace",
     "With the webhook: reviews of an Ingress that allowed it."},
    {"nginx_ingress_controller_check_errors", counter, "ingress namespace",
     "With the webhook: reviews of an Ingress that refused it."},
    {"nginx_ingress_controller_admission_tested_ingresses", gauge, "",
     "With the webhook: Ingresses that the last review looked at; the one it is about."},
    {"nginx_ingress_controller_admission_tested_duration", gauge, "",
     "With the webhook: time that the last review took, in seconds."},
    {"nginx_ingress_controller_admission_render_ingresses", gauge, "",
     "With the webhook: 0, no configuration is rendered."},
    {"nginx_ingress_controller_admission_render_duration", gauge, "",
     "With the webhook: 0, no configuration is rendered."},
    {"nginx_ingress_controller_admission_config_size", gauge, "", "With the webhook: 0, no configuration is rendered."},
    {"nginx_ingress_controller_admission_roundtrip_duration", gauge, "",
     "With the webhook: time that the last answer took, in seconds."},
    {"nginx_ingress_controller_ssl_expire_time_seconds", gauge, "class host identifier namespace secret_name",
     "Unix time at which the certificate of a host expires."},
    {"nginx_ingress_controller_ssl_certificate_info", gauge, kCertificate,
     "Always 1; the labels describe the certificate of a host."},
    {"nginx_ingress_controller_leader_election_status", gauge, "name",
     "In a cluster: 1 when this replica holds the Lease of that name and writes, else 0."},
    {"nginx_ingress_controller_orphan_ingress", gauge, "ingress namespace type",
     "1 for an Ingress whose Service is missing (no-service) or has no endpoint (no-endpoint)."},
    {"nginx_ingress_controller_nginx_process_connections", gauge, "state",
     "Client connections: active, waiting (idle), reading (neither idle nor with a request in flight); writing: "
     "requests "
     "in flight, each stream of HTTP/2 for itself."},
    {"nginx_ingress_controller_nginx_process_connections_total", counter, "state",
     "Client connections: accepted, handled (accepted and not shed)."},
    {"nginx_ingress_controller_nginx_process_requests_total", counter, "", "Requests of clients."},
    {"nginx_ingress_controller_nginx_process_num_procs", gauge, "", "Worker threads."},
    {"nginx_ingress_controller_nginx_process_cpu_seconds_total", counter, "", "CPU time of the process in seconds."},
    {"nginx_ingress_controller_nginx_process_resident_memory_bytes", gauge, "", "Resident memory of the process."},
    {"nginx_ingress_controller_nginx_process_virtual_memory_bytes", gauge, "", "Virtual memory of the process."},
    {"nginx_ingress_controller_nginx_process_oldest_start_time_seconds", gauge, "",
     "Unix time at which the process started."},
    {"nginx_ingress_controller_nginx_process_read_bytes_total", counter, "",
     "Bytes the process read, from files and sockets."},
    {"nginx_ingress_controller_nginx_process_write_bytes_total", counter, "",
     "Bytes the process wrote, to files and sockets."},

    // The process, by the names that all Prometheus clients use.
    {"process_cpu_seconds_total", counter, "", "CPU time in seconds."},
    {"process_resident_memory_bytes", gauge, "", "Resident memory."},
    {"process_virtual_memory_bytes", gauge, "", "Virtual memory."},
    {"process_start_time_seconds", gauge, "", "Unix time at which the process started."},
    {"process_open_fds", gauge, "", "Open descriptors."},
    {"process_max_fds", gauge, "", "Limit of open descriptors."},

    // Downstream.
    {"sluice_downstream_accepted_total", counter, "", "Client connections accepted."},
    {"sluice_downstream_connections", gauge, "", "Client connections that are open."},
    {"sluice_downstream_idle", gauge, "", "Client connections that wait for a request."},
    {"sluice_downstream_lingering", gauge, "",
     "Clients that were answered early and whose request is read on and thrown away, so that they see the answer."},
    {"sluice_lingering_refused_total", counter, "",
     "Early answers after which nothing was read on, as too many clients were in that state already."},
    {"sluice_tls_handshakes_total", counter, "",
     "TLS handshakes with clients that succeeded, resumed ones among them."},
    {"sluice_tls_handshakes_resumed_total", counter, "", "TLS handshakes that resumed a session."},
    {"sluice_tls_handshake_failures_total", counter, "", "TLS handshakes that failed."},
    {"sluice_proxy_protocol_headers_total", counter, "", "PROXY headers that began client connections."},
    {"sluice_proxy_protocol_refused_total", counter, "",
     "Client connections closed because a PROXY header was expected and none, a broken or a late one came."},
    {"sluice_proxy_protocol_untrusted_total", counter, "",
     "PROXY headers that were read but not believed: their sender is not in proxy-real-ip-cidr."},
    {"sluice_requests_total", counter, "", "Requests of clients."},
    {"sluice_requests_active", gauge, "", "Requests in flight."},
    {"sluice_tunnels_active", gauge, "", "Upgraded connections (WebSocket) that are open."},
    {"sluice_tunnels_total", counter, "", "Connections that were upgraded."},
    {"sluice_passthrough_connections_total", counter, "",
     "Client connections whose TLS was passed through to a pod by the name in the ClientHello (ssl-passthrough)."},
    {"sluice_passthrough_active", gauge, "", "Those that are open."},
    {"sluice_passthrough_failures_total", counter, "", "Those for which no pod could be reached."},
    {"sluice_stream_connections_total", counter, "transport port namespace service service_port outcome",
     "Connections (tcp) and sessions (udp) that are over, of ports that lead to Services: carried, or unreachable "
     "where no pod took them."},
    {"sluice_stream_active", gauge, kStream, "Those that are open."},
    {"sluice_stream_received_bytes_total", counter, kStream, "Bytes from their clients, counted at their end."},
    {"sluice_stream_sent_bytes_total", counter, kStream, "Bytes to their clients, likewise."},
    {"sluice_stream_seconds_total", counter, kStream, "How long they were open, all together, likewise."},
    {"sluice_stream_dropped_datagrams_total", counter, kStream, "Datagrams (udp) that could not be passed on."},
    {"sluice_shed_connections_total", counter, "", "Connections refused by a limit or for lack of descriptors."},
    {"sluice_shed_requests_total", counter, "", "Requests refused with 503 by a limit or for lack of resources."},
    {"sluice_overload_actions_total", counter, "action",
     "What was done for overload: idle_closed (sessions of UDP, too) and slow_reset (connections, or streams of "
     "HTTP/2), low_priority_refused (503), request_refused (503 for others as well), accept_paused (looks at a "
     "listening socket that took nothing)."},
    {"sluice_compressed_responses_total", counter, "coding", "Responses that were compressed: br, zstd or gzip."},
    {"sluice_uncompressed_responses_total", counter, "reason",
     "Responses that would have been compressed and went out as they were: compression-memory was used up (limit), or "
     "the memory of the process is short or the worker is behind (overload)."},
    {"sluice_compression_bytes_total", counter, "side",
     "Bytes of bodies that were compressed: before (in) and after (out)."},
    {"sluice_compression_memory_bytes", gauge, "", "Memory that the compression of responses takes at the moment."},
    {"sluice_malformed_requests_total", counter, "", "Requests refused because the grammar of HTTP forbids them."},
    {"sluice_http2_connections_total", counter, "", "Client connections that spoke HTTP/2."},
    {"sluice_http2_connections", gauge, "", "Client connections that speak HTTP/2."},
    {"sluice_http2_streams_reset_total", counter, "",
     "Streams of clients that were reset before their response was complete: malformed requests, pods that failed."},
    {"sluice_http2_abusers_total", counter, "",
     "HTTP/2 connections closed for frames that serve no request (floods, resets, oversized lists of fields)."},
    {"sluice_client_timeouts_total", counter, "phase",
     "Clients that were too late: header, body, send, idle, or below the minimum rate (too_slow)."},

    // Upstream.
    {"sluice_upstream_connections", gauge, "", "Connections to pods that are open."},
    {"sluice_upstream_idle", gauge, "", "Connections to pods that wait in a pool."},
    {"sluice_upstream_connects_total", counter, "", "Connections to pods that were tried."},
    {"sluice_upstream_connect_failures_total", counter, "", "Connections to pods that could not be made."},
    {"sluice_upstream_reused_total", counter, "", "Attempts that took a connection from a pool."},
    {"sluice_upstream_retries_total", counter, "", "Further attempts of a request."},
    {"sluice_upstream_retries_over_budget_total", counter, "",
     "Requests that were not tried again as retry-budget-percent was used up: their clients got what there was."},
    {"sluice_hedges_total", counter, "result",
     "Second tries beside a first one that had not answered within hedge-delay: they were answered sooner (won), or "
     "later, or the client had left (lost), or failed (failed); or there was none, as the retry budget was used up "
     "(over_budget), or a limit of requests to the Service port was reached or a rung of overload holds (limited)."},
    {"sluice_endpoints_ejected", gauge, "",
     "Endpoints that are ejected at the moment for what became of requests to them; of those beyond "
     "outlier-max-ejected-percent of a Service port some are asked all the same."},
    {"sluice_endpoint_ejections_total", counter, "reason",
     "Times that an endpoint was ejected for a while, as it had failed outlier-consecutive-failures times in a row "
     "(failures), or took outlier-latency-factor times as long as the others (latency)."},
    {"sluice_endpoints_unhealthy", gauge, "", "Endpoints that are unhealthy at the moment as their health checks say."},
    {"sluice_health_checks_total", counter, "result",
     "Health checks of endpoints: ok, another status than expected (status), no answer in time (timeout), no "
     "connection "
     "(connect), a failed handshake (tls), an answer that breaks off or breaks the rules (broken), a gRPC server that "
     "does not say SERVING (not_serving), or not made for lack of descriptors or places (skipped), which counts for "
     "nothing."},
    {"sluice_health_checks_waiting", gauge, "",
     "Health checks that are due and wait for their turn. More than 0 for long: they are too many for their interval."},
    {"sluice_affinity_sessions_total", counter, "result",
     "Sessions of affinity: cookie that began, and those that moved to another pod, as theirs is gone or has failed."},
    {"sluice_upstream_own_refused_total", counter, "",
     "Connections that were not made because they would have led to a listener of this process. More than 0 is a fault "
     "of Sluice's: such addresses are left out before."},
    {"sluice_loops_total", counter, "",
     "Requests that were ended with 508, and connections passed through that were closed, because they had come back."},
    {"sluice_regex_gave_up_total", counter, "",
     "Matches of regular expressions that took too many steps: of a path, a server-alias, "
     "block-user-agents, block-referers, auth-tls-match-cn, a snippet, or of proxy-redirect-from and "
     "proxy-cookie-*, which are asked about what a pod answers. The request is answered 500; where the "
     "pattern is another namespace's it goes where it goes without it, one of canary-by-header-pattern to "
     "the main Ingress, and a page of an error is left out."},
    {"sluice_limited_requests_total", counter, "limit",
     "Requests that were refused as their client asks more often than limit-rps or limit-rpm (rate), or has as many in "
     "flight as limit-connections (connections)."},
    {"sluice_limit_counters_total", counter, "what",
     "What such limits did not remember: counters of clients that gave way to newer ones (forgotten), requests that "
     "found no place and were let pass (uncounted)."},
    {"sluice_auth_passwords_total", counter, "result",
     "Names and passwords that clients gave: right, right as before (cached), wrong, not looked at as the client was "
     "wrong too often (limited, 429), not checked as too much waited (unchecked, 503), or right for a nonce that "
     "counts "
     "no more (stale: asked again)."},
    {"sluice_disk_bodies_total", counter, "result",
     "Bodies that were too long for memory: written to the disk, or refused as there was no room or the disk failed."},
    {"sluice_auth_requests_total", counter, "result",
     "What services of auth-url and paths of auth_request said of requests: allowed, refused (401, 403), failed (500: "
     "they could not be asked, or said something else), or said before and kept (kept)."},
    {"sluice_mirrored_requests_total", counter, "result",
     "Copies of requests for mirror-target: answered, failed (nobody answered), or dropped as there were too many or "
     "too "
     "much."},
    {"sluice_malformed_responses_total", counter, "",
     "Responses of pods that were refused with 502 because the grammar forbids them."},

    // Workers.
    {"sluice_worker_config_version", gauge, "worker", "Version of the configuration that a worker serves."},
    {"sluice_worker_publish_pause_seconds_max", gauge, "worker",
     "Longest time a worker took to change over to a configuration."},
    {"sluice_worker_publish_pause_seconds", gauge, "worker", "Time a worker took to change over the last time."},
    {"sluice_event_loop_lag_seconds", gauge, "worker",
     "How long what is ready has waited for a worker's event loop, the average of the last tenths of a second."},
    {"sluice_event_loop_lag_seconds_max", gauge, "worker", "Longest time between two turns of a worker's event loop."},
    {"sluice_metrics_series", gauge, "worker", "Label sets that a worker counts requests for."},
    {"sluice_metrics_overflow_total", counter, "",
     "Requests without a count by route because a worker has too many label sets."},

    // Configuration.
    {"sluice_ready", gauge, "", "1 after the first full sync, 0 again on shutdown."},
    {"sluice_config_version", gauge, "", "Version of the configuration that was published last."},
    {"sluice_config_compile_seconds", gauge, "", "Time from a change to its publication, of the last one."},
    {"sluice_config_objects", gauge, "kind",
     "Parts of the configuration: hosts, routes, clusters, endpoints; of the routes those that answer 503 because what "
     "guards them is not served, or 403 for want of the authorities of auth-tls-secret (closed_routes)."},
    {"sluice_destinations_refused", gauge, "",
     "Addresses that Services lead to and nothing is sent to: loopback, link-local, metadata and the like, or where "
     "this process listens itself."},
    {"sluice_config_problems", gauge, "severity reason",
     "Entries of the Report: what is refused (error), doubtful (warning) or not ours (ignored)."},
    {"sluice_certificate_refusals_total", counter, "",
     "Certificates that were refused; the previous one stays in service."},
    {"sluice_source_files", gauge, "", "Manifest files that are read."},
    {"sluice_source_files_unreadable", gauge, "",
     "Manifest files that cannot be read; their last good form is served."},
    {"sluice_source_objects", gauge, "", "Kubernetes objects in those files."},
    {"sluice_source_reads_total", counter, "", "Files read."},
    {"sluice_source_batches_total", counter, "", "Batches of changes that the source delivered."},
    {"sluice_dns_failures_total", counter, "",
     "Names of ExternalName Services that could not be resolved; stale addresses stay."},

    // Memory.
    {"sluice_memory_used_bytes", gauge, "",
     "Memory as it counts for the limit that is nearest to being reached (cgroup, --memory-limit), without cache of "
     "files; 0 without a limit."},
    {"sluice_memory_limit_bytes", gauge, "", "That limit; 0: there is none."},
    {"sluice_overload_rung", gauge, "",
     "Rung of the ladder of overload: 0 calm, 1 nothing kept alive, 2 slow clients reset (and perhaps requests of low "
     "priority refused), 3 requests refused, 4 nothing accepted. The highest that any source holds."},
    {"sluice_overload_rung_held", gauge, "rung source",
     "1 while the rung holds for this source (memory, descriptors, connections, lag): close-idle, reset-slow, "
     "refuse-low, refuse-requests, stop-accepting. Of lag: in any worker."},
    {"sluice_overload_pressure", gauge, "source",
     "How much of its limit a source has reached, 1 is all of it; of lag that of the worker that is farthest behind, "
     "by overload-loop-lag. 0 without a limit."},

    // The API of a cluster.
    {"sluice_api_followed", gauge, "resource",
     "In a cluster: 1 while its list and watch go through; at 0 what was known is served. Left out where it may not be "
     "listed and need not be."},
    {"sluice_api_failures_total", counter, "resource", "Lists and watches of it that failed, and were tried again."},
    {"sluice_api_writes_total", counter, "what", "Written to the API: status (of an Ingress), event."},
    {"sluice_api_write_failures_total", counter, "what", "What could not be written, and is tried again."},
    {"sluice_webhook_reviews_total", counter, "verdict",
     "Ingresses that the webhook was asked about: allowed, refused."},
    {"sluice_webhook_review_seconds_total", counter, "", "Time that the answers took, all together."},

    // The access log.
    {"sluice_access_log_lines_total", counter, "", "Access log lines that were taken for writing."},
    {"sluice_access_log_lost_lines_total", counter, "",
     "Access log lines lost because the destination was too slow, full or gone."},
    {"sluice_access_log_bytes_total", counter, "", "Bytes written to the access log."},
    {"sluice_access_log_write_errors_total", counter, "", "Writes and opens of the access log that failed."},
};

std::string_view type_text(MetricType type) {
  switch (type) {
    case counter:
      return "counter";
    case gauge:
      return "gauge";
    case histogram:
      return "histogram";
  }
  return "";
}

template <class Bounds>
std::string bounds_text(const Bounds& bounds) {
  std::string out;
  for (double bound : bounds) out += fmt::format("{}{:g}", out.empty() ? "" : ", ", bound);
  return out;
}

}  // namespace

std::span<const MetricInfo> catalogue() {
  return kCatalogue;
}

const MetricInfo* find_metric(std::string_view name) {
  for (const MetricInfo& metric : kCatalogue)
    if (metric.name == name) return &metric;
  return nullptr;
}

namespace {

// tests/integration/test_nginx_dashboards.py asks all that is said to work of a real Prometheus.
constexpr std::string_view kDashboards = R"(## Dashboards and alerts of ingress-nginx

They are imported as they are; Prometheus finds the pods as it did, so that `namespace` of a series is the controller's
and `exported_namespace` the Ingress's. config/grafana has one of Sluice's own.

| what | works | what stays empty, and why |
|---|---|---|
| NGINX Ingress controller (deploy/grafana/dashboards/nginx.json) | all panels, variables and the annotation of reloads | `Last Config Failed` while nothing has failed, as there. `Ingress Certificate Expiry` for one controller or Ingress alone: it asks for labels that the metric has in neither; "All" shows it |
| Request Handling Performance (grafana.com 9614) | all panels | |
| Kubernetes Nginx Ingress NextGen (grafana.com 14314) | all panels | of `Latency` the curve of the average: it adds up buckets of 30 and 60 s, which are there with the flag `time-buckets` alone, and not here |
| alerts in the values of the chart | `NGINXCertificateExpiry`, `NGINXTooMany500s`, `NGINXTooMany400s` | `NGINXConfigFailed` fires when there was no memory for a change: a bad object holds nothing back here, alert on `sluice_config_problems{severity="error"}` or a growing `nginx_ingress_controller_errors` |
| agents that read `/nginx_status` | on the [admin address](admin.md#what-ingress-nginx-answers), and from loopback on port 80 | |

Of the metrics of ingress-nginx 1.15.1 these are not here: `go_*` and `promhttp_*` (no Go is inside; `process_*` is there),
native histograms (the flag `bucket-factor`). `orphan_ingress` has no series with 0, an Ingress that is well again has none.
`check_*` and `admission_*` are there with `--validating-webhook`. `ingress_upstream_latency_seconds` left ingress-nginx with
1.12; `header_duration_seconds` is the same time as a histogram. Buckets are the default ones: the flags `time-buckets`,
`length-buckets`, `size-buckets`, `exclude-socket-metrics`, `metrics-per-host` and `report-status-classes` have no effect,
which the program log says.

)";

}  // namespace

std::string metrics_markdown() {
  std::string out = R"(# Metrics

Made by `make docs` from src/ops/metrics/catalogue.cpp; change it there.

`GET /metrics` on the admin address answers in the Prometheus text format 0.0.4. Counts come from the workers' own
counters and are exact: nothing is sampled or dropped on the way.

- **Requests by route** carry the names, labels and buckets of ingress-nginx, so that its dashboards and alerts work.
  `path` is the path as the Ingress wrote it, `method` is one of nine names or `other`, `host` is a host that an Ingress
  names; all requests that no route took share one series with host `_` and empty labels. `canary` is empty, or
  `<namespace>-<service>-<port>` of the canary that took the request. A series appears with its first request.
- Every `nginx_ingress_controller_` metric also has `controller_class`, `controller_namespace` (environment
  `POD_NAMESPACE`) and `controller_pod` (`POD_NAME`, else the host name).
- `requests`, `success`, `errors`, `check_success` and `check_errors` are counters, as in ingress-nginx, whose names lack
  the suffix `_total`: `promtool check metrics` says so of both. Collectors go by the type: OpenTelemetry's receiver would make a gauge of an untyped one.
- `config_hash` is the same wherever the same is served, whatever the order and the files it came from: replicas whose
  hashes stay apart do not serve the same.
- The three upstream times are those of the last attempt of a request; requests without one are not observed.
- A worker counts at most 200,000 label sets; requests beyond are in `sluice_metrics_overflow_total`. The series of a
  route that is gone leaves when it has counted nothing for an hour (looked at every five minutes, given back with the
  worker's next requests).

)";
  out += kDashboards;
  out += "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& metric : kCatalogue) {
    std::string labels;
    for (char c : metric.labels) labels += c == ' ' ? std::string(", ") : std::string(1, c);
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {} |\n", metric.name, type_text(metric.type), labels,
                   metric.help);
  }
  fmt::format_to(std::back_inserter(out),
                 "\nUpper bounds of the buckets:\n\n"
                 "- `*_duration_seconds`: {}\n- `request_size`, `response_size`: {}\n- `bytes_sent`: {}\n",
                 bounds_text(kTimeBuckets), bounds_text(kLengthBuckets), bounds_text(kSizeBuckets));
  return out;
}

}  // namespace sluice::ops
