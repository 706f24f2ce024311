#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/options.h"

namespace sluice::model {

// How much one client may ask of the paths of an Ingress together (limit-rps, limit-rpm, limit-connections). Who a
// client is says Options::limit_conn_zone_variable. What was counted belongs to the Ingress, whatever becomes of these
// numbers.
struct ClientLimits {
  std::string ns, ingress;
  std::int64_t created = 0;            // when it was: one that is made anew under the same name begins anew
  std::uint32_t rps = 0;               // requests a second; 0: any number
  std::uint32_t rpm = 0;               // requests a minute; likewise
  std::uint32_t connections = 0;       // requests at once; likewise, kMostConnections at most
  std::uint32_t burst_multiplier = 5;  // rps and rpm times this may come at once, and one more
  std::vector<Cidr> exempt;            // whose requests are not counted, as SourceRanges counts bits
  bool operator==(const ClientLimits&) const = default;

  static constexpr std::uint32_t kMostConnections = 65'535;
};

}  // namespace sluice::model
