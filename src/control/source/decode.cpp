#include "control/source/decode.h"

#include <array>
#include <charconv>

#include "base/base64.h"
#include "base/strings.h"
#include "base/time_text.h"

namespace sluice::control {

namespace {

// An object that does not have the shape of its kind.
struct BadShape {
  std::string field, value, expected;
  int line;
};

std::string shown(const Node& n) {
  switch (n.kind) {
    case Node::Kind::list:
      return "(a list)";
    case Node::Kind::map:
      return "(a map)";
    default:
      return std::string(n.text.substr(0, 120));
  }
}

// Values that were taken although the API server would refuse them.
using Lenient = std::vector<BadShape>;

// A node with the path that led to it, for messages.
class Field {
 public:
  Field(const Node* node, std::string path, Lenient* lenient)
      : node_(node), path_(std::move(path)), lenient_(lenient) {}
  explicit operator bool() const { return node_ != nullptr; }
  const Node& node() const { return *node_; }
  const std::string& path() const { return path_; }

  [[noreturn]] void bad(std::string expected, bool secret = false) const {
    throw BadShape{path_, secret ? "" : shown(*node_), std::move(expected), node_->line};
  }

  Field operator[](std::string_view name) const {
    if (node_ && node_->kind != Node::Kind::map) bad("a map");
    return {node_ ? node_->get(name) : nullptr, path_.empty() ? std::string(name) : path_ + "." + std::string(name),
            lenient_};
  }
  std::string text(std::string otherwise = {}) const {
    if (!node_) return otherwise;
    if (!node_->is_scalar()) bad("a string");
    expect_string(*node_, path_);
    return std::string(node_->text);
  }
  // A string or a number: IntOrString.
  std::string text_or_number() const {
    if (!node_) return {};
    if (!node_->is_scalar()) bad("a string or a number");
    return std::string(node_->text);
  }
  bool boolean(bool otherwise) const {
    if (!node_) return otherwise;
    if (node_->kind != Node::Kind::boolean) bad("true or false");
    return node_->text[0] == 't' || node_->text[0] == 'T';
  }
  std::uint16_t port() const {
    std::uint16_t out = 0;
    auto t = node_->text;
    auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), out);
    if (node_->kind != Node::Kind::number || error != std::errc{} || end != t.data() + t.size() || out == 0)
      bad("a number from 1 to 65535");
    return out;
  }
  template <class F>
  void each(F&& fn) const {
    if (!node_) return;
    if (node_->kind != Node::Kind::list) bad("a list");
    std::size_t i = 0;
    for (const Node* n = node_->first; n; n = n->next) fn(Field(n, path_ + "[" + std::to_string(i++) + "]", lenient_));
  }
  // `secret`: values never reach the Report.
  std::map<std::string, std::string> strings(bool secret = false) const {
    std::map<std::string, std::string> out;
    if (!node_) return out;
    if (node_->kind != Node::Kind::map) bad("a map of strings");
    for (const Node* n = node_->first; n; n = n->next) {
      if (!n->is_scalar())
        throw BadShape{path_ + "[" + std::string(n->key) + "]", secret ? "" : shown(*n), "a string", n->line};
      expect_string(*n, path_ + "[" + std::string(n->key) + "]", secret);
      out.emplace(n->key, n->text);
    }
    return out;
  }

 private:
  void expect_string(const Node& n, const std::string& path, bool secret = false) const {
    if (n.kind == Node::Kind::number || n.kind == Node::Kind::boolean)
      lenient_->push_back({path, secret ? "" : shown(n), "a string, in quotes", n.line});
  }
  const Node* node_;
  std::string path_;
  Lenient* lenient_;
};

bool plain_name(std::string_view s) {
  if (s.empty() || s.size() > 253) return false;
  for (char c : s)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
          c == '_' || c == ':'))
      return false;
  return true;
}

// `labels`: where to put them; they are checked either way.
Meta read_meta(const Field& object, bool cluster_scoped, std::map<std::string, std::string>* labels = nullptr) {
  Meta m;
  auto metadata = object["metadata"];
  auto name = metadata["name"];
  m.name = name.text();
  if (!plain_name(m.name))
    throw BadShape{"metadata.name", m.name.substr(0, 120), "a name of letters, digits, '-' and '.'",
                   object.node().line};
  m.ns = cluster_scoped ? "" : metadata["namespace"].text("default");
  if (m.ns.empty() && !cluster_scoped) m.ns = "default";
  if (!cluster_scoped && !plain_name(m.ns)) metadata["namespace"].bad("a name of letters, digits and '-'");
  m.annotations = metadata["annotations"].strings();
  m.annotations.erase(kVerdict);
  auto read = metadata["labels"].strings();
  if (labels != nullptr) *labels = std::move(read);
  m.created = parse_rfc3339(metadata["creationTimestamp"].text()).value_or(kNoTimestamp);
  return m;
}

Backend read_backend(const Field& f) {
  Backend b;
  if (f["resource"]) {
    b.resource = true;
    return b;
  }
  auto service = f["service"];
  if (!service) f.bad("a service or a resource");
  b.service = service["name"].text();
  if (!plain_name(b.service))
    throw BadShape{service.path() + ".name", b.service.substr(0, 120), "the name of a Service", service.node().line};
  auto port = service["port"];
  if (auto number = port["number"]) {
    b.port = std::to_string(number.port());
    b.port_is_number = true;
  } else {
    b.port = port["name"].text();
    if (!plain_name(b.port))
      throw BadShape{service.path() + ".port", b.port.substr(0, 120), "a port number or the name of a port",
                     service.node().line};
  }
  return b;
}

Object read_ingress(const Field& o) {
  Ingress out;
  out.meta = read_meta(o, false);
  auto spec = o["spec"];
  if (!spec) throw BadShape{"spec", "", "a map", o.node().line};
  if (auto c = spec["ingressClassName"]) out.class_name = c.text();
  if (auto b = spec["defaultBackend"]) out.default_backend = read_backend(b);
  spec["tls"].each([&](const Field& f) {
    IngressTls t;
    f["hosts"].each([&](const Field& h) { t.hosts.push_back(h.text()); });
    t.secret = f["secretName"].text();
    out.tls.push_back(std::move(t));
  });
  spec["rules"].each([&](const Field& f) {
    IngressRule r;
    r.host = f["host"].text();
    f["http"]["paths"].each([&](const Field& p) {
      IngressPath path;
      path.path = p["path"].text();
      path.type = p["pathType"].text();
      if (!path.type.empty() && path.type != "Exact" && path.type != "Prefix" && path.type != "ImplementationSpecific")
        p["pathType"].bad("Exact, Prefix or ImplementationSpecific");
      if (!p["backend"]) p.bad("a path with a backend");
      path.backend = read_backend(p["backend"]);
      r.paths.push_back(std::move(path));
    });
    out.rules.push_back(std::move(r));
  });
  return out;
}

Object read_class(const Field& o) {
  IngressClass out;
  out.meta = read_meta(o, true);
  out.controller = o["spec"]["controller"].text();
  return out;
}

Object read_service(const Field& o) {
  Service out;
  out.meta = read_meta(o, false);
  auto spec = o["spec"];
  out.type = spec["type"].text("ClusterIP");
  out.cluster_ip = spec["clusterIP"].text();
  out.external_name = spec["externalName"].text();
  spec["ports"].each([&](const Field& f) {
    ServicePort p;
    p.name = f["name"].text();
    if (!f["port"]) f.bad("a port with a number");
    p.port = f["port"].port();
    p.target = f["targetPort"].text_or_number();
    p.protocol = f["protocol"].text("TCP");
    p.app_protocol = f["appProtocol"].text();
    out.ports.push_back(std::move(p));
  });
  return out;
}

Object read_slice(const Field& o) {
  EndpointSlice out;
  std::map<std::string, std::string> labels;
  out.meta = read_meta(o, false, &labels);
  out.address_type = o["addressType"].text();
  if (auto it = labels.find("kubernetes.io/service-name"); it != labels.end()) out.service = it->second;
  o["endpoints"].each([&](const Field& f) {
    SliceEndpoint e;
    f["addresses"].each([&](const Field& a) { e.addresses.push_back(a.text()); });
    auto conditions = f["conditions"];
    e.ready = conditions["ready"].boolean(true);
    e.serving = conditions["serving"].boolean(e.ready);
    e.terminating = conditions["terminating"].boolean(false);
    if (auto target = f["targetRef"]; target && target["kind"].text() == "Pod")
      e.pod = target["namespace"].text(out.meta.ns) + "/" + target["name"].text();
    out.endpoints.push_back(std::move(e));
  });
  o["ports"].each([&](const Field& f) {
    if (!f["port"]) return;  // "all ports": means nothing to a proxy
    out.ports.push_back({f["name"].text(), f["port"].port(), f["protocol"].text("TCP")});
  });
  return out;
}

void read_base64(const Field& f, std::map<std::string, std::string>& out) {
  if (!f) return;
  for (auto& [key, text] : f.strings(true)) {
    auto value = decode_base64(text);
    if (!value) throw BadShape{f.path() + "[" + key + "]", "", "base64", f.node().line};
    out[key] = std::move(*value);
  }
}

Object read_secret(const Field& o) {
  Secret out;
  out.meta = read_meta(o, false);
  out.type = o["type"].text("Opaque");
  read_base64(o["data"], out.data);
  for (auto& [key, value] : o["stringData"].strings(true)) out.data[key] = value;
  return out;
}

Object read_config_map(const Field& o) {
  ConfigMap out;
  out.meta = read_meta(o, false);
  out.data = o["data"].strings();
  return out;
}

struct KindRow {
  const char* kind;
  const char* version;
  Object (*read)(const Field&);
};
constexpr std::array kReaders{
    KindRow{"Ingress", "networking.k8s.io/v1", read_ingress},
    KindRow{"IngressClass", "networking.k8s.io/v1", read_class},
    KindRow{"Service", "v1", read_service},
    KindRow{"EndpointSlice", "discovery.k8s.io/v1", read_slice},
    KindRow{"Secret", "v1", read_secret},
    KindRow{"ConfigMap", "v1", read_config_map},
};

// As much of an identity as a refused object shows.
model::ObjectRef rough_reference(const Node& n, const std::string& kind, const Text& file) {
  model::ObjectRef ref{kind, "default", "", {file, n.line}};
  if (const Node* m = n.get("metadata"); m && m->kind == Node::Kind::map) {
    if (const Node* name = m->get("name"); name && name->is_scalar()) ref.name = name->text.substr(0, 253);
    if (const Node* ns = m->get("namespace"); ns && ns->is_scalar()) ref.ns = ns->text.substr(0, 253);
  }
  if (kind == "IngressClass") ref.ns = {};
  if (ref.name.empty()) {
    ref.name = "(without a name)";
  }
  return ref;
}

void read_known(const KindRow& row, const Node& n, model::ObjectRef ref, const Text& file, std::uint32_t position,
                Decoded& out) {
  Lenient lenient;
  try {
    Object object = row.read(Field(&n, "", &lenient));
    std::visit(
        [&](auto& o) {
          o.meta.origin = {file, n.line};
          o.meta.position = position;
        },
        object);
    out.objects.push_back(std::make_shared<const Object>(std::move(object)));
    for (auto& value : lenient) {
      ref.origin.line = value.line;
      out.entries.push_back(
          {ref,
           {model::Severity::warning, "NotAString", std::move(value.field), value.value, std::move(value.expected),
            "it is read as " + (value.value.empty() ? "text" : "the text " + value.value) +
                "; the API server would refuse the object"}});
    }
  } catch (const BadShape& bad) {
    ref.origin.line = bad.line;
    out.refused.push_back(identity(row.kind, ref.ns.str(), ref.name.str()));
    out.entries.push_back({ref,
                           {model::Severity::error, "BadShape", bad.field, bad.value, bad.expected,
                            "the object is refused; its previous form, if there is one, stays"}});
  }
}

void decode_one(const Node& n, const Text& file, Decoded& out) {
  auto position = out.positions++;
  const Node* kind_node = n.get("kind");
  const Node* version_node = n.get("apiVersion");
  if (n.kind != Node::Kind::map || !kind_node || !kind_node->is_scalar()) {
    model::ObjectRef ref{"File", "", file, {file, n.line}};
    out.entries.push_back({ref,
                           {model::Severity::ignored, "NotAnObject", "kind", shown(n),
                            "a Kubernetes object with kind and metadata", "the document is skipped"}});
    return;
  }
  std::string kind(kind_node->text.substr(0, 120));
  std::string version(version_node && version_node->is_scalar() ? version_node->text.substr(0, 120) : "");
  for (auto& row : kReaders) {
    if (kind != row.kind) continue;
    auto ref = rough_reference(n, kind, file);
    if (version != row.version) {
      bool ours = version.ends_with("/v1beta1") || version.empty();
      out.entries.push_back({ref,
                             {ours ? model::Severity::error : model::Severity::ignored, "UnsupportedVersion",
                              "apiVersion", version, row.version, "the object is not served"}});
      return;
    }
    read_known(row, n, std::move(ref), file, position, out);
    return;
  }
  // The begin of a kind of ours with nothing behind it is a file that is still being written, not another kind.
  if (!n.get("metadata"))
    for (auto& row : kReaders)
      if (std::string_view(row.kind).starts_with(kind))
        throw SyntaxError(n.line, 1, "the document ends inside an object");
  out.entries.push_back({rough_reference(n, kind, file),
                         {model::Severity::ignored, "UnknownKind", "kind",
                          version.empty() ? kind : version + " " + kind, "", "not read by Sluice"}});
}

}  // namespace

void decode(const Document& document, const std::string& file, Decoded& out) {
  const Node* root = document.root;
  if (!root) return;
  const Node* kind = root->get("kind");
  const Node* items = root->get("items");
  if (kind && kind->is_scalar() && kind->text.ends_with("List") && items && items->kind == Node::Kind::list) {
    for (const Node* n = items->first; n; n = n->next) decode_one(*n, file, out);
    return;
  }
  decode_one(*root, file, out);
}

void decode_item(const Node& item, const char* kind, Decoded& out) {
  for (const auto& row : kReaders)
    if (row.kind == std::string_view(kind))
      return read_known(row, item, rough_reference(item, kind, Text()), Text(), out.positions++, out);
}

}  // namespace sluice::control
