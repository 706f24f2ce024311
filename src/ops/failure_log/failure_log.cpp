#include "ops/failure_log/failure_log.h"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "base/reserve.h"

namespace sluice::ops {

namespace {

// Kinds of what pods said: they stand behind all failures, which begin with their status.
constexpr std::string_view kWords = "stderr ";

std::string_view some(std::string_view text, std::size_t most) {
  return text.substr(0, most);
}

std::string line_of(const ExchangeRecord& r) {
  const bool by_port = r.stream && r.stream_kind != StreamKind::passthrough;
  const std::string port = by_port ? "port " + std::to_string(r.server_port) : std::string();
  std::string out = fmt::format("{} {} {}{}: {}", r.status, r.stream ? to_string(r.stream_kind) : some(r.method, 32),
                                by_port ? std::string_view(port) : some(r.host, 253), some(r.target, 200), r.reason);
  if (!r.note.empty()) out.append(" (").append(some(r.note, 300)).append(")");
  if (!r.ingress.empty()) fmt::format_to(std::back_inserter(out), "; Ingress {}/{}, {}", r.ns, r.ingress, r.service);
  if (by_port) fmt::format_to(std::back_inserter(out), "; Service {}/{}:{}", r.ns, r.service, r.service_port);
  if (!r.canary.empty()) fmt::format_to(std::back_inserter(out), ", canary {}", r.canary);
  if (const Attempt* const last = r.last_attempt()) {
    fmt::format_to(std::back_inserter(out), "; pod {}", last->address);
    if (const auto n = last - r.attempt + 1; n > 1) fmt::format_to(std::back_inserter(out), ", attempt {}", n);
  }
  if (!r.request_id.empty()) out.append("; request ").append(some(r.request_id, 64));
  return out;
}

}  // namespace

FailureLog::FailureLog(std::function<void(const std::string&)> line) : line_(std::move(line)) {
  // Signals are for the main thread.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    Reserve::warm_up();
    run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "sluice-failures");
}

FailureLog::~FailureLog() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// `make` gives the kind and the line.
template <class Make>
void FailureLog::put(Make&& make, std::size_t places) noexcept {
  std::lock_guard lock(mutex_);  // held for the time of a copy, never while something is written
  if (queue_.size() >= places) {
    if (places < kQueue) {
      unheard_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    uncounted_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  try {
    queue_.push_back(make());
  } catch (...) {  // no memory: it is a failure like the others
    uncounted_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (queue_.size() == 1) wake_.notify_one();
}

void FailureLog::take(const ExchangeRecord& record) noexcept {
  put([&] {
    return std::pair(fmt::format("{} {} {}/{}", record.status, record.reason, record.ns, record.ingress),
                     line_of(record));
  });
}

void FailureLog::complained(std::string_view peer, const char* what) noexcept {
  put([&] { return std::pair(std::string(what), fmt::format("connection from {}: {}", some(peer, 64), what)); });
}

void FailureLog::noticed(std::string_view pod, const char* what) noexcept {
  put([&] { return std::pair(fmt::format("{} {}", what, pod), fmt::format("pod {}: {}", pod, what)); });
}

void FailureLog::said(const PodWords& words) noexcept {
  put(
      [&] {
        std::string line = fmt::format("pod {} wrote to standard error: {}", words.pod, some(words.text, 1024));
        if (words.left > 0) fmt::format_to(std::back_inserter(line), " and {} bytes more", words.left);
        if (!words.ingress.empty())
          fmt::format_to(std::back_inserter(line), "; Ingress {}/{}, {}", words.ns, words.ingress, words.service);
        return std::pair(fmt::format("{}{}/{}", kWords, words.ns, words.ingress), std::move(line));
      },
      kQueueOfWords);
}

void FailureLog::health_changed(const HealthNews& news) noexcept {
  put([&] {
    const std::string of = fmt::format("{}/{}:{}", news.ns, news.service, news.port);
    const std::string pod = news.pod.empty() ? "" : fmt::format(" ({})", some(news.pod, 512));
    std::string line = news.well
                           ? fmt::format("pod {}{} of Service {} is healthy again: {} health checks in a row succeeded",
                                         news.endpoint, pod, of, news.checks)
                           : fmt::format(
                                 "pod {}{} of Service {} is unhealthy: {} health checks in a row failed, the last one "
                                 "with: {}",
                                 news.endpoint, pod, of, news.checks, some(news.reason, 256));
    return std::pair(fmt::format("health {} {}", news.well, of), std::move(line));
  });
}

void FailureLog::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    auto batch = std::exchange(queue_, {});
    const bool last = stop_;
    lock.unlock();
    tell(std::move(batch), uncounted_.exchange(0));
    lock.lock();
    if (last && queue_.empty()) return;
    // What fails meanwhile is told together.
    wake_.wait_for(lock, std::chrono::seconds(1), [&] { return stop_; });
  }
}

void FailureLog::tell(std::vector<std::pair<std::string, std::string>> batch, std::uint64_t more) {
  struct Kind {
    const std::string* first;
    std::uint64_t count;
  };
  std::map<std::string_view, Kind> kinds;
  for (const auto& [kind, line] : batch) ++kinds.try_emplace(kind, Kind{&line, 0}).first->second.count;
  std::size_t lines = 0;
  std::uint64_t unheard = unheard_.exchange(0);
  for (const auto& [kind, k] : kinds) {
    if (++lines > kLinesASecond) {
      (kind.starts_with(kWords) ? unheard : more) += k.count;
      continue;
    }
    line_(k.count == 1 ? *k.first : fmt::format("{}; and {} more of this kind", *k.first, k.count - 1));
  }
  if (unheard > 0) line_(fmt::format("pods wrote to standard error during {} more requests", unheard));
  if (more > 0) line_(fmt::format("{} more failed; the access log has a line for each request", more));
}

}  // namespace sluice::ops
