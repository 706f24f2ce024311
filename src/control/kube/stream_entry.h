#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "model/stream_listener.h"

// One entry of a ConfigMap of ports, as ingress-nginx reads them: the key is the port, the value
// "namespace/service:port[:[PROXY]][:[PROXY]]".
namespace sluice::control {

struct Settings;

struct StreamEntry {
  std::uint16_t port = 0;
  std::string ns, service, service_port;
  bool proxy_in = false, proxy_out = false;  // the first and the second PROXY
  // Words that are read as if they were not there: what each should be.
  std::vector<std::string> ignored;
};

struct StreamEntryError {
  bool of_key = false;  // else of the value
  std::string expected;
};

std::expected<StreamEntry, StreamEntryError> read_stream_entry(model::Transport transport, std::string_view key,
                                                               std::string_view value);

// The ConfigMap of a transport's ports, "ns/name"; empty: none.
std::string config_map_of(model::Transport transport, const Settings& settings);

}  // namespace sluice::control
