#include "control/source/cluster/status_writer.h"

#include <arpa/inet.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/log.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr auto kRepeat = std::chrono::seconds(60);

constexpr std::string_view kIngress = "Ingress/", kService = "Service/";

std::string member(const Node* node, std::string_view name) {
  const Node* found = node ? node->get(name) : nullptr;
  return found && found->is_scalar() ? std::string(found->text) : std::string();
}
const Node* at(const Node* node, std::string_view name) {
  return node ? node->get(name) : nullptr;
}

std::vector<std::string> load_balancer(const Node& object) {
  std::vector<std::string> out;
  const Node* list = at(at(at(&object, "status"), "loadBalancer"), "ingress");
  if (list && list->kind == Node::Kind::list)
    for (const Node* n = list->first; n; n = n->next) {
      const std::string ip = member(n, "ip");
      out.push_back(ip.empty() ? member(n, "hostname") : ip);
    }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_ip(const std::string& text) {
  unsigned char room[16];
  return inet_pton(AF_INET, text.c_str(), room) == 1 || inet_pton(AF_INET6, text.c_str(), room) == 1;
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
    auto out = load_balancer(service);
    out.insert(out.end(), external.begin(), external.end());
    return out;
  }
  const std::string ip = member(spec, "clusterIP");
  if (type == "NodePort" && !external.empty()) return external;
  return ip.empty() || ip == "None" ? std::vector<std::string>() : std::vector<std::string>{ip};
}

std::string_view namespace_of(std::string_view name) {
  return name.substr(0, name.find('/'));
}

std::string split_target(const std::string& name, const char* api, const char* resource) {
  const auto slash = name.find('/');
  return std::string(api) + "/namespaces/" + name.substr(0, slash) + "/" + resource + "/" + name.substr(slash + 1);
}

}  // namespace

StatusWriter::StatusWriter(asio::io_context& io, const Access& access, Credentials& credentials,
                           const Settings& settings, std::function<bool()> may, std::uint64_t seed)
    : client_(io, access, credentials),
      waiter_(io),
      backoff_(seed),
      finish_(io),
      settings_(settings.status),
      may_(std::move(may)) {
  if (!settings_.addresses.empty()) have(settings_.addresses);
}

void StatusWriter::start() {
  finish_.run(run());
}

void StatusWriter::have(Addresses addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (known_ && addresses == wanted_) return;
  wanted_ = std::move(addresses);
  known_ = true;
  review();
}

void StatusWriter::review() {
  for (auto& [name, k] : ingresses_) look_at(name, k);
  waiter_.news();
}

StatusWriter::Wanted StatusWriter::lacks(const std::string& name, const Known& k) const {
  Wanted out;
  if (known_ && k.served && k.now != wanted_) out.addresses = wanted_;
  if (!settings_.annotation) return out;
  auto verdict = verdicts_.of(name, k.served);
  if (verdict != k.verdict && (k.judged || !verdict.empty())) out.verdict = std::move(verdict);
  return out;
}

void StatusWriter::look_at(const std::string& name, Known& k) {
  if (settings_.annotation && !verdicts_.of(name, k.served).empty()) k.judged = true;
  if (lacks(name, k)) wait_for_turn(name, k);
}

void StatusWriter::wait_for_turn(const std::string& name, Known& k) {
  if (!std::exchange(k.due, true)) due_.add(namespace_of(name), name);
}

// Puts it off when it was written again and again: two who want different things would not come to rest.
bool StatusWriter::too_often(const std::string& name, Known& k) {
  const Instant now = SystemClock().now();
  const Duration wait = k.writes.wait(now, kInARow, kEach);
  if (wait == Duration(0)) return false;
  k.due = true;
  later_.emplace(now + wait, name);
  return true;
}

void StatusWriter::warn_of_another(const std::string& name, const Known& k) {
  const Instant now = SystemClock().now();
  if (now - warned_ < kRepeat) return;
  warned_ = now;
  log::warn(
      "Ingress {}: somebody else wrote [{}] into its status, it is written again. Where another controller serves its "
      "class too, one of the two wants --update-status=false",
      name, fmt::join(k.now, ", "));
}

void StatusWriter::seen(const std::string& identity, const Node& object) {
  if (identity.starts_with(kService)) {
    if (settings_.addresses.empty() && identity.substr(kService.size()) == settings_.publish_service)
      have(addresses_of(object));
    return;
  }
  if (!identity.starts_with(kIngress)) return;
  const std::string name = identity.substr(kIngress.size());
  Known& k = ingresses_[name];
  k.uid = member(object.get("metadata"), "uid");
  k.version = member(object.get("metadata"), "resourceVersion");
  const bool ours = known_ && k.served && k.now == wanted_ && may_();
  k.now = load_balancer(object);
  if (ours && k.now != wanted_) warn_of_another(name, k);
  k.verdict = member(at(object.get("metadata"), "annotations"), kVerdict);
  look_at(name, k);
  if (!due_.empty()) waiter_.news();
}

void StatusWriter::gone(const std::string& identity) {
  if (identity.starts_with(kIngress)) ingresses_.erase(identity.substr(kIngress.size()));
  // A publish-service that is gone leaves the addresses as they were: it is being made anew.
}

void StatusWriter::served(const std::map<std::string, bool>& changes) {
  for (const auto& [name, yes] : changes) {
    const auto it = ingresses_.find(name);
    if (it == ingresses_.end()) continue;
    it->second.served = yes;
    look_at(name, it->second);
  }
  waiter_.news();
}

void StatusWriter::report(const std::vector<model::Entry>& entries) {
  if (!settings_.annotation) return;
  for (const auto& name : verdicts_.report(entries))
    if (const auto it = ingresses_.find(name); it != ingresses_.end()) look_at(name, it->second);
  waiter_.news();
}

StatusWriter::Identity StatusWriter::identity_of(const std::string& name) const {
  const auto it = ingresses_.find(name);
  return it == ingresses_.end() ? Identity{} : Identity{it->second.uid, it->second.version};
}

asio::awaitable<void> StatusWriter::run() {
  while (!waiter_.stopped()) {
    std::optional<ApiError> failure;
    try {
      co_await work();
    } catch (const std::exception& e) {
      failure = failure_of(e, "the status of Ingresses");
    }
    if (waiter_.stopped()) co_return;
    if (failure && failure->what() != said_) log::warn("{}; the status of Ingresses is written later", failure->what());
    said_ = failure ? failure->what() : "";
    if (failure)
      co_await waiter_.rest(backoff_.next(*failure));
    else {
      const Instant next = later_.empty() ? Instant::max() : later_.begin()->first;
      const Duration most = std::clamp<Duration>(next - SystemClock().now(), Duration(0), kAddresses);
      co_await waiter_.for_news(most);
    }
  }
}

asio::awaitable<void> StatusWriter::work() {
  const bool nodes = settings_.addresses.empty() && settings_.publish_service.empty() && !settings_.pod.empty();
  if (nodes && may_() && SystemClock().now() >= nodes_at_) {
    nodes_at_ = SystemClock().now() + kAddresses;
    co_await look_at_nodes();
  }
  while (!later_.empty() && later_.begin()->first <= SystemClock().now()) {
    const std::string name = later_.extract(later_.begin()).value().second;
    due_.add(namespace_of(name), name);
  }
  while (!waiter_.stopped() && may_() && !due_.empty()) {
    std::string name = due_.next();
    const auto it = ingresses_.find(name);
    if (it == ingresses_.end()) continue;
    it->second.due = false;
    Wanted wanted = lacks(name, it->second);
    if (!wanted || too_often(name, it->second)) continue;
    co_await write(std::move(name), std::move(wanted));
    backoff_.reset();
  }
}

// Both by the subresource: it takes annotations too, so that no right to change an Ingress itself is needed.
asio::awaitable<void> StatusWriter::write(std::string name, Wanted wanted) {
  const auto it = ingresses_.find(name);
  if (it == ingresses_.end() || it->second.version.empty()) co_return;
  json::object metadata{{"resourceVersion", it->second.version}};
  if (wanted.verdict) {
    const json::value verdict = wanted.verdict->empty() ? json::value() : json::value(*wanted.verdict);
    metadata["annotations"] = json::object{{kVerdict, verdict}};
  }
  json::object patch{{"metadata", metadata}};
  if (wanted.addresses) {
    json::array list;
    for (const auto& a : *wanted.addresses) list.push_back(json::object{{is_ip(a) ? "ip" : "hostname", a}});
    patch["status"] = {{"loadBalancer", {{"ingress", list}}}};
  }
  std::string body = json::serialize(patch);
  std::string target = split_target(name, "/apis/networking.k8s.io/v1", "ingresses") + "/status";
  std::string method = "PATCH", type = "application/merge-patch+json";
  std::optional<ApiError> failure;
  std::string answer;
  try {
    answer = co_await client_.send(std::move(method), std::move(target), std::move(type), std::move(body));
  } catch (const ApiError& e) {
    failure = e;
  }
  if (failure) {
    // Gone, or changed: the watch brings the next version, and with it the next try.
    if (failure->status == 404 || failure->status == 409) co_return;
    if (const auto found = ingresses_.find(name); found != ingresses_.end()) wait_for_turn(name, found->second);
    throw *failure;
  }
  if (const auto found = ingresses_.find(name); found != ingresses_.end()) found->second.writes.spend();
  const auto document = parse_json(answer, 1);
  if (document->root) seen("Ingress/" + name, *document->root);
}

// The pods that carry the labels of our own, itself among them, as far as they run and are to stay.
asio::awaitable<json::array> StatusWriter::replicas() {
  std::string own_target = split_target(settings_.pod, "/api/v1", "pods");
  const std::string own = co_await client_.get(std::move(own_target));
  std::string selector;
  const auto document = json::parse(own);
  if (const auto* labels = document.at("metadata").as_object().if_contains("labels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->get_object()) {
      if (key == "pod-template-hash" || key == "controller-revision-hash" || key == "pod-template-generation") continue;
      selector += (selector.empty() ? "" : ",") + std::string(key) + "=" + std::string(value.as_string());
    }
  std::string target = "/api/v1/namespaces/" + settings_.pod.substr(0, settings_.pod.find('/')) +
                       "/pods?labelSelector=" + query_value(selector);
  const std::string body = co_await client_.get(std::move(target));
  json::array out;
  const auto list = json::parse(body);
  for (const auto& pod : list.at("items").as_array()) {
    const auto* status = pod.as_object().if_contains("status");
    const auto* phase = status ? status->as_object().if_contains("phase") : nullptr;
    if (pod.at("metadata").as_object().contains("deletionTimestamp")) continue;
    if (phase && phase->is_string() && phase->get_string() == "Running") out.push_back(pod);
  }
  co_return out;
}

// Of the nodes that our pods run on: the external addresses, or the internal ones where there are none or when asked.
asio::awaitable<void> StatusWriter::look_at_nodes() {
  Addresses found;
  const json::array pods = co_await replicas();
  std::set<std::string> nodes;
  for (const auto& pod : pods)
    if (const auto* node = pod.at("spec").as_object().if_contains("nodeName"); node && node->is_string())
      nodes.emplace(node->get_string());
  for (const auto& node : nodes) {
    std::string target = "/api/v1/nodes/" + node;
    const std::string body = co_await client_.get(std::move(target));
    const auto document = json::parse(body);
    Addresses internal, external;
    const auto* status = document.as_object().if_contains("status");
    const auto* list = status ? status->as_object().if_contains("addresses") : nullptr;
    if (!list || !list->is_array()) continue;
    for (const auto& a : list->get_array()) {
      const std::string type(a.at("type").as_string()), address(a.at("address").as_string());
      if (type == "InternalIP") internal.push_back(address);
      if (type == "ExternalIP") external.push_back(address);
    }
    const auto& chosen = settings_.node_internal_ip || external.empty() ? internal : external;
    found.insert(found.end(), chosen.begin(), chosen.end());
  }
  have(std::move(found));
}

asio::awaitable<void> StatusWriter::clear() {
  waiter_.stop();
  const Instant until = SystemClock().now() + kClear;
  const bool idle = co_await finish_.wait(kClear);
  if (!idle) log::warn("a write is not answered; addresses stay in the status of Ingresses");
  if (!idle || !settings_.on_shutdown || !known_ || wanted_.empty() || !may_()) co_return;
  std::size_t left = 0;
  try {
    if (!settings_.pod.empty()) {
      const json::array others = co_await replicas();
      for (const auto& pod : others) {
        const auto& metadata = pod.at("metadata");
        if (std::string(metadata.at("namespace").as_string()) + "/" + std::string(metadata.at("name").as_string()) ==
            settings_.pod)
          continue;
        log::info("other replicas run on: the addresses stay in the status of Ingresses");
        co_return;
      }
    }
    std::vector<std::string> ours;
    for (const auto& [name, k] : ingresses_)
      if (k.served && k.now == wanted_) ours.push_back(name);
    for (const auto& name : ours) {
      if (SystemClock().now() >= until || !may_())
        ++left;
      else {
        Wanted none;
        none.addresses.emplace();
        co_await write(name, std::move(none));
      }
    }
  } catch (const std::exception& e) {
    log::warn("{}; addresses stay in the status of Ingresses", e.what());
  }
  if (left > 0) log::warn("there was no time to take the addresses out of the status of {} Ingresses", left);
}

}  // namespace sluice::control::cluster
