#include "data/proxy/prepare.h"

#include <charconv>
#include <cstring>
#include <utility>

#include "data/exchange/variables.h"
#include "data/plan/choice.h"
#include "data/proxy/choose.h"
#include "data/proxy/grpc.h"
#include "data/proxy/logged_values.h"
#include "data/proxy/program.h"
#include "data/proxy/same_host.h"
#include "data/runtime/worker_context.h"
#include "net/http/cidr.h"
#include "net/http/client_address.h"
#include "net/http/forwarded.h"
#include "net/http/path.h"

namespace sluice::data {

using net::http::Name;

namespace {

const model::RouteSettings kDefaults{};

// The values of all fields of that name, joined by ", ": one view when there is one field. `text` where it is no
// well-known name.
std::string_view joined(Exchange& ex, Name id, std::string_view text = {}) {
  if (!ex.head().names.has(id)) return {};
  // Which scheme the client used is no list: an empty field beside another makes it unknown, as in ingress-nginx.
  const bool empty_ones = id == Name::x_forwarded_proto;
  const net::http::Field* one = nullptr;
  std::string* many = nullptr;
  for (const auto& f : ex.head().fields.all()) {
    if (f.id != id || (id == Name::other && !iequals(f.name, text)) || (f.value.empty() && !empty_ones)) continue;
    if (!one) {
      one = &f;
    } else if (!many) {
      many = &ex.memory.joined.emplace_back();
      many->append(one->value).append(", ").append(f.value);
    } else {
      many->append(", ").append(f.value);
    }
  }
  return many ? std::string_view(*many) : one ? one->value : std::string_view();
}

// Lists that programs read the first line of alone, whoever wrote them in several: pods get one line (RFC 9110 section
// 5.3; W3C Trace Context section 3.3.1.1, Baggage section 3.2).
void join_lines(Exchange& ex, Name id) {
  if (!ex.head().names.has(id)) [[likely]]
    return;
  const std::string_view all = joined(ex, id);
  bool first = true;
  for (auto& f : ex.head().fields.all()) {
    if (f.id != id || f.drop) continue;
    if (std::exchange(first, false))
      f.value = all;
    else
      f = {{}, {}, Name::other, true};  // nobody reads it, variables and logs included
  }
}

std::string_view joined_by_name(Exchange& ex, std::string_view name) {
  return joined(ex, net::http::name_of(name), name);
}

// `said`: by a proxy that is believed.
void find_scheme(Exchange& ex, std::optional<std::string_view> said) {
  auto came = net::http::client_scheme(said, ex.peer.tls);
  // A load balancer that ended the client's TLS says so by the port alone, as ingress-nginx has it.
  if (ex.peer.proxied_port() == 443) came = {true, false};
  ex.https = came.https;
  ex.plain = came.plain;
  ex.scheme = came.https ? "https" : "http";
}

// What is known before the client has said anything.
void know_peer(Exchange& ex) noexcept {
  ex.client_address = ex.peer.address;
  std::memcpy(ex.client.data(), ex.peer.bytes, 16);
  const auto proxied = ex.peer.proxied_port();
  const auto port = proxied ? proxied : ex.peer.tls ? std::uint16_t{443} : ex.peer.local_port;
  const auto end = std::to_chars(ex.port_storage, ex.port_storage + sizeof ex.port_storage, port).ptr;
  ex.port_text = {ex.port_storage, static_cast<std::size_t>(end - ex.port_storage)};
  ex.came_by = proxied ? proxied : ex.peer.local_port;
  find_scheme(ex, std::nullopt);
}

void find_client(Exchange& ex) {
  const auto& o = *ex.options;
  ex.forwarded_for = joined_by_name(ex, o.forwarded_for_header);
  if ((!o.use_forwarded_headers && !o.enable_real_ip) || ex.forwarded_for.empty()) return;
  net::Address peer;
  std::memcpy(peer.bytes, ex.peer.bytes, sizeof peer.bytes);
  const std::string_view list[1] = {ex.forwarded_for};
  const auto client = net::http::client_address(peer, list, [&](const net::Address& a) { return trusted(o, a.bytes); });
  std::memcpy(ex.client.data(), client.bytes, sizeof client.bytes);
  auto& text = ex.memory.joined.emplace_back();
  text.resize(net::http::kAddressText);
  text.resize(net::http::format_address(client, text.data()).size());
  ex.client_address = text;
}

void find_origin(Exchange& ex) {
  const auto& o = *ex.options;
  auto& head = ex.head();
  ex.host_header = head.authority;
  ex.forwarded_host = joined_by_name(ex, o.forwarded_host_header);
  ex.client_host = head.host;
  ex.proxy_trusted = o.use_forwarded_headers && (o.exact || trusted(o, ex.peer.bytes));
  if (ex.proxy_trusted && head.names.has(Name::x_forwarded_proto)) find_scheme(ex, joined(ex, Name::x_forwarded_proto));
  if (ex.proxy_trusted) {
    if (const auto p = net::http::forwarded_port(joined(ex, Name::x_forwarded_port))) ex.port_text = ex.said_port = *p;
    if (const auto h = net::http::forwarded_host(ex.forwarded_host)) {
      ex.host_header = h->text;
      ex.client_host = h->authority.host;
    }
  }
}

}  // namespace

namespace {

// What is undecided is counted with its answer.
void know_doubt(Exchange& ex, const Doubt& doubt) noexcept {
  ex.undecided = doubt.undecided;
  if (doubt.passed > 0) [[unlikely]]
    ex.worker.stats.regex_gave_up.add(doubt.passed);
}

// The request whose namespace has the paths that this one may lead to, and whose variables it sees; null: any, and
// none.
const RequestView* asks_for(const Exchange& ex) noexcept {
  return ex.main != nullptr ? ex.main : ex.for_error ? ex.asker : nullptr;
}

constexpr Error kNobodyThere{Fault::unsupported, Whose::internal, Retry::no, 500, kNobodyToAsk};

// nginx's variables are one set for a request and its sub-requests; here what a sub-request sets is its own.
void run_snippets(Exchange& ex, std::string_view host) {
  auto& program = ex.memory.program;
  program.begin(ex.memory.texts);
  program.internal = ex.asker != nullptr;
  program.in_place_of = ex.error_status;
  const RequestView* const before = asks_for(ex);
  if (before != nullptr && before->program != nullptr) program.variables = before->program->variables;
  if (!ex.undecided) run_program(ex, *ex.view->snapshot().routes, host, program);
}

}  // namespace

bool trusted(const model::Options& o, const std::uint8_t* address) noexcept {
  for (const auto& c : o.proxy_real_ip_cidr)
    if (net::http::contains(c.bytes, c.bits, address)) return true;
  return false;
}

void give_request_id(Exchange& ex) noexcept {
  if (!ex.request_id.empty()) return;
  if (ex.asker != nullptr) return void(ex.request_id = ex.asker->request_id);
  ex.worker.request_id(ex.id_storage);
  ex.request_id = {ex.id_storage, sizeof ex.id_storage};
}

void pin_view(Exchange& ex) noexcept {
  ex.view = ex.worker.view();
  ex.view->pin();
  const Snapshot& snapshot = ex.view->snapshot();
  ex.options = snapshot.options.get();
  ex.process = snapshot.process[ex.peer.secured].get();
  ex.https_port = snapshot.https_port;
  if (ex.worker.recorder.wanted) [[unlikely]]
    hold_wanted(ex);
  know_peer(ex);
}

Status prepare(Exchange& ex) {
  auto& head = ex.head();
  pin_view(ex);
  ex.settings = &kDefaults;
  const auto* type = head.find(Name::content_type);
  ex.grpc = type && is_grpc(type->value) && ex.main == nullptr;
  find_client(ex);
  find_origin(ex);
  join_lines(ex, Name::tracestate);
  join_lines(ex, Name::baggage);
  ex.request_id = joined(ex, Name::x_request_id);
  if (ex.options->generate_request_id) give_request_id(ex);
  ex.target = head.path_query;
  ex.pod_host = ex.host_header;
  ex.query = {};
  if (const auto q = head.path_query.find('?'); q != std::string_view::npos) ex.query = head.path_query.substr(q);

  auto& host = ex.memory.host;
  host.resize(head.host.size());
  for (std::size_t i = 0; i < host.size(); ++i) host[i] = lower(head.host[i]);
  if (host.ends_with('.')) host.pop_back();
  if (head.path_query == "*") return {};

  auto& storage = ex.memory.path;
  storage.resize(head.path_query.size());
  auto path = net::http::normalise_path(head.path_query, storage.data());
  if (!path) return std::unexpected(path.error());
  ex.path = *path;
  const RouteTable& routes = *ex.view->snapshot().routes;
  Doubt doubt;
  const RequestView* const asker = asks_for(ex);
  const bool own = asker == nullptr;
  ex.route = own ? routes.match(host, ex.path, &doubt) : find_of_same_host(*asker, routes, host, ex.path, doubt);
  know_doubt(ex, doubt);
  if (!ex.route) return own ? Status{} : std::unexpected(kNobodyThere);
  if (ex.route->program != nullptr) [[unlikely]]
    run_snippets(ex, host);
  ex.settings = ex.route->settings;
  ex.route_seed = &ex.worker.shared.loop_seed;
  ex.cluster = ex.worker.cluster(ex.route->cluster);
  if (ex.cluster) {
    ex.cluster->pin();
    ex.available = ex.cluster->available();
    ex.outside = ex.cluster->outside();
  }
  if (ex.route->further != nullptr) {
    for (std::size_t role = 0; role < model::kRoles; ++role) {
      ClusterRuntime* cluster = ex.worker.cluster((*ex.route->further)[role]);
      if (cluster != nullptr) cluster->pin();
      ex.further[role] = cluster;
    }
  }
  if (ex.route->choice != nullptr) choose(ex);
  if (!ex.available) choose_stand_in(ex);
  return {};
}

void name_route(Exchange& ex) noexcept {
  auto& r = ex.record;
  if (!ex.route) return;
  const auto& spec = *ex.route->spec;
  r.route_host = ex.route->host;
  r.ns = spec.ns;
  r.ingress = spec.ingress;
  r.service = spec.service;
  r.service_port = spec.service_port;
  r.path = spec.location;
  r.upstream_name = spec.upstream_name;
  if (ex.canary != nullptr) r.canary = ex.canary->upstream_name;
}

void describe(Exchange& ex) noexcept {
  auto& r = ex.record;
  const auto& head = ex.head();
  if (ex.route) r.series = ex.canary == nullptr ? ex.route->series : ex.route->choice->series();
  r.log = ex.settings == nullptr || ex.settings->access_log;
  r.remote_address = ex.client_address.empty() ? std::string_view(ex.peer.address) : ex.client_address;
  r.remote_port = ex.peer.port;
  r.method = head.method_text;
  r.method_label = net::http::to_string(head.method);
  r.target = head.target;
  r.major = head.major;
  r.minor = head.minor;
  r.host = head.authority;
  r.best_host = ex.host_header.empty() ? head.authority : ex.host_header;
  r.scheme = ex.scheme;
  if (const auto* f = head.find(Name::referer)) r.referer = f->value;
  if (const auto* f = head.find(Name::user_agent)) r.user_agent = f->value;
  if (head.names.has(Name::authorization)) {
    auto& user = ex.memory.texts.next();
    append_value(ex, {variable("remote_user")}, Spelling::raw, user);
    r.remote_user = user;
  }
  r.request_id = ex.request_id;
  r.proxy = ex.peer.proxy.get();
  r.tls = ex.peer.tls;
  r.note = ex.note;
  if (ex.wanted && r.log) [[unlikely]]
    give_values(ex);
}

void keep_for_log(Exchange& ex) {
  describe(ex);
  name_route(ex);
  auto& r = ex.record;
  std::string_view* const views[] = {
      &r.remote_address, &r.method,       &r.target,     &r.host,          &r.best_host, &r.referer,
      &r.user_agent,     &r.remote_user,  &r.request_id, &r.route_host,    &r.ns,        &r.ingress,
      &r.service,        &r.service_port, &r.path,       &r.upstream_name, &r.canary};
  ex.kept.reserve(std::size(views));  // short strings must not move
  for (auto* v : views)
    if (v->data() != nullptr) *v = ex.kept.emplace_back(*v);
  if (r.wanted != nullptr) keep_values(ex);
  ex.recorded = true;
  release(ex);
}

void release(Exchange& ex) noexcept {
  ex.on_disk.reset();
  if (ex.cluster) std::exchange(ex.cluster, nullptr)->unpin();
  if (ex.route != nullptr && ex.route->further != nullptr)
    for (auto*& cluster : ex.further)
      if (cluster != nullptr) std::exchange(cluster, nullptr)->unpin();
  if (ex.view) std::exchange(ex.view, nullptr)->unpin();
  ex.route = nullptr;
  ex.canary = nullptr;
  ex.process = nullptr;
}

}  // namespace sluice::data
