#pragma once
#include <string_view>

namespace sluice::model {

// What ingress-nginx calls the Cluster of --default-backend, and Route::upstream_name has, where no path of an Ingress
// leads there.
inline constexpr std::string_view kDefaultUpstream = "upstream-default-backend";

}  // namespace sluice::model
