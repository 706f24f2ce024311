// Ports that lead to Services.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

constexpr std::array kStreamRows{
    Option{"proxy-stream-timeout", seconds<&Options::proxy_stream_timeout, 1>,
           "how long a connection or a session of datagrams of a port that leads to a Service may go without a byte "
           "([tcp-services](tcp-services.md))"},
    Option{"proxy-stream-next-upstream", boolean<&Options::proxy_stream_next_upstream>,
           "ask another pod where one does not take a connection of such a port"},
    Option{"proxy-stream-next-upstream-timeout", seconds<&Options::proxy_stream_next_upstream_timeout, 0>,
           "time in which further tries may start; 0 is no limit"},
    Option{"proxy-stream-next-upstream-tries", number<&Options::proxy_stream_next_upstream_tries, 0, 1000>,
           "tries in all, at most 16; 0 is each pod once"},
    Option{"proxy-stream-responses", number<&Options::proxy_stream_responses, 0, 2'147'483'647>,
           "datagrams that a pod answers to each one, after which the session is over; 0: it answers nothing"},
};

}  // namespace

std::span<const Option> streams() {
  return kStreamRows;
}

}  // namespace sluice::control::options_of
