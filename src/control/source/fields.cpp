#include "control/source/fields.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/strings.h"

namespace sluice::control {

namespace {

struct Field {
  std::string_view name;
  std::span<const Field> below = {};  // none: a scalar, a map of strings, or not judged
};

// networking.k8s.io/v1, discovery.k8s.io/v1 and v1 of Kubernetes 1.36, with what older servers of these versions have.
// tests/k8s/test_objects.py holds it to what the API server says.
constexpr Field kOwner[] = {{"apiVersion"}, {"blockOwnerDeletion"}, {"controller"}, {"kind"}, {"name"}, {"uid"}};
constexpr Field kMeta[] = {{"annotations"},
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
                           {"ownerReferences", kOwner},
                           {"resourceVersion"},
                           {"selfLink"},
                           {"uid"}};

constexpr Field kResource[] = {{"apiGroup"}, {"kind"}, {"name"}};
constexpr Field kPortOfService[] = {{"name"}, {"number"}};
constexpr Field kServiceOfBackend[] = {{"name"}, {"port", kPortOfService}};
constexpr Field kBackend[] = {{"resource", kResource}, {"service", kServiceOfBackend}};
constexpr Field kPath[] = {{"backend", kBackend}, {"path"}, {"pathType"}};
constexpr Field kHttp[] = {{"paths", kPath}};
constexpr Field kRule[] = {{"host"}, {"http", kHttp}};
constexpr Field kTls[] = {{"hosts"}, {"secretName"}};
constexpr Field kIngressSpec[] = {{"defaultBackend", kBackend}, {"ingressClassName"}, {"rules", kRule}, {"tls", kTls}};
constexpr Field kIngress[] = {{"apiVersion"}, {"kind"}, {"metadata", kMeta}, {"spec", kIngressSpec}, {"status"}};

constexpr Field kParameters[] = {{"apiGroup"}, {"kind"}, {"name"}, {"namespace"}, {"scope"}};
constexpr Field kClassSpec[] = {{"controller"}, {"parameters", kParameters}};
constexpr Field kClass[] = {{"apiVersion"}, {"kind"}, {"metadata", kMeta}, {"spec", kClassSpec}};

constexpr Field kServicePort[] = {{"appProtocol"}, {"name"}, {"nodePort"}, {"port"}, {"protocol"}, {"targetPort"}};
constexpr Field kClientIp[] = {{"timeoutSeconds"}};
constexpr Field kAffinity[] = {{"clientIP", kClientIp}};
constexpr Field kServiceSpec[] = {{"allocateLoadBalancerNodePorts"},
                                  {"clusterIP"},
                                  {"clusterIPs"},
                                  {"externalIPs"},
                                  {"externalName"},
                                  {"externalTrafficPolicy"},
                                  {"healthCheckNodePort"},
                                  {"internalTrafficPolicy"},
                                  {"ipFamilies"},
                                  {"ipFamily"},
                                  {"ipFamilyPolicy"},
                                  {"loadBalancerClass"},
                                  {"loadBalancerIP"},
                                  {"loadBalancerSourceRanges"},
                                  {"ports", kServicePort},
                                  {"publishNotReadyAddresses"},
                                  {"selector"},
                                  {"sessionAffinity"},
                                  {"sessionAffinityConfig", kAffinity},
                                  {"topologyKeys"},
                                  {"trafficDistribution"},
                                  {"type"}};
constexpr Field kService[] = {{"apiVersion"}, {"kind"}, {"metadata", kMeta}, {"spec", kServiceSpec}, {"status"}};

constexpr Field kNamed[] = {{"name"}};
constexpr Field kHints[] = {{"forNodes", kNamed}, {"forZones", kNamed}};
constexpr Field kConditions[] = {{"ready"}, {"serving"}, {"terminating"}};
constexpr Field kTarget[] = {{"apiVersion"}, {"fieldPath"},       {"kind"}, {"name"},
                             {"namespace"},  {"resourceVersion"}, {"uid"}};
constexpr Field kEndpoint[] = {{"addresses"},          {"conditions", kConditions},
                               {"deprecatedTopology"}, {"hints", kHints},
                               {"hostname"},           {"nodeName"},
                               {"targetRef", kTarget}, {"zone"}};
constexpr Field kSlicePort[] = {{"appProtocol"}, {"name"}, {"port"}, {"protocol"}};
constexpr Field kSlice[] = {{"addressType"}, {"apiVersion"},      {"endpoints", kEndpoint},
                            {"kind"},        {"metadata", kMeta}, {"ports", kSlicePort}};

constexpr Field kSecret[] = {{"apiVersion"},      {"data"},       {"immutable"}, {"kind"},
                             {"metadata", kMeta}, {"stringData"}, {"type"}};
constexpr Field kConfigMap[] = {{"apiVersion"}, {"binaryData"}, {"data"}, {"immutable"}, {"kind"}, {"metadata", kMeta}};

constexpr Field kObjects[] = {{"Ingress", kIngress},     {"IngressClass", kClass}, {"Service", kService},
                              {"EndpointSlice", kSlice}, {"Secret", kSecret},      {"ConfigMap", kConfigMap}};

const Field* find(std::span<const Field> fields, std::string_view name) {
  for (const Field& f : fields)
    if (f.name == name) return &f;
  return nullptr;
}

// Letters that were left out, added, changed or swapped with the next one; case means nothing.
std::size_t slips(std::string_view written, std::string_view meant) {
  constexpr std::size_t kLongest = 40;
  if (written.size() > kLongest || meant.size() > kLongest) return kLongest;
  const std::string a = lower(written), b = lower(meant);
  std::array<std::array<std::size_t, kLongest + 1>, kLongest + 1> d{};
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

bool begins_with(std::string_view text, std::string_view begin) {
  return begin.size() >= 4 && lower(text).starts_with(lower(begin));
}

// The field nearest in spelling, or of which it is a part; else one of the same name a level or two further down.
std::string suggestion(std::span<const Field> fields, std::string_view written) {
  const Field* nearest = nullptr;
  std::size_t least = std::min<std::size_t>(3, written.size() / 3 + 1);
  for (const Field& f : fields) {
    if (std::max(f.name.size(), written.size()) - std::min(f.name.size(), written.size()) >= least) continue;
    if (const auto n = slips(written, f.name); n < least) {
      nearest = &f;
      least = n;
    }
  }
  if (nearest) return std::string(nearest->name);
  for (const Field& f : fields)
    if (begins_with(f.name, written) || begins_with(written, f.name)) return std::string(f.name);
  for (const Field& f : fields) {
    if (f.name == "metadata" || f.name == "status") continue;
    if (find(f.below, written)) return std::string(f.name) + "." + std::string(written);
    for (const Field& g : f.below)
      if (find(g.below, written)) return std::string(f.name) + "." + std::string(g.name) + "." + std::string(written);
  }
  return {};
}

constexpr std::size_t kSuggested = 10;  // of one object: further slips get no suggestion, which takes time to find

class Search {
 public:
  Search(const Disclosure& shown, const std::function<void(OddField)>& take) : shown_(shown), take_(take) {}

  void look_into(const Node& node, std::span<const Field> fields, const std::string& path) {
    std::size_t index = 0;
    for (const Node* n = node.first; n; n = n->next) {
      if (node.kind == Node::Kind::list) {
        if (n->first)
          look_into(*n, fields, path + "[" + std::to_string(index++) + "]");
        else
          ++index;
        continue;
      }
      const Field* known = find(fields, n->key);
      const bool odd = !known && !fields.empty();
      if (!odd && !n->repeated && !n->first) continue;
      const std::string meant = odd && suggested_++ < kSuggested ? suggestion(fields, n->key) : std::string();
      const bool plain = known || !meant.empty();
      std::string below = path;
      if (plain || odd)
        below += (path.empty() ? "" : ".") + (plain ? std::string(n->key) : shown_.key(n->key));
      else
        below += "[" + shown_.key(n->key) + "]";
      if (n->repeated) take_({below, n, true, {}});
      if (odd && n->kind != Node::Kind::null) take_({below, n, false, meant});
      if (n->first) look_into(*n, known ? known->below : std::span<const Field>(), below);
    }
  }

 private:
  const Disclosure& shown_;
  const std::function<void(OddField)>& take_;
  std::size_t suggested_ = 0;
};

}  // namespace

void find_odd_fields(const Node& object, std::string_view kind, const Disclosure& shown,
                     const std::function<void(OddField)>& take) {
  if (const Field* known = find(kObjects, kind)) Search(shown, take).look_into(object, known->below, "");
}

}  // namespace sluice::control
