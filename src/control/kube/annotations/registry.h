#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/control.h"
#include "control/kube/annotations/guard.h"
#include "control/kube/header_map.h"
#include "control/kube/references.h"
#include "control/kube/snippet/block.h"
#include "control/source/object.h"
#include "model/model.h"

// The contract of an annotation: one row, in the table of its family's file; registry.cpp joins them.
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

// What an annotation changes: requests of its Ingress's paths, all that its namespace has at a host (or the host
// itself), how its pods are spoken to, or which requests a canary takes.
enum class Scope : std::uint8_t { location, host, backend, canary };

// What ingress-nginx makes of white space at the ends of a value, and of a value that is nothing else: its validators
// see the value as it is written. `_or_absent`: white space alone is as if the annotation were not there; else it is a
// value that cannot be read.
enum class White : std::uint8_t {
  any,  // is left out, the ends of lines as well
  any_or_absent,
  blanks,  // spaces and tabs are left out, and ends of lines make a value that cannot be read
  spaces,  // spaces are left out, and anything else makes a value that cannot be read
  spaces_or_absent,
  none,  // belongs to the value
};

// A redirect as it is written, in two annotations.
struct WrittenRedirect {
  Template location;  // empty: none
  std::uint16_t status = 0;
};

// enable-cors and cors-*: without the first the others have no effect.
struct WrittenCors {
  bool enabled = false;
  model::Cors cors;
  std::vector<std::string> left_out;  // elements of cors-allow-origin that are no origins
};

// auth-type and what goes with it, as written; empty: it is not.
struct WrittenAuth {
  std::string type, realm, secret, secret_type;
  std::string ns, name;          // of the Secret: its namespace, "ns/name"
  bool foreign = false;          // of another namespace, which is not allowed
  const Secret* held = nullptr;  // null: it is not there, or not to be looked at
  bool satisfy = false;          // it is written
};

// auth-url and what goes with it, as written.
struct WrittenExternalAuth {
  model::ExternalAuth auth;  // but for the URL, which is not read yet
  std::string config_map;    // auth-proxy-set-headers: "namespace/name"; empty: it is not
  bool missing = false;      // there is none of the name
  std::vector<WrongHeader> wrong;
};

// custom-http-errors and what goes with it, as written.
struct WrittenErrorPages {
  std::vector<std::uint16_t> statuses;  // empty: none are
  std::string service;
  bool of_pods = true;
};

// mirror-target and what goes with it, as written.
struct WrittenMirror {
  model::Mirror mirror;
  std::string host;  // empty: none is written
};

// limit-* of clients, as written.
struct WrittenLimits {
  model::ClientLimits limits;
  bool rate = false;  // limit-rate is
};

// auth-tls-* as written; empty: it is not. What can be used of it is in the settings.
struct WrittenClientAuth {
  std::string secret, verify, depth, error_page, pass, match_cn;
  std::string ns, name;          // of the Secret: its namespace, "ns/name"; empty: it is not spelled so
  std::string ingress;           // "ns/name", for reports
  bool foreign = false;          // of another namespace, which is not allowed
  const Secret* held = nullptr;  // null: it is not there, or not to be looked at
};

// What annotations say of how TLS of a host is spoken.
struct WrittenTls {
  std::string ciphers;                        // empty: it is not
  std::optional<bool> prefer_server_ciphers;  // likewise
  bool operator==(const WrittenTls&) const = default;
};

// custom-headers as written; what of it can be used is in the settings.
struct WrittenHeaders {
  std::string config_map;  // "namespace/name"; empty: it is not
  bool missing = false;    // there is none of the name
  std::vector<WrongHeader> wrong;
  std::size_t more = 0;  // that are wrong beside these
};

// fastcgi-* as written; what of it can be used is in the settings.
struct WrittenFastcgi {
  std::string index;
  std::string config_map;  // as it is written; empty: it is not
  std::string map_key;     // "namespace/name"; empty: it is spelled as none
  bool keep_connections = false;
  bool foreign = false;                                    // of another namespace, which is not allowed
  bool missing = false;                                    // there is no ConfigMap of the name
  model::Common<std::vector<model::FastcgiParam>> params;  // all of them, those of the ConfigMap last
  std::vector<WrongHeader> wrong;                          // the first keys of it that cannot be used
  std::size_t more = 0;                                    // that cannot be used beside these
  bool drops = false;  // one of them is of those that ingress-nginx drops the Ingress for
  std::vector<std::pair<std::string_view, std::string>> beside;  // what is written, with its value
};

// load-balance, upstream-hash-by*, affinity and what goes with it, as written.
struct WrittenBalancing {
  std::optional<model::LoadBalance> load_balance;
  model::HashBy hash_by;      // without a key the rest has no effect
  bool has_affinity = false;  // without it `affinity` has no effect
  std::optional<bool> by_service;
  std::optional<std::chrono::seconds> slow_start;
  model::Affinity affinity;
};

// health-check and health-check-*, as written.
struct WrittenHealthCheck {
  std::optional<model::HealthCheck> check;  // over the defaults; empty: nothing of it is
  bool beside = false;                      // something beside health-check is
  bool of_http = false, of_grpc = false;    // something of it that has an effect with `http` alone, with `grpc` alone
};

// canary and canary-*, as written.
struct WrittenCanary {
  bool enabled = false;
  model::CanaryRule rule;
  std::vector<std::pair<std::string_view, std::string_view>> beside;  // names and values of canary-*
};

// A snippet as written; empty: it is not.
struct WrittenSnippet {
  std::string text;
  bool forbidden = false;                       // allow-snippet-annotations is false
  std::shared_ptr<const snippet::Block> block;  // null: it is refused, or forbidden
  std::optional<snippet::Refusal> refusal;
};
struct WrittenSnippets {
  WrittenSnippet configuration, server, auth;
};

// What the annotations of one Ingress say: parsers write into this.
struct AnnotationValues {
  // Of the value that is being read, where what is wrong with it does not do what its row says.
  std::optional<OnInvalid> on_invalid;
  model::RouteSettings settings;
  WrittenCors cors;
  WrittenBalancing balancing;
  WrittenHealthCheck health_check;
  std::optional<std::vector<model::Cidr>> allowlist, denylist;  // empty: none is written
  WrittenAuth auth;
  WrittenExternalAuth external_auth;
  WrittenErrorPages error_pages;
  WrittenMirror mirror;
  WrittenLimits limits;
  WrittenClientAuth client_auth;
  WrittenTls tls;
  WrittenHeaders headers;
  WrittenFastcgi fastcgi;
  WrittenCanary canary;
  WrittenSnippets snippets;
  ProxySsl proxy_ssl;
  std::vector<std::string_view> no_time;  // names of proxy-*-timeout that are 0
  bool ssl_passthrough = false;
  WrittenRedirect permanent{{}, 301}, temporal{{}, 302};
  bool use_regex = false;            // it, or a rewrite, makes the paths of a host regular expressions
  std::vector<std::string> aliases;  // server-alias, as model::Alias has names
  std::vector<std::pair<std::string, std::string>> unreadable_aliases;  // elements, with what was expected
  bool redirect_from = false, redirect_to = false;                      // which of proxy-redirect-* are written
  bool to_www = false;
  Template forwarded_prefix;     // empty: none is written
  std::string wrong_in_rewrite;  // what was expected of the variables that rewrite-target names; empty: they are fine
};

// What a parser may look at beside the value. An object that it looks up is one that the Ingress names from then on:
// the Ingress is read again when the object comes, changes or goes.
struct AnnotationContext {
  const Ingress& ingress;
  const model::Options& options;
  LookUp& look_up;
  const std::string& ns() const { return ingress.meta.ns; }
};

// How a value is written, read and printed.
struct AnnotationValue {
  std::string_view grammar;
  // Reads `value` (without the white space that `white` leaves out, not blank, free of control characters) and writes
  // `out`, or returns what was expected.
  std::string (*parse)(std::string_view value, const AnnotationContext& context, AnnotationValues& out);
  // What is served, as the annotation would ask for it; empty: nothing was asked for.
  std::string (*print)(const ServedRoute& served);
  White white = White::any;
};

struct Annotation {
  std::string_view name;  // without prefix
  AnnotationValue value;
  OnInvalid on_invalid = OnInvalid::use_default;
  model::Risk risk = model::Risk::low;  // as ingress-nginx ranks it
  Scope scope = Scope::location;
  std::string_view initial = {};    // the default, where no option is it
  std::string_view option = {};     // the option that is the default, or decides it; empty: none
  std::string_view otherwise = {};  // what else decides the default
  std::string_view newer = {};      // the name that counts where both are written; empty: it has one name
  std::string_view needs = {};      // the annotation without which it has no effect; empty: none
  // The annotation without which ingress-nginx does not look at it: whatever it says is no fault then. Empty: none.
  std::string_view read_with = {};
  std::string_view read_without = {};  // the same: the one that has to be missing
  std::string_view also_by = {};       // another annotation that asks for a value of this one; empty: none does
  bool always_shown = false;           // `sluice explain` shows it at its default too
  bool secret = false;                 // its value is never shown
  bool lines = false;                  // its value may have several
  // Is a value served? Those that are not guard and close, so that --accept-unprotected takes the name. Null: all are.
  bool (*serves)(std::string_view value) = nullptr;
  std::string_view doc = {};
};

struct AnnotationResult;

// The rows of one file, and what is to be made of several of them once all have been read.
struct AnnotationFamily {
  std::span<const Annotation> rows;
  void (*finish)(AnnotationResult& out) = nullptr;
};

// Sorted as the documentation lists them.
std::span<const Annotation> annotations();

// What answers 503, by the names of what asks for it ("auth-type, option block-cidrs"); empty: nothing.
struct Closing {
  std::string denied;                 // its paths, for a value that cannot be used
  std::string paths;                  // its paths, which it guards
  std::string but_no_auth_locations;  // the same, but for those below no-auth-locations
  std::string of_namespace;           // all paths of its namespace at its hosts, for a value that cannot be used
  std::string host;                   // all paths of its namespace at its hosts; of everybody's when they are its own
  bool operator==(const Closing&) const = default;
};

struct AnnotationResult {
  const model::Options* options = nullptr;  // that it was read with
  Readings* readings = nullptr;             // of the objects that it names, until it is finished
  AnnotationValues values;
  std::vector<model::Problem> problems;
  bool dropped = false;  // nothing of the Ingress is served
  // It is one: its other annotations are not read. Of a main Ingress those of `protection` would guard its paths.
  bool canary = false;
  std::vector<std::pair<std::string, std::string>> protection;  // names and values
  Closing closing;
  // What options that guard every Ingress make an exception for.
  struct Own {
    bool auth_url = false, no_global_auth = false, no_modsecurity = false;
  } own;
};

// Applies all annotations under the prefix over `defaults`, which are default_settings(options).
AnnotationResult read_annotations(const Ingress& ingress, const Settings& settings, const model::Options& options,
                                  const model::RouteSettings& defaults, LookUp& look_up);

// The families, one file each.
namespace annotation {
AnnotationFamily access_log();
AnnotationFamily auth();
AnnotationFamily backend_protocol();
AnnotationFamily balancing();
AnnotationFamily canary();
AnnotationFamily client_auth();
AnnotationFamily cors();
AnnotationFamily custom_headers();
AnnotationFamily error_pages();
AnnotationFamily external_auth();
AnnotationFamily fastcgi();
AnnotationFamily health_check();
AnnotationFamily limits();
AnnotationFamily mirror();
AnnotationFamily names();
AnnotationFamily paths();
AnnotationFamily priority();
AnnotationFamily proxy();
AnnotationFamily proxy_ssl();
AnnotationFamily redirect();
AnnotationFamily replacement();
AnnotationFamily rewrite();
AnnotationFamily snippets();
AnnotationFamily source_range();
AnnotationFamily ssl_ciphers();
AnnotationFamily ssl_passthrough();
AnnotationFamily ssl_redirect();
AnnotationFamily upstream_vhost();
}  // namespace annotation

}  // namespace sluice::control
