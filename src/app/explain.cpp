#include "app/explain.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <expected>
#include <optional>

#include "app/describe.h"
#include "app/explain_stream.h"
#include "app/terminal.h"
#include "app/written_request.h"
#include "base/printable.h"
#include "base/strings.h"
#include "data/balance/policy.h"
#include "data/balance/session_cookie.h"
#include "data/exchange/variables.h"
#include "data/plan/choice.h"
#include "data/plan/destination.h"
#include "data/plan/plan.h"
#include "data/proxy/edit.h"
#include "data/proxy/error_page.h"
#include "data/proxy/local_reply.h"
#include "data/proxy/program.h"
#include "data/proxy/same_host.h"
#include "data/routing/host_routes.h"
#include "model/ip.h"
#include "net/http/forwarded.h"
#include "net/http/grammar.h"
#include "net/http/message.h"
#include "net/http/path.h"
#include "net/tls/tls.h"

namespace sluice::app {

namespace {

struct Answer {
  int status = 0;  // 0: a pod answers
  std::string location;
  std::string because;
  std::string decided_by;  // the filter
};

// What would be said, and the walk that led there.
struct Explanation {
  std::string path;
  std::vector<std::string> steps;
  const data::Route* route = nullptr;
  std::string target;             // what a pod gets
  std::vector<std::string> sets;  // fields that it gets instead of the client's; without a value: that are removed
  const model::Cluster* cluster = nullptr;   // that takes the request
  const model::Cluster* stand_in = nullptr;  // default-backend, which answers for it; null: it does not
  std::string balancing;                     // how its endpoint is chosen; empty: there is none to choose
  struct Canary {
    const model::Cluster* cluster = nullptr;
    bool takes = false;      // the request, for certain
    bool by_chance = false;  // some of such requests
    std::string because;
  };
  std::optional<Canary> canary;  // of the route
  Answer answer;
  std::vector<std::string> adds;  // fields of ours in the response; without a value: that are removed from it
  std::vector<control::SettingRow> settings;
  std::vector<control::SettingRow> bounds;  // of the Service port that takes it
  std::string certificate;
  std::vector<std::string> refused;  // of Ingresses that ask for the host, and do not answer here
  std::vector<std::string> flags;    // what is wrong with them
};

constexpr std::size_t kMostRefused = 10;

// Does an Ingress with a rule for this host ask for requests to `host`?
bool asks_for(const std::string& rule, const std::string& host) {
  return rule == host || wildcard_matches(rule, host);
}

std::vector<std::string> refused_at(const std::string& host, const model::Model& model,
                                    const control::AsWritten& written) {
  std::vector<std::string> out;
  for (const model::Entry& e : model.report.entries) {
    if (e.problem.severity != model::Severity::error || e.object.kind != "Ingress") continue;
    const auto hosts = written.hosts.find(e.object.ns.str() + "/" + e.object.name.str());
    if (hosts == written.hosts.end() ||
        std::none_of(hosts->second.begin(), hosts->second.end(), [&](auto& rule) { return asks_for(rule, host); }))
      continue;
    if (out.size() == kMostRefused) {
      out.emplace_back("and more; `sluice check` lists all");
      break;
    }
    out.push_back(model::Report::line(e));
  }
  return out;
}

// The request as serve() would see it, had it come. Views into `request`.
struct Asked {
  explicit Asked(const WrittenRequest& request, const data::Snapshot& snapshot) : view(head) {
    head.method_text = request.method;
    head.method = net::http::method_of(request.method);
    head.target = head.path_query = request.target;
    head.authority = request.authority;
    head.host = request.host;
    for (const auto& [name, value] : request.fields) {
      if (head.fields.full()) break;
      const auto id = net::http::name_of(name);
      head.names.add(id);
      head.fields.add() = {name, value, id, false};
    }
    if (request.content_length) {
      head.framing = net::http::Framing::length;
      head.content_length = *request.content_length;
    }
    const auto& options = *snapshot.options;
    const bool forwarded = options.use_forwarded_headers;
    const std::string said_proto = forwarded ? joined(request, "x-forwarded-proto") : "";
    said_host = forwarded ? joined(request, options.forwarded_host_header) : "";
    const auto came = net::http::client_scheme(
        said_proto.empty() ? std::nullopt : std::optional<std::string_view>(said_proto), request.https);
    view.https = came.https;
    view.plain = came.plain;
    view.scheme = came.https ? "https" : "http";
    view.client_host = request.host;
    view.host_header = request.authority;
    peer.tls = request.https;
    peer.local_port = request.https ? 443 : 80;
    view.port_text = request.https ? "443" : "80";
    view.from = &peer;
    if (const auto given = net::http::forwarded_host(said_host)) {
      view.client_host = given->authority.host;
      view.host_header = given->text;
    }
    if (const auto query = request.target.find('?'); query != std::string::npos)
      view.query = head.path_query.substr(query);
    view.https_port = snapshot.https_port;
    view.came_by = request.port;
    static const data::HashSeed seed = data::random_seed();
    view.route_seed = &seed;
  }
  net::http::RequestHead head;
  std::string said_host;
  data::Peer peer;
  data::RequestView view;
};

// Does the canary of the route take the request? Of those that a draw decides the main Service is asked about, unless
// all are the canary's.
void choose(Explanation& out, data::RequestView& view, const model::Model& model) {
  const data::Choice& choice = *out.route->choice;
  const auto session_id = [](const model::Cluster* cluster) {
    return cluster != nullptr && cluster->balancing && cluster->balancing->affinity
               ? data::session_id_of(cluster->upstream_name)
               : std::string();
  };
  const auto candidate = [](const model::Cluster* cluster, const std::string& id) {
    return data::Candidate{cluster, cluster != nullptr && usable(*cluster) != 0, id};
  };
  Explanation::Canary& canary = out.canary.emplace();
  canary.cluster = find_canary_cluster(model, *out.route->spec);
  const auto opinion = choice.ask(view, candidate(out.cluster, session_id(out.cluster)),
                                  candidate(canary.cluster, session_id(canary.cluster)));
  const bool drawn = opinion.by == data::Choice::By::weight;
  const auto share = choice.share();
  canary.takes = drawn ? share == choice.total() : opinion.canary;
  canary.by_chance = drawn && share > 0 && !canary.takes;
  canary.because = choice.because(opinion.by);
  out.steps.push_back(fmt::format("its canary, {}, {}: {}", canary_ingress_text(*out.route->spec),
                                  canary.takes       ? "takes the request"
                                  : canary.by_chance ? "takes some of such requests"
                                                     : "does not take it",
                                  canary.because));
  if (!canary.takes) return;
  out.cluster = canary.cluster;
  view.canary = &choice.spec();
}

// What its snippets have done to the request. `path`: as it was before.
void tell_program(const data::RequestView& view, const data::ProgramState& state, const std::string& path,
                  std::vector<std::string>& steps) {
  for (const auto& [name, value] : state.variables)
    steps.push_back(fmt::format("a snippet sets ${} to \"{}\"", name, printable(value)));
  if (state.rewritten && view.path != path)
    steps.push_back(fmt::format("a snippet rewrites the path to {}{}", printable(view.path), printable(view.query)));
  if (state.searches > 0)
    steps.push_back(fmt::format("looked for a location again, {} time{}: {} {} of Ingress {}/{}", state.searches,
                                state.searches == 1 ? "" : "s", to_string(view.route->spec->match),
                                view.route->spec->path, view.route->spec->ns, view.route->spec->ingress));
}

// Who would answer auth_request of its snippet; an answer: nobody does.
std::optional<data::LocalReply> look_for_asked(const data::RequestView& view, const data::RouteTable& routes,
                                               const std::string& host, std::vector<std::string>& steps) {
  const std::string& path = view.route->settings->snippet->asks;
  data::Doubt doubt;
  const data::Route* const found = data::find_of_same_host(view, routes, host, path, doubt);
  if (found == nullptr) return data::LocalReply{.status = 500, .why = data::kNobodyToAsk};
  const model::Route& spec = *found->spec;
  steps.push_back(fmt::format("  that is {} {} of Ingress {}/{}{}", to_string(spec.match), spec.path, spec.ns,
                              spec.ingress,
                              doubt.undecided         ? ", whose pattern takes too many steps: 500"
                              : !spec.because.empty() ? ", which is closed: 500"
                              : found->forwards       ? fmt::format(", Service {}", spec.service)
                                                      : std::string()));
  return std::nullopt;
}

// What serve() asks, in its order, for a request that was never received. `steps`: gets whom it would ask elsewhere.
std::optional<data::Verdict> decide(const data::Plan* process, data::RequestView& view, const data::RouteTable& routes,
                                    const std::string& host, std::vector<std::string>& steps) {
  if (auto verdict = data::decide_for_all(process, view)) return verdict;
  if (auto verdict = data::decide_without_route(process, view)) return verdict;
  const data::Plan::Entry* waits = nullptr;
  auto verdict = data::decide_for_route(view, &waits);
  view.past_rewrites = !verdict || !data::answers_before_rewrites(verdict->by);
  while (waits != nullptr) {
    if (auto reply = waits->step->decide_at_length(view)) return data::Verdict{std::move(*reply), waits->name};
    if (auto charged = waits->step->charged(view); !charged.empty()) steps.push_back(std::move(charged));
    if (auto asks = waits->step->asks(view); !asks.empty()) steps.push_back("it is asked whether it may come: " + asks);
    if (waits->name == "auth-request")
      if (auto nobody = look_for_asked(view, routes, host, steps))
        return data::Verdict{std::move(*nobody), waits->name};
    verdict = data::decide_behind(view, *waits, &waits);
  }
  return verdict;
}

// default-backend, by the name of its Service.
std::string stand_in_text(const model::Route& spec) {
  return fmt::format("{}/{}", spec.ns, spec.settings->error_pages->service);
}

// As serve() has it: where the Service has no endpoint, and the other one does.
void look_for_stand_in(Explanation& out, data::RequestView& view, const model::Model& model) {
  if (view.available || out.route == nullptr || out.cluster == nullptr) return;
  const model::Route& spec = *out.route->spec;
  const model::Cluster* const errors = find_errors_cluster(model, spec);
  if (errors == nullptr || usable(*errors) == 0 || out.route->settings->error_pages->service.empty()) return;
  out.stand_in = errors;
  view.available = true;
  view.outside = errors->outside;
  out.steps.push_back(fmt::format("{}: {} answers for it (default-backend), and is told X-Code: 503",
                                  empty_text(out.cluster), stand_in_text(spec)));
}

// What answers in place of an error of ours: auth-signin, error_page of a snippet, or the Service of
// custom-http-errors.
void look_for_page(Explanation& out, const data::RequestView& view, data::LocalReply& reply,
                   const model::Model& model) {
  if (out.route == nullptr || data::is_own_text(view, reply)) return;
  const int error = reply.status;
  if (data::send_to_sign_in(view, reply)) {
    out.steps.push_back(fmt::format("auth-signin says where to sign in, in place of {}", error));
    return;
  }
  if (data::answer_error(view, reply)) {
    out.steps.push_back(fmt::format("error_page of a snippet answers in place of {}", error));
    return;
  }
  if (const auto* page = data::asked_for(view, error)) {
    const std::string status = page->keeps_status  ? std::to_string(error)
                               : page->status != 0 ? std::to_string(page->status)
                                                   : "that of the answer";
    out.steps.push_back(fmt::format(
        "error_page of a snippet: {} of this host is asked for in place of {}; unless that path refuses, redirects or "
        "fails, the status is {}",
        page->asks, error, status));
    if (!page->keeps_status && page->status != 0) reply.status = page->status;
    return;
  }
  const auto& pages = out.route->settings->error_pages;
  if (!pages || out.stand_in != nullptr || !std::ranges::binary_search(pages->statuses, error)) return;
  const model::Cluster* const errors = find_errors_cluster(model, *out.route->spec);
  if (errors == nullptr || usable(*errors) == 0) return;
  out.steps.push_back(
      fmt::format("the Service of custom-http-errors is asked for the page of {}, whose status may be another", error));
}

Answer answer_of(data::Verdict&& verdict, const model::Cluster* cluster) {
  Answer out{verdict.reply.status, std::move(verdict.reply.location), verdict.reply.why, std::string(verdict.by)};
  if (verdict.by == data::kNoEndpoints)
    out.because = empty_text(cluster);
  else if (verdict.by == "route-answer" && !verdict.reply.detail.empty())
    out.because = verdict.reply.detail;
  else if (!verdict.reply.detail.empty())
    out.because += fmt::format(": {}", verdict.reply.detail);
  if (verdict.by == data::kProbe || verdict.by == data::kStatus || verdict.by == data::kNoRoute) out.decided_by.clear();
  return out;
}

std::string certificate_for(const data::Snapshot& snapshot, const std::string& name) {
  const auto* pairs = snapshot.certificates->find(name);
  if (pairs == nullptr || pairs->empty()) {
    if (snapshot.certificates->reject_unknown()) return "none: the handshake is refused (ssl-reject-handshake)";
    return "the default certificate";
  }
  std::string out;
  for (const auto& pair : *pairs) {
    std::string names;
    for (const std::string& covered : pair->names()) names += (names.empty() ? "" : ", ") + covered;
    out += fmt::format("{}{} {} for {}, until {:%Y-%m-%d}", out.empty() ? "" : "; ", pair->key_type(), pair->serial(),
                       names, fmt::gmtime(static_cast<std::time_t>(pair->not_after())));
  }
  return out;
}

// The policy, and the key that decides.
std::string balancing_of(const model::Cluster& cluster, const data::RequestView& view) {
  const data::PolicyRow& policy = data::policy_of(cluster.balancing.get());
  std::string out(policy.name);
  if (policy.key == data::PolicyRow::Key::hash) {
    const Template& by = cluster.balancing->hash_by->key;
    std::string key;
    data::evaluate(by, view, data::Spelling::raw, key);
    out += fmt::format(" by {}, ", by.text());
    out +=
        key.empty() ? "which is empty here: one endpoint after the other" : fmt::format("here \"{}\"", printable(key));
    if (const auto per_cent = cluster.balancing->hash_by->balance_factor; per_cent != 0 && !key.empty())
      out += fmt::format(", or another one where it has {} % of the mean in flight", per_cent);
  } else if (policy.key == data::PolicyRow::Key::session) {
    const std::string& name = cluster.balancing->affinity->name;
    const std::string id = data::session_id_of(cluster.upstream_name);
    const auto cookie = data::session_cookie(view.received, name, id);
    out += fmt::format(" by the cookie {}, ", name);
    if (cookie.key.empty())
      out += "which is not there: a session begins";
    else
      out += fmt::format("here the session {}{}", printable(cookie.key),
                         cookie.id == id ? "" : ", which was not begun at this Service");
  }
  if (!cluster.balanced_by.empty()) out += fmt::format(" (as Ingress {} says)", cluster.balanced_by);
  return out;
}

Explanation explain(const WrittenRequest& request, const std::optional<model::Ip>& client,
                    const control::Settings& settings, const model::Model& model, const control::AsWritten& written,
                    const data::Snapshot& snapshot) {
  Explanation out;
  out.target = request.target;
  // Of an alias, those that ask for the host.
  const data::HostRoutes* const taken = snapshot.routes->host(request.match_host);
  out.refused = refused_at(taken != nullptr && !taken->spec().name.empty() ? taken->spec().name : request.match_host,
                           model, written);
  if (request.https) {
    const data::Route* whole = snapshot.routes->root(request.sni);
    if (whole != nullptr && whole->passthrough) {
      out.certificate = "the pod's own: TLS is passed through (ssl-passthrough)";
      out.steps.emplace_back(
          "the name in the ClientHello is one of its hosts: all of it goes to the Service of path /");
      out.route = whole;
      out.cluster = find_cluster(model, *whole->spec);
      return out;
    }
    out.certificate = certificate_for(snapshot, request.sni);
  }
  const bool secured = request.https && snapshot.certificates->find(request.sni) != nullptr;
  const data::Plan* process = snapshot.process[secured].get();
  Asked asked(request, snapshot);
  asked.view.client_known = client.has_value();
  if (client) asked.view.client = *client;
  const auto tell_added = [&] {
    std::vector<net::http::Field> adds;
    Texts texts;
    data::ResponseFields fields(adds, texts, nullptr);
    data::add_response_fields(process, asked.view, fields);
    for (const auto& field : adds) out.adds.push_back(fmt::format("{}: {}", field.name, field.value));
  };
  if (const Status read = read_head(request, *snapshot.options); !read) {
    out.answer = {data::status_of(read.error()), "", read.error().detail, ""};
    tell_added();
    return out;
  }
  std::string scratch(request.target.size(), '\0');
  const auto path = net::http::normalise_path(request.target, scratch.data());
  if (!path) {
    out.answer = {400, "", path.error().detail, ""};
    tell_added();
    return out;
  }
  out.path = *path;
  out.route = snapshot.routes->explain(request.match_host, out.path,
                                       [&](std::string_view step) { out.steps.emplace_back(step); });
  if (out.route != nullptr) out.cluster = find_cluster(model, *out.route->spec);
  asked.view.path = out.path;
  data::Doubt doubt;
  snapshot.routes->match(request.match_host, out.path, &doubt);
  asked.view.undecided = doubt.undecided;
  asked.view.route = out.route;
  Texts made;
  data::ProgramState program;
  if (out.route != nullptr && out.route->program != nullptr && !asked.view.undecided) {
    program.begin(made);
    data::run_program(asked.view, *snapshot.routes, request.match_host, program);
    tell_program(asked.view, program, out.path, out.steps);
    out.route = asked.view.route;
    out.cluster = find_cluster(model, *out.route->spec);
  }
  if (out.route != nullptr && out.route->choice != nullptr) choose(out, asked.view, model);
  asked.view.available = out.cluster != nullptr && usable(*out.cluster) != 0;
  asked.view.outside = out.cluster != nullptr && out.cluster->outside;
  look_for_stand_in(out, asked.view, model);
  if (!client && out.route != nullptr &&
      (out.route->settings->source_ranges ||
       (out.route->settings->snippet && !out.route->settings->snippet->access.empty() &&
        !model::says_of_everybody(out.route->settings->snippet->access))))
    out.steps.emplace_back("whether the client's address may come is not known: --from ADDRESS asks for one");
  asked.view.certificate_known = !request.https;
  if (request.https && out.route != nullptr && out.route->settings->client_auth)
    if (const auto& auth = *out.route->settings->client_auth; auth.denied.empty())
      out.steps.push_back(auth.verify == model::VerifyClient::off && auth.match_cn.empty()
                              ? "the client is asked for no certificate (auth-tls-verify-client: off)"
                              : fmt::format("what certificate the client shows is not known: Secret {} decides whether "
                                            "it may come (auth-tls-secret)",
                                            auth.secret));
  if (out.cluster != nullptr) out.balancing = balancing_of(*out.cluster, asked.view);
  if (auto verdict = decide(process, asked.view, *snapshot.routes, request.match_host, out.steps)) {
    asked.view.unlocated = data::answers_at_server(verdict->by);
    look_for_page(out, asked.view, verdict->reply, model);
    out.answer = answer_of(std::move(*verdict), out.cluster);
  }
  if (out.answer.status == 0 && out.route != nullptr && out.route->plan != nullptr)
    for (const auto& entry : (*out.route->plan)[data::Phase::copy])
      out.steps.push_back("a copy of it goes to " + entry.step->asks(asked.view));
  tell_added();
  if (out.route == nullptr || data::is_probe(out.route, out.path) || data::is_status_page(out.route, out.path)) {
    out.route = nullptr;
    return out;
  }
  data::Rewritten to;
  if (out.answer.status == 0 && data::is_edited(asked.view)) {
    data::edited(asked.view, to);
    if (to.wrong != nullptr) out.answer = {500, "", to.wrong, ""};
    out.target = std::move(to.target);
  }
  if (out.answer.status == 0 && data::sets_fields(*out.route->settings)) {
    std::string value;
    const char* wrong = data::set_fields(
        asked.view, to.groups,
        [&]() -> std::string& {
          value.clear();
          return value;
        },
        [&](std::string_view name, std::string_view text) { out.sets.push_back(fmt::format("{}: {}", name, text)); });
    if (wrong != nullptr) out.answer = {400, "", wrong, ""};
  }
  const auto host = model.hosts.find(out.route->host);
  const control::ServedRoute served{*out.route->settings, host == model.hosts.end() ? nullptr : host->second.get(),
                                    out.cluster, out.route->spec};
  // A closed route has none that count, and its redirects are off; nor has a name that is sent to another.
  if (out.route->spec->because.empty() && !out.route->settings->to_host) {
    const auto& spec = *out.route->spec;
    const std::string ns = spec.ns.str() + "/", ingress = ns + spec.ingress.str();
    const auto spelled = [&](std::string_view name) { return settings.annotations_prefix + "/" + std::string(name); };
    const control::WhoAsks asks{[&](std::string_view name) {
                                  const auto of = written.annotations.find(ingress);
                                  return of != written.annotations.end() && of->second.contains(spelled(name));
                                },
                                [&](std::string_view name, bool anywhere) {
                                  const std::string full = spelled(name);
                                  return std::ranges::any_of(written.annotations, [&](const auto& other) {
                                    if (other.first == ingress || !other.second.contains(full)) return false;
                                    if (anywhere) return other.first.starts_with(ns);
                                    const auto hosts = written.hosts.find(other.first);
                                    return hosts != written.hosts.end() &&
                                           hosts->second.contains(std::string(out.route->host));
                                  });
                                }};
    out.settings = control::settings_of(served, *snapshot.options, asks);
  }
  if (out.answer.status == 0 && out.cluster != nullptr) out.bounds = control::bounds_of(*snapshot.options);
  return out;
}

// "with NAME: VALUE", or "without NAME".
std::string with(std::string_view field) {
  return field.ends_with(": ") ? fmt::format("without {}", field.substr(0, field.size() - 2))
                               : fmt::format("with {}", field);
}

void print(const WrittenRequest& request, const Explanation& e, std::ostream& out) {
  const auto line = [&](const std::string& text) { print_line(out, text); };
  line(request.method + " " + request.url);
  line("  host " + request.match_host);
  if (!e.path.empty())
    line("  path " + e.path + (request.target.starts_with(e.path) ? "" : "  (decoded and merged, for matching only)"));
  if (!e.certificate.empty()) line("  certificate " + e.certificate);
  if (!e.steps.empty()) line("steps");
  for (const std::string& step : e.steps) line("  " + step);

  line("answer");
  if (e.answer.status != 0)
    line(fmt::format("  {}{}{}: {}{}", e.answer.status, e.answer.location.empty() ? "" : " ", e.answer.location,
                     e.answer.because, e.answer.decided_by.empty() ? "" : "  [filter " + e.answer.decided_by + "]"));
  for (const std::string& field : e.adds) line("  " + with(field));
  const auto tell_refused = [&] {
    if (!e.refused.empty()) line("refused of the Ingresses that ask for the host");
    for (const std::string& refused : e.refused) line("  " + refused);
    if (!e.flags.empty()) line("wrong with flags");
    for (const std::string& flag : e.flags) line("  " + flag);
  };
  if (e.route == nullptr) return tell_refused();
  const model::Route& spec = *e.route->spec;
  const bool to_canary = e.canary && e.canary->takes;
  const auto canary_service = [&] {
    return fmt::format("{}/{}:{}", spec.ns, spec.canary->service, spec.canary->service_port);
  };
  if (e.answer.status == 0)
    line("  forwarded to " +
         (e.stand_in != nullptr ? stand_in_text(spec)
          : to_canary           ? canary_service()
                                : destination_text(spec, e.cluster)) +
         " as " + request.method + " " + e.target);
  if (e.answer.status == 0 && e.canary && e.canary->by_chance)
    line(fmt::format("    or, {} of {} times, to {}", e.route->choice->share(), e.route->choice->total(),
                     canary_service()));
  if (e.answer.status == 0)
    for (const std::string& field : e.sets) line("    " + with(field));
  line("  route of " + ingress_text(spec) +
       (spec.location.empty()
            ? ""
            : fmt::format(", written {} {}", spec.location, spec.path_type.empty() ? "(implicit)" : spec.path_type)));

  if (e.canary)
    line("  its canary of " + canary_ingress_text(spec) + (to_canary ? " takes it: " : ": ") + e.canary->because);

  tell_refused();
  const auto tell_endpoints = [&](std::string_view name, const model::Cluster* cluster, const std::string& text) {
    line(fmt::format("endpoints of {}: {}", name, text));
    if (cluster != nullptr && cluster->balancing) line("  chosen by " + e.balancing);
    if (cluster != nullptr && cluster->balancing && cluster->balancing->health)
      line("  checked by " + health_check_text(*cluster->balancing->health));
    if (cluster != nullptr)
      for (const model::Endpoint& endpoint : cluster->endpoints)
        line(fmt::format("  {} {}{}", address_text(endpoint), state_text(endpoint),
                         endpoint.pod.empty() ? "" : " pod " + endpoint.pod));
  };
  if (!spec.cluster.empty() && !to_canary)
    tell_endpoints(spec.upstream_name, e.cluster, endpoints_text(e.cluster, data::no_endpoints_status(spec)));
  if (e.canary && (to_canary || e.canary->by_chance))
    tell_endpoints(spec.canary->upstream_name, e.canary->cluster, canary_endpoints_text(e.canary->cluster));
  if (e.stand_in != nullptr) tell_endpoints(stand_in_text(spec), e.stand_in, endpoints_text(e.stand_in, 503));
  const auto tell_rows = [&](std::string_view title, const std::vector<control::SettingRow>& rows) {
    if (!rows.empty()) line(std::string(title));
    for (const control::SettingRow& row : rows)
      line("  " + row.name + " = " + row.value + (row.from.empty() ? "" : "  (" + row.from + ")"));
  };
  tell_rows("settings", e.settings);
  tell_rows("what bounds requests to the Service port", e.bounds);
}

boost::json::object as_json(const WrittenRequest& request, const Explanation& e) {
  boost::json::array steps, endpoints;
  for (const std::string& step : e.steps) steps.emplace_back(step);
  const auto rows_of = [](const std::vector<control::SettingRow>& rows) {
    boost::json::array out;
    for (const auto& row : rows) out.push_back({{"name", row.name}, {"value", row.value}, {"from", row.from}});
    return out;
  };
  boost::json::object answer{
      {"status", e.answer.status == 0 ? boost::json::value(nullptr) : boost::json::value(e.answer.status)},
      {"location", e.answer.location},
      {"because", e.answer.because},
      {"filter", e.answer.decided_by},
      {"fields", boost::json::array(e.adds.begin(), e.adds.end())},
      {"fieldsForPods", boost::json::array(e.sets.begin(), e.sets.end())},
      {"forwarded", e.answer.status == 0},
      {"target", e.answer.status == 0 ? boost::json::value(e.target) : boost::json::value(nullptr)}};
  boost::json::object out{{"method", request.method}, {"url", request.url},           {"host", request.match_host},
                          {"path", e.path},           {"certificate", e.certificate}, {"steps", steps},
                          {"answer", answer}};
  out["refused"] = boost::json::array(e.refused.begin(), e.refused.end());
  out["flags"] = boost::json::array(e.flags.begin(), e.flags.end());
  if (e.route == nullptr) return out;
  const model::Route& spec = *e.route->spec;
  if (e.cluster != nullptr)
    for (const model::Endpoint& endpoint : e.cluster->endpoints) endpoints.push_back(to_json(endpoint));
  out["route"] = boost::json::object{{"host", e.route->host},
                                     {"path", spec.path},
                                     {"location", spec.location},
                                     {"pathType", spec.path_type},
                                     {"namespace", spec.ns},
                                     {"ingress", spec.ingress},
                                     {"service", spec.service},
                                     {"servicePort", spec.service_port},
                                     {"serviceNamespace", service_namespace(spec, e.cluster)},
                                     {"cluster", spec.upstream_name},
                                     {"file", spec.origin.file},
                                     {"line", spec.origin.line}};
  if (e.canary) {
    auto canary = to_json(*spec.canary);
    canary["takes"] = e.canary->takes ? "yes" : e.canary->by_chance ? "by chance" : "no";
    canary["because"] = e.canary->because;
    out["canary"] = std::move(canary);
  }
  if (e.stand_in != nullptr) out["standIn"] = stand_in_text(spec);
  out["endpoints"] = endpoints;
  out["endpointsText"] = spec.cluster.empty() ? "" : endpoints_text(e.cluster, data::no_endpoints_status(spec));
  out["balancing"] = e.balancing;
  if (e.cluster != nullptr && e.cluster->balancing && e.cluster->balancing->health)
    out["healthCheck"] = health_check_text(*e.cluster->balancing->health);
  out["settings"] = rows_of(e.settings);
  out["bounds"] = rows_of(e.bounds);
  return out;
}

}  // namespace

int run_explain(const control::Settings& settings, std::string method, std::string url,
                std::vector<std::string> headers, const std::string& from, bool json, std::ostream& out) {
  if (names_transport(method)) return run_explain_stream(settings, method, url, json, out);
  const auto request = read_request(std::move(method), std::move(url), headers);
  if (!request) return fail(request.error(), json, out);
  const auto client = model::read_ip(from);
  if (!client && !from.empty())
    return fail(fmt::format("--from \"{}\": expected an IPv4 or IPv6 address", from), json, out);
  try {
    control::AsWritten written;
    const control::Update update = control::load_once(settings, &written);
    data::Compiler compiler;
    const data::Publication publication = compiler.compile(*update.model, update.change);
    Explanation explanation = explain(*request, client, settings, *update.model, written, *publication.snapshot);
    explanation.flags = problems_of_flags(all_problems(*update.model, compiler));
    if (json)
      print_json(out, as_json(*request, explanation));
    else
      print(*request, explanation, out);
  } catch (const std::exception& e) {
    return fail(e.what(), json, out);
  }
  return 0;
}

}  // namespace sluice::app
