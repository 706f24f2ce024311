// Keys of ingress-nginx that change nothing here: those that have no meaning, and those for what this version does not
// do. Each says why, in the Report and in docs/configmap.md.
#include <algorithm>
#include <array>

#include "control/kube/options/families.h"

namespace sluice::control::options_of {

namespace {

constexpr std::string_view kTables = "it sizes a table of nginx";
constexpr std::string_view kWorkers = "flags say how many threads there are, and limits follow the machine's";
constexpr std::string_view kLua = "there is no Lua";
constexpr std::string_view kTraces = "no traces are made by this version";
constexpr std::string_view kOldHttp2 = "nginx has not had it since 1.19.7: large-client-header-buffers counts";
constexpr std::string_view kGeoIp = "GeoIP is not served by this version";
constexpr std::string_view kSyslog = "access-log-path is a file or standard output";
constexpr std::string_view kModSecurity = "ModSecurity is not served by this version";
constexpr std::string_view kGlobalRates = "the limits of an Ingress are counted by each process for itself";
constexpr std::string_view kLogFile = "the program log goes to standard error";

constexpr std::array kIdle{
    IdleOption{"access-log-params", true, "lines are written as they come"},
    IdleOption{"datadog-collector-host", false, kTraces},
    IdleOption{"datadog-collector-port", false, kTraces},
    IdleOption{"datadog-environment", false, kTraces},
    IdleOption{"datadog-operation-name-override", false, kTraces},
    IdleOption{"datadog-priority-sampling", false, kTraces},
    IdleOption{"datadog-sample-rate", false, kTraces},
    IdleOption{"datadog-service-name", false, kTraces},
    IdleOption{"debug-connections", true, "log-level debug is for all connections"},
    IdleOption{"default-type", true, "a response without a Content-Type goes on without one"},
    IdleOption{"disable-ipv6", false, "--http and --https say where connections are taken"},
    IdleOption{"disable-ipv6-dns", false, "names are asked for addresses of both kinds"},
    IdleOption{"disable-proxy-intercept-errors", false, "the annotation of this name is served"},
    IdleOption{"enable-aio-write", true, "files are written by threads of their own"},
    IdleOption{"enable-auth-access-log", false, "questions to auth-url have no lines of their own"},
    IdleOption{"enable-multi-accept", true, "several connections are always accepted at once"},
    IdleOption{"enable-ocsp", false, "OCSP stapling is not served by this version"},
    IdleOption{"enable-opentelemetry", false, kTraces},
    IdleOption{"enable-opentracing", false, kTraces},
    IdleOption{"enable-owasp-modsecurity-crs", false, kModSecurity},
    IdleOption{"enable-serial-reloads", true, "nothing is reloaded"},
    IdleOption{"enable-syslog", false, kSyslog},
    IdleOption{"error-log-path", true, kLogFile},
    IdleOption{"forwarded-for-proxy-protocol-header", true, "X-Forwarded-For says what a PROXY header did"},
    IdleOption{"geoip2-autoreload-in-minutes", false, kGeoIp},
    IdleOption{"global-auth-snippet", false, "the global-auth-* keys say what is served of it"},
    IdleOption{"global-rate-limit-memcached-connect-timeout", false, kGlobalRates},
    IdleOption{"global-rate-limit-memcached-host", false, kGlobalRates},
    IdleOption{"global-rate-limit-memcached-max-idle-timeout", false, kGlobalRates},
    IdleOption{"global-rate-limit-memcached-pool-size", false, kGlobalRates},
    IdleOption{"global-rate-limit-memcached-port", false, kGlobalRates},
    IdleOption{"global-rate-limit-status-code", false, kGlobalRates},
    IdleOption{"http-access-log-path", false, "access-log-path is for all lines"},
    IdleOption{"http2-max-field-size", true, kOldHttp2},
    IdleOption{"http2-max-header-size", true, kOldHttp2},
    IdleOption{"http2-max-requests", true, "nginx has not had it since 1.19.7: keep-alive-requests counts"},
    IdleOption{"jaeger-baggage-header", false, kTraces},
    IdleOption{"jaeger-collector-host", false, kTraces},
    IdleOption{"jaeger-collector-port", false, kTraces},
    IdleOption{"jaeger-debug-header", false, kTraces},
    IdleOption{"jaeger-endpoint", false, kTraces},
    IdleOption{"jaeger-propagation-format", false, kTraces},
    IdleOption{"jaeger-sampler-host", false, kTraces},
    IdleOption{"jaeger-sampler-param", false, kTraces},
    IdleOption{"jaeger-sampler-port", false, kTraces},
    IdleOption{"jaeger-sampler-type", false, kTraces},
    IdleOption{"jaeger-service-name", false, kTraces},
    IdleOption{"jaeger-trace-baggage-header-prefix", false, kTraces},
    IdleOption{"jaeger-trace-context-header-name", false, kTraces},
    IdleOption{"lua-shared-dicts", true, kLua},
    IdleOption{"main-snippet", true, "no configuration of nginx is made: it belongs to nginx"},
    IdleOption{"map-hash-bucket-size", true, kTables},
    IdleOption{"max-worker-connections", true, kWorkers},
    IdleOption{"max-worker-open-files", true, kWorkers},
    IdleOption{"modsecurity-snippet", false, kModSecurity},
    IdleOption{"nginx-status-ipv4-whitelist", true, "the admin address has the figures"},
    IdleOption{"nginx-status-ipv6-whitelist", true, "the admin address has the figures"},
    IdleOption{"opentelemetry-config", false, kTraces},
    IdleOption{"opentelemetry-operation-name", false, kTraces},
    IdleOption{"opentelemetry-trust-incoming-span", false, kTraces},
    IdleOption{"opentracing-location-operation-name", false, kTraces},
    IdleOption{"opentracing-operation-name", false, kTraces},
    IdleOption{"opentracing-trust-incoming-span", false, kTraces},
    IdleOption{"otel-max-export-batch-size", false, kTraces},
    IdleOption{"otel-max-queuesize", false, kTraces},
    IdleOption{"otel-sampler", false, kTraces},
    IdleOption{"otel-sampler-parent-based", false, kTraces},
    IdleOption{"otel-sampler-ratio", false, kTraces},
    IdleOption{"otel-schedule-delay-millis", false, kTraces},
    IdleOption{"otel-service-name", false, kTraces},
    IdleOption{"otlp-collector-host", false, kTraces},
    IdleOption{"otlp-collector-port", false, kTraces},
    IdleOption{"plugins", true, kLua},
    IdleOption{"proxy-add-original-host-header", false, "X-Forwarded-Host says what the client asked for"},
    IdleOption{"proxy-busy-buffers-size", true, "what a client takes goes on at once"},
    IdleOption{"proxy-headers-hash-bucket-size", true, kTables},
    IdleOption{"proxy-headers-hash-max-size", true, kTables},
    IdleOption{"reuse-port", true, "each thread has its own socket"},
    IdleOption{"server-name-hash-bucket-size", true, kTables},
    IdleOption{"server-name-hash-max-size", true, kTables},
    IdleOption{"ssl-buffer-size", true, "a record of TLS is as long as what there is to send"},
    IdleOption{"ssl-dh-param", false, "groups are OpenSSL's, and ssl-ecdh-curve's"},
    IdleOption{"ssl-early-data", false, "early data can be sent again by anybody, and is not taken"},
    IdleOption{"ssl-session-cache-size", true, "the cache grows as it is used, within a bound"},
    IdleOption{"stream-access-log-path", false, "access-log-path is for all lines"},
    IdleOption{"stream-snippet", true, "no configuration of nginx is made: it belongs to nginx"},
    IdleOption{"strict-validate-path-type", true, "paths are always judged"},
    IdleOption{"syslog-host", false, kSyslog},
    IdleOption{"syslog-port", false, kSyslog},
    IdleOption{"upstream-hash-by", false, "the annotation of this name is served"},
    IdleOption{"use-geoip", false, kGeoIp},
    IdleOption{"use-geoip2", false, kGeoIp},
    IdleOption{"variables-hash-bucket-size", true, kTables},
    IdleOption{"variables-hash-max-size", true, kTables},
    IdleOption{"worker-cpu-affinity", true, kWorkers},
    IdleOption{"worker-processes", true, kWorkers},
    IdleOption{"zipkin-collector-host", false, kTraces},
    IdleOption{"zipkin-collector-port", false, kTraces},
    IdleOption{"zipkin-sample-rate", false, kTraces},
    IdleOption{"zipkin-service-name", false, kTraces},
};
static_assert(std::ranges::is_sorted(kIdle, {}, &IdleOption::key));

}  // namespace

std::span<const IdleOption> idle() {
  return kIdle;
}

}  // namespace sluice::control::options_of
