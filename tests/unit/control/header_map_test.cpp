// ConfigMaps that name header fields: what of them is read, and that whoever names one follows it.
#include "control/kube/header_map.h"

#include <gtest/gtest.h>

#include "store_fixture.h"

namespace sluice::control {
namespace {

using testing::Fixture;
using Data = std::map<std::string, std::string>;

std::string text(const ReadHeaders& read) {
  std::string out;
  for (const auto& line : read.lines) out += line.name + ": " + line.value.text() + "\n";
  for (const auto& wrong : read.wrong) out += wrong.field + " expected " + wrong.expected + "\n";
  return out;
}

TEST(HeaderMap, NamesThatReachTheConnectionOrTheFramingAreNotSet) {
  for (const char* name :
       {"Connection", "content-length", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Trailer",
        "UPGRADE", "HTTP2-Settings", "Sec-WebSocket-Key", "sec-websocket-accept", "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "a b", "a:b", "a\r\nb", ":path", ""})
    for (const auto to : {HeadersTo::clients, HeadersTo::pods}) {
      const auto read = read_headers({{name, "x"}}, to);
      EXPECT_TRUE(read.lines.empty()) << name;
      EXPECT_EQ(read.wrong.size(), 1U) << name;
    }
  for (const char* name : {"Date", "Grpc-Status", "grpc-message"}) {
    EXPECT_EQ(read_headers({{name, "x"}}, HeadersTo::clients).wrong.size(), 1U) << name;
    EXPECT_EQ(read_headers({{name, "x"}}, HeadersTo::pods).lines.size(), 1U) << name;
  }
  for (const char* name : {"Expect", "Proxy", "CDN-Loop"}) {
    EXPECT_EQ(read_headers({{name, "x"}}, HeadersTo::pods).wrong.size(), 1U) << name;
    EXPECT_EQ(read_headers({{name, "x"}}, HeadersTo::clients).lines.size(), 1U) << name;
  }
  EXPECT_EQ(read_headers({{"Host", "x"}, {"X-Real-IP", "y"}}, HeadersTo::pods).lines.size(), 2U);
}

TEST(HeaderMap, NoValueEndsAField) {
  for (const char* value : {"a\r\nb: c", "a\nb", "a\rb", "a\tb", "a\x7f", "\x01"}) {
    EXPECT_EQ(text(read_headers({{"X-A", value}}, HeadersTo::clients)),
              "data[X-A] expected a value without control characters\n");
    EXPECT_EQ(text(read_literal_headers({{"X-A", value}}, {"X-A"})),
              "data[X-A] expected a value without control characters\n");
  }
  EXPECT_EQ(read_headers({{"X-A", std::string("a\0b", 3)}}, HeadersTo::pods).wrong.size(), 1U);
  // Block scalars of YAML end with a line.
  EXPECT_EQ(text(read_headers({{"X-A", " a b\n"}}, HeadersTo::clients)), "X-A: a b\n");
}

TEST(HeaderMap, VariablesAreThoseOfTheTable) {
  EXPECT_EQ(text(read_headers({{"X-A", "$host:${http_x_b}"}, {"X-B", "$nobody"}, {"X-C", "5 $"}, {"X-D", "$1"}},
                              HeadersTo::pods)),
            "X-A: $host:${http_x_b}\nX-B: \nX-C: \nX-D: \n"
            "data[X-B] expected variables of docs/variables.md, which $nobody is not\n"
            "data[X-C] expected variables of docs/variables.md, which $ is not\n"
            "data[X-D] expected variables of docs/variables.md, which $1 is not\n");
  EXPECT_EQ(text(read_headers({{"X-A", ""}}, HeadersTo::pods)), "X-A: \n") << "removes it";
  const Data late{{"X-A", "$status"}, {"X-B", "$bytes_sent"}, {"X-C", "$upstream_http_x_pod"}};
  EXPECT_EQ(text(read_headers(late, HeadersTo::clients)),
            "X-A: $status\n"
            "X-C: $upstream_http_x_pod\n"
            "data[X-B] expected variables that have a value by then, which $bytes_sent has not\n");
  EXPECT_EQ(read_headers(late, HeadersTo::pods).wrong.size(), 3U);
}

TEST(HeaderMap, LiteralOnesAreSentAsTheyAreAndOnlyWhatIsAllowed) {
  const std::vector<std::string> allowed{"X-Frame-Options", "x-price"};
  EXPECT_EQ(text(read_literal_headers({{"X-Frame-Options", "DENY"}, {"X-Price", "$5 $host"}}, allowed)),
            "X-Frame-Options: DENY\nX-Price: ${literal_dollar}5 ${literal_dollar}host\n");
  EXPECT_EQ(text(read_literal_headers({{"X-Other", "1"}}, allowed)),
            "data[X-Other] expected a header that global-allowed-response-headers lists\n");
  EXPECT_EQ(text(read_literal_headers({{"X-Price", ""}}, allowed)),
            "data[X-Price] expected a value of printable ASCII\n");
  EXPECT_EQ(text(read_literal_headers({{"X-Price", "5 \xe2\x82\xac"}}, allowed)),
            "data[X-Price] expected a value of printable ASCII\n");
  EXPECT_EQ(read_literal_headers({{"Connection", "close"}}, {"Connection"}).wrong.size(), 1U) << "whoever allows it";
}

TEST(HeaderMap, OfTwoSpellingsOfANameTheLastCounts) {
  EXPECT_EQ(text(read_headers({{"X-A", "upper"}, {"X-B", "b"}, {"x-a", "lower"}}, HeadersTo::clients)),
            "X-B: b\nx-a: lower\n");
}

TEST(HeaderMap, ItDoesNotGrowWithoutBound) {
  const auto wrong = [](const Data& data) { return read_headers(data, HeadersTo::clients).wrong.size(); };
  Data many;
  for (std::size_t i = 0; i < model::HeaderMap::kMostLines; ++i) many["X-" + std::to_string(i)] = "x";
  EXPECT_EQ(wrong(many), 0U);
  many["X-More"] = "x";
  EXPECT_EQ(wrong(many), 1U);
  EXPECT_EQ(wrong({{"X-A", std::string(model::HeaderMap::kMostBytes - 3, 'x')}}), 0U);
  EXPECT_EQ(wrong({{"X-A", std::string(model::HeaderMap::kMostBytes - 2, 'x')}}), 1U);
  std::string variables;
  for (std::size_t i = 0; i < model::HeaderMap::kMostVariables; ++i) variables += "$host";
  EXPECT_EQ(wrong({{"X-A", variables}}), 0U);
  EXPECT_EQ(wrong({{"X-A", variables}, {"X-B", "$host"}}), 1U);
}

TEST(HeaderMap, WhatIsBeyondTheLimitsTakesNothingWithIt) {
  const std::string expected = " expected at most 64 headers, 16k and 64 variables in all\n";
  std::string variables;
  for (std::size_t i = 0; i <= model::HeaderMap::kMostVariables; ++i) variables += "$host";
  EXPECT_EQ(text(read_headers({{"A-Big", std::string(17000, 'x')}, {"B-Many", variables}, {"X-C", "$host"}},
                              HeadersTo::clients)),
            "X-C: $host\ndata[A-Big]" + expected + "data[B-Many]" + expected);
}

TEST(HeaderMap, WhatIsReplacedCountsNoMore) {
  Data many;
  for (std::size_t i = 1; i < model::HeaderMap::kMostLines; ++i) many["X-" + std::to_string(i)] = "x";
  many["X-A"] = "upper";
  many["x-a"] = "lower";
  auto read = read_headers(many, HeadersTo::clients);
  EXPECT_EQ(read.wrong.size(), 0U);
  EXPECT_EQ(read.lines.size(), model::HeaderMap::kMostLines);
  const std::string big(model::HeaderMap::kMostBytes - 3, 'x');
  read = read_headers({{"X-A", big}, {"x-a", big}}, HeadersTo::clients);
  EXPECT_EQ(read.wrong.size(), 0U);
  EXPECT_EQ(read.lines.size(), 1U);
}

// Whoever sets X-User means that the client's does not count.
TEST(HeaderMap, WhatPodsWereToGetAndCannotIsRemoved) {
  const Data data{{"Connection", "$nope"}, {"Host", "$nope"},    {"X-A", "$nope"}, {"X-B", "a\tb"},
                  {"X-C", "$status"},      {"X-D", "the first"}, {"a b", "$nope"}, {"x-d", "$nope"}};
  auto read = read_headers(data, HeadersTo::pods);
  EXPECT_EQ(read.wrong.size(), 7U);
  std::string removed;
  for (const auto& wrong : read.wrong)
    if (wrong.removed) removed += wrong.field + " ";
  EXPECT_EQ(removed, "data[X-A] data[X-B] data[X-C] data[x-d] ");
  read.wrong.clear();
  EXPECT_EQ(text(read), "X-A: \nX-B: \nX-C: \nx-d: \n");
  read = read_headers(data, HeadersTo::clients);
  read.wrong.clear();
  EXPECT_EQ(text(read), "X-C: $status\nX-D: the first\n") << "to clients it is left out";

  Data many{{"A-Big", std::string(17000, 'x')}};
  for (std::size_t i = 0; i < model::HeaderMap::kMostLines; ++i) many["X-" + std::to_string(i)] = "x";
  many["Y-More"] = "x";
  read = read_headers(many, HeadersTo::pods);
  ASSERT_EQ(read.lines.size(), model::HeaderMap::kMostLines + 2);
  EXPECT_EQ(read.lines.front().name + read.lines.front().value.text(), "A-Big");
  EXPECT_EQ(read.lines.back().name + read.lines.back().value.text(), "Y-More");
}

TEST(HeaderMap, OfManyThatAreWrongTheFirstAreTold) {
  Data many;
  for (std::size_t i = 0; i < 2000; ++i) many["X-" + std::to_string(i)] = "$nope";
  auto read = read_headers(many, HeadersTo::pods);
  EXPECT_EQ(read.wrong.size(), ReadHeaders::kShown);
  EXPECT_EQ(read.more, 2000 - ReadHeaders::kShown);
  EXPECT_EQ(read.lines.size(), model::HeaderMap::kMostRemovals);
  // A tenant's, which any number of Ingresses may name.
  read = read_literal_headers(many, {});
  EXPECT_EQ(text(read), "data expected at most 64 headers\n");
  EXPECT_EQ(read.wrong.front().value, "2000 keys");
}

TEST(HeaderMap, NamesOfConfigMaps) {
  for (const char* name : {"a/b", "name-space/config.map-1"}) EXPECT_TRUE(names_config_map(name)) << name;
  for (const char* name : {"", "b", "/b", "a/", "a/b/c", "a/b c", "a/b\n", "a/$b"})
    EXPECT_FALSE(names_config_map(name)) << name;
}

std::string config_map(const std::string& name, const std::string& data, const std::string& ns = "default") {
  return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + ns + "}\ndata: " + data +
         "\n";
}
std::string options(const std::string& data) {
  return config_map("ingress-nginx-controller", data, "ingress-nginx");
}
std::string annotated(const std::string& value) {
  return R"(---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, annotations: {nginx.ingress.kubernetes.io/custom-headers: )" +
         value + R"(}}
spec:
  ingressClassName: nginx
  rules: [{host: h.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]
)";
}

struct CustomHeaders : Fixture {
  const model::Route& route(const Update& u) { return u.model->hosts.at("h.example")->routes.front(); }
  // "NAME: VALUE" lines, or why the path is closed.
  std::string served(const Update& u) {
    const auto& r = route(u);
    if (!r.because.empty()) return r.because.str();
    std::string out;
    if (r.settings->custom_headers)
      for (const auto& line : r.settings->custom_headers->lines) out += line.name + ": " + line.value.text() + "\n";
    return out;
  }
  std::string said(const Update& u) {
    for (const auto& e : u.model->report.entries)
      if (e.problem.field == "metadata.annotations[custom-headers]")
        return e.problem.reason + ": " + e.problem.expected;
    return "";
  }
};

constexpr const char* kDenied = "custom-headers of Ingress default/app cannot be used";

TEST_F(CustomHeaders, FollowTheConfigMapAndWhatIsAllowed) {
  put(options("{global-allowed-response-headers: 'X-A, X-B'}"));
  auto u = put(annotated("default/headers"));
  EXPECT_EQ(served(u), kDenied);
  EXPECT_EQ(said(u), "MissingConfigMap: a ConfigMap that exists");
  EXPECT_EQ(store.feedback().named, std::set<std::string>{"ConfigMap/default/headers"});

  u = put(config_map("headers", "{X-A: one}"));
  EXPECT_EQ(served(u), "X-A: one\n");
  EXPECT_EQ(said(u), "");
  u = put(config_map("headers", "{X-A: two, X-B: three}"));
  EXPECT_EQ(served(u), "X-A: two\nX-B: three\n");
  EXPECT_EQ(ingresses(), 1U);
  put(config_map("other", "{X-A: two}"));
  EXPECT_EQ(ingresses(), 0U) << "nobody names it";

  u = put(options("{global-allowed-response-headers: 'X-A'}"));
  EXPECT_EQ(served(u), kDenied);
  EXPECT_EQ(said(u), "InvalidConfigMap: data[X-B]: a header that global-allowed-response-headers lists");
  u = put(options("{global-allowed-response-headers: 'x-a,x-b'}"));
  EXPECT_EQ(served(u), "X-A: two\nX-B: three\n");
  u = put(config_map("headers", "{X-A: \"a\\nb: c\"}"));
  EXPECT_EQ(served(u), kDenied);
  u = remove(config_map("headers", "{}"));
  EXPECT_EQ(served(u), kDenied);
  EXPECT_EQ(said(u), "MissingConfigMap: a ConfigMap that exists");
}

TEST_F(CustomHeaders, OfAnotherNamespaceAreDeniedUnlessThatIsAllowed) {
  put(options("{global-allowed-response-headers: X-A}") + config_map("headers", "{X-A: one}", "other"));
  auto u = put(annotated("other/headers"));
  EXPECT_EQ(served(u), kDenied);
  EXPECT_NE(said(u).find("not of other, as allow-cross-namespace-resources is false"), std::string::npos) << said(u);
  EXPECT_EQ(store.feedback().named, std::nullopt) << "it is not even looked at";
  u = put(options("{global-allowed-response-headers: X-A, allow-cross-namespace-resources: 'true'}"));
  EXPECT_EQ(served(u), "X-A: one\n");
  for (const char* name : {"headers", "default/", "a/b/c"}) EXPECT_EQ(served(put(annotated(name))), kDenied) << name;
}

// The ConfigMap may come behind its Ingress, in one kubectl apply.
TEST_F(CustomHeaders, TheWebhookTakesWhatMayComeLater) {
  put(options("{}"));
  const auto review = [&](const std::string& value) {
    const auto ingress = testing::objects(annotated(value));
    return store.review(*ingress.front());
  };
  EXPECT_TRUE(review("default/headers").allowed);
  EXPECT_EQ(review("default/headers").warnings.size(), 1U);
  EXPECT_FALSE(review("other/headers").allowed);
  EXPECT_FALSE(review("headers").allowed);
}

}  // namespace
}  // namespace sluice::control
