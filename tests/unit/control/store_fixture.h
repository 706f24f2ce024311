#pragma once
#include <gtest/gtest.h>

#include <map>

#include "control/kube/store.h"
#include "scratch.h"

namespace sluice::control::testing {

// A Store that objects are put into as YAML.
struct Fixture : ::testing::Test {
  Store store{Settings{}};
  Store::Work before;
  Update put(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.upsert(o);
    return commit();
  }
  Update remove(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.erase(*o);
    return commit();
  }
  Update commit() {
    before = store.work();
    return store.commit();
  }
  // What a new Store makes of these objects.
  static void expect_same(const model::Model& held, const std::map<std::string, ObjectPtr>& all) {
    Store fresh{Settings{}};
    for (auto& [id, o] : all) fresh.upsert(o);
    const auto expected = fresh.commit().model;
    ASSERT_EQ(held.hosts.size(), expected->hosts.size());
    for (auto& [name, host] : expected->hosts) EXPECT_EQ(*held.hosts.at(name), *host) << name;
    ASSERT_EQ(held.clusters.size(), expected->clusters.size());
    for (auto& [name, cluster] : expected->clusters) EXPECT_EQ(*held.clusters.at(name), *cluster) << name;
    ASSERT_EQ(held.certificates.size(), expected->certificates.size());
    for (auto& [name, pair] : expected->certificates) EXPECT_EQ(*held.certificates.at(name), *pair) << name;
    EXPECT_EQ(*held.options, *expected->options);
    EXPECT_EQ(held.report.entries, expected->report.entries);
  }
  std::uint64_t hosts() const { return store.work().hosts - before.hosts; }
  std::uint64_t clusters() const { return store.work().clusters - before.clusters; }
  std::uint64_t ingresses() const { return store.work().ingresses - before.ingresses; }
};

}  // namespace sluice::control::testing
