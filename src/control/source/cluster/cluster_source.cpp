#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/reserve.h"
#include "control/source/cluster/named_objects.h"
#include "control/source/cluster/writer.h"
#include "control/source/source.h"

namespace sluice::control {

namespace {

using namespace cluster;

constexpr auto kRepeat = std::chrono::seconds(60);  // the same trouble is said again after this time

constexpr std::string_view kSecret = "Secret", kIngress = "Ingress/", kNamespace = "Namespace//";

std::vector<Resource> resources(const Settings& settings) {
  const auto slash = settings.config_map.find('/');
  std::vector<Resource> out;
  for (const KindRow& kind : kKinds)
    if (kind.listed) out.push_back({kind.name, kind.path(settings.watch_namespace), kind.selector, kind.deniable});
  if (!settings.watch_namespace_selector.empty())
    out.push_back(
        {"Namespace", "/api/v1/namespaces", "labelSelector=" + query_value(settings.watch_namespace_selector)});
  const auto& publish = settings.status.publish_service;
  if (const auto at = publish.find('/');
      at != std::string::npos && !settings.watch_namespace.empty() && publish.substr(0, at) != settings.watch_namespace)
    out.push_back({"Service", kind_of("Service")->path(publish.substr(0, at)),
                   "fieldSelector=metadata.name%3D" + publish.substr(at + 1)});
  if (slash != std::string::npos)
    out.push_back({"ConfigMap", kind_of("ConfigMap")->path(settings.config_map.substr(0, slash)),
                   "fieldSelector=metadata.name%3D" + settings.config_map.substr(slash + 1)});
  return out;
}

// Of an identity, "Ingress/ns/name".
std::string_view namespace_of(std::string_view identity) {
  const auto at = identity.find('/') + 1;
  return identity.substr(at, identity.find('/', at) - at);
}

// The objects of a cluster. Requests and decoding happen on a thread of its own, of low priority; what it learns waits
// here, one entry an object, until the control thread takes it.
class ClusterSource final : public Source, Sink {
 public:
  ClusterSource(const Settings& settings, Cluster cluster)
      : cluster_(std::move(cluster)),
        only_(settings.watch_namespace),
        selects_(!settings.watch_namespace_selector.empty()),
        ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    std::random_device seed;
    Sink& sink = *this;
    for (auto& r : resources(settings)) {
      if (r.kind == kSecret) secrets_ = reflectors_.size();
      if (r.kind == std::string_view("Ingress")) ingresses_ = reflectors_.size();
      followed_.emplace_back(r);
      reflectors_.emplace_back(io_, cluster_.access, *cluster_.credentials, std::move(r), sink, seed());
      ++missing_;
    }
    named_.emplace(
        io_, cluster_.access, *cluster_.credentials, sink,
        [this](const std::string& identity) {
          return std::ranges::any_of(reflectors_, [&](const Reflector& r) {
            return r.knows(identity) && (listed_ || &r != &reflectors_[secrets_]);
          });
        },
        [this] {
          answered_ = taken_;
          changed();
        },
        seed());
    for (const auto& r : named_->resources()) followed_.emplace_back(r).state = Followed::yes;
    named_->start();
    writer_.emplace(io_, cluster_.access, *cluster_.credentials, settings, (std::uint64_t(seed()) << 32) | seed());
    writer_->start();
    for (auto& r : reflectors_) boost::asio::co_spawn(io_, enduring([&r] { return r.run(); }), boost::asio::detached);
    log::info("watching {}", cluster_.access.described);
    thread_ = std::thread([this] {
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 5);
      Reserve::warm_up();
      const Dispensable as_it_is_asked_for_again;
      for (;;) {
        try {
          ask();
          io_.run();
          return;
        } catch (const std::bad_alloc&) {
          log::warn("not enough memory for what the API server says");
        }
      }
    });
  }

  ~ClusterSource() override {
    boost::asio::steady_timer most(io_, Writer::kFarewell);
    boost::asio::co_spawn(io_, writer_->farewell(), [this](std::exception_ptr) { io_.stop(); });
    most.async_wait([this](boost::system::error_code) { io_.stop(); });
    thread_.join();
    cluster_.credentials.reset();  // what runs aside for it ends before io_, whose thread it would call
    ::close(ready_);
  }

  int fd() const noexcept override { return ready_; }
  bool complete() const noexcept override { return missing_ == 0 && answered_ == asked_; }

  void heed(const Feedback& feedback) override {
    std::optional<std::vector<model::Entry>> report;
    if (feedback.report) {
      report.emplace();
      for (const auto& e : *feedback.report)
        if (e.problem.severity != model::Severity::ignored) report->push_back(e);
    }
    if (report || !feedback.served.empty())
      boost::asio::post(io_, [this, served = feedback.served, report = std::move(report)]() mutable {
        writer_->heed(served, std::move(report));
      });
    if (!feedback.named) return;
    const std::uint64_t question = ++asked_;
    boost::asio::post(io_, [this, question, names = *feedback.named]() mutable {
      taken_ = question;
      to_ask_ = std::move(names);
      ask();
    });
  }

  void again() override {
    // What is known belongs to the other thread.
    std::promise<void> handed;
    boost::asio::post(io_, [&] {
      try {
        std::lock_guard lock(mutex_);
        const auto hand = [&](const std::string& name, const ObjectPtr& object) {
          if (selected(name)) pending_[name] = {object, nullptr};
        };
        for (const auto& r : reflectors_) r.each("", hand);
        named_->each(hand);
        problems_changed_ = true;
        changed();
        handed.set_value();
      } catch (const std::bad_alloc&) {
        handed.set_exception(std::current_exception());
      }
    });
    handed.get_future().get();
  }

  Instant due() const noexcept override {
    std::lock_guard lock(mutex_);
    return pending_.empty() && !problems_changed_ ? Instant::max() : Instant();
  }

  ObjectChanges look(Instant, bool open) override {
    std::uint64_t news;
    [[maybe_unused]] auto n = ::read(ready_, &news, sizeof news);
    ObjectChanges out;
    if (!open) return out;
    std::lock_guard lock(mutex_);
    for (auto& [name, pending] : pending_) {
      if (pending.now)
        out.upserts.push_back(std::move(pending.now));
      else if (pending.erased)
        out.erased.push_back(std::move(pending.erased));
    }
    pending_.clear();
    out.problems_changed = std::exchange(problems_changed_, false);
    return out;
  }

  std::vector<model::Entry> problems() const override {
    std::lock_guard lock(mutex_);
    std::vector<model::Entry> out;
    for (const auto& [name, entries] : problems_)
      if (selected(name)) out.insert(out.end(), entries.begin(), entries.end());
    return out;
  }

  bool takes(const std::string& ns) const override {
    std::lock_guard lock(mutex_);
    return (only_.empty() || ns == only_) && (!selects_ || chosen_.contains(ns));
  }

  std::optional<ApiFigures> api() const override {
    ApiFigures out;
    writer_->count(out);
    for (const auto& f : followed_)
      if (f.state != Followed::denied) out.resources.push_back({f.path, f.state == Followed::yes, f.failures});
    return out;
  }
  void count(Watcher::Stats& stats) const override { stats.objects = objects_; }

 private:
  struct Pending {
    ObjectPtr now, erased;
  };
  struct Trouble {
    std::string why;
    Instant said{};
  };
  // How it stands with one Resource; read by any thread.
  struct Followed {
    enum State : std::uint8_t { no, yes, denied };
    explicit Followed(const Resource& resource) : path(resource.path) {}
    const std::string path;
    std::atomic<State> state{no};
    std::atomic<std::uint64_t> failures{0};
  };

  Followed& followed(const Resource& resource) {
    return *std::find_if(followed_.begin(), followed_.end(), [&](const auto& f) { return f.path == resource.path; });
  }

  // Again and again until there is memory for it: nothing else would ask once more.
  void ask() {
    if (!to_ask_) return;
    named_->want(*to_ask_);
    to_ask_.reset();
  }
  void learnt(const std::string& identity, ObjectPtr object, std::vector<model::Entry> entries) override {
    if (identity.starts_with(kNamespace)) return choose(identity.substr(kNamespace.size()), true);
    std::lock_guard lock(mutex_);
    if (object && selected(identity)) pending_[identity] = {std::move(object), nullptr};
    if (!entries.empty())
      problems_[identity] = std::move(entries), problems_changed_ = true;
    else if (problems_.erase(identity))
      problems_changed_ = true;
    changed();
  }
  void seen(const std::string& identity, const Node& object) override { writer_->seen(identity, object); }
  void gone(const std::string& identity, ObjectPtr last) override {
    if (identity.starts_with(kNamespace)) return choose(identity.substr(kNamespace.size()), false);
    writer_->gone(identity);
    std::lock_guard lock(mutex_);
    if (last) pending_[identity] = {nullptr, std::move(last)};
    if (problems_.erase(identity)) problems_changed_ = true;
    changed();
  }
  // Only Ingresses are held back: all else is used when one that is served names it. With mutex_.
  bool selected(std::string_view identity) const {
    return !selects_ || !identity.starts_with(kIngress) || chosen_.contains(namespace_of(identity));
  }
  // The selector takes this namespace, or no longer.
  void choose(const std::string& ns, bool yes) {
    std::lock_guard lock(mutex_);
    if (chosen_.contains(ns) == yes) return;
    log::info("namespace {}: {} by --watch-namespace-selector", ns, yes ? "taken" : "no longer taken");
    reflectors_[ingresses_].each(std::string(kIngress) + ns + "/",
                                 [&](const std::string& name, const ObjectPtr& object) {
                                   pending_[name] = yes ? Pending{object, nullptr} : Pending{nullptr, object};
                                 });
    // Behind the rest: what there was no memory for is told again, and has changed nothing then.
    if (yes)
      chosen_.insert(ns);
    else
      chosen_.erase(ns);
    problems_changed_ = true;
    changed();
  }
  void complete(const Resource& resource) override {
    log::debug("{}: all of them are known", resource.path);
    --missing_;
    changed();
  }
  void follows(const Resource& resource) override { followed(resource).state = Followed::yes; }
  void trouble(const Resource& resource, const ApiError& error) override {
    const bool denied = resource.deniable && error.status == 403;
    Followed& f = followed(resource);
    const bool before = f.state.exchange(denied ? Followed::denied : Followed::no) == Followed::denied;
    if (denied) {
      if (resource.kind != kSecret) {
        if (!before) log::warn("{}; classes are known by their names alone", error.what());
      } else if (std::exchange(listed_, false)) {
        log::info("{}; the Secrets that Ingresses name are asked for one by one", error.what());
        named_->review();
      }
      return;
    }
    ++f.failures;
    const Instant now = SystemClock().now();
    // All of them have it when the server is away: it is said once.
    const auto said = std::find_if(troubles_.begin(), troubles_.end(), [&](const auto& t) {
      return t.second.why == error.what() && now - t.second.said < kRepeat;
    });
    if (said != troubles_.end()) {
      troubles_[resource.path] = said->second;
      return;
    }
    if (missing_ == 0)
      log::warn("{}; what is known is served, and it is tried again", error.what());
    else
      log::error("{}; nothing is served before it succeeds, and it is tried again", error.what());
    troubles_[resource.path] = {error.what(), now};
  }
  void recovered(const Resource& resource) override {
    if (resource.kind == kSecret && resource.deniable) listed_ = true;  // the list, not one by name
    followed(resource).state = Followed::yes;
    if (troubles_.erase(resource.path)) log::info("{}: goes on again", resource.path);
  }
  void changed() {
    std::size_t objects = named_->objects();
    for (const auto& r : reflectors_) objects += r.objects();
    objects_ = objects;
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(ready_, &one, sizeof one);
  }

  Cluster cluster_;
  const std::string only_;
  const bool selects_;
  int ready_;
  boost::asio::io_context io_{1};
  std::deque<Followed> followed_;
  std::deque<Reflector> reflectors_;
  std::optional<NamedObjects> named_;
  std::optional<Writer> writer_;
  std::size_t secrets_ = 0, ingresses_ = 0;      // their places in reflectors_
  bool listed_ = true;                           // that one may list; the thread of io_
  std::uint64_t taken_ = 0;                      // the question that named_ has; the thread of io_
  std::optional<std::set<std::string>> to_ask_;  // that named_ has not taken yet; the thread of io_
  std::map<std::string, Trouble> troubles_;      // by path; the thread of io_
  std::atomic<std::size_t> missing_{0}, objects_{0};
  std::atomic<std::uint64_t> asked_{0}, answered_{0};  // questions for objects by name
  mutable std::mutex mutex_;                           // all below
  std::set<std::string, std::less<>> chosen_;          // namespaces that the selector takes
  std::map<std::string, Pending> pending_;
  std::map<std::string, std::vector<model::Entry>> problems_;
  bool problems_changed_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Source> make_cluster_source(const Settings& settings) {
  const bool bare = !settings.as_service_account && settings.kubeconfig.empty();
  auto found = bare                          ? at_server(settings.api_server, settings.api_ca)
               : settings.kubeconfig.empty() ? in_cluster(Environment::of_process())
                                             : from_kubeconfig(settings.kubeconfig, settings.kube_context);
  if (!found) throw std::runtime_error(found.error());
  if (!bare)
    if (const auto wrong = replace_server(settings.api_server, settings.api_ca, *found); !wrong.empty())
      throw std::runtime_error(wrong);
  return std::make_unique<ClusterSource>(settings, std::move(*found));
}

}  // namespace sluice::control
