// Which canaries join which paths, from objects to the Model.
#include <map>

#include "store_fixture.h"

namespace sluice::control {
namespace {

using Annotations = std::map<std::string, std::string>;

struct Path {
  std::string host = "h.example", path = "/", type = "Prefix", service = "app";
};

// Objects of a few words: a main Ingress without annotations, or a canary that takes all.
struct Wish {
  std::string name, ns = "default";
  std::int64_t created = 10;
  std::vector<Path> paths{{}};
  Annotations annotations{};
  std::string default_service{};
  std::string class_name = "nginx";
};

Backend backend(const std::string& service) {
  return {.service = service, .port = "80", .port_is_number = true};
}

ObjectPtr object(const Wish& wish) {
  Ingress out;
  out.meta.ns = wish.ns;
  out.meta.name = wish.name;
  out.meta.created = wish.created;
  out.class_name = wish.class_name;
  for (const auto& [name, value] : wish.annotations)
    out.meta.annotations["nginx.ingress.kubernetes.io/" + name] = value;
  for (const Path& p : wish.paths) out.rules.push_back({p.host, {{p.path, p.type, backend(p.service)}}});
  if (!wish.default_service.empty()) out.default_backend = backend(wish.default_service);
  return std::make_shared<const Object>(std::move(out));
}

Wish main_ingress(std::vector<Path> paths = {{}}) {
  return {.name = "main", .paths = std::move(paths)};
}
Wish canary(std::vector<Path> paths = {{.service = "next"}}, Annotations annotations = {{"canary-weight", "20"}}) {
  annotations["canary"] = "true";
  return {.name = "canary", .created = 20, .paths = std::move(paths), .annotations = std::move(annotations)};
}

struct Canaries : ::testing::Test {
  void put(const Wish& wish) { store.upsert(object(wish)); }
  void take(const Wish& wish) { store.erase(*object(wish)); }
  Update commit() { return last = store.commit(); }
  // "exact /a: default-app-80 canary next": the routes of the host that lead somewhere.
  std::vector<std::string> routes(const std::string& host = "h.example") {
    commit();
    std::vector<std::string> out;
    const auto at = last.model->hosts.find(host);
    if (at == last.model->hosts.end()) return out;
    for (const model::Route& r : at->second->routes) {
      if (r.cluster.empty()) continue;
      EXPECT_EQ(static_cast<bool>(r.canary), static_cast<bool>(r.further)) << r.path;
      out.push_back(std::string(to_string(r.match)) + " " + r.path.str() + ": " + r.service.str() +
                    (r.canary ? " canary " + r.canary->service.str() + " of " + r.canary->ingress.str() : ""));
    }
    std::ranges::sort(out);
    return out;
  }
  const model::Route& route(const std::string& host = "h.example") {
    commit();
    for (const model::Route& r : last.model->hosts.at(host)->routes)
      if (!r.cluster.empty()) return r;
    throw std::runtime_error("no route leads anywhere");
  }
  // "Reason field" of what is said at an Ingress.
  std::vector<std::string> said(const std::string& name, const std::string& ns = "default") {
    commit();
    std::vector<std::string> out;
    for (const auto& e : last.model->report.entries)
      if (e.object.kind == "Ingress" && e.object.name == name && e.object.ns == ns &&
          e.problem.reason != "MissingService")
        out.push_back(e.problem.reason + " " + e.problem.field);
    return out;
  }
  Store store{Settings{}};
  Update last;
};

using Lines = std::vector<std::string>;

TEST_F(Canaries, JoinThePathOfTheirMainIngress) {
  put(main_ingress());
  put(canary());
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary next of canary"}));
  const model::Canary& joined = *route().canary;
  EXPECT_EQ(joined.rule.weight, 20);
  EXPECT_EQ(joined.upstream_name, "default-next-80");
  ASSERT_EQ(route().further->size(), 1U);
  EXPECT_EQ(route().further->front().role, model::Role::canary);
  EXPECT_EQ(route().further->front().cluster, "default/next:80");
  EXPECT_TRUE(last.model->clusters.contains("default/next:80"));
  EXPECT_EQ(said("canary"), Lines{});
}

TEST_F(Canaries, JoinWhicheverIsOlder) {
  Wish older = canary();
  older.created = 1;
  put(older);
  EXPECT_EQ(routes(), Lines{});
  EXPECT_EQ(said("canary"), (Lines{"CanaryWithoutMain spec.rules[0].http.paths[0]"}));
  put(main_ingress());
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary next of canary"}));
  EXPECT_EQ(said("canary"), Lines{});
  EXPECT_EQ(last.model->hosts.at("h.example")->ns, "default");
}

TEST_F(Canaries, ComeChangeAndGo) {
  put(main_ingress());
  put(canary());
  EXPECT_EQ(route().canary->rule.weight, 20);
  put(canary({{.service = "next"}}, {{"canary-weight", "70"}}));
  commit();
  EXPECT_EQ(last.change.hosts, Lines{"h.example"});
  EXPECT_EQ(route().canary->rule.weight, 70);
  put(canary({{.service = "other"}}));
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary other of canary"}));
  EXPECT_FALSE(last.model->clusters.contains("default/next:80"));
  // It becomes an Ingress like any other, and one again.
  Wish plain = canary();
  plain.annotations.clear();
  put(plain);
  EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
  EXPECT_EQ(said("canary"), (Lines{"PathConflict spec.rules[0].http.paths[0].path"}));
  put(canary());
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary next of canary"}));
  take(canary());
  EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
  EXPECT_FALSE(last.model->clusters.contains("default/next:80"));
  put(canary());
  take(main_ingress());
  EXPECT_EQ(routes(), Lines{});
  EXPECT_FALSE(last.model->hosts.contains("h.example")) << "a canary makes no host";
  take(canary());
  EXPECT_EQ(said("canary"), Lines{});
}

TEST_F(Canaries, NeedTheSameHostPathAndType) {
  put(main_ingress({{.path = "/a"}}));
  for (const Path& other :
       {Path{.path = "/b"}, Path{.path = "/a/"}, Path{.path = "/a", .type = "Exact"},
        Path{.host = "i.example", .path = "/a"}, Path{.host = "*.example", .path = "/a"}, Path{.path = "/"}}) {
    Path path = other;
    path.service = "next";
    put(canary({path}));
    EXPECT_EQ(routes(), (Lines{"exact /a: app", "prefix /a/: app"})) << path.host << path.path;
    EXPECT_EQ(said("canary"), (Lines{"CanaryWithoutMain spec.rules[0].http.paths[0]"}));
    EXPECT_FALSE(last.model->clusters.contains("default/next:80"));
  }
  put(canary({{.host = "H.Example", .path = "/a", .service = "next"}}));
  EXPECT_EQ(routes(), (Lines{"exact /a: app canary next of canary", "prefix /a/: app canary next of canary"}));
}

// ingress-nginx makes Prefix of ImplementationSpecific and of no type before it looks for the main Ingress.
TEST_F(Canaries, OfNoTypeOfTheirOwnAreOfPrefix) {
  const Lines joined{"exact /a: app canary next of canary", "prefix /a/: app canary next of canary"};
  for (const auto* main : {"Prefix", "ImplementationSpecific", ""})
    for (const auto* other : {"Prefix", "ImplementationSpecific", ""}) {
      put(main_ingress({{.path = "/a", .type = main}}));
      put(canary({{.path = "/a", .type = other, .service = "next"}}));
      EXPECT_EQ(routes(), joined) << main << " and " << other;
    }
  put(main_ingress({{.path = "/a", .type = "Exact"}}));
  put(canary({{.path = "/a", .type = "ImplementationSpecific", .service = "next"}}));
  EXPECT_EQ(routes(), (Lines{"exact /a: app"}));
}

TEST_F(Canaries, TakeNoOtherPathOfTheSameService) {
  put(main_ingress({{.path = "/a"}, {.path = "/b"}, {.host = "i.example", .path = "/a"}}));
  put(canary({{.path = "/a", .service = "next"}}));
  EXPECT_EQ(routes(), (Lines{"exact /a: app canary next of canary", "exact /b: app",
                             "prefix /a/: app canary next of canary", "prefix /b/: app"}));
  EXPECT_EQ(routes("i.example"), (Lines{"exact /a: app", "prefix /a/: app"}));
}

TEST_F(Canaries, TheOldestOfAPathCounts) {
  put(main_ingress());
  put(canary());
  Wish younger = canary({{.service = "third"}});
  younger.name = "younger";
  younger.created = 30;
  put(younger);
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary next of canary"}));
  EXPECT_EQ(said("younger"), (Lines{"CanaryWithoutEffect spec.rules[0].http.paths[0]"}));
  take(canary());
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary third of younger"}));
  EXPECT_EQ(said("younger"), Lines{});
}

TEST_F(Canaries, OfAMainServiceOfTheHostAreNone) {
  put(main_ingress({{}, {.path = "/b", .service = "b"}}));
  for (const char* service : {"app", "b"}) {
    put(canary({{.service = service}}));
    EXPECT_EQ(routes(), (Lines{"exact /b: b", "prefix /: app", "prefix /b/: b"}));
    EXPECT_EQ(said("canary"), (Lines{"CanaryWithoutEffect spec.rules[0].http.paths[0]"}));
  }
}

TEST_F(Canaries, OfAnotherNamespaceTakeNothing) {
  put(main_ingress());
  Wish stranger = canary();
  stranger.ns = "else";
  for (const std::int64_t created : {std::int64_t{1}, std::int64_t{99}}) {
    stranger.created = created;
    put(stranger);
    EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
    EXPECT_EQ(said("canary", "else"), (Lines{"CanaryWithoutMain spec.rules[0].http.paths[0]"}));
    EXPECT_EQ(last.model->hosts.at("h.example")->ns, "default");
  }
  // Of its own namespace's path at the host it does.
  Wish theirs = main_ingress({{.path = "/theirs"}});
  theirs.ns = "else";
  put(theirs);
  stranger.paths = {{.path = "/theirs", .service = "next"}};
  put(stranger);
  EXPECT_EQ(routes(), (Lines{"exact /theirs: app canary next of canary", "prefix /: app",
                             "prefix /theirs/: app canary next of canary"}));
}

TEST_F(Canaries, OfAnotherClassAreNone) {
  put(main_ingress());
  Wish other = canary();
  other.class_name = "another";
  put(other);
  EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
}

TEST_F(Canaries, ThatAreRefusedTakeNothing) {
  put(main_ingress());
  put(canary({{.service = "next"}}, {{"canary-weight", "20"}, {"configuration-snippet", "deny all;"}}));
  EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
}

TEST_F(Canaries, JoinWildcardsRegularExpressionsAndTheImplicitRoot) {
  put(main_ingress({{.host = "*.w.example"}}));
  put(canary({{.host = "*.w.example", .service = "next"}}));
  EXPECT_EQ(routes("*.w.example"), (Lines{"prefix /: app canary next of canary"}));

  Wish regex = main_ingress({{.path = "/[a-z]+", .type = "ImplementationSpecific"}});
  regex.annotations = {{"use-regex", "true"}};
  put(regex);
  put(canary({{.path = "/[a-z]+", .type = "ImplementationSpecific", .service = "next"}}));
  EXPECT_EQ(routes(), (Lines{"pattern /[a-z]+: app canary next of canary"}));

  Wish with_default = main_ingress({{.path = "/a"}});
  with_default.default_service = "rest";
  put(with_default);
  put(canary());
  EXPECT_EQ(routes(), (Lines{"exact /a: app", "prefix /: rest canary next of canary", "prefix /a/: app"}));
  // Where the implicit / leads nowhere there is nothing to join.
  put(main_ingress({{.path = "/a"}}));
  EXPECT_EQ(routes(), (Lines{"exact /a: app", "prefix /a/: app"}));
}

TEST_F(Canaries, WithADefaultBackendJoinAllOfTheCatchAll) {
  Wish all = main_ingress({});
  all.default_service = "app";
  put(all);
  Wish with_default = canary({});
  with_default.default_service = "next";
  put(with_default);
  EXPECT_EQ(routes(""), (Lines{"prefix /: app canary next of canary"}));
  put(main_ingress({{.host = "", .path = "/x"}}));
  EXPECT_EQ(routes(""), (Lines{"exact /x: app canary next of canary", "prefix /x/: app canary next of canary"}));
  put(main_ingress());
  EXPECT_EQ(routes(""), Lines{});
  EXPECT_EQ(said("canary"), (Lines{"CanaryWithoutMain spec.defaultBackend"}));
}

TEST_F(Canaries, AliasesLeadToThem) {
  Wish named = main_ingress();
  named.annotations = {{"server-alias", "alias.example"}};
  put(named);
  put(canary());
  EXPECT_EQ(routes(), (Lines{"prefix /: app canary next of canary"}));
  // As in ingress-nginx an alias is no host that a canary could name.
  put(canary({{.host = "alias.example", .service = "next"}}));
  EXPECT_EQ(routes(), (Lines{"prefix /: app"}));
  EXPECT_EQ(said("canary"), (Lines{"CanaryWithoutMain spec.rules[0].http.paths[0]"}));
}

TEST_F(Canaries, HaveTheSettingsOfTheirMainIngress) {
  Wish rewriting = main_ingress({{.path = "/x"}});
  rewriting.annotations = {{"upstream-vhost", "m.example"}};
  put(rewriting);
  put(canary({{.path = "/x", .service = "next"}},
             {{"canary-weight", "100"}, {"upstream-vhost", "c.example"}, {"proxy-body-size", "1k"}}));
  const model::Route& joined = route();
  ASSERT_TRUE(joined.canary);
  EXPECT_EQ(joined.settings->upstream_host->host.text(), "m.example");
  EXPECT_EQ(joined.settings->body_limit, 1U << 20);
  EXPECT_EQ(said("canary"), (Lines{"NoEffect metadata.annotations"}));
}

TEST_F(Canaries, ProtectionThatGuardsNothingIsSaid) {
  put(main_ingress());
  put(canary({{.service = "next"}}, {{"canary-weight", "20"}, {"whitelist-source-range", "10.0.0.0/8"}}));
  EXPECT_TRUE(route().canary);
  EXPECT_FALSE(route().settings->source_ranges);
  EXPECT_EQ(said("canary"), (Lines{"CanaryProtection metadata.annotations"}));
  // What the main Ingress says too holds for both.
  Wish guarded = main_ingress();
  guarded.annotations = {{"whitelist-source-range", "10.0.0.0/8"}};
  put(guarded);
  EXPECT_TRUE(route().settings->source_ranges);
  EXPECT_EQ(said("canary"), Lines{});
  guarded.annotations = {{"whitelist-source-range", "10.0.0.0/9"}};
  put(guarded);
  EXPECT_EQ(said("canary"), (Lines{"CanaryProtection metadata.annotations"}));
}

TEST_F(Canaries, OpenNothingThatIsClosed) {
  Wish closed = main_ingress();
  closed.annotations = {{"auth-type", "digests"}};
  put(closed);
  put(canary());
  commit();
  for (const model::Route& r : last.model->hosts.at("h.example")->routes) {
    EXPECT_EQ(r.status, 503);
    EXPECT_FALSE(r.canary);
  }
}

// In ingress-nginx the certificate that a canary asks for is asked of all clients of the host.
TEST_F(Canaries, CloseAHostWhoseClientsTheyAskForACertificate) {
  put(main_ingress());
  put(canary({{.service = "next"}}, {{"canary-weight", "20"}, {"auth-tls-secret", "default/ca"}}));
  commit();
  for (const model::Route& r : last.model->hosts.at("h.example")->routes) EXPECT_EQ(r.status, 503);
}

TEST_F(Canaries, ValuesThatDoNotSayWhatTheySeemToAreReported) {
  put(main_ingress());
  const auto said_of = [&](const Annotations& annotations) {
    put(canary({{.service = "next"}}, annotations));
    return said("canary");
  };
  EXPECT_EQ(said_of({{"canary-weight", "-5"}}), (Lines{"NoEffect metadata.annotations[canary-weight]"}));
  EXPECT_EQ(said_of({{"canary-weight", "150"}}), (Lines{"NoEffect metadata.annotations[canary-weight]"}));
  EXPECT_EQ(route().canary->rule.weight, 150);
  EXPECT_EQ(said_of({{"canary-weight", "ten"}}), (Lines{"InvalidAnnotation metadata.annotations[canary-weight]"}));
  EXPECT_EQ(route().canary->rule.weight, 0);
  EXPECT_EQ(said_of({{"canary-weight", "20"}, {"canary-weight-total", "50"}}),
            (Lines{"NoEffect metadata.annotations[canary-weight-total]"}));
  EXPECT_EQ(route().canary->rule.total, 100);
  EXPECT_EQ(said_of({{"canary-weight", "20"}, {"canary-weight-total", "1000"}}), Lines{});
  EXPECT_EQ(route().canary->rule.total, 1000);
  EXPECT_EQ(said_of({{"canary-by-header", "X Canary!"}}),
            (Lines{"InvalidAnnotation metadata.annotations[canary-by-header]"}));
  EXPECT_EQ(said_of({{"canary-by-header-value", "yes"}}),
            (Lines{"NoEffect metadata.annotations[canary-by-header-value]"}));
  EXPECT_EQ(said_of({{"canary-by-header", "X-C"}, {"canary-by-header-value", "a"}, {"canary-by-header-pattern", "b"}}),
            (Lines{"NoEffect metadata.annotations[canary-by-header-pattern]"}));
  EXPECT_EQ(said_of({{"canary-by-header", "X-C"}, {"canary-by-header-pattern", "[a-z"}}),
            (Lines{"InvalidPattern metadata.annotations[canary-by-header-pattern]"}));
  EXPECT_EQ(route().canary->rule.pattern, "[a-z");
  EXPECT_EQ(said_of({{"canary-by-header", "X-C"}, {"canary-by-header-pattern", "a b"}}),
            (Lines{"InvalidAnnotation metadata.annotations[canary-by-header-pattern]"}));
  Wish none = main_ingress();
  none.annotations = {{"canary-weight", "20"}};
  put(none);
  EXPECT_EQ(said("main"), (Lines{"NoEffect metadata.annotations[canary-weight]"}));
}

TEST_F(Canaries, AreServedWhereTheyMayJoin) {
  put(main_ingress());
  put(canary());
  commit();
  const auto feedback = store.feedback();
  EXPECT_TRUE(feedback.served.at({"Ingress", "default/canary", ""}));
}

TEST_F(Canaries, TheWebhookTakesThemBesideTheirMainIngress) {
  put(main_ingress());
  commit();
  auto said = store.review(*object(canary()));
  EXPECT_TRUE(said.allowed) << said.message;
  EXPECT_TRUE(said.warnings.empty());
  put(canary());
  commit();
  // Itself again, another one of the path, one without a main, and one of another namespace: as in ingress-nginx.
  Wish other = canary({{.service = "third"}});
  other.name = "other";
  other.created = 30;
  Wish alone = canary({{.path = "/alone", .service = "next"}});
  alone.name = "alone";
  Wish stranger = canary();
  stranger.ns = "else";
  for (const auto& [wish, warnings] :
       {std::pair(canary(), 0U), std::pair(other, 1U), std::pair(alone, 1U), std::pair(stranger, 1U)}) {
    said = store.review(*object(wish));
    EXPECT_TRUE(said.allowed) << said.message;
    EXPECT_EQ(said.warnings.size(), warnings) << wish.ns << "/" << wish.name;
  }
  // Two main ones are a conflict still.
  Wish second = main_ingress();
  second.name = "second";
  second.created = 40;
  EXPECT_FALSE(store.review(*object(second)).allowed);
}

}  // namespace
}  // namespace sluice::control
