#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "control/kube/objects.h"

namespace sluice::control::testing {

// An Ingress of class nginx without rules. Annotations without the prefix of their names.
inline Ingress bare_ingress(const std::string& ns, const std::string& name, std::int64_t created,
                            const std::map<std::string, std::string>& annotations) {
  Ingress out;
  out.meta.ns = ns;
  out.meta.name = name;
  out.meta.created = created;
  for (const auto& [key, value] : annotations) out.meta.annotations["nginx.ingress.kubernetes.io/" + key] = value;
  out.class_name = "nginx";
  return out;
}

inline Backend to_service() {
  Backend out;
  out.service = "svc";
  out.port = "80";
  return out;
}

}  // namespace sluice::control::testing
