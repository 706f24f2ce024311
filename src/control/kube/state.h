#pragma once
#include <boost/container/flat_set.hpp>
#include <functional>

#include "control/destination.h"
#include "control/kube/extra_endpoint.h"
#include "control/kube/options.h"
#include "control/kube/references.h"
#include "control/kube/shared_settings.h"
#include "control/kube/store.h"
#include "control/kube/streams.h"

// The Store's insides, shared by the translators: one file each kind. Not for others.
namespace sluice::control {

using model::Entries;
using Names = boost::container::flat_set<std::string>;
using RefPtr = std::shared_ptr<const model::ObjectRef>;

// Names that most do without, in the size of one pointer.
class RareNames {
 public:
  RareNames() noexcept = default;
  RareNames(Names names) {
    if (!names.empty()) held_ = std::move(names);
  }
  bool empty() const noexcept { return !held_; }
  bool contains(const std::string& name) const { return held_ && held_->contains(name); }
  auto begin() const noexcept { return all().begin(); }
  auto end() const noexcept { return all().end(); }

  const Names& all() const noexcept {
    static const Names none;
    return held_ ? *held_ : none;
  }

 private:
  model::Shared<Names> held_;
};

// What one Ingress says of how the pods of its Services are chosen, and since when.
struct BalancingWish {
  std::int64_t created = 0;  // as Meta has it
  std::uint64_t position = 0;
  RefPtr ref;
  model::Shared<model::Balancing> says;  // null: nothing
  bool operator==(const BalancingWish& o) const {
    return created == o.created && position == o.position && *ref == *o.ref && says == o.says;
  }
};
using WishPtr = model::Shared<BalancingWish>;
// As of two Ingresses: the older one.
bool older(const BalancingWish& a, const BalancingWish& b);

// Who leads to a Cluster at one host.
struct ClusterUser {
  RefPtr ref;                   // who names it first there: for reports
  std::vector<WishPtr> wishes;  // of the Ingresses whose paths lead there, each once; none of --default-backend
};

// A canary as its annotations say it.
struct CanaryWish {
  model::CanaryRule rule;
  std::vector<std::pair<std::string, std::string>> protection;  // AnnotationResult::protection
};

// An Ingress as it stands: its last version, and the version that is served.
struct IngressState {
  std::shared_ptr<const Object> object;
  std::shared_ptr<const Object> accepted;    // null: nothing of it is served
  bool use_regex = false, rewrites = false;  // of `object`, served or not
  bool to_www = false;                       // from-to-www-redirect, likewise
  bool ssl_passthrough = false;              // of `accepted`
  RefPtr ref;                                // of `object`, always; its texts are shared by the routes
  // What the annotations of `accepted` say.
  model::Shared<model::RouteSettings> settings;
  model::Shared<ProxySsl> proxy_ssl;    // null: no proxy-ssl-secret
  model::Shared<Closing> closing;       // null: nothing
  WishPtr wish, wish_without_sessions;  // never null where it is accepted
  model::Shared<WrittenTls> tls;        // null: nothing
  // server-alias, of `object`, served or not, without those that its namespace may not have; null: none
  model::Shared<std::vector<std::string>> aliases;
  Names hosts;  // that it has rules for, served or not; "" the catch-all
  // A canary names no hosts: it joins those that others have. Null: it is none, or nothing of it is served.
  model::Shared<CanaryWish> canary;
  RareNames canary_hosts;  // that its rules name; "" the catch-all
  struct ByHost {
    StringMap<std::vector<std::uint32_t>> rules;  // their places
    StringMap<std::vector<std::string>> secrets;  // "namespace/name"
  };
  std::shared_ptr<const ByHost> by_host;  // of the object; by_host.h
  const Ingress& ingress() const { return std::get<Ingress>(*accepted); }
  bool served() const { return accepted && (!hosts.empty() || !canary_hosts.empty()); }
  const Ingress& written() const { return std::get<Ingress>(*object); }
  const Meta& meta() const { return written().meta; }
  // Of the annotations, be they refused.
  void wants(const AnnotationValues& values) {
    use_regex = values.use_regex;
    rewrites = static_cast<bool>(values.settings.rewrite);
  }
  void hold(ObjectPtr next) {
    object = std::move(next);
    ref = std::make_shared<const model::ObjectRef>(reference(*object));
  }
};

struct ClusterKey {
  std::string ns, service, port;
  bool udp = false;
  std::string service_key() const { return ns + "/" + service; }
  model::Transport transport() const noexcept { return udp ? model::Transport::udp : model::Transport::tcp; }
  auto operator<=>(const ClusterKey&) const = default;
};

// A Cluster as routes spell it.
struct ClusterTexts {
  Text name, upstream_name, service, port;
};

struct ClusterState {
  const ClusterKey* key = nullptr;           // that of State::cluster_names
  std::map<std::string, ClusterUser> users;  // by host
  bool users_changed = true;                 // since its balancing was chosen
  model::Shared<model::Balancing> balancing;
  Text balanced_by;
  model::Shared<Entries> in_vain;  // what is said of wishes that do not count; null: nothing
  std::shared_ptr<const model::Cluster> built;
  Text external;    // name that the resolver is asked for
  Instant grace{};  // until when it may lead to former endpoints; none: it has its own
};

// The slice's port for a Service port: the one of its name, else its numeric targetPort where the slice lists that or
// lists no ports; 0: none. A guess, for where nothing else is found, goes on as ingress-nginx does (its issue 7390), as
// slices that people write name ports as they like: the numeric targetPort, whatever is listed; for a Service port
// without a name and number the first that there is.
enum class PortBy : std::uint8_t { listed, guess };
std::uint16_t port_in(const EndpointSlice& slice, const ServicePort& wanted, PortBy by = PortBy::listed);

// Where a port of a Service led, by what the Service called it then.
struct Former {
  std::uint16_t number = 0;
  std::string name, target;
  std::shared_ptr<const model::Cluster> led;
  Instant ended{};  // when it led elsewhere; none: it does so now
};

struct CertificateState {
  std::map<std::string, RefPtr> users;  // host → Ingress
  Instant grace{};                      // until when its pair is kept, as its Secret is gone; none: it is there
};

struct HostState {
  Names claims;  // Ingresses of ours that name it, "ns/name", whether they are served or not
  std::shared_ptr<const model::Host> built;
  Names clusters;
  Names certificates;
  RareNames asks_for;  // other names (other_names.h)
  Instant grace{};     // until when Secrets that it named before may be shown; none: they need not
};

// A host's wish for another name, by the Ingress that asks for it.
struct NameWish {
  model::Age age;
  RefPtr ref;
  bool redirects = false;  // what comes for the name is sent to the host; else it is an alias
  bool operator==(const NameWish&) const = default;
};
struct NameHolder;

// A host as it would be with an Ingress that is not there yet.
struct NameCandidate {
  const IngressState& ingress;
  const std::string& host;
  const std::map<std::string, NameWish>& wishes;  // of the host then
};

// Two Ingresses that ask for one path of a host.
struct PathConflict {
  std::string holder, loser;  // "ns/name"
  std::string path;
  bool exact = false;
};

// A host as it is to be served, and what that uses: by name, with the Ingress that names it there.
struct BuiltHost {
  std::shared_ptr<const model::Host> host;  // null: nobody wants it
  std::map<std::string, ClusterUser> clusters;
  std::map<std::string, RefPtr> certificates;
  Entries entries;
  std::vector<PathConflict> conflicts;  // of a candidate
};

struct Resolution {
  std::vector<std::string> addresses;
  std::string error;
  bool answered = false;
};

inline constexpr std::string_view kOptionsUser = "Options";

struct Store::State {
  explicit State(Settings s);

  Settings settings;
  Work work;
  std::shared_ptr<model::Model> model = std::make_shared<model::Model>();
  std::shared_ptr<model::Model> spare;  // the Model before, and what it lacks
  struct Behind {
    std::set<std::string> hosts, clusters, certificates;
    bool report = false;
  } behind;
  void own_model();
  void remember(const model::Change& change);
  SharedSettings shared_settings;
  model::Shared<model::RouteSettings> defaults;
  std::vector<std::string> guards;  // options that guard requests and are not served
  bool first = true;
  bool resolve_later = false;

  // What is there. Keys are "ns/name"; classes by name.
  StringMap<IngressState> ingresses;
  StringMap<ObjectPtr> classes, services, secrets, config_maps;
  StringMap<std::map<std::string, ObjectPtr>> slices;  // by Service, then by name
  StringMap<std::string> service_of_slice;             // "ns/slice" → "ns/service"
  ObjectPtr config_map;
  bool config_map_gone = false;                 // what it said last counts
  StringMap<std::vector<ExtraEndpoint>> extra;  // "ns/service:port" → --endpoint
  std::string default_backend_service, default_backend_port;
  // The keys of `extra` that mean the cluster's Service port; of them what no cluster uses is reported.
  std::vector<std::string> spellings(const ClusterKey& key) const;
  void report_unused_endpoints();

  // What is made of it.
  StringMap<HostState> hosts;
  StringMap<Names> canaries;  // by host: Ingresses of ours that are canaries there and served; none has an empty list
  bool has_canaries(const std::string& host) const { return canaries.contains(host); }
  void leave_canaries(const std::string& host, const std::string& ingress);
  StringMap<std::map<std::string, NameWish>> wishes;            // by other name, then by the host that asks for it
  std::set<std::pair<model::Age, std::string>> pattern_wishes;  // of them the regular expressions
  StringMap<ClusterState> clusters;                             // by name
  std::map<ClusterKey, ClusterTexts> cluster_names;
  StringMap<std::set<std::string>> clusters_of_service;  // "ns/service" → names
  StringMap<CertificateState> certificates;              // by "ns/secret"
  References references;                                 // Ingresses, and the options as kOptionsUser → what they name
  std::map<std::string, std::set<std::string>> externals;  // external name → clusters
  StringMap<Resolution> resolutions;

  // Where we listen ourselves; null: not known, as nothing does.
  std::shared_ptr<const model::OwnListeners> own;
  bool own_changed = false;
  std::vector<model::Ip> interfaces;  // of this machine
  // Other ways to listeners like ours: pods that share a Service of our namespace with our pod, and its own address.
  std::vector<model::Ip> replicas;
  std::vector<std::pair<model::Ip, std::uint16_t>> service_addresses, service_datagrams;
  bool replicas_changed = false;  // there may be others
  void touched(const Object& object);
  void find_replicas();
  void reach();  // judges anew what may lead to us
  // Likewise: Clusters with endpoints on these ports, and those with addresses that were refused.
  void judge_anew(const std::function<bool(std::uint16_t port)>& concerned);
  // Who it is that EndpointSlices come from.
  Says slices_say() const { return settings.manifests.empty() ? Says::object : Says::directory; }
  AllowedDestinations allowed_destinations() const {
    return {model->options->allow_destinations, model->options->allow_destination_names};
  }

  // former.cpp: what was good before, and until when it is used.
  Instant instant{};
  StringMap<std::vector<Former>> formers;  // by "ns/service", the latest last
  enum class Kept : std::uint8_t { cluster, certificate, host };
  std::set<std::tuple<Instant, Kept, std::string>> graces;
  // Is it still to be used? The first question begins the time.
  bool graced(Kept kind, const std::string& name, Instant& until);
  void settle(Kept kind, const std::string& name, Instant& until);
  std::set<std::string> perhaps_unused;  // Services that lost a cluster
  void remember(const ClusterState& c, const ServicePort& port, std::shared_ptr<const model::Cluster> led);
  void outdate(const ClusterState& c);
  bool use_former(const std::string& name, ClusterState& c, const ServicePort* port, model::Cluster& out);

  // What must be looked at again.
  std::set<std::string> dirty_ingresses, dirty_hosts, dirty_clusters, dirty_certificates;
  bool dirty_options = true, dirty_classes = false;

  // streams.h
  Streams streams;
  void read_streams(model::Transport transport, LookUp& look_up, model::StreamListeners& out, Entries& entries);
  void rebuild_streams(model::Change& change);
  void listen_at(const model::StreamListeners& now);
  void report_streams();

  // Problems by the part that has them ("host/x", "cluster/x"…).
  std::map<std::string, Entries> problems;
  std::size_t told = 0;                       // of all parts together
  std::vector<model::Entry> source_problems;  // of the source, which knows where they are
  bool problems_changed = false, report_changed = false;
  void say(const std::string& part, Entries entries);

  // For feedback().
  std::map<std::string, bool> served_changed;
  bool references_changed = false;

  // ingress_class.cpp: is it ours? When not, `why` says so.
  bool ours(const Ingress& ingress, std::string& why) const;
  // review.cpp: what of the host's conflicts speaks against the candidate.
  void judge_conflicts(const BuiltHost& built, const std::string& host, const std::string& candidate,
                       Review& out) const;
  // ingress.cpp: what the Ingress that `state` holds comes to, by the Store as it is, of which nothing is changed.
  void translate(IngressState& state, LookUp& look_up, Entries& entries);
  void evaluate(const std::string& key);
  // The hosts that the Ingress has rules for; what of them cannot be, or is not its namespace's, is reported.
  Names hosts_claimed_by(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const;
  // What of `ingress` counts for its hosts, `result` being its annotations; `entries`: what options close of it.
  void accept(IngressState& state, AnnotationResult&& result, Entries& entries);
  // other_names.h
  std::vector<const IngressState*> claims_at(const std::string& host, const IngressState* candidate) const;
  std::vector<const IngressState*> canaries_at(const std::string& host, const IngressState* candidate) const;
  // The same of a canary, but for its hosts.
  void accept_canary(IngressState& state, AnnotationResult&& result) const;
  Names canary_hosts_of(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const;
  // The other names that the Ingress asks for, once its hosts are known.
  void take_names(IngressState& state, const AnnotationValues& values, Entries& entries) const;
  std::map<std::string, NameWish> wishes_of(const std::string& host, const IngressState* candidate) const;
  // Nothing where nobody asks for the name, or too many regular expressions are older. `candidate`: null, none.
  std::optional<NameHolder> holder_of(const std::string& name, const NameCandidate* candidate) const;
  Names patterns_that_count() const;
  // Before hosts are rebuilt: marks those too that have a name, or lose it, by what has changed.
  void settle_names();
  // host_builder.h
  class HostBuilder;
  // cluster_balancing.cpp: what an Ingress says, and which of those that lead to a Cluster decides.
  void take_wish(IngressState& state) const;
  void choose_balancing(const std::string& name, ClusterState& c) const;
  // Does another host lead where this one does?
  bool shares_clusters(const HostState& host) const;
  // host.cpp
  const ClusterTexts& cluster_texts(const ClusterKey& key);
  void rebuild_host(const std::string& name, model::Change& change);
  // service.cpp, endpoint_slice.cpp
  std::shared_ptr<const model::Cluster> build_cluster(const std::string& name, ClusterState& c, Entries& entries);
  std::shared_ptr<const model::Cluster> build_outside(const std::string& name, ClusterState& c, Entries& entries);
  void follow(const std::string& external, const std::string& name, ClusterState& c);
  // Returns where they lead that nothing is sent to, as text; empty: nowhere.
  std::string add_slices(const ClusterState& c, const ServicePort& port, model::Cluster& out, Entries& entries,
                         PortBy by) const;
  void rebuild_cluster(const std::string& name, model::Change& change);
  // secret.cpp
  std::shared_ptr<const model::Certificate> build_certificate(const std::string& name, CertificateState& c,
                                                              Entries& entries);
  void rebuild_certificate(const std::string& name, model::Change& change);
  // The Secret of proxy-ssl-secret as UpstreamTls; an empty pointer and `why` when it cannot be used.
  model::Shared<model::UpstreamTls> upstream_tls(const ProxySsl& wanted, std::string& why) const;
  // config_map.cpp
  bool is_options(const Object& o) const;
  void rebuild_options(model::Change& change);
  // Another ConfigMap whose keys are options: said to be read by nobody. `there`: not gone.
  void look_at_other(const ConfigMap& map, bool there);

  // The object came, changed or went: whoever names it is read again.
  void mark_users(const Object& object);
  model::Origin origin_of(const model::ObjectRef& ref) const;
  void assemble_report();
};

// Older first; objects without a timestamp in the order of the files. Ties: namespace/name descending, as in
// ingress-nginx.
bool older(const Meta& a, const Meta& b);

inline std::string key_of(const Meta& m) {
  return m.ns + "/" + m.name;
}

}  // namespace sluice::control
