// Every annotation, TLS section and option × owner and stranger: what another namespace does at a host changes nothing
// that its owner has; inside a namespace things reach as far as in ingress-nginx (tests/oracle has its answers).
#include <algorithm>
#include <functional>

#include "annotations.h"
#include "control/kube/annotations/registry.h"
#include "world.h"

namespace sluice::tenancy {
namespace {

constexpr std::int64_t kOwner = 1'700'000'000, kDay = 86'400;  // when the owner's oldest Ingress was made

control::Settings settings() {
  control::Settings s;
  s.ssl_passthrough = true;
  s.set["global-allowed-response-headers"] = "X-Taken";
  s.set["allow-snippet-annotations"] = "true";
  s.set["annotations-risk-level"] = "Critical";
  s.tcp_services = control::kTcpServices;
  s.udp_services = control::kUdpServices;
  return s;
}

// Hosts of each kind: with TLS and every kind of path; with a defaultBackend at the / that nobody names; a wildcard;
// the catch-all.
IngressSpec web() {
  return {.ns = "shop",
          .name = "web",
          .created = kOwner,
          .hosts = {{"h.example", {{"/"}, {"/web"}, {"/exact", "Exact"}, {"/dir/"}}},
                    {"root.example", {{"/web"}}},
                    {"*.wild.example", {{"/"}}},
                    {"", {{"/any"}}}},
          .annotations = {{"backend-protocol", "HTTPS"}},
          .tls = {{{"h.example"}, "pair"}},
          .default_backend = true};
}
// The owner's younger one.
IngressSpec more() {
  return {.ns = "shop",
          .name = "more",
          .created = kOwner + 20 * kDay,
          .hosts = {{"h.example", {{"/more"}}}},
          .annotations = {{"backend-protocol", "HTTPS"}}};
}
// Asks for all that the owner has, in every spelling, and for something of its own.
IngressSpec stranger(std::int64_t created = kOwner + 10 * kDay) {
  IngressSpec s{.ns = "else", .name = "api", .created = created};
  for (const char* host : {"h.example", "root.example", "*.wild.example", ""})
    for (const char* type : {"Prefix", "Exact", "ImplementationSpecific"})
      for (const char* path :
           {"/", "", "/web", "/web/", "/exact", "/exact/", "/dir", "/dir/", "/more", "/more/", "/any", "/any/", "/own"})
        s.hosts[host].push_back({path, type});
  s.annotations = {{"backend-protocol", "HTTPS"}};
  return s;
}

const std::vector<std::string>& requests() {
  static const std::vector<std::string> list{
      "h.example/",         "h.example/x",      "h.example/web",     "h.example/web/",     "h.example/web/x",
      "h.example/exact",    "h.example/dir",    "h.example/dir/",    "h.example/dir/x",    "h.example/more",
      "h.example/more/x",   "root.example/",    "root.example/x",    "root.example/web",   "root.example/web/x",
      "a.wild.example/",    "a.wild.example/x", "b.a.wild.example/", "nobody.example/any", "nobody.example/any/x",
      "nobody.example/any/"};
  return list;
}

// Ports that lead to the owner's Service: to the Cluster that its Ingresses lead to, and to one of their own.
const std::map<std::string, std::string>& tcp_ports() {
  static const std::map<std::string, std::string> map{{"9000", "shop/svc:80"}, {"9001", "shop/svc:80:PROXY:PROXY"}};
  return map;
}
const std::map<std::string, std::string>& udp_ports() {
  static const std::map<std::string, std::string> map{{"53", "shop/svc:80"}};
  return map;
}

void equip(World& world) {
  static const test::Pem shop = test::make_pem("h.example,*.wild.example", "RSA");
  static const test::Pem other = test::make_pem("h.example,root.example,*.wild.example,own.example");
  world.equip("shop", shop);
  world.equip("else", other);
  world.put(ports("tcp-services", tcp_ports()));
  world.put(ports("udp-services", udp_ports()));
}

std::string for_namespace(std::string value, const std::string& ns) {
  const auto at = value.find("NS/");
  return at == std::string::npos ? value : value.replace(at, 2, ns);
}
void annotate(IngressSpec& spec, const std::string& name, const Sample& sample) {
  for (const auto& [beside, value] : sample.beside) spec.annotations[beside] = for_namespace(value, spec.ns);
  spec.annotations[name] = for_namespace(sample.value, spec.ns);
}

// All that the registry knows, served or not. What it does not find in the tables, it asks for.
std::map<std::string, Sample> every_annotation() {
  std::map<std::string, Sample> out;
  for (const control::Annotation& row : control::annotations()) {
    const auto at = served().find(row.name);
    if (at == served().end())
      ADD_FAILURE() << row.name << ": say in tests/tenancy/annotations.h how far it reaches";
    else
      out.insert(*at);
  }
  for (const control::UnservedAnnotation& row : control::unserved_annotations()) {
    const auto at = unserved().find(row.name);
    if (at == unserved().end())
      ADD_FAILURE() << row.name << ": say in tests/tenancy/annotations.h what value would do the most";
    else
      out.emplace(at->first, Sample{Reach::own_paths, at->second});
  }
  return out;
}

TEST(Matrix, TheTablesNameNothingThatTheRegistryDoesNot) {
  const auto known = every_annotation();
  for (const auto& [name, sample] : served()) EXPECT_TRUE(known.contains(name)) << name;
  for (const auto& [name, value] : unserved()) EXPECT_TRUE(known.contains(name)) << name;
}

// What the rows below compare holds what takes effect in a Cluster and in no route.
TEST(Matrix, TheViewHoldsHowPodsAreChosenAndChecked) {
  World world(settings());
  equip(world);
  world.put(web());
  const View alone = world.view("shop", {});
  std::size_t found = 0;
  for (const auto& [name, sample] : served()) {
    if (sample.reach == Reach::canary) continue;
    SCOPED_TRACE(name);
    IngressSpec spec = web();
    annotate(spec, name, sample);
    world.put(spec);
    const View view = world.view("shop", {});
    if (std::ranges::none_of(view.routes, [](const auto& r) { return static_cast<bool>(r.settings->balancing); }))
      continue;
    ++found;
    EXPECT_FALSE(view.clusters == alone.clusters);
    EXPECT_NE(view.text.find(" as shop/web says"), std::string::npos) << view;
    EXPECT_NE(view.text.find(" " + name + "="), std::string::npos) << view;
  }
  EXPECT_GE(found, 20U);
  EXPECT_EQ(alone.streams.size(), 3U);
}

// The owner beside a stranger that wants `change`: younger or of another class, there or gone.
void expect_untouched(World& world, const View& alone, const std::function<void(IngressSpec&)>& change) {
  for (const char* class_name : {"nginx", "another"}) {
    SCOPED_TRACE(class_name);
    IngressSpec spec = stranger();
    spec.class_name = class_name;
    spec.hosts["own.example"] = {{"/own"}};  // other names are those of a host of its own
    change(spec);
    world.put(spec);
    EXPECT_TRUE(same(world.view("shop", requests()), alone));
    world.take(spec);
    EXPECT_TRUE(same(world.view("shop", requests()), alone));
  }
}

TEST(Matrix, AnAnnotationOfAnotherNamespaceChangesNothingOfTheOwner) {
  World world(settings());
  equip(world);
  world.put(web());
  world.put(more());
  const View alone = world.view("shop", requests());
  for (const auto& [name, sample] : every_annotation()) {
    SCOPED_TRACE(name);
    expect_untouched(world, alone, [&](IngressSpec& s) { annotate(s, name, sample); });
    expect_untouched(world, alone, [&](IngressSpec& s) { s.annotations[name] = "not a value {"; });
    expect_untouched(world, alone, [&](IngressSpec& s) {
      annotate(s, name, sample);
      s.tls = {{{"h.example"}, "pair"}};
      s.default_backend = true;
    });
  }
}

TEST(Matrix, AllAnnotationsOfAnotherNamespaceAtOnceChangeNothingOfTheOwner) {
  World world(settings());
  equip(world);
  world.put(web());
  world.put(more());
  const View alone = world.view("shop", requests());
  // A canary has none but those of canaries.
  for (const bool of_canaries : {false, true})
    expect_untouched(world, alone, [&](IngressSpec& s) {
      for (const auto& [name, sample] : every_annotation())
        if (of_canaries || sample.reach != Reach::canary) annotate(s, name, sample);
    });
}

// Names of each kind, as many as may be, older and younger than the owner's.
TEST(Matrix, OtherNamesOfAnotherNamespaceTakeNothingOfTheOwners) {
  const auto many = [](const std::string& before) {
    std::string out = before;
    for (int i = 0; i < 300; ++i) out += ",~^m" + std::to_string(i) + "\\.example$";
    return out;
  };
  World world(settings());
  equip(world);
  IngressSpec owner = web();
  owner.annotations["server-alias"] = "named.example,*.names.example,~^re[0-9]+\\.example$,~\\.last$";
  world.put(owner);
  world.put(more());
  auto asked = requests();
  for (const char* host : {"named.example", "a.names.example", "re12.example", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.last",
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "127.0.0.1", "x"})
    for (const char* path : {"/web", "/any", "/"}) asked.push_back(std::string(host) + path);
  const View alone = world.view("shop", asked);
  ASSERT_NE(alone.text.find("re12.example/web -> *.wild.example shop web"), std::string::npos) << alone;
  for (const std::string& names :
       {std::string("~."), std::string("~^.*$,~^[a-z.0-9]+$,~"), many("~."), many(""),
        std::string("~^([a-z.-]+)*[0-9]{9}$,~([a-z]+)*[0-9]{9}$"), many("~^([a-z.-]+)*[0-9]{9}$")}) {
    SCOPED_TRACE(names.substr(0, 60));
    for (const std::int64_t created : {kOwner + 10 * kDay, kOwner + 30 * kDay}) {
      IngressSpec spec{.ns = "else", .name = "api", .created = created, .hosts = {{"own.example", {{"/"}}}}};
      spec.annotations["server-alias"] = names;
      world.put(spec);
      EXPECT_TRUE(same(world.view("shop", asked), alone));
      world.take(spec);
      EXPECT_TRUE(same(world.view("shop", asked), alone));
    }
  }
  // Where its Ingress is the oldest of all, the same but for what it names.
  for (const std::string& names : {many("plain.example"), many("~^([a-z.-]+)*[0-9]{9}$")}) {
    IngressSpec old{.ns = "else", .name = "api", .created = kOwner - kDay, .hosts = {{"own.example", {{"/"}}}}};
    world.put(old);
    EXPECT_TRUE(same(world.view("shop", asked), alone));
    old.annotations["server-alias"] = names;
    world.put(old);
    EXPECT_TRUE(same(world.view("shop", asked), alone));
    world.take(old);
  }
}

// Of tcp-services and udp-services, whoever writes them: what one entry says, and what is wrong with it, is no matter
// of the next one.
TEST(Matrix, APortOfAnotherNamespaceChangesNothingOfTheOwner) {
  World world(settings());
  equip(world);
  world.put(web());
  world.put(more());
  const View alone = world.view("shop", requests());
  ASSERT_NE(alone.text.find("port tcp 9000 -> shop/svc:80\n"), std::string::npos) << alone;
  ASSERT_NE(alone.text.find("port udp 53 -> shop/svc:80/udp\n"), std::string::npos) << alone;
  for (const auto& [name, own] : {std::pair("tcp-services", &tcp_ports()), std::pair("udp-services", &udp_ports())})
    for (const char* port : {"1", "54", "9002", "70000", "no", ""})
      for (const char* to :
           {"else/svc:80", "else/svc:80:PROXY:PROXY", "else/missing:80", "shop/svc", "not a value {"}) {
        SCOPED_TRACE(std::string(name) + " " + port + ": " + to);
        auto with = *own;
        with.emplace(port, to);
        world.put(ports(name, with));
        EXPECT_TRUE(same(world.view("shop", requests()), alone));
        world.put(ports(name, *own));
        EXPECT_TRUE(same(world.view("shop", requests()), alone));
      }
}

TEST(Matrix, ATlsSectionOfAnotherNamespaceChangesNothingOfTheOwner) {
  using Sections = std::vector<std::pair<std::vector<std::string>, std::string>>;
  const std::vector<Sections> shapes{{{{"h.example"}, "pair"}},
                                     {{{}, "pair"}},
                                     {{{"h.example", "root.example", "*.wild.example"}, ""}},
                                     {{{"own.example"}, "pair"}},
                                     {{{"H.EXAMPLE"}, "missing"}, {{"root.example"}, "pair"}}};
  for (const bool owner_has_tls : {true, false}) {
    World world(settings());
    equip(world);
    IngressSpec owner = web();
    if (!owner_has_tls) owner.tls.clear();
    world.put(owner);
    world.put(more());
    const View alone = world.view("shop", requests());
    for (const Sections& sections : shapes) {
      expect_untouched(world, alone, [&](IngressSpec& s) { s.tls = sections; });
      // Without a rule for the host.
      expect_untouched(world, alone, [&](IngressSpec& s) {
        s.hosts = {{"own.example", {{"/"}}}};
        s.tls = sections;
      });
    }
    expect_untouched(world, alone, [&](IngressSpec& s) {
      s.hosts.clear();
      s.default_backend = true;
    });
  }
}

// The host belongs to the stranger then. What it asks for by annotations is still no matter of others' paths.
// Whose a host is may demand a certificate of all its clients.
TEST(Matrix, AClientCertificateThatTheOwnerDemandsGuardsAllOfItsHost) {
  IngressSpec younger = web();
  younger.hosts = {{"h.example", {{"/theirs"}}}};
  younger.default_backend = false;
  World world(settings());
  equip(world);
  world.put(younger);
  IngressSpec older = stranger(kOwner - kDay);
  older.annotations["auth-tls-secret"] = older.ns + "/pair";
  world.put(older);
  const auto routes = world.view("shop", {}).routes;
  ASSERT_FALSE(routes.empty());
  for (const auto& route : routes) {
    ASSERT_TRUE(route.settings->client_auth);
    EXPECT_EQ(route.settings->client_auth->secret, "else/pair");
    EXPECT_EQ(route.because, "");
  }
}

// A stranger cannot have that asked for: what it wants guarded is closed, and nothing else.
TEST(Matrix, AClientCertificateThatAStrangerDemandsClosesItsOwnPaths) {
  World world(settings());
  equip(world);
  world.put(web());
  IngressSpec spec = stranger();
  spec.annotations["auth-tls-secret"] = spec.ns + "/pair";
  world.put(spec);
  const auto routes = world.view("else", {}).routes;
  ASSERT_FALSE(routes.empty());
  for (const auto& route : routes) {
    EXPECT_EQ(route.status, 503);
    EXPECT_NE(route.because.view().find("auth-tls-secret"), std::string_view::npos);
  }
  EXPECT_FALSE(world.model().hosts.at("h.example")->tls_policy);
}

TEST(Matrix, AnAnnotationOfAnOlderNamespaceChangesNothingOfTheYoungerOnesPaths) {
  IngressSpec younger = web();
  younger.hosts = {{"h.example", {{"/theirs"}, {"/theirs/exact", "Exact"}}}};
  younger.default_backend = false;
  World world(settings());
  equip(world);
  world.put(younger);
  IngressSpec older = stranger(kOwner - kDay);
  world.put(older);
  const View before = world.view("shop", {});
  const auto& routes = before.routes;
  ASSERT_EQ(routes.size(), 3U);
  EXPECT_EQ(world.model().hosts.at("h.example")->ns, "else");
  for (const auto& [name, sample] : every_annotation()) {
    if (name.starts_with("auth-tls-")) continue;                      // the tests above
    if (sample.reach == Reach::canary && name != "canary") continue;  // what is a canary has no place in the line
    SCOPED_TRACE(name);
    IngressSpec annotated = older;
    annotate(annotated, name, sample);
    for (const bool valid : {true, false}) {
      if (!valid) annotated.annotations[name] = "not a value {";
      world.put(annotated);
      const View view = world.view("shop", {});
      EXPECT_EQ(view.routes, routes);
      EXPECT_TRUE(view.clusters == before.clusters && view.streams == before.streams);
    }
    EXPECT_EQ(world.model().hosts.at("h.example")->ns, "else") << "a refused Ingress keeps its host";
  }
}

TEST(Matrix, InsideANamespaceAnAnnotationReachesAsFarAsInIngressNginx) {
  const auto routes_of = [](World& world, const char* ingress) {
    std::vector<model::Route> out;
    for (const model::Route& r : world.view("shop", {}).routes)
      if (r.ingress == ingress && !(r.path == "/" && r.path_type.empty())) out.push_back(r);
    return out;
  };
  const auto named = [](World& world) {
    return std::ranges::any_of(world.model().hosts, [](const auto& host) {
      return !host.second->aliases.empty() || !host.second->redirected.empty();
    });
  };
  const auto passed_through = [](World& world) { return world.model().hosts.at("h.example")->passthrough; };
  World world(settings());
  equip(world);
  world.put(web());
  world.put(more());
  const auto web_alone = routes_of(world, "web"), more_alone = routes_of(world, "more");
  ASSERT_FALSE(passed_through(world));
  for (const auto& [name, sample] : served()) {
    if (sample.reach == Reach::canary) continue;
    SCOPED_TRACE(name);
    IngressSpec older = web(), younger = more();
    annotate(older, name, sample);
    annotate(younger, name, sample);
    world.put(older);
    EXPECT_EQ(named(world), sample.reach == Reach::names);
    if (sample.reach == Reach::handshake) {
      EXPECT_TRUE(world.model().hosts.at("h.example")->tls_policy);
      EXPECT_EQ(routes_of(world, "web"), web_alone);
    } else if (sample.reach == Reach::host_by_oldest) {
      EXPECT_TRUE(passed_through(world));
    } else if (sample.reach == Reach::names) {
      EXPECT_EQ(routes_of(world, "web"), web_alone);
    } else {
      EXPECT_NE(routes_of(world, "web"), web_alone) << "the sample has no effect";
      EXPECT_EQ(routes_of(world, "more") == more_alone, sample.reach != Reach::host);
    }
    world.put(web());
    world.put(younger);
    EXPECT_FALSE(passed_through(world));
    EXPECT_EQ(named(world), sample.reach == Reach::names);
    if (sample.reach == Reach::handshake) {
      EXPECT_TRUE(world.model().hosts.at("h.example")->tls_policy);
    }
    EXPECT_EQ(routes_of(world, "more") != more_alone, sample.reach == Reach::own_paths || sample.reach == Reach::host);
    EXPECT_EQ(routes_of(world, "web") == web_alone, sample.reach != Reach::host && sample.reach != Reach::root);
    world.put(more());
  }
}

// misc-tls-one-of-two and misc-same-host-two-tls of the recordings.
TEST(Matrix, InsideANamespaceOneTlsSectionIsForTheWholeHost) {
  World world(settings());
  equip(world);
  IngressSpec older = web(), younger = more();
  older.tls.clear();
  world.put(older);
  world.put(younger);
  EXPECT_EQ(world.answer("h.example/web").back(), '0');
  EXPECT_FALSE(world.model().hosts.at("h.example")->tls);
  younger.tls = {{{"h.example"}, "pair"}};
  world.put(younger);
  EXPECT_TRUE(world.model().hosts.at("h.example")->tls);
  EXPECT_NE(world.answer("h.example/web").find(" 110"), std::string::npos) << world.answer("h.example/web");
}

TEST(Matrix, WhatDoesNotCountIsReportedAtTheStranger) {
  World world(settings());
  equip(world);
  world.put(web());
  IngressSpec spec = stranger();
  spec.hosts = {{"h.example", {{"/own"}, {"/web"}}}};
  spec.tls = {{{"h.example"}, "pair"}};
  spec.default_backend = true;
  spec.annotations["ssl-passthrough"] = "true";
  world.put(spec);
  std::set<std::pair<std::string, std::string>> found;
  for (const model::Problem& p : world.problems("else")) {
    found.emplace(p.reason, p.field);
    EXPECT_FALSE(p.expected.empty());
    EXPECT_FALSE(p.consequence.empty());
  }
  const std::set<std::pair<std::string, std::string>> expected{{"HostOfOtherNamespace", "spec.tls"},
                                                               {"HostOfOtherNamespace", "spec.defaultBackend"},
                                                               {"NoEffect", "metadata.annotations[ssl-passthrough]"},
                                                               {"PathConflict", "spec.rules[0].http.paths[1].path"}};
  EXPECT_EQ(found, expected);
  for (const model::Problem& p : world.problems("shop")) EXPECT_EQ(p.reason, "CertificateNameMismatch");
}

// Whichever was seen first: two triples may spell one "namespace-service-port".
TEST(Matrix, NamesThatSpellTheSameStayApart) {
  for (const bool owner_first : {true, false}) {
    World world(settings());
    IngressSpec mine{.ns = "a", .name = "i", .created = kOwner, .hosts = {{"a.example", {{"/"}}}}};
    IngressSpec theirs{.ns = "a-svc", .name = "i", .created = kOwner, .hosts = {{"b.example", {{"/"}}}}};
    world.equip("a", test::make_pem("a.example", "EC"));
    world.equip("a-svc", test::make_pem("b.example", "EC"));
    world.put(owner_first ? mine : theirs);
    world.model();
    world.put(owner_first ? theirs : mine);
    const auto& model = world.model();
    EXPECT_EQ(model.hosts.at("a.example")->routes[0].upstream_name, "a-svc-80");
    EXPECT_EQ(model.hosts.at("b.example")->routes[0].upstream_name, "a-svc-svc-80");
  }
}

// A value for an option that is not its default.
std::string other_value(const control::Option& row) {
  for (const char* value : {"true",
                            "false",
                            "7",
                            "9k",
                            "7s",
                            "X-Other",
                            "192.0.2.0/24",
                            "302",
                            "4 16k",
                            "TLSv1.3",
                            "HIGH",
                            "Low",
                            "json",
                            "warn",
                            "/web,/more",
                            "on",
                            "off",
                            "P-256",
                            "h.example=shop",
                            "$status $host",
                            "refuse",
                            "404",
                            "POST",
                            "200 5m",
                            "https://to.example/",
                            "ewma",
                            "http",
                            "exact",
                            "recommended",
                            "1.0",
                            "more_set_headers A:b;",
                            "map $host $a { default b; }"}) {
    model::Options options;
    const std::string before = row.value.print(options);
    if (row.value.parse(value, options).empty() && row.value.print(options) != before) return value;
  }
  return {};
}

TEST(Matrix, UnderEveryOptionTheOwnerIsUntouched) {
  for (const control::Option& row : control::options()) {
    SCOPED_TRACE(row.key);
    if (row.secret) continue;
    const std::string value = other_value(row);
    ASSERT_FALSE(value.empty()) << "other_value() needs a value that this option takes";
    control::Settings s = settings();
    s.set[std::string(row.key)] = value;
    World world(s);
    equip(world);
    world.put(web());
    world.put(more());
    const View alone = world.view("shop", requests());
    expect_untouched(world, alone, [&](IngressSpec& spec) {
      spec.tls = {{{"h.example"}, "pair"}};
      spec.default_backend = true;
      for (const auto& [name, sample] : served())
        if (!name.ends_with("-redirect") && sample.reach != Reach::canary) annotate(spec, name, sample);
    });
  }
}

}  // namespace
}  // namespace sluice::tenancy
