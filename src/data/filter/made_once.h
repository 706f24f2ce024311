#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "model/shared.h"

namespace sluice::data {

// What a step makes of a value that many routes share (SharedSettings), made once and kept for as long as one of them
// is served: a thousand routes behind one list of users look into one table. By the address of the value, which is held
// meanwhile.
template <class Made, class T>
std::shared_ptr<const Made> made_once(const model::Common<T>& of) {
  struct Kept {
    explicit Kept(const model::Common<T>& value) : from(value), made(from.get()) {}
    const model::Common<T> from;
    const Made made;
  };
  static std::mutex mutex;
  static std::unordered_map<const T*, std::weak_ptr<const Kept>> known;
  static std::size_t tidy_at = 64;  // entries; those that nobody holds are let go of then
  const std::lock_guard lock(mutex);
  auto& slot = known[&of.get()];
  auto kept = slot.lock();
  if (!kept) {
    kept = std::make_shared<const Kept>(of);
    slot = kept;
    if (known.size() > tidy_at) {
      std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
      tidy_at = std::max<std::size_t>(64, known.size() * 2);
    }
  }
  return {kept, &kept->made};
}

}  // namespace sluice::data
