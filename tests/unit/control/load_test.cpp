// How long much takes: 10,000 Ingresses and Services from JSON and from YAML, and one endpoint change among them.
// Prints its figures; holds them against the limits in optimised builds only.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>

#include "control/control.h"
#include "control/kube/store.h"
#include "control/source/files/directory.h"
#include "scratch.h"

namespace sluice::control {
namespace {

using Clock = std::chrono::steady_clock;

// Time that this process computed: what a machine that does nothing else would take at most.
double cpu_milliseconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}
double milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

#if defined(NDEBUG) && defined(__OPTIMIZE__) && !defined(SLUICE_SANITIZED)
constexpr bool kHold = true;
constexpr int kObjects = 10'000;
#else
constexpr bool kHold = false;
constexpr int kObjects = 2'000;
#endif

std::string yaml_of(int i) {
  auto k = std::to_string(i);
  return testing::ingress("app-" + k, "app-" + k + ".example", "app-" + k) + testing::service("app-" + k);
}
std::string json_of(int i) {
  auto k = std::to_string(i);
  return R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"app-)" + k +
         R"(","namespace":"default","annotations":{}},"spec":{"ingressClassName":"nginx","rules":[{"host":"app-)" + k +
         R"(.example","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"app-)" + k +
         R"(","port":{"number":80}}}}]}}]}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"app-)" +
         k + R"(","namespace":"default"},"spec":{"ports":[{"name":"http","port":80,"targetPort":8080}]}})";
}

double load(const testing::Scratch& dir, const char* what) {
  Settings settings;
  settings.manifests = dir.str();
  auto from = Clock::now();
  auto cpu_from = cpu_milliseconds();
  auto update = load_once(settings);
  auto took = milliseconds(Clock::now() - from);
  auto cpu = cpu_milliseconds() - cpu_from;
  EXPECT_EQ(update.model->hosts.size(), static_cast<std::size_t>(kObjects));
  EXPECT_EQ(update.model->clusters.size(), static_cast<std::size_t>(kObjects));
  std::printf("load of %d Ingresses and %d Services, %s: %.0f ms, of CPU %.0f ms\n", kObjects, kObjects, what, took,
              cpu);
  return cpu;
}

TEST(Load, JsonInOneFile) {
  testing::Scratch dir;
  std::string text = R"({"apiVersion":"v1","kind":"List","items":[)";
  for (int i = 0; i < kObjects; ++i) text += (i ? ",\n" : "") + json_of(i);
  dir.write("all.json", text + "]}");
  auto took = load(dir, "one JSON file");
  if (kHold) {
    EXPECT_LE(took, 2000);
  }
}

TEST(Load, YamlInOneFile) {
  testing::Scratch dir;
  std::string text;
  for (int i = 0; i < kObjects; ++i) text += yaml_of(i);
  dir.write("all.yaml", text);
  auto took = load(dir, "one YAML file");
  if (kHold) {
    EXPECT_LE(took, 7000);
  }
}

TEST(Load, YamlInManyFiles) {
  testing::Scratch dir;
  for (int f = 0; f < 100; ++f) {
    std::string text;
    for (int i = f; i < kObjects; i += 100) text += yaml_of(i);
    dir.write("f" + std::to_string(f) + ".yaml", text);
  }
  auto took = load(dir, "100 YAML files");
  if (kHold) {
    EXPECT_LE(took, 7000);
  }
}

// With 20,000 endpoints loaded: the store's own cost, and the way from the file to the publication.
TEST(Load, OneEndpointChange) {
  testing::Scratch dir;
  std::string text = R"({"apiVersion":"v1","kind":"List","items":[)";
  for (int i = 0; i < kObjects; ++i) {
    auto k = std::to_string(i);
    text +=
        (i ? ",\n" : "") + json_of(i) + R"(,
{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4","metadata":{"name":"app-)" +
        k + R"(-1","labels":{"kubernetes.io/service-name":"app-)" + k +
        R"("}},"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["10.0.0.2"]}],"ports":[{"name":"http","port":8080}]})";
  }
  dir.write("all.json", text + "]}");
  dir.write("one.yaml", testing::slice("app-7", "10.1.0.1", "extra"));

  Settings settings;
  settings.manifests = dir.str();
  settings.resolv_conf = "";
  std::mutex mutex;
  std::string seen;
  std::size_t changed = 0, batches = 0;
  auto watcher = Watcher::start(settings, [&](Update u) {
    std::lock_guard lock(mutex);
    auto& endpoints = u.model->clusters.at("default/app-7:80")->endpoints;
    seen = endpoints.back().address;
    changed = u.change.clusters.size() + u.change.hosts.size() * 1000;
    ++batches;
  });
  auto sees = [&](const std::string& address) {
    return testing::eventually(
        [&] {
          std::lock_guard lock(mutex);
          return seen == address;
        },
        std::chrono::seconds(60));
  };
  ASSERT_TRUE(sees("10.1.0.1"));
  double worst = 0, sum = 0;
  for (int i = 2; i < 22; ++i) {
    auto address = "10.1.0." + std::to_string(i);
    auto from = Clock::now();
    dir.replace("one.yaml", testing::slice("app-7", address, "extra"));
    ASSERT_TRUE(sees(address));
    auto took = milliseconds(Clock::now() - from);
    worst = std::max(worst, took);
    sum += took;
    std::lock_guard lock(mutex);
    EXPECT_EQ(changed, 1U);
  }
  std::printf("one endpoint among %d: file to publication %.1f ms on average, %.1f ms at worst\n", kObjects * 2,
              sum / 20, worst);
  if (kHold) {
    EXPECT_LE(worst, 200);
  }
  watcher.reset();

  Directory directory(dir.str());
  Store store(settings);
  store.apply(directory.load());
  store.commit();
  auto slice = [&](int i) {
    EndpointSlice s;
    s.meta.name = "extra";
    s.service = "app-7";
    s.address_type = "IPv4";
    s.endpoints = {{{"10.2.0." + std::to_string(i % 250)}, true, true, false, ""}};
    s.ports = {{"http", 8080, "TCP"}};
    return std::make_shared<const Object>(std::move(s));
  };
  auto from = Clock::now();
  for (int i = 0; i < 1000; ++i) {
    store.upsert(slice(i));
    EXPECT_EQ(store.commit().change.clusters.size(), 1U);
  }
  std::printf("one endpoint in the store: %.3f ms\n", milliseconds(Clock::now() - from) / 1000);
  auto held = store.commit();
  from = Clock::now();
  for (int i = 0; i < 20; ++i) {
    store.upsert(slice(i + 1));
    held = store.commit();
  }
  std::printf("the same while the previous Model is held: %.3f ms\n", milliseconds(Clock::now() - from) / 20);
}

}  // namespace
}  // namespace sluice::control
