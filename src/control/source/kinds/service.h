#pragma once
#include "control/source/reading.h"

namespace sluice::control {

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::string target;  // number or name; empty: the same as port
  Text protocol;
  Text app_protocol;  // empty: not said
  bool operator==(const ServicePort&) const = default;
};

struct Service {
  Meta meta;
  Text type;
  std::vector<std::string> cluster_ips;
  std::string external_name;
  std::vector<ServicePort> ports;
  bool operator==(const Service&) const = default;

  struct Fields {
    static constexpr Schema kServicePort[] = {{"appProtocol"}, {"name"},     {"nodePort"},
                                              {"port"},        {"protocol"}, {"targetPort"}};
    static constexpr Schema kClientIp[] = {{"timeoutSeconds"}};
    static constexpr Schema kAffinity[] = {{"clientIP", kClientIp}};
    static constexpr Schema kServiceSpec[] = {{"allocateLoadBalancerNodePorts"},
                                              {"clusterIP"},
                                              {"clusterIPs"},
                                              {"externalIPs"},
                                              {"externalName"},
                                              {"externalTrafficPolicy"},
                                              {"healthCheckNodePort"},
                                              {"internalTrafficPolicy"},
                                              {"ipFamilies"},
                                              {"ipFamily"},
                                              {"ipFamilyPolicy"},
                                              {"loadBalancerClass"},
                                              {"loadBalancerIP"},
                                              {"loadBalancerSourceRanges"},
                                              {"ports", kServicePort},
                                              {"publishNotReadyAddresses"},
                                              {"selector"},
                                              {"sessionAffinity"},
                                              {"sessionAffinityConfig", kAffinity},
                                              {"topologyKeys"},
                                              {"trafficDistribution"},
                                              {"type"}};
    static constexpr Schema kObject[] = {
        {"apiVersion"}, {"kind"}, {"metadata", kMetaFields}, {"spec", kServiceSpec}, {"status"}};
  };
  static constexpr KindRow kRow{
      .name = "Service",
      .api_version = "v1",
      .plural = "services",
      .fields = Fields::kObject,
      .open = true,
  };
  template <class Field>
  static Service read(const Field& o);
};

template <class Field>
Service Service::read(const Field& o) {
  Service out;
  out.meta = read_meta(o, kRow);
  auto spec = o["spec"];
  out.type = spec["type"].one_of({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}, "ClusterIP",
                                 "it counts as ClusterIP");
  spec["clusterIPs"].list(out.cluster_ips, [&](const Field& f) { out.cluster_ips.push_back(f.text()); });
  if (const auto one = spec["clusterIP"].text(); out.cluster_ips.empty() && !one.empty()) out.cluster_ips = {one};
  out.external_name = spec["externalName"].text();
  spec["ports"].list(out.ports, [&](const Field& f) {
    ServicePort p;
    p.name = f["name"].text();
    if (const Field port = f["port"])
      p.port = port.port();
    else
      f.bad("a port with a number");
    p.target = f["targetPort"].port_or_name();
    p.protocol = f["protocol"].one_of({"TCP", "UDP", "SCTP"}, "TCP", "nothing leads to the port");
    p.app_protocol = f["appProtocol"].text();
    out.ports.push_back(std::move(p));
  });
  return out;
}

}  // namespace sluice::control
