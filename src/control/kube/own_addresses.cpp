#include "control/kube/own_addresses.h"

#include <algorithm>
#include <utility>

#include "model/ip.h"

namespace sluice::control {

OwnAddresses::OwnAddresses(Core& core, Clusters& clusters) : core_(core), clusters_(clusters) {
  core.references.all_of<Service>(*this);
  core.references.all_of<EndpointSlice>(*this);
  if (core.settings.listeners.empty()) return;
  core.own =
      std::make_shared<const model::OwnListeners>(model::OwnListeners{core.settings.listeners, {}, {}, {}, {}, {}});
  changed_ = true;
}

void OwnAddresses::reached_by(std::vector<model::Ip> addresses) {
  interfaces_ = std::move(addresses);
  reach();
}

void OwnAddresses::rebuild(model::Change& change) {
  if (std::exchange(replicas_changed_, false)) find_replicas();
  if (!std::exchange(changed_, false)) return;
  core_.model->own = core_.own;
  change.own = true;
}

void OwnAddresses::touched(const Object& object) {
  const auto& ns = meta(object).ns;
  if (core_.own && core_.settings.status.pod.size() > ns.size() && core_.settings.status.pod.starts_with(ns) &&
      core_.settings.status.pod[ns.size()] == '/')
    replicas_changed_ = true;
}

void OwnAddresses::find_replicas() {
  replicas_.clear();
  service_addresses_.clear();
  service_datagrams_.clear();
  const std::string& pod = core_.settings.status.pod;
  const std::string ns = pod.substr(0, pod.find('/') + 1);
  const auto slice_of = [](const ObjectPtr& part) -> const EndpointSlice& { return std::get<EndpointSlice>(*part); };
  core_.objects.each_with_parts<Service>([&](const std::string& key, const std::vector<ObjectPtr>& parts) {
    if (!key.starts_with(ns)) return;
    const auto ours = [&](const ObjectPtr& part) {
      return std::ranges::any_of(slice_of(part).endpoints, [&](auto& e) { return e.pod == pod; });
    };
    if (std::ranges::none_of(parts, ours)) return;
    for (const ObjectPtr& part : parts)
      for (const auto& endpoint : slice_of(part).endpoints)
        for (const auto& address : endpoint.addresses)
          if (const auto ip = model::read_ip(address)) replicas_.push_back(*ip);
    const auto* service = core_.objects.find<Service>(key);
    if (!service) return;
    // Its ports need not be those of its pods.
    for (const ServicePort& port : service->ports) {
      const bool udp = port.protocol == "UDP";
      const auto leads = [&](const ObjectPtr& part) {
        const auto number = port_in(slice_of(part), port);
        return udp ? core_.own->takes_datagrams_on(number) : core_.own->listens_on(number);
      };
      if (std::ranges::none_of(parts, leads)) continue;
      for (const auto& address : service->cluster_ips)
        if (const auto ip = model::read_ip(address))
          (udp ? service_datagrams_ : service_addresses_).emplace_back(*ip, port.port);
    }
  });
  reach();
}

// An address that came or went decides about the endpoints on our ports, and about what was refused.
void OwnAddresses::reach() {
  if (!core_.own) return;
  const auto sort = [](auto& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  sort(interfaces_), sort(replicas_), sort(service_addresses_), sort(service_datagrams_);
  const auto& own = *core_.own;
  model::OwnListeners now{own.all, interfaces_, replicas_, service_addresses_, own.datagrams, service_datagrams_};
  if (now == own) return;
  core_.own = std::make_shared<const model::OwnListeners>(std::move(now));
  changed_ = true;
  clusters_.judge_anew(
      [this](std::uint16_t port) { return core_.own->has_port(port) || core_.own->has_datagram_port(port); });
}

// These ports are ours: nothing that is passed on may lead there.
void OwnAddresses::listen_at(const model::StreamListeners& streams) {
  if (!core_.own) return;
  model::OwnListeners next = *core_.own;
  next.all = core_.settings.listeners;
  next.datagrams.clear();
  for (const model::StreamListener& l : streams) {
    model::OwnListener at;
    at.what = to_string(l.transport);
    if (const auto ip = model::read_ip(core_.settings.stream_address)) at.address = *ip;
    at.port = l.port;
    (l.transport == model::Transport::udp ? next.datagrams : next.all).push_back(std::move(at));
  }
  if (next == *core_.own) return;
  const auto before = std::exchange(core_.own, std::make_shared<const model::OwnListeners>(std::move(next)));
  changed_ = true;
  if (core_.settings.status.pod.contains('/'))
    replicas_changed_ = true;  // other Services may lead to us by these ports
  clusters_.judge_anew([&](std::uint16_t port) {
    return (core_.own->has_port(port) && !before->has_port(port)) ||
           (core_.own->has_datagram_port(port) && !before->has_datagram_port(port));
  });
}

}  // namespace sluice::control
