#include "control/kube/shared_settings.h"

#include <algorithm>
#include <boost/pfr.hpp>
#include <cstdint>
#include <type_traits>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/hash.h"

namespace sluice::control {

namespace {

// The one copy of each value of a type.
template <class T>
class Table {
 public:
  using Part = model::Shared<T>;
  bool has(const Part& part) const { return here_.contains(part.get()); }
  // Null: there is none that is equal.
  Part find(std::size_t hash, const T& value) const {
    auto [from, to] = known_.equal_range(hash);
    for (; from != to; ++from)
      if (Part part = from->second.lock(); part && *part == value) return part;
    return {};
  }
  void add(std::size_t hash, const Part& part) {
    if (known_.size() >= tidy_at_) {
      std::erase_if(known_,
                    [&](const auto& entry) { return entry.second.gone() && here_.erase(entry.second.address()); });
      tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
    }
    here_.insert(part.get());
    known_.emplace(hash, typename Part::Watch(part));
  }
  std::size_t size() const noexcept { return known_.size(); }

 private:
  std::unordered_multimap<std::size_t, typename Part::Watch> known_;
  std::unordered_set<const T*> here_;  // the same by their addresses, which nobody else gets while they are watched
  std::size_t tidy_at_ = 64;           // entries; what is left of those that are gone is let go of then
};

// Its members are looked at one by one.
template <class T>
constexpr bool has_members = std::is_aggregate_v<T>;

}  // namespace

class SharedSettings::Parts {
 public:
  template <class T>
  Table<T>& table() {
    auto& slot = tables_[typeid(T)];
    if (!slot) slot = std::make_shared<Table<T>>();
    return *static_cast<Table<T>*>(slot.get());
  }

  // Makes each part of the value the one copy of its equals.
  template <class T>
  void settle(T& value) {
    if constexpr (has_members<T>) boost::pfr::for_each_field(value, [this](auto& member) { settle(member); });
  }
  template <class T>
  void settle(model::Common<T>& value) {
    auto part = value.part();
    settle(part);
    value.share(std::move(part));
  }
  template <class T>
  void settle(model::Shared<T>& part) {
    if (!part || table<T>().has(part)) return;
    if constexpr (has_members<T>) {
      T copy = *part;
      settle(copy);
      part = one_copy(std::move(copy));
    } else {
      part = one_copy(std::move(part));
    }
  }

  // Of a value whose own parts are settled.
  template <class T>
  model::Shared<T> one_copy(model::Shared<T> part) {
    model::Hash hash;
    add(hash, *part);
    auto& known = table<T>();
    if (auto same = known.find(hash.value(), *part)) return same;
    known.add(hash.value(), part);
    return part;
  }
  template <class T>
  model::Shared<T> one_copy(T value) {
    return one_copy(model::Shared<T>(std::move(value)));
  }

 private:
  // Those that are equal are at one address: a text is not read again for each of those that have it.
  template <class T>
  static void add(model::Hash& hash, const T& value) {
    if constexpr (has_members<T>)
      boost::pfr::for_each_field(value, [&](const auto& member) { add(hash, member); });
    else
      hash.add(value);
  }
  template <class T>
  static void add(model::Hash& hash, const model::Shared<T>& part) {
    hash.add(reinterpret_cast<std::uintptr_t>(part.get()));
  }
  template <class T>
  static void add(model::Hash& hash, const model::Common<T>& value) {
    add(hash, value.part());
  }

  std::unordered_map<std::type_index, std::shared_ptr<void>> tables_;  // Table<T> by T
};

SharedSettings::SharedSettings() : parts_(std::make_unique<Parts>()) {}
SharedSettings::~SharedSettings() = default;

model::Shared<model::RouteSettings> SharedSettings::of(model::RouteSettings settings) {
  if (last_ && *last_ == settings) return last_;
  parts_->settle(settings);
  return last_ = parts_->one_copy(std::move(settings));
}

std::size_t SharedSettings::size() const {
  return parts_->table<model::RouteSettings>().size();
}

}  // namespace sluice::control
