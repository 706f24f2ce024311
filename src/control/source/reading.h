#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/time_text.h"
#include "control/source/kind.h"
#include "model/shared.h"

// What the readers of kinds share. A reader is a template over Field, a node with the way that led to it: decode.cpp
// has the only one, and what it refuses is said with its field and line.
namespace sluice::control {

inline constexpr std::size_t kMaxAnnotations = 256 << 10;  // bytes of all, names and values: the limits of Kubernetes
inline constexpr std::size_t kMaxData = 1 << 20;           // the same of a Secret's and a ConfigMap's data

inline bool plain_name(std::string_view s) {
  return !s.empty() && s.size() <= 253 && made_of(s, "-._:");
}

// `labels`: where to put them; they are checked either way.
template <class Field>
Meta read_meta(const Field& object, const KindRow& kind, std::map<std::string, std::string>* labels = nullptr) {
  Meta m;
  auto metadata = object["metadata"];
  auto name = metadata["name"];
  m.name = name.text();
  if (!plain_name(m.name)) object.bad("metadata.name", m.name, "a name of letters, digits, '-' and '.'");
  m.ns = kind.namespaced ? metadata["namespace"].text() : "";
  if (m.ns.empty() && kind.namespaced) m.ns = object.default_ns();
  if (kind.namespaced && !plain_name(m.ns)) metadata["namespace"].bad("a name of letters, digits and '-'");
  m.annotations = metadata["annotations"].strings(kMaxAnnotations);
  m.annotations.erase(kVerdict);
  auto read = metadata["labels"].strings(kMaxAnnotations);
  if (labels != nullptr) *labels = std::move(read);
  m.created = parse_rfc3339(metadata["creationTimestamp"].text()).value_or(kNoTimestamp);
  return m;
}

// Words that objects have by the ten thousand are there once.
inline Text usual(std::string_view word) {
  static const Text words[] = {std::string_view("nginx"), std::string_view("Prefix"),
                               std::string_view("Exact"), std::string_view("ImplementationSpecific"),
                               std::string_view("TCP"),   std::string_view("ClusterIP"),
                               std::string_view("IPv4"),  std::string_view("IPv6")};
  const auto* known = std::ranges::find(words, word, &Text::view);
  return known == std::end(words) ? Text(word) : *known;
}

}  // namespace sluice::control
