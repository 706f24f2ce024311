// Any Ingresses of other namespaces, in any order of changes: what the owner has is always what it has alone.
#include <random>

#include "annotations.h"
#include "world.h"

namespace sluice::tenancy {
namespace {

constexpr std::int64_t kOwner = 1'700'000'000;

struct Random {
  std::mt19937 engine;
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(engine); }
  bool once_in(std::size_t n) { return below(n) == 0; }
  template <class List>
  const auto& of(const List& list) {
    return list[below(std::size(list))];
  }
};

const std::string kHosts[] = {"h.example", "root.example", "*.wild.example", "a.wild.example", ""};
const std::string kPaths[] = {"/", "/a", "/a/", "/a/b", "/a/b/", "/b", "/b/", "/c", "//", "no"};
const std::string kTypes[] = {"Prefix", "Exact", "ImplementationSpecific"};

IngressSpec any_ingress(Random& random, const std::string& ns, const std::string& name, std::int64_t created,
                        std::size_t refused_once_in) {
  IngressSpec spec{.ns = ns, .name = name, .created = created};
  for (std::size_t n = random.below(3); n > 0; --n)
    for (std::size_t p = 1 + random.below(4); p > 0; --p)
      spec.hosts[random.of(kHosts)].push_back({random.of(kPaths), random.of(kTypes)});
  spec.default_backend = random.once_in(3);
  for (const auto& [annotation, sample] : served())
    if (random.once_in(sample.reach == Reach::canary ? 60 : 6)) {  // of a canary nothing else counts
      const auto at = sample.value.find("NS/");
      spec.annotations[annotation] = at == std::string::npos ? sample.value : ns + "/pair";
    }
  // One of the owner's for any name would lead what the catch-all has to a host where others may have paths.
  if (const auto at = spec.annotations.find("server-alias"); at != spec.annotations.end() && ns == "shop")
    at->second = "alias.example,~^re";
  for (const auto& [annotation, value] : unserved())
    if (random.once_in(60)) spec.annotations[annotation] = value;
  if (random.once_in(refused_once_in)) spec.annotations["temporal-redirect"] = "not a redirect";
  for (std::size_t n = random.below(3); n > 0; --n)
    spec.tls.push_back({{random.of(kHosts), random.of(kHosts)}, random.once_in(4) ? "missing" : "pair"});
  if (random.once_in(8)) spec.class_name = "another";
  return spec;
}

std::string text(const model::Host& host) {
  std::ostringstream out;
  out << host.ns << (host.tls ? " tls" : "") << (host.passthrough ? " passthrough" : "") << '\n';
  for (const model::Route& r : host.routes)
    out << static_cast<int>(r.match) << ' ' << r.path << " of " << r.ns << '/' << r.ingress << " -> " << r.upstream_name
        << ' ' << r.status << ' ' << r.location << '\n';
  return out.str();
}

class AnyOrder : public testing::TestWithParam<unsigned> {};

TEST_P(AnyOrder, TheOwnerHasWhatItHasAlone) {
  Random random{std::mt19937(GetParam())};
  control::Settings settings;
  settings.ssl_passthrough = random.once_in(2);
  if (random.once_in(2)) {
    settings.set["allow-snippet-annotations"] = "true";
    settings.set["annotations-risk-level"] = "Critical";
  }
  if (random.once_in(2)) settings.set["global-allowed-response-headers"] = "X-Taken";
  const test::Pem pem = test::make_pem("h.example,*.wild.example", random.once_in(2) ? "RSA" : "EC");
  const test::Pem others = test::make_pem("h.example,a.wild.example");
  const auto equip = [&](World& world) {
    world.equip("shop", pem);
    for (const char* ns : {"else", "third", "s"}) world.equip(ns, others);
  };
  World alone(settings), shared(settings);
  equip(alone);
  equip(shared);

  // One that has all hosts and is never refused makes the owner the oldest everywhere.
  IngressSpec oldest{.ns = "shop", .name = "oldest", .created = kOwner};
  for (const auto& host : kHosts) oldest.hosts[host].push_back({"/shop"});
  if (random.once_in(3)) oldest.annotations["ssl-passthrough"] = "true";
  std::vector<IngressSpec> own{oldest};
  for (int i = 0; i < 3; ++i)
    own.push_back(any_ingress(random, "shop", "own" + std::to_string(i),
                              kOwner + static_cast<std::int64_t>(random.below(1000)), 4));
  std::vector<std::string> requests;
  // Below a path of the owner's others may have paths of their own: the very paths are its alone. A canary has none.
  std::set<std::pair<std::string, std::string>> paths;
  for (const IngressSpec& spec : own)
    if (spec.class_name == "nginx" && !spec.annotations.contains("temporal-redirect") &&
        !spec.annotations.contains("canary"))
      for (const auto& [host, list] : spec.hosts)
        for (const Path& p : list)
          if (p.path[0] == '/') paths.emplace(host, p.path);
  for (const auto& [host, path] : paths)
    requests.push_back((host.empty() ? "nobody.example" : host[0] == '*' ? "x.wild.example" : host) + path);

  for (const IngressSpec& spec : own) alone.put(spec);
  const View expected = alone.view("shop", requests);

  std::vector<IngressSpec> strangers;
  std::vector<IngressSpec> steps = own;
  const char* const namespaces[] = {"else", "third", "s"};
  for (int i = 0; i < 12; ++i) {
    const auto* ns = random.of(namespaces);
    strangers.push_back(any_ingress(random, ns, "i" + std::to_string(random.below(4)),
                                    kOwner + 1 + static_cast<std::int64_t>(random.below(1000)), 5));
    steps.push_back(strangers.back());
  }
  std::shuffle(steps.begin(), steps.end(), random.engine);
  std::map<std::string, IngressSpec> there;
  for (const IngressSpec& spec : steps) {
    shared.put(spec);
    there[spec.ns + "/" + spec.name] = spec;
    if (random.once_in(2)) shared.model();  // each step alone, or several in one batch
  }
  EXPECT_TRUE(same(shared.view("shop", requests), expected));
  for (int i = 0; i < 20; ++i) {
    const IngressSpec& spec = random.of(strangers);
    if (random.once_in(2)) {
      shared.take(spec);
      there.erase(spec.ns + "/" + spec.name);
    } else {
      shared.put(spec);
      there[spec.ns + "/" + spec.name] = spec;
    }
    ASSERT_TRUE(same(shared.view("shop", requests), expected));
  }

  // And whatever the order was, all of it means what a fresh process makes of it.
  World fresh(settings);
  equip(fresh);
  for (const auto& [key, spec] : there) fresh.put(spec);
  const auto &held = shared.model().hosts, &made = fresh.model().hosts;
  ASSERT_EQ(held.size(), made.size());
  for (const auto& [name, host] : made)
    EXPECT_TRUE(*held.at(name) == *host) << name << "\n" << text(*held.at(name)) << "instead of\n" << text(*host);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyOrder, testing::Range(0U, 100U));

}  // namespace
}  // namespace sluice::tenancy
