#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/source/object.h"
#include "control/status.h"
#include "model/model.h"

// The control side as the app sees it: objects in, Models out. Everything here runs on the control thread unless said.
namespace sluice::control {

// A certificate that comes to be at run time, and its key, in PEM. Any thread.
class MadePair {
 public:
  void set(std::string certificate, std::string key) {
    std::lock_guard lock(mutex_);
    if (certificate == certificate_) return;
    certificate_ = std::move(certificate);
    key_ = std::move(key);
    ++version_;
  }
  struct Value {
    std::string certificate, key;
    std::int64_t version = 0;  // 0: none yet
  };
  Value get() const {
    std::lock_guard lock(mutex_);
    return {certificate_, key_, version_};
  }
  bool made() const { return get().version > 0; }

 private:
  mutable std::mutex mutex_;
  std::string certificate_, key_;
  std::int64_t version_ = 0;
};

// What is written back to a cluster, and who we are there.
struct StatusSettings {
  bool update = true;                  // --update-status: without it nothing at all is written
  bool on_shutdown = true;             // --update-status-on-shutdown
  std::vector<std::string> addresses;  // --publish-status-address
  std::string publish_service;         // NS/NAME; empty, without addresses: those of the nodes that our pods run on
  bool node_internal_ip = false;       // --report-node-internal-ip-address
  bool annotation = false;             // --status-annotation: the verdict on each Ingress, as an annotation of it
  bool leader_election = true;         // --disable-leader-election
  std::string election_id = "sluice-leader";
  std::string pod;       // NS/NAME, of POD_NAMESPACE and POD_NAME; empty: not in a pod
  std::string instance;  // for the Lease and Events: the pod, or the host
};

// The ConfigMaps of ports that are read in a directory where no flag names others.
inline constexpr const char *kTcpServices = "ingress-nginx/tcp-services", *kUdpServices = "ingress-nginx/udp-services";

// How many rules, paths and other names there may be in all Ingresses (kube/ingress/ceilings.h). One namespace may have
// 100,000 hosts with a path and a TLS section each.
struct Ceilings {
  std::size_t of_namespace = 250'000;
  std::size_t of_all = 500'000;
};

// What a command line adds to the objects.
struct Settings {
  std::string manifests;                 // directory; empty: the cluster
  std::string default_ns = "default";    // --namespace: of objects of the manifests that name none
  std::string kubeconfig;                // of the cluster; empty: the pod's service account
  std::string kube_context;              // of the kubeconfig; empty: its current-context
  bool as_service_account = true;        // without a kubeconfig; false: api_server is asked as nobody
  std::string api_server;                // URL of its API, in place of what these say; empty: as they say
  std::string api_ca;                    // file with the authorities that its certificate is of; likewise
  std::string watch_namespace;           // empty: all
  std::string watch_namespace_selector;  // over the labels of Namespaces; empty: all
  StatusSettings status;
  std::shared_ptr<MadePair> webhook_pair;  // to be kept filled; null: the webhook has files, or there is none
  std::string webhook_service, webhook_configuration;  // NS/NAME, also of the Secret; NAME
  std::vector<std::string> ingress_classes;            // --ingress-class; empty: class name "nginx" and "sluice"
  std::vector<std::string> controller_classes{"sluice.dev/ingress-controller", "k8s.io/ingress-nginx"};
  bool watch_ingress_without_class = false;
  std::string default_backend;                                        // NS/SERVICE[:PORT] or empty
  std::string default_ssl_certificate;                                // NS/NAME or empty
  std::string config_map = "ingress-nginx/ingress-nginx-controller";  // NS/NAME whose data are options
  // NS/NAME of the ConfigMaps whose data are ports that lead to Services; empty: kTcpServices and kUdpServices of a
  // directory, none of a cluster
  std::string tcp_services, udp_services;
  std::string stream_address;  // where they listen: an address of this machine; empty: all
  std::string annotations_prefix = "nginx.ingress.kubernetes.io";
  Ceilings ceilings;                       // no flag: of tests
  bool disable_catch_all = false;          // Ingresses with a defaultBackend are not served
  bool disable_external_names = false;     // nothing is sent to ExternalName Services
  std::string zone, node;                  // where we run, for topology-aware-routing; empty: not known
  bool ssl_passthrough = false;            // --enable-ssl-passthrough: the annotation ssl-passthrough counts
  std::map<std::string, std::string> set;  // --set KEY=VALUE, stronger than the ConfigMap
  std::vector<std::string> endpoints;      // --endpoint NS/SERVICE:PORT=ADDRESS:PORT
  // --accept-unprotected: annotations and options that guard requests and are not served, to be left out instead
  std::set<std::string> accept_unprotected;
  std::string resolv_conf = "/etc/resolv.conf";
  std::vector<model::OwnListener> listeners;  // where this process listens, bound already: nothing may lead there
};

// One batch of changes. `model` is a value whose parts are shared; unchanged parts are the same pointers as before.
// It never changes while anybody holds it: a Model that is still held when the next batch comes is copied first (some
// milliseconds with 10,000 hosts), one that was let go is continued in place.
struct Update {
  std::shared_ptr<const model::Model> model;
  model::Change change;
  bool first = false;  // the first full sync
  Standings served;    // objects that something is served of now, or nothing any more
};

// What the objects hold beside what comes of them, for those who explain.
struct AsWritten {
  std::map<std::string, std::set<std::string>> annotations;  // of Ingresses, "ns/name": names, with their prefixes
  std::map<std::string, std::set<std::string>> hosts;        // likewise: that they have rules for, "" any
  bool slices = false;                                       // there is an EndpointSlice
  bool pairs = false;                                        // there is a Secret with a certificate
};
// Reads the manifests once, synchronously: what `check` and `explain` use. `settings.manifests` may also be one file,
// or "-", which is standard input. No threads, no DNS (ExternalName services are reported as resolved at run time and
// get a cluster without endpoints). Throws std::runtime_error when they cannot be read at all.
Update load_once(const Settings& settings, AsWritten* written = nullptr);
// The same of the API of a cluster, of which nothing is changed. Throws std::runtime_error when it cannot be read
// within `patience`.
Update read_cluster_once(Settings settings, std::chrono::seconds patience);

// What the validating webhook answers about an Ingress.
struct Review {
  bool allowed = true;
  std::string message;  // why not
  std::vector<std::string> warnings;
};

// How a source that follows the API of a cluster gets on.
struct ApiFigures {
  struct Resource {
    std::string path;            // what is listed and watched, as in the logs
    bool followed = false;       // a list or a watch of it goes through
    std::uint64_t failures = 0;  // lists and watches that did not
  };
  bool leading = false;             // this replica writes to the API
  std::vector<Resource> resources;  // without those that are forbidden and not needed
  std::uint64_t statuses = 0, status_failures = 0, events = 0, event_failures = 0;  // written, or not
};

// Watches until stop(). `publish` is called on the control thread, first with the full sync, then with each batch:
// the first change goes on at once, later ones each 50 to 200 ms, in a burst each second. A directory that cannot be
// read yet, or an API server that does not answer, is waited for. A change that there is no memory for is refused: what
// was published stays, and the rest is published without it as far as it can be told apart. start() throws
// std::runtime_error when the kubeconfig or service account cannot be used.
class Watcher {
 public:
  static std::unique_ptr<Watcher> start(Settings settings, std::function<void(Update)> publish);
  virtual ~Watcher() = default;  // stops and joins
  // Live counters for metrics; any thread.
  struct Stats {
    std::uint64_t files = 0, objects = 0, reads = 0, unreadable_files = 0, batches = 0, dns_failures = 0;
    std::optional<ApiFigures> api;  // of a cluster
  };
  virtual Stats stats() const = 0;
  // Would this Ingress be served as it is? Any thread; waits for the control thread, at most kReview, and answers no
  // with a message when that was too short, when too many wait, or before the first full sync. Nothing is changed.
  static constexpr auto kReview = std::chrono::seconds(5);
  static constexpr std::size_t kReviews = 64;
  virtual Review review(std::shared_ptr<const Object> ingress) = 0;
};

// The validating webhook (admission.k8s.io/v1) at /networking/v1/ingresses, on a thread of its own. It parses, and
// runs nothing. The files are read again when they change; a pair that cannot be used leaves the former one.
struct WebhookSettings {
  std::string address;             // ADDR:PORT; empty: no webhook
  std::string certificate, key;    // PEM files
  std::shared_ptr<MadePair> made;  // instead of the files; handshakes fail while it is empty
  std::string client_ca;           // PEM file; empty: callers are not asked for a certificate
};
class Webhook {
 public:
  // Callers wait until serve() is called. Throws std::runtime_error naming the flag that cannot be used.
  static std::unique_ptr<Webhook> listen(const WebhookSettings& settings);
  virtual ~Webhook() = default;
  virtual std::string bound_address() const = 0;
  // Once. `watcher` must outlive it.
  virtual void serve(Watcher& watcher) = 0;
  struct Figures {
    std::uint64_t allowed = 0, refused = 0;  // reviews that were answered
    double seconds = 0;                      // that their answers took, all together
    double last_seconds = 0;                 // that the last answer took
  };
  virtual Figures figures() const = 0;  // any thread
  // The same by Ingress, in no order. At most kChecked are told apart; the reviews of others are together under empty
  // names.
  static constexpr std::size_t kChecked = 2000;
  struct Checked {
    std::string ns, ingress;
    std::uint64_t allowed = 0, refused = 0;
  };
  virtual std::vector<Checked> checked() const = 0;  // any thread
};

// A setting of a route as `sluice explain` shows it.
struct SettingRow {
  std::string name;  // the annotation's or option's
  std::string value;
  std::string from;  // what made it differ from the default, with the default; empty when it does not differ
};
struct ServedRoute {
  const model::RouteSettings& settings;
  const model::Host* host = nullptr;        // null: not known
  const model::Cluster* cluster = nullptr;  // null: none
  const model::Route* route = nullptr;      // null: not known
};
// Which annotations are written, by their names without the prefix.
struct WhoAsks {
  std::function<bool(std::string_view name)> own;  // on the route's Ingress
  // On another Ingress: one that has the host, or, `anywhere`, one of the namespace. Null: on none.
  std::function<bool(std::string_view name, bool anywhere)> others;
};
// The limits and timeouts always, everything else only when it differs from what it is by itself: each row that the
// annotations and options have says how.
std::vector<SettingRow> settings_of(const ServedRoute& route, const model::Options& options, const WhoAsks& asks);
// What bounds requests to a Service port whatever the route says, where the options say otherwise than by default.
std::vector<SettingRow> bounds_of(const model::Options& options);
// The option table as documentation: name, default, grammar, effect (docs/configmap.md is made of it by `make
// docs`).
std::string options_markdown();
// The options that differ from what they are by themselves, one a line, secret ones among them: to be compared, never
// to be shown.
std::string options_text(const model::Options& options);
// The annotation registry as documentation (docs/annotations.md).
std::string annotations_markdown();
// Parses `--set` values early, so that the command line can refuse them: empty string when fine, else the message,
// which shows the value unless it is or may be a secret one.
std::string check_option(const std::string& key, const std::string& value);
// A word of a command line or a configuration file that should be the name of an option, for messages: "…" for what
// looks like the value of a secret one.
std::string option_name(const std::string& word);
// The same for a name of --accept-unprotected: an annotation or an option that guards requests and is not served.
std::string check_unprotected(const std::string& name);
// The same for a label selector, "team=a,tier in (x,y)"; an empty one is refused.
std::string check_label_selector(const std::string& text);
// The same for an address in the status of Ingresses: an IP address, or a DNS name (Kubernetes takes it as hostname).
std::string check_status_address(const std::string& text);

}  // namespace sluice::control
