#include "data/proxy/edit.h"

#include "data/exchange/variables.h"
#include "data/proxy/error_page.h"
#include "data/proxy/program.h"
#include "data/runtime/worker_context.h"
#include "net/http/path.h"

namespace sluice::data {

bool leads_away(const model::Rewrite& rewrite) noexcept {
  const auto& target = rewrite.target.text();
  return target.starts_with("http://") || target.starts_with("https://") || target.starts_with("$scheme");
}

void rewrite(const RequestView& request, Rewritten& out) {
  const auto& settings = *request.route->settings;
  const model::Rewrite& wanted = *settings.rewrite;
  out.redirect = leads_away(wanted);
  out.wrong = nullptr;
  out.gave_up = false;
  out.target.clear();
  auto& groups = out.groups = {};
  if (request.route->pattern != nullptr) {
    const auto outcome = request.route->pattern->match(request.path, &groups);
    if (outcome == Regex::Outcome::gave_up) {
      out.wrong = "the pattern of the route takes too many steps for this path";
      out.gave_up = true;
      return;
    }
  }
  // Text of the request is percent-encoded, so that it stays where it is put.
  const bool raw = settings.ambiguous_paths == model::AmbiguousPaths::raw;
  const auto spelling = raw && !out.redirect ? Spelling::path : Spelling::segment;
  const auto how = out.redirect ? Spelling::url : spelling;
  if (request.past_rewrites && wanted.target.names_variables()) [[unlikely]] {
    RequestView before(request);  // $uri in it is the path that it has not made yet
    before.past_rewrites = false;
    evaluate(wanted.target, before, how, out.target, &groups, spelling);
  } else {
    evaluate(wanted.target, request, how, out.target, &groups, spelling);
  }
  if (out.redirect && !out.target.starts_with("http://") && !out.target.starts_with("https://"))
    out.wrong = "rewrite-target makes an URL that is none";
  else if (!out.redirect && !out.target.starts_with('/'))
    out.wrong = "rewrite-target makes a path that begins with no slash";
  else if (!out.redirect && !raw && wanted.target.names_variables() && net::http::ambiguity(out.target) != nullptr)
    out.wrong = "rewrite-target makes a path that two readers may take for different ones";
  if (request.query.size() > 1) out.target += request.query;  // a lone `?` is not written anew, as by nginx
}

void edited(const RequestView& request, Rewritten& out) {
  const auto& settings = *request.route->settings;
  const bool stopped = request.program != nullptr && request.program->stopped;
  if (settings.rewrite && !stopped) {
    rewrite(request, out);
    if (request.program != nullptr) request.program->groups = out.groups;  // nginx has matched once more
    return;
  }
  out.redirect = out.gave_up = false;
  out.wrong = nullptr;
  out.target.clear();
  const bool normalise = settings.ambiguous_paths == model::AmbiguousPaths::normalize;
  const bool raw = settings.ambiguous_paths == model::AmbiguousPaths::raw;
  if (append_target(request, !raw, out.target)) {
    if (!raw && net::http::ambiguity(out.target) != nullptr)
      out.wrong = "a snippet makes a path that two readers may take for different ones";
    return;
  }
  if (normalise) {
    net::http::append_spelled(request.path, out.target);
    out.target += request.query;
  } else {
    out.target += request.received.path_query;
  }
}

namespace {

// What an authentication says of the client stands in place of what anybody else says.
void add_vouched(Exchange& ex) {
  auto& set = ex.memory.set;
  if (ex.set_for_pods.empty()) set.clear();
  for (const auto& field : ex.vouched) {
    std::erase_if(set, [&](const auto& other) { return iequals(other.name, field.name); });
    if (field.id == net::http::Name::host && !field.value.empty())
      ex.pod_host = field.value;
    else
      set.push_back(field);
  }
  ex.set_for_pods = set;
}

std::optional<LocalReply> edit_by_settings(Exchange& ex) {
  const auto& settings = *ex.settings;
  Rewritten to;
  if (is_edited(ex)) {
    to.target.swap(ex.memory.target);
    edited(ex, to);
    to.target.swap(ex.memory.target);
    ex.target = ex.memory.target;
    if (to.wrong != nullptr) return LocalReply{.status = 500, .why = to.wrong, .gave_up = to.gave_up};
  }
  if (!sets_fields(settings)) return std::nullopt;
  auto& set = ex.memory.set;
  set.clear();
  const char* wrong = set_fields(
      ex, to.groups, [&]() -> std::string& { return ex.memory.texts.next(); },
      [&](std::string_view name, std::string_view value) {
        const auto id = net::http::name_of(name);
        if (id == net::http::Name::host)
          ex.pod_host = value;
        else
          set.push_back({name, value, id, false});
      });
  if (wrong != nullptr) return LocalReply{.status = 400, .why = wrong};
  ex.set_for_pods = set;
  return std::nullopt;
}

}  // namespace

void forget_unvouched(Exchange& ex) {
  if (!ex.vouched.empty() || !ex.settings->external_auth) return;
  auto& vouched = ex.memory.vouched;
  vouched.clear();
  for (const auto& name : ex.settings->external_auth->response_headers)
    vouched.push_back({name, {}, net::http::name_of(name), false});
  ex.vouched = vouched;
}

bool is_identity(const Exchange& ex, std::string_view name) noexcept {
  const auto is = [name](std::string_view other) { return names_field(other, name); };
  if (ex.settings->client_auth && std::ranges::any_of(kCertificateFields, is)) return true;
  return ex.settings->external_auth && std::ranges::any_of(ex.settings->external_auth->response_headers, is);
}

std::optional<LocalReply> edit(Exchange& ex) {
  if (ex.route->edited || ex.program != nullptr)  // a rewrite may lead to a route without a snippet
    if (auto wrong = edit_by_settings(ex)) return wrong;
  forget_unvouched(ex);
  if (!ex.vouched.empty()) add_vouched(ex);
  if (ex.instead) tell_default_backend(ex);
  return std::nullopt;
}

}  // namespace sluice::data
