#include "ops/access_log/access_log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/log.h"
#include "base/reserve.h"
#include "base/strings.h"
#include "ops/access_log/destination.h"
#include "ops/access_log/ring.h"

namespace sluice::ops {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kLongestLine = 64 * 1024;
constexpr std::size_t kLargestWrite = 1 << 20;
constexpr auto kGather = milliseconds(10);         // lines that come meanwhile share a write
constexpr auto kLongestSleep = milliseconds(100);  // a wake-up may be missed, see WorkerLog::write
constexpr auto kTryAgain = milliseconds(1000);     // a destination that failed
constexpr auto kFarewell = milliseconds(1000);     // what the last lines may take

// What workers use of the settings. Immutable.
struct Active {
  bool requests = true, streams = true;
  bool log_unrouted = false;
  std::shared_ptr<const LogFormat> format, stream_format;
  TextMap skip;

  bool may_want(const ExchangeRecord& r) const noexcept { return r.log && (r.stream ? streams : requests); }
  bool wants(const ExchangeRecord& r) const noexcept {
    if (!may_want(r)) return false;
    if (!log_unrouted) {
      const bool unknown = r.series == 0xffffffff && r.status == 404;
      const bool default_backend = r.series != 0xffffffff && r.ingress.empty() && r.route_host == "_";
      if (unknown || default_backend) return false;
    }
    return skip.empty() || skip.match(r.target) != Regex::Outcome::yes;
  }
};

// Between the log and its workers; lives as long as either.
struct Shared {
  std::mutex mutex;  // active
  std::shared_ptr<const Active> active;
  std::atomic<std::uint32_t> generation{0};  // changes after `active`
  std::atomic<bool> asleep{false};           // the writer waits for `event`
  int event = -1;

  Shared() : event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (event < 0) throw std::runtime_error(std::string("access log: eventfd: ") + std::strerror(errno));
  }
  ~Shared() { ::close(event); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void wake() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(event, &one, sizeof one);
  }
  void sleep(milliseconds most, int also = -1) const noexcept {
    pollfd fds[2] = {{event, POLLIN, 0}, {also, POLLOUT, 0}};
    ::poll(fds, also >= 0 ? 2 : 1, static_cast<int>(most.count()));
    std::uint64_t count = 0;
    [[maybe_unused]] const auto n = ::read(event, &count, sizeof count);
  }
};

}  // namespace

struct WorkerLog::Impl {
  std::shared_ptr<Shared> shared;
  std::shared_ptr<LogRing> ring;
  std::shared_ptr<const Active> active;
  // The last format that wants nothing beside the record: that of exchanges that began when nothing was wanted.
  std::shared_ptr<const LogFormat> plain;
  std::uint32_t generation = 0;
  std::uint32_t offered = 0;  // the generation that renew() has told of; 0: none
  LogTimes times;
  std::unique_ptr<char[]> line = std::make_unique_for_overwrite<char[]>(kLongestLine);
  bool asked = false;  // may_write() has spoken for the next record: write() goes by the same settings

  void renew() noexcept {
    const auto now = shared->generation.load(std::memory_order_acquire);
    if (now == generation) return;
    const std::scoped_lock lock(shared->mutex);
    active = shared->active;
    generation = now;
    if (!plain || active->format->of.empty() || !plain->of.empty()) plain = active->format;
  }
};

WorkerLog::WorkerLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WorkerLog::~WorkerLog() = default;

bool WorkerLog::may_write(const ExchangeRecord& record) noexcept {
  impl_->renew();
  impl_->asked = true;
  return impl_->active->may_want(record);
}

void WorkerLog::renew(std::shared_ptr<const WantedValues>& wanted) noexcept {
  Impl& w = *impl_;
  w.renew();
  if (w.offered == w.generation) return;
  w.offered = w.generation;
  wanted = nullptr;
  // With a count of its own, so that workers do not touch each other's.
  if (const auto& format = w.active->format; w.active->requests && !format->of.empty())
    wanted = std::shared_ptr<const WantedValues>(format.get(), [format](const WantedValues*) {});
}

void WorkerLog::write(const ExchangeRecord& record) noexcept {
  Impl& w = *impl_;
  if (!std::exchange(w.asked, false)) w.renew();
  if (!w.active->wants(record)) return;
  const LogFormat& format = record.stream              ? *w.active->stream_format
                            : record.wanted != nullptr ? static_cast<const LogFormat&>(*record.wanted)
                                                       : *w.plain;
  const std::size_t size = format.write(record, w.times, w.line.get(), kLongestLine);
  if (!w.ring->push({w.line.get(), size})) {
    w.ring->lost.add();
    return;
  }
  w.ring->lines.add();
  // Without a fence the writer may fall asleep between our store and this load; it looks again after kLongestSleep.
  if (w.shared->asleep.load(std::memory_order_relaxed) && w.shared->asleep.exchange(false, std::memory_order_relaxed))
    w.shared->wake();
}

struct AccessLog::Impl {
  const std::size_t ring_bytes;
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();

  std::mutex mutex;  // down to `ended_lost`
  std::condition_variable drained;
  std::vector<std::shared_ptr<LogRing>> rings;
  std::string path;
  bool enabled = true;
  bool open_wanted = true;
  bool stop = false;
  std::uint64_t ended_lines = 0, ended_lost = 0;

  std::atomic<std::uint64_t> bytes{0}, write_errors{0}, writer_lost{0};

  // The writer's own.
  LogDestination destination;
  std::string target;             // what `destination` is, or should be
  LogRing* unfinished = nullptr;  // a line of this ring is partly written
  Clock::time_point try_again{};
  int last_error = 0;
  std::thread thread;

  explicit Impl(std::size_t bytes_of_ring) : ring_bytes(bytes_of_ring) {}

  void run();
  bool off_and_empty(const std::vector<std::shared_ptr<LogRing>>& now);
  bool open_if_wanted();
  enum class Outcome { done, blocked, failed };
  Outcome drain(LogRing& ring);
  Outcome drain_all(const std::vector<std::shared_ptr<LogRing>>& now);
  void drop_unfinished();
  void failed(const char* what);
  void forget_ended();
  void say_lost(const std::vector<std::shared_ptr<LogRing>>& left) const;
};

AccessLog::AccessLog(AccessLogSettings settings, std::size_t ring_bytes) : impl_(std::make_unique<Impl>(ring_bytes)) {
  configure(std::move(settings));
  // Signals are for the main thread; a broken pipe is an error of write() here.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  impl_->thread = std::thread([impl = impl_.get()] {
    Reserve::warm_up();
    impl->run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(impl_->thread.native_handle(), "sluice-log");
}

AccessLog::~AccessLog() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->shared->wake();
  impl_->thread.join();
}

std::shared_ptr<WorkerLog> AccessLog::add_worker() {
  auto impl = std::make_unique<WorkerLog::Impl>();
  impl->shared = impl_->shared;
  impl->ring = std::make_shared<LogRing>(impl_->ring_bytes);
  impl->renew();
  const std::scoped_lock lock(impl_->mutex);
  impl_->rings.push_back(impl->ring);
  return std::shared_ptr<WorkerLog>(new WorkerLog(std::move(impl)));
}

std::vector<std::string> AccessLog::configure(AccessLogSettings settings) {
  auto active = std::make_shared<Active>();
  active->requests = settings.enabled && settings.requests;
  active->streams = settings.enabled && settings.streams;
  active->log_unrouted = settings.log_unrouted;
  active->format = LogFormat::compile(settings);
  active->stream_format = LogFormat::compile_stream(settings);
  active->skip = std::move(settings.skip_urls);
  std::vector<std::string> problems;
  for (const auto& problem : active->format->problems()) problems.push_back("log-format-upstream: " + problem);
  for (const auto& problem : active->stream_format->problems()) problems.push_back("log-format-stream: " + problem);
  {
    const std::scoped_lock lock(impl_->shared->mutex);
    impl_->shared->active = std::move(active);
    impl_->shared->generation.fetch_add(1, std::memory_order_release);
  }
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->open_wanted = impl_->open_wanted || settings.path != impl_->path || settings.enabled != impl_->enabled;
    impl_->path = settings.path;
    impl_->enabled = settings.enabled;
  }
  impl_->shared->wake();
  return problems;
}

void AccessLog::reopen() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->open_wanted = true;
  }
  impl_->shared->wake();
}

bool AccessLog::flush(int ms) {
  std::unique_lock lock(impl_->mutex);
  const auto rings = impl_->rings;
  std::vector<std::size_t> heads;
  for (const auto& ring : rings) heads.push_back(ring->head());
  impl_->shared->wake();
  return impl_->drained.wait_for(lock, milliseconds(ms), [&] {
    for (std::size_t i = 0; i < rings.size(); ++i)
      if (static_cast<std::ptrdiff_t>(rings[i]->tail() - heads[i]) < 0) return false;
    return !impl_->open_wanted;
  });
}

AccessLog::Stats AccessLog::stats() const {
  Stats out;
  {
    const std::scoped_lock lock(impl_->mutex);
    out.lines = impl_->ended_lines;
    out.lost = impl_->ended_lost;
    for (const auto& ring : impl_->rings) {
      out.lines += ring->lines.get();
      out.lost += ring->lost.get();
    }
  }
  out.lost += impl_->writer_lost.load(std::memory_order_relaxed);
  out.bytes = impl_->bytes.load(std::memory_order_relaxed);
  out.write_errors = impl_->write_errors.load(std::memory_order_relaxed);
  return out;
}

void AccessLog::Impl::run() {
  std::optional<Clock::time_point> deadline;
  for (;;) {
    std::vector<std::shared_ptr<LogRing>> now;
    {
      const std::scoped_lock lock(mutex);
      if (stop && !deadline) deadline = Clock::now() + kFarewell;
      forget_ended();
      now = rings;
    }
    Outcome outcome = Outcome::failed;
    if (off_and_empty(now))
      outcome = Outcome::done;
    else if (open_if_wanted())
      outcome = drain_all(now);
    {
      const std::scoped_lock lock(mutex);
      drained.notify_all();
    }
    bool empty = true;
    for (const auto& ring : now) empty = empty && ring->empty();
    if (deadline && empty) return;
    if (deadline && Clock::now() >= *deadline) return say_lost(now);

    if (outcome == Outcome::blocked) {
      shared->sleep(kLongestSleep, destination.fd());
    } else if (outcome == Outcome::failed && !empty) {
      shared->sleep(kLongestSleep);
    } else {
      if (empty) {
        shared->asleep.store(true, std::memory_order_relaxed);
        for (const auto& ring : now) empty = empty && ring->empty();
        if (empty) shared->sleep(kLongestSleep);
        shared->asleep.store(false, std::memory_order_relaxed);
      }
      if (!deadline) std::this_thread::sleep_for(kGather);
    }
  }
}

void AccessLog::Impl::say_lost(const std::vector<std::shared_ptr<LogRing>>& left) const {
  std::ptrdiff_t lines = 0;
  for (const auto& ring : left) {
    const auto parts = ring->readable(std::string_view::npos);
    for (const std::string_view part : {parts.first, parts.second}) lines += std::ranges::count(part, '\n');
  }
  log::warn("access log: {} lines are lost, {} did not take them before the end", lines, target);
}

// A worker that ended keeps its counts here; its ring goes when it is empty.
void AccessLog::Impl::forget_ended() {
  std::erase_if(rings, [&](const std::shared_ptr<LogRing>& ring) {
    if (ring.use_count() > 1 || !ring->empty()) return false;
    ended_lines += ring->lines.get();
    ended_lost += ring->lost.get();
    return true;
  });
}

// Without a line to write no file is made.
bool AccessLog::Impl::off_and_empty(const std::vector<std::shared_ptr<LogRing>>& now) {
  const std::scoped_lock lock(mutex);
  if (enabled || !std::ranges::all_of(now, &LogRing::empty, [](const auto& ring) -> const LogRing& { return *ring; }))
    return false;
  destination.close();
  open_wanted = false;
  target = path;
  return true;
}

bool AccessLog::Impl::open_if_wanted() {
  {
    const std::scoped_lock lock(mutex);
    if (open_wanted) {
      if (unfinished != nullptr && destination.is_open()) drain(*unfinished);  // the line belongs to the old file
      destination.close();
      try_again = {};
      last_error = 0;
      open_wanted = false;
    }
    target = path;
  }
  if (destination.is_open()) return Clock::now() >= try_again;
  if (Clock::now() < try_again) return false;
  drop_unfinished();
  if (destination.open(target)) return true;
  failed("open");
  return false;
}

// The rest of a line whose beginning went elsewhere is of no use.
void AccessLog::Impl::drop_unfinished() {
  if (unfinished == nullptr) return;
  for (const auto parts = unfinished->readable(std::string_view::npos);
       const std::string_view part : {parts.first, parts.second}) {
    const auto end = part.find('\n');
    unfinished->consume(end == std::string_view::npos ? part.size() : end + 1);
    if (end != std::string_view::npos) break;
  }
  unfinished = nullptr;
  writer_lost.fetch_add(1, std::memory_order_relaxed);
}

AccessLog::Impl::Outcome AccessLog::Impl::drain_all(const std::vector<std::shared_ptr<LogRing>>& now) {
  if (unfinished != nullptr)
    if (const Outcome outcome = drain(*unfinished); outcome != Outcome::done) return outcome;
  for (const auto& ring : now)
    if (const Outcome outcome = drain(*ring); outcome != Outcome::done) return outcome;
  return Outcome::done;
}

// Writes all that was there at the start, which ends with a whole line.
AccessLog::Impl::Outcome AccessLog::Impl::drain(LogRing& ring) {
  const std::size_t until = ring.head();
  while (ring.tail() != until) {
    const auto parts = ring.readable(std::min(until - ring.tail(), kLargestWrite));
    const long n = destination.write(parts.first, parts.second);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Outcome::blocked;
    if (n <= 0) {
      if (n == 0) errno = ENOSPC;
      failed("write");
      return Outcome::failed;
    }
    const auto size = static_cast<std::size_t>(n);
    const char last = size <= parts.first.size() ? parts.first[size - 1] : parts.second[size - parts.first.size() - 1];
    unfinished = last == '\n' ? nullptr : &ring;
    ring.consume(size);
    bytes.fetch_add(size, std::memory_order_relaxed);
    if (last_error != 0) log::info("access log: {} is written again", target);
    last_error = 0;
  }
  return Outcome::done;
}

// Said once until it changes; counted each time.
void AccessLog::Impl::failed(const char* what) {
  const int error = errno;
  write_errors.fetch_add(1, std::memory_order_relaxed);
  try_again = Clock::now() + kTryAgain;
  if (error != last_error)
    log::error("access log: {} {}: {}; tried again each second, lines that do not fit into memory are lost", what,
               target, std::strerror(error));
  last_error = error;
  if (error == EPIPE && target != "-") destination.close();
}

}  // namespace sluice::ops
