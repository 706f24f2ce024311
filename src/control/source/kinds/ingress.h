#pragma once
#include <optional>

#include "control/source/reading.h"

namespace sluice::control {

// IngressBackend. `port` is the port as written, number or name; `resource`: a backend of kind Resource.
struct Backend {
  Text service;
  Text port;
  bool port_is_number = false;
  bool resource = false;
  bool operator==(const Backend&) const = default;
  template <class Field>
  static Backend read(const Field& f);
};

struct IngressPath {
  Text path;
  Text type;  // as written, may be empty
  Backend backend;
  bool operator==(const IngressPath&) const = default;
};

struct IngressRule {
  std::string host;
  std::vector<IngressPath> paths;
  bool operator==(const IngressRule&) const = default;
};

struct IngressTls {
  std::vector<std::string> hosts;
  std::string secret;
  bool operator==(const IngressTls&) const = default;
};

struct Ingress {
  Meta meta;
  std::optional<Text> class_name;
  model::Shared<Backend> default_backend;  // null: none
  std::vector<IngressTls> tls;
  std::vector<IngressRule> rules;
  bool operator==(const Ingress&) const = default;

  struct Fields {
    static constexpr Schema kResource[] = {{"apiGroup"}, {"kind"}, {"name"}};
    static constexpr Schema kPortOfService[] = {{"name"}, {"number"}};
    static constexpr Schema kServiceOfBackend[] = {{"name"}, {"port", kPortOfService}};
    static constexpr Schema kBackend[] = {{"resource", kResource}, {"service", kServiceOfBackend}};
    static constexpr Schema kPath[] = {{"backend", kBackend}, {"path"}, {"pathType"}};
    static constexpr Schema kHttp[] = {{"paths", kPath}};
    static constexpr Schema kRule[] = {{"host"}, {"http", kHttp}};
    static constexpr Schema kTls[] = {{"hosts"}, {"secretName"}};
    static constexpr Schema kIngressSpec[] = {
        {"defaultBackend", kBackend}, {"ingressClassName"}, {"rules", kRule}, {"tls", kTls}};
    static constexpr Schema kObject[] = {
        {"apiVersion"}, {"kind"}, {"metadata", kMetaFields}, {"spec", kIngressSpec}, {"status"}};
  };
  static constexpr KindRow kRow{
      .name = "Ingress",
      .api_version = "networking.k8s.io/v1",
      .plural = "ingresses",
      .has_status = true,
      .fields = Fields::kObject,
      .open = true,
  };
  template <class Field>
  static Ingress read(const Field& o);
};

template <class Field>
Backend Backend::read(const Field& f) {
  Backend b;
  if (f["resource"]) {
    b.resource = true;
    return b;
  }
  auto service = f["service"];
  if (!service) return f.bad("a service or a resource"), b;
  b.service = service["name"].word();
  if (!plain_name(b.service)) service.bad("name", b.service, "the name of a Service");
  auto port = service["port"];
  // An empty name and the number 0 are none (networking/validation, validateIngressBackend).
  const auto name = port["name"], number = port["number"];
  if (!number.is_zero()) {
    if (!name.is_empty()) port.bad("a number or a name, not both");
    b.port = usual(std::to_string(number.port()));
    b.port_is_number = true;
  } else if (!name.is_empty()) {
    b.port = usual(name.port_name());
    if (!b.port.empty() && !plain_name(b.port)) service.bad("port", b.port, "a port number or the name of a port");
  } else {
    service.bad("port", "", "a port number or the name of a port");
  }
  return b;
}

template <class Field>
Ingress Ingress::read(const Field& o) {
  Ingress out;
  out.meta = read_meta(o, kRow);
  auto spec = o["spec"];
  if (!spec) return o.bad("spec", "", "a map"), out;
  if (auto c = spec["ingressClassName"]) out.class_name = c.word();
  if (auto b = spec["defaultBackend"]) out.default_backend = Backend::read(b);
  spec["tls"].list(out.tls, [&](const Field& f) {
    IngressTls t;
    f["hosts"].list(t.hosts, [&](const Field& h) { t.hosts.push_back(h.text()); });
    t.secret = f["secretName"].text();
    out.tls.push_back(std::move(t));
  });
  spec["rules"].list(out.rules, [&](const Field& f) {
    IngressRule r;
    r.host = f["host"].text();
    f["http"]["paths"].list(r.paths, [&](const Field& p) {
      IngressPath path;
      path.path = p["path"].word();
      path.type = p["pathType"].word();
      if (!path.type.empty() && path.type != "Exact" && path.type != "Prefix" && path.type != "ImplementationSpecific")
        p["pathType"].bad("Exact, Prefix or ImplementationSpecific");
      if (const auto backend = p["backend"])
        path.backend = Backend::read(backend);
      else
        p.bad("a path with a backend");
      r.paths.push_back(std::move(path));
    });
    out.rules.push_back(std::move(r));
  });
  return out;
}

}  // namespace sluice::control
