#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reserve.h"
#include "control/control.h"
#include "control/destination.h"
#include "control/hold.h"
#include "control/kube/store.h"
#include "control/pace.h"
#include "control/resolver.h"
#include "control/source/source.h"

namespace sluice::control {

namespace {

using std::chrono::milliseconds;

constexpr auto kLongest = std::chrono::seconds(60);
constexpr auto kInterfaces = std::chrono::seconds(10);  // between two looks at this machine's addresses
constexpr auto kPause = milliseconds(50);               // after a poll that failed
constexpr auto kAgainSoon = milliseconds(200);
constexpr auto kAgainLate = std::chrono::seconds(60);  // for want of memory

// Polls the source and the resolver, and publishes what comes of it in batches.
class Controller final : public Watcher {
 public:
  Controller(const Settings& settings, std::unique_ptr<Source> source, std::function<void(Update)> publish)
      : publish_(std::move(publish)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        settings_(settings),
        source_(std::move(source)),
        store_(std::in_place, settings),
        resolver_(settings.resolv_conf,
                  [this](const std::string& name, std::vector<std::string> addresses, std::string error) {
                    store_->resolved(name, std::move(addresses), std::move(error));
                  }) {
    thread_ = std::thread([this] { run(); });
  }

  ~Controller() override {
    stop_ = true;
    std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
  }

  Review review(ObjectPtr ingress) override {
    auto question = std::make_shared<Question>();
    question->ingress = std::move(ingress);
    auto answer = question->answer.get_future();
    {
      std::lock_guard lock(mutex_);
      if (questions_.size() >= kReviews) return {false, "too many reviews wait; try again", {}};
      questions_.push_back(std::move(question));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(wake_, &one, sizeof one);
    if (answer.wait_for(kReview) != std::future_status::ready)
      return {false, "a change of the configuration takes longer than a review may wait; try again", {}};
    return answer.get();
  }

  Stats stats() const override {
    std::lock_guard lock(mutex_);
    Stats now = stats_;
    now.api = source_->api();
    return now;
  }

 private:
  struct Question {
    ObjectPtr ingress;
    std::promise<Review> answer;
  };

  void answer_questions() {
    std::uint64_t woken;
    [[maybe_unused]] auto n = ::read(wake_, &woken, sizeof woken);
    std::vector<std::shared_ptr<Question>> questions;
    {
      std::lock_guard lock(mutex_);
      questions.swap(questions_);
    }
    for (auto& q : questions) {
      try {
        q->answer.set_value(answer(*q->ingress));
      } catch (const std::bad_alloc&) {
        q->answer.set_exception(std::current_exception());
      }
    }
  }

  Review answer(const Object& ingress) {
    if (batches_ == 0) return {false, "the cluster is still being read; try again", {}};
    try {
      if (store_) return source_->takes(meta(ingress).ns) ? store_->review(ingress) : Review{};
    } catch (const std::bad_alloc&) {
      // answered below
    }
    return {false, "there is not enough memory; try again", {}};
  }

  void run() {
    // Requests come first.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 5);
    Reserve::warm_up();
    const Dispensable as_what_was_published_is_served;
    while (!stop_) {
      try {
        if (!store_ && !begin_again()) continue;
        step();
      } catch (const std::bad_alloc&) {
        give_up();
      }
    }
  }

  // There was no memory for a change: in the middle of it nothing here can be relied on. What was published is served
  // on, and all is made anew from what the source knows.
  void give_up() noexcept {
    store_.reset();
    again_at_ = clock_.now() + doubled(kAgainSoon, std::min(given_up_++, 16U), kAgainLate);
    held_ = {};
    waiting_ = false;
    hold_.reset();
    try {
      Reserve::refill();
      log::error("not enough memory for a change of the configuration: it is not served, what was before stays");
    } catch (const std::exception&) {
      // It cannot even be said.
    }
  }

  // False while it is too early.
  bool begin_again() {
    const auto wait = std::chrono::ceil<milliseconds>(again_at_ - clock_.now());
    if (wait > Duration(0)) {
      pollfd fd{wake_, POLLIN, 0};
      ::poll(&fd, 1, static_cast<int>(wait.count()));
      answer_questions();
      return false;
    }
    try {
      source_->again();
      store_.emplace(settings_);
      looked_ = {};
      resolver_.again();
    } catch (const std::bad_alloc&) {
      store_.reset();
      throw;
    }
    everything_ = true;
    return true;
  }

  void take(const ObjectChanges& changes) {
    store_->apply(changes);
    taken_ += changes.upserts.size() + changes.erased.size();
    if (changes.problems_changed) store_->source_problems(source_->problems());
  }

  void count() {
    std::lock_guard lock(mutex_);
    source_->count(stats_);
    stats_.batches = batches_;
    stats_.dns_failures = resolver_.failures();
  }

  void publish() {
    const Instant begun = clock_.now();
    const bool first = batches_ == 0;
    auto update = commit();
    bool reported = store_->report_changed();
    if (everything_ && store_->dirty()) {  // the resolver has told the addresses that it knew
      update = commit();
      reported |= store_->report_changed();
    }
    if (reported) news_ |= reports_anew(update);
    update.change.report |= reported;
    add(held_, std::move(update.change));
    auto feedback = store_->feedback();
    if (reported) feedback.report = &update.model->report.entries;
    source_->heed(feedback);
    if (!feedback.served.empty()) {
      feedback.served.merge(served_);  // of two the later counts
      served_ = std::move(feedback.served);
    }
    // What it names may be on its way: an Ingress with a new Secret must not be seen without it.
    waiting_ = hold_.holds(feedback.named.has_value(), source_->complete(), clock_.now()) ||
               (first && (feedback.named || !source_->complete()));
    if (waiting_) return;

    update.change = std::exchange(held_, {});
    update.first = first;
    update.served = std::exchange(served_, {});
    if (first || everything_) update.change.everything = true;
    if (news_ || first || !update.change.empty()) {
      ++batches_;
      count();
      try {
        publish_(std::move(update));
      } catch (const std::bad_alloc&) {
        --batches_;
        throw;
      }
      news_ = false;
    }
    everything_ = false;
    given_up_ = 0;
    source_->served();
    if (reserve_at_ <= begun) {
      Reserve::refill();
      reserve_at_ = begun + kAgainSoon;
    }
    const std::size_t changes = std::exchange(taken_, 0);
    pace_.left(begun, clock_.now(), first ? 0 : changes);  // the first batch is all that there is, and no burst
  }

  Update commit() {
    auto update = store_->commit();
    std::set<std::string> names;
    for (auto& [name, users] : store_->external_names()) names.insert(name);
    resolver_.want(names);
    return update;
  }

  bool may_publish() const { return source_->complete() || (batches_ > 0 && clock_.now() >= hold_.until()); }

  static void add(model::Change& to, model::Change&& from) {
    to.everything |= from.everything;
    to.options |= from.options;
    to.default_certificate |= from.default_certificate;
    to.report |= from.report;
    to.own |= from.own;
    to.streams |= from.streams;
    auto join = [](std::vector<std::string>& all, std::vector<std::string>& more) {
      if (all.empty()) return all.swap(more);
      all.insert(all.end(), more.begin(), more.end());
      std::sort(all.begin(), all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
    };
    join(to.hosts, from.hosts);
    join(to.clusters, from.clusters);
    join(to.certificates, from.certificates);
  }

  // True when the Report differs.
  bool reports_anew(const Update& update) {
    auto& entries = update.model->report.entries;
    if (entries == report_) return false;
    report_ = entries;
    return true;
  }

  void step() {
    auto now = clock_.now();
    Instant until = std::max(source_->due(), pace_.next());
    const bool work = store_->dirty() || waiting_;
    if (work && may_publish()) until = std::min(until, pace_.next());
    if (work && batches_ > 0) until = std::min(until, std::max(pace_.next(), hold_.until()));
    std::vector<pollfd> fds{{wake_, POLLIN, 0}, {source_->fd(), POLLIN, 0}};
    if (store_->listens_everywhere()) until = std::min(until, looked_ + kInterfaces);
    until = std::min(until, store_->next());
    until = std::min({until, now + resolver_.prepare(fds, now), now + kLongest});
    auto wait = std::chrono::ceil<milliseconds>(std::max(Duration(0), until - now));
    if (::poll(fds.data(), fds.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR) wait_for_stop(kPause);
    if (stop_) return;
    now = clock_.now();
    answer_questions();
    resolver_.process(fds.data() + 2, fds.size() - 2, now);
    const bool open = now >= pace_.next();
    // Asked before: what the source completes after we have looked is not in our hands yet.
    const bool whole = may_publish();
    take(source_->look(now, open));
    count();
    store_->at(now);
    const auto leaves = [&] { return open && whole && (store_->dirty() || waiting_ || batches_ == 0); };
    look_at_interfaces(now, leaves());
    if (leaves()) publish();
  }

  // Before a batch is judged by them, and again and again: addresses come and go.
  void look_at_interfaces(Instant now, bool before_batch) {
    if (!store_->listens_everywhere()) return;
    if (looked_ != Instant{} && now - looked_ < (before_batch ? std::chrono::seconds(1) : kInterfaces)) return;
    looked_ = now;
    store_->reached_by(interface_addresses());
  }

  void wait_for_stop(milliseconds time) {
    pollfd fd{wake_, POLLIN, 0};
    ::poll(&fd, 1, static_cast<int>(time.count()));
  }

  std::function<void(Update)> publish_;
  SystemClock clock_;
  int wake_;
  const Settings settings_;
  std::unique_ptr<Source> source_;
  std::optional<Store> store_;  // none while there is no memory for it
  Resolver resolver_;
  Pace pace_;
  std::size_t taken_ = 0;  // objects that changed since the last batch
  Hold hold_;
  Instant looked_{};         // at the interfaces
  bool waiting_ = false;     // held_ is for the source to be complete
  bool news_ = false;        // of the Report, not told yet
  Standings served_;         // likewise
  bool everything_ = false;  // the store is new: what it says is no change of what was published, but all
  unsigned given_up_ = 0;    // times in a row
  Instant again_at_{}, reserve_at_{};
  model::Change held_;
  std::uint64_t batches_ = 0;
  std::vector<model::Entry> report_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;  // questions_, stats_
  std::vector<std::shared_ptr<Question>> questions_;
  Stats stats_;
  std::thread thread_;
};

}  // namespace

Update read_cluster_once(Settings settings, std::chrono::seconds patience) {
  settings.status.update = false;  // nothing at all is written then
  std::promise<Update> first;
  auto read = first.get_future();
  const auto watcher = Watcher::start(std::move(settings), [&](Update update) {
    if (update.first) first.set_value(std::move(update));
  });
  if (read.wait_for(patience) != std::future_status::ready)
    throw std::runtime_error("the API of the cluster could not be read within " + std::to_string(patience.count()) +
                             " s; what hinders it is said above");
  return read.get();
}

std::unique_ptr<Watcher> Watcher::start(Settings settings, std::function<void(Update)> publish) {
  auto source = settings.manifests.empty() ? make_cluster_source(settings) : make_file_source(settings);
  return std::make_unique<Controller>(settings, std::move(source), std::move(publish));
}

}  // namespace sluice::control
