#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/settings/backend_protocol.h"
#include "model/settings/upstream_tls.h"
#include "model/shared.h"

namespace sluice::model {

// How an endpoint is asked whether it is well: by a GET, by grpc.health.v1.Health/Check, or by a connection alone.
enum class CheckBy : std::uint8_t { off, http, grpc, tcp };
constexpr std::string_view to_string(CheckBy by) noexcept {
  switch (by) {
    case CheckBy::off:
      return "off";
    case CheckBy::http:
      return "http";
    case CheckBy::grpc:
      return "grpc";
    case CheckBy::tcp:
      return "tcp";
  }
  return "";
}

// Statuses of HTTP, both ends included.
struct StatusRange {
  std::uint16_t first = 200, last = 399;
  bool operator==(const StatusRange&) const = default;
};

// health-check*: the endpoints of a Cluster are asked from time to time, whether or not there are requests.
struct HealthCheck {
  using Millis = std::chrono::milliseconds;
  CheckBy by = CheckBy::off;
  std::string path = "/";  // of http: path and query
  std::string host;        // Host or :authority; empty: the endpoint's address and port
  std::string service;     // of grpc; empty: the server as a whole
  Millis interval{10'000}, timeout{2'000};
  std::uint32_t unhealthy_after = 3, healthy_after = 2;  // answers in a row; not 0
  std::vector<StatusRange> expect{StatusRange{}};        // of http
  // How the endpoints are met: as by requests of the Ingress that decides. A Cluster alone has it.
  std::optional<BackendProtocol> protocol;  // empty: as the Cluster says
  Shared<UpstreamTls> tls;                  // null: unverified_tls()
  bool operator==(const HealthCheck&) const = default;
};

}  // namespace sluice::model
