#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

namespace sluice::net::tls {

constexpr std::size_t max_plain_record = 16 * 1024;              // RFC 8446 section 5.1
constexpr std::size_t max_record = 5 + max_plain_record + 2048;  // RFC 5246 section 6.2.3, the larger limit

// Buffers of a thread that all its sessions work in, one call at a time. Nothing in them outlives the call: what is
// left over moves to the session, and checked builds overwrite the rest so that a stale view shows itself.
struct Scratch {
  static constexpr std::size_t in_size = 128 * 1024;
  static constexpr std::size_t keep_out = 1 << 20;

  std::unique_ptr<char[]> in = std::make_unique_for_overwrite<char[]>(in_size);
  std::unique_ptr<char[]> plain = std::make_unique_for_overwrite<char[]>(max_plain_record);
  std::vector<char> out;
  std::size_t in_used = 0;  // most of `in` that this call touched

  void leave() {
#if defined(SLUICE_SANITIZED) || !defined(NDEBUG)
    if (in_used > 0) std::memset(in.get(), 0xdb, in_used);
    std::memset(plain.get(), 0xdb, max_plain_record);
    if (!out.empty()) std::memset(out.data(), 0xdb, out.size());
#endif
    in_used = 0;
    out.clear();
    if (out.capacity() > keep_out) std::vector<char>().swap(out);
  }
};
inline Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

// Bytes that wait in a session; holds no memory while there are none.
class Tail {
 public:
  bool empty() const noexcept { return begin_ == data_.size(); }
  std::size_t size() const noexcept { return data_.size() - begin_; }
  std::size_t capacity() const noexcept { return data_.capacity(); }
  const char* data() const noexcept { return data_.data() + begin_; }
  void append(const char* p, std::size_t n) { data_.insert(data_.end(), p, p + n); }
  void consume(std::size_t n) noexcept {
    begin_ += n;
    if (empty()) clear();
  }
  void clear() noexcept {
    std::vector<char>().swap(data_);  // assigning {} would keep the capacity
    begin_ = 0;
  }

 private:
  std::vector<char> data_;
  std::size_t begin_ = 0;
};

}  // namespace sluice::net::tls
