#pragma once
#include <compare>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "control/control.h"
#include "control/source/object.h"
#include "control/source/source.h"

// Objects in, Model out, at the cost of what changed. An upsert or erase marks what depends on the object; commit()
// rebuilds only that. One thread.
namespace sluice::control {

class Store {
 public:
  explicit Store(Settings settings);
  ~Store();

  void upsert(ObjectPtr object);
  void moved(ObjectPtr object);  // the same content at another place
  void erase(const Object& object);
  void apply(const ObjectChanges& changes);
  // Problems of the source, shown beside those of the translators.
  void source_problems(std::vector<model::Entry> entries);

  // Addresses of an ExternalName, as the resolver learned them; `error`: why there are none.
  void resolved(const std::string& name, std::vector<std::string> addresses, std::string error);
  // Host names that Services in use want resolved, in order.
  const std::map<std::string, std::set<std::string>>& external_names() const;
  // What ExternalName clusters say before an answer is there.
  void resolve_at_run_time(bool yes);

  // Where this machine is reached has been looked up again: `addresses`, sorted.
  void reached_by(std::vector<model::Ip> addresses);
  // Do the addresses of this machine matter, because something of ours listens on all of them?
  bool listens_everywhere() const;

  // Of objects that change one after the other the second may be on its way: what was good before is used until it is
  // there, for kGrace at most (former.cpp). Says what time it is; before it is called nothing is kept.
  static constexpr auto kGrace = std::chrono::seconds(30);
  void at(Instant now);
  // When at() is to be called next, because something is kept until then; far in the future where nothing is.
  Instant next() const;

  bool dirty() const;
  // The Model with everything applied. The returned Model does not change while anybody holds it.
  Update commit();

  // Does the Report of the last commit() differ from the one before?
  bool report_changed() const;
  // What the webhook says about an Ingress, beside what the last commit() made.
  Review review(const Object& ingress);
  // What the last commits changed for the source, since this was asked before; without the Report.
  Feedback feedback();

  // How often each kind of part was rebuilt, for tests and benches.
  struct Work {
    std::uint64_t ingresses = 0, hosts = 0, clusters = 0, certificates = 0, options = 0;
  };
  const Work& work() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::control
