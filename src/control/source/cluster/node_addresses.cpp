#include "control/source/cluster/node_addresses.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>
#include <optional>
#include <set>

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

const json::value* at(const json::value* in, std::string_view name) {
  return in && in->is_object() ? in->get_object().if_contains(name) : nullptr;
}
std::string text(const json::value* in, std::string_view name) {
  const auto* found = at(in, name);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

struct Pod {
  std::string name, node;  // name: "ns/name"
};

// The pods that carry the labels of `own`, as far as they run and are to stay; itself whatever is said of it, as it is
// here: what is said may be late, and while it drains it is reached still.
asio::awaitable<std::vector<Pod>> replicas(ApiClient& client, std::string own) {
  const auto slash = own.find('/');
  const std::string pods = "/api/v1/namespaces/" + own.substr(0, slash) + "/pods";
  std::string target = pods + "/" + own.substr(slash + 1);
  const std::string mine = co_await client.get(std::move(target));
  const json::value pod = json::parse(mine);
  std::string selector;
  if (const auto* labels = at(at(&pod, "metadata"), "labels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->get_object()) {
      if (key == "pod-template-hash" || key == "controller-revision-hash" || key == "pod-template-generation") continue;
      selector += (selector.empty() ? "" : ",") + std::string(key) + "=" + std::string(value.as_string());
    }
  target = pods + "?labelSelector=" + query_value(selector);
  const std::string all = co_await client.get(std::move(target));
  const json::value list = json::parse(all);
  std::vector<Pod> out;
  for (const auto& p : list.at("items").as_array()) {
    const auto* metadata = at(&p, "metadata");
    std::string name = text(metadata, "namespace") + "/" + text(metadata, "name");
    const bool stays = !at(metadata, "deletionTimestamp") && text(at(&p, "status"), "phase") == "Running";
    if (!stays && name != own) continue;
    out.push_back({std::move(name), text(at(&p, "spec"), "nodeName")});
  }
  co_return out;
}

}  // namespace

NodeAddresses::NodeAddresses(asio::io_context& io, const Access& access, Credentials& credentials, std::string pod,
                             bool internal, std::function<bool()> may, std::uint64_t seed)
    : io_(io),
      access_(access),
      credentials_(credentials),
      client_(io, access, credentials),
      waiter_(io),
      backoff_(seed),
      pod_(std::move(pod)),
      internal_(internal),
      may_(std::move(may)) {}

void NodeAddresses::start(std::function<void(std::vector<std::string>)> found) {
  found_ = std::move(found);
  asio::co_spawn(io_, enduring([this] { return run(); }), asio::detached);
}

asio::awaitable<void> NodeAddresses::run() {
  while (!waiter_.stopped()) {
    std::optional<ApiError> failure;
    bool found = true;
    try {
      if (may_()) found = co_await look();
    } catch (const std::exception& e) {
      failure = failure_of(e, "the addresses of our nodes");
    }
    if (!failure) {
      backoff_.reset();
      co_await waiter_.for_news(found ? Duration(kLook) : Duration(kUnknown));
      continue;
    }
    if (!waiter_.stopped())
      complaint_.say(std::string(failure->what()) + "; the addresses of our nodes are looked at again");
    co_await waiter_.rest(backoff_.next(*failure));
  }
}

// Of each node the external addresses, or the internal ones where there are none or when asked.
// False: none is known, which is no reason to take away those that were.
asio::awaitable<bool> NodeAddresses::look() {
  std::string own = pod_;
  const std::vector<Pod> pods = co_await replicas(client_, std::move(own));
  std::set<std::string> nodes;
  for (const auto& pod : pods)
    if (!pod.node.empty()) nodes.insert(pod.node);
  std::vector<std::string> out;
  for (const auto& node : nodes) {
    std::string target = "/api/v1/nodes/" + node;
    const std::string body = co_await client_.get(std::move(target));
    const json::value document = json::parse(body);
    const auto* list = at(at(&document, "status"), "addresses");
    if (!list || !list->is_array()) continue;
    std::vector<std::string> internal, external;
    for (const auto& a : list->get_array()) {
      const std::string type = text(&a, "type");
      if (type == "InternalIP") internal.push_back(text(&a, "address"));
      if (type == "ExternalIP") external.push_back(text(&a, "address"));
    }
    const auto& chosen = internal_ || external.empty() ? internal : external;
    out.insert(out.end(), chosen.begin(), chosen.end());
  }
  if (out.empty()) co_return false;
  found_(std::move(out));
  co_return true;
}

asio::awaitable<bool> NodeAddresses::others_run_on() {
  if (pod_.empty()) co_return false;
  ApiClient client(io_, access_, credentials_, kAnswer);  // a look may be under way
  std::string own = pod_;
  const std::vector<Pod> pods = co_await replicas(client, std::move(own));
  co_return std::any_of(pods.begin(), pods.end(), [&](const Pod& pod) { return pod.name != pod_; });
}

}  // namespace sluice::control::cluster
