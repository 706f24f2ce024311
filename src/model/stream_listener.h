#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/report.h"

// Ports beside those of the flags, whose bytes nobody reads: what comes goes to the pods of a Service as it is.
namespace sluice::model {

enum class Transport : std::uint8_t { tcp, udp };
std::string_view to_string(Transport transport);  // "tcp", "udp"

struct StreamListener {
  Transport transport = Transport::tcp;
  std::uint16_t port = 0;  // on every address that streams are taken at
  std::string cluster;     // a Cluster's name
  bool proxy_in = false;   // each connection begins with a PROXY header
  bool proxy_out = false;  // and each one to a pod gets one; of the version that the Cluster asks for, else version 1
  // For logs, metrics and reports.
  std::string ns, service, service_port, upstream_name;
  std::string written;  // the value of the ConfigMap
  ObjectRef object;     // the ConfigMap
  bool operator==(const StreamListener& o) const {
    return transport == o.transport && port == o.port && cluster == o.cluster && proxy_in == o.proxy_in &&
           proxy_out == o.proxy_out && written == o.written && object.ns == o.object.ns && object.name == o.object.name;
  }
  // Which socket it is.
  std::uint32_t place() const noexcept { return static_cast<std::uint32_t>(transport) << 16U | port; }
};

// In the order of place(), no two of one place.
using StreamListeners = std::vector<StreamListener>;

}  // namespace sluice::model
