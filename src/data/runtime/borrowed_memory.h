#pragma once
#include <memory>
#include <utility>

#include "data/runtime/worker_context.h"

namespace sluice::data {

// The memory of an exchange of our own, lent by the worker for as long as this lives; its thread. What refers to it
// ends before.
class BorrowedMemory {
 public:
  explicit BorrowedMemory(WorkerContext& worker) : worker_(worker), memory_(worker.borrow_memory()) {}
  ~BorrowedMemory() { worker_.return_memory(std::move(memory_)); }
  BorrowedMemory(const BorrowedMemory&) = delete;
  BorrowedMemory& operator=(const BorrowedMemory&) = delete;
  ExchangeMemory& operator*() const noexcept { return *memory_; }
  ExchangeMemory* operator->() const noexcept { return memory_.get(); }

 private:
  WorkerContext& worker_;
  std::unique_ptr<ExchangeMemory> memory_;
};

}  // namespace sluice::data
