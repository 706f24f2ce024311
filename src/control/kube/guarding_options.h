#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/annotations/registry.h"
#include "control/kube/snippet/text.h"

// Options that guard the requests of every Ingress and are not served by this version: what they guard answers 503, as
// it does for annotations (annotations/guard.h).
namespace sluice::control {

struct GuardingOption {
  std::string_view key;
  bool (*forbids)(std::string_view value);        // does this value forbid anything?
  bool (*reaches)(const AnnotationResult::Own&);  // an Ingress that says this of its own
  bool authenticates = false;                     // not for paths below no-auth-locations
  bool everywhere = false;                        // requests too that no Ingress takes
  // Of snippets: why nothing comes of the value, and where in it; nothing: all is fine. `http`: the http-snippet, whose
  // maps and zones it may name; null: that is not known yet. Null for others.
  std::optional<snippet::Refusal> (*why)(std::string_view value, const std::string* http) = nullptr;
};

// In place of a key: all of the ConfigMap, where there is one that cannot be read. Whatever it protects is closed.
inline constexpr std::string_view kUnreadable = "configmap";

// Those that are keys.
std::span<const GuardingOption> guarding_options();
// Null when it is none.
const GuardingOption* guarding_option(std::string_view key);

// Adds what `keys` close of an Ingress. Returns the names of those that do, "global-auth-url, block-cidrs".
std::string close_by_options(const std::vector<std::string>& keys, const AnnotationResult::Own& own, Closing& closing);

// What `keys` close of requests that no Ingress takes; empty: nothing.
std::string closed_without_ingress(const std::vector<std::string>& keys);

}  // namespace sluice::control
