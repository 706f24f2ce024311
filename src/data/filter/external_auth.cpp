#include "model/settings/external_auth.h"

#include <algorithm>
#include <charconv>

#include "data/exchange/variables.h"
#include "data/filter/auth_answer.h"
#include "data/filter/lifetime.h"
#include "data/filter/upstream_way.h"
#include "data/plan/step.h"
#include "data/proxy/edit.h"
#include "data/proxy/subrequest.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/request_fields.h"
#include "model/hash.h"

// auth-url: another service is asked whether a request may come. 2xx: it may; 401 and 403 are passed on; else 500.
namespace sluice::data {

namespace {

using net::http::Field;
using net::http::Name;

constexpr WhyNot kOfService{"the service of auth-url says 401", "the service of auth-url says 403",
                            "the service of auth-url answers what is neither 2xx, 401 nor 403"};

class ExternalAuth final : public Asker {
 public:
  ExternalAuth(const model::Shared<model::ExternalAuth>& auth, const model::RouteSettings& route)
      : Asker(route), auth_(auth), way_(way_to(auth->tls, auth->host)) {
    // Of how the route asks its pods these count for the service, too. HTTP/1.0 would keep no connection.
    way_.response_head_limit = route.response_head_limit;
    way_.http_1_0 = route.http_1_0 && auth->kept.idle == 0;
    model::Hash hash;
    hash.add(*auth);
    identity_ = std::to_string(hash.value());
  }

  std::string asks(const RequestView& asked) const override {
    RequestView request(asked);
    request.past_rewrites = false;
    std::string out = auth_->tls ? "https://" : "http://";
    evaluate(auth_->host_header, request, Spelling::url, out);
    out += ":" + std::to_string(auth_->port);
    evaluate(auth_->target, request, Spelling::target, out);
    return out;
  }

  net::Task<Result<std::optional<LocalReply>>> ask(Exchange& ex, std::optional<LocalReply> other) const override {
    Result<std::optional<LocalReply>> out{};
    WorkerStats& stats = ex.worker.stats;
    // Who is asked is asked about the path that came, whatever rewrite-target makes of $uri.
    const bool past_rewrites = std::exchange(ex.past_rewrites, false);
    const std::string key = key_of(ex);
    ex.past_rewrites = past_rewrites;
    if (!key.empty()) {
      if (const auto* known = ex.worker.answers.find(key, ex.worker.loop.now())) {
        stats.auth_kept.add();
        std::vector<Field> fields;
        for (const auto& [name, value] : known->fields)
          fields.push_back({name, value, net::http::name_of(name), false});
        *out = judge({known->status, fields, nullptr}, ex, std::move(other));
        co_return std::move(out);
      }
    }

    ClusterRuntime* cluster = ex.further[static_cast<std::size_t>(model::Role::authentication)];
    if (cluster == nullptr) {
      stats.auth_failed.add();
      out->emplace(auth_failure("the service of auth-url has no address", std::move(other)));
      co_return std::move(out);
    }
    std::string target, host, url, list;
    ex.past_rewrites = false;
    evaluate(auth_->target, ex, Spelling::target, target);
    evaluate(auth_->host_header, ex, Spelling::url, host);
    static const Template kUrl("$scheme://$http_host$request_uri");
    evaluate(kUrl, ex, Spelling::field, url);
    std::string redirect;
    if (auth_->request_redirect.empty())
      redirect = ex.sent().path_query;
    else
      evaluate(auth_->request_redirect, ex, Spelling::field, redirect);
    std::vector<Field> fields;
    Texts texts;
    fields.push_back({"X-Forwarded-Proto", {}, Name::x_forwarded_proto, false});
    fields.push_back({"X-Request-ID", ex.request_id, Name::x_request_id, false});
    if (!auth_->method.empty()) {
      fields.push_back({"X-Original-URI", ex.sent().path_query, Name::x_original_uri, false});
      fields.push_back({"X-Scheme", ex.scheme, Name::x_scheme, false});
    }
    const std::size_t at_host = fields.size();
    fields.push_back({"Host", host, Name::host, false});
    fields.push_back({"X-Original-URL", url, Name::other, false});
    fields.push_back({"X-Original-Method", ex.head().method_text, Name::other, false});
    fields.push_back({"X-Sent-From", "nginx-ingress-controller", Name::other, false});
    fields.push_back({"X-Real-IP", ex.client_address, Name::x_real_ip, false});
    fields.push_back({"X-Forwarded-For", client_list(ex, list), Name::x_forwarded_for, false});
    fields.push_back({"X-Auth-Request-Redirect", redirect, Name::other, false});
    if (ex.settings->client_auth)
      tell_certificate(ex, [&](std::string_view name, std::string_view value) {
        fields.push_back({name, value, Name::other, false});
      });
    if (auth_->request_headers) {
      for (const auto& line : auth_->request_headers->lines) {
        const auto value = field_value(line.value, ex, texts.next());
        if (iequals(line.name, "host"))
          fields[at_host].value = value;
        else
          fields.push_back({line.name, value, net::http::name_of(line.name), false});
      }
    }
    ex.past_rewrites = past_rewrites;
    const std::string_view method = auth_->method.empty() ? std::string_view("GET") : std::string_view(auth_->method);
    SubRequest asked(ex, {*cluster, way_, method, target, host, fields, true, &auth_->kept});
    net::Task<Status> asking = asked.run();
    Status outcome = co_await asking;
    // Whatever the service has said: nobody waits for it any more.
    if (ex.given_up || ex.client_gone || ex.passed != PassedDeadline::none) {
      out = std::unexpected(ex.given_up.value_or(outcome ? kClientLeft : outcome.error()));
      co_return std::move(out);
    }
    if (!outcome) {
      stats.auth_failed.add();
      if (ex.note.empty()) ex.note = outcome.error().detail;
      out->emplace(auth_failure("the service of auth-url cannot be asked", std::move(other)));
      co_return std::move(out);
    }
    const Said said{asked.status(), asked.fields(), &asked.record()};
    count_answer(said.status, stats);
    if (!key.empty()) keep(key, said, ex);
    *out = judge(said, ex, std::move(other));
    co_return std::move(out);
  }

  void respond(const RequestView& request, ResponseFields& fields) const override {
    if (request.set_cookies.empty()) return;
    const auto* response = fields.response();
    // Without auth-always-set-cookie they are as add_header has them.
    if (!auth_->always_set_cookie && response != nullptr && !takes_added_fields(response->status)) return;
    for (const auto& cookie : request.set_cookies) fields.add("Set-Cookie", cookie);
  }

 private:
  // Under which an answer is kept; empty: none is. Another route, and another wish, has other answers.
  std::string key_of(const Exchange& ex) const {
    if (auth_->cache_key.empty()) return {};
    std::string out(ex.route->host);
    out.append("\n").append(ex.route->spec->location.view()).append("\n").append(identity_).append("\n");
    evaluate(auth_->cache_key, ex, Spelling::raw, out);
    return out;
  }

  // Answers of other statuses are never kept: a service that fails now may not a moment later.
  void keep(const std::string& key, const Said& said, Exchange& ex) const {
    if (said.status / 100 != 2 && said.status != 401 && said.status != 403) return;
    std::chrono::seconds time{};
    for (const auto& row : auth_->cache_times) {
      const auto named = [&](int status) { return std::ranges::find(row.statuses, status) != row.statuses.end(); };
      if (row.statuses.empty() ? said.status == 200 : named(0) || named(said.status)) {
        time = row.time;
        break;
      }
    }
    if (time.count() == 0) return;
    if (const auto own = lifetime_of(said.fields); own.said) time = own.time;
    if (time.count() == 0 || ex.worker.saves_memory()) return;
    AnswerCache::Answer kept{static_cast<std::uint16_t>(said.status), {}};
    for (const auto& f : said.fields)
      if (is_used(f)) kept.fields.emplace_back(f.name, f.value);
    ex.worker.answers.keep(key, std::move(kept), ex.worker.loop.now() + time);
  }

  bool is_used(const Field& field) const {
    return iequals(field.name, "www-authenticate") || iequals(field.name, "set-cookie") ||
           std::ranges::any_of(auth_->response_headers, [&](const auto& name) { return iequals(name, field.name); }) ||
           names_answer(auth_->variables, field.name);
  }

  // `other`: the answer that the request would get without the service.
  std::optional<LocalReply> judge(const Said& said, Exchange& ex, std::optional<LocalReply> other) const {
    auto& memory = ex.memory;
    const auto keep_text = [&](std::string_view text) { return std::string_view(memory.joined.emplace_back(text)); };
    memory.set_cookies.clear();
    for (const auto& f : said.fields)
      if (iequals(f.name, "set-cookie")) memory.set_cookies.push_back(keep_text(f.value));
    ex.set_cookies = memory.set_cookies;
    if (!set_variables(auth_->variables, said, ex, ex))
      return auth_failure("auth_request_set makes too much text", std::move(other));
    if (said.status / 100 == 2) vouch(said, ex);
    return verdict(said, kOfService, ex, std::move(other));
  }

  // What pods get of its answer, and not from the client.
  void vouch(const Said& said, Exchange& ex) const {
    auto& vouched = ex.memory.vouched;
    vouched.clear();
    for (const auto& name : auth_->response_headers) {
      std::string* value = nullptr;
      for (const auto& f : said.fields) {
        if (!iequals(f.name, name)) continue;
        if (value == nullptr)
          value = &ex.memory.joined.emplace_back(f.value);
        else
          value->append(", ").append(f.value);
      }
      vouched.push_back(
          {name, value != nullptr ? std::string_view(*value) : std::string_view(), net::http::name_of(name), false});
    }
    ex.vouched = vouched;
  }

  const model::Shared<model::ExternalAuth> auth_;
  model::RouteSettings way_;
  std::string identity_;
};

StepPtr ask_service(const Needs& needs) {
  const auto& s = needs.settings;
  return s.external_auth ? std::make_shared<const ExternalAuth>(s.external_auth, s) : nullptr;
}

}  // namespace

extern const Row kExternalAuth;
const Row kExternalAuth{"external-auth", in(Phase::guard, Phase::respond), ask_service};

}  // namespace sluice::data
