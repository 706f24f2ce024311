#pragma once
#include "control/source/reading.h"

namespace sluice::control {

struct SliceEndpoint {
  std::vector<std::string> addresses;
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::string pod;  // namespace/name when targetRef names one
  // Where it is, and for whom it is meant (hints), names with commas between them, which no name has. Most are alike
  // and share their memory.
  Text zone = {}, node = {}, for_zones = {}, for_nodes = {};
  bool operator==(const SliceEndpoint&) const = default;
};

struct SlicePort {
  std::string name;
  std::uint16_t port = 0;
  Text protocol;
  bool operator==(const SlicePort&) const = default;
};

struct EndpointSlice {
  Meta meta;
  Text address_type;
  std::string service;  // label kubernetes.io/service-name
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;
  bool operator==(const EndpointSlice&) const = default;

  // Of the Service that it has the endpoints of.
  using PartOf = struct Service;
  const std::string& whole() const { return service; }

  struct Fields {
    static constexpr Schema kNamed[] = {{"name"}};
    static constexpr Schema kHints[] = {{"forNodes", kNamed}, {"forZones", kNamed}};
    static constexpr Schema kConditions[] = {{"ready"}, {"serving"}, {"terminating"}};
    static constexpr Schema kTarget[] = {{"apiVersion"}, {"fieldPath"},       {"kind"}, {"name"},
                                         {"namespace"},  {"resourceVersion"}, {"uid"}};
    static constexpr Schema kEndpoint[] = {{"addresses"},          {"conditions", kConditions},
                                           {"deprecatedTopology"}, {"hints", kHints},
                                           {"hostname"},           {"nodeName"},
                                           {"targetRef", kTarget}, {"zone"}};
    static constexpr Schema kSlicePort[] = {{"appProtocol"}, {"name"}, {"port"}, {"protocol"}};
    static constexpr Schema kObject[] = {{"addressType"},           {"apiVersion"},
                                         {"endpoints", kEndpoint},  {"kind"},
                                         {"metadata", kMetaFields}, {"ports", kSlicePort}};
  };
  static constexpr KindRow kRow{
      .name = "EndpointSlice",
      .api_version = "discovery.k8s.io/v1",
      .plural = "endpointslices",
      .fields = Fields::kObject,
      .open = true,
  };
  template <class Field>
  static EndpointSlice read(const Field& o);
};

template <class Field>
EndpointSlice EndpointSlice::read(const Field& o) {
  EndpointSlice out;
  std::map<std::string, std::string> labels;
  out.meta = read_meta(o, kRow, &labels);
  out.address_type = o["addressType"].one_of({"IPv4", "IPv6", "FQDN"}, "", "its addresses are taken for what they are");
  if (auto it = labels.find("kubernetes.io/service-name"); it != labels.end()) out.service = it->second;
  std::vector<Text> words;  // of the endpoints so far
  const auto once = [&words](std::string text) {
    const auto known = std::ranges::find(words, std::string_view(text), &Text::view);
    if (known != words.end()) return *known;
    if (words.size() == 64) words.clear();  // nodes, of many: the next of these are others
    return words.emplace_back(std::string_view(text));
  };
  const auto names = [&once](const Field& list) {
    std::vector<std::string> each;
    list.list(each, [&](const Field& one) { each.push_back(one["name"].text()); });
    std::string all;
    for (const auto& name : each) all.append(all.empty() ? "" : ",").append(name);
    return once(std::move(all));
  };
  o["endpoints"].list(out.endpoints, [&](const Field& f) {
    SliceEndpoint e;
    f["addresses"].list(e.addresses, [&](const Field& a) { e.addresses.push_back(a.text()); });
    auto conditions = f["conditions"];
    e.ready = conditions["ready"].boolean(true);
    e.serving = conditions["serving"].boolean(e.ready);
    e.terminating = conditions["terminating"].boolean(false);
    if (auto target = f["targetRef"]; target && target["kind"].text() == "Pod")
      e.pod = target["namespace"].text(out.meta.ns) + "/" + target["name"].text();
    e.zone = once(f["zone"].text());
    e.node = once(f["nodeName"].text());
    if (const auto hints = f["hints"]) e.for_zones = names(hints["forZones"]), e.for_nodes = names(hints["forNodes"]);
    out.endpoints.push_back(std::move(e));
  });
  o["ports"].list(out.ports, [&](const Field& f) {
    if (f["port"].is_zero()) return;  // "all ports" means nothing to a proxy, and the API server takes a 0
    out.ports.push_back(
        {f["name"].text(), f["port"].port(), f["protocol"].one_of({"TCP", "UDP", "SCTP"}, "TCP", "it counts as TCP")});
  });
  return out;
}

}  // namespace sluice::control
