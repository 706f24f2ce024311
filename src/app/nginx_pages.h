#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "app/publisher.h"
#include "ops/admin/admin.h"

namespace sluice::app {

// Of each endpoint of the cluster, in its order, why it is left out: "ejected", "unhealthy"; "ejected, but asked" where
// too many are; empty: it is not, as far as this process knows. Any thread.
using EndpointStates = std::function<std::vector<std::string_view>(const model::Cluster& cluster)>;

// What agents, probes and the kubectl plugin ask an ingress-nginx pod for, in its shape, where it is not the metrics:
// /nginx_status, /is-dynamic-lb-initialized, /configuration/backends, /configuration/general, /configuration/certs.
// There they are behind 127.0.0.1:10246. Nothing is changed through them, and no key leaves.
std::vector<ops::AdminPage> nginx_pages(Publisher& publisher, ops::Metrics& metrics, EndpointStates state);

}  // namespace sluice::app
