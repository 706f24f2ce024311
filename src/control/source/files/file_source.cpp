#include "base/log.h"
#include "control/source/files/directory.h"
#include "control/source/files/watch.h"
#include "control/source/source.h"

namespace sluice::control {

namespace {

using std::chrono::milliseconds;

constexpr auto kDoubt = milliseconds(100);  // how long a file may look half-written or gone
constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRescan =
    std::chrono::seconds(10);                    // for what inotify does not tell (network file systems, lost events)
constexpr auto kPoll = std::chrono::seconds(1);  // where it tells nothing at all
constexpr auto kSoon = milliseconds(1200);
constexpr auto kRootRetry = milliseconds(250);

class FileSource final : public Source {
 public:
  FileSource(const std::string& root, const std::string& ns, const std::string& only)
      : only_(only), watch_(root), directory_(root, ns, only) {}

  int fd() const noexcept override { return watch_.fd(); }
  bool complete() const noexcept override { return complete_; }
  std::vector<model::Entry> problems() const override { return directory_.problems(); }
  bool takes(const std::string& ns) const override { return only_.empty() || ns == only_; }
  void served() override { directory_.served(); }
  void again() override {
    directory_.again();
    touched_.directories.insert("");  // what was to be looked at is forgotten
  }

  void count(Watcher::Stats& stats) const override {
    stats.files = directory_.files();
    stats.objects = directory_.objects();
    stats.reads = directory_.reads();
    stats.unreadable_files = directory_.unreadable();
  }

  Instant due() const noexcept override {
    if (!touched_.empty()) return {};
    Instant at = rescan_at_;
    for (const auto& [path, doubt] : doubtful_) at = std::min(at, doubt.due);
    return at;
  }

  ObjectChanges look(Instant now, bool open) override {
    if (!complete_) return first_load(now);
    watch_.drain(touched_);
    if (now >= rescan_at_) {
      touched_.directories.insert("");
      rescan_at_ = now + rescan();
    }
    for (auto& [path, doubt] : doubtful_)
      if (touched_.files.contains(path)) doubt.due = std::min(now + kDoubt, doubt.since + kPatience);
    if (!open) return {};
    std::set<std::string> certain;
    for (auto& [path, doubt] : doubtful_)
      if (doubt.due <= now) certain.insert(path);
    touched_.files.insert(certain.begin(), certain.end());
    return touched_.empty() ? ObjectChanges() : read(certain, now);
  }

 private:
  // A file that seems half-written or gone counts as it is once it has been quiet for kDoubt, or after kPatience.
  struct Doubt {
    Instant since, due;
  };

  // A directory that takes long to look at is looked at less often.
  Duration rescan() const { return std::max<Duration>(watch_.complete() ? kRescan : kPoll, took_ * 20); }

  ObjectChanges first_load(Instant now) {
    try {
      watch_.sync({""});
      auto all = directory_.load();
      // Whatever changed while it was read.
      touched_.directories = watch_.sync(directory_.directories());
      rescan_at_ = now + kSoon;
      directory_.unsettled();
      complete_ = true;
      return all;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      if (!told_) log::error("{}; trying again", e.what());
      told_ = true;
      Directory::Touched nothing;
      watch_.drain(nothing);
      rescan_at_ = now + kRootRetry;
      return {};
    }
  }

  ObjectChanges read(const std::set<std::string>& certain, Instant now) {
    auto touched = std::exchange(touched_, {});
    std::set<std::string> doubtful;
    auto changes = directory_.look(touched, certain, doubtful);
    if (touched.directories.contains("") && changes.empty()) took_ = SystemClock().now() - now;
    if (directory_.unsettled()) rescan_at_ = std::min(rescan_at_, now + kSoon);
    std::erase_if(doubtful_, [&](auto& d) { return touched.files.contains(d.first) && !doubtful.contains(d.first); });
    for (auto& path : doubtful) doubtful_.try_emplace(path, Doubt{now, now + kDoubt});
    for (auto& path : certain) doubtful_.erase(path);
    if (touched.directories.empty()) return changes;
    // New directories may have changed before they were watched.
    touched_.directories.merge(watch_.sync(directory_.directories()));
    if (directory_.unreadable() && directory_.directories().empty())
      rescan_at_ = std::min(rescan_at_, now + kRootRetry);
    if (!(touched.directories.size() == 1 && touched.directories.contains("") && rescan_at_ == now + rescan()))
      rescan_at_ = std::min(rescan_at_, now + kSoon);
    return changes;
  }

  const std::string only_;
  Watch watch_;
  Directory directory_;
  Directory::Touched touched_;
  std::map<std::string, Doubt> doubtful_;
  Instant rescan_at_{};
  Duration took_{0};  // the last look at all of it that found nothing
  bool complete_ = false, told_ = false;
};

}  // namespace

std::unique_ptr<Source> make_file_source(const Settings& settings) {
  return std::make_unique<FileSource>(settings.manifests, settings.default_ns, settings.watch_namespace);
}

}  // namespace sluice::control
