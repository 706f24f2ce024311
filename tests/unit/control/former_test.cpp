// What was good before, while the second of two objects that change one after the other is on its way.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/clock.h"
#include "store_fixture.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using testing::objects;

// "80" or "http": as the Ingress says it.
std::string route(const std::string& port, const std::string& tls = "", const std::string& name = "web") {
  const bool number = port[0] >= '0' && port[0] <= '9';
  return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name +
         "}\nspec:\n  ingressClassName: nginx\n" +
         (tls.empty() ? "" : "  tls: [{hosts: [h.example], secretName: " + tls + "}]\n") +
         "  rules:\n  - host: h.example\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, "
         "port: {" +
         (number ? "number: " : "name: ") + port + "}}}}]}\n";
}
std::string app(const std::string& port_name, const std::string& number = "80", const std::string& target = "8080") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec:\n  ports:\n  - {name: '" + port_name +
         "', port: " + number + ", targetPort: " + target + "}\n";
}
std::string external(const std::string& name, const std::string& port = "{port: 80}") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: ExternalName, externalName: " + name +
         ", ports: [" + port + "]}\n";
}
std::string pods(const std::string& port_name, const std::vector<std::string>& ready,
                 const std::vector<std::string>& not_ready = {}, int port = 8080) {
  std::string out =
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {name: app-1, labels: "
      "{kubernetes.io/service-name: app}}\nports: [{name: '" +
      port_name + "', port: " + std::to_string(port) + "}]\nendpoints:";
  for (const auto& a : ready) out += "\n- {addresses: [" + a + "], conditions: {ready: true}}";
  for (const auto& a : not_ready) out += "\n- {addresses: [" + a + "], conditions: {ready: false}}";
  return out + (ready.empty() && not_ready.empty() ? " []\n" : "\n");
}
std::string secret(const std::string& name, const std::string& mark = "x") {
  return "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: " + name +
         "}\nstringData: {tls.crt: '-----BEGIN CERTIFICATE----- " + mark +
         "', tls.key: '-----BEGIN PRIVATE KEY-----'}\n";
}

struct Former : testing::Fixture {
  FakeClock clock;
  Former() { store.at(clock.now()); }

  void pass(Duration time) {
    clock.advance(time);
    store.at(clock.now());
    commit();
  }
  static std::string text_of(const model::Cluster& cluster) {
    std::string out;
    for (const auto& e : cluster.endpoints) out += (out.empty() ? "" : " ") + e.address + ":" + std::to_string(e.port);
    return out;
  }
  // "10.0.0.1:8080 …" of all Clusters that routes lead to; "" where there is none.
  std::string leads_to() {
    const auto model = commit().model;
    std::set<std::string_view> names;
    for (const auto& [host, of] : model->hosts)
      for (const auto& route : of->routes) names.insert(route.cluster.view());
    std::string out;
    for (const auto name : names)
      if (const auto cluster = model->clusters.find(std::string(name)); cluster != model->clusters.end())
        if (const auto text = text_of(*cluster->second); !text.empty()) out += (out.empty() ? "" : " ") + text;
    return out;
  }
  // The same of one Cluster, whoever leads there; "-": it is none any more.
  std::string endpoints_of(const std::string& name) {
    const auto model = commit().model;
    const auto cluster = model->clusters.find(name);
    return cluster == model->clusters.end() ? "-" : text_of(*cluster->second);
  }
  std::string report() {
    std::string out;
    for (const auto& e : commit().model->report.entries) out += model::Report::line(e) + "\n";
    return out;
  }
  // Secrets in the order in which they are looked at; in parentheses those that were named before.
  std::string shown(const std::string& alias = "") {
    std::string out;
    const auto model = commit().model;
    const auto& host = *model->hosts.at("h.example");
    for (const auto& named : alias.empty() ? host.certificates : host.aliases.at(0).certificates)
      for (const auto& name : named.secrets)
        if (model->certificates.contains(name))
          out += (out.empty() ? "" : " ") + (named.former ? "(" + name + ")" : name);
    return out;
  }
};

TEST_F(Former, APortIsRenamedAndTheSlicesFollow) {
  for (const auto& [old_name, new_name] : std::vector<std::pair<std::string, std::string>>{
           {"http", "http-web"}, {"", "http"}, {"http", ""}, {"web", "http"}}) {
    for (const char* target : {"8080", "pod-port"}) {
      put(route("80") + app(old_name, "80", target) + pods(old_name, {"10.0.0.1", "10.0.0.2"}));
      ASSERT_EQ(leads_to(), "10.0.0.1:8080 10.0.0.2:8080");
      put(app(new_name, "80", target));
      EXPECT_EQ(leads_to(), "10.0.0.1:8080 10.0.0.2:8080") << old_name << " -> " << new_name << " " << target;
      put(pods(new_name, {"10.0.0.2", "10.0.0.3"}));
      EXPECT_EQ(leads_to(), "10.0.0.2:8080 10.0.0.3:8080");
      EXPECT_EQ(report(), "");
      EXPECT_EQ(store.next(), Instant::max()) << "nothing is kept any more";
    }
  }
}

TEST_F(Former, TheSlicesAreFirst) {
  put(route("80") + app("http", "80", "pod-port") + pods("http", {"10.0.0.1"}));
  put(pods("web", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  put(app("web", "80", "pod-port"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  EXPECT_EQ(report(), "");
}

TEST_F(Former, ThePortThatTheIngressNamesIsRenamed) {
  put(route("http") + app("http") + pods("http", {"10.0.0.1"}));
  put(app("web"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  EXPECT_NE(report().find("MissingPort"), std::string::npos) << "it is said all the same";
  EXPECT_NE(report().find("are used for some seconds"), std::string::npos);
  put(route("web"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080") << "another port of the same Service by the same number";
  put(pods("web", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  EXPECT_EQ(report(), "");
}

TEST_F(Former, ThePortThatTheIngressNumbersHasAnotherNumber) {
  put(route("80") + app("http") + pods("http", {"10.0.0.1"}));
  put(app("http", "81"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  put(route("81"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  EXPECT_EQ(report(), "");
}

// All that is left is where it leads.
TEST_F(Former, APortHasAnotherNameAndNumberAtOnce) {
  put(route("80") + app("http", "80", "pod-port") + pods("http", {"10.0.0.1"}));
  put(app("web", "81", "pod-port") + route("81"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  put(pods("web", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  put(app("other", "82", "another-port") + route("82"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080") << "the path led there, and the Service has that port no more";
  pass(30s);
  EXPECT_EQ(leads_to(), "");
}

// In whatever order: the path led to another port of this Service.
TEST_F(Former, TheIngressNamesThePortThatItsServiceIsStillToHave) {
  for (const auto& [name, number, target] : std::vector<std::array<const char*, 3>>{
           {"web", "80", "8080"}, {"web", "80", "pod-port"}, {"web", "81", "8080"}, {"web", "81", "pod-port"}}) {
    for (const char* wish : {name, number}) {
      if (std::string_view(wish) == "80") continue;
      for (const bool slices_first : {false, true}) {
        put(route("http") + app("http") + pods("http", {"10.0.0.1"}));
        ASSERT_EQ(leads_to(), "10.0.0.1:8080");
        put(route(wish));
        EXPECT_EQ(leads_to(), "10.0.0.1:8080") << wish;
        EXPECT_NE(report().find("MissingPort"), std::string::npos) << "it is said all the same";
        EXPECT_NE(report().find("are used for some seconds"), std::string::npos);
        put(slices_first ? pods(name, {"10.0.0.1"}) : app(name, number, target));
        EXPECT_EQ(leads_to(), "10.0.0.1:8080") << wish << " " << number << " " << target;
        put(slices_first ? app(name, number, target) : pods(name, {"10.0.0.1"}));
        EXPECT_EQ(leads_to(), "10.0.0.1:8080");
        EXPECT_EQ(report(), "");
        pass(Store::kGrace);  // until then where the path led before is there for those on their way
        EXPECT_EQ(leads_to(), "10.0.0.1:8080");
        EXPECT_EQ(store.next(), Instant::max()) << "nothing is kept any more";
      }
    }
  }
}

TEST_F(Former, APortThatNobodyMakesIsGivenUpAfterThirtySeconds) {
  put(route("http") + app("http") + pods("http", {"10.0.0.1"}));
  put(route("htpp"));
  pass(29s);
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  put(pods("http", {"10.0.0.2"}));
  EXPECT_EQ(leads_to(), "") << "only addresses that a slice still lists";
  put(pods("http", {"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  pass(1s);
  EXPECT_EQ(leads_to(), "");
  EXPECT_NE(report().find("answer 503"), std::string::npos);
}

// Who led nowhere before keeps nothing, at the start as later.
TEST_F(Former, APortThatNoServiceHasIsNowhere) {
  put(route("htpp") + app("http") + pods("http", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "");
  put(route("http2"));
  EXPECT_EQ(leads_to(), "");
  EXPECT_EQ(store.next(), Instant::max());
}

// Not for some seconds: as long as it is written so, and from the start.
TEST_F(Former, WithoutAFormerOneANumberIsANumberAndAnyPortWillDo) {
  put(route("80") + app("web", "80", "9999") + pods("http", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:9999");
  const auto rests_at = [&](const std::string& service) {
    put(service);
    EXPECT_EQ(leads_to(), "10.0.0.1:9999") << "where it led is used meanwhile";
    pass(Store::kGrace);
    const auto led = leads_to();
    put(app("web", "80", "9999"));
    pass(Store::kGrace);
    return led;
  };
  EXPECT_EQ(rests_at(app("web", "80", "0")), "10.0.0.1:80") << "no targetPort: the port";
  EXPECT_EQ(rests_at(app("", "80", "pod-port")), "10.0.0.1:8080") << "a port without a name";
  EXPECT_EQ(rests_at(app("web", "80", "pod-port")), "") << "a name that no slice has";
}

TEST_F(Former, ThirtySecondsAndNoMore) {
  put(route("80") + app("http", "80", "pod-port") + pods("http", {"10.0.0.1"}));
  put(app("web", "80", "pod-port"));
  for (int i = 0; i < 29; ++i) {
    pass(1s);
    ASSERT_EQ(leads_to(), "10.0.0.1:8080") << i;
    put(i % 2 ? app("web", "80", "pod-port") : app("other", "80", "pod-port"));  // no change of these prolongs it
  }
  EXPECT_EQ(store.next(), clock.now() + 1s);
  pass(1s);
  EXPECT_EQ(leads_to(), "");
  EXPECT_NE(report().find("requests for it answer 503"), std::string::npos);
  put(app("again", "80", "pod-port"));
  EXPECT_EQ(leads_to(), "") << "it begins anew only once the Service has endpoints of its own";
  put(pods("again", {"10.0.0.1"}));
  put(app("web", "80", "pod-port"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
}

TEST_F(Former, OnlyWhatASliceStillListsAsReady) {
  put(route("80") + app("http", "80", "pod-port") + pods("http", {"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  put(app("web", "80", "pod-port") + pods("http", {"10.0.0.2", "10.0.0.4"}, {"10.0.0.3"}));
  EXPECT_EQ(leads_to(), "10.0.0.2:8080");
  put(pods("http", {}, {"10.0.0.2"}));
  EXPECT_EQ(leads_to(), "");
  put(app("http", "80", "pod-port"));
  EXPECT_EQ(leads_to(), "") << "pods that are not ready are no gap between two objects";
}

TEST_F(Former, WhatThePodsExpectBeforeEachConnectionIsKept) {
  std::string service = app("http");
  service.replace(service.find("{name: app}"), 11,
                  "{name: app, annotations: {sluice.dev/upstream-proxy-protocol: v1}}");
  put(route("80") + service + pods("http", {"10.0.0.1"}));
  remove(service);
  const auto kept = commit().model->clusters.begin()->second;
  EXPECT_EQ(kept->endpoints.size(), 1U);
  EXPECT_EQ(kept->proxy_protocol, model::ProxyProtocol::v1);
}

TEST_F(Former, WhatWasGoodLongAgoIsNot) {
  put(route("80") + app("one") + pods("one", {"10.0.0.1"}));
  put(route("81") + app("two", "81") + pods("two", {"10.0.0.1"}, {}, 9090));
  EXPECT_EQ(leads_to(), "10.0.0.1:9090");
  pass(31s);
  put(route("80"));
  EXPECT_EQ(leads_to(), "10.0.0.1:9090") << "where the path led until now; 80 has led nowhere for longer than is kept";
  pass(30s);
  EXPECT_EQ(leads_to(), "");
}

TEST_F(Former, AServiceIsDeletedAndMadeAnew) {
  put(route("80") + app("http") + pods("http", {"10.0.0.1"}));
  remove(app("http"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  remove(pods("http", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "") << "its slices are gone too";
  put(app("http") + pods("http", {"10.0.0.1"}));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
}

TEST_F(Former, PodsUntilANameIsResolved) {
  put(route("80") + app("http") + pods("http", {"10.0.0.1"}));
  put(external("db.example"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
  store.resolved("db.example", {"192.0.2.7"}, "");
  EXPECT_EQ(leads_to(), "192.0.2.7:80");
  put(app("http"));
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
}

TEST_F(Former, AnotherNameIsLedToOnceItIsResolved) {
  for (const std::string port : {"{port: 80}", ""}) {
    put(route("80") + external("a.example", port));
    store.resolved("a.example", {"192.0.2.1"}, "");
    EXPECT_EQ(leads_to(), "192.0.2.1:80");
    put(external("b.example", port));
    pass(29s);
    EXPECT_EQ(leads_to(), "192.0.2.1:80");
    store.resolved("b.example", {"192.0.2.2"}, "");
    EXPECT_EQ(leads_to(), "192.0.2.2:80");
    put(external("c.example", port));
    pass(31s);
    EXPECT_EQ(leads_to(), "") << "no longer than thirty seconds";
    put(external("d.example", port));
    store.resolved("d.example", {}, "no such name");
    EXPECT_EQ(leads_to(), "") << "that is an answer";
  }
}

TEST_F(Former, ThePortOfANameIsAnotherAndTheIngressFollowsOrIsFirst) {
  const std::string is = "{name: http, port: 80, targetPort: 9000}",
                    will_be = "{name: web, port: 8080, targetPort: 9000}";
  for (const bool service_first : {true, false})
    for (const bool by_name : {true, false}) {
      const auto old_port = by_name ? "http" : "80", new_port = by_name ? "web" : "8080";
      put(route(old_port) + external("a.example", is));
      store.resolved("a.example", {"192.0.2.1", "192.0.2.2"}, "");
      ASSERT_EQ(leads_to(), "192.0.2.1:9000 192.0.2.2:9000");
      put(service_first ? external("a.example", will_be) : route(new_port));
      EXPECT_EQ(leads_to(), "192.0.2.1:9000 192.0.2.2:9000") << service_first << by_name;
      store.resolved("a.example", {"192.0.2.2"}, "");
      EXPECT_EQ(leads_to(), "192.0.2.2:9000") << "what the name resolves to no longer is not kept";
      put(service_first ? route(new_port) : external("a.example", will_be));
      EXPECT_EQ(leads_to(), "192.0.2.2:9000");
      pass(31s);
    }
  // A number that the Service never listed is a number, at once where nothing was good before.
  remove(route("80"));
  pass(31s);
  put(route("7000") + external("a.example", is));
  store.resolved("a.example", {"192.0.2.2"}, "");
  EXPECT_EQ(leads_to(), "192.0.2.2:7000");
}

TEST_F(Former, AnIngressOfAnotherClassKeepsNothing) {
  put(route("80") + app("http") + pods("http", {"10.0.0.1"}));
  std::string other = route("80");
  other.replace(other.find("nginx"), 5, "other");
  put(other + app("web"));
  EXPECT_EQ(leads_to(), "");
  put(route("80") + pods("http", {"10.0.0.1"}) + app("web", "80", "pod-port"));
  EXPECT_EQ(leads_to(), "") << "what it had before is forgotten";
}

TEST_F(Former, WithoutAClockNothingIsKept) {
  Store timeless{Settings{}};
  for (auto& o : objects(route("80") + app("http", "80", "p") + pods("http", {"10.0.0.1"}))) timeless.upsert(o);
  timeless.commit();
  for (auto& o : objects(app("web", "80", "p"))) timeless.upsert(o);
  EXPECT_TRUE(timeless.commit().model->clusters.begin()->second->endpoints.empty());
}

TEST_F(Former, ASecretIsDeletedAndMadeAnew) {
  put(route("80", "pair") + app("http") + pods("http", {"10.0.0.1"}) + secret("pair"));
  remove(secret("pair"));
  EXPECT_EQ(shown(), "default/pair");
  EXPECT_NE(report().find("the pair that it had is used for some seconds"), std::string::npos);
  pass(29s);
  EXPECT_EQ(shown(), "default/pair");
  put(secret("pair", "renewed"));
  EXPECT_EQ(store.next(), Instant::max());
  EXPECT_EQ(report(), "");
  remove(secret("pair"));
  pass(30s);
  EXPECT_EQ(shown(), "");
}

TEST_F(Former, AnIngressNamesASecretThatIsStillToCome) {
  put(route("80", "old") + app("http") + pods("http", {"10.0.0.1"}) + secret("old"));
  put(route("80", "new"));
  EXPECT_EQ(shown(), "(default/old)");
  pass(29s);
  // Whether it has a pair for the host is seen where certificates are read.
  put(secret("new"));
  EXPECT_EQ(shown(), "default/new (default/old)");
  put(route("80", "never"));
  EXPECT_EQ(shown(), "(default/new) (default/old)");
  pass(29s);
  EXPECT_EQ(shown(), "(default/new) (default/old)") << "the time of each change is its own";
  pass(1s);
  EXPECT_EQ(shown(), "");
  EXPECT_EQ(store.next(), Instant::max());
  put(route("80", "new"));
  EXPECT_EQ(shown(), "default/new") << "what was named in vain is not kept";
  EXPECT_EQ(store.next(), Instant::max());
  put(route("80"));
  EXPECT_EQ(shown(), "");
}

TEST_F(Former, ASecretThatIsThereMayHaveNoPairForTheHost) {
  const std::string unusable =
      "---\napiVersion: v1\nkind: Secret\nmetadata: {name: new}\nstringData: {tls.crt: '', tls.key: ''}\n";
  put(route("80", "old") + app("http") + pods("http", {"10.0.0.1"}) + secret("old") + unusable);
  put(route("80", "new"));
  EXPECT_EQ(shown(), "(default/old)");
  EXPECT_NE(report().find("InvalidSecret"), std::string::npos);
  pass(10s);
  put(secret("new"));
  EXPECT_EQ(shown(), "default/new (default/old)");
  pass(20s);
  EXPECT_EQ(shown(), "default/new");
  EXPECT_EQ(report(), "");
  EXPECT_EQ(store.next(), Instant::max());
}

TEST_F(Former, OtherNamesOfAHostKeepWhatTheyShow) {
  const auto aliased = [](const char* tls) {
    std::string out = route("80", tls);
    return out.replace(out.find("{name: web}"), 11,
                       "{name: web, annotations: {nginx.ingress.kubernetes.io/server-alias: a.example}}");
  };
  put(aliased("old") + app("http") + pods("http", {"10.0.0.1"}) + secret("old"));
  EXPECT_EQ(shown("a.example"), "default/old");
  put(aliased("new"));
  EXPECT_EQ(shown("a.example"), "(default/old)");
  pass(30s);
  EXPECT_EQ(shown("a.example"), "");
}

TEST_F(Former, OfSecretsThatAreNamedAnewAgainAndAgainAFewAreKept) {
  put(route("80", "s0") + app("http") + pods("http", {"10.0.0.1"}) + secret("s0"));
  for (int i = 1; i < 20; ++i) {
    put(secret("s" + std::to_string(i)) + route("80", "s" + std::to_string(i)));
    commit();
  }
  EXPECT_EQ(commit().model->hosts.at("h.example")->certificates.size(), 9U);
}

// After the time is over all is what a fresh process makes of it, whatever the order was.
TEST_F(Former, InTheEndItIsAsIfItHadNeverBeenOtherwise) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const auto one_of = [&](std::initializer_list<const char*> of) {
      return std::string(of.begin()[random() % of.size()]);
    };
    const auto form = [&] {
      switch (random() % 6) {
        case 0:
          return random() % 5 ? app(one_of({"http", "web", ""}), one_of({"80", "81"}), one_of({"8080", "pod-port"}))
                              : external("db.example");
        case 1:
          return route(one_of({"80", "81", "http", "web"}), one_of({"", "a", "b"}), one_of({"web", "more"}));
        case 2:
          return secret(one_of({"a", "b"}), one_of({"x", "y"}));
        default:
          return pods(one_of({"http", "web", ""}), {"10.0.0." + std::to_string(random() % 4)});
      }
    };
    Store followed{Settings{}};
    FakeClock time;
    std::map<std::string, ObjectPtr> there;
    for (int change = 0; change < 200; ++change) {
      const ObjectPtr o = objects(form()).front();
      const std::string id = identity(*o);
      if (const auto known = there.find(id); known != there.end() && random() % 3 == 0) {
        followed.erase(*known->second);
        there.erase(known);
      } else {
        followed.upsert(o);
        there[id] = o;
      }
      time.advance(std::chrono::seconds(random() % 12));
      followed.at(time.now());
      if (random() % 3 == 0) followed.commit();
    }
    followed.commit();
    time.advance(Store::kGrace);
    followed.at(time.now());
    expect_same(*followed.commit().model, there);
    EXPECT_EQ(followed.next(), Instant::max());
    if (HasFailure()) {
      ADD_FAILURE() << "seed " << seed;
      return;
    }
  }
}

// A request that has matched a route is yet to choose its pod.
TEST_F(Former, WhereNobodyLeadsAnyMoreIsFollowedForThoseWhoAreOnTheirWay) {
  std::string elsewhere = route("80");
  elsewhere.replace(elsewhere.find("name: app"), 9, "name: new");
  put(route("80") + app("http") + pods("http", {"10.0.0.1", "10.0.0.2"}));
  put(elsewhere);
  EXPECT_EQ(leads_to(), "");
  EXPECT_EQ(endpoints_of("default/app:80"), "10.0.0.1:8080 10.0.0.2:8080");
  EXPECT_EQ(report().find("app:80"), std::string::npos);
  put(pods("http", {"10.0.0.2"}));
  EXPECT_EQ(endpoints_of("default/app:80"), "10.0.0.2:8080") << "none is asked that is gone";
  pass(Store::kGrace - 1s);
  EXPECT_EQ(endpoints_of("default/app:80"), "10.0.0.2:8080");
  pass(1s);
  EXPECT_EQ(endpoints_of("default/app:80"), "-");
  EXPECT_EQ(store.next(), Instant::max());
}

TEST_F(Former, WhereNobodyLeadsAnyMoreMayBeLedToAgain) {
  put(route("80") + app("http") + pods("http", {"10.0.0.1"}));
  remove(route("80"));
  EXPECT_EQ(endpoints_of("default/app:80"), "10.0.0.1:8080");
  put(route("80"));
  EXPECT_EQ(store.next(), Instant::max()) << "it is used: nothing is to end";
  pass(Store::kGrace);
  EXPECT_EQ(leads_to(), "10.0.0.1:8080");
}

TEST_F(Former, WhereNobodyLeadsAnyMoreGoesWithItsPods) {
  const std::string all = route("80") + app("http") + pods("http", {"10.0.0.1"});
  put(all);
  remove(all);
  EXPECT_EQ(endpoints_of("default/app:80"), "-") << "with all at once";
  put(all);
  remove(route("80"));
  put(pods("http", {}));
  EXPECT_EQ(endpoints_of("default/app:80"), "-") << "or one after the other";
  EXPECT_EQ(store.next(), Instant::max());
}

}  // namespace
}  // namespace sluice::control
