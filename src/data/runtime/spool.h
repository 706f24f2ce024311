#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/blocking_pool.h"

namespace sluice::data {

class DiskBody;

// What of bodies may lie on the disk, and where (docs/buffering.md). A namespace has half of it, so that none fills it
// alone. Any thread; takes a lock, once for each piece.
class Spool {
 public:
  struct Limits {
    std::string directory;  // empty: nothing lies on the disk
    std::uint64_t bytes = 1ULL << 30;
    std::uint32_t files = 4096;
  };
  enum class Refusal : std::uint8_t { none, own_share, all };

  // Before there is a request. `pool`: where the disk is waited for; null: nothing lies on the disk.
  void configure(Limits limits, BlockingPool* pool) {
    limits_ = std::move(limits);
    pool_ = pool;
  }
  BlockingPool* pool() const noexcept { return pool_; }
  const std::string& directory() const noexcept { return limits_.directory; }
  // What one namespace may have at most.
  std::uint64_t share() const noexcept { return limits_.bytes / 2; }

  // A body of the namespace, without a file as yet; null where there is no room for another one, or no memory.
  std::shared_ptr<DiskBody> begin(std::string_view whose) noexcept;
  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint32_t files() const noexcept { return files_.load(std::memory_order_relaxed); }

 private:
  friend class DiskBody;
  struct Share {
    std::uint64_t bytes = 0;
    std::uint32_t files = 0;
  };
  using Shares = std::map<std::string, Share, std::less<>>;
  Refusal take(Shares::value_type& whose, std::uint64_t bytes) noexcept;
  void end(Shares::value_type& whose, std::uint64_t bytes) noexcept;

  Limits limits_;
  BlockingPool* pool_ = nullptr;
  std::mutex mutex_;
  Shares shares_;  // of those that have a file
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint32_t> files_{0};
};

// A file without a name: it goes with the process, however that ends. One writes and one reads at a time, what was
// written before; both wait meanwhile.
class DiskBody {
 public:
  ~DiskBody();
  DiskBody(const DiskBody&) = delete;
  DiskBody& operator=(const DiskBody&) = delete;
  // Bytes that were written.
  std::uint64_t size() const noexcept { return size_; }
  // What is written from here on stands in place of what was there before.
  void restart() noexcept { size_ = 0; }
  // Room for so many further bytes, before they are written.
  Spool::Refusal take(std::uint64_t bytes) noexcept;

  // On a thread of the pool, while another one may read. 0, or errno: then nothing counts of it. The first write makes
  // the file.
  int write(std::string_view bytes) noexcept;
  // `size` bytes from `at` on, which were written.
  int read(std::uint64_t at, char* into, std::size_t size) noexcept;

 private:
  friend class Spool;
  DiskBody(Spool& spool, Spool::Shares::value_type& whose) noexcept : spool_(spool), whose_(whose) {}
  Spool& spool_;
  Spool::Shares::value_type& whose_;
  int fd_ = -1;
  std::uint64_t size_ = 0, taken_ = 0;
};

}  // namespace sluice::data
