#pragma once
#include <vector>

#include "app/nginx_pages.h"
#include "app/publisher.h"
#include "ops/admin/admin.h"

namespace sluice::app {

// The admin pages that need both the configuration and operations. `bound`: what is listened on, for /config.
std::vector<ops::AdminPage> pages(Publisher& publisher, ops::Metrics& metrics, const std::atomic<bool>& draining,
                                  const std::vector<std::string>& bound, EndpointStates state);

}  // namespace sluice::app
