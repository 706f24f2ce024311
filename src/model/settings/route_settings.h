#pragma once
#include <cstdint>
#include <optional>

#include "model/options.h"
#include "model/settings/app_root.h"
#include "model/settings/backend_protocol.h"
#include "model/settings/balancing.h"
#include "model/settings/basic_auth.h"
#include "model/settings/buffering.h"
#include "model/settings/client_auth.h"
#include "model/settings/client_limits.h"
#include "model/settings/cors.h"
#include "model/settings/error_pages.h"
#include "model/settings/external_auth.h"
#include "model/settings/fastcgi.h"
#include "model/settings/header_map.h"
#include "model/settings/mirror.h"
#include "model/settings/priority.h"
#include "model/settings/redirect.h"
#include "model/settings/replacement.h"
#include "model/settings/retry_conditions.h"
#include "model/settings/rewrite.h"
#include "model/settings/snippet.h"
#include "model/settings/source_ranges.h"
#include "model/settings/to_host.h"
#include "model/settings/upstream_connection.h"
#include "model/settings/upstream_host.h"
#include "model/settings/upstream_tls.h"
#include "model/shared.h"

namespace sluice::model {

// How requests of a route are treated: ConfigMap defaults with the Ingress's annotations over them. What every route
// has is a member; what a feature needs is one struct of its own, in a header of its own, and a Shared of it here.
// Nothing lists the members again: equality is the compiler's, and hashes walk them all (model/hash.h).
struct RouteSettings {
  bool ssl_redirect = true;  // only if the host has TLS
  bool force_ssl_redirect = false;
  std::uint16_t ssl_redirect_status = 308;
  bool preserve_trailing_slash = false;
  bool port_in_redirects = false;  // Locations of ours name the port that we listen on
  Shared<AppRoot> app_root;        // null: none
  Shared<Redirect> redirect;       // null: none
  bool relative_redirects = false;
  std::optional<BackendProtocol> protocol;  // empty: as the Cluster says
  Shared<Fastcgi> fastcgi;                  // null: default_fastcgi(); where pods speak FastCGI
  Shared<UpstreamTls> upstream_tls;         // null: unverified_tls()
  std::uint64_t body_limit = 1 << 20;       // bytes; 0: none
  std::uint64_t response_head_limit = 4096;
  std::uint64_t grpc_head_limit = 0;  // of pods that are spoken to in HTTP/2; 0: response_head_limit
  RequestBuffering request_buffering = RequestBuffering::some;
  std::uint64_t body_memory = 8192;  // bytes of a body that is here as a whole; longer ones lie on the disk
  // Bytes a second of one response, with response_buffering, and bytes that go before; below kMostRate; 0: none
  static constexpr std::uint64_t kMostRate = 1ULL << 42;
  std::uint64_t limit_rate = 0, limit_rate_after = 0;
  bool response_buffering = false;        // a pod is done when its answer is here, however slow the client
  std::uint32_t response_buffers = 4;     // so many times response_head_limit of an answer lies in memory
  std::uint64_t response_disk = 1 << 30;  // bytes of it that may lie on the disk; 0: none
  bool http_1_0 = false;                  // requests to pods are of HTTP/1.0
  ConnectionField connection_field = ConnectionField::usual;
  Millis connect_timeout{5000}, send_timeout{60000}, read_timeout{60000};
  std::uint32_t tries = 3;
  Millis tries_timeout{0};
  Millis try_timeout{0};  // until the head of the answer of a try that another may follow; 0: as the other limits say
  Millis request_timeout{0};  // until the end of the answer, from the end of the request's head on; 0: no limit
  Millis hedge_delay{0};      // without the head of an answer for so long another pod is asked beside; 0: none is
  bool retry_non_idempotent = false;
  RetryConditions retry_on;                        // beside what pods say that they did not process
  Shared<Replacement> redirect_replacement;        // of Location and Refresh of pods; null: they stay
  Shared<Replacement> cookie_domain, cookie_path;  // of cookies that pods set; null: they stay
  bool access_log = true;
  Priority priority = Priority::normal;  // who is refused first when the process is overloaded
  bool grpc_web = false;                 // calls of gRPC-Web become calls of gRPC, where pods speak that
  AmbiguousPaths ambiguous_paths = AmbiguousPaths::raw;  // what pods get of a path that has several readings
  Shared<Rewrite> rewrite;                               // null: none
  Shared<UpstreamHost> upstream_host;                    // null: the client's
  Shared<HeaderMap> request_headers;                     // that pods get, by proxy-set-headers; null: none
  Shared<Cors> cors;                                     // null: not enabled
  Shared<HeaderMap> custom_headers;                      // null: none
  Shared<SourceRanges> source_ranges;                    // null: everybody may come
  Shared<ToHost> to_host;                                // null: requests stay here
  Shared<BasicAuth> basic_auth;                          // null: nobody is asked for a password
  Shared<ExternalAuth> external_auth;                    // null: no other service is asked
  bool global_auth = true;                               // global-auth-url counts where it has no service of its own
  Shared<ErrorPages> error_pages;                        // null: errors are answered as they are
  Shared<Mirror> mirror;                                 // null: nobody gets a copy
  Shared<Balancing> balancing;                           // what its Ingress asks for; Cluster says what counts
  Shared<ClientAuth> client_auth;                        // the host's; null: certificates of clients mean nothing
  Shared<ClientLimits> client_limits;                    // null: clients may ask as often as they like
  Shared<RouteCompression> compression;                  // null: as the options say
  Shared<Snippet> snippet;                               // what snippets say beside all this; null: nothing
  bool satisfy_any = false;                              // one of address, password and that service suffices
  bool operator==(const RouteSettings&) const = default;
};

// Is somebody asked whether a request may come: another service, or a path of the host by auth_request of a snippet?
inline bool asks_somebody(const RouteSettings& settings) noexcept {
  return settings.external_auth || (settings.snippet && !settings.snippet->asks.empty());
}

}  // namespace sluice::model
