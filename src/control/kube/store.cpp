#include "control/kube/store.h"

#include <utility>

#include "control/kube/ingress/translator.h"
#include "control/kube/option_builder.h"
#include "control/kube/own_addresses.h"
#include "control/kube/streams/translator.h"
#include "control/kube/whereabouts.h"

namespace sluice::control {

// Whoever stands here knows those above it alone.
struct Store::State {
  explicit State(Settings settings) : core(std::move(settings)) {}

  Core core;
  OptionBuilder options{core};
  Clusters clusters{core, options};
  Whereabouts whereabouts{core, clusters};
  Certificates certificates{core};
  OwnAddresses own{core, clusters};
  StreamTranslator streams{core, clusters, own};
  IngressTranslator ingresses{core, options, clusters, certificates};
  bool first = true, report_changed = false;
};

Store::Store(Settings settings) : state_(std::make_unique<State>(std::move(settings))) {}
Store::~Store() = default;

void Store::upsert(ObjectPtr object) {
  Core& core = state_->core;
  core.readings.clear();
  const ObjectPtr before = core.objects.put(object);
  core.references.came(object, before.get());
}

void Store::moved(ObjectPtr object) {
  Core& core = state_->core;
  core.problems.moved();
  if (!core.objects.find(object->index(), key_of(meta(*object)))) return;
  core.readings.clear();
  core.objects.put(object);
  core.references.moved(object);
}

void Store::erase(const Object& object) {
  Core& core = state_->core;
  core.readings.clear();
  if (const ObjectPtr last = core.objects.remove(object)) core.references.went(*last);
}

void Store::apply(const ObjectChanges& changes) {
  for (auto& o : changes.erased) erase(*o);
  for (auto& o : changes.upserts) upsert(o);
  for (auto& o : changes.moved) moved(o);
}

void Store::source_problems(std::vector<model::Entry> entries) {
  state_->core.problems.say_of_source(std::move(entries));
}

void Store::resolved(const std::string& name, std::vector<std::string> addresses, std::string error) {
  state_->clusters.resolved(name, std::move(addresses), std::move(error));
}
const std::map<std::string, std::set<std::string>>& Store::external_names() const {
  return state_->clusters.external_names();
}
void Store::resolve_at_run_time(bool yes) {
  state_->clusters.resolve_at_run_time(yes);
}

void Store::reached_by(std::vector<model::Ip> addresses) {
  state_->own.reached_by(std::move(addresses));
}
bool Store::listens_everywhere() const {
  const auto& own = state_->core.own;
  return own && own->any();
}

void Store::at(Instant now) {
  state_->core.graces.at(now);
}
Instant Store::next() const {
  return state_->core.graces.next();
}

bool Store::report_changed() const {
  return state_->report_changed;
}
Review Store::review(const Object& ingress) {
  Review said = state_->ingresses.review(ingress);
  state_->core.readings.clear();
  return said;
}
Feedback Store::feedback() {
  auto& s = *state_;
  Feedback out;
  out.served = s.ingresses.take_served();
  if (s.core.references.named_anew()) out.named = s.core.references.named();
  return out;
}
const Store::Work& Store::work() const {
  return state_->core.work;
}

bool Store::dirty() const {
  const auto& s = *state_;
  return s.first || s.options.dirty() || s.clusters.dirty() || s.certificates.dirty() || s.own.dirty() ||
         s.streams.dirty() || s.ingresses.dirty() || s.core.problems.changed();
}

Update Store::commit() {
  auto& s = *state_;
  // Somebody may still look at the last Model: it must not change under them.
  s.core.model.begin();
  Update out;
  auto& change = out.change;
  // Ports that are opened are addresses of ours; both decide where options let requests go.
  s.streams.rebuild(change);
  s.own.rebuild(change);
  if (s.options.dirty()) {
    const auto news = s.options.rebuild(change);
    if (news.clusters) s.clusters.mark_all();
    if (news.balancing) s.clusters.choose_anew();
    if (news.settings) s.ingresses.mark_all();
  }
  s.ingresses.rebuild(change);
  s.clusters.rebuild(change);
  s.streams.report(change);
  s.certificates.rebuild(change);
  s.report_changed = s.core.problems.take_changed();
  if (s.report_changed) {
    s.core.problems.assemble(s.core.objects, s.core.model->report);
    change.report = true;
  }
  s.core.readings.clear();
  s.core.model.end(change);
  if (s.first) {
    change = {};
    change.everything = true;
    out.first = true;
    s.first = false;
  }
  out.model = s.core.model.handed_out();
  return out;
}

}  // namespace sluice::control
