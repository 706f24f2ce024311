#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "data/routing/route_table.h"
#include "model/stream_listener.h"
#include "sluice/stream_figures.h"

// The ports of a Snapshot that are passed on to Services, with what they lead to.
namespace sluice::data {

struct StreamTarget {
  // Unchanged from Snapshot to Snapshot while it says the same; connections hold on to it.
  std::shared_ptr<const model::StreamListener> spec;
  ClusterId cluster = kNoCluster;
  std::shared_ptr<StreamFigures> figures;  // the same for as long as the port leads to the same Cluster
  bool operator==(const StreamTarget&) const = default;
};

// Immutable.
class StreamTable {
 public:
  // `before`: the table before, which it stays where nothing differs; null: there was none. `number_of`: the Cluster of
  // a name.
  template <class NumberOf>
  static std::shared_ptr<const StreamTable> make(const model::StreamListeners& wanted,
                                                 const std::shared_ptr<const StreamTable>& before,
                                                 const NumberOf& number_of) {
    auto out = std::make_shared<StreamTable>();
    out->all_.reserve(wanted.size());
    for (const model::StreamListener& spec : wanted) {
      const StreamTarget* known = before != nullptr ? before->find(spec.transport, spec.port) : nullptr;
      const bool same = known != nullptr && *known->spec == spec;
      const bool leads_there = known != nullptr && known->spec->cluster == spec.cluster;
      out->all_.push_back({same ? known->spec : std::make_shared<const model::StreamListener>(spec),
                           number_of(spec.cluster), leads_there ? known->figures : std::make_shared<StreamFigures>()});
    }
    if (before != nullptr && before->all_ == out->all_) return before;
    return out;
  }
  // Null: the port is not passed on.
  const StreamTarget* find(model::Transport transport, std::uint16_t port) const noexcept;
  const std::vector<StreamTarget>& all() const noexcept { return all_; }  // in the order of place()

 private:
  std::vector<StreamTarget> all_;
};

}  // namespace sluice::data
