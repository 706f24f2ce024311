#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include "data/snapshot/snapshot.h"

namespace sluice::data {

// What a worker serves from at the moment, with a count of the exchanges that hold on to it. One thread.
class View {
 public:
  explicit View(std::shared_ptr<const Snapshot> s) : snapshot_(std::move(s)) {}
  const Snapshot& snapshot() const noexcept { return *snapshot_; }
  void pin() noexcept { ++pins_; }
  void unpin() noexcept {
    if (--pins_ == 0)
      delete this;  // the Publisher holds another reference: the Snapshot is freed on the control thread
  }

 private:
  ~View() = default;
  std::shared_ptr<const Snapshot> snapshot_;
  std::uint32_t pins_ = 1;
};

}  // namespace sluice::data
