#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/variables.h"
#include "model/shared.h"

namespace sluice::model {

// A parameter that FastCGI pods get beside the fields of the request.
struct FastcgiParam {
  std::string name;
  Template value;            // variables and $1 to $9
  bool when_filled = false;  // it is sent only where it comes to something
  bool operator==(const FastcgiParam&) const = default;
};

// How requests become requests of FastCGI (fastcgi-index, fastcgi-params-configmap).
struct Fastcgi {
  static constexpr std::size_t kMostParams = 64, kMostBytes = 16 * 1024, kMostVariables = 64;  // of a ConfigMap

  std::string index;                         // stands behind a path that ends in a slash; empty: nothing does
  std::string config_map;                    // "namespace/name"; empty: none
  Common<std::vector<FastcgiParam>> params;  // all of them, nginx's own first; each name once
  bool keep_connections = false;             // pods are asked to keep theirs
  bool operator==(const Fastcgi&) const = default;
};

// That of routes that say nothing of it: nginx's fastcgi_params.
const Fastcgi& default_fastcgi();

// What ingress-nginx's nginx is compiled with and calls itself: programs behind it read both.
inline constexpr std::string_view kNginxVersion = "1.27.1", kNginxRoot = "/usr/local/nginx/html";

}  // namespace sluice::model
