#include "control/source/kinds.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sluice::control {
namespace {

// What stands in the file between the line `from` and the next that begins with `to`, without comments and without what
// is the template's.
std::string rules_in(const std::string& name, const std::string& from, const std::string& to) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR "/config/") + name);
  std::string line, out;
  while (std::getline(file, line) && line != from) {
  }
  while (std::getline(file, line) && !line.starts_with(to))
    if (!line.starts_with("#") && !line.starts_with("{{")) out += line + "\n";
  return out;
}

std::string without(std::string text, const std::string& part) {
  const auto at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return at == std::string::npos ? text : text.erase(at, part.size());
}

TEST(Kinds, TheManifestsGrantWhatTheTableTakes) {
  EXPECT_EQ(rules_in("kubernetes/base/rbac.yaml", "rules:", "---"), rbac_rules());
}

// Classes belong to no namespace: the chart grants them beside what it may grant in a single one.
TEST(Kinds, TheChartGrantsWhatTheTableTakes) {
  const auto all = without(rbac_rules(),
                           "- apiGroups: [networking.k8s.io]\n  resources: [ingressclasses]\n  verbs: [list, watch]\n");
  EXPECT_EQ(rules_in("helm/sluice/templates/rbac.yaml", "{{- define \"sluice.rules\" }}", "no line"), all);
}

TEST(Kinds, PathsAreThoseOfTheApi) {
  EXPECT_EQ(kind_of("Ingress")->path(), "/apis/networking.k8s.io/v1/ingresses");
  EXPECT_EQ(kind_of("Ingress")->path("shop"), "/apis/networking.k8s.io/v1/namespaces/shop/ingresses");
  EXPECT_EQ(kind_of("IngressClass")->path("shop"), "/apis/networking.k8s.io/v1/ingressclasses");
  EXPECT_EQ(kind_of("Secret")->path("shop"), "/api/v1/namespaces/shop/secrets");
  EXPECT_EQ(kind_of("EndpointSlice")->api_version, "discovery.k8s.io/v1");
  EXPECT_EQ(kind_of("Service")->api_version, "v1");
  EXPECT_EQ(kind_of("Pod"), nullptr);
}

}  // namespace
}  // namespace sluice::control
