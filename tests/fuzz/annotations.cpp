#include <string>

#include "control/kube/annotations/registry.h"
#include "control/kube/store.h"
#include "data/filter/order.h"
#include "data/proxy/edit.h"
#include "data/routing/route_table.h"
#include "support.h"

// Whatever values the annotations of an Ingress have: it is served, closed or left out, a report says what was expected
// and what happens instead, no other Ingress notices, and what is served decides about a request.
//
// The input: up to four times the number of a row in one byte, then its value up to a NUL.
namespace {

using namespace sluice;           // NOLINT(google-build-using-namespace)
using namespace sluice::control;  // NOLINT(google-build-using-namespace)

template <class T>
ObjectPtr object(T made) {
  return std::make_shared<const Object>(std::move(made));
}

Ingress ingress_of(const std::string& name, const std::string& host) {
  Ingress out;
  out.meta.ns = "default";
  out.meta.name = name;
  out.class_name = "nginx";
  IngressPath path{"/app", "Prefix", {}};
  path.backend.service = "svc";
  path.backend.port = "80";
  out.rules.push_back({host, {path}});
  return out;
}

// What annotations may name is there.
Store& store() {
  static Store& made = []() -> Store& {
    Settings settings;
    settings.ssl_passthrough = true;
    static Store out(settings);
    Secret pair;
    pair.meta.ns = "default";
    pair.meta.name = "pair";
    pair.data = {{"ca.crt", "-----BEGIN CERTIFICATE-----"}, {"auth", "user:{PLAIN}password\n"}};
    out.upsert(object(std::move(pair)));
    ConfigMap headers;
    headers.meta.ns = "default";
    headers.meta.name = "headers";
    headers.data = {{"X-A", "$host"}, {"X-B", "b"}};
    out.upsert(object(std::move(headers)));
    ConfigMap options;
    options.meta.ns = "ingress-nginx";
    options.meta.name = "ingress-nginx-controller";
    options.data = {{"allow-snippet-annotations", "true"}, {"annotations-risk-level", "Critical"}};
    out.upsert(object(std::move(options)));
    out.upsert(object(ingress_of("other", "other.example")));
    return out;
  }();
  return made;
}

void decide(const model::Route& spec) {
  const auto& settings = *spec.settings;
  const auto plan = data::plan_of_route({settings, true});
  net::http::RequestHead head;
  head.method = net::http::Method::get;
  head.method_text = "GET";
  head.authority = head.host = "h.example";
  head.path_query = head.target = "/app/x%20y?z=1";
  head.fields.add() = {"Cookie", "a=b; INGRESSCOOKIE=x|y", net::http::Name::cookie, false};
  head.names.add(net::http::Name::cookie);
  data::HashSeed seed{};
  data::Route route;
  route.spec = &spec;
  route.settings = &settings;
  route.plan = plan.get();
  route.host = "h.example";
  route.forwards = true;
  data::RequestView view(head);
  view.path = "/app/x y";
  view.query = "?z=1";
  view.client_host = "h.example";
  view.available = true;
  view.route = &route;
  view.route_seed = &seed;
  if (const auto verdict = data::decide_for_route(view)) {
    PROPERTY(verdict->reply.status >= 100 && verdict->reply.status <= 999);
    for (const char c : verdict->reply.location) PROPERTY(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
  if (!settings.rewrite) return;
  data::Rewritten to;
  data::rewrite(view, to);
  for (const char c : to.target) PROPERTY(static_cast<unsigned char>(c) > 0x20 && c != 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  Ingress written = ingress_of("app", "h.example");
  const auto rows = annotations();
  for (int i = 0; i < 4 && !text.empty(); ++i) {
    const auto& row = rows[static_cast<std::uint8_t>(text[0]) % rows.size()];
    text.remove_prefix(1);
    const auto value = fuzz::up_to('\0', text);
    written.meta.annotations["nginx.ingress.kubernetes.io/" + std::string(row.name)] = value;
  }
  store().upsert(object(std::move(written)));
  const auto update = store().commit();
  PROPERTY(update.model->hosts.contains("other.example"));
  PROPERTY(update.model->hosts.at("other.example")->routes.front().because.empty());
  for (const auto& entry : update.model->report.entries) {
    if (entry.problem.severity == model::Severity::ignored) continue;
    PROPERTY(!entry.problem.reason.empty() && !entry.problem.consequence.empty());
    for (const char c : entry.problem.value) PROPERTY(static_cast<unsigned char>(c) >= 0x20);
  }
  if (const auto host = update.model->hosts.find("h.example"); host != update.model->hosts.end())
    for (const auto& route : host->second->routes) decide(route);
  return 0;
}
