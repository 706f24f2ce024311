#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/variables.h"

// What the data plane tells operations about each exchange and each worker. The data plane writes, ops reads; neither
// includes the other.
namespace sluice {

// One upstream attempt, for the comma lists of the access log.
struct Attempt {
  char address[56]{};                // "10.0.0.1:8080", NUL-terminated; empty when none was chosen
  std::uint16_t status = 0;          // 0: no response head came
  std::uint64_t response_bytes = 0;  // body bytes from the pod
  std::uint64_t received_bytes = 0;  // all bytes of its answer, head and framing included
  float connect_seconds = -1;        // -1: no connect was needed or made
  float header_seconds = -1;         // from the beginning of the attempt, connect included, until the response head
  float response_seconds = 0;        // likewise until its end
  bool timed_out = false;            // no connection, or no response head, in time
  // No head came, and the pod is not to blame: another one has answered sooner, the client failed, or it was not asked.
  bool blameless = false;
  // It is the first after a pod named another path (X-Accel-Redirect), or for the page of an error.
  bool elsewhere = false;
  bool for_page = false;  // it asked for the page of an error, which came before it
};
inline constexpr int kMaxAttempts = 4;

// What the PROXY header of a connection said. Lives as long as its connection.
struct ProxyHeaderRecord {
  std::string sender;  // who sent it: the other end of the connection, without port
  // The ends that it speaks for; empty and 0 when it names none (LOCAL, UNKNOWN).
  std::string address, server_address;
  std::uint16_t port = 0, server_port = 0;
  // TLVs of version 2 as they came, any bytes; empty when absent.
  std::string alpn, authority, unique_id, tls_version, tls_common_name, tls_cipher;
  std::string_view tls_verify;  // "0": the client's certificate was found good; "1": not, or there was none
};

// Values of an exchange that lines of its log want and that its record has no member for. Immutable.
struct WantedValues {
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kMostOfOne = 4096;       // bytes of one value; what is longer is cut
  static constexpr std::size_t kMostOfAll = 32 * 1024;  // and of all of an exchange
  std::vector<Variable> of;  // no two alike, kMost at most; the views in it live as long as this
  bool of_pod = false;       // upstream_http_ is among them
  bool of_answer = false;    // sent_http_ is
};

// What a record is of that is not of a request.
enum class StreamKind : std::uint8_t { passthrough, tcp, udp };
constexpr std::string_view to_string(StreamKind kind) noexcept {
  return kind == StreamKind::udp ? "udp" : kind == StreamKind::tcp ? "tcp" : "passthrough";
}

// Everything about a finished exchange. Views are valid during the call that passes it only.
struct ExchangeRecord {
  std::string_view remote_address;  // the client, after real-ip processing
  std::uint16_t remote_port = 0;
  std::string_view method, target;  // as received; empty when the head could not be parsed
  std::string_view method_label;    // bounded
  int major = 1, minor = 1;
  std::string_view host;       // authority as received; null: there is none
  std::string_view best_host;  // the same, or what a trusted proxy says instead
  std::string_view scheme;     // "http" or "https", as a trusted proxy or the connection says; empty: `tls` does
  std::string_view referer, user_agent;  // null: there is no such field
  std::string_view unread_line;          // of a head that could not be read: its first line as it came, cut; else empty
  std::string_view remote_user;          // the name in an Authorization of Basic, right or wrong; empty: there is none
  std::string_view request_id;
  std::uint16_t status = 0;          // sent to the client; 499 when it left before a response head, 000 never
  std::int16_t grpc_status = -1;     // of a call of gRPC; -1: none was seen
  std::uint64_t request_length = 0;  // line, head and body as received
  std::uint64_t bytes_sent = 0;      // everything sent to the client
  std::uint64_t body_bytes_sent = 0;
  float request_seconds = 0;
  const ProxyHeaderRecord* proxy = nullptr;  // null: the connection had no PROXY header
  bool tls = false;
  std::string_view tls_protocol, tls_cipher, server_name;
  // the route; null when none matched, or when Recorder::wants_names() said no
  std::uint32_t series = 0xffffffff;  // Route::series; 0xffffffff: none
  std::string_view route_host, ns, ingress, service, service_port, path, upstream_name;
  std::string_view canary;  // the upstream name of the canary's Cluster, where that took the request; else empty
  // Not a request but a connection that was passed through: host and server_name are its SNI, request_length and
  // bytes_sent what came from the client and went to it, request_seconds its life, status 200, 502, 503 or 508.
  bool stream = false;
  // Likewise one of a port that leads to a Service (tcp), or its session of datagrams (udp); then without a host.
  StreamKind stream_kind = StreamKind::passthrough;
  std::uint16_t server_port = 0;  // of all three: where it came
  bool log = true;                // false: no access log line
  // Why it failed; empty when it did not. One of a few static texts; `note` has the particulars when there are some.
  std::string_view reason, note;
  bool ours = false;  // the failure is the pod's or Sluice's, not the client's
  int attempts = 0;
  Attempt attempt[kMaxAttempts];
  // The last one at the route's own pods; null: there was none.
  const Attempt* last_attempt() const noexcept {
    int n = attempts < kMaxAttempts ? attempts : kMaxAttempts;
    while (n > 0 && attempt[n - 1].for_page) --n;
    return n > 0 ? &attempt[n - 1] : nullptr;
  }
  std::int64_t wall_ms = 0;  // Unix milliseconds at the end
  // What the exchange was asked to tell beside: Recorder::wanted as it was when the exchange began, and a value for
  // each of it, as it came; one that is null is absent. Null: nothing was wanted.
  const WantedValues* wanted = nullptr;
  std::span<const std::string_view> values;
};

// What a pod had to say beside its response: standard error of FastCGI. Views are valid during the call only.
struct PodWords {
  static constexpr std::size_t kMost = 1024;  // bytes of it that are kept
  std::string_view ns, ingress, service, pod;
  std::string_view text;   // the first bytes of it, any bytes
  std::uint64_t left = 0;  // bytes beside these
};

// An endpoint that its health checks have found to be unwell, or well again. Views are valid during the call only.
struct HealthNews {
  std::string_view ns, service, port;  // of the Service port that it was checked for
  std::string_view endpoint, pod;      // address and port; "namespace/name", empty: not known
  bool well = false;
  std::uint32_t checks = 0;  // that agree, in a row
  std::string_view reason;   // of one that is not: what the last of them has found
};

// One for each worker, called on its thread at the end of every exchange. Must not block, throw or allocate on the
// common path.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void finished(const ExchangeRecord& record) noexcept = 0;
  // Whether finished() will read the route's names. Asked of a record that has all but them: they lie in memory that a
  // request has no other need of.
  virtual bool wants_names(const ExchangeRecord&) noexcept { return true; }
  // A client's connection was closed before it could ask for anything, or something about it is worth a word. `what`:
  // one of a few static texts.
  virtual void complained(std::string_view /*peer*/, const char* /*what*/) noexcept {}
  // The same about a pod, by its address.
  virtual void noticed(std::string_view /*pod*/, const char* /*what*/) noexcept {}
  // For the operator; as much of it as the log takes.
  virtual void said(const PodWords&) noexcept {}
  virtual void health_changed(const HealthNews&) noexcept {}
  // After each turn of the worker's loop, before it may sleep: what was put off is done now.
  virtual void turn_over() noexcept {}
  // What exchanges that begin now have to tell beside their record; null: nothing. Changes in turn_over() alone. An
  // exchange holds on to what it found here until finished() has had it.
  std::shared_ptr<const WantedValues> wanted;
};

// A counter with one writer; any thread may read.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    v_.store(v_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(std::uint64_t n = 1) noexcept {
    v_.store(v_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { v_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> v_{0};
};

// Counters of one worker; it writes, ops sums over workers at scrape.
struct alignas(64) WorkerStats {
  Counter accepted, downstream_connections, downstream_idle;  // gauges: the second and third
  Counter downstream_lingering, lingering_refused;            // a gauge: the first
  Counter tls_handshakes, tls_handshakes_resumed, tls_handshake_failures;
  Counter requests, requests_active;
  Counter upstream_connections, upstream_idle, upstream_connects, upstream_connect_failures, upstream_reused;
  Counter own_refused;    // connections to pods that would have led to our own listeners
  Counter loops;          // requests and connections that had come back to us
  Counter regex_gave_up;  // requests whose route or rewrite takes too many steps
  Counter auth_cached, auth_right, auth_wrong, auth_limited, auth_unchecked, auth_stale;  // passwords
  Counter disk_bodies, disk_refused;  // bodies that lie on the disk, and those for which there was no room
  Counter mirrored, mirrors_failed, mirrors_dropped;
  Counter auth_kept, auth_allowed, auth_refused, auth_failed;  // services that are asked
  Counter limited_rate, limited_connections;                   // requests that limits of clients refused
  Counter limits_forgotten, limits_uncounted;  // counters that gave way to others; requests that found no place
  Counter retries, tunnels_active, tunnels;
  Counter retries_over_budget;  // further tries that there was no budget for
  // Second tries beside the first one, by what became of them; and those that were due and not made.
  Counter hedges_won, hedges_lost, hedges_failed, hedges_over_budget, hedges_limited;
  Counter endpoints_ejected;   // times that an endpoint was left out for its failures
  Counter endpoints_too_slow;  // likewise, for its latency
  // Checks of endpoints, by what came of them; a gauge: the last.
  Counter checks_well, checks_status, checks_timeout, checks_unconnected, checks_tls, checks_broken, checks_not_serving;
  Counter checks_skipped, checks_waiting;
  Counter sessions_begun, sessions_moved;  // of affinity: by requests without and with the cookie of one
  Counter passthrough, passthrough_active, passthrough_failures;
  Counter shed_connections, shed_requests;  // refused by a limit or by lack of descriptors
  Counter overload_idle_closed, overload_slow_reset, overload_low_refused, overload_refused, overload_pauses;
  Counter compressed_brotli, compressed_zstd, compressed_gzip;  // responses
  Counter uncompressed_limit, uncompressed_overload;            // for lack of memory
  Counter compression_in, compression_out, compression_memory;  // bytes; a gauge: the third
  Counter malformed_requests, malformed_responses;
  Counter h2_connections, h2_connections_active, h2_streams_reset, h2_abusers;  // gauge: the second
  Counter proxy_headers, proxy_headers_refused, proxy_headers_untrusted;
  Counter timeouts_header, timeouts_body, timeouts_send, timeouts_idle, too_slow;
  Counter snapshot_version;  // gauge: what it serves
  Counter publish_pause_ns_max, publish_pause_ns_last;
  Counter loop_lag_ns;      // gauge: how long what is ready waits, as of late
  Counter loop_lag_ns_max;  // since the last scrape it is the largest time between two polls
};

}  // namespace sluice
