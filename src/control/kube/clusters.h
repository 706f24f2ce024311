#pragma once
#include <functional>
#include <map>
#include <set>
#include <unordered_set>

#include "control/destination.h"
#include "control/kube/core.h"
#include "control/kube/extra_endpoint.h"
#include "control/kube/option_builder.h"

// Clusters, made of Services, their EndpointSlices, --endpoint and DNS, for all who lead to them.
namespace sluice::control {

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

// How the pods of an Ingress are met at a host, for those who check them.
struct CheckWay {
  std::optional<model::BackendProtocol> protocol;
  model::Shared<model::UpstreamTls> tls;
  bool operator==(const CheckWay&) const = default;
};
// As of two Ingresses: the older one.
bool older(const BalancingWish& a, const BalancingWish& b);

// What a Cluster is used for: it decides what is said where it has no endpoint.
// `replaced`: for requests that default-backend answers then. `unclaimed`: for requests that no path of an Ingress
// takes.
enum class Use : std::uint8_t { requests, replaced, unclaimed, errors, canary, authentication, mirror, stream, pass };

// Who leads to a Cluster, for a host or for a port.
struct ClusterUser {
  RefPtr ref;                   // who names it first there: for reports
  std::vector<WishPtr> wishes;  // of the Ingresses whose paths lead there, each once; none of --default-backend
  Use use = Use::requests;      // of whoever names it first
  std::vector<model::Shared<CheckWay>> ways{};  // of each of the wishes; null where it asks for no health checks
  // Each wish once. `settings`: of its paths there.
  void add(const WishPtr& wish, const model::RouteSettings& settings);
};

struct ClusterKey {
  std::string ns, service, port;
  bool udp = false;
  std::string service_key() const { return ns + "/" + service; }
  model::Transport transport() const noexcept { return udp ? model::Transport::udp : model::Transport::tcp; }
  bool operator==(const ClusterKey&) const = default;
  // What most differ in comes first.
  auto operator<=>(const ClusterKey& o) const {
    return std::tie(service, ns, port, udp) <=> std::tie(o.service, o.ns, o.port, o.udp);
  }
};

// A Cluster as routes spell it.
struct ClusterTexts {
  Text name, upstream_name, service, port;
};

// The slice's port for a Service port: the one of its name, else its numeric targetPort where the slice lists that or
// lists no ports; 0: none. A guess, for where nothing else is found, goes on as ingress-nginx does (its issue 7390), as
// slices that people write name ports as they like: the numeric targetPort, whatever is listed; for a Service port
// without a name and number the first that there is.
enum class PortBy : std::uint8_t { listed, guess };
std::uint16_t port_in(const EndpointSlice& slice, const ServicePort& wanted, PortBy by = PortBy::listed);

// The Service's port of that name or number, as an Ingress spells it; null: it has none. Lives as long as `s`.
const ServicePort* find_port(const Service& s, const std::string& wanted, bool udp);

// Where a port of a Service led, by what the Service called it then.
struct Former {
  std::uint16_t number = 0;
  std::string name, target;
  std::shared_ptr<const model::Cluster> led;
  Instant ended{};  // when it led elsewhere; none: it does so now
};

class Clusters final : public Dependant {
 public:
  Clusters(Core& core, const OptionBuilder& options);

  // How routes spell the Cluster, which is there from now on; who asks for it leads to it before the next rebuild().
  const ClusterTexts& texts(const ClusterKey& key);
  // `user` (a host, or a port as streams spell it) leads to `uses` from here on instead of `had`.
  void lead(const std::string& user, Names& had, const std::map<std::string, ClusterUser>& uses);
  // Who led to `before` leads to `name` now, which may be a port that their Service has only in a while: until then
  // what `before` led to is used. Called before lead() says so; rebuild() comes behind both.
  void replaces(const std::string& name, const std::string& before);
  // Does anybody else lead to one of these?
  bool shared(const Names& clusters) const;
  // Null: there is none.
  std::shared_ptr<const model::Cluster> built(const std::string& name) const;

  void mark(const std::string& name) override { dirty_.insert(name); }
  void mark_all();
  // How pods are chosen by default is another way now.
  void choose_anew();
  // What may lead to us is to be judged again: Clusters with endpoints on these ports, and those with addresses that
  // were refused.
  void judge_anew(const std::function<bool(std::uint16_t port)>& concerned);

  // Store has the words for these.
  void resolved(const std::string& name, std::vector<std::string> addresses, std::string error);
  const std::map<std::string, std::set<std::string>>& external_names() const noexcept { return externals_; }
  void resolve_at_run_time(bool yes) noexcept { resolve_later_ = yes; }

  bool dirty() const noexcept { return !dirty_.empty(); }
  // All that are marked, and what that leaves behind.
  void rebuild(model::Change& change);

 private:
  struct State {
    const ClusterKey* key = nullptr;           // that of names_
    std::map<std::string, ClusterUser> users;  // hosts come before ports
    bool users_changed = true;                 // since its balancing was chosen
    model::Shared<model::Balancing> balancing;
    Text balanced_by;
    model::Shared<Entries> in_vain;  // what is said of wishes that do not count; null: nothing
    std::shared_ptr<const model::Cluster> built;
    Text external;           // name that the resolver is asked for
    References::Uses names;  // its Service
    Instant grace{};         // until when it may lead to former endpoints; none: it has its own
    ClusterUser last;        // the last of its users, once there is none
    Instant unused{};        // until when it stays without them; none: it has some
    std::string before;      // the port of its Service that users named before this one; "": none, or it is there
  };
  struct Resolution {
    std::vector<std::string> addresses;
    std::string error;
    bool answered = false;
  };

  void leave(const std::string& name, const std::string& user);
  void join(const std::string& name, const std::string& user, const ClusterUser& how);
  // The keys of extra_ that mean the cluster's Service port, if it has any keys; of them what no cluster uses is
  // reported.
  std::vector<std::string> spellings(const ClusterKey& key) const;
  void report_unused_endpoints();
  // Who it is that EndpointSlices come from.
  Says slices_say() const { return core_.settings.manifests.empty() ? Says::object : Says::directory; }
  AllowedDestinations allowed_destinations() const {
    const model::Options& options = *core_.model->options;
    return {options.allow_destinations, options.allow_destination_names};
  }
  void rebuild(const std::string& name, model::Change& change);
  void drop(const std::string& name, State& c, model::Change& change);
  std::shared_ptr<const model::Cluster> build(const std::string& name, State& c, Entries& entries);
  std::shared_ptr<const model::Cluster> build_outside(const std::string& name, State& c, Entries& entries);
  bool by_cluster_address(const State& c, const Service& service, const ServicePort& port,
                          const std::string& unanswered, model::Cluster& out, Entries& entries) const;
  void follow(const std::string& external, const std::string& name, State& c);
  // The ports of one Service that routes lead to share what it may have, as each has a copy of the endpoints: how many
  // endpoints the Cluster may have. Up to kOwnPorts there is no share.
  static constexpr std::uint32_t kOwnPorts = 4;
  static constexpr std::size_t kMostEndpoints = 20'000;     // of a Cluster
  static constexpr std::size_t kMaxExternalAddresses = 64;  // of a name
  static constexpr std::size_t kMostOfService = 50'000;     // of the Clusters of a Service with more ports, together
  static constexpr std::size_t kMostPlacements = 4'000;     // the same where keys or cookies choose, which takes more
  // Does anybody lead to a port of this Service ("ns/service")?
  bool is_used(const std::string& service) const;
  std::size_t most_endpoints(const ClusterKey& key, const model::Balancing* balancing) const;
  void recount(const std::string& service);
  // endpoints.cpp. Returns where they lead that nothing is sent to, as text; empty: nowhere.
  std::string add_slices(const State& c, const ServicePort& port, model::Cluster& out, Entries& entries,
                         PortBy by) const;
  // cluster_balancing.cpp: which of the wishes of those that lead there decides.
  void choose_balancing(const std::string& name, State& c) const;
  // former.cpp: what was good before.
  void remember(const State& c, const ServicePort& port, std::shared_ptr<const model::Cluster> led);
  void outdate(const State& c);
  bool use_former(const std::string& name, State& c, const ServicePort* port, model::Cluster& out);
  bool use_former_name(const std::string& name, State& c, const Service& now, const model::Cluster& led,
                       model::Cluster& out);

  Core& core_;
  const OptionBuilder& options_;
  StringMap<State> all_;  // by name
  std::map<ClusterKey, ClusterTexts> names_;
  std::map<ClusterKey, ClusterTexts>::const_iterator last_asked_ =
      names_.end();  // most routes lead where one did before
  std::set<std::string> dirty_;
  std::set<std::string> recounted_;              // "ns/service": Services with several ports that gained or lost one
  StringMap<std::uint32_t> many_ports_;          // "ns/service" → ports that routes lead to, of Services with too many
  StringMap<std::vector<ExtraEndpoint>> extra_;  // "ns/service:port" → --endpoint
  bool report_unused_ = true;
  std::map<std::string, std::set<std::string>> externals_;  // external name → clusters
  StringMap<Resolution> resolutions_;
  bool resolve_later_ = false;
  StringMap<std::vector<Former>> formers_;  // by "ns/service", the latest last
  std::set<std::string> perhaps_unused_;    // Services that lost a cluster
};

}  // namespace sluice::control
