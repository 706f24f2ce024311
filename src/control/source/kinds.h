#pragma once
#include <span>
#include <string>
#include <string_view>

// The kinds of objects that routing is made of, a row each. What lists, watches, decodes and asks for them goes by this
// table, and so do the rights that it takes: `sluice docs rbac` prints them, and a test holds the manifests and the
// chart to that. Names are those of the Kubernetes API.
namespace sluice::control {

struct KindRow {
  const char* name;     // "Ingress"
  const char* group;    // "networking.k8s.io"; "" the core group
  const char* version;  // "v1"
  const char* plural;   // "ingresses", as in paths and in RBAC
  bool namespaced = true;
  bool listed = true;         // all are listed and watched, else none; the options' ConfigMap is listed by its name
  const char* selector = "";  // of that list, as in a query
  bool deniable = false;      // without the right to list them there is another way
  bool by_name = false;       // those that other objects or options name are asked for one by one
  bool has_status = false;    // that we write

  // "networking.k8s.io/v1", "v1"
  std::string api_version() const;
  // Of all, or of those of one namespace: "/apis/networking.k8s.io/v1/namespaces/shop/ingresses".
  std::string path(std::string_view ns = {}) const;
};

// In the order of Object's alternatives.
inline constexpr KindRow kKinds[] = {
    {.name = "Ingress", .group = "networking.k8s.io", .version = "v1", .plural = "ingresses", .has_status = true},
    {.name = "IngressClass",
     .group = "networking.k8s.io",
     .version = "v1",
     .plural = "ingressclasses",
     .namespaced = false,
     .deniable = true},
    {.name = "Service", .group = "", .version = "v1", .plural = "services"},
    {.name = "EndpointSlice", .group = "discovery.k8s.io", .version = "v1", .plural = "endpointslices"},
    {.name = "Secret",
     .group = "",
     .version = "v1",
     .plural = "secrets",
     .selector = "fieldSelector=type%3Dkubernetes.io%2Ftls",
     .deniable = true,
     .by_name = true},
    {.name = "ConfigMap", .group = "", .version = "v1", .plural = "configmaps", .listed = false, .by_name = true},
};

// Null: none of them.
const KindRow* kind_of(std::string_view name) noexcept;

// The rules of RBAC in YAML that all of this takes in a cluster, without those of the own namespace.
std::string rbac_rules();

}  // namespace sluice::control
