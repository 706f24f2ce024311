// Each row of the tables of annotations and options, from what is written to all that must notice it: equality, hash,
// the difference of two Models, the fingerprint, what `sluice explain` says, and the documentation.
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "../../tenancy/annotations.h"
#include "bare_ingress.h"
#include "control/control.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/options.h"
#include "control/kube/store.h"
#include "model/fingerprint.h"
#include "model/hash.h"

namespace sluice::control {
namespace {

using Annotations = std::map<std::string, std::string>;

std::uint64_t hash_of(const model::RouteSettings& settings) {
  model::Hash all;
  all.add(settings);
  return all.value();
}

std::uint64_t fingerprint_of(const model::Model& model) {
  model::Change change;
  change.everything = true;
  model::Fingerprint out;
  out.follow(model, change, [](const model::Options& o) { return options_text(o); });
  return out.value();
}

// What is served of the host.
struct Seen {
  std::shared_ptr<const model::Model> model;
  model::Change change;
  std::set<std::string, std::less<>> written;  // annotations
  const model::Host& host() const { return *model->hosts.at("h.example"); }
  const model::RouteSettings& settings() const { return *host().routes.front().settings; }
  ServedRoute route() const { return {settings(), &host(), nullptr, &host().routes.front()}; }
  // Of the route, by name.
  std::map<std::string, SettingRow> shown() const {
    std::map<std::string, SettingRow> out;
    for (auto& row : settings_of(route(), *model->options,
                                 {[&](std::string_view name) { return written.contains(name); }, nullptr}))
      EXPECT_TRUE(out.emplace(row.name, row).second) << row.name << " twice";
    return out;
  }
};

Settings passing_through() {
  Settings out;
  out.ssl_passthrough = true;
  return out;
}

struct Rows : ::testing::Test {
  Rows() {
    store.upsert(testing::pair_secret());
    store.upsert(testing::empty_headers());
  }
  Seen seen() {
    auto update = store.commit();
    return {update.model, update.change, {}};
  }
  Seen with(const Annotations& annotations) {
    Ingress out;
    out.meta.ns = "default";
    out.meta.name = "app";
    for (const auto& [name, value] : annotations) out.meta.annotations["nginx.ingress.kubernetes.io/" + name] = value;
    out.class_name = "nginx";
    IngressPath path{"/", "Prefix", {}};
    path.backend.service = "svc";
    path.backend.port = "80";
    out.rules.push_back({"h.example", {path}});
    store.upsert(std::make_shared<const Object>(std::move(out)));
    Seen all = seen();
    for (const auto& [name, value] : annotations) all.written.insert(name);
    return all;
  }
  void allow_snippets() {
    ConfigMap out;
    out.meta.ns = "ingress-nginx";
    out.meta.name = "ingress-nginx-controller";
    out.data = {{"allow-snippet-annotations", "true"}, {"annotations-risk-level", "Critical"}};
    store.upsert(std::make_shared<const Object>(std::move(out)));
  }
  Seen with_option(const std::string& key, const std::string& value) {
    ConfigMap out;
    out.meta.ns = "ingress-nginx";
    out.meta.name = "ingress-nginx-controller";
    if (!key.empty()) out.data[key] = value;
    store.upsert(std::make_shared<const Object>(std::move(out)));
    return seen();
  }
  Store store{passing_through()};
};

std::string in_default(std::string value) {
  if (const auto at = value.find("NS/"); at != std::string::npos) value.replace(at, 2, "default");
  return value;
}

// The line of a page that begins with the name of the row.
std::string line_of(const std::string& page, std::string_view name) {
  const auto at = page.find("\n| `" + std::string(name) + "` |");
  return at == std::string::npos ? "" : page.substr(at + 1, page.find('\n', at + 1) - at);
}

TEST_F(Rows, OfAnnotationsAreNoticedByAll) {
  allow_snippets();
  const std::string page = annotations_markdown();
  for (const Annotation& row : annotations()) {
    if (row.scope == Scope::canary) continue;  // the test below
    SCOPED_TRACE(row.name);
    const std::string name(row.name);
    const auto sample = tenancy::served().find(row.name);
    ASSERT_NE(sample, tenancy::served().end()) << "say in tests/tenancy/annotations.h what value it may have";
    Annotations beside;
    for (const auto& [other, value] : sample->second.beside) beside[other] = in_default(value);
    auto annotated = beside;
    annotated[name] = in_default(sample->second.value);

    const Seen before = with(beside);
    const model::Model model_before = *before.model;
    const Seen after = with(annotated);
    // The host, and what it makes of its other names.
    std::vector<std::string> changed{"h.example"};
    if (after.model->hosts.contains("www.h.example")) changed.emplace_back("www.h.example");
    EXPECT_EQ(after.change.hosts, changed);
    EXPECT_NE(*model_before.hosts.at("h.example"), after.host());
    EXPECT_NE(fingerprint_of(model_before), fingerprint_of(*after.model));
    const Seen was{std::make_shared<const model::Model>(model_before), {}, before.written};
    if (was.settings() == after.settings()) {
      // What the host itself has, or how its paths are matched.
      EXPECT_EQ(row.scope, Scope::host);
    } else {
      EXPECT_NE(hash_of(was.settings()), hash_of(after.settings()));
    }

    EXPECT_NE(row.value.print(was.route()), row.value.print(after.route()));
    const auto shown = after.shown();
    ASSERT_TRUE(shown.contains(name));
    EXPECT_TRUE(shown.at(name).from.starts_with("annotation " + name)) << shown.at(name).from;
    EXPECT_EQ(shown.at(name).value, row.secret ? "\u2026" : row.value.print(after.route()));
    const auto known = was.shown();
    EXPECT_TRUE(!known.contains(name) || known.at(name).from.empty());

    const std::string line = line_of(page, row.name);
    for (const auto part :
         {row.value.grammar, row.doc, row.initial.empty() ? row.option : row.initial, to_string(row.risk)})
      EXPECT_NE(line.find(part), std::string::npos) << part;

    // What the row says of itself.
    // A sample reaches as far as what it needs beside it, too.
    const auto needed = tenancy::served().find(row.needs);
    const bool far = needed != tenancy::served().end() && needed->second.reach != tenancy::Reach::own_paths;
    EXPECT_EQ(row.scope == Scope::host || far, sample->second.reach != tenancy::Reach::own_paths);
    // Alone it closes, which is no lack of effect.
    EXPECT_EQ(!row.needs.empty(), !beside.empty() && !row.serves);
    if (row.needs.empty()) continue;
    EXPECT_TRUE(beside.contains(std::string(row.needs)));
    const auto none = with({}).host();
    EXPECT_EQ(with({{name, annotated[name]}}).host(), none);
    with({});
  }
}

// Those of a canary are noticed at the routes of its main Ingress.
TEST_F(Rows, OfCanariesAreNoticedByAll) {
  const std::string page = annotations_markdown();
  with({});
  const auto canary = [&](const Annotations& annotations) {
    Ingress out;
    out.meta.ns = "default";
    out.meta.name = "canary";
    for (const auto& [name, value] : annotations) out.meta.annotations["nginx.ingress.kubernetes.io/" + name] = value;
    out.class_name = "nginx";
    IngressPath path{"/", "Prefix", {}};
    path.backend.service = "next";
    path.backend.port = "80";
    out.rules.push_back({"h.example", {path}});
    store.upsert(std::make_shared<const Object>(std::move(out)));
    return seen();
  };
  std::size_t rows = 0;
  for (const Annotation& row : annotations()) {
    if (row.scope != Scope::canary) continue;
    ++rows;
    SCOPED_TRACE(row.name);
    const auto& sample = tenancy::served().at(std::string(row.name));
    EXPECT_EQ(sample.reach, tenancy::Reach::canary);
    auto annotated = sample.beside;
    annotated[std::string(row.name)] = sample.value;
    const Seen before = canary(sample.beside.empty() ? Annotations{{"canary", "false"}} : sample.beside);
    const model::Model model_before = *before.model;
    const Seen after = canary(annotated);
    EXPECT_EQ(after.change.hosts, std::vector<std::string>{"h.example"});
    EXPECT_NE(*model_before.hosts.at("h.example"), after.host());
    EXPECT_NE(fingerprint_of(model_before), fingerprint_of(*after.model));
    const Seen was{std::make_shared<const model::Model>(model_before), {}, {}};
    EXPECT_EQ(was.settings(), after.settings()) << "those of the main Ingress";
    EXPECT_NE(row.value.print(was.route()), row.value.print(after.route()));
    const auto shown = after.shown();
    ASSERT_TRUE(shown.contains(std::string(row.name)));
    const auto& of = shown.at(std::string(row.name));
    EXPECT_TRUE(of.from.starts_with("annotation " + std::string(row.name) + " of canary Ingress default/canary;"))
        << of.from;
    EXPECT_EQ(of.value, sample.value);
    EXPECT_EQ(row.needs.empty(), sample.beside.empty());
    const std::string line = line_of(page, row.name);
    for (const auto part : {row.value.grammar, row.doc, row.initial, to_string(row.risk)})
      EXPECT_NE(line.find(part), std::string::npos) << part;
    canary({{"canary", "true"}});
  }
  EXPECT_EQ(rows, 8U);
}

// Those that annotations may say otherwise reach the routes, too.
TEST_F(Rows, OfOptionsAreNoticedByAll) {
  const std::string page = options_markdown();
  with({});
  for (const Option& row : options()) {
    SCOPED_TRACE(row.key);
    const Seen before = with_option("", "");
    const model::Model model_before = *before.model;
    const Seen was{std::make_shared<const model::Model>(model_before), {}, before.written};
    bool changed = false;
    for (const char* value : {"true",
                              "false",
                              "7",
                              "301",
                              "9k",
                              "X-Other",
                              "10.0.0.0/8",
                              "off",
                              "on",
                              "2 16k",
                              "TLSv1.3",
                              "HIGH",
                              "X25519",
                              "Low",
                              "json",
                              "debug",
                              "/other",
                              "refuse",
                              "h.example=default",
                              "default/headers",
                              "POST",
                              "200 5m",
                              "https://to.example/",
                              "404",
                              "ewma",
                              "http",
                              "exact",
                              "recommended",
                              "1.0",
                              "more_set_headers A:b;",
                              "map $host $a { default b; }"}) {
      const Seen after = with_option(std::string(row.key), value);
      if (*after.model->options == *was.model->options) continue;
      changed = true;
      EXPECT_TRUE(after.change.options);
      EXPECT_NE(fingerprint_of(model_before), fingerprint_of(*after.model));
      EXPECT_NE(row.value.print(*was.model->options), row.value.print(*after.model->options));
      if (!row.inherit) break;
      EXPECT_EQ(after.change.hosts, std::vector<std::string>{"h.example"});
      EXPECT_NE(was.settings(), after.settings());
      EXPECT_NE(hash_of(was.settings()), hash_of(after.settings()));
      const auto shown = after.shown();
      EXPECT_TRUE(std::ranges::any_of(shown, [&](const auto& s) {
        return s.second.from.starts_with("ConfigMap key or --set " + std::string(row.key) + ";");
      }));
      break;
    }
    EXPECT_TRUE(changed || row.secret);
    const std::string line = line_of(page, row.key);
    for (const auto part : {row.value.grammar, row.doc}) EXPECT_NE(line.find(part), std::string::npos) << part;
  }
}

// The default that an annotation names is one that routes get.
TEST_F(Rows, NameOptionsThatThereAre) {
  for (const Annotation& row : annotations()) {
    if (row.option.empty()) continue;
    const auto twin = std::ranges::find(options(), row.option, &Option::key);
    ASSERT_NE(twin, options().end()) << row.name;
    if (row.scope == Scope::host) continue;  // TLS of a host is no affair of its routes
    EXPECT_NE(twin->inherit, nullptr) << row.name;
  }
}

// An Ingress is read again with each Secret that its annotations name, and no other is.
TEST_F(Rows, ReadAgainWhatNamesASecretThatChanges) {
  with({{"proxy-ssl-secret", "default/pair"}});
  const auto reads_of = [&](const std::string& name, const char* authority) {
    Secret secret;
    secret.meta.ns = "default";
    secret.meta.name = name;
    secret.data = {{"ca.crt", authority}};
    const auto before = store.work().ingresses;
    store.upsert(std::make_shared<const Object>(std::move(secret)));
    store.commit();
    return store.work().ingresses - before;
  };
  EXPECT_EQ(reads_of("pair", "-----BEGIN CERTIFICATE----- 2"), 1U);
  EXPECT_EQ(seen().settings().upstream_tls->ca_pem, "-----BEGIN CERTIFICATE----- 2");
  EXPECT_EQ(reads_of("other", "-----BEGIN CERTIFICATE----- 2"), 0U);
  EXPECT_EQ(store.feedback().named, std::set<std::string>{"Secret/default/pair"});
  // What it named before is nothing to it.
  with({{"proxy-ssl-secret", "default/other"}});
  EXPECT_EQ(store.feedback().named, std::set<std::string>{"Secret/default/other"});
  EXPECT_EQ(reads_of("pair", "-----BEGIN CERTIFICATE----- 3"), 0U);
  EXPECT_EQ(reads_of("other", "-----BEGIN CERTIFICATE----- 3"), 1U);
  with({});
  EXPECT_EQ(reads_of("other", "-----BEGIN CERTIFICATE----- 4"), 0U);
}

template <std::size_t... Places>
void add_differing(const model::RouteSettings& a, const model::RouteSettings& b, std::set<std::size_t>& places,
                   std::index_sequence<Places...>) {
  ((boost::pfr::get<Places>(a) == boost::pfr::get<Places>(b) ? void() : void(places.insert(Places))), ...);
}

// One without a row would be served and never shown.
TEST_F(Rows, ReachEachMemberOfRouteSettings) {
  constexpr auto members = std::make_index_sequence<boost::pfr::tuple_size_v<model::RouteSettings>>();
  std::set<std::size_t> reached;
  allow_snippets();
  const model::RouteSettings plain = with({}).settings();
  for (const auto& [name, sample] : tenancy::served()) {
    Annotations all;
    for (const auto& [other, value] : sample.beside) all[other] = in_default(value);
    all[name] = in_default(sample.value);
    const Seen annotated = with(all);
    for (const auto& [host, spec] : annotated.model->hosts)
      add_differing(plain, *spec->routes.front().settings, reached, members);
  }
  with({});
  for (const auto& [key, value] : std::map<std::string, std::string>{{"http-redirect-code", "301"},
                                                                     {"retry-non-idempotent", "true"},
                                                                     {"grpc-buffer-size-kb", "7"},
                                                                     {"proxy-set-headers", "default/headers"}})
    add_differing(plain, with_option(key, value).settings(), reached, members);
  EXPECT_EQ(reached.size(), members.size()) << "a member of RouteSettings that no row gives";
}

}  // namespace
}  // namespace sluice::control
