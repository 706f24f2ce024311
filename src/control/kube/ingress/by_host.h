#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "control/kube/ingress/translator.h"

// What an Ingress says of one host, at the cost of what it says: an Ingress with thousands of hosts is not looked
// through for each of them.
namespace sluice::control {

// Null where there is so little that looking through all of it costs less.
model::Shared<IngressState::ByHost> sort_by_host(const Ingress& ingress);

// The places of the rules for a host (in lower case), in order. Of the object, served or not.
std::vector<std::uint32_t> rules_of(const IngressState& state, const std::string& host);

// That are looked at for one host: 100, and less when an Ingress has so many hosts that this would be more than 10,000
// in all, but never less than 10.
std::size_t max_certificates(const Ingress& ingress) noexcept;

// The Secrets that TLS sections name for a host, as "namespace/name", in order; those of the sections that name it,
// else any, as one of them may cover it: at most max_certificates() and one more, which says that there are more.
struct SecretsOfHost {
  std::vector<std::string> secrets;
  bool named = false;  // by sections that name the host
};
SecretsOfHost secrets_of(const IngressState& state, const std::string& host);

}  // namespace sluice::control
