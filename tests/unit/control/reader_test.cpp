// The YAML and JSON readers: the same tree from both, and what they refuse, with its place.
#include <gtest/gtest.h>

#include "control/source/decode.h"
#include "control/source/node.h"
#include "control/source/reading.h"

namespace sluice::control {
namespace {

SyntaxError refusal(const std::string& text, bool json) {
  try {
    if (json)
      parse_json(text, 1);
    else
      parse_yaml(text, 1);
  } catch (const SyntaxError& e) {
    return e;
  }
  return {0, 0, "accepted"};
}

TEST(Readers, AgreeOnATree) {
  auto yaml = parse_yaml("a: 1\nb: [x, \"2\", true, null]\nc:\n  d: e\n", 1);
  auto json = parse_json("{\"a\": 1,\n\"b\": [\"x\", \"2\", true, null],\n\"c\": {\n  \"d\": \"e\"}}\n", 1);
  ASSERT_EQ(yaml.size(), 1U);
  for (auto* root : {yaml[0]->root, json->root}) {
    ASSERT_EQ(root->kind, Node::Kind::map);
    EXPECT_EQ(root->get("a")->kind, Node::Kind::number);
    auto* b = root->get("b");
    ASSERT_EQ(b->count, 4U);
    EXPECT_EQ(b->line, 2);
    EXPECT_EQ(b->first->kind, Node::Kind::string);
    EXPECT_EQ(b->first->next->kind, Node::Kind::string);
    EXPECT_EQ(b->first->next->next->kind, Node::Kind::boolean);
    EXPECT_EQ(b->first->next->next->next->kind, Node::Kind::null);
    EXPECT_EQ(root->get("c")->get("d")->text, "e");
    EXPECT_EQ(root->get("missing"), nullptr);
  }
}

// Trees lie one after the other in the memory that they are given, and beyond it where it is too small.
TEST(Readers, UseTheMemoryThatTheyAreGiven) {
  for (const std::size_t size : {16, 1000, 100'000}) {
    std::vector<std::byte> memory(size);
    for (int n = 0; n < 3; ++n) {
      std::string text = "[";
      for (int i = 0; i < 20; ++i) text += "{\"name\": \"" + std::to_string(n) + "-" + std::to_string(i) + "\"},";
      text.back() = ']';
      const auto document = parse_json(text, 1, kTreeTimes, memory);
      int i = 0;
      for (const Node* item = document->root->first; item; item = item->next, ++i)
        EXPECT_EQ(item->get("name")->text, std::to_string(n) + "-" + std::to_string(i));
      EXPECT_EQ(i, 20);
      const auto* const root = reinterpret_cast<const std::byte*>(document->root);
      EXPECT_EQ(size >= sizeof(Node) && root >= memory.data() && root < memory.data() + size, size > 16) << size;
    }
  }
}

TEST(Readers, ShareWordsThatManyObjectsSay) {
  EXPECT_EQ(usual("nginx").view().data(), usual("nginx").view().data());
  EXPECT_TRUE(usual("").empty());
  const std::string longest(100, 'x'), longer(101, 'x');
  EXPECT_EQ(usual(longest).view().data(), usual(longest).view().data());
  EXPECT_NE(usual(longer).view().data(), usual(longer).view().data());
  EXPECT_EQ(usual(longer), longer);
  std::vector<Text> many;
  for (int i = 0; i < 10'000; ++i) many.push_back(usual("word-" + std::to_string(i)));
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(many[static_cast<std::size_t>(i)], "word-" + std::to_string(i));
}

TEST(Readers, RefuseWithLineAndColumn) {
  auto flow = refusal("a: 1\nb: [1, 2\n", false);
  EXPECT_GE(flow.line, 2);
  auto comma = refusal("{\"a\": 1,\n \"b\": ,}", true);
  EXPECT_EQ(comma.line, 2);
  EXPECT_EQ(comma.column, 7);
  EXPECT_EQ(refusal("{\"a\": 1", true).line, 1);
  EXPECT_GE(refusal("{} {}", true).line, 1);
  EXPECT_EQ(refusal(std::string("a: b\nc: \0d\n", 11), false).line, 2);
}

TEST(Readers, RefuseDepthBombsAndLoops) {
  EXPECT_NE(refusal(std::string(100, '['), true).line, 0);
  EXPECT_NE(refusal(std::string(100, '[') + std::string(100, ']'), false).line, 0);
  EXPECT_EQ(refusal(std::string(60, '[') + std::string(60, ']'), false).line, 0);
  EXPECT_NE(refusal("a: &a [*a]\n", false).line, 0);
  EXPECT_NE(refusal("a: *b\n", false).line, 0);
  std::string bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string(i ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  EXPECT_NE(refusal(bomb, false).line, 0);
}

// What stands in a document is not known to be no Secret before it is read: messages repeat none of it.
TEST(Readers, RefusalsRepeatNothingOfTheText) {
  const std::string secret = "hunter2";
  for (const std::string& text :
       {"a: *" + secret + "\n", "a: \"\\" + secret + "\"\n", secret + ": 1\n" + secret + ": 2\n",
        "%YAML " + secret + "\n---\na: b\n", "a: !<" + secret + "\n", "a: \"\\x" + secret + "\"\n",
        "a: \"\\UFFFFFFFF" + secret + "\"\n", "{" + secret, "\t" + secret + ":\n- a: b: " + secret,
        "a: 'x'" + secret + "\n", "&" + secret + " &b a\n", "@" + secret, "`" + secret, "%TAG " + secret + "\n---\n"}) {
    const auto refused = refusal(text, false);
    EXPECT_EQ(std::string(refused.what()).find(secret), std::string::npos) << refused.what();
  }
  for (const std::string& text :
       {"{\"" + secret + "\":1,\"" + secret + "\":2}", secret, "{\"a\":" + secret + "}", "{\"a\":\"\\" + secret})
    EXPECT_EQ(std::string(refusal(text, true).what()).find(secret), std::string::npos) << text;
}

// The order of the text decides, as for kubectl: what stands behind a merge key overrides it, and is overridden by it.
TEST(Readers, MergeKeys) {
  const auto shown = [](const std::string& members) {
    auto docs = parse_yaml("a: &a {x: 1, w: 2}\nb: &b {x: 3, z: 4}\nm: {" + members + "}\n", 1);
    std::string out;
    for (const Node* n = docs[0]->root->get("m")->first; n; n = n->next)
      out += std::string(n->key) + "=" + std::string(n->text) + (n->repeated ? "! " : " ");
    return out;
  };
  EXPECT_EQ(shown("<<: *a, w: 5"), "x=1 w=5 ");
  EXPECT_EQ(shown("w: 5, <<: *a"), "w=2! x=1 ");
  EXPECT_EQ(shown("<<: [*a, *b]"), "x=1 z=4 w=2 ");
  EXPECT_EQ(shown("<<: *a, <<: *b"), "x=3 w=2 z=4 ");
  EXPECT_EQ(shown("<<: 1"), "<<=1 ");
  EXPECT_EQ(shown("\"<<\": *a"), "<<= ");
}

// kubectl takes the text that the base64 spells, as a value and as a key.
TEST(Readers, BinaryIsTheTextThatItSpells) {
  const auto docs =
      parse_yaml("a: !!binary aGVsbG8=\nb: !!binary |\n  aGVs\n  bG8=\n? !!binary aw==\n: v\nc: !!binary ''\n", 1);
  const Node& root = *docs[0]->root;
  for (const char* key : {"a", "b"}) {
    EXPECT_EQ(root.get(key)->text, "hello");
    EXPECT_EQ(root.get(key)->kind, Node::Kind::string);
  }
  EXPECT_EQ(root.get("k")->text, "v");
  EXPECT_EQ(root.get("c")->text, "");
  for (const char* text : {"a: !!binary /w==", "a: !!binary '?!'", "a: 1\nb: !!binary a"}) {
    const auto refused = refusal(text, false);
    EXPECT_STREQ(refused.what(), "!!binary that is not the base64 of a text in UTF-8") << text;
  }
  EXPECT_EQ(refusal("a: 1\nb: !!binary a", false).line, 2);
}

// As PyYAML writes a text of line ends alone, which a protection may be asked for with.
TEST(Readers, QuotesOverSeveralLinesWithNothingBetweenThemAreNotEmpty) {
  for (const char* mark : {"", "\xEF\xBB\xBF"}) {
    const auto docs =
        parse_yaml(std::string(mark) + "a: '\n\n  '\nb: \"\n\"\nc: '\n \n\n'\nd: ''\ne: ' '\nf: |\n\ng: \"\\n\"\n", 1);
    ASSERT_EQ(docs.size(), 1U);
    const auto text = [&](const char* key) { return std::string(docs[0]->root->get(key)->text); };
    EXPECT_EQ(text("a"), "\n");
    EXPECT_EQ(text("b"), " ");
    EXPECT_EQ(text("c"), "\n\n");
    EXPECT_EQ(text("d"), "");
    EXPECT_EQ(text("e"), " ");
    EXPECT_EQ(text("f"), "");
    EXPECT_EQ(text("g"), "\n");
  }
}

TEST(Readers, OfAKeyThatStandsTwiceTheLaterCounts) {
  for (const bool json : {false, true}) {
    std::string text = "{";
    for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\": \"v\",\n";
    text += "\"k500\": [1],\n\"k501\": \"again\", \"k501\": null}";
    const auto docs = json ? std::vector<std::unique_ptr<Document>>() : parse_yaml(text, 1);
    const auto doc = json ? parse_json(text, 1) : nullptr;
    const Node& root = json ? *doc->root : *docs[0]->root;
    EXPECT_EQ(root.count, 1000U);
    EXPECT_EQ(root.get("k500")->count, 1U);
    EXPECT_TRUE(root.get("k500")->repeated);
    EXPECT_EQ(root.get("k501"), nullptr);
    EXPECT_FALSE(root.get("k499")->repeated);
  }
}

TEST(Readers, PlainScalarsAreThoseOfKubectl) {
  using K = Node::Kind;
  for (const char* number : {"80", "+80", "-1", "0x50", "0o120", "0120", "0b11", "8e1", "8_0", "0080", "80.", ".5"})
    EXPECT_EQ(plain_kind(number), K::number) << number;
  for (const char* boolean : {"true", "True", "yes", "NO", "on", "Off", "y", "N"})
    EXPECT_EQ(plain_kind(boolean), K::boolean) << boolean;
  for (const char* text :
       {"0x", "0b2", "0-1", "1:20", "2020-01-01", "tRue", "oN", "1e", "e1", "-", ".", "_1", "=", "0o8"})
    EXPECT_EQ(plain_kind(text), K::string) << text;
  for (const auto& [text, value] : {std::pair{"80.0", 80},
                                    {"0x50", 80},
                                    {"0120", 80},
                                    {"0080", 80},
                                    {"8_0", 80},
                                    {"8e1", 80},
                                    {"+80", 80},
                                    {"-0x1", -1},
                                    {"80.", 80}})
    EXPECT_EQ(whole_number(text), value) << text;
  for (const char* none : {"80.5", ".5", "1e300", "x", ""}) EXPECT_FALSE(whole_number(none)) << none;
}

TEST(Decode, ListsAreTakenApartAndObjectsKeepTheirLine) {
  auto docs = parse_yaml(
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a, namespace: n}\n- "
      "apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  data: {k: aGk=}\n",
      10);
  Decoded out;
  decode(*docs[0], "f.yaml", out);
  ASSERT_EQ(out.objects.size(), 2U);
  EXPECT_EQ(identity(*out.objects[0]), "Service/n/a");
  EXPECT_EQ(meta(*out.objects[0]).origin, (model::Origin{"f.yaml", 13}));
  EXPECT_EQ(std::get<Secret>(*out.objects[1]).data.at("k"), "hi");
}

// An Ingress that is lost because of a letter is an error, another project's kind is nobody's.
TEST(Decode, KindsAndGroupsThatAreMisspeltAreErrors) {
  const struct {
    const char *version, *kind, *expected;  // null: ignored
  } table[] = {
      {"networking.k8s.io/v1", "Ingres", "a kind that networking.k8s.io/v1 has; did you mean Ingress?"},
      {"networking.k8s.io/v1", "ingress", "a kind that networking.k8s.io/v1 has; did you mean Ingress?"},
      {"v1", "Servcie", "a kind that v1 has; did you mean Service?"},
      {"networkin.k8s.io/v1", "Ingress", "networking.k8s.io/v1"},
      {"networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"},
      {"networking.k8s.io/v1", "Service", "v1"},
      {"networking.k8s.io/v1", "EndpointSlice", "discovery.k8s.io/v1"},
      {"discovery.k8s.io/v1", "Service", "v1"},
      {"apps/v1", "Ingress", "networking.k8s.io/v1"},
      {"storage.k8s.io/v1", "ConfigMap", "v1"},
      {"rbac.authorization.k8s.io/v1", "Ingress", "networking.k8s.io/v1"},
      {"core/v1", "Secret", "v1"},
      {"v1", "IngressClass", "networking.k8s.io/v1"},
      {"serving.knative.dev/v1", "Service", nullptr},
      {"config.openshift.io/v1", "Ingress", nullptr},
      {"gateway.networking.k8s.io/v1", "Service", nullptr},
      {"networking.k8s.io/v1", "NetworkPolicy", nullptr},
      {"v1", "ServiceAccount", nullptr},
      {"v1", "Config", nullptr},
      {"networking.internal.knative.dev/v1alpha1", "Ingress", nullptr},
      {"traefik.io/v1alpha1", "Ingres", nullptr},
      {"networking.istio.io/v1", "Sidecar", nullptr},
  };
  for (const auto& row : table) {
    Decoded out;
    for (auto& document :
         parse_yaml(std::string("apiVersion: ") + row.version + "\nkind: " + row.kind + "\nmetadata: {name: x}\n", 1))
      decode(*document, "a.yaml", out);
    // Of a ConfigMap it is told that it is there.
    EXPECT_EQ(out.objects.size(), std::string_view(row.kind) == "ConfigMap" ? 1U : 0U);
    std::vector<model::Entry> entries;
    out.entries.append_to(entries);
    ASSERT_EQ(entries.size(), 1U) << row.kind;
    const auto& problem = entries[0].problem;
    EXPECT_EQ(problem.severity, row.expected ? model::Severity::error : model::Severity::ignored) << row.kind;
    if (row.expected) {
      EXPECT_EQ(problem.expected, row.expected);
    }
  }
}

struct Read {
  Decoded decoded;
  std::vector<std::string> fields;  // of the problems
};
Read read(const std::string& text) {
  Read out;
  for (auto& document : parse_yaml(text, 1)) decode(*document, "a.yaml", out.decoded);
  std::vector<model::Entry> entries;
  out.decoded.entries.append_to(entries);
  for (const auto& e : entries) out.fields.push_back(e.problem.field);
  return out;
}

// An item that says neither kind nor apiVersion is of its list, and an empty text says nothing.
TEST(Decode, ItemsOfATypedListMayHaveEmptyKinds) {
  const auto list = [](const std::string& of_item) {
    return read("apiVersion: v1\nkind: ServiceList\nitems:\n- {" + of_item +
                "metadata: {name: s}, spec: {ports: [{port: 80}]}}\n");
  };
  for (const char* bare : {"", "kind: '', apiVersion: '', ", "kind: '', ", "apiVersion: null, kind: '', "}) {
    const auto out = list(bare);
    ASSERT_EQ(out.decoded.objects.size(), 1U) << bare;
    EXPECT_EQ(identity(*out.decoded.objects[0]), "Service/default/s");
    EXPECT_TRUE(out.fields.empty()) << bare;
  }
  EXPECT_TRUE(list("kind: '', apiVersion: v1, ").decoded.objects.empty()) << "kubectl refuses it";
}

// An API server refuses them; here what is meant is said, and the rest is served.
TEST(Decode, WordsThatTheApiDoesNotKnowAreSaid) {
  const auto service = [](const std::string& spec) {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: " + spec + "\n";
  };
  const auto slice = [](const std::string& type, const std::string& port) {
    return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\naddressType: " + type +
           "\nports: [" + port + "]\nendpoints: []\n";
  };
  const struct {
    std::string text, field, expected;
  } table[] = {
      {service("{type: externalName}"), "spec.type",
       "one of ClusterIP, NodePort, LoadBalancer, ExternalName; did you mean ExternalName?"},
      {service("{type: ClusterIp}"), "spec.type",
       "one of ClusterIP, NodePort, LoadBalancer, ExternalName; did you mean ClusterIP?"},
      {service("{ports: [{port: 80, protocol: tcp}]}"), "spec.ports[0].protocol",
       "one of TCP, UDP, SCTP; did you mean TCP?"},
      {slice("ipv4", ""), "addressType", "one of IPv4, IPv6, FQDN; did you mean IPv4?"},
      {slice("IPv4", "{port: 80, protocol: QUIC}"), "ports[0].protocol", "one of TCP, UDP, SCTP"},
  };
  for (const auto& row : table) {
    const auto out = read(row.text);
    EXPECT_EQ(out.decoded.objects.size(), 1U) << row.text;
    ASSERT_EQ(out.fields, std::vector<std::string>{row.field}) << row.text;
    const auto& problem = out.decoded.entries[0].problem;
    EXPECT_EQ(problem.reason, "UnknownValue");
    EXPECT_EQ(problem.severity, model::Severity::warning);
    EXPECT_EQ(problem.expected, row.expected);
  }
  for (const auto& usual : {service("{type: LoadBalancer, ports: [{port: 80, protocol: SCTP}]}"),
                            service("{type: '', ports: []}"), slice("FQDN", "{port: 80}")})
    EXPECT_TRUE(read(usual).fields.empty()) << usual;
}

// Fields that an API server takes as if they were not there (core/v1 defaults.go; networking and discovery validation).
TEST(Decode, WhatIsNothingToTheApiIsNothingHere) {
  const std::string head =
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: \"\"}\nspec: ";
  const auto port = [&](const std::string& written) {
    auto out = read(head + "{defaultBackend: {service: {name: s, port: " + written + "}}}");
    if (out.decoded.objects.empty()) return "refused: " + out.fields.at(0);
    EXPECT_EQ(meta(*out.decoded.objects[0]).ns, "default");
    return std::get<Ingress>(*out.decoded.objects[0]).default_backend->port.str();
  };
  const std::string at = "refused: spec.defaultBackend.service.port";
  EXPECT_EQ(port("{name: \"\", number: 80}"), "80");
  EXPECT_EQ(port("{name: null, number: 80}"), "80");
  EXPECT_EQ(port("{number: 0, name: http}"), "http");
  EXPECT_EQ(port("{number: 0x0, name: http}"), "http");
  EXPECT_EQ(port("{number: 80, name: http}"), at);
  EXPECT_EQ(port("{number: 0, name: \"\"}"), at);
  EXPECT_EQ(port("{}"), at);
  EXPECT_EQ(port("{number: \"\", name: http}"), at);  // no number at all, for kubectl too

  const auto service = read(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: \"\", clusterIP: \"\", ports: [{name: \"\", "
      "port: 80, "
      "targetPort: \"\", protocol: \"\", appProtocol: \"\"}, {name: b, port: 81, targetPort: 0}]}");
  ASSERT_EQ(service.decoded.objects.size(), 1U);
  EXPECT_TRUE(service.fields.empty());
  const auto& s = std::get<Service>(*service.decoded.objects[0]);
  EXPECT_EQ(s.type, "ClusterIP");
  EXPECT_TRUE(s.cluster_ips.empty());
  EXPECT_EQ(s.ports[0], (ServicePort{"", 80, "", Text("TCP"), Text()}));
  EXPECT_EQ(s.ports[1].target, "");

  const auto slice = read(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints: []\n"
      "ports: [{name: a, port: 0}, {name: \"\", port: 81}]");
  ASSERT_EQ(slice.decoded.objects.size(), 1U);
  EXPECT_EQ(std::get<EndpointSlice>(*slice.decoded.objects[0]).ports, (std::vector<SlicePort>{{"", 81, Text("TCP")}}));

  const auto secret = read("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: \"\"\ndata: {k: null}");
  ASSERT_EQ(secret.decoded.objects.size(), 1U);
  EXPECT_EQ(std::get<Secret>(*secret.decoded.objects[0]).type, "Opaque");
  EXPECT_EQ(std::get<Secret>(*secret.decoded.objects[0]).data.at("k"), "");

  const auto tls = read(
      head + "{ingressClassName: null, tls: [{hosts: null, secretName: \"\"}], rules: [{host: \"\", http: null}]}");
  ASSERT_EQ(tls.decoded.objects.size(), 1U);
  EXPECT_TRUE(tls.fields.empty());
}

using Fields = std::vector<std::string>;

TEST(Decode, AllThatIsWrongWithAnObjectIsSaidAtOnce) {
  auto out = read(
      "apiVersion: v1\nkind: Service\nmetadata: {name: t, labels: {a: [1]}}\n"
      "spec: {ports: [{port: 0}, {port: x}, {name: a}, 5, {port: 80, targetPort: 99999}], externalName: {}, "
      "clusterIPs: 3}");
  EXPECT_EQ(out.fields, (Fields{"metadata.labels[a]", "spec.clusterIPs", "spec.externalName", "spec.ports[0].port",
                                "spec.ports[1].port", "spec.ports[2]", "spec.ports[3]", "spec.ports[4].targetPort"}));
  EXPECT_TRUE(out.decoded.objects.empty());
  EXPECT_EQ(out.decoded.refused, Fields{"Service/default/t"});

  const std::string paths =
      "[{path: [1], pathType: Foo, backend: {service: {port: 80}}}, {path: /x, backend: {service: {name: s, port: "
      "{number: "
      "99999}}}}, {path: /y}, {path: /z, backend: {service: s}}]";
  const std::string at = "spec.rules[0].http.paths";
  out = read(
      "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: a/b}\nspec: {rules: [{host: a, "
      "http: {paths: " +
      paths + "}}, {host: [b], http: {paths: oops}}, {http: oops}], tls: [{hosts: x, secretName: {}}]}");
  EXPECT_EQ(out.fields, (Fields{"metadata.namespace", "spec.tls[0].hosts", "spec.tls[0].secretName", at + "[0].path",
                                at + "[0].pathType", at + "[0].backend.service.name", at + "[0].backend.service.port",
                                at + "[1].backend.service.port.number", at + "[2]", at + "[3].backend.service",
                                "spec.rules[1].host", "spec.rules[1].http.paths", "spec.rules[2].http"}));
  EXPECT_TRUE(out.decoded.objects.empty());

  out = read(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {tls.crt: '?!', tls.key: [], auth: aGk=, ca.crt: "
      "'!'}");
  EXPECT_EQ(out.fields, (Fields{"data[tls.key]", "data[ca.crt]", "data[tls.crt]"}));

  // What is read as something else is said beside it, though the object is refused.
  out = read("apiVersion: v1\nkind: Service\nmetadata: {name: t}\nspec: {ports: [{name: 5, port: 0}]}");
  EXPECT_EQ(out.fields, (Fields{"spec.ports[0].name", "spec.ports[0].port"}));
}

// Of one object that has thousands of them: some are named, the others counted.
TEST(Decode, WhatIsSaidOfAnObjectIsBounded) {
  std::string ports = "{port: 0}";
  for (int i = 1; i < 5000; ++i) ports += ",{port: 0}";
  const auto out = read("apiVersion: v1\nkind: Service\nmetadata: {name: t}\nspec: {ports: [" + ports + "]}");
  EXPECT_EQ(out.fields.size(), 30U);
  std::vector<model::Entry> entries;
  out.decoded.entries.append_to(entries);
  EXPECT_TRUE(entries.back().problem.consequence.ends_with("; 4970 more of its values are like that"));
  EXPECT_FALSE(entries.front().problem.consequence.contains("more"));
  EXPECT_EQ(out.decoded.refused.size(), 1U);
}

TEST(Decode, TimestampsAreAges) {
  auto age = [](const std::string& text) {
    auto docs = parse_yaml("apiVersion: v1\nkind: Service\nmetadata: {name: a, creationTimestamp: " + text + "}\n", 1);
    Decoded out;
    decode(*docs[0], "f", out);
    return out.objects.empty() ? -1 : meta(*out.objects[0]).created;
  };
  EXPECT_EQ(age("\"2026-01-02T03:04:05Z\""), 1767323045);
  EXPECT_EQ(age("2026-01-02T05:04:05+02:00"), 1767323045);
  EXPECT_EQ(age("null"), kNoTimestamp);
  EXPECT_EQ(age("yesterday"), kNoTimestamp);
  EXPECT_EQ(age("2026-13-02T03:04:05Z"), kNoTimestamp);
}

// Kubernetes takes as much, and no more; so does what an API server says.
TEST(Decode, AnObjectIsBoundedInBytes) {
  const auto refused = [](const std::string& kind, const std::string& rest) {
    const auto doc =
        parse_json(R"({"apiVersion":"v1","kind":")" + kind + R"(","metadata":{"name":"a")" + rest + "}", 1);
    Decoded out;
    decode(*doc, "", out);
    const bool bad = !out.refused.empty();
    EXPECT_EQ(out.entries.size(), bad ? 1U : 0U);
    // Of a ConfigMap it is told that it is there.
    EXPECT_EQ(out.objects.size(), !bad || kind == "ConfigMap" ? 1U : 0U);
    for (const auto& object : out.objects)
      if (const auto* map = std::get_if<ConfigMap>(object.get())) {
        EXPECT_EQ(map->unreadable, bad);
      }
    return bad;
  };
  const auto text = [](std::size_t size) { return "\"" + std::string(size, 'A') + "\""; };
  const auto members = [](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
    return out;
  };
  constexpr std::size_t kib = 1024, mib = kib * kib;
  for (const std::string kind : {"Service", "Secret", "ConfigMap"})
    for (const std::string map : {"annotations", "labels"}) {
      const std::string begin = ",\"" + map + "\":{";
      EXPECT_FALSE(refused(kind, begin + "\"k\":" + text(256 * kib - 1) + "}}")) << kind << map;
      EXPECT_TRUE(refused(kind, begin + "\"k\":" + text(256 * kib) + "}}")) << kind << map;
      EXPECT_FALSE(refused(kind, begin + members(10'000) + "}}")) << kind << map;
      EXPECT_TRUE(refused(kind, begin + members(10'001) + "}}")) << kind << map;
    }
  EXPECT_FALSE(refused("ConfigMap", R"(},"data":{"k":)" + text(mib - 1) + "}"));
  EXPECT_TRUE(refused("ConfigMap", R"(},"data":{"k":)" + text(mib) + "}"));
  EXPECT_FALSE(refused("Secret", R"(},"stringData":{"k":)" + text(mib - 1) + "}"));
  EXPECT_TRUE(refused("Secret", R"(},"stringData":{"k":)" + text(mib) + "}"));
  EXPECT_FALSE(refused("Secret", R"(},"data":{"k":)" + text(4 * (mib / 3)) + "}"));
  EXPECT_TRUE(refused("Secret", R"(},"data":{"k":)" + text(4 * (mib / 3) + mib / 16) + "}"));
}

TEST(Decode, SecretMaterialIsNotShown) {
  auto docs = parse_yaml("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: hunter2!}\n", 1);
  Decoded out;
  decode(*docs[0], "f", out);
  ASSERT_EQ(out.entries.size(), 1U);
  EXPECT_EQ(model::Report::line(out.entries[0]).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control
