// What the webhook says of an Ingress beside those that are there, by whose host it is.
#include <gtest/gtest.h>

#include "control/kube/store.h"

namespace sluice::control {
namespace {

struct Wish {
  std::string ns, name;
  std::int64_t created;
  std::string host;
  std::vector<std::string> paths;
  std::string secret = {};
};

ObjectPtr object(const Wish& wish) {
  Ingress out;
  out.meta.ns = wish.ns;
  out.meta.name = wish.name;
  out.meta.created = wish.created;
  out.class_name = "nginx";
  IngressRule rule{wish.host, {}};
  Backend backend;
  backend.service = "svc";
  backend.port = "80";
  for (const auto& path : wish.paths) rule.paths.push_back({path, "Prefix", backend});
  out.rules.push_back(rule);
  if (!wish.secret.empty()) out.tls.push_back({{wish.host}, wish.secret});
  return std::make_shared<const Object>(std::move(out));
}

struct Webhook : ::testing::Test {
  void put(const Wish& wish) {
    store.upsert(object(wish));
    store.commit();
  }
  Review review(const Wish& wish) { return store.review(*object(wish)); }
  static std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
  }
  Store store{Settings{}};
};

TEST_F(Webhook, AStrangerMayAddPathsAndIsToldWhatDoesNotCount) {
  put({"shop", "web", 10, "h.example", {"/web"}});
  const auto said = review({"else", "api", kNoTimestamp, "h.example", {"/api"}, "theirs"});
  EXPECT_TRUE(said.allowed) << said.message;
  EXPECT_NE(joined(said.warnings).find("HostOfOtherNamespace field=spec.tls"), std::string::npos);
}

TEST_F(Webhook, AStrangerMayNotTakeAPathHoweverItIsSpelled) {
  put({"shop", "web", 10, "h.example", {"/web", "/dir/"}});
  for (const char* path : {"/web", "/web/", "/dir", "/dir/"}) {
    const auto said = review({"else", "api", 5'000, "h.example", {path}});
    EXPECT_FALSE(said.allowed) << path;
    EXPECT_EQ(said.message,
              "host \"h.example\" and path \"" + std::string(path) + "\" is already defined in ingress shop/web");
  }
}

// Also when it says that it is older: the age that counts is the one of the objects that are there.
TEST_F(Webhook, TheOwnerIsNotHeldUpByAStrangersPath) {
  put({"shop", "web", 10, "h.example", {"/web"}});
  put({"else", "api", 20, "h.example", {"/api"}});
  const auto said = review({"shop", "late", kNoTimestamp, "h.example", {"/api"}});
  EXPECT_TRUE(said.allowed) << said.message;
  EXPECT_NE(joined(said.warnings).find("is taken from ingress else/api"), std::string::npos);
}

TEST_F(Webhook, InsideANamespaceNothingIsTaken) {
  put({"shop", "web", 10, "h.example", {"/web"}});
  put({"shop", "late", 20, "h.example", {"/late"}});
  EXPECT_FALSE(review({"shop", "another", kNoTimestamp, "h.example", {"/web"}}).allowed);
  // An older one that is changed takes nothing from a younger one either.
  EXPECT_EQ(review({"shop", "web", 10, "h.example", {"/web", "/late"}}).message,
            "host \"h.example\" and path \"/late\" is already defined in ingress shop/late");
  EXPECT_TRUE(review({"shop", "web", 10, "h.example", {"/web", "/more", "/more"}}).allowed);
  EXPECT_TRUE(review({"shop", "late", 20, "h.example", {"/late"}}).allowed);
}

// A conflict that is there already is no reason to refuse whoever has the path.
TEST_F(Webhook, WhoHasAPathMayBeChanged) {
  put({"shop", "web", 10, "h.example", {"/web"}});
  put({"shop", "late", 20, "h.example", {"/web"}});
  EXPECT_TRUE(review({"shop", "web", 10, "h.example", {"/web", "/more"}}).allowed);
  EXPECT_FALSE(review({"shop", "late", 20, "h.example", {"/web"}}).allowed);
}

TEST_F(Webhook, NothingIsChangedByAReview) {
  put({"shop", "web", 10, "h.example", {"/web"}});
  const auto before = store.commit().model;
  const auto hosts = before->hosts;
  review({"else", "api", 5, "h.example", {"/", "/web"}, "theirs"});
  review({"else", "api", 5, "new.example", {"/"}});
  EXPECT_FALSE(store.dirty());
  EXPECT_EQ(store.commit().model->hosts, hosts);
}

// One translation says both: what the Report says of an Ingress that is there, the webhook has said before.
TEST_F(Webhook, WhatTheReportWouldSayIsSaidBefore) {
  auto o = std::get<Ingress>(*object({"shop", "web", 10, "h.example", {"/web"}}));
  o.tls.push_back({{"other.example"}, "theirs"});
  o.meta.annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] = "soon";
  const auto web = std::make_shared<const Object>(std::move(o));
  store.commit();
  const auto said = store.review(*web);
  EXPECT_GT(said.warnings.size(), 1U);
  store.upsert(web);
  std::string report;
  for (const auto& e : store.commit().model->report.entries)
    if (e.object.kind == "Ingress") report += model::Report::line(e) + "\n";
  for (const auto& line : said.warnings) EXPECT_NE(report.find(line), std::string::npos) << line << "\n" << report;
  EXPECT_NE(joined(said.warnings).find("NoEffect field=spec.tls[0].hosts[0] value=\"other.example\""),
            std::string::npos);
}

// Whose protection closes what at a host is told to those whom it closes, and to whoever closes more.
TEST_F(Webhook, WhatIsClosedAlreadyIsNobodyElsesBusiness) {
  const auto with = [](const std::string& ns, const std::string& name, const std::string& path,
                       const std::string& annotation) {
    auto o = std::get<Ingress>(*object({ns, name, 10, "h.example", {path}}));
    if (!annotation.empty()) o.meta.annotations["nginx.ingress.kubernetes.io/" + annotation] = "true";
    return std::make_shared<const Object>(std::move(o));
  };
  put({"shop", "web", 5, "h.example", {"/web"}});
  store.upsert(with("else", "regex", "/a", "use-regex"));
  store.upsert(with("else", "guarded", "/b(", "enable-modsecurity"));
  store.commit();
  EXPECT_EQ(joined(store.review(*with("third", "new", "/c", "")).warnings), "");
  EXPECT_NE(joined(store.review(*with("else", "new", "/c", "")).warnings).find("else/new: error ClosedHost"),
            std::string::npos);
}

TEST_F(Webhook, AHostOfOthersIsRefused) {
  Settings settings;
  settings.set["host-namespaces"] = "h.example=shop";
  Store restricted(settings);
  restricted.commit();
  const auto said = restricted.review(*object({"else", "api", kNoTimestamp, "h.example", {"/"}}));
  EXPECT_FALSE(said.allowed);
  EXPECT_NE(said.message.find("HostNotAllowed field=spec.rules[0].host value=\"h.example\""), std::string::npos);
  EXPECT_TRUE(restricted.review(*object({"shop", "web", kNoTimestamp, "h.example", {"/"}})).allowed);
}

}  // namespace
}  // namespace sluice::control
