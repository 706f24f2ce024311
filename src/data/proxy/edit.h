#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/regex.h"
#include "base/strings.h"
#include "data/exchange/exchange.h"
#include "data/exchange/variables.h"
#include "data/plan/step.h"
#include "net/http/host.h"
#include "net/tls/client_certificate.h"

// What the pod will see of the request: the step between the answers of our own and the attempts.
namespace sluice::data {

// Where rewrite-target leads a path.
struct Rewritten {
  bool redirect = false;        // `target` is an absolute URL: the client is sent there
  std::string target;           // path or URL and the query, percent-encoded
  const char* wrong = nullptr;  // why there is none: the answer is 500
  bool gave_up = false;         // because the pattern took too many steps
  Regex::Captures groups{};     // of the path
};
// A decision; `sluice explain` asks it too. The route has a rewrite. Writes into `out.target`, whose memory is used
// again.
void rewrite(const RequestView& request, Rewritten& out);
// Is the rewrite-target an absolute URL?
bool leads_away(const model::Rewrite& rewrite) noexcept;

// Do pods get another target than the one that came?
inline bool is_edited(const model::RouteSettings& settings) noexcept {
  return settings.rewrite || settings.ambiguous_paths == model::AmbiguousPaths::normalize;
}
// That of a request, whose snippets may say so as well.
inline bool is_edited(const RequestView& request) noexcept {
  return is_edited(*request.route->settings) || request.program != nullptr;
}
// That one, by rewrite-target, snippets or ambiguous-paths; a decision as rewrite() is. The route is edited.
void edited(const RequestView& request, Rewritten& out);

// Do pods get fields that annotations and options make?
inline bool sets_fields(const model::RouteSettings& settings) noexcept {
  return settings.upstream_host || (settings.rewrite && !settings.rewrite->prefix.empty()) ||
         settings.request_headers || settings.client_auth || (settings.snippet && !settings.snippet->request.empty());
}
// As ingress-nginx names them.
inline constexpr std::array<std::string_view, 4> kCertificateFields{"ssl-client-cert", "ssl-client-verify",
                                                                    "ssl-client-subject-dn", "ssl-client-issuer-dn"};
// Whom no authentication was asked about has none of the fields in which pods are told of it (Exchange::vouched).
void forget_unvouched(Exchange& ex);
// Is it a field in which pods are told who the client is, so that no client may set it?
bool is_identity(const Exchange& ex, std::string_view name) noexcept;
// What pods and the service of auth-url are told of the client's certificate, where its host wants one. The client's
// own fields of these names are taken away in any case, as they are believed.
template <class Sink>
void tell_certificate(const RequestView& request, Sink&& sink) {
  const auto* const shown = shown_certificate(request);
  const bool tls = request.from != nullptr && request.from->tls;
  const bool pass = request.route->settings->client_auth->pass_certificate && shown != nullptr;
  const std::string_view none;
  sink(kCertificateFields[0], pass ? std::string_view(shown->escaped()) : none);
  sink(kCertificateFields[1], shown != nullptr ? std::string_view(shown->verify())
                              : tls            ? std::string_view("NONE")
                                               : none);
  sink(kCertificateFields[2], shown != nullptr ? std::string_view(shown->subject()) : none);
  sink(kCertificateFields[3], shown != nullptr ? std::string_view(shown->issuer()) : none);
}
// Calls sink(name, value) for each, with the value made in what room() gives, which is empty; Host is among them. An
// empty value removes the field. What proxy-set-headers names is its own, whatever else would make it. `groups`: of the
// rewrite. A decision. Why there is none, if a field cannot be; else null.
template <class Room, class Sink>
const char* set_fields(const RequestView& request, const Regex::Captures& groups, Room&& room, Sink&& sink) {
  const auto& settings = *request.route->settings;
  const auto in = [](const auto& lines, std::string_view name) {
    return std::ranges::any_of(lines, [&](const auto& line) { return iequals(line.name, name); });
  };
  const auto by_snippet = [&](std::string_view name) {
    return settings.snippet && in(settings.snippet->request, name);
  };
  const auto named = [&](std::string_view name) {
    return by_snippet(name) || (settings.request_headers && in(settings.request_headers->lines, name));
  };
  if (settings.upstream_host && !named("Host")) {
    const auto value = field_value(settings.upstream_host->host, request, room(), &groups);
    if (!net::http::split_authority(value)) return "upstream-vhost makes no host of this request";
    sink("Host", value);
  }
  if (settings.rewrite && !settings.rewrite->prefix.empty() && !named("X-Forwarded-Prefix")) {
    sink("X-Forwarded-Prefix", field_value(settings.rewrite->prefix, request, room(), &groups));
  }
  if (settings.client_auth) {
    tell_certificate(request, [&](std::string_view name, std::string_view value) {
      if (!named(name)) sink(name, value);
    });
  }
  const auto put_lines = [&](const auto& lines, bool all, const char* wrong) -> const char* {
    for (const auto& line : lines) {
      if (!all && by_snippet(line.name)) continue;
      if (line.value.text().empty()) {
        sink(std::string_view(line.name), std::string_view());
        continue;
      }
      const auto value = field_value(line.value, request, room());
      if (iequals(line.name, "Host") && !net::http::split_authority(value)) return wrong;
      sink(std::string_view(line.name), value);
    }
    return nullptr;
  };
  if (settings.request_headers)
    if (const char* wrong =
            put_lines(settings.request_headers->lines, false, "proxy-set-headers makes no host of this request"))
      return wrong;
  if (!settings.snippet) return nullptr;
  return put_lines(settings.snippet->request, true, "a snippet makes no host of this request");
}

// Sets what pods get: ex.target, ex.pod_host, ex.set_for_pods. An answer is the end of the request: there is nothing
// that they could get.
std::optional<LocalReply> edit(Exchange& ex);

}  // namespace sluice::data
