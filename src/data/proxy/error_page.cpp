#include "data/proxy/error_page.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "data/exchange/variables.h"
#include "data/proxy/attempt.h"
#include "data/proxy/edit.h"
#include "data/proxy/on_behalf.h"
#include "data/proxy/program.h"
#include "data/proxy/subrequest.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/request_fields.h"

namespace sluice::data {

namespace {

using net::http::Field;
using net::http::Name;

constexpr auto kErrors = static_cast<std::size_t>(model::Role::errors);

// A page is there soon, or the error is answered without.
const model::RouteSettings& way_to_pages() {
  static const model::RouteSettings settings = [] {
    model::RouteSettings out;
    out.protocol = model::BackendProtocol::http;
    out.read_timeout = out.tries_timeout = std::chrono::seconds(10);
    return out;
  }();
  return settings;
}

// Refusals of ours say so whatever the page is: a page is not to open anything.
bool keeps_status(int status) noexcept {
  return status == 401 || status == 403 || status == 421 || status == 429;
}

// Passes the page on to the client, for whom it goes through the same steps as a pod's response.
class Page final : public OnBehalf {
 public:
  Page(Exchange& asker, const LocalReply& error) noexcept
      : OnBehalf(asker), error_(error), of_pod_(asker.intercepted != nullptr) {}
  Exchange* meant_for(Exchange& ex, ResponseStart& page) override {
    const bool refuses = !of_pod_ && keeps_status(error_.status);
    fields_.assign(page.fields.begin(), page.fields.end());
    if (refuses || of_pod_)
      for (const auto& [name, value] : error_.fields) fields_.push_back({name, value, net::http::name_of(name), false});
    if (refuses) {
      page.status = error_.status;
      page.reason = {};
      // A client takes what follows for the body of this status, which has one.
      if (page.framing == net::http::Framing::none && !asks_for_head(asker_)) {
        page.framing = net::http::Framing::length;
        page.content_length = 0;
        std::erase_if(fields_, [](const Field& f) { return f.id == Name::content_length; });
      }
    }
    page.fields = fields_;
    // Via says how the response came.
    asker_.memory.response.major = ex.memory.response.major;
    asker_.memory.response.minor = ex.memory.response.minor;
    asker_.record.status = static_cast<std::uint16_t>(page.status);
    return asker_.down.meant_for(asker_, page);
  }
  net::Task<Status> start(Exchange&, const ResponseStart& page, Chunk first) override {
    return asker_.down.start(asker_, page, first);
  }

 private:
  const LocalReply& error_;
  const bool of_pod_;  // of a pod's error the page says the status, as in ingress-nginx
  std::vector<Field> fields_;
};

std::string_view accepted(const Exchange& ex) noexcept {
  for (const auto& f : ex.received.fields.all())
    if (!f.drop && iequals(f.name, "accept")) return f.value;
  return {};
}

// Whose error it is, in the order of ingress-nginx.
template <class Sink>
void describe_error(const Exchange& ex, std::string_view code, bool with_target, Sink&& sink) {
  const auto& spec = *ex.route->spec;
  sink("X-Code", code);
  sink("X-Format", accepted(ex));
  if (with_target) sink("X-Original-URI", ex.sent().path_query);
  sink("X-Namespace", spec.ns.view());
  sink("X-Ingress-Name", spec.ingress.view());
  sink("X-Service-Name", spec.service.view());
  sink("X-Service-Port", spec.service_port.view());
}

// As nginx writes them: proxy_intercept_errors, without which its error_page sees our own errors alone.
bool intercepts_errors(const Exchange& ex) noexcept {
  const auto& snippet = ex.settings->snippet;
  const auto& pages = ex.settings->error_pages;
  return (ex.program != nullptr && snippet && snippet->intercepts) ||
         (pages && pages->of_pods && !pages->statuses.empty() && !ex.instead);
}

bool signs_in(const model::RouteSettings& settings, int status) noexcept {
  return status == 401 && settings.external_auth && !settings.external_auth->signin.empty();
}

}  // namespace

bool send_to_sign_in(const RequestView& request, LocalReply& reply) {
  if (request.route == nullptr || request.unlocated) return false;
  const model::RouteSettings& settings = *request.route->settings;
  if (!signs_in(settings, reply.status)) return false;
  reply.status = 302;
  reply.location.clear();
  evaluate(settings.external_auth->signin, request, Spelling::url, reply.location);
  // There it is a location of its own that answers: no `expires` has the redirect kept by whoever has signed in.
  if (request.program != nullptr) request.program->level = ProgramState::kNoLevel;
  return true;
}

bool has_page(const Exchange& ex, int status) noexcept {
  if (ex.route == nullptr || ex.further[kErrors] == nullptr || ex.grpc || ex.instead) return false;
  // A page that came back to us would ask for itself; a WebSocket's 200 would say that it is open (RFC 8441 section 5).
  if (status == 508 || (ex.head().upgrade && ex.head().major >= 2)) return false;
  if (ex.worker.held().refuses()) return false;  // the shortest answer is the best one
  if (ex.further[kErrors]->spec().no_service) return false;
  const auto& pages = ex.settings->error_pages;
  return pages && std::ranges::binary_search(pages->statuses, status);
}

bool intercepts(const Exchange& ex, int status) noexcept {
  if (ex.main != nullptr || ex.for_error || ex.tunnel || ex.grpc) return false;
  if (signs_in(*ex.settings, status) && intercepts_errors(ex)) return true;
  if (ex.program != nullptr && intercepts_by_snippet(*ex.settings, status, intercepts_errors(ex))) return true;
  return has_page(ex, status) && ex.settings->error_pages->of_pods;
}

void note_intercepted(Exchange& ex) {
  ex.intercepted = std::make_unique<Intercepted>();
  const auto& response = ex.memory.response;
  ex.intercepted->status = static_cast<std::uint16_t>(response.status);
  static constexpr std::string_view kServers = "WWW-Authenticate", kProxys = "Proxy-Authenticate";
  const std::string_view asks = response.status == 401   ? kServers
                                : response.status == 407 ? kProxys
                                                         : std::string_view();
  if (asks.empty()) return;
  for (const auto& f : response.fields.all())
    if (!f.drop && iequals(f.name, asks)) ex.intercepted->challenges.emplace_back(asks, f.value);
}

net::Task<Result<bool>> send_error_page(Exchange& ex, const LocalReply& error) {
  ClusterRuntime& cluster = *ex.further[kErrors];
  char digits[8];
  const std::string_view code(digits,
                              static_cast<std::size_t>(std::to_chars(digits, digits + 8, error.status).ptr - digits));
  const bool head = asks_for_head(ex);
  std::string target = "/", list;
  target += ex.query;
  std::vector<Field> fields;
  describe_error(ex, code, true, [&](std::string_view name, std::string_view value) {
    fields.push_back({name, value, net::http::name_of(name), false});
  });
  fields.push_back({"X-Request-ID", ex.request_id, Name::x_request_id, false});
  fields.push_back({"X-Forwarded-For", client_list(ex, list), Name::x_forwarded_for, false});
  fields.push_back({"Host", ex.host_header, Name::host, false});
  for (const std::string_view name : kConditions) fields.push_back({name, {}, net::http::name_of(name), false});
  if (ex.settings->client_auth)
    tell_certificate(ex, [&](std::string_view name, std::string_view value) {
      fields.push_back({name, value, Name::other, false});
    });
  forget_unvouched(ex);
  fields.insert(fields.end(), ex.vouched.begin(), ex.vouched.end());
  Page page(ex, error);
  SubRequest asked(
      ex, {cluster, way_to_pages(), head ? "HEAD" : "GET", target, ex.host_header, fields, cluster.outside()}, &page);
  net::Task<Status> asking = asked.run();
  Status outcome = co_await asking;
  append_page_attempts(ex.record, asked.record());
  Result<bool> out = true;
  if (outcome) co_return out;
  if (ex.down.started())
    out = std::unexpected(outcome.error());
  else
    out = false;
  co_return out;
}

void tell_default_backend(Exchange& ex) {
  auto& set = ex.memory.set;
  if (ex.set_for_pods.empty()) set.clear();
  describe_error(ex, "503", false, [&](std::string_view name, std::string_view value) {
    std::erase_if(set, [&](const auto& other) { return iequals(other.name, name); });
    set.push_back({name, value, net::http::name_of(name), false});
  });
  ex.set_for_pods = set;
}

}  // namespace sluice::data
