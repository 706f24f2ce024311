#include "control/source/cluster/status_rows.h"

#include <algorithm>
#include <boost/json/array.hpp>

#include "control/kube/grammar.h"

namespace sluice::control::cluster {

namespace json = boost::json;

namespace {

const Node* below(const Node* node, std::string_view name) {
  return node ? node->get(name) : nullptr;
}
std::string scalar_below(const Node* node, std::string_view name) {
  const Node* found = below(node, name);
  return found && found->is_scalar() ? std::string(found->text) : std::string();
}

// An Ingress says the addresses of whoever serves it, and not who that is: what others have written there is not ours.
std::string want_addresses(const std::string&, const std::set<std::string>&, const std::string& addresses) {
  return addresses;
}

// networking.k8s.io/v1 IngressLoadBalancerStatus.
std::string read_load_balancer(const Node& object) {
  return addresses_text(load_balancer_of(object));
}
json::object write_load_balancer(const std::string& wanted) {
  json::array list;
  for (std::size_t from = 0, to = 0; from < wanted.size(); from = to + 1) {
    to = std::min(wanted.find(' ', from), wanted.size());
    const std::string address = wanted.substr(from, to - from);
    list.push_back(json::object{{is_ipv4(address) || is_ipv6(address) ? "ip" : "hostname", address}});
  }
  return {{"loadBalancer", json::object{{"ingress", std::move(list)}}}};
}

constexpr StatusRow kRows[] = {
    {.kind = "Ingress",
     .read = read_load_balancer,
     .want = want_addresses,
     .write = write_load_balancer,
     .has_verdict = true},
};
static_assert(std::ssize(kRows) == std::ranges::count_if(kKinds, &KindRow::has_status));

}  // namespace

std::span<const StatusRow> status_rows() noexcept {
  return kRows;
}

std::string addresses_text(std::vector<std::string> addresses) {
  std::ranges::sort(addresses);
  std::string out;
  for (const auto& address : addresses) {
    if (!out.empty()) out += ' ';
    out += address;
  }
  return out;
}

std::vector<std::string> load_balancer_of(const Node& object) {
  std::vector<std::string> out;
  const Node* list = below(below(below(&object, "status"), "loadBalancer"), "ingress");
  if (list && list->kind == Node::Kind::list)
    for (const Node* n = list->first; n; n = n->next) {
      const std::string ip = scalar_below(n, "ip");
      out.push_back(ip.empty() ? scalar_below(n, "hostname") : ip);
    }
  return out;
}

}  // namespace sluice::control::cluster
