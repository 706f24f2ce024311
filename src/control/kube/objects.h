#pragma once
#include <array>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/strings.h"
#include "control/source/object.h"

// What is there: the last version of each object. Nothing that is made of objects is kept here. One thread.
namespace sluice::control {

inline std::string key_of(const Meta& m) {
  return m.ns + "/" + m.name;
}

class Objects {
 public:
  // The version before; null: there was none.
  ObjectPtr put(ObjectPtr object);
  // The object of this name, be it in another version; null: there was none.
  ObjectPtr remove(const Object& object);

  // Null: there is none. `key`: "ns/name"; "/name" of kinds without namespaces. What it returns lives until further
  // objects are taken.
  const Object* find(std::size_t kind, std::string_view key) const;
  template <class Kind>
  const Kind* find(std::string_view key) const {
    const Object* found = find(kPlace<Kind>, key);
    return found ? &std::get<Kind>(*found) : nullptr;
  }
  template <class Kind>
  bool has(std::string_view key) const {
    return find(kPlace<Kind>, key) != nullptr;
  }
  // All of a kind, in no order.
  template <class Kind, class F>
  void each(F&& f) const {
    for (const Slot& slot : all_[kPlace<Kind>]) f(std::get<Kind>(*slot.object));
  }
  // The parts of an object (whole_of), by name; none where there are none. The object itself need not be there.
  template <class Kind>
  const std::vector<ObjectPtr>& parts(std::string_view key) const {
    static const std::vector<ObjectPtr> none;
    const auto found = parts_[kPlace<Kind>].find(key);
    return found == parts_[kPlace<Kind>].end() ? none : found->second;
  }
  // Calls f(key, parts) for each object that has some.
  template <class Kind, class F>
  void each_with_parts(F&& f) const {
    for (const auto& [key, parts] : parts_[kPlace<Kind>]) f(key, parts);
  }

 private:
  // Found by the names in the object: they are there once.
  struct Slot {
    mutable ObjectPtr object;
  };
  struct Name {
    std::string_view ns, name;
    Name(std::string_view of, std::string_view called) : ns(of), name(called) {}
    Name(const Slot& slot) : Name(meta(*slot.object).ns, meta(*slot.object).name) {}
    bool operator==(const Name&) const = default;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Name& n) const noexcept {
      const std::hash<std::string_view> hash;
      return hash(n.ns) * 31 + hash(n.name);
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Name& a, const Name& b) const noexcept { return a == b; }
  };
  void add_part(const ObjectPtr& object);
  void remove_part(const Object& object);

  static constexpr std::size_t kCount = std::size(kKinds);
  std::array<std::unordered_set<Slot, Hash, Equal>, kCount> all_;
  std::array<StringMap<std::vector<ObjectPtr>>, kCount> parts_;  // by the kind and "ns/name" of the whole
};

}  // namespace sluice::control
