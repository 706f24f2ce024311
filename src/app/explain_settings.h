#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace sluice::app {

// A setting of a route as `sluice explain` shows it.
struct SettingRow {
  std::string name;  // the annotation's or ConfigMap's name
  std::string value;
  std::string from;  // what made it differ from the default, with the default; empty when it does not differ
};

// The limits and timeouts always, everything else only when it differs from the default.
// `cluster` may be null. `has`: is there such an annotation on the route's Ingress?
std::vector<SettingRow> settings_of(const model::RouteSettings& route, const model::Cluster* cluster,
                                    const model::Options& options, const std::function<bool(std::string_view)>& has);

}  // namespace sluice::app
