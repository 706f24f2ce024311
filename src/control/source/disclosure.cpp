#include "control/source/disclosure.h"

#include <algorithm>

#include "base/nearest.h"
#include "base/printable.h"
#include "base/strings.h"
#include "control/source/kinds.h"

namespace sluice::control {

namespace {

constexpr std::size_t kValue = 120, kName = 253, kWord = 63, kMixedWord = 16, kKind = 40;
constexpr const char* kUnseen = "…";

bool lower_case(char c) {
  return c >= 'a' && c <= 'z';
}
bool upper_case(char c) {
  return c >= 'A' && c <= 'Z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}

template <std::size_t N>
bool among(const std::string_view (&list)[N], std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

// Keys, tokens and what base64 makes of them mix cases and digits, and are long; what people name things does not.
bool word(std::string_view text) {
  const auto has = [&](auto what) { return std::any_of(text.begin(), text.end(), what); };
  const bool mixed = has(lower_case) && has(upper_case);
  return text.size() <= (mixed ? kMixedWord : kWord) && !(mixed && has(digit)) && (has(lower_case) || has(upper_case));
}

// RFC 1123, as the names of all objects that are read here. A number alone would be one, too.
bool names_object(std::string_view text) {
  return text.size() <= kName && std::any_of(text.begin(), text.end(), lower_case) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return lower_case(c) || digit(c) || c == '-' || c == '.'; });
}

// A member at the top that one of the open kinds has. What has others, `data` say, may be a Secret with the wrong kind.
bool is_open_member(std::string_view name) {
  const auto has_it = [&](const KindRow& row) {
    return row.open && std::ranges::find(row.fields, name, &Schema::name) != row.fields.end();
  };
  return std::ranges::any_of(kKinds, has_it);
}

// What Secrets have by their types (core/v1).
constexpr std::string_view kSecretKeys[] = {"tls.crt",  "tls.key",  "ca.crt",         "auth",       ".dockerconfigjson",
                                            "username", "password", "ssh-privatekey", ".dockercfg", "token"};
// The kinds that Kubernetes 1.33 serves without any addition, and those of files for clients.
constexpr std::string_view kBuiltInKinds[] = {"APIService",
                                              "AdmissionReview",
                                              "Binding",
                                              "CSIDriver",
                                              "CSINode",
                                              "CSIStorageCapacity",
                                              "CertificateSigningRequest",
                                              "ClusterRole",
                                              "ClusterRoleBinding",
                                              "ClusterTrustBundle",
                                              "ComponentStatus",
                                              "Config",
                                              "ConfigMap",
                                              "ControllerRevision",
                                              "CronJob",
                                              "CustomResourceDefinition",
                                              "DaemonSet",
                                              "Deployment",
                                              "DeviceClass",
                                              "EndpointSlice",
                                              "Endpoints",
                                              "Event",
                                              "Eviction",
                                              "ExecCredential",
                                              "FlowSchema",
                                              "HorizontalPodAutoscaler",
                                              "IPAddress",
                                              "Ingress",
                                              "IngressClass",
                                              "Job",
                                              "Kustomization",
                                              "Lease",
                                              "LimitRange",
                                              "List",
                                              "MutatingAdmissionPolicy",
                                              "MutatingWebhookConfiguration",
                                              "Namespace",
                                              "NetworkPolicy",
                                              "Node",
                                              "PersistentVolume",
                                              "PersistentVolumeClaim",
                                              "Pod",
                                              "PodDisruptionBudget",
                                              "PodTemplate",
                                              "PriorityClass",
                                              "PriorityLevelConfiguration",
                                              "ReplicaSet",
                                              "ReplicationController",
                                              "ResourceClaim",
                                              "ResourceQuota",
                                              "ResourceSlice",
                                              "Role",
                                              "RoleBinding",
                                              "RuntimeClass",
                                              "Secret",
                                              "Service",
                                              "ServiceAccount",
                                              "ServiceCIDR",
                                              "StatefulSet",
                                              "Status",
                                              "StorageClass",
                                              "SubjectAccessReview",
                                              "TokenRequest",
                                              "TokenReview",
                                              "ValidatingAdmissionPolicy",
                                              "ValidatingAdmissionPolicyBinding",
                                              "ValidatingWebhookConfiguration",
                                              "VolumeAttachment",
                                              "VolumeAttributesClass"};

}  // namespace

Disclosure::Disclosure(const Node& object, std::string_view kind) : level_(Level::nothing) {
  if (object.kind != Node::Kind::map) return;
  if (const Node* own = object.get("kind"); own && own->text != kind) return;
  if (kind == "ConfigMap") level_ = Level::keys;
  if (const KindRow* row = kind_of(kind); !row || !row->open) return;
  fields_ = true;
  for (const Node* n = object.first; n; n = n->next)
    if (!is_open_member(n->key)) return;
  level_ = Level::all;
}

std::string Disclosure::value(const Node& node) const {
  if (node.kind == Node::Kind::list) return "(a list)";
  if (node.kind == Node::Kind::map) return "(a map)";
  return value(node.text);
}

std::string Disclosure::value(std::string_view text) const {
  return level_ == Level::all ? std::string(cut(text, kValue)) : "";
}

std::string Disclosure::key(std::string_view text) const {
  const bool seen = level_ == Level::all || among(kSecretKeys, text) ||
                    (level_ == Level::keys && made_of(text, "-._/") && word(text));
  return seen ? std::string(cut(text, kName)) : kUnseen;
}

std::string Disclosure::field(std::string_view text) const {
  if (level_ == Level::all) return std::string(cut(text, kWord));
  return fields_ && made_of(text, "-._/") && word(text) ? std::string(text) : key(text);
}

std::string Disclosure::name(std::string_view text) const {
  return level_ == Level::all || names_object(text) ? std::string(cut(text, kName)) : "";
}

std::string Disclosure::object_name(std::string_view text) {
  return names_object(text) ? std::string(text) : "";
}

// A Secret with its value in the place of its kind is still one of the core group: there, only what is spelt nearly
// like a kind that Kubernetes has is shown. Kinds of other groups are as many as there are projects; "EC2NodeClass" is
// the worst of their forms.
std::string Disclosure::kind(std::string_view text, std::string_view group) {
  if (!made_of(text, "") || text.size() > kKind) return "";
  if (!names_object(group) || group.find('.') == std::string_view::npos) {
    const auto singular = text.ends_with("List") ? text.substr(0, text.size() - 4) : text;
    const bool known = singular.empty() || among(kBuiltInKinds, singular) || !nearest(singular, kBuiltInKinds).empty();
    return known ? std::string(text) : "";
  }
  const auto digits = std::count_if(text.begin(), text.end(), digit);
  std::size_t humps = 0;
  for (std::size_t i = 1; i < text.size(); ++i) humps += lower_case(text[i - 1]) && upper_case(text[i]);
  const bool camel = !text.empty() && !digit(text.front()) && digits <= 2 && humps * 4 <= text.size();
  return camel ? std::string(text) : "";
}

std::string Disclosure::meant_kind(std::string_view text) {
  return among(kBuiltInKinds, text) ? "" : nearest(text, kBuiltInKinds);
}

// GROUP/VERSION or VERSION, versions as in "v1", "v1beta2".
std::string Disclosure::api_version(std::string_view text) {
  const auto slash = text.find('/');
  if (slash != std::string_view::npos && !names_object(text.substr(0, slash))) return "";
  std::string_view version = slash == std::string_view::npos ? text : text.substr(slash + 1);
  const auto digits = [&] {
    std::size_t n = 0;
    while (n < version.size() && n < 3 && digit(version[n])) ++n;
    version.remove_prefix(n);
    return n > 0;
  };
  if (!version.starts_with('v')) return "";
  version.remove_prefix(1);
  if (!digits()) return "";
  for (const std::string_view stage : {"alpha", "beta"})
    if (version.starts_with(stage)) {
      version.remove_prefix(stage.size());
      if (!digits()) return "";
    }
  return version.empty() ? std::string(text) : "";
}

std::string Disclosure::option(std::string_view text) {
  const bool plain = made_of(text, "-._") && std::none_of(text.begin(), text.end(), upper_case) &&
                     std::count_if(text.begin(), text.end(), digit) <= 4;
  return plain && word(text) ? std::string(text) : kUnseen;
}

}  // namespace sluice::control
