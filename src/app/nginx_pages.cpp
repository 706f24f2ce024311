#include "app/nginx_pages.h"

#include <boost/json.hpp>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "app/terminal.h"
#include "base/strings.h"
#include "data/plan/choice.h"
#include "net/tls/tls.h"

namespace sluice::app {

namespace json = boost::json;

namespace {

const std::string kPlainText = "text/plain; charset=utf-8", kJsonText = "application/json";

// What a canary's Cluster is there for. Of several routes that it takes requests of, the last one's rule is shown.
json::object policy_of(const model::Canary* canary) {
  const model::CanaryRule none;
  const model::CanaryRule& r = canary ? canary->rule : none;
  return {{"weight", canary ? r.weight : 0}, {"weightTotal", canary ? r.total : 0}, {"header", r.header},
          {"headerValue", r.value},          {"headerPattern", r.pattern},          {"cookie", r.cookie}};
}

json::object session_of(const model::Balancing* balancing) {
  const model::Affinity* a = balancing && balancing->affinity ? &*balancing->affinity : nullptr;
  json::object cookie{{"name", a ? a->name : ""}};
  if (a) {
    if (a->expires) cookie["expires"] = std::to_string(*a->expires);
    if (a->max_age) cookie["maxage"] = std::to_string(*a->max_age);
    if (a->secure) cookie["secure"] = true;
    if (!a->path.empty()) cookie["path"] = a->path;
    if (!a->domain.empty()) cookie["domain"] = a->domain;
    if (a->same_site != model::SameSite::unset) cookie["samesite"] = model::to_string(a->same_site);
    if (a->same_site_none_if_understood) cookie["conditional_samesite_none"] = true;
    if (a->change_on_failure) cookie["change_on_failure"] = true;
  }
  return {{"name", a ? "cookie" : ""},
          {"mode", !a              ? ""
                   : a->persistent ? "persistent"
                                   : "balanced"},
          {"cookieSessionAffinity", std::move(cookie)}};
}

// What routes say of a Cluster.
struct Use {
  const model::Canary* canary = nullptr;
  bool main = false, passthrough = false;
  std::set<std::string> alternatives;
};

std::map<std::size_t, Use> uses_of(const data::Snapshot& snapshot,
                                   const std::vector<std::shared_ptr<const model::Cluster>>& clusters) {
  std::map<std::size_t, Use> uses;
  snapshot.routes->for_each([&](const data::Route& r) {
    if (r.cluster < clusters.size()) {
      uses[r.cluster].main = true;
      uses[r.cluster].passthrough |= r.passthrough;
    }
    if (r.choice == nullptr) return;
    const auto id = (*r.further)[static_cast<std::size_t>(model::Role::canary)];
    if (id >= clusters.size() || !clusters[id]) return;
    uses[id].canary = &*r.spec->canary;
    if (r.cluster < clusters.size()) uses[r.cluster].alternatives.insert(clusters[id]->upstream_name.str());
  });
  return uses;
}

json::object nginx_backend(const model::Cluster& c, const Use& use, const EndpointStates& state) {
  const model::Balancing* b = c.balancing ? &*c.balancing : nullptr;
  json::array endpoints;
  const auto states = state(c);
  for (std::size_t i = 0; i < c.endpoints.size(); ++i)
    if (const auto& e = c.endpoints[i]; e.ready) {
      json::object endpoint{{"address", e.address}, {"port", std::to_string(e.port)}};
      if (!states[i].empty()) endpoint["health"] = states[i];
      endpoints.push_back(std::move(endpoint));
    }
  json::object hash;
  if (b && b->hash_by) {
    hash["upstream-hash-by"] = b->hash_by->key.text();
    if (b->hash_by->subset) {
      hash["upstream-hash-by-subset"] = true;
      hash["upstream-hash-by-subset-size"] = b->hash_by->subset_size;
    }
  }
  json::object out{{"name", c.upstream_name.view()}};
  if (std::uint16_t number = 0;
      std::from_chars(c.port.data(), c.port.data() + c.port.size(), number).ptr == c.port.data() + c.port.size())
    out["port"] = number;
  else
    out["port"] = c.port;
  out["sslPassthrough"] = use.passthrough;
  if (!endpoints.empty()) out["endpoints"] = std::move(endpoints);
  out["sessionAffinityConfig"] = session_of(b);
  out["upstreamHashByConfig"] = std::move(hash);
  out["load-balance"] = model::to_string(b ? b->load_balance : model::LoadBalance::round_robin);
  out["noServer"] = use.canary != nullptr && !use.main;
  out["trafficShapingPolicy"] = policy_of(use.canary);
  if (!use.alternatives.empty())
    out["alternativeBackends"] = json::array(use.alternatives.begin(), use.alternatives.end());
  return out;
}

ops::AdminResponse nginx_backends(const Publisher& publisher, const EndpointStates& state) {
  json::array out;
  if (const auto snapshot = publisher.snapshot()) {
    const auto clusters = publisher.clusters();
    const auto uses = uses_of(*snapshot, clusters);
    const Use unused;
    for (std::size_t id = 0; id < clusters.size(); ++id) {
      if (!clusters[id] || clusters[id]->question) continue;
      const auto use = uses.find(id);
      out.push_back(nginx_backend(*clusters[id], use == uses.end() ? unused : use->second, state));
    }
  }
  return {200, json_page(out), {}};
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && text.size() - i > 2 && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The certificate of a host of ours, without its key.
ops::AdminResponse shown_certificate(const Publisher& publisher, std::string_view query) {
  std::string name;
  for (std::string_view rest = query; !rest.empty();) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.starts_with("hostname=")) {
      name = lower(percent_decoded(pair.substr(9)));
      break;
    }
  }
  if (name.empty()) return {400, "Hostname must be specified.", {}};
  net::tls::KeyPairPtr found;
  if (const auto snapshot = publisher.snapshot()) {
    if (const auto* pairs = snapshot->certificates->find(name); pairs && !pairs->empty()) found = pairs->front();
    bool of_ours = name == "_";
    if (!found && !of_ours)
      snapshot->routes->for_each([&](const data::Route& r) { of_ours |= r.host_tls && r.host == name; });
    if (!found && of_ours) found = snapshot->certificates->fallback();
  }
  if (!found) return {404, "No key associated with this hostname.", {}};
  return {200, found->chain_pem(), {}};
}

ops::AdminPage nginx_page(std::string path, const std::string& type, std::string help, ops::AdminReaders readers,
                          std::function<ops::AdminResponse(const ops::AdminRequest&)> handler) {
  ops::AdminPage out{std::move(path), type, std::move(help), std::move(handler)};
  out.readers = readers;
  out.slow = readers == ops::AdminReaders::trusted;
  return out;
}

}  // namespace

std::vector<ops::AdminPage> nginx_pages(Publisher& publisher, ops::Metrics& metrics, EndpointStates state) {
  using enum ops::AdminReaders;
  std::vector<ops::AdminPage> all;
  all.push_back(nginx_page("/nginx_status", "text/plain", "connections and requests, as nginx's stub_status has them",
                           everybody,
                           [&metrics](const auto&) { return ops::AdminResponse{200, metrics.stub_status(), {}}; }));
  all.push_back(nginx_page("/is-dynamic-lb-initialized", kPlainText,
                           "200 once the first full sync is served, as in ingress-nginx", everybody,
                           [&publisher](const auto&) {
                             if (publisher.ready()) return ops::AdminResponse{200, "OK\n", {}};
                             return ops::AdminResponse{500, "waiting for the first full sync\n", {}};
                           }));
  all.push_back(nginx_page(
      "/configuration/backends", kJsonText, "Services and their endpoints, in the form of ingress-nginx", trusted,
      [&publisher, state = std::move(state)](const auto&) { return nginx_backends(publisher, state); }));
  all.push_back(nginx_page("/configuration/general", kJsonText, "an empty object, as in ingress-nginx", trusted,
                           [](const auto&) { return ops::AdminResponse{200, "{}\n", {}}; }));
  all.push_back(nginx_page("/configuration/certs", kPlainText,
                           "?hostname=HOST: the certificate that is shown for it; no key", trusted,
                           [&publisher](const auto& request) { return shown_certificate(publisher, request.query); }));
  return all;
}

}  // namespace sluice::app
