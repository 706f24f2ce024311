#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/time_text.h"
#include "control/source/kind.h"
#include "model/shared.h"

// What the readers of kinds share. A reader is a template over Field, a node with the way that led to it: decode.cpp
// has the only one, and what it refuses is said with its field and line. After bad() a reader goes on, to find what
// else is wrong; what it has made then is thrown away.
namespace sluice::control {

inline constexpr std::size_t kMaxAnnotations = 256 << 10;  // bytes of all, names and values: the limits of Kubernetes
inline constexpr std::size_t kMaxData = 1 << 20;           // the same of a Secret's and a ConfigMap's data

inline bool plain_name(std::string_view s) {
  return !s.empty() && s.size() <= 253 && made_of(s, "-._:");
}

// Words that objects have by the ten thousand are there once, or nearly so: of those that share a place the last one is
// found again.
inline Text usual(std::string_view word) {
  constexpr std::size_t kPlaces = 256, kLongest = 100;
  if (word.size() > kLongest) return word;
  thread_local std::array<Text, kPlaces> known;
  Text& place = known[std::hash<std::string_view>{}(word) % kPlaces];
  if (place != word) place = word;
  return place;
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
  metadata["annotations"].members(kMaxAnnotations, [&](std::string_view key, std::string_view value) {
    if (key != kVerdict) m.annotations.emplace(usual(key), value);
  });
  auto read = metadata["labels"].strings(kMaxAnnotations);
  if (labels != nullptr) *labels = std::move(read);
  m.created = parse_rfc3339(metadata["creationTimestamp"].text()).value_or(kNoTimestamp);
  return m;
}

}  // namespace sluice::control
