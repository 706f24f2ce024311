#include "control/kube/objects.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

ObjectPtr service(const std::string& ns, const std::string& name, const std::string& external = {}) {
  Service out;
  out.meta.ns = ns;
  out.meta.name = name;
  out.external_name = external;
  return std::make_shared<const Object>(std::move(out));
}
ObjectPtr slice(const std::string& name, const std::string& of) {
  EndpointSlice out;
  out.meta.ns = "a";
  out.meta.name = name;
  out.service = of;
  return std::make_shared<const Object>(std::move(out));
}
std::vector<std::string> parts(const Objects& objects, const std::string& key) {
  std::vector<std::string> out;
  for (const auto& part : objects.parts<Service>(key)) out.push_back(meta(*part).name);
  return out;
}
using Strings = std::vector<std::string>;

TEST(Objects, TheLastVersionIsFoundByKindNamespaceAndName) {
  Objects objects;
  const auto first = service("a", "x", "one.example"), second = service("a", "x", "two.example");
  EXPECT_EQ(objects.put(first), nullptr);
  EXPECT_EQ(objects.put(service("b", "x")), nullptr);
  EXPECT_EQ(objects.find<Service>("a/x")->external_name, "one.example");
  EXPECT_EQ(objects.put(second), first);
  EXPECT_EQ(objects.find<Service>("a/x")->external_name, "two.example");
  EXPECT_EQ(objects.find<Secret>("a/x"), nullptr) << "of another kind";
  EXPECT_EQ(objects.find<Service>("a/y"), nullptr);
  EXPECT_EQ(objects.find<Service>("x"), nullptr) << "no name of an object";
  std::size_t count = 0;
  objects.each<Service>([&](const Service&) { ++count; });
  EXPECT_EQ(count, 2U);

  EXPECT_EQ(objects.remove(*first), second) << "gone is what is there, be it known in another version";
  EXPECT_EQ(objects.remove(*first), nullptr);
  EXPECT_FALSE(objects.has<Service>("a/x"));
  EXPECT_TRUE(objects.has<Service>("b/x"));
}

TEST(Objects, PartsAreFoundByTheirWhole) {
  Objects objects;
  objects.put(slice("b", "web"));
  objects.put(slice("a", "web"));
  objects.put(slice("c", "api"));
  EXPECT_EQ(parts(objects, "a/web"), (Strings{"a", "b"})) << "by name, though the Service itself is not there";
  objects.put(slice("a", "web"));
  EXPECT_EQ(parts(objects, "a/web"), (Strings{"a", "b"}));
  // The same name for another Service.
  objects.put(slice("a", "api"));
  EXPECT_EQ(parts(objects, "a/web"), Strings{"b"});
  EXPECT_EQ(parts(objects, "a/api"), (Strings{"a", "c"}));
  // The last form of what is gone names another one than the form that is known.
  objects.remove(*slice("b", "api"));
  EXPECT_EQ(parts(objects, "a/web"), Strings{});
  EXPECT_EQ(parts(objects, "a/api"), (Strings{"a", "c"}));
  Strings wholes;
  objects.each_with_parts<Service>([&](const std::string& key, const auto&) { wholes.push_back(key); });
  EXPECT_EQ(wholes, Strings{"a/api"});
}

}  // namespace
}  // namespace sluice::control
