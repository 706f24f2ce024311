#pragma once
#include <map>
#include <optional>
#include <set>

#include "control/kube/annotations/registry.h"
#include "control/kube/certificates.h"
#include "control/kube/clusters.h"
#include "control/kube/core.h"
#include "control/kube/ingress/ceilings.h"
#include "control/kube/ingress/name_places.h"
#include "control/kube/option_builder.h"

// Ingresses and IngressClasses, translated into hosts. Only this folder knows them.
namespace sluice::control {

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

// A canary as its annotations say it.
struct CanaryWish {
  model::CanaryRule rule;
  std::vector<std::pair<std::string, std::string>> protection;  // AnnotationResult::protection
};

// Null: there is none. What the first says of its own paths is in the settings.
struct Snippets {
  std::shared_ptr<const snippet::Block> configuration, server;
};

// An Ingress as it stands: its last version, and the version that is served.
struct IngressState {
  std::shared_ptr<const Object> object;
  std::shared_ptr<const Object> accepted;    // null: nothing of it is served
  bool use_regex = false, rewrites = false;  // of `object`, served or not
  bool to_www = false;                       // from-to-www-redirect, likewise
  bool ssl_passthrough = false;              // of `accepted`
  bool says_satisfy = false;                 // likewise: by an annotation, or by its configuration-snippet
  RefPtr ref;                                // of `object`, always; its texts are shared by the routes
  // What the annotations of `accepted` say.
  model::Shared<model::RouteSettings> settings;
  // Null: it has none.
  model::Shared<Snippets> snippets;
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
  model::Shared<ByHost> by_host;    // of the object; by_host.h
  References::Uses names;           // Secrets and ConfigMaps that its annotations name
  std::size_t load = 0;             // what it takes of the ceilings; 0 where it is not ours
  model::Shared<OverCeiling> over;  // that there is no room for it: nothing of it is served. Null: there is
  const Ingress& ingress() const { return std::get<Ingress>(*accepted); }
  bool served() const { return accepted && (!hosts.empty() || !canary_hosts.empty()); }
  const Ingress& written() const { return std::get<Ingress>(*object); }
  const Meta& meta() const { return written().meta; }
  bool asks_for_names() const { return aliases || to_www; }
  const snippet::Block* configuration_snippet() const { return snippets ? snippets->configuration.get() : nullptr; }
  const snippet::Block* server_snippet() const { return snippets ? snippets->server.get() : nullptr; }
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

struct HostState {
  boost::container::flat_set<const IngressState*> claims;  // Ingresses of ours that name it, served or not
  std::shared_ptr<const model::Host> built;
  Names clusters;
  Names certificates;
  RareNames asks_for;      // other names (other_names.h)
  References::Uses names;  // while `grace` lasts, the Secrets
  Instant grace{};         // until when Secrets that it named before may be shown; none: they need not
};

// A host's wish for another name, by the Ingress that asks for it.
struct NameWish {
  model::Age age;
  RefPtr ref;
  bool redirects = false;  // what comes for the name is sent to the host; else it is an alias
  bool operator==(const NameWish&) const = default;
};
// Who has a name that somebody asks for without a rule.
struct NameHolder {
  Text ns;                 // the namespace that it belongs to
  bool by_rules = false;   // which has a rule for it: it is a host of its own
  std::string host;        // else the host that it is another name of
  bool redirects = false;  // which all of its requests are sent to
  RefPtr ref;              // who asks for it
};

// A host as it would be with an Ingress that is not there yet.
struct NameCandidate {
  const IngressState& ingress;
  const std::string& host;
  const std::map<std::string, NameWish>& wishes;  // of the host then
  NamePlaces::Given places;                       // likewise
};

// Does a wish for another name count, whoever else wants it? Of names alone that are regular expressions.
enum class NameStanding {
  counts,
  too_many,      // there is no place for it
  not_allowed,   // it is for any name, and host-namespaces gives the catch-all to others
  of_catch_all,  // it is for any name, and the catch-all is that of another namespace, whose Ingress is older
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

class IngressTranslator final : public Dependant {
 public:
  IngressTranslator(Core& core, const OptionBuilder& options, Clusters& clusters, Certificates& certificates);

  void mark(const std::string& key) override { dirty_.insert(key); }
  void came(const ObjectPtr& object) override;
  void moved(const ObjectPtr& object) override;
  void went(const Object& object) override;
  // Options say something else of all.
  void mark_all();
  bool dirty() const noexcept {
    return all_dirty_ || !dirty_.empty() || hosts_.dirty() || (loads_changed_ && over_ > 0);
  }
  void rebuild(model::Change& change);

  // What the webhook says about an Ingress, beside what the last rebuild() made. Changes nothing.
  Review review(const Object& ingress);
  // Ingresses that something is served of now, or nothing any more, since this was asked.
  Standings take_served() { return std::exchange(served_changed_, {}); }

 private:
  friend class HostBuilder;
  // Hosts by name; what marks one.
  struct Hosts final : Dependant {
    StringMap<HostState> all;
    std::set<std::string> marked;
    void mark(const std::string& name) override { marked.insert(name); }
    bool dirty() const noexcept { return !marked.empty(); }
  };

  // classes.cpp: is it ours? When not, `why` says so.
  bool ours(const Ingress& ingress, std::string& why) const;
  // What the Ingress that `state` holds comes to, by all that there is: nothing here is changed, whoever asks.
  void translate(IngressState& state, LookUp& look_up, Entries& entries) const;
  void evaluate(const std::string& key);
  // Before Ingresses are evaluated: what they take of the ceilings, and for whom there is no room.
  void weigh(IngressState& state);
  void set_load(IngressState& state, std::size_t load);
  void settle_loads();
  // With `candidate` in place of the Ingress of its name; null: as it is. By Meta, of the candidate too.
  std::map<const Meta*, OverCeiling> over_now(const IngressState* candidate) const;
  void review_load(IngressState& candidate) const;
  // The hosts that the Ingress has rules for; what of them cannot be, or is not its namespace's, is reported.
  Names hosts_claimed_by(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const;
  // What of `ingress` counts for its hosts, `result` being its annotations; `entries`: what options close of it.
  void accept(IngressState& state, AnnotationResult&& result, Entries& entries) const;
  // The same of a canary, but for its hosts.
  void accept_canary(IngressState& state, AnnotationResult&& result) const;
  Names canary_hosts_of(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const;
  void take_wish(IngressState& state) const;
  bool has_canaries(const std::string& host) const { return canaries_.contains(host); }
  // Most come in the order of their keys.
  void serve(const std::string& key, bool yes) {
    served_changed_.insert_or_assign(served_changed_.end(), StatusKey{Ingress::kRow.name, key, {}}, yes);
  }
  void leave_canaries(const std::string& host, const std::string& ingress);
  std::vector<const IngressState*> claims_at(const std::string& host, const IngressState* candidate) const;
  std::vector<const IngressState*> canaries_at(const std::string& host, const IngressState* candidate) const;
  // other_names.h: the other names that the Ingress asks for, once its hosts are known.
  void take_names(IngressState& state, const AnnotationValues& values, Entries& entries) const;
  std::map<std::string, NameWish> wishes_of(const std::string& host, const IngressState* candidate) const;
  // Nothing where nobody asks for the name by a wish that counts. `candidate`: null, none.
  std::optional<NameHolder> holder_of(const std::string& name, const NameCandidate* candidate) const;
  std::optional<NameHolder> choose_holder(const std::string& name, const NameCandidate* candidate) const;
  NameStanding standing_of(const std::string& name, const NameWish& wish, const NameCandidate* candidate) const;
  bool is_for_any_name(const std::string& name) const;
  // The oldest Ingress with a rule for the host; null: there is none.
  const IngressState* eldest_at(const std::string& host, const IngressState* candidate) const;
  const IngressState* eldest_of_catch_all() const;
  NameCandidate candidate_for_names(const IngressState& ingress, const std::string& host,
                                    const std::map<std::string, NameWish>& wishes) const;
  void forget_holders();
  // Before hosts are rebuilt: marks those too that have a name, or lose it, by what has changed.
  void settle_names();
  // review.cpp: what of the host's conflicts speaks against the candidate.
  void judge_conflicts(const BuiltHost& built, const std::string& host, const std::string& candidate,
                       Review& out) const;
  void rebuild_host(const std::string& name, model::Change& change);

  Core& core_;
  const OptionBuilder& options_;
  Clusters& clusters_;
  Certificates& certificates_;
  std::string default_backend_service_, default_backend_port_;  // of --default-backend
  StringMap<IngressState> ingresses_;                           // by "ns/name"
  Hosts hosts_;
  StringMap<Names> canaries_;  // by host: Ingresses of ours that are canaries there and served; none has an empty list
  StringMap<std::map<std::string, NameWish>> wishes_;               // by other name, then by the host that asks for it
  NamePlaces pattern_wishes_;                                       // of them the regular expressions
  NamePlaces::Given places_;                                        // of these, those that count
  mutable StringMap<bool> for_any_name_;                            // regular expressions that were asked about that
  mutable StringMap<std::optional<NameHolder>> holders_;            // by name, as asked for since settle_names()
  mutable std::optional<const IngressState*> eldest_of_catch_all_;  // likewise
  std::set<std::string> dirty_;
  StringMap<std::size_t> loads_;  // by namespace; none is 0
  std::size_t load_ = 0;          // of all
  std::size_t crowded_ = 0;       // namespaces that are above their ceiling
  std::size_t over_ = 0;          // Ingresses that there is no room for
  bool loads_changed_ = false;    // or their ages
  std::size_t asking_ = 0;        // Ingresses that ask for other names of their hosts
  bool all_dirty_ = false;
  Standings served_changed_;
};

// Older first; objects without a timestamp in the order of the files. Ties: namespace/name descending, as in
// ingress-nginx.
bool older(const Meta& a, const Meta& b);

}  // namespace sluice::control
