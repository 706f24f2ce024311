#pragma once
#include "control/source/reading.h"

namespace sluice::control {

struct ConfigMap {
  Meta meta;
  std::map<std::string, std::string> data;
  bool unreadable = false;  // there is one of this name, and that is all that is known of it
  bool operator==(const ConfigMap&) const = default;

  struct Fields {
    static constexpr Schema kObject[] = {{"apiVersion"}, {"binaryData"}, {"data"},
                                         {"immutable"},  {"kind"},       {"metadata", kMetaFields}};
  };
  static constexpr KindRow kRow{
      .name = "ConfigMap",
      .api_version = "v1",
      .plural = "configmaps",
      .listed = false,
      .by_name = true,
      .fields = Fields::kObject,
  };
  template <class Field>
  static ConfigMap read(const Field& o);
};

template <class Field>
ConfigMap ConfigMap::read(const Field& o) {
  ConfigMap out;
  out.meta = read_meta(o, kRow);
  out.data = o["data"].strings(kMaxData);
  return out;
}

}  // namespace sluice::control
