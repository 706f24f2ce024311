#pragma once
#include <span>
#include <string>
#include <string_view>

// The kinds of objects that routing is made of, a row each. What lists, watches, decodes and asks for them goes by this
// table, and so do the rights that it takes: `sluice docs rbac` prints them, and a test holds the manifests and the
// chart to that. Names are those of the Kubernetes API.
namespace sluice::control {

// "networking.k8s.io" of "networking.k8s.io/v1"; empty: the core group, or no version at all.
constexpr std::string_view group_of(std::string_view api_version) noexcept {
  const auto slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

struct KindRow {
  const char* name;              // "Ingress"
  std::string_view api_version;  // "networking.k8s.io/v1"; "v1" of the core group
  const char* plural;            // "ingresses", as in paths and in RBAC
  bool namespaced = true;
  bool listed = true;         // all are listed and watched, else none; the options' ConfigMap is listed by its name
  const char* selector = "";  // of that list, as in a query
  bool deniable = false;      // without the right to list them there is another way
  bool by_name = false;       // those that other objects or options name are asked for one by one
  bool has_status = false;    // that we write

  constexpr std::string_view group() const noexcept { return group_of(api_version); }
  // Of all, or of those of one namespace: "/apis/networking.k8s.io/v1/namespaces/shop/ingresses".
  std::string path(std::string_view ns = {}) const;
};

// In the order of Object's alternatives.
inline constexpr KindRow kKinds[] = {
    {.name = "Ingress", .api_version = "networking.k8s.io/v1", .plural = "ingresses", .has_status = true},
    {.name = "IngressClass",
     .api_version = "networking.k8s.io/v1",
     .plural = "ingressclasses",
     .namespaced = false,
     .deniable = true},
    {.name = "Service", .api_version = "v1", .plural = "services"},
    {.name = "EndpointSlice", .api_version = "discovery.k8s.io/v1", .plural = "endpointslices"},
    {.name = "Secret",
     .api_version = "v1",
     .plural = "secrets",
     .selector = "fieldSelector=type%3Dkubernetes.io%2Ftls",
     .deniable = true,
     .by_name = true},
    {.name = "ConfigMap", .api_version = "v1", .plural = "configmaps", .listed = false, .by_name = true},
};

// Null: none of them.
const KindRow* kind_of(std::string_view name) noexcept;

// The rules of RBAC in YAML that all of this takes in a cluster, without those of the own namespace.
std::string rbac_rules();

}  // namespace sluice::control
