#include "data/runtime/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace sluice::data {

namespace {

// To give many blocks back takes the kernel a while.
constexpr std::uint64_t kLongToClose = 4ULL << 20;

struct Close final : BlockingPool::Job {
  explicit Close(DiskBody* of) noexcept : body(of) {}
  void run() noexcept override { body.reset(); }
  std::unique_ptr<DiskBody> body;
};

// Where the file system knows no files without a name, its name goes at once.
int open_nameless(const std::string& directory) noexcept {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  try {
    std::string name = directory + "/sluice-body-XXXXXX";
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0) ::unlink(name.c_str());
    return named;
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return -1;
  }
}

}  // namespace

std::shared_ptr<DiskBody> Spool::begin(std::string_view whose) noexcept {
  if (pool_ == nullptr || limits_.directory.empty()) return nullptr;
  try {
    Shares::value_type* share = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (files_ >= limits_.files) return nullptr;
      auto at = shares_.find(whose);
      if (at == shares_.end()) at = shares_.emplace(std::string(whose), Share{}).first;
      if (at->second.files >= (limits_.files + 1) / 2) return nullptr;
      ++at->second.files;
      ++files_;
      share = &*at;
    }
    auto* made = new (std::nothrow) DiskBody(*this, *share);
    if (made == nullptr) {
      end(*share, 0);
      return nullptr;
    }
    return std::shared_ptr<DiskBody>(made, [pool = pool_](DiskBody* body) {
      if (body->size() < kLongToClose) {
        delete body;
        return;
      }
      try {
        auto close = std::make_shared<Close>(body);
        // Where it is not taken it is closed here, with the job.
        (void)pool->submit("", std::move(close));
      } catch (const std::bad_alloc&) {
        delete body;
      }
    });
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Spool::Refusal Spool::take(Shares::value_type& whose, std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  if (whose.second.bytes + bytes > share()) return Refusal::own_share;
  if (bytes_ + bytes > limits_.bytes) return Refusal::all;
  whose.second.bytes += bytes;
  bytes_ += bytes;
  return Refusal::none;
}

void Spool::end(Shares::value_type& whose, std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  whose.second.bytes -= bytes;
  bytes_ -= bytes;
  --files_;
  if (--whose.second.files == 0) shares_.erase(shares_.find(whose.first));
}

DiskBody::~DiskBody() {
  if (fd_ >= 0) ::close(fd_);
  spool_.end(whose_, taken_);
}

Spool::Refusal DiskBody::take(std::uint64_t bytes) noexcept {
  if (size_ + bytes <= taken_) return Spool::Refusal::none;
  const auto more = size_ + bytes - taken_;
  const auto refusal = spool_.take(whose_, more);
  if (refusal == Spool::Refusal::none) taken_ += more;
  return refusal;
}

int DiskBody::write(std::string_view bytes) noexcept {
  if (fd_ < 0) fd_ = open_nameless(spool_.directory());
  if (fd_ < 0) return errno;
  auto at = size_;
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  size_ = at;
  return 0;
}

int DiskBody::read(std::uint64_t at, char* into, std::size_t size) noexcept {
  while (size > 0) {
    const auto n = ::pread(fd_, into, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    at += static_cast<std::uint64_t>(n);
    into += n;
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

}  // namespace sluice::data
