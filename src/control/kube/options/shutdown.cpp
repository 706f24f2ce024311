// The end.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

constexpr std::array kShutdownRows{
    Option{"shutdown-grace-period", seconds<&Options::shutdown_grace_period, 0>,
           "after SIGTERM: not ready, but still accepting"},
    Option{"worker-shutdown-timeout", seconds<&Options::worker_shutdown_timeout, 0>,
           "then: how long running exchanges may take"},
};

}  // namespace

std::span<const Option> shutdown() {
  return kShutdownRows;
}

}  // namespace sluice::control::options_of
