#pragma once
#include <string>
#include <vector>

#include "control/kube/core.h"

namespace sluice::control {

// The options, made of their ConfigMap, of --set and of the ConfigMaps that they name. One thread.
class OptionBuilder final : public Dependant {
 public:
  explicit OptionBuilder(Core& core);

  void mark(const std::string&) override { dirty_ = true; }
  void came(const ObjectPtr& object) override;
  void moved(const ObjectPtr& object) override;
  void went(const Object& object) override;
  bool dirty() const noexcept { return dirty_; }

  // What else is to be made anew.
  struct News {
    bool clusters = false;   // Clusters: where requests may be sent, and which pods come first
    bool balancing = false;  // Clusters: how pods are chosen by default
    bool settings = false;   // whatever has settings of routes, or was read by what options allow
  };
  // Reads them anew; what follows from them (the settings of every Ingress) only if they differ.
  News rebuild(model::Change& change);

  // Settings of a route that nobody says anything of; never null once they were read.
  const model::Shared<model::RouteSettings>& defaults() const noexcept { return defaults_; }
  // Options that guard requests and are not served.
  const std::vector<std::string>& guards() const noexcept { return guards_; }

 private:
  bool is_ours(const Object& map) const { return key_of(meta(map)) == core_.settings.config_map; }
  // Another ConfigMap whose keys are options or ports: said to be read by nobody. `there`: not gone.
  void look_at_other(const ConfigMap& map, bool there);

  Core& core_;
  const std::string part_ = "options";
  References::Uses names_;  // ConfigMaps that options name
  ObjectPtr map_;           // in a cluster also when it is gone: what it said last counts
  bool gone_ = false;
  bool dirty_ = true;
  model::Shared<model::RouteSettings> defaults_;
  std::vector<std::string> guards_;
};

}  // namespace sluice::control
