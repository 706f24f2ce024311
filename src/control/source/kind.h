#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "model/report.h"

// What every kind of object has: its row, its place in a file, and its fields in the API. A kind is one file of kinds/
// and its lines in kinds.h.
namespace sluice::control {

inline constexpr std::int64_t kNoTimestamp = std::numeric_limits<std::int64_t>::max();

// The annotation that Sluice itself writes (--status-annotation): no part of what is wanted, so never in Meta.
inline constexpr const char* kVerdict = "sluice.dev/verdict";
// The prefix of annotations that ingress-nginx does not have.
inline constexpr std::string_view kOwnPrefix = "sluice.dev";

struct Meta {
  std::string ns = "default";
  std::string name;
  std::int64_t created =
      kNoTimestamp;            // seconds since 1970; objects without a timestamp are younger than those with one
  std::uint64_t position = 0;  // order inside the file
  std::map<Text, std::string, TextLess> annotations;
  model::Origin origin;
  // Two versions of an object are the same when only their place in a file differs.
  bool operator==(const Meta& o) const {
    return ns == o.ns && name == o.name && created == o.created && annotations == o.annotations;
  }
};

// A field that the API knows.
struct Schema {
  std::string_view name;
  std::span<const Schema> below = {};  // none: a scalar, a map of strings, or not judged
};
// Fields are those of Kubernetes 1.36, with what older servers of the same versions have. tests/k8s/test_objects.py
// holds them to what the API server says.
inline constexpr Schema kOwnerFields[] = {{"apiVersion"}, {"blockOwnerDeletion"}, {"controller"}, {"kind"}, {"name"},
                                          {"uid"}};
inline constexpr Schema kMetaFields[] = {{"annotations"},
                                         {"clusterName"},
                                         {"creationTimestamp"},
                                         {"deletionGracePeriodSeconds"},
                                         {"deletionTimestamp"},
                                         {"finalizers"},
                                         {"generateName"},
                                         {"generation"},
                                         {"labels"},
                                         {"managedFields"},
                                         {"name"},
                                         {"namespace"},
                                         {"ownerReferences", kOwnerFields},
                                         {"resourceVersion"},
                                         {"selfLink"},
                                         {"uid"}};

// "networking.k8s.io" of "networking.k8s.io/v1"; empty: the core group, or no version at all.
constexpr std::string_view group_of(std::string_view api_version) noexcept {
  const auto slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

struct KindRow {
  const char* name;              // "Ingress"
  std::string_view api_version;  // "networking.k8s.io/v1"; "v1" of the core group
  const char* plural;            // "ingresses", as in paths and in RBAC
  bool namespaced = true;
  bool listed = true;         // all are listed and watched, else none; the options' ConfigMap is listed by its name
  const char* selector = "";  // of that list, as in a query
  bool deniable = false;      // without the right to list them there is another way
  bool by_name = false;       // those that other objects or options name are asked for one by one
  bool has_status = false;    // that we write
  // Its fields in the API. What is beside them is said to be read by nobody.
  std::span<const Schema> fields = {};
  // Nothing that is secret has its shape: values of it may stand in messages (disclosure.h).
  bool open = false;

  constexpr std::string_view group() const noexcept { return group_of(api_version); }
  // Of all, or of those of one namespace: "/apis/networking.k8s.io/v1/namespaces/shop/ingresses".
  std::string path(std::string_view ns = {}) const;
};

}  // namespace sluice::control
