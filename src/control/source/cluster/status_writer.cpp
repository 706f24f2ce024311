#include "control/source/cluster/status_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "control/kube/grammar.h"
#include "model/ip.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr Duration kWhileIdle = std::chrono::hours(1);

constexpr std::string_view kService = "Service/";

std::string member(const Node* node, std::string_view name) {
  const Node* found = node ? node->get(name) : nullptr;
  return found && found->is_scalar() ? std::string(found->text) : std::string();
}
const Node* at(const Node* node, std::string_view name) {
  return node ? node->get(name) : nullptr;
}

// Where a Service is reached, by its type.
std::vector<std::string> addresses_of(const Node& service) {
  const Node* spec = service.get("spec");
  std::vector<std::string> external;
  if (const Node* list = at(spec, "externalIPs"); list && list->kind == Node::Kind::list)
    for (const Node* n = list->first; n; n = n->next)
      if (n->is_scalar()) external.emplace_back(n->text);
  const std::string type = member(spec, "type");
  if (type == "ExternalName") return {member(spec, "externalName")};
  if (type == "LoadBalancer") {
    auto out = load_balancer_of(service);
    out.insert(out.end(), external.begin(), external.end());
    return out;
  }
  const std::string ip = member(spec, "clusterIP");
  if (type == "NodePort" && !external.empty()) return external;
  return ip.empty() || ip == "None" ? std::vector<std::string>() : std::vector<std::string>{ip};
}

// Of an identity.
std::string_view namespace_of(std::string_view identity) {
  const auto at = identity.find('/') + 1;
  return identity.substr(at, identity.find('/', at) - at);
}

// Of two versions of one object, the former (they rise: Kubernetes API concepts, "Resource versions").
bool older(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos && text.front() != '0';
  };
  if (!number(a) || !number(b)) return false;
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string patch_of(const std::optional<json::object>& status, const std::optional<std::string>& verdict,
                     const std::string& version) {
  json::object metadata{{"resourceVersion", version}};
  if (verdict)
    metadata["annotations"] = json::object{{kVerdict, verdict->empty() ? json::value() : json::value(*verdict)}};
  json::object patch{{"metadata", metadata}};
  if (status) patch["status"] = *status;
  return json::serialize(patch);
}

// Of an object, "ns/name".
std::string status_path(const char* kind, std::string_view name) {
  const auto slash = name.find('/');
  return kind_of(kind)->path(name.substr(0, slash)).append(name.substr(slash)).append("/status");
}

}  // namespace

StatusWriter::StatusWriter(asio::io_context& io, const Access& access, Credentials& credentials,
                           const Settings& settings, std::function<bool()> may, std::uint64_t seed,
                           std::span<const StatusRow> rows)
    : io_(io),
      settings_(settings.status),
      may_(std::move(may)),
      nodes_(io, access, credentials, settings_.pod, settings_.node_internal_ip, may_, seed),
      changed_(io) {
  for (const StatusRow& row : rows) kinds_.emplace_back(row);
  for (unsigned i = 0; i < kHands; ++i) hands_.emplace_back(io, access, credentials, may_, seed + i);
  if (!settings_.addresses.empty()) have(settings_.addresses);
}

void StatusWriter::start() {
  for (Hand& hand : hands_) {
    ++running_;
    asio::co_spawn(io_, enduring([this, &hand] { return run(hand); }), [this](std::exception_ptr) {
      --running_;
      changed_.news();
    });
  }
  if (settings_.addresses.empty() && settings_.publish_service.empty() && !settings_.pod.empty())
    nodes_.start([this](std::vector<std::string> found) { have(std::move(found)); });
}

void StatusWriter::news() {
  for (Hand& hand : hands_) hand.waiter.news();
}

void StatusWriter::have(std::vector<std::string> addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  std::string text = addresses_text(std::move(addresses));
  if (leaving_ || (known_ && text == wanted_)) return;
  wanted_ = std::move(text);
  known_ = true;
  look_at_all();
}

void StatusWriter::look_at_all() {
  for (OfKind& kind : kinds_)
    for (auto& [name, k] : kind.objects) look_at(kind, name, k);
  news();
}

void StatusWriter::review() {
  look_at_all();
  nodes_.review();
}

StatusWriter::Place StatusWriter::place_of(std::string_view identity) {
  const auto slash = identity.find('/');
  for (OfKind& kind : kinds_)
    if (identity.substr(0, slash) == kind.row.kind) return {&kind, std::string(identity.substr(slash + 1))};
  return {};
}

StatusWriter::Known* StatusWriter::Place::known() const {
  if (!kind) return nullptr;
  const auto at = kind->objects.find(name);
  return at == kind->objects.end() ? nullptr : &at->second;
}

const std::set<std::string>& StatusWriter::OfKind::parents_of(const std::string& name) const {
  static const std::set<std::string> the_only_one{""};
  const auto named = parents.find(name);
  return named == parents.end() ? the_only_one : named->second;
}

std::string StatusWriter::said_by_us(const OfKind& kind, const std::string& name, const std::string& now,
                                     bool leaving) const {
  return kind.row.want(now, kind.parents_of(name), leaving ? std::string() : wanted_);
}

StatusWriter::Wanted StatusWriter::lacks(const OfKind& kind, const std::string& name, const Known& k) const {
  Wanted out;
  const bool served = kind.served.contains(name);
  // While we leave only what is ours is taken out.
  if (known_ && served && (k.now == said_by_us(kind, name, k.now, false)) == leaving_)
    out.status = said_by_us(kind, name, k.now, leaving_);
  if (leaving_ || !settings_.annotation || !kind.row.has_verdict) return out;
  auto verdict = verdicts_.of(name, served);
  if (verdict != k.verdict && (k.judged || !verdict.empty())) out.verdict = std::move(verdict);
  return out;
}

void StatusWriter::look_at(OfKind& kind, const std::string& name, Known& k) {
  if (settings_.annotation && kind.row.has_verdict && !verdicts_.of(name, kind.served.contains(name)).empty())
    k.judged = true;
  if (k.due || !lacks(kind, name, k)) return;
  const std::string identity = std::string(kind.row.kind) + "/" + name;
  due_.add(namespace_of(identity), identity);
  k.due = true;
}

// Puts it off when it was written again and again: two who want different things would not come to rest.
bool StatusWriter::too_often(const std::string& identity, Known& k) {
  const Instant now = SystemClock().now();
  const Duration wait = k.writes.wait(now, kInARow, kEach);
  if (leaving_ || wait == Duration(0)) return false;
  later_.emplace(now + wait, identity);
  return true;
}

void StatusWriter::bring_back(Instant until) {
  while (!later_.empty() && later_.begin()->first <= until) {
    const std::string& identity = later_.begin()->second;
    due_.add(namespace_of(identity), identity);
    later_.erase(later_.begin());
  }
}

void StatusWriter::warn_of_another(const OfKind& kind, const std::string& name, const Known& k) {
  another_.say(
      fmt::format("{} {}: somebody else wrote [{}] into its status, it is written again. Where another controller "
                  "serves its class too, one of the two wants --update-status=false",
                  kind.row.kind, name, k.now));
}

void StatusWriter::seen(const std::string& identity, const Node& object) {
  if (identity.starts_with(kService)) {
    if (settings_.addresses.empty() && identity.substr(kService.size()) == settings_.publish_service)
      // An empty list is one that is not known yet: a Service that was made anew waits for its load balancer.
      if (auto addresses = addresses_of(object); !addresses.empty()) have(std::move(addresses));
    return;
  }
  const Place place = place_of(identity);
  if (!place.kind) return;
  OfKind& kind = *place.kind;
  Known& k = kind.objects[place.name];
  const std::string uid = member(object.get("metadata"), "uid"),
                    version = member(object.get("metadata"), "resourceVersion");
  if (k.ahead && uid == k.uid && older(version, k.version)) return;
  k.ahead = false;
  k.uid = uid;
  k.version = version;
  const auto as_we_want = [&] { return k.now == said_by_us(kind, place.name, k.now, false); };
  const bool ours = known_ && !leaving_ && kind.served.contains(place.name) && as_we_want() && may_();
  k.now = kind.row.read(object);
  if (ours && !as_we_want()) warn_of_another(kind, place.name, k);
  k.verdict = member(at(object.get("metadata"), "annotations"), kVerdict);
  look_at(kind, place.name, k);
  if (k.due) news();
}

void StatusWriter::gone(const std::string& identity) {
  if (const Place place = place_of(identity); place.kind) place.kind->objects.erase(place.name);
  // A publish-service that is gone leaves the addresses as they were: it is being made anew.
}

void StatusWriter::served(const Standings& changes) {
  for (const auto& [key, yes] : changes) {
    const Place place = place_of(key.kind + "/" + key.object);
    if (!place.kind) continue;
    OfKind& kind = *place.kind;
    bool any = yes;
    if (!key.parent.empty()) {
      auto& parents = kind.parents[key.object];
      if (yes)
        parents.insert(key.parent);
      else
        parents.erase(key.parent);
      any = !parents.empty();
      if (!any) kind.parents.erase(key.object);
    }
    if (any)
      kind.served.insert(key.object);
    else
      kind.served.erase(key.object);
    if (Known* k = place.known()) look_at(kind, key.object, *k);
  }
  news();
}

void StatusWriter::report(const std::vector<model::Entry>& entries) {
  if (!settings_.annotation) return;
  const auto changed = verdicts_.report(entries);
  for (OfKind& kind : kinds_) {
    if (!kind.row.has_verdict) continue;
    for (const auto& name : changed)
      if (Known* k = Place{&kind, name}.known()) look_at(kind, name, *k);
  }
  news();
}

StatusWriter::Identity StatusWriter::identity_of(const std::string& identity) {
  const Known* k = place_of(identity).known();
  return k ? Identity{k->uid, k->version} : Identity{};
}

asio::awaitable<void> StatusWriter::run(Hand& hand) {
  // What there was no memory for waits nowhere.
  if (starved_) look_at_all();
  starved_ = false;
  while (!hand.waiter.stopped()) {
    const Instant now = SystemClock().now();
    bring_back(now);
    if (due_.empty() || !may_()) {
      // Nobody says when `may` begins to hold, and the Lease may have lapsed between two looks at it.
      Duration most = due_.empty() ? Duration(kWhileIdle) : Duration(kMayAgain);
      if (!later_.empty()) most = std::min<Duration>(most, later_.begin()->first - now);
      co_await hand.waiter.for_news(most);
      continue;
    }
    std::string identity = due_.next();
    ++writing_;
    std::optional<ApiError> failure;
    bool starved = false;
    try {
      std::string which = identity;
      failure = co_await write(hand, std::move(which));
    } catch (const std::bad_alloc&) {
      starved = true;
    }
    --writing_;
    if (Known* k = place_of(identity).known(); starved && k) k->due = false;
    if (starved) {
      starved_ = true;
      throw std::bad_alloc();
    }
    changed_.news();
    if (!failure) {
      hand.backoff.reset();
      continue;
    }
    ++failures_;
    if (!hand.waiter.stopped())
      failed_.say(std::string(failure->what()) + "; the status of Ingresses is written later");
    co_await hand.waiter.rest(hand.backoff.next(*failure));
  }
}

// Both by the subresource: it takes annotations too, so that no right to change an Ingress itself is needed.
asio::awaitable<std::optional<ApiError>> StatusWriter::write(Hand& hand, std::string identity) {
  const Place place = place_of(identity);
  Known* before = place.known();
  if (!before) co_return std::nullopt;
  const Wanted wanted = lacks(*place.kind, place.name, *before);
  before->due = wanted && !before->version.empty();
  if (!before->due || too_often(identity, *before)) co_return std::nullopt;
  const std::string version = before->version;
  std::optional<json::object> status;
  if (wanted.status) status = place.kind->row.write(*wanted.status);
  std::string body = patch_of(status, wanted.verdict, version);
  std::string target = status_path(place.kind->row.kind, place.name);
  std::string method = "PATCH", type = "application/merge-patch+json";
  std::optional<ApiError> failure;
  std::unique_ptr<Document> document;
  try {
    const std::string answer =
        co_await hand.client.send(std::move(method), std::move(target), std::move(type), std::move(body));
    document = parse_json(answer, 1, kJsonTimes);
  } catch (const std::exception& e) {
    failure = failure_of(e, "PATCH of the status of " + place.name);
  }
  Known* after = place.known();
  if (!after) co_return std::nullopt;
  Known& k = *after;
  k.due = false;
  const bool outdated = failure && (failure->status == 404 || failure->status == 409);
  if (!failure) {
    k.writes.spend();
    ++written_;
  }
  if (!failure && document->root && k.version == version) {
    seen(identity, *document->root);
    k.ahead = true;
  } else if (!outdated || k.version != version) {
    look_at(*place.kind, place.name, k);
  }
  // Gone, or changed: the watch brings the next version, and with it the next try.
  if (outdated) co_return std::nullopt;
  co_return failure;
}

std::size_t StatusWriter::ours() const {
  std::size_t count = 0;
  for (const OfKind& kind : kinds_)
    for (const auto& [name, k] : kind.objects)
      count += kind.served.contains(name) && k.now == said_by_us(kind, name, k.now, false);
  return count;
}

asio::awaitable<bool> StatusWriter::others_run_on() {
  try {
    const bool others = co_await nodes_.others_run_on();
    if (others) log::info("other replicas run on: the addresses stay in the status of Ingresses");
    co_return others;
  } catch (const std::exception& e) {
    log::warn("{}; addresses stay in the status of Ingresses", e.what());
    co_return true;
  }
}

asio::awaitable<void> StatusWriter::clear() {
  const Instant until = SystemClock().now() + kClear;
  nodes_.stop();
  bool leaves = settings_.on_shutdown && known_ && !wanted_.empty() && may_();
  if (leaves) leaves = !co_await others_run_on();
  if (leaves) {
    leaving_ = true;
    bring_back(Instant::max());
    look_at_all();
    while ((!due_.empty() || writing_ > 0) && may_() && SystemClock().now() < until)
      co_await changed_.for_news(until - SystemClock().now());
  }
  for (Hand& hand : hands_) hand.waiter.stop();
  while (running_ > 0 && SystemClock().now() < until) co_await changed_.for_news(until - SystemClock().now());
  if (const std::size_t left = leaves ? ours() : 0; left > 0)
    log::warn("there was no time to take the addresses out of the status of {} Ingresses", left);
}

}  // namespace sluice::control::cluster

namespace sluice::control {

// What ends in one of these texts the API server refuses since Kubernetes 1.37, with all of the status.
std::string check_status_address(const std::string& text) {
  const bool colons = text.find(':') != std::string::npos;
  if (const auto ip = colons ? model::read_ip(text) : std::nullopt)
    if (const auto plain = model::ip_text(*ip); plain.find(':') == std::string::npos)
      return "expected the IPv4 address itself, " + plain + ": Kubernetes refuses one mapped into IPv6";
  if (text.find_first_not_of("0123456789.") == std::string::npos && !is_ipv4(text))
    return "expected an IPv4 address of four numbers from 0 to 255 without leading zeros, as Kubernetes refuses others";
  const bool name =
      is_host_name(text, false) && std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  return name || is_ipv4(text) || is_ipv6(text) ? "" : "expected an IP address, or a DNS name in lower case";
}

}  // namespace sluice::control
