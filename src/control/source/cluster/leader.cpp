#include "control/source/cluster/leader.h"

#include <fmt/chrono.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "base/log.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

// MicroTime of the Kubernetes API.
std::string micro_time() {
  const auto now = std::chrono::system_clock::now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - second).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(second)), micros);
}

std::string text_of(const json::object& in, std::string_view name) {
  const auto* value = in.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}
std::int64_t number_of(const json::object& in, std::string_view name, std::int64_t otherwise) {
  const auto* value = in.if_contains(name);
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

}  // namespace

Leader::Leader(asio::io_context& io, const Access& access, Credentials& credentials, const std::string& lease,
               std::string identity, std::function<void()> changed, std::uint64_t seed)
    : io_(io),
      client_(io, access, credentials, kAnswer),
      waiter_(io),
      ended_(io),
      ns_(lease.substr(0, lease.find('/'))),
      name_(lease.substr(lease.find('/') + 1)),
      identity_(std::move(identity)),
      changed_(std::move(changed)),
      random_(static_cast<unsigned>(seed)) {}

void Leader::start() {
  running_ = true;
  asio::co_spawn(io_, enduring([this] { return run(); }), [this](std::exception_ptr) {
    running_ = false;
    ended_.news();
  });
}

bool Leader::leading() const noexcept {
  const Instant renewed = renewed_;
  return renewed != Instant{} && SystemClock().now() - renewed < kSure;
}

asio::awaitable<void> Leader::run() {
  while (!waiter_.stopped()) {
    std::string why;
    try {
      co_await attempt();
    } catch (const std::exception& e) {
      why = e.what();
    }
    if (waiter_.stopped()) co_return;
    if (!why.empty())
      complaint_.say(why + "; without the Lease nothing is written to the cluster, and it is tried again");
    if (const bool now = leading(); now != led_) {
      led_ = now;
      log::info("Lease {}/{}: {}", ns_, name_,
                led_ ? "held; this replica writes status and Events" : "held by " + holder_ + "; it writes");
      changed_();
    } else if (std::exchange(lapsed_, false)) {
      log::info("Lease {}/{}: held again, after it could not be renewed in time", ns_, name_);
      changed_();
    }
    const auto jitter = std::chrono::milliseconds(random_() % 200);
    co_await waiter_.rest(kRenew - jitter);
  }
}

asio::awaitable<void> Leader::attempt() {
  const std::string target = "/apis/coordination.k8s.io/v1/namespaces/" + ns_ + "/leases";
  const bool renewing = leading() && !version_.empty();
  if (!renewing) {
    std::string body;
    bool missing = false;
    std::string wanted = target + "/" + name_;
    try {
      body = co_await client_.get(std::move(wanted));
    } catch (const ApiError& e) {
      if (e.status != 404) throw;
      missing = true;
    }
    if (missing) {
      version_.clear();
      holder_.clear();
    } else {
      read(body);
    }
  }
  const Instant now = SystemClock().now();
  const bool ours = holder_ == identity_;
  const bool over = version_.empty() || holder_.empty() || now - observed_ >= duration_;
  if (!ours && !over) co_return;
  try {
    co_await write(ours, identity_.c_str(), kLease);
  } catch (const ApiError& e) {
    if (e.status != 409) throw;
    version_.clear();  // somebody was faster: read it again
    if (ours) renewed_ = Instant{};
    co_return;
  }
  // Who looked meanwhile was told that somebody else leads, and would not look again.
  lapsed_ = lapsed_ || (led_ && !leading());
  renewed_ = now;
}

void Leader::read(const std::string& body) {
  const auto root = json::parse(body).as_object();
  const auto& metadata = root.at("metadata").as_object();
  const auto* found = root.if_contains("spec");
  const json::object spec = found && found->is_object() ? found->as_object() : json::object();
  const std::string version = text_of(metadata, "resourceVersion");
  if (version != version_) observed_ = SystemClock().now();
  version_ = version;
  holder_ = text_of(spec, "holderIdentity");
  acquired_ = text_of(spec, "acquireTime");
  transitions_ = number_of(spec, "leaseTransitions", 0);
  duration_ = std::chrono::seconds(std::clamp<std::int64_t>(number_of(spec, "leaseDurationSeconds", 10), 1, 60));
}

asio::awaitable<void> Leader::write(bool ours, const char* holder, std::chrono::seconds duration) {
  const std::string target = "/apis/coordination.k8s.io/v1/namespaces/" + ns_ + "/leases";
  const std::string now = micro_time();
  const bool create = version_.empty();
  json::object metadata{{"name", name_}, {"namespace", ns_}};
  if (!create) metadata["resourceVersion"] = version_;
  const json::object spec{{"holderIdentity", holder},
                          {"leaseDurationSeconds", duration.count()},
                          {"acquireTime", ours && !acquired_.empty() ? acquired_ : now},
                          {"renewTime", now},
                          {"leaseTransitions", transitions_ + (ours || create ? 0 : 1)}};
  std::string body = json::serialize(json::object{
      {"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", metadata}, {"spec", spec}});
  // Named, as values that live across a suspension must be with GCC 12.
  std::string method = create ? "POST" : "PUT", where = create ? target : target + "/" + name_,
              type = "application/json";
  const std::string answer =
      co_await client_.send(std::move(method), std::move(where), std::move(type), std::move(body));
  read(answer);
}

asio::awaitable<void> Leader::release() {
  waiter_.stop();
  if (running_) co_await ended_.for_news(kAnswer);
  if (running_ || !leading()) co_return;
  try {
    co_await write(true, "", std::chrono::seconds(1));
  } catch (const std::exception& e) {
    log::info("{}; the Lease ends by itself", e.what());
  }
  renewed_ = Instant{};
}

}  // namespace sluice::control::cluster
