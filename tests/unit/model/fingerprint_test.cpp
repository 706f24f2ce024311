#include "model/fingerprint.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::model {
namespace {

std::shared_ptr<Host> host(const std::string& name, const std::string& service, int line = 1) {
  auto out = std::make_shared<Host>();
  out->name = name;
  out->ns = "default";
  for (const char* path : {"/", "/a"}) {
    Route route;
    route.path = std::string(path);
    route.cluster = "default/" + service + ":80";
    route.settings = RouteSettings();
    route.origin = {std::string("a.yaml"), line};
    out->routes.push_back(route);
  }
  return out;
}

std::shared_ptr<const Cluster> cluster(const std::string& name, std::uint16_t port) {
  auto out = std::make_shared<Cluster>();
  out->name = name;
  out->endpoints.push_back({"10.0.0.1", port, true, false, false, ""});
  return out;
}

Change everything() {
  Change c;
  c.everything = true;
  return c;
}

std::uint64_t of(const Model& model) {
  Fingerprint f;
  f.follow(model, everything(), [](const Options&) { return ""; });
  return f.value();
}

Model two_hosts() {
  Model m;
  m.hosts["a.example"] = host("a.example", "a");
  m.hosts["b.example"] = host("b.example", "b");
  m.clusters["default/a:80"] = cluster("default/a:80", 8080);
  return m;
}

TEST(Fingerprint, IsTheSameWhateverTheOrderAndTheFiles) {
  Model other = two_hosts();
  auto moved = host("b.example", "b", 99);
  std::swap(moved->routes[0], moved->routes[1]);
  other.hosts["b.example"] = moved;
  EXPECT_EQ(of(two_hosts()), of(other));
}

TEST(Fingerprint, DiffersWithEachPart) {
  std::set<std::uint64_t> seen{of(two_hosts())};
  const auto differs = [&](auto&& change) {
    Model m = two_hosts();
    change(m);
    EXPECT_TRUE(seen.insert(of(m)).second);
  };
  differs([](Model& m) { m.hosts.erase("a.example"); });
  differs([](Model& m) { m.hosts["b.example"] = host("b.example", "c"); });
  differs([](Model& m) {
    auto h = host("b.example", "b");
    h->tls = true;
    m.hosts["b.example"] = h;
  });
  differs([](Model& m) {
    auto h = host("b.example", "b");
    RouteSettings s;
    s.tries = 9;
    h->routes[1].settings = s;
    m.hosts["b.example"] = h;
  });
  differs([](Model& m) { m.clusters["default/a:80"] = cluster("default/a:80", 8081); });
  differs([](Model& m) { m.default_certificate = "default/tls"; });
  differs([](Model& m) { m.certificates["default/tls"] = std::make_shared<const Certificate>(); });
}

TEST(Fingerprint, FollowsChangesToWhereAFreshOneArrives) {
  Model m = two_hosts();
  Fingerprint f;
  const auto options = [](const Options&) { return ""; };
  f.follow(m, everything(), options);
  const auto before = f.value();
  m.hosts["c.example"] = host("c.example", "c");
  m.clusters.erase("default/a:80");
  Change change;
  change.hosts = {"c.example"};
  change.clusters = {"default/a:80"};
  f.follow(m, change, options);
  EXPECT_EQ(f.value(), of(m));
  m.hosts.erase("c.example");
  m.clusters["default/a:80"] = cluster("default/a:80", 8080);
  f.follow(m, change, options);
  EXPECT_EQ(f.value(), before);
}

TEST(Fingerprint, CountsOptionsByTheirText) {
  Model m;
  Fingerprint a, b;
  a.follow(m, everything(), [](const Options&) { return "via=true"; });
  b.follow(m, everything(), [](const Options&) { return "via=false"; });
  EXPECT_NE(a.value(), b.value());
}

}  // namespace
}  // namespace sluice::model
