#pragma once
#include "base/base64.h"

#include "control/source/reading.h"

namespace sluice::control {

// `data` is decoded already. Values are never printed.
struct Secret {
  Meta meta;
  std::string type;
  std::map<std::string, std::string> data;
  bool operator==(const Secret&) const = default;

  struct Fields {
    static constexpr Schema kObject[] = {{"apiVersion"}, {"data"}, {"immutable"}, {"kind"}, {"metadata", kMetaFields},
                                         {"stringData"}, {"type"}};
  };
  static constexpr KindRow kRow{
      .name = "Secret",
      .api_version = "v1",
      .plural = "secrets",
      .selector = "fieldSelector=type%3Dkubernetes.io%2Ftls",
      .deniable = true,
      .by_name = true,
      .fields = Fields::kObject,
  };
  template <class Field>
  static Secret read(const Field& o);
};

template <class Field>
Secret Secret::read(const Field& o) {
  Secret out;
  out.meta = read_meta(o, kRow);
  out.type = o["type"].text("Opaque");
  const auto data = o["data"];
  for (auto& [key, text] : data.strings(kMaxData / 3 * 4 + kMaxData / 64)) {
    auto value = decode_base64(text);
    if (value)
      out.data[key] = std::move(*value);
    else
      data.bad_member(key, "base64");
  }
  for (auto& [key, value] : o["stringData"].strings(kMaxData)) out.data[key] = value;
  return out;
}

}  // namespace sluice::control
