#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/source/kinds.h"
#include "model/report.h"
#include "model/shared.h"

// What every source of configuration yields: the parts of Kubernetes objects that Sluice reads, as plain values.
// Immutable once made and shared between threads by ObjectPtr. Field names are those of the Kubernetes API
// (networking.k8s.io/v1, v1, discovery.k8s.io/v1).
namespace sluice::control {

inline constexpr std::int64_t kNoTimestamp = std::numeric_limits<std::int64_t>::max();

// The annotation that Sluice itself writes (--status-annotation): no part of what is wanted, so never in Meta.
inline constexpr const char* kVerdict = "sluice.dev/verdict";

struct Meta {
  std::string ns = "default";
  std::string name;
  std::int64_t created =
      kNoTimestamp;            // seconds since 1970; objects without a timestamp are younger than those with one
  std::uint64_t position = 0;  // order inside the file
  std::map<std::string, std::string> annotations;
  model::Origin origin;
  // Two versions of an object are the same when only their place in a file differs.
  bool operator==(const Meta& o) const {
    return ns == o.ns && name == o.name && created == o.created && annotations == o.annotations;
  }
};

// IngressBackend. `port` is the port as written, number or name; `resource`: a backend of kind Resource.
struct Backend {
  std::string service;
  std::string port;
  bool port_is_number = false;
  bool resource = false;
  bool operator==(const Backend&) const = default;
};

struct IngressPath {
  std::string path;
  Text type;  // as written, may be empty
  Backend backend;
  bool operator==(const IngressPath&) const = default;
};

struct IngressRule {
  std::string host;
  std::vector<IngressPath> paths;
  bool operator==(const IngressRule&) const = default;
};

struct IngressTls {
  std::vector<std::string> hosts;
  std::string secret;
  bool operator==(const IngressTls&) const = default;
};

struct Ingress {
  Meta meta;
  std::optional<Text> class_name;
  model::Shared<Backend> default_backend;  // null: none
  std::vector<IngressTls> tls;
  std::vector<IngressRule> rules;
  bool operator==(const Ingress&) const = default;
};

struct IngressClass {
  Meta meta;
  std::string controller;
  bool operator==(const IngressClass&) const = default;
};

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::string target;  // number or name; empty: the same as port
  Text protocol;
  Text app_protocol;  // empty: not said
  bool operator==(const ServicePort&) const = default;
};

struct Service {
  Meta meta;
  Text type;
  std::vector<std::string> cluster_ips;
  std::string external_name;
  std::vector<ServicePort> ports;
  bool operator==(const Service&) const = default;
};

struct SliceEndpoint {
  std::vector<std::string> addresses;
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::string pod;  // namespace/name when targetRef names one
  bool operator==(const SliceEndpoint&) const = default;
};

struct SlicePort {
  std::string name;
  std::uint16_t port = 0;
  Text protocol;
  bool operator==(const SlicePort&) const = default;
};

struct EndpointSlice {
  Meta meta;
  Text address_type;
  std::string service;  // label kubernetes.io/service-name
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

// `data` is decoded already. Values are never printed.
struct Secret {
  Meta meta;
  std::string type;
  std::map<std::string, std::string> data;
  bool operator==(const Secret&) const = default;
};

struct ConfigMap {
  Meta meta;
  std::map<std::string, std::string> data;
  bool operator==(const ConfigMap&) const = default;
};

using Object = std::variant<Ingress, IngressClass, Service, EndpointSlice, Secret, ConfigMap>;
static_assert(sizeof(Object) <= 240);  // there are ten thousands of them, each with what counts its users
using ObjectPtr = std::shared_ptr<const Object>;

static_assert(std::size(kKinds) == std::variant_size_v<Object>);

inline const Meta& meta(const Object& o) {
  return std::visit([](const auto& v) -> const Meta& { return v.meta; }, o);
}
inline const char* kind(const Object& o) {
  return kKinds[o.index()].name;
}

// "Ingress/default/app": what makes an object the same one in its next version.
inline std::string identity(const char* kind, const std::string& ns, const std::string& name) {
  std::string out = kind;
  out += '/';
  out += ns;
  out += '/';
  out += name;
  return out;
}
inline std::string identity(const Object& o) {
  return identity(kind(o), meta(o).ns, meta(o).name);
}

inline model::ObjectRef reference(const char* kind, const Meta& m) {
  return {kind, m.ns, m.name, m.origin};
}
inline model::ObjectRef reference(const Object& o) {
  static const auto kinds = [] {
    std::vector<Text> out;
    for (const KindRow& kind : kKinds) out.emplace_back(kind.name);
    return out;
  }();
  const Meta& m = meta(o);
  return {kinds[o.index()], m.ns, m.name, m.origin};
}

// What a source reports after it has looked: objects that are new or changed, identities that are gone.
struct ObjectChanges {
  std::vector<ObjectPtr> upserts;
  std::vector<ObjectPtr> moved;   // the same content at another place of a file
  std::vector<ObjectPtr> erased;  // the last form of what is gone, which may never have been handed out
  bool problems_changed = false;  // the source's own entries (unreadable files, ignored kinds) differ
  bool empty() const { return upserts.empty() && moved.empty() && erased.empty() && !problems_changed; }
};

}  // namespace sluice::control
