#include "app/explain.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <expected>
#include <optional>

#include "app/describe.h"
#include "app/explain_settings.h"
#include "app/terminal.h"
#include "base/strings.h"
#include "data/filter/filter.h"
#include "data/proxy/edit.h"
#include "net/http/forwarded.h"
#include "net/http/host.h"
#include "net/http/message.h"
#include "net/http/path.h"
#include "net/tls/tls.h"

namespace sluice::app {

namespace {

struct Request {
  std::string method, url;
  bool https = false;
  std::string authority;   // as it would stand in Host
  std::string host;        // authority without port, as written
  std::string match_host;  // lower case, without trailing dot
  std::string sni;         // the URL's host: what a client asks a certificate for
  std::string target;      // path and query
  std::optional<std::uint64_t> content_length;
  std::vector<std::pair<std::string, std::string>> fields;
};

using Parsed = std::expected<Request, std::string>;

std::string for_matching(std::string_view host) {
  std::string out = lower(host);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::optional<std::string> read_header(Request& request, const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string::npos) return fmt::format("header \"{}\": expected \"Name: value\"", line);
  const std::string_view name = std::string_view(line).substr(0, colon);
  const std::string_view value = trim(std::string_view(line).substr(colon + 1));
  if (iequals(name, "host")) {
    request.authority = value;
  } else if (iequals(name, "content-length")) {
    std::uint64_t bytes = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    if (error != std::errc() || end != value.data() + value.size())
      return fmt::format("header \"{}\": expected a number of bytes", line);
    request.content_length = bytes;
  } else {
    request.fields.emplace_back(name, value);
  }
  return std::nullopt;
}

Parsed read_request(std::string method, std::string url, const std::vector<std::string>& headers) {
  auto refuse = [&](std::string_view why) { return std::unexpected(fmt::format("URL \"{}\": {}", url, why)); };
  Request request;
  request.method = std::move(method);
  request.url = url;
  const bool token = !request.method.empty() && std::all_of(request.method.begin(), request.method.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
  if (!token) return std::unexpected(fmt::format("method \"{}\": expected a token such as GET", request.method));

  std::string_view rest = url;
  const std::size_t scheme_end = rest.find("://");
  if (scheme_end == std::string_view::npos) return refuse("expected http://HOST/PATH or https://HOST/PATH");
  const std::string_view scheme = rest.substr(0, scheme_end);
  if (!iequals(scheme, "http") && !iequals(scheme, "https"))
    return refuse(fmt::format("scheme \"{}\" is not served; expected http or https", scheme));
  request.https = iequals(scheme, "https");
  rest.remove_prefix(scheme_end + 3);
  if (rest.find('#') != std::string_view::npos)
    return refuse("a fragment (#...) is never sent to a server; leave it out");
  if (std::any_of(rest.begin(), rest.end(), [](char c) { return c <= ' ' || c >= 0x7f; }))
    return refuse("spaces, control characters and 8-bit characters must be percent-encoded");
  const std::size_t target = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, target);
  request.target = target == std::string_view::npos ? "/" : std::string(rest.substr(target));
  if (request.target.front() == '?') request.target.insert(0, "/");
  if (authority.empty()) return refuse("it names no host");

  const auto url_authority = net::http::split_authority(authority);
  if (!url_authority) return refuse(fmt::format("\"{}\" is not a host with an optional port", authority));
  request.sni = for_matching(url_authority->host);
  request.authority = authority;
  for (const std::string& line : headers)
    if (auto wrong = read_header(request, line)) return std::unexpected(std::move(*wrong));
  const auto split = net::http::split_authority(request.authority);
  if (!split)
    return std::unexpected(
        fmt::format("header Host \"{}\": not a host with an optional port (400)", request.authority));
  request.host = split->host;
  request.match_host = for_matching(split->host);
  return request;
}

// The fields of this name as one list.
std::string joined(const Request& request, std::string_view name) {
  std::string out;
  for (const auto& [field, value] : request.fields)
    if (iequals(field, name)) add_element(out, value);
  return out;
}

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
  bool gave_up = false;  // nobody knows whether it is the route
  std::string target;    // what a pod gets
  const model::Cluster* cluster = nullptr;
  Answer answer;
  std::vector<SettingRow> settings;
  std::string certificate;
  std::vector<std::string> refused;  // of Ingresses that ask for the host, and do not answer here
};

constexpr std::size_t kMostRefused = 10;

// Does an Ingress with a rule for this host ask for requests to `host`?
bool asks_for(const std::string& rule, const std::string& host) {
  if (!rule.starts_with("*.")) return rule == host;
  const auto dot = host.find('.');
  return dot != std::string::npos && host.substr(dot) == rule.substr(1);
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

data::Rewritten rewritten(const Request& request, std::string_view path, const data::Route& route,
                          const model::RouteSettings& settings) {
  data::Rewritten out;
  const auto query = request.target.find('?');
  data::rewrite(route, settings, path,
                query == std::string::npos ? std::string_view() : std::string_view(request.target).substr(query), out);
  return out;
}

// The decisions of the filters, in the filters' own order, for a request that was never received.
Answer decide(const Request& request, const std::string& path, const data::Route& route, const model::Cluster* cluster,
              const model::Options& options) {
  const model::Route& spec = *route.spec;
  const model::RouteSettings& settings = *route.settings;
  const bool forwarded = options.use_forwarded_headers;
  const std::string said_proto = forwarded ? joined(request, "x-forwarded-proto") : "";
  const std::string said_host = forwarded ? joined(request, options.forwarded_host_header) : "";
  const auto came = net::http::client_scheme(said_proto, request.https);
  const std::string_view scheme = came.https ? "https" : "http";
  std::string_view host = request.host;
  if (const auto given = net::http::forwarded_host(said_host)) host = given->authority.host;

  for (const data::Filter& filter : data::filters()) {
    const std::string by(filter.name);
    if (filter.name == "ambiguous-paths" && settings.ambiguous_paths == model::AmbiguousPaths::refuse)
      if (const char* why = net::http::ambiguity(request.target))
        return {400, "", fmt::format("ambiguous-paths is refuse, and the path has {}", why), by};
    if (filter.name == "redirect" && settings.redirect) {
      std::string to = settings.redirect->location;
      if (to.starts_with('/') && !settings.relative_redirects) to = fmt::format("{}://{}{}", scheme, request.host, to);
      return {settings.redirect->status, to, "a redirect annotation", by};
    }
    if (filter.name == "rewrite-target" && settings.rewrite && data::leads_away(*settings.rewrite)) {
      const auto to = rewritten(request, path, route, settings);
      if (to.wrong != nullptr) return {500, "", to.wrong, by};
      return {302, to.target, "rewrite-target is a URL", by};
    }
    if (filter.name == "ssl-redirect") {
      if (auto to = data::https_redirect({!came.plain, host, request.target}, route, settings, 0))
        return {settings.ssl_redirect_status, *to,
                settings.force_ssl_redirect ? "force-ssl-redirect is on" : "the host has TLS and ssl-redirect is on",
                by};
    }
    if (filter.name == "route-answer") {
      if (spec.match == model::PathMatch::slash_redirect) {
        const std::size_t query = request.target.find('?');
        return {301,
                fmt::format("{}://{}{}/{}", scheme, request.authority, spec.path,
                            query == std::string::npos ? "" : request.target.substr(query)),
                "the path of the Ingress ends in a slash", by};
      }
      if (spec.cluster.empty())
        return {spec.status != 0 ? spec.status : 404, "",
                spec.because.empty() ? "the route has no backend" : spec.because.str(), by};
    }
    if (filter.name == "endpoints" && (cluster == nullptr || usable(*cluster) == 0))
      return {503, "", empty_text(cluster), by};
    if (filter.name == "body-size" && settings.body_limit != 0 &&
        request.content_length.value_or(0) > settings.body_limit)
      return {413, "", "Content-Length is above proxy-body-size", by};
  }
  return {};
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

Explanation explain(const Request& request, const control::Settings& settings, const model::Model& model,
                    const control::AsWritten& written, const data::Snapshot& snapshot) {
  Explanation out;
  out.target = request.target;
  out.refused = refused_at(request.match_host, model, written);
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
  std::string scratch(request.target.size(), '\0');
  const auto path = net::http::normalise_path(request.target, scratch.data());
  if (!path) {
    out.answer = {400, "", path.error().detail, ""};
    return out;
  }
  out.path = *path;
  out.route = snapshot.routes->explain(request.match_host, out.path,
                                       [&](std::string_view step) { out.steps.emplace_back(step); });
  snapshot.routes->match(request.match_host, out.path, nullptr, &out.gave_up);
  if (data::is_probe(out.route, out.path)) {
    out.route = nullptr;
    out.answer = {200, "", "a probe of a load balancer, at a host that no Ingress names", ""};
    return out;
  }
  if (out.route == nullptr) {
    out.answer = {404, "", "no route takes the request", ""};
    return out;
  }
  out.cluster = find_cluster(model, *out.route->spec);
  if (out.gave_up) {
    out.answer = {500, "", "a pattern of the host takes too many steps for this path", ""};
    return out;
  }
  out.answer = decide(request, out.path, *out.route, out.cluster, *snapshot.options);
  const model::RouteSettings& asked = *out.route->settings;
  if (out.answer.status == 0 && asked.rewrite) {
    const auto to = rewritten(request, out.path, *out.route, asked);
    if (to.wrong != nullptr)
      out.answer = {500, "", to.wrong, ""};
    else
      out.target = to.target;
  } else if (asked.ambiguous_paths == model::AmbiguousPaths::normalize) {
    out.target.clear();
    net::http::append_spelled(out.path, out.target);
    if (const auto query = request.target.find('?'); query != std::string::npos)
      out.target += request.target.substr(query);
  }
  // A closed route has none that count, and its redirects are off.
  if (out.route->spec->because.empty())
    out.settings = settings_of(*out.route->settings, out.cluster, *snapshot.options, [&](std::string_view name) {
      const auto& spec = *out.route->spec;
      const auto of = written.annotations.find(spec.ns.str() + "/" + spec.ingress.str());
      return of != written.annotations.end() &&
             of->second.contains(settings.annotations_prefix + "/" + std::string(name));
    });
  return out;
}

void print(const Request& request, const Explanation& e, std::ostream& out) {
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
  const auto tell_refused = [&] {
    if (!e.refused.empty()) line("refused of the Ingresses that ask for the host");
    for (const std::string& refused : e.refused) line("  " + refused);
  };
  if (e.route == nullptr) return tell_refused();
  const model::Route& spec = *e.route->spec;
  if (e.answer.status == 0) line("  forwarded to " + destination_text(spec) + " as " + request.method + " " + e.target);
  line("  route of " + ingress_text(spec) +
       (spec.location.empty()
            ? ""
            : fmt::format(", written {} {}", spec.location, spec.path_type.empty() ? "(implicit)" : spec.path_type)));

  tell_refused();
  if (!spec.cluster.empty()) {
    line(fmt::format("endpoints of {}: {}", spec.upstream_name, endpoints_text(e.cluster)));
    if (e.cluster != nullptr)
      for (const model::Endpoint& endpoint : e.cluster->endpoints)
        line(fmt::format("  {} {}{}", address_text(endpoint), state_text(endpoint),
                         endpoint.pod.empty() ? "" : " pod " + endpoint.pod));
  }
  if (!e.settings.empty()) line("settings");
  for (const SettingRow& row : e.settings)
    line("  " + row.name + " = " + row.value + (row.from.empty() ? "" : "  (" + row.from + ")"));
}

boost::json::object as_json(const Request& request, const Explanation& e) {
  boost::json::array steps, settings, endpoints;
  for (const std::string& step : e.steps) steps.emplace_back(step);
  for (const SettingRow& row : e.settings)
    settings.push_back({{"name", row.name}, {"value", row.value}, {"from", row.from}});
  boost::json::object answer{
      {"status", e.answer.status == 0 ? boost::json::value(nullptr) : boost::json::value(e.answer.status)},
      {"location", e.answer.location},
      {"because", e.answer.because},
      {"filter", e.answer.decided_by},
      {"forwarded", e.answer.status == 0},
      {"target", e.answer.status == 0 ? boost::json::value(e.target) : boost::json::value(nullptr)}};
  boost::json::object out{{"method", request.method}, {"url", request.url},           {"host", request.match_host},
                          {"path", e.path},           {"certificate", e.certificate}, {"steps", steps},
                          {"answer", answer}};
  out["refused"] = boost::json::array(e.refused.begin(), e.refused.end());
  if (e.route == nullptr) return out;
  const model::Route& spec = *e.route->spec;
  if (e.cluster != nullptr)
    for (const model::Endpoint& endpoint : e.cluster->endpoints) endpoints.push_back(to_json(endpoint));
  out["route"] = boost::json::object{{"host", e.route->host},         {"path", spec.path},
                                     {"location", spec.location},     {"pathType", spec.path_type},
                                     {"namespace", spec.ns},          {"ingress", spec.ingress},
                                     {"service", spec.service},       {"servicePort", spec.service_port},
                                     {"cluster", spec.upstream_name}, {"file", spec.origin.file},
                                     {"line", spec.origin.line}};
  out["endpoints"] = endpoints;
  out["endpointsText"] = spec.cluster.empty() ? "" : endpoints_text(e.cluster);
  out["settings"] = settings;
  return out;
}

int fail(const std::string& message, bool json, std::ostream& out) {
  if (json)
    print_json(out, boost::json::object{{"error", message}});
  else
    print_line(out, "error: " + message);
  return 2;
}

}  // namespace

int run_explain(const control::Settings& settings, std::string method, std::string url,
                std::vector<std::string> headers, bool json, std::ostream& out) {
  const Parsed request = read_request(std::move(method), std::move(url), headers);
  if (!request) return fail(request.error(), json, out);
  try {
    control::AsWritten written;
    const control::Update update = control::load_once(settings, &written);
    data::Compiler compiler;
    const data::Publication publication = compiler.compile(*update.model, update.change);
    const Explanation explanation = explain(*request, settings, *update.model, written, *publication.snapshot);
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
