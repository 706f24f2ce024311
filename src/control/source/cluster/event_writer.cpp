#include "control/source/cluster/event_writer.h"

#include <fmt/chrono.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/printable.h"
#include "control/source/kinds.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::size_t kMaxMessage = 1024;  // of the API
constexpr Duration kEventsWhileIdle = std::chrono::hours(1);

std::string api_version(std::string_view kind) {
  const KindRow* known = kind_of(kind);
  return known ? std::string(known->api_version) : "v1";
}

bool is_object(std::string_view kind) {
  const KindRow* known = kind_of(kind);
  return known && known->namespaced;
}

// Where its Event belongs.
std::string namespace_of(const model::Entry& entry) {
  return entry.object.ns.empty() ? "default" : entry.object.ns.str();
}

// FNV-1a: the same in every build and replica.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 14695981039346656037U;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return h;
}

}  // namespace

EventWriter::EventWriter(asio::io_context& io, const Access& access, Credentials& credentials, std::string instance,
                         std::function<StatusWriter::Identity(const std::string&)> known, std::function<bool()> may,
                         std::uint64_t seed)
    : io_(io),
      client_(io, access, credentials, ApiClient::kAnswer, may),
      waiter_(io),
      backoff_(seed),
      instance_(std::move(instance)),
      known_(std::move(known)),
      may_(std::move(may)) {}

void EventWriter::start() {
  asio::co_spawn(io_, enduring([this] { return run(); }), asio::detached);
}

void EventWriter::stop() {
  waiter_.stop();
}

void EventWriter::report(std::vector<model::Entry> entries) {
  report_ = std::move(entries);
  review();
}

void EventWriter::review() {
  // Only the leader remembers: another one that takes over tells all again, under the same names.
  std::set<std::string> now;
  std::size_t left = 0;
  const bool may = may_();
  for (const auto& e : report_) {
    if (!may) break;
    if (!is_object(e.object.kind.view())) continue;
    auto line = model::Report::line(e);
    if (!told_.contains(line)) {
      if (const auto ns = namespace_of(e); queue_.waiting(ns) < kMost)
        queue_.add(ns, e);
      else
        ++left;
    }
    now.insert(std::move(line));
  }
  if (left > 0)
    log::warn("{} problems get no Event: {} of their namespace wait already; the admin address lists all", left, kMost);
  told_ = std::move(now);
  if (!may) queue_.clear();
  waiter_.news();
}

asio::awaitable<void> EventWriter::run() {
  while (!waiter_.stopped()) {
    const bool work = !queue_.empty() && may_();
    const Duration wait = work             ? allowance_.wait(SystemClock().now(), kBurst, kEach)
                          : queue_.empty() ? Duration(kEventsWhileIdle)
                                           : Duration(kMayAgain);
    if (wait > Duration(0)) {
      co_await waiter_.for_news(wait);
      continue;
    }
    allowance_.spend();
    const model::Entry entry = queue_.next();
    std::optional<ApiError> failure;
    try {
      co_await write(entry);
    } catch (const std::exception& e) {
      failure = failure_of(e, "an Event");
    }
    if (waiter_.stopped()) co_return;
    const unsigned status = failure ? failure->status : 200;
    // It is there already, or is not taken.
    if (status / 100 == 4 && status != 401 && status != 403 && status != 429) {
      log::debug("{}: no Event", failure->what());
      failure.reset();
    }
    if (!failure) {
      ++written_;
      backoff_.reset();
      continue;
    }
    // Others may work: a namespace that is being removed takes none.
    if (told_.contains(model::Report::line(entry))) queue_.add(namespace_of(entry), entry);
    ++failures_;
    complaint_.say(std::string(failure->what()) + "; Events are written later");
    co_await waiter_.rest(backoff_.next(*failure));
  }
}

asio::awaitable<void> EventWriter::write(model::Entry entry) {
  const std::string ns = namespace_of(entry);
  const std::string name = entry.object.name.str();
  json::object about{
      {"kind", entry.object.kind}, {"namespace", ns}, {"name", name}, {"apiVersion", api_version(entry.object.kind)}};
  const StatusWriter::Identity identity = known_(control::identity(entry.object.kind.str().c_str(), ns, name));
  if (!identity.uid.empty()) {
    about["uid"] = identity.uid;
    about["resourceVersion"] = identity.version;
  }
  const std::string line = model::Report::line(entry);
  const std::string now = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  const json::object event{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", json::object{{"name", fmt::format("{}.{:016x}", name.substr(0, 200),
                                                     hash(line + identity.uid + identity.version))},
                                {"namespace", ns}}},
      {"involvedObject", about},
      {"reason", entry.problem.reason},
      {"message", cut(line, kMaxMessage)},
      {"type", "Warning"},
      {"source", json::object{{"component", "sluice"}, {"host", instance_}}},
      {"firstTimestamp", now},
      {"lastTimestamp", now},
      {"count", 1}};
  std::string body = json::serialize(event);
  std::string target = "/api/v1/namespaces/" + ns + "/events";
  std::string method = "POST", type = "application/json";
  co_await client_.send(std::move(method), std::move(target), std::move(type), std::move(body));
}

}  // namespace sluice::control::cluster
