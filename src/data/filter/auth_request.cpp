#include "base/percent.h"
#include "data/filter/auth_answer.h"
#include "data/plan/step.h"
#include "data/proxy/same_host.h"
#include "data/proxy/subrequest.h"
#include "data/runtime/worker_context.h"
#include "net/http/grammar.h"

// auth_request of a snippet: a path of the same host says whether a request may come. It is served as a request of the
// client's would be, but for its body and for what guards that path, as in nginx. docs/snippets.md.
namespace sluice::data {

namespace {

constexpr WhyNot kOfPath{"the path of auth_request says 401", "the path of auth_request says 403",
                         "the path of auth_request answers what is neither 2xx, 401 nor 403"};

class AuthRequest final : public Asker {
 public:
  explicit AuthRequest(const model::RouteSettings& route) : Asker(route), snippet_(route.snippet) {
    append_encoded(snippet_->asks, target_, [](std::uint8_t byte) { return net::http::kTarget[byte] && byte != '%'; });
  }

  std::string asks(const RequestView&) const override { return snippet_->asks + " of this host (auth_request)"; }

  net::Task<Result<std::optional<LocalReply>>> ask(Exchange& ex, std::optional<LocalReply> other) const override {
    Result<std::optional<LocalReply>> out{};
    WorkerStats& stats = ex.worker.stats;
    KeptAnswer answer;
    OfSameHost asked(ex, answer, net::http::Method::get, target_);
    asked.exchange().main = &ex;
    net::Task<void> asking = asked.run();
    co_await asking;
    // Whatever was said: nobody waits for it any more.
    if (ex.given_up || ex.client_gone || ex.passed != PassedDeadline::none) {
      out = std::unexpected(ex.given_up.value_or(kClientLeft));
      co_return std::move(out);
    }
    if (!answer.started()) {
      stats.auth_failed.add();
      if (ex.note.empty()) ex.note = std::move(asked.exchange().note);
      out->emplace(auth_failure("the path of auth_request gives no answer", std::move(other)));
      co_return std::move(out);
    }
    const Said said{answer.status, answer.fields, &asked.exchange().record};
    count_answer(said.status, stats);
    if (set_variables(snippet_->auth, said, asked.exchange(), ex))
      *out = verdict(said, kOfPath, ex, std::move(other));
    else
      out->emplace(auth_failure("auth_request_set makes too much text", std::move(other)));
    co_return std::move(out);
  }

 private:
  const model::Shared<model::Snippet> snippet_;
  std::string target_;
};

// nginx takes one of the two for a location: the nearer one, which that of an annotation is.
StepPtr ask_path(const Needs& needs) {
  const auto& s = needs.settings;
  return asks_somebody(s) && !s.external_auth ? std::make_shared<const AuthRequest>(s) : nullptr;
}

}  // namespace

extern const Row kAuthRequest;
const Row kAuthRequest{"auth-request", in(Phase::guard), ask_path};

}  // namespace sluice::data
