#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "control/source/kinds/config_map.h"
#include "control/source/kinds/endpoint_slice.h"
#include "control/source/kinds/ingress.h"
#include "control/source/kinds/ingress_class.h"
#include "control/source/kinds/secret.h"
#include "control/source/kinds/service.h"

// The kinds of objects that routing is made of. What lists, watches, decodes and asks for them goes by this table, and
// so do the rights that it takes: `sluice docs rbac` prints them, and a test holds the manifests and the chart to that.
// Names are those of the Kubernetes API.
namespace sluice::control {

template <class... Kind>
struct KindList {
  using Object = std::variant<Kind...>;
  static constexpr KindRow kRows[] = {Kind::kRow...};
  // Of one of them in the list.
  template <class One>
  static constexpr std::size_t kPlace = [] {
    std::size_t place = 0;
    (void)((std::is_same_v<One, Kind> || (++place, false)) || ...);
    return place;
  }();
};

using Kinds = KindList<Ingress,        //
                       IngressClass,   //
                       Service,        //
                       EndpointSlice,  //
                       Secret,         //
                       ConfigMap>;
inline constexpr auto& kKinds = Kinds::kRows;

// Null: none of them.
const KindRow* kind_of(std::string_view name) noexcept;

// The rules of RBAC in YAML that all of this takes in a cluster, without those of the own namespace.
std::string rbac_rules();

}  // namespace sluice::control
