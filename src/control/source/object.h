#pragma once
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/source/kinds.h"
#include "model/report.h"

// What every source of configuration yields: the parts of Kubernetes objects that Sluice reads, as plain values.
// Immutable once made and shared between threads by ObjectPtr. Field names are those of the Kubernetes API
// (networking.k8s.io/v1, v1, discovery.k8s.io/v1).
namespace sluice::control {

using Object = Kinds::Object;
static_assert(sizeof(Object) <= 240);  // there are ten thousands of them, each with what counts its users
using ObjectPtr = std::shared_ptr<const Object>;

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

// The same of a kind that is known.
template <class Kind>
  requires requires { Kind::kRow; }
model::ObjectRef reference(const Kind& o) {
  static const Text kind(Kind::kRow.name);
  return {kind, o.meta.ns, o.meta.name, o.meta.origin};
}

// The place of a kind in the list.
template <class Kind>
inline constexpr std::size_t kPlace = Kinds::kPlace<Kind>;

// What an object is a part of: its kind says so by PartOf and whole(). Whatever depends on the whole depends on it.
struct Whole {
  std::size_t kind;       // its place
  std::string_view name;  // of the same namespace
};
inline std::optional<Whole> whole_of(const Object& o) {
  return std::visit(
      []<class Kind>(const Kind& v) -> std::optional<Whole> {
        if constexpr (requires { typename Kind::PartOf; })
          return Whole{kPlace<typename Kind::PartOf>, v.whole()};
        else
          return std::nullopt;
      },
      o);
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
