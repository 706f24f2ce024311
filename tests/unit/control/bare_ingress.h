#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "../data/pem.h"
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

// default/pair and default/headers, which the values of tests name. Of the ConfigMap no option has to allow anything.
inline std::shared_ptr<const Object> pair_secret() {
  Secret pair;
  pair.meta.ns = "default";
  pair.meta.name = "pair";
  static const std::string authority = test::make_pem("ca.example").chain;
  pair.data = {{"ca.crt", authority}, {"auth", "user:{PLAIN}password\n"}};
  return std::make_shared<const Object>(std::move(pair));
}
inline std::shared_ptr<const Object> empty_headers() {
  ConfigMap headers;
  headers.meta.ns = "default";
  headers.meta.name = "headers";
  return std::make_shared<const Object>(std::move(headers));
}

inline Backend to_service() {
  Backend out;
  out.service = "svc";
  out.port = "80";
  return out;
}

}  // namespace sluice::control::testing
