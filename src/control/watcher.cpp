#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "control/control.h"
#include "control/kube/store.h"
#include "control/resolver.h"
#include "control/source/files/directory.h"
#include "control/source/files/watch.h"

namespace sluice::control {

namespace {

using std::chrono::milliseconds;

constexpr auto kBatch = milliseconds(50);   // at most one publication in this time
constexpr auto kDoubt = milliseconds(100);  // how long a file may look half-written or gone
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRescan =
    std::chrono::seconds(10);  // for what inotify does not tell (network file systems, lost events)
constexpr auto kSoon = milliseconds(1200);
constexpr auto kRootRetry = milliseconds(250);

class FileWatcher final : public Watcher {
 public:
  FileWatcher(Settings settings, std::function<void(Update)> publish)
      : settings_(std::move(settings)),
        publish_(std::move(publish)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        watch_(settings_.manifests, settings_.resolv_conf),
        directory_(settings_.manifests),
        store_(settings_),
        resolver_(settings_.resolv_conf,
                  [this](const std::string& name, std::vector<std::string> addresses, std::string error) {
                    store_.resolved(name, std::move(addresses), std::move(error));
                  }) {
    thread_ = std::thread([this] { run(); });
  }

  ~FileWatcher() override {
    stop_ = true;
    std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
  }

  Stats stats() const override {
    Stats s;
    s.files = files_;
    s.objects = objects_;
    s.reads = reads_;
    s.unreadable_files = unreadable_;
    s.batches = batches_;
    s.dns_failures = dns_failures_;
    return s;
  }

 private:
  // A file that seems half-written or gone counts as it is once it has been quiet for kDoubt, or after kPatience.
  struct Doubt {
    Instant since, due;
  };

  void run() {
    // Requests come first.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 5);
    if (!first_load()) return;
    while (!stop_) step();
  }

  bool first_load() {
    bool told = false;
    while (!stop_) {
      try {
        watch_.sync({""});
        take(directory_.load());
        // Whatever changed while it was read.
        touched_.directories = watch_.sync(directory_.directories());
        rescan_at_ = clock_.now() + kSoon;
        publish();
        return true;
      } catch (const std::exception& e) {
        if (!told) log::error("{}; trying again", e.what());
        told = true;
        wait_for_stop(kRootRetry);
      }
    }
    return false;
  }

  void wait_for_stop(milliseconds time) {
    pollfd fd{wake_, POLLIN, 0};
    ::poll(&fd, 1, static_cast<int>(time.count()));
  }

  void take(const ObjectChanges& changes) {
    store_.apply(changes);
    if (changes.problems_changed) store_.source_problems(directory_.problems());
    files_ = directory_.files();
    objects_ = directory_.objects();
    reads_ = directory_.reads();
    unreadable_ = directory_.unreadable();
  }

  void publish() {
    next_batch_ = clock_.now() + kBatch;
    bool first = batches_ == 0;
    {
      auto update = store_.commit();
      std::set<std::string> names;
      for (auto& [name, users] : store_.external_names()) names.insert(name);
      resolver_.want(names);
      bool news = tell(update, first);
      if (!first && update.change.empty() && !news) return;
      ++batches_;
      publish_(std::move(update));
    }
  }

  // Logs what is new in the Report after the first one (which the app prints). True when it differs.
  bool tell(const Update& update, bool first) {
    if (!store_.report_changed()) return false;
    constexpr int kMostLines = 50;
    auto& entries = update.model->report.entries;
    if (entries == report_) return false;
    std::set<std::string> known;
    for (auto& e : report_) known.insert(model::Report::line(e));
    int lines = 0;
    for (auto& e : entries) {
      if (first || e.problem.severity == model::Severity::ignored) continue;
      auto line = model::Report::line(e);
      if (known.contains(line)) continue;
      if (++lines > kMostLines) break;
      if (e.problem.severity == model::Severity::error)
        log::error("{}", line);
      else
        log::warn("{}", line);
    }
    if (lines > kMostLines) log::warn("and more; `sluice check` and the admin address list all");
    report_ = entries;
    return true;
  }

  void step() {
    auto now = clock_.now();
    Instant until = rescan_at_;
    if (!touched_.empty() || store_.dirty()) until = std::min(until, next_batch_);
    for (auto& [path, doubt] : doubtful_) until = std::min(until, std::max(doubt.due, next_batch_));
    std::vector<pollfd> fds{{wake_, POLLIN, 0}, {watch_.fd(), POLLIN, 0}};
    until = std::min(until, now + resolver_.prepare(fds, now));
    auto wait = std::chrono::ceil<milliseconds>(std::max(Duration(0), until - now));
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(wait.count(), 60'000))) < 0 &&
        errno != EINTR)
      wait_for_stop(kBatch);
    if (stop_) return;
    now = clock_.now();

    bool resolv_conf = false;
    watch_.drain(touched_, resolv_conf);
    if (resolv_conf)
      resolver_.reload();
    else
      resolver_.process(fds.data() + 2, fds.size() - 2, now);
    dns_failures_ = resolver_.failures();
    if (now >= rescan_at_) {
      touched_.directories.insert("");
      rescan_at_ = now + kRescan;
    }
    for (auto& [path, doubt] : doubtful_)
      if (touched_.files.contains(path)) doubt.due = std::min(now + kDoubt, doubt.since + kPatience);
    if (now < next_batch_) return;
    std::set<std::string> certain;
    for (auto& [path, doubt] : doubtful_)
      if (doubt.due <= now) certain.insert(path);
    touched_.files.insert(certain.begin(), certain.end());
    if (!touched_.empty()) look(certain, now);
    if (store_.dirty()) publish();
  }

  void look(const std::set<std::string>& certain, Instant now) {
    auto touched = std::exchange(touched_, {});
    std::set<std::string> doubtful;
    take(directory_.look(touched, certain, doubtful));
    std::erase_if(doubtful_, [&](auto& d) { return touched.files.contains(d.first) && !doubtful.contains(d.first); });
    for (auto& path : doubtful) doubtful_.try_emplace(path, Doubt{now, now + kDoubt});
    for (auto& path : certain) doubtful_.erase(path);
    if (touched.directories.empty()) return;
    // New directories may have changed before they were watched.
    touched_.directories.merge(watch_.sync(directory_.directories()));
    if (directory_.unreadable() && directory_.directories().empty())
      rescan_at_ = std::min(rescan_at_, now + kRootRetry);
    if (!(touched.directories.size() == 1 && touched.directories.contains("") && rescan_at_ == now + kRescan))
      rescan_at_ = std::min(rescan_at_, now + kSoon);
  }

  Settings settings_;
  std::function<void(Update)> publish_;
  SystemClock clock_;
  int wake_;
  Watch watch_;
  Directory directory_;
  Store store_;
  Resolver resolver_;
  Directory::Touched touched_;
  std::map<std::string, Doubt> doubtful_;
  Instant next_batch_{}, rescan_at_{};
  std::vector<model::Entry> report_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> files_{0}, objects_{0}, reads_{0}, unreadable_{0}, batches_{0}, dns_failures_{0};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Watcher> Watcher::start(Settings settings, std::function<void(Update)> publish) {
  return std::make_unique<FileWatcher>(std::move(settings), std::move(publish));
}

}  // namespace sluice::control
