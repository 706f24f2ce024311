#pragma once
#include "model/settings/route_settings.h"

// Which of a route's settings may keep requests out. Where a path cannot be told from others, requests of one Ingress
// must not come by another one that keeps fewer of them out (docs/protection.md). Those of a host (auth-tls-*) are the
// same for all of its paths, and limits say how often one may ask, not who.
namespace sluice::model {

inline bool keeps_out(const RouteSettings& s) noexcept {
  return s.source_ranges || s.basic_auth || s.external_auth || (s.snippet && keeps_out(*s.snippet));
}

// Do both keep the same requests out?
inline bool same_guards(const RouteSettings& a, const RouteSettings& b) noexcept {
  const auto snippet_of = [](const RouteSettings& s) {
    return s.snippet && keeps_out(*s.snippet) ? s.snippet : nullptr;
  };
  return a.source_ranges == b.source_ranges && a.basic_auth == b.basic_auth && a.external_auth == b.external_auth &&
         snippet_of(a) == snippet_of(b) && a.satisfy_any == b.satisfy_any;
}

}  // namespace sluice::model
