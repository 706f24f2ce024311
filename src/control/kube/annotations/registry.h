#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "control/control.h"
#include "control/kube/annotations/guard.h"
#include "control/source/object.h"
#include "model/model.h"

// The contract of an annotation: one row in the table of registry.cpp, one parser in the file of its family.
namespace sluice::control {

// What an unacceptable value does, as in ingress-nginx (annotations that hand their error up drop the whole Ingress).
enum class OnInvalid : std::uint8_t {
  use_default,  // reported, the setting stays at its default
  deny,         // reported, the Ingress's paths answer 503
  drop,         // reported, the Ingress is not loaded
};

// proxy-ssl-* of an Ingress. Of those that a namespace has at a host the oldest with a usable secret counts for all.
struct ProxySsl {
  std::string secret;  // "namespace/name"; empty: all others are ignored
  bool verify = false;
  std::uint32_t verify_depth = 1;
  std::string name;
  bool server_name = false;
  std::string protocols = "TLSv1.2";
  std::string ciphers = "DEFAULT";
  bool operator==(const ProxySsl&) const = default;
};

// What the annotations of one Ingress say: parsers write into this.
struct AnnotationValues {
  model::RouteSettings settings;
  ProxySsl proxy_ssl;
  bool ssl_passthrough = false;
  std::string permanent_redirect, temporal_redirect;
  std::uint16_t permanent_code = 301, temporal_code = 302;
  bool use_regex = false;             // it, or a rewrite, makes the paths of a host regular expressions
  bool rewrite_by_variables = false;  // the rewrite-target names variables that are not served
};

// A parser reads `value` (trimmed, not empty, free of control characters) and writes `out`, or returns what was
// expected.
using AnnotationParser = std::string (*)(std::string_view value, const Ingress& ingress, AnnotationValues& out);

struct Annotation {
  std::string_view name;  // without prefix
  OnInvalid on_invalid;
  AnnotationParser parse;    // null: known to ingress-nginx, not served by this version
  std::string_view grammar;  // for documentation
  std::string_view initial;  // the default, or the ConfigMap key that is it
  std::string_view doc;
};

// Sorted as the documentation lists them.
std::span<const Annotation> annotations();

// What answers 503, by the names of what asks for it ("auth-type, option block-cidrs"); empty: nothing.
struct Closing {
  std::string denied;                 // its paths, for a value that cannot be used
  std::string paths;                  // its paths, which it guards
  std::string but_no_auth_locations;  // the same, but for those below no-auth-locations
  std::string host;                   // all paths of its namespace at its hosts; of everybody's when they are its own
  bool operator==(const Closing&) const = default;
};

struct AnnotationResult {
  AnnotationValues values;
  std::vector<model::Problem> problems;
  bool dropped = false;  // nothing of the Ingress is served
  bool canary = false;   // nor of this one
  Closing closing;
  // What options that guard every Ingress make an exception for.
  struct Own {
    bool allowlist = false, denylist = false, auth_url = false, no_global_auth = false, no_modsecurity = false;
  } own;
};

// Applies all annotations under the prefix over the defaults that `options` give.
AnnotationResult read_annotations(const Ingress& ingress, const Settings& settings, const model::Options& options);

// The ConfigMap's defaults as route settings.
model::RouteSettings default_settings(const model::Options& options);

// Parsers, one file each family.
namespace annotation {
std::string ssl_redirect(std::string_view, const Ingress&, AnnotationValues&);
std::string force_ssl_redirect(std::string_view, const Ingress&, AnnotationValues&);
std::string preserve_trailing_slash(std::string_view, const Ingress&, AnnotationValues&);
std::string ssl_passthrough(std::string_view, const Ingress&, AnnotationValues&);
std::string backend_protocol(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_body_size(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_connect_timeout(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_send_timeout(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_read_timeout(std::string_view, const Ingress&, AnnotationValues&);
std::string permanent_redirect(std::string_view, const Ingress&, AnnotationValues&);
std::string permanent_redirect_code(std::string_view, const Ingress&, AnnotationValues&);
std::string temporal_redirect(std::string_view, const Ingress&, AnnotationValues&);
std::string temporal_redirect_code(std::string_view, const Ingress&, AnnotationValues&);
std::string relative_redirects(std::string_view, const Ingress&, AnnotationValues&);
std::string rewrite_target(std::string_view, const Ingress&, AnnotationValues&);
std::string use_regex(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_buffer_size(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_request_buffering(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_next_upstream_tries(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_next_upstream_timeout(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_secret(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_verify(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_verify_depth(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_name(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_server_name(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_protocols(std::string_view, const Ingress&, AnnotationValues&);
std::string proxy_ssl_ciphers(std::string_view, const Ingress&, AnnotationValues&);
std::string ambiguous_paths(std::string_view, const Ingress&, AnnotationValues&);
std::string enable_access_log(std::string_view, const Ingress&, AnnotationValues&);
std::string enable_grpc_web(std::string_view, const Ingress&, AnnotationValues&);
}  // namespace annotation

}  // namespace sluice::control
