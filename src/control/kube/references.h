#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/kube/objects.h"
#include "control/kube/readings.h"

// Which object concerns whom: the one index for all kinds of objects and all that is made of them. An object that
// comes, changes or goes marks whoever named it, through this and nothing else.
namespace sluice::control {

// An object by its kind (the place in the list) and "ns/name", be it there or not.
struct ObjectName {
  std::uint8_t kind;
  std::string key;
  auto operator<=>(const ObjectName&) const = default;
};
template <class Kind>
ObjectName name_of(std::string key) {
  return {static_cast<std::uint8_t>(kPlace<Kind>), std::move(key)};
}

// Finds objects by "ns/name" and records which ones were asked for, be they there or not: whoever asked is to be read
// again when one of them comes, changes or goes. What it returns lives until further objects are taken.
class LookUp {
 public:
  // They must outlive it.
  LookUp(const Objects& objects, Readings& readings) : objects_(objects), readings_(readings) {}

  // Null when it is not there yet.
  template <class Kind>
  const Kind* find(std::string_view key) {
    record(kPlace<Kind>, key);
    return objects_.find<Kind>(key);
  }
  const Secret* secret(std::string_view key) { return find<Secret>(key); }
  // One that cannot be read is as if it were not there.
  const ConfigMap* config_map(std::string_view key) {
    const ConfigMap* map = find<ConfigMap>(key);
    return map != nullptr && map->unreadable ? nullptr : map;
  }

  // Of what was found, each thing once for all who look it up.
  Readings& readings() const noexcept { return readings_; }

  // Each that was asked for once, in order.
  std::vector<ObjectName> take() { return std::move(named_); }

 private:
  void record(std::size_t kind, std::string_view key);

  const Objects& objects_;
  Readings& readings_;
  std::vector<ObjectName> named_;
};

// Who makes something of objects, in parts that have names. It is told what concerns it and remembers that until it
// makes its parts anew.
class Dependant {
 public:
  // An object that this part named has come, changed or gone. Must not change the index.
  virtual void mark(const std::string& /*part*/) {}
  // The same of any object of a kind that concerns it altogether (References::all_of); `moved`: the same content at
  // another place of a file.
  virtual void came(const ObjectPtr&) {}
  virtual void moved(const ObjectPtr&) {}
  virtual void went(const Object&) {}

 protected:
  ~Dependant() = default;
};

class References {
  struct Edge {
    Dependant* who;
    const std::string* part;
    auto operator<=>(const Edge&) const = default;
  };
  struct Users {
    std::vector<Edge> edges;  // in order
    std::uint8_t kind = 0;
  };
  using Named = StringMap<Users>::value_type;

 public:
  // What a part names, to be kept beside it, in the size of one pointer.
  class Uses {
   public:
    bool empty() const noexcept { return !named_; }

   private:
    friend class References;
    std::span<Named* const> all() const noexcept;
    std::unique_ptr<Named*[]> named_;  // in order, and a null behind them; null: nothing
  };

  // `part` of `who` names `objects` from here on (each once, in order) and nothing else. The text of `part` stays where
  // it is as long as it names anything.
  void set(Uses& uses, Dependant& who, const std::string& part, const std::vector<ObjectName>& objects);
  // Every object of the kind concerns `who`, who outlives this.
  template <class Kind>
  void all_of(Dependant& who) {
    all_of_[kPlace<Kind>].push_back(&who);
  }

  // `before`: the former version, or null.
  void came(const ObjectPtr& object, const Object* before) const;
  void moved(const ObjectPtr& object) const;
  // `last`: the version that was there.
  void went(const Object& last) const;

  // Does anybody name the object?
  template <class Kind>
  bool is_named(std::string_view key) const {
    return named_[kPlace<Kind>].contains(key);
  }

  // Have objects that are asked for by name (KindRow::by_name) been named for the first time, or are named no more,
  // since this was asked?
  bool named_anew() { return std::exchange(named_anew_, false); }
  // Their identities.
  std::set<std::string> named() const;

 private:
  void mark(std::size_t kind, const std::string& ns, std::string_view name) const;
  void mark_whole(const Object& object) const;

  std::array<StringMap<Users>, std::size(kKinds)> named_;  // by kind and "ns/name"; nobody's are not there
  std::array<std::vector<Dependant*>, std::size(kKinds)> all_of_;
  bool named_anew_ = false;
};

}  // namespace sluice::control
