#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "model/options.h"
#include "model/own_listeners.h"
#include "model/report.h"
#include "model/settings/canary.h"
#include "model/settings/route_settings.h"
#include "model/shared.h"
#include "model/stream_listener.h"
#include "model/tls_policy.h"

// What is wanted, as plain values, with every name resolved that Kubernetes objects leave to others. Parts are
// immutable and shared: a part that did not change is the same pointer in the next Model.
namespace sluice::model {

struct Endpoint {
  std::string address;  // an IPv4 or IPv6 literal, without brackets
  std::uint16_t port = 0;
  bool ready = true;         // takes new requests
  bool terminating = false;  // goes away: no new requests unless nothing else is ready and it still serves
  bool far = false;          // another zone's or node's: no new requests while there are enough that are none
  std::string pod;           // namespace/name of the pod when known; part of the identity (addresses are reused)
  bool operator==(const Endpoint&) const = default;
};

// The header that pods expect in front of each connection (net/proxy_protocol.h).
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };

// A Service port as a named set of addresses.
struct Cluster {
  std::string name;    // "namespace/service:port": no two spell the same
  Text upstream_name;  // "namespace-service-port", ingress-nginx's $proxy_upstream_name: two may spell the same
  std::string ns, service, port;
  std::vector<Endpoint> endpoints;                    // in a stable order, each address once
  BackendProtocol protocol = BackendProtocol::http;   // by the port's appProtocol; routes may say otherwise
  ProxyProtocol proxy_protocol = ProxyProtocol::off;  // by the Service's annotation
  Text empty_because;                                 // why there are none, for explain and logs
  bool outside = false;                               // not pods of ours: what an ExternalName Service leads to
  bool question = false;                              // what auth-url leads to: it may be one of our own listeners
  std::uint32_t refused = 0;                          // addresses that are left out: nothing may be sent there
  bool no_service = false;                            // the reason is that the Service does not exist
  std::uint32_t near_enough = 0;  // hundredths of endpoints that are not far and take requests; 0: any
  Shared<Balancing> balancing;    // null: one endpoint after the other
  Text balanced_by;               // the Ingress that says so, "namespace/name"; empty: none does
  bool operator==(const Cluster&) const = default;
};

// exact: the path itself. prefix: everything that starts with the text (a Kubernetes Prefix /foo is exact /foo and
// prefix /foo/, already split by the translator). slash_redirect: path `/foo`, answered 301 to `/foo/`. pattern: what
// the regular expression matches from the beginning on, whatever the case of letters; the longer text is asked first.
// The rest are locations that a snippet writes, as nginx reads them: exact, prefix, `^~` (no regular expression is
// asked behind it), the redirect to one of these that ends in a slash and has a proxy_pass, `~` and `~*`; the last two
// are asked in the order in which they stand in Host::routes. A snippet's location takes requests that another route of
// its namespace at the host would have; data/routing/snippet_locations.h has the order.
enum class PathMatch : std::uint8_t {
  exact,
  prefix,
  slash_redirect,
  pattern,
  snippet_exact,
  snippet_prefix,
  snippet_first,
  snippet_slash,
  snippet_pattern,
  snippet_pattern_any_case
};
constexpr bool of_snippet(PathMatch match) noexcept {
  return match >= PathMatch::snippet_exact;
}
constexpr bool is_snippet_pattern(PathMatch match) noexcept {
  return match >= PathMatch::snippet_pattern;
}
constexpr bool is_slash_redirect(PathMatch match) noexcept {
  return match == PathMatch::slash_redirect || match == PathMatch::snippet_slash;
}
std::string_view to_string(PathMatch match);

// What a Cluster beside the one that a route leads to is for.
enum class Role : std::uint8_t { canary, errors, authentication, mirror };
inline constexpr std::size_t kRoles = 4;

struct FurtherCluster {
  Role role{};
  Text cluster;  // its name
  bool operator==(const FurtherCluster&) const = default;
};

// There are tens of thousands: members stand so that no space is lost between them.
struct Route {
  Text path;     // normalised, starts with '/'
  Text cluster;  // a Cluster's name; empty: answer `status`
  Shared<RouteSettings> settings;
  Shared<std::vector<FurtherCluster>> further;  // each role once; null: none
  Shared<Canary> canary;                        // null: none, as there is no Role::canary in `further`
  // for logs, metrics and explain
  Text ns, ingress, service, service_port;
  Text upstream_name;  // of the Cluster
  Text location;       // the path as the Ingress wrote it
  Text path_type;      // as the Ingress wrote it: Exact, Prefix, ImplementationSpecific; "" for the implicit /
  Text because;        // of a status 503: what closes it
  [[no_unique_address]] Origin origin;
  // Beside patterns: twice the place of its namespace in the line at the host, one more if nobody else is to have its
  // requests (who asks for them is refused); whether others may have all of them.
  std::uint32_t rank = 0;
  bool free = false;
  PathMatch match = PathMatch::prefix;
  bool tls = false;          // as Host::tls, for this route alone
  bool nested = false;       // of a snippet's location: it takes requests of its own Ingress's paths alone
  std::uint16_t status = 0;  // without cluster: 404 (resource backend, no default backend) or 503 (denied)
  bool operator==(const Route&) const = default;
};

// The Secrets that one Ingress names for a host. They may be missing or not cover its name.
struct HostSecrets {
  ObjectRef ingress;                 // for reports
  std::vector<std::string> secrets;  // "namespace/secret"
  bool named = false;                // by TLS sections for this host alone; else they may be those of others
  bool former = false;               // they were named before: shown where none of the others has one for the host
  bool operator==(const HostSecrets&) const = default;
};

// How old the wish of an Ingress is, beside others': the smaller one is older.
struct Age {
  std::int64_t created = 0;    // seconds since 1970
  std::string file;            // of objects without a timestamp, the place in the files decides
  std::uint64_t position = 0;  // likewise
  std::string key;             // "namespace/name": the later in the alphabet is the older, as in ingress-nginx
  std::string host;            // whose other name it is, "_" the catch-all: of two the earlier in the alphabet counts
  bool operator==(const Age&) const = default;
  bool operator<(const Age& o) const {
    return std::tie(created, file, position, o.key, host) < std::tie(o.created, o.file, o.position, key, o.host);
  }
};

// Another name of a host (server-alias). `name`: lower case; "*.x" all names below x, at any depth; "x.*" all names
// that begin with x and a dot; "~…" a regular expression, found anywhere in a name. No two hosts have one of the same
// text.
struct Alias {
  std::string name;
  Age age;                                // which counts of two that take the same requests (data/routing/aliases.h)
  std::vector<HostSecrets> certificates;  // as Host::certificates, for this name
  bool operator==(const Alias&) const = default;
};

struct Host {
  std::string name;                       // lower case; "*.x.example" one-label wildcard; "" the catch-all server
  Text ns;                                // whom it belongs to: the namespace of its oldest Ingress; "" nobody
  bool passthrough = false;               // TLS for it goes on undecrypted to the Service of its path /
  bool tls = false;                       // a TLS section concerns it: plain http is redirected where settings say so
  std::vector<HostSecrets> certificates;  // oldest Ingress first; the first that has one for the host is shown
  Shared<TlsPolicy> tls_policy;           // null: as the options say
  std::vector<Alias> aliases;             // in order of their names
  Text redirected;                        // the host whose requests are all sent here (from-to-www-redirect); "" none
  std::vector<Route> routes;              // any order; (match, path) unique
  bool operator==(const Host&) const = default;
};

struct Certificate {
  std::string name;  // "namespace/secret"
  std::string chain_pem, key_pem;
  ObjectRef object;  // for reports
  bool operator==(const Certificate&) const = default;
};

struct Model {
  StringMap<std::shared_ptr<const Host>> hosts;                // by name
  StringMap<std::shared_ptr<const Cluster>> clusters;          // by name
  StringMap<std::shared_ptr<const Certificate>> certificates;  // by name; only those that hosts or the default name
  std::string default_certificate;                             // name, or empty: self-signed
  std::shared_ptr<const Options> options = std::make_shared<Options>();
  std::shared_ptr<const OwnListeners> own;  // where this process listens; null: not known
  std::shared_ptr<const StreamListeners> streams = std::make_shared<StreamListeners>();  // ports beside the flags'
  Report report;                                                                         // of the translators
};

// Which parts of a Model differ from the one before; names may refer to parts that are gone. `everything`: first load.
struct Change {
  bool everything = false;
  bool options = false;
  bool default_certificate = false;
  bool report = false;  // what is served may still be the same
  bool own = false;     // where this process is reached
  bool streams = false;
  std::vector<std::string> hosts, clusters, certificates;
  bool empty() const {
    return !everything && !options && !default_certificate && !own && !streams && hosts.empty() && clusters.empty() &&
           certificates.empty();
  }
};

}  // namespace sluice::model
