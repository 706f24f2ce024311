#include "data/compiler/compiler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "allocations.h"
#include "data/compiler/numbers.h"
#include "data/routing/table.h"
#include "net/tls/tls.h"
#include "pem.h"

namespace sluice::data {
namespace {

using model::Change;
using model::Model;

// A Model that is edited part by part and remembers what was edited.
class World {
 public:
  void cluster(const std::string& name, int endpoints) {
    auto c = std::make_shared<model::Cluster>();
    c->name = name;
    for (int i = 0; i < endpoints; ++i)
      c->endpoints.push_back({"10.0.0." + std::to_string(i + 1), 80, true, false, false, ""});
    model.clusters[name] = c;
    change.clusters.push_back(name);
  }
  void no_cluster(const std::string& name) {
    model.clusters.erase(name);
    change.clusters.push_back(name);
  }
  // `routes`: path → cluster; `certificates` of one Ingress.
  void host(const std::string& name, const std::map<std::string, std::string>& routes,
            std::vector<std::string> certificates = {}) {
    auto h = std::make_shared<model::Host>();
    h->name = name;
    h->tls = !certificates.empty();
    if (!certificates.empty()) h->certificates.push_back({{"Ingress", "ns", "ing", {}}, std::move(certificates)});
    for (const auto& [path, to] : routes) {
      model::Route& r = h->routes.emplace_back();
      r.path = r.location = path;
      r.cluster = to;
      r.ns = "ns";
      r.ingress = "ing";
      r.service = to;
    }
    model.hosts[name] = h;
    change.hosts.push_back(name);
  }
  void no_host(const std::string& name) {
    model.hosts.erase(name);
    change.hosts.push_back(name);
  }
  void certificate(const std::string& name, const test::Pem& pem) {
    auto c = std::make_shared<model::Certificate>();
    c->name = name;
    c->chain_pem = pem.chain;
    c->key_pem = pem.key;
    c->object = {"Secret", name.substr(0, name.find('/')), name.substr(name.find('/') + 1), {"tls.yaml", 3}};
    model.certificates[name] = c;
    change.certificates.push_back(name);
  }
  void no_certificate(const std::string& name) {
    model.certificates.erase(name);
    change.certificates.push_back(name);
  }
  Publication publish(Compiler& compiler) { return compiler.compile(model, std::exchange(change, {})); }

  Model model;
  Change change;
};

const Route* route(const Publication& p, std::string_view host, std::string_view path) {
  return p.snapshot->routes->match(host, path);
}
std::string shown(const Publication& p, std::string_view name) {
  const auto* pairs = p.snapshot->certificates->find(name);
  if (pairs == nullptr) return "default";
  std::string out;
  for (const auto& pair : *pairs) out += std::string(pair->key_type()) + ":" + pair->serial() + " ";
  return out;
}
const model::Problem* problem(const Compiler& compiler, std::string_view reason) {
  for (const auto& e : compiler.report().entries)
    if (e.problem.reason == reason) return &e.problem;
  return nullptr;
}

// Whichever allocation fails: what the workers have afterwards is what the Model says, and no number means another
// Cluster than it did.
TEST(Compiler, StartsOverAfterItHadNoMemory) {
  const test::Pem one = test::make_pem("a.example"), two = test::make_pem("b.example");
  for (std::size_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    World w;
    Compiler compiler;
    std::map<ClusterId, std::shared_ptr<const model::Cluster>> worker;
    const auto take = [&](const Publication& p) {
      for (const auto& update : p.clusters) worker[update.id] = update.cluster;
    };
    w.cluster("a", 1);
    w.cluster("b", 2);
    w.cluster("gone", 2);
    w.certificate("ns/one", one);
    w.host("a.example", {{"/", "a"}, {"/b/", "b"}}, {"ns/one"});
    w.host("gone.example", {{"/", "gone"}}, {"ns/one"});
    const auto first = w.publish(compiler);
    take(first);
    const ClusterId a = route(first, "a.example", "/")->cluster;

    w.cluster("b", 3);
    w.cluster("c", 1);
    w.no_cluster("gone");
    w.no_host("gone.example");
    w.certificate("ns/one", two);
    w.certificate("ns/two", one);
    w.host("a.example", {{"/", "a"}, {"/c/", "c"}}, {"ns/two"});
    w.host("b.example", {{"/", "b"}}, {"ns/one"});
    Publication next;
    bool thrown = false;
    test::fail_at(n);
    try {
      next = w.publish(compiler);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    test::fail_at(0);
    if (thrown) {
      compiler.start_over();
      w.change = {};
      w.change.everything = true;
      next = w.publish(compiler);
    }
    take(next);
    EXPECT_EQ(route(next, "a.example", "/")->cluster, a);
    for (const auto& [host, path, cluster] :
         {std::tuple("a.example", "/", "a"), {"a.example", "/c/", "c"}, {"b.example", "/", "b"}}) {
      const Route* r = route(next, host, path);
      ASSERT_NE(r, nullptr) << host;
      ASSERT_NE(worker[r->cluster], nullptr) << host;
      EXPECT_EQ(*worker[r->cluster], *w.model.clusters.at(cluster)) << host;
    }
    EXPECT_EQ(route(next, "gone.example", "/"), nullptr);
    EXPECT_EQ(next.snapshot->routes->hosts(), 2U);
    EXPECT_NE(shown(next, "a.example"), "default");
    EXPECT_NE(shown(next, "b.example"), "default");
    EXPECT_EQ(shown(next, "gone.example"), "default");
    auto options = std::make_shared<model::Options>(*w.model.options);
    options->no_tls_redirect_locations = {"/other"};
    w.model.options = options;
    w.change.options = true;
    EXPECT_EQ(w.publish(compiler).snapshot->routes->hosts(), 2U) << "when the routes of all hosts are made anew";
    if (!thrown || HasFailure()) {
      EXPECT_GT(n, 50U);
      return;
    }
  }
}

TEST(Compiler, NumbersClustersAndTellsWhatChanged) {
  World w;
  Compiler compiler;
  w.cluster("a", 1);
  w.cluster("b", 2);
  w.host("h", {{"/", "a"}, {"/b/", "b"}});
  const auto first = w.publish(compiler);
  EXPECT_EQ(first.clusters.size(), 2u);
  EXPECT_TRUE(first.options_changed);
  EXPECT_EQ(first.snapshot->version, 1u);
  EXPECT_NE(route(first, "h", "/")->cluster, route(first, "h", "/b/")->cluster);
  for (const auto& update : first.clusters)
    EXPECT_EQ(update.id, route(first, "h", update.cluster->name == "a" ? "/" : "/b/")->cluster);

  w.cluster("b", 3);
  const auto second = w.publish(compiler);
  ASSERT_EQ(second.clusters.size(), 1u);
  EXPECT_EQ(second.clusters[0].id, route(first, "h", "/b/")->cluster);
  EXPECT_EQ(second.clusters[0].cluster->endpoints.size(), 3u);
  EXPECT_FALSE(second.options_changed);
  EXPECT_EQ(second.snapshot->routes, first.snapshot->routes);
  EXPECT_EQ(second.snapshot->certificates, first.snapshot->certificates);
  EXPECT_EQ(second.snapshot->version, 2u);
}

TEST(Compiler, AnEqualClusterIsNoChange) {
  World w;
  Compiler compiler;
  w.cluster("a", 1);
  w.publish(compiler);
  w.cluster("a", 1);
  EXPECT_TRUE(w.publish(compiler).clusters.empty());
}

TEST(Compiler, ARouteFollowsItsClusterComingAndGoing) {
  World w;
  Compiler compiler;
  w.host("h", {{"/", "late"}});
  const auto without = w.publish(compiler);
  ASSERT_NE(route(without, "h", "/"), nullptr);
  EXPECT_EQ(route(without, "h", "/")->cluster, kNoCluster);

  w.cluster("late", 1);
  const auto with = w.publish(compiler);
  EXPECT_EQ(route(with, "h", "/")->cluster, with.clusters.at(0).id);

  w.no_cluster("late");
  const auto gone = w.publish(compiler);
  ASSERT_EQ(gone.clusters.size(), 1u);
  EXPECT_EQ(gone.clusters[0].cluster, nullptr);
  EXPECT_EQ(route(gone, "h", "/")->cluster, kNoCluster);
  EXPECT_EQ(route(with, "h", "/")->cluster, gone.clusters[0].id) << "an old Snapshot must not change";
}

TEST(Compiler, AClusterNumberRestsBeforeItNamesAnotherCluster) {
  World w;
  Compiler compiler;
  w.cluster("a", 1);
  const ClusterId freed = w.publish(compiler).clusters.at(0).id;
  w.no_cluster("a");
  w.cluster("b", 1);
  const auto next = w.publish(compiler);
  for (const auto& update : next.clusters) EXPECT_EQ(update.id == freed, update.cluster == nullptr);
  std::set<ClusterId> used;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::string name = "c" + std::to_string(i);
    w.cluster(name, 1);
    used.insert(w.publish(compiler).clusters.at(0).id);
    w.no_cluster(name);
    w.publish(compiler);
  }
  EXPECT_LT(used.size(), 2 * ClusterNumbers::kRest) << "numbers stay dense";
  EXPECT_TRUE(used.contains(freed));
}

TEST(Compiler, RoutesCarryWhatTheExchangeNeeds) {
  World w;
  Compiler compiler;
  w.host("*.x.example", {{"/", "a"}}, {"ns/none"});
  w.host("", {{"/.well-known/acme-challenge/t", "a"}, {"/other", "a"}});
  auto p = w.publish(compiler);
  EXPECT_EQ(route(p, "q.x.example", "/")->host, "*.x.example");
  EXPECT_TRUE(route(p, "q.x.example", "/")->host_tls);
  const Route* acme = route(p, "any", "/.well-known/acme-challenge/t");
  EXPECT_EQ(acme->host, "_");
  EXPECT_FALSE(acme->host_tls);
  EXPECT_TRUE(acme->no_tls_redirect);
  EXPECT_FALSE(route(p, "any", "/other")->no_tls_redirect);
  ASSERT_NE(acme->settings, nullptr);

  auto options = std::make_shared<model::Options>();
  options->no_tls_redirect_locations = {"/other"};
  w.model.options = options;
  w.change.options = true;
  p = w.publish(compiler);
  EXPECT_TRUE(p.options_changed);
  EXPECT_FALSE(route(p, "any", "/.well-known/acme-challenge/t")->no_tls_redirect);
  EXPECT_TRUE(route(p, "any", "/other")->no_tls_redirect);
}

// A Plan is made once for all routes with the same settings, of any host, and is there for as long as one has it.
TEST(Compiler, RoutesWithTheSameSettingsShareAPlan) {
  World w;
  Compiler compiler;
  model::RouteSettings wanted;
  wanted.redirect = model::Redirect{302, "/to"};
  const model::Shared settings = wanted;
  const auto give = [&](const std::string& name) {
    auto host = std::make_shared<model::Host>(*w.model.hosts.at(name));
    for (auto& r : host->routes) r.settings = settings;
    w.model.hosts[name] = host;
  };
  w.host("a.example", {{"/", "a"}, {"/b", "b"}});
  w.host("b.example", {{"/", "b"}});
  w.host("plain.example", {{"/", "b"}});
  w.host("tls.example", {{"/", "b"}}, {"ns/none"});
  give("a.example");
  give("b.example");
  auto p = w.publish(compiler);
  const Plan* plan = route(p, "a.example", "/")->plan;
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(route(p, "a.example", "/b")->plan, plan);
  EXPECT_EQ(route(p, "b.example", "/")->plan, plan);
  EXPECT_EQ(route(p, "plain.example", "/")->plan, nullptr);
  const Plan* to_https = route(p, "tls.example", "/")->plan;
  ASSERT_NE(to_https, nullptr);
  EXPECT_NE(to_https, plan);

  w.no_host("a.example");
  w.host("later.example", {{"/", "a"}});
  give("later.example");
  p = w.publish(compiler);
  EXPECT_EQ(route(p, "b.example", "/")->plan, plan) << "it outlives the route that it was made for";
  EXPECT_EQ(route(p, "later.example", "/")->plan, plan);
}

TEST(Compiler, WhatHoldsForAllRequestsFollowsTheOptions) {
  World w;
  Compiler compiler;
  auto p = w.publish(compiler);
  const auto before = p.snapshot;
  EXPECT_EQ(before->process[false], nullptr);
  EXPECT_NE(before->process[true], nullptr) << "HSTS";
  w.cluster("a", 1);
  p = w.publish(compiler);
  EXPECT_EQ(p.snapshot->process[true], before->process[true]) << "made once";
  auto options = std::make_shared<model::Options>();
  options->hsts = false;
  w.model.options = options;
  w.change.options = true;
  p = w.publish(compiler);
  EXPECT_EQ(p.snapshot->process[true], nullptr);
}

TEST(Compiler, SeriesStayWithTheirLabels) {
  World w;
  Compiler compiler;
  w.host("h", {{"/a", "a"}, {"/b", "b"}});
  const auto first = w.publish(compiler);
  const auto a = route(first, "h", "/a")->series, b = route(first, "h", "/b")->series;
  EXPECT_NE(a, b);
  w.host("h", {{"/b", "b"}, {"/c", "c"}});
  const auto second = w.publish(compiler);
  EXPECT_EQ(route(second, "h", "/b")->series, b);
  EXPECT_NE(route(second, "h", "/c")->series, a);
  w.host("h", {{"/a", "a"}, {"/b", "b"}});
  const auto third = w.publish(compiler);
  EXPECT_EQ(route(third, "h", "/b")->series, b);
  EXPECT_GT(route(third, "h", "/a")->series, route(second, "h", "/c")->series) << "a number is not used again";
}

TEST(Compiler, ShowsTheCertificateThatCoversTheHost) {
  World w;
  Compiler compiler;
  w.certificate("ns/h", test::make_pem("h.example"));
  w.certificate("ns/wild", test::make_pem("*.w.example"));
  w.host("h.example", {{"/", "a"}}, {"ns/h"});
  w.host("*.w.example", {{"/", "a"}}, {"ns/wild"});
  w.host("wrong.example", {{"/", "a"}}, {"ns/h"});
  const auto p = w.publish(compiler);
  EXPECT_NE(shown(p, "h.example"), "default");
  EXPECT_NE(shown(p, "any.w.example"), "default");
  EXPECT_EQ(shown(p, "wrong.example"), "default");
  ASSERT_EQ(compiler.report().entries.size(), 1u);
  const auto* mismatch = problem(compiler, "CertificateNameMismatch");
  ASSERT_NE(mismatch, nullptr);
  EXPECT_EQ(mismatch->severity, model::Severity::warning);
  EXPECT_EQ(mismatch->value, "h.example");
  EXPECT_EQ(mismatch->expected, "a certificate that names wrong.example");
  EXPECT_EQ(mismatch->consequence, "wrong.example is served with the default certificate");

  w.host("wrong.example", {{"/", "a"}});
  w.publish(compiler);
  EXPECT_TRUE(compiler.report().entries.empty());
}

TEST(Compiler, ABrokenPairIsRefusedAndThePreviousOneKept) {
  World w;
  Compiler compiler;
  const auto good = test::make_pem("h.example"), other = test::make_pem("h.example");
  w.host("h.example", {{"/", "a"}}, {"ns/h"});
  w.certificate("ns/h", {good.chain, other.key});
  auto p = w.publish(compiler);
  EXPECT_EQ(shown(p, "h.example"), "default");
  const auto* refused = problem(compiler, "InvalidCertificate");
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->severity, model::Severity::error);
  EXPECT_EQ(refused->field, "data[tls.key]");
  EXPECT_EQ(refused->consequence, "hosts that name it are served with the default certificate");
  EXPECT_EQ(compiler.report().entries[0].object.text(), "Secret ns/h");

  w.certificate("ns/h", good);
  p = w.publish(compiler);
  const auto serial = shown(p, "h.example");
  EXPECT_NE(serial, "default");
  EXPECT_TRUE(compiler.report().entries.empty());

  w.certificate("ns/h", {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good.key});
  const auto before = p.snapshot->certificates;
  p = w.publish(compiler);
  EXPECT_EQ(shown(p, "h.example"), serial);
  EXPECT_EQ(p.snapshot->certificates, before);
  ASSERT_NE(problem(compiler, "InvalidCertificate"), nullptr);
  EXPECT_EQ(problem(compiler, "InvalidCertificate")->field, "data[tls.crt]");
  EXPECT_EQ(problem(compiler, "InvalidCertificate")->consequence, "the previous pair stays in use");
  for (const auto& e : compiler.report().entries)
    EXPECT_EQ(model::Report::line(e).find(good.key.substr(30, 40)), std::string::npos) << "key material is never shown";

  w.no_certificate("ns/h");
  p = w.publish(compiler);
  EXPECT_EQ(shown(p, "h.example"), "default");
  EXPECT_TRUE(compiler.report().entries.empty());
}

TEST(Compiler, ServesExpiredAndFutureCertificatesWithAWarning) {
  World w;
  Compiler compiler;
  w.certificate("ns/old", test::make_pem("old.example", "EC", -7200, -3600));
  w.certificate("ns/new", test::make_pem("new.example", "EC", 3600, 7200));
  w.host("old.example", {{"/", "a"}}, {"ns/old"});
  w.host("new.example", {{"/", "a"}}, {"ns/new"});
  const auto p = w.publish(compiler);
  EXPECT_NE(shown(p, "old.example"), "default");
  EXPECT_NE(shown(p, "new.example"), "default");
  ASSERT_NE(problem(compiler, "CertificateExpired"), nullptr);
  EXPECT_EQ(problem(compiler, "CertificateExpired")->severity, model::Severity::warning);
  EXPECT_NE(problem(compiler, "CertificateNotYetValid"), nullptr);
}

TEST(Compiler, OnePairAKeyTypeTheOldestOfEachEcdsaFirst) {
  World w;
  Compiler compiler;
  w.certificate("ns/rsa", test::make_pem("h.example", "RSA"));
  w.certificate("ns/ec", test::make_pem("h.example"));
  w.certificate("ns/later", test::make_pem("h.example"));
  w.host("h.example", {{"/", "a"}}, {"ns/rsa", "ns/ec", "ns/later"});
  const auto p = w.publish(compiler);
  const auto* pairs = p.snapshot->certificates->find("h.example");
  ASSERT_NE(pairs, nullptr);
  ASSERT_EQ(pairs->size(), 2u);
  EXPECT_EQ((*pairs)[0]->key_type(), "ECDSA");
  EXPECT_EQ((*pairs)[1]->key_type(), "RSA");
  w.no_certificate("ns/ec");
  const auto next = w.publish(compiler);
  ASSERT_EQ(next.snapshot->certificates->find("h.example")->size(), 2u);
  EXPECT_NE(next.snapshot->certificates->find("h.example")->front(), pairs->front());
}

// Of what TLS sections name for a host, what is never sent to its clients is said.
TEST(Compiler, SaysWhichPairsOfAHostAreNeverSent) {
  World w;
  Compiler compiler;
  w.certificate("ns/first", test::make_pem("h.example"));
  w.certificate("ns/second", test::make_pem("h.example,i.example"));
  w.certificate("ns/other", test::make_pem("o.example"));
  w.host("h.example", {{"/", "a"}}, {"ns/other", "ns/first", "ns/second"});
  w.publish(compiler);
  EXPECT_TRUE(compiler.report().entries.empty()) << "sections for any host";

  auto host = std::make_shared<model::Host>(*w.model.hosts["h.example"]);
  host->certificates[0].named = true;
  w.model.hosts["h.example"] = host;
  w.change.hosts.push_back("h.example");
  w.publish(compiler);
  EXPECT_EQ(compiler.secret_of("h.example"), "ns/first");
  ASSERT_EQ(compiler.report().entries.size(), 2u);
  const auto* twice = problem(compiler, "CertificateNotShown");
  ASSERT_NE(twice, nullptr);
  EXPECT_EQ(twice->value, "h.example, i.example");
  EXPECT_EQ(twice->consequence, "it is never sent for h.example");
  ASSERT_NE(problem(compiler, "CertificateNameMismatch"), nullptr);
  EXPECT_EQ(problem(compiler, "CertificateNameMismatch")->consequence, "h.example is served with Secret ns/first");
}

// What was named before is kept behind what is named now for a while.
TEST(Compiler, AFormerPairIsShownWhereNoneOfTheOthersIsForTheHost) {
  const test::Pem other = test::make_pem("o.example"), fitting = test::make_pem("h.example", "RSA");
  const test::Pem mismatched{other.chain, fitting.key};
  for (const auto& [now, what] : std::initializer_list<std::pair<const test::Pem*, const char*>>{
           {nullptr, ""}, {&mismatched, "InvalidCertificate"}, {&other, "CertificateNameMismatch"}}) {
    SCOPED_TRACE(what);
    World w;
    Compiler compiler;
    w.certificate("ns/former", test::make_pem("h.example"));
    if (now != nullptr) w.certificate("ns/now", *now);
    w.host("h.example", {{"/", "a"}}, {"ns/now"});
    auto host = std::make_shared<model::Host>(*w.model.hosts["h.example"]);
    host->certificates[0].named = true;
    host->certificates.push_back({{"Ingress", "ns", "ing", {}}, {"ns/former"}, false, true});
    w.model.hosts["h.example"] = host;
    w.publish(compiler);
    EXPECT_EQ(compiler.secret_of("h.example"), "ns/former");
    EXPECT_EQ(compiler.report().entries.size(), now == nullptr ? 0U : 1U);
    EXPECT_EQ(problem(compiler, what) != nullptr, now != nullptr);
    if (now == &other) {
      EXPECT_EQ(problem(compiler, what)->consequence, "h.example is served with Secret ns/former");
    }

    w.certificate("ns/now", fitting);
    const auto p = w.publish(compiler);
    EXPECT_EQ(compiler.secret_of("h.example"), "ns/now");
    EXPECT_EQ(p.snapshot->certificates->find("h.example")->size(), 1U) << "never side by side with the former";
    EXPECT_TRUE(compiler.report().entries.empty());
  }
}

// In whichever order key types come: a younger Ingress would choose what clients of another type see.
TEST(Compiler, TheFirstIngressWithACertificateForTheHostIsShownAlone) {
  for (const char* older : {"RSA", "EC"}) {
    SCOPED_TRACE(older);
    World w;
    Compiler compiler;
    w.certificate("ns/elsewhere", test::make_pem("other.example"));
    w.certificate("ns/older", test::make_pem("h.example", older));
    w.certificate("ns/younger", test::make_pem("h.example", std::string_view(older) == "RSA" ? "EC" : "RSA"));
    w.host("h.example", {{"/", "a"}}, {"ns/elsewhere"});
    auto host = std::make_shared<model::Host>(*w.model.hosts["h.example"]);
    host->certificates.push_back({{"Ingress", "ns", "older", {}}, {"ns/missing", "ns/older"}});
    host->certificates.push_back({{"Ingress", "ns", "younger", {}}, {"ns/younger"}});
    w.model.hosts["h.example"] = host;

    auto p = w.publish(compiler);
    const auto* pairs = p.snapshot->certificates->find("h.example");
    ASSERT_NE(pairs, nullptr);
    ASSERT_EQ(pairs->size(), 1u);
    EXPECT_EQ(pairs->front()->key_type(), std::string_view(older) == "RSA" ? "RSA" : "ECDSA");
    EXPECT_EQ(compiler.secret_of("h.example"), "ns/older");
    ASSERT_NE(problem(compiler, "CertificateNotShown"), nullptr);
    EXPECT_EQ(problem(compiler, "CertificateNotShown")->value, "ns/younger");
    EXPECT_EQ(problem(compiler, "CertificateNameMismatch"), nullptr);

    // The same pair under another name is shown already: nothing to say.
    w.certificate("ns/younger",
                  {w.model.certificates["ns/older"]->chain_pem, w.model.certificates["ns/older"]->key_pem});
    p = w.publish(compiler);
    EXPECT_EQ(problem(compiler, "CertificateNotShown"), nullptr);

    w.no_certificate("ns/older");
    p = w.publish(compiler);
    EXPECT_EQ(compiler.secret_of("h.example"), "ns/younger");
    EXPECT_EQ(compiler.secret_of("nobody.example"), "");
  }
}

TEST(Compiler, TheDefaultCertificate) {
  World w;
  Compiler compiler;
  auto p = w.publish(compiler);
  const auto made = p.snapshot->certificates->fallback();
  EXPECT_EQ(made->names().at(0), "sluice.default");

  w.model.default_certificate = "ns/default";
  w.change.default_certificate = true;
  w.certificate("ns/default", test::make_pem("any.example"));
  p = w.publish(compiler);
  const auto named = p.snapshot->certificates->fallback();
  EXPECT_EQ(named->names().at(0), "any.example");

  w.certificate("ns/default", {"broken", "broken"});
  EXPECT_EQ(w.publish(compiler).snapshot->certificates->fallback(), named);
  w.no_certificate("ns/default");
  EXPECT_EQ(w.publish(compiler).snapshot->certificates->fallback(), made);
}

TEST(Compiler, RejectHandshakeReachesTheTable) {
  World w;
  Compiler compiler;
  EXPECT_FALSE(w.publish(compiler).snapshot->certificates->reject_unknown());
  auto options = std::make_shared<model::Options>();
  options->ssl_reject_handshake = true;
  w.model.options = options;
  w.change.options = true;
  EXPECT_TRUE(w.publish(compiler).snapshot->certificates->reject_unknown());
}

TEST(Compiler, CopiesOfACertificateAreOnePair) {
  World w;
  Compiler compiler;
  const auto pem = test::make_pem("*.x.example");
  for (std::string ns : {"a", "b"}) {
    w.certificate(ns + "/wild", pem);
    w.host(ns + ".x.example", {{"/", "a"}}, {ns + "/wild"});
  }
  const auto p = w.publish(compiler);
  EXPECT_EQ(p.snapshot->certificates->find("a.x.example")->at(0), p.snapshot->certificates->find("b.x.example")->at(0));
  w.no_certificate("a/wild");
  EXPECT_EQ(shown(w.publish(compiler), "a.x.example"), "default");
  EXPECT_NE(shown(compiler.everything(), "b.x.example"), "default");
}

TEST(Compiler, ManyCertificatesAtOnceEachForItsOwnHost) {
  World w;
  Compiler compiler;
  const auto broken = test::make_pem("x");
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i), name = "m" + n + ".example";
    auto pem = test::make_pem(name);
    if (i % 10 == 3) pem.key = broken.key;
    w.certificate("ns/m" + n, pem);
    w.host(name, {{"/", "a"}}, {"ns/m" + n});
  }
  const auto p = w.publish(compiler);
  for (int i = 0; i < 100; ++i) {
    const std::string name = "m" + std::to_string(i) + ".example";
    const auto* pairs = p.snapshot->certificates->find(name);
    ASSERT_EQ(pairs != nullptr, i % 10 != 3) << name;
    if (pairs != nullptr) {
      EXPECT_EQ(pairs->at(0)->names().at(0), name);
    }
  }
  EXPECT_EQ(compiler.report().count(model::Severity::error), 10u);
}

TEST(Compiler, AResynchronisationWithTheSamePartsChangesNothing) {
  World w;
  Compiler compiler;
  w.cluster("a", 1);
  w.cluster("gone", 1);
  w.host("h", {{"/", "a"}});
  const auto first = w.publish(compiler);
  w.change.everything = true;
  const auto second = w.publish(compiler);
  EXPECT_EQ(second.snapshot->routes, first.snapshot->routes);
  EXPECT_EQ(second.snapshot->certificates, first.snapshot->certificates);
  EXPECT_TRUE(second.clusters.empty());

  // Parts that went without being named are found too.
  w.model.clusters.erase("gone");
  w.model.hosts.erase("h");
  w.change.everything = true;
  const auto third = w.publish(compiler);
  EXPECT_EQ(third.snapshot->routes->hosts(), 0u);
  ASSERT_EQ(third.clusters.size(), 1u);
  EXPECT_EQ(third.clusters[0].cluster, nullptr);
}

// Everything a worker could see, by name.
std::string dump(const Publication& p) {
  std::map<ClusterId, std::string> clusters;
  for (const auto& c : p.clusters) clusters[c.id] = c.cluster->name + "/" + std::to_string(c.cluster->endpoints.size());
  std::string out;
  std::set<std::string> hosts;
  p.snapshot->routes->for_each([&](const Route& r) {
    out += std::string(r.host) + r.spec->path + "->" + (r.cluster == kNoCluster ? "none" : clusters.at(r.cluster)) +
           (r.host_tls ? " tls" : "") + "\n";
    hosts.emplace(r.host);
  });
  for (const auto& h : hosts) out += h + " " + shown(p, h) + "\n";
  out += std::to_string(p.snapshot->routes->hosts()) + " " + std::to_string(p.snapshot->routes->routes()) + "\n";
  out += p.snapshot->certificates->fallback()->names().at(0);
  return out;
}

TEST(Compiler, IncrementalEqualsFullUnderRandomChanges) {
  std::mt19937 random(7);
  auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<std::pair<std::string, test::Pem>> pems;
  for (int i = 0; i < 6; ++i) pems.emplace_back("", test::make_pem("h" + std::to_string(i) + ".example,*.w.example"));
  auto host_name = [&] {
    const auto i = pick(14);
    return i == 12 ? std::string("*.w.example") : i == 13 ? std::string() : "h" + std::to_string(i) + ".example";
  };
  auto cluster_name = [&] { return "c" + std::to_string(pick(8)); };
  auto certificate_name = [&] { return "ns/s" + std::to_string(pick(5)); };

  World w;
  Compiler incremental;
  std::map<ClusterId, std::shared_ptr<const model::Cluster>> seen;  // what a worker would hold
  std::map<std::pair<std::string, std::string>, std::uint32_t> series;
  for (int round = 0; round < 400; ++round) {
    for (std::size_t i = 0, n = 1 + pick(4); i < n; ++i) {
      switch (pick(8)) {
        case 0:
        case 1: {
          std::map<std::string, std::string> routes;
          for (std::size_t k = pick(4); k > 0; --k) routes["/" + std::to_string(pick(5))] = cluster_name();
          std::vector<std::string> certificates;
          for (std::size_t k = pick(3); k > 0; --k) certificates.push_back(certificate_name());
          w.host(host_name(), routes, certificates);
          break;
        }
        case 2:
          w.no_host(host_name());
          break;
        case 3:
        case 4:
          w.cluster(cluster_name(), static_cast<int>(pick(4)));
          break;
        case 5:
          w.no_cluster(cluster_name());
          break;
        case 6:
          w.certificate(certificate_name(), pems[pick(pems.size())].second);
          break;
        case 7:
          w.no_certificate(certificate_name());
          break;
      }
      if (pick(20) == 0) {
        w.model.default_certificate = pick(2) ? certificate_name() : "";
        w.change.default_certificate = true;
      }
    }
    const auto published = w.publish(incremental);
    for (const auto& update : published.clusters) {
      if (update.cluster)
        seen[update.id] = update.cluster;
      else
        seen.erase(update.id);
    }

    Compiler fresh;
    Change all;
    all.everything = true;
    fresh.compile(w.model, all);
    ASSERT_EQ(dump(incremental.everything()), dump(fresh.everything())) << "round " << round;
    ASSERT_EQ(incremental.report().entries, fresh.report().entries) << "round " << round;

    std::map<ClusterId, std::shared_ptr<const model::Cluster>> whole;
    for (const auto& c : incremental.everything().clusters) whole[c.id] = c.cluster;
    ASSERT_EQ(whole.size(), seen.size());
    for (const auto& [id, c] : whole) ASSERT_EQ(*seen.at(id), *c);
    published.snapshot->routes->for_each([&](const Route& r) {
      if (r.cluster != kNoCluster) {
        EXPECT_EQ(seen.at(r.cluster)->name, r.spec->cluster);
      } else {
        EXPECT_FALSE(w.model.clusters.contains(r.spec->cluster));
      }
    });
  }
}

struct Cost {
  std::size_t allocations;
  double microseconds;
};
void print(const char* what, const Cost& cost) {
  std::cout << "  " << what << ": " << cost.allocations << " allocations, " << cost.microseconds << " us\n";
}
template <class F>
Cost cost_of(F&& f) {
  const auto before = test::allocations();
  const auto start = std::chrono::steady_clock::now();
  f();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return {test::allocations() - before, took.count()};
}

TEST(Compiler, AChangeCostsWhatChanged) {
  World w;
  Compiler compiler;
  const auto pem = test::make_pem("*.big.example"), next_pem = test::make_pem("*.big.example");
  for (int i = 0; i < 10000; ++i) {
    const std::string n = std::to_string(i);
    w.cluster("c" + n, 2);
    if (i % 100 == 0) w.certificate("ns/s" + std::to_string(i / 100), pem);
    w.host("h" + n + ".big.example", {{"/", "c" + n}, {"/api/", "c" + n}}, {"ns/s" + std::to_string(i / 100)});
  }
  Publication p, first;
  print("10,000 hosts, 20,000 endpoints, 100 certificates", cost_of([&] { first = w.publish(compiler); }));
  EXPECT_EQ(first.snapshot->routes->routes(), 20000u);
  EXPECT_NE(shown(first, "h9999.big.example"), "default");

  // The median of several: other processes take their share of the machine.
  auto median = [&](const char* what, auto&& edit, auto&& check) {
    std::vector<Cost> costs;
    for (int i = 0; i < 21; ++i) {
      edit(i);
      const Publication before = p;
      costs.push_back(cost_of([&] { p = w.publish(compiler); }));
      check(before);
    }
    std::sort(costs.begin(), costs.end(), [](auto& a, auto& b) { return a.microseconds < b.microseconds; });
    print(what, costs[10]);
    return costs[10];
  };
  p = first;
  auto cost = median(
      "one endpoint", [&](int i) { w.cluster("c77", 1 + i % 2); },
      [&](const Publication& before) {
        EXPECT_EQ(p.snapshot->routes, before.snapshot->routes);
        EXPECT_EQ(p.snapshot->certificates, before.snapshot->certificates);
        EXPECT_EQ(p.clusters.size(), 1u);
      });
  EXPECT_LE(cost.allocations, 4u);

  cost = median(
      "one route",
      [&](int i) { w.host("h77.big.example", {{"/", "c77"}, {"/new" + std::to_string(i) + "/", "c77"}}, {"ns/s0"}); },
      [&](const Publication& before) {
        EXPECT_EQ(different_shards(*before.snapshot->routes, *p.snapshot->routes), 1u);
        EXPECT_EQ(p.snapshot->certificates, before.snapshot->certificates);
        EXPECT_TRUE(p.clusters.empty());
      });
  EXPECT_LE(cost.allocations, 60u);

  const auto routes = p.snapshot->routes;
  w.certificate("ns/s3", next_pem);
  print("one certificate of 100 hosts", cost_of([&] { p = w.publish(compiler); }));
  EXPECT_EQ(p.snapshot->routes, routes);
  EXPECT_NE(shown(p, "h300.big.example"), shown(first, "h300.big.example"));
  EXPECT_EQ(p.snapshot->certificates->find("h400.big.example")->at(0),
            first.snapshot->certificates->find("h400.big.example")->at(0));

  w.no_host("h77.big.example");
  const Publication last = w.publish(compiler);
  print("freeing the Snapshot before", cost_of([&] { p = last; }));
}

}  // namespace
}  // namespace sluice::data
