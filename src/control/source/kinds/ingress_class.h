#pragma once
#include "control/source/reading.h"

namespace sluice::control {

struct IngressClass {
  Meta meta;
  std::string controller;
  bool operator==(const IngressClass&) const = default;

  struct Fields {
    static constexpr Schema kParameters[] = {{"apiGroup"}, {"kind"}, {"name"}, {"namespace"}, {"scope"}};
    static constexpr Schema kClassSpec[] = {{"controller"}, {"parameters", kParameters}};
    static constexpr Schema kObject[] = {{"apiVersion"}, {"kind"}, {"metadata", kMetaFields}, {"spec", kClassSpec}};
  };
  static constexpr KindRow kRow{
      .name = "IngressClass",
      .api_version = "networking.k8s.io/v1",
      .plural = "ingressclasses",
      .namespaced = false,
      .deniable = true,
      .fields = Fields::kObject,
      .open = true,
  };
  template <class Field>
  static IngressClass read(const Field& o);
};

template <class Field>
IngressClass IngressClass::read(const Field& o) {
  IngressClass out;
  out.meta = read_meta(o, kRow);
  out.controller = o["spec"]["controller"].text();
  return out;
}

}  // namespace sluice::control
