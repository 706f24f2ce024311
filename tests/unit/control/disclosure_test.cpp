#include "control/source/disclosure.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(Disclosure, KindsOfTheCoreGroupAreThoseThatThereAre) {
  for (const auto* kind :
       {"Pod", "PodList", "List", "Secret", "Secert", "secret", "Secrets", "Deploymnt", "Kustomization"})
    EXPECT_EQ(Disclosure::kind(kind), kind);
  for (const auto* group : {"", "core", "apps", "extensions", "not a group.x"})
    EXPECT_EQ(Disclosure::kind("GitRepository", group), "") << group;
}

TEST(Disclosure, KindsOfOtherGroupsHaveTheFormOfOne) {
  for (const auto* kind : {"HTTPRoute", "GitRepository", "EC2NodeClass", "PodMonitor", "SealedSecret"})
    EXPECT_EQ(Disclosure::kind(kind, "example.io"), kind);
  for (const auto* no : {"", "9Lives", "with space", "slash/ed", "aB3dE5gH7", "AbCdEfGhIjKl"})
    EXPECT_EQ(Disclosure::kind(no, "example.io"), "") << no;
}

// Each has the form of a kind, and is the begin of a key in base64 or a password.
TEST(Disclosure, AValueInThePlaceOfAKindIsNotShown) {
  for (const auto* value :
       {"cGE1cyBXMHJkIVJST1dyUEJCbEpDZTFFTDJkaXhC", "Correcthorsebatterystaple", "hunter", "Passwort"})
    EXPECT_EQ(Disclosure::kind(value), "") << value;
}

// A stray member makes an object one that may be a Secret, of which no value is shown: what it is called is no value.
TEST(Disclosure, NamesOfFieldsAreShownWhereTheyHaveTheFormOfOne) {
  const auto shown = [](const std::string& kind, const std::string& field) {
    const auto documents = parse_yaml("kind: " + kind + "\nmetadata: {name: a}\n'" + field + "': x\n", 1);
    return Disclosure(*documents[0]->root, kind).field(field);
  };
  for (const auto* field : {"timeout", "extra", "x-backend", "proxy.timeout", "maxConnections"})
    EXPECT_EQ(shown("Ingress", field), field);
  for (const auto* value : {"hunter2 x", "dGhpcyBpcyBhIHBhc3M5", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "12345678"})
    EXPECT_EQ(shown("Ingress", value), "…") << value;
  EXPECT_EQ(shown("Secret", "timeout"), "…");
}

}  // namespace
}  // namespace sluice::control
