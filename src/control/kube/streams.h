#pragma once
#include <set>
#include <string>

#include "model/stream_listener.h"

// Ports that lead to Services, by the ConfigMaps that --tcp-services-configmap and --udp-services-configmap name.
namespace sluice::control {

// What of the Store is about them.
struct Streams {
  std::string config_maps[2];          // "ns/name" by Transport; empty: none
  bool asked_for[2] = {false, false};  // by a flag: one that is missing is said
  bool dirty = true;
  std::set<std::string> clusters;  // that they lead to
};

// Who names the ConfigMaps, in References.
inline constexpr const char* kStreamsUser = "Streams";
// More of one transport are refused.
inline constexpr std::size_t kMostStreams = 4096;

// How a Cluster knows its user: no host has such a name, and those of hosts come first.
inline std::string stream_user(const model::StreamListener& listener) {
  return "~" + std::string(model::to_string(listener.transport)) + "/" + std::to_string(listener.port);
}
inline bool is_stream_user(const std::string& user) {
  return user.starts_with('~');
}

}  // namespace sluice::control
