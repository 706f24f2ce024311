#include "data/proxy/elsewhere.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "data/exchange/variables.h"
#include "data/proxy/local_reply.h"
#include "data/proxy/on_behalf.h"
#include "data/proxy/program.h"
#include "data/proxy/same_host.h"
#include "data/proxy/subrequest.h"
#include "net/http/grammar.h"
#include "net/http/path.h"

namespace sluice::data {

namespace {

using net::http::Field;
using net::http::Name;

// What the pod says of the document that it names; Set-Cookie goes beside others, the rest in place of nothing.
constexpr std::array<std::string_view, 6> kCarried{"Set-Cookie",    "Content-Type", "Content-Disposition",
                                                   "Cache-Control", "Expires",      "Accept-Ranges"};

bool is_carried(const Field& field) noexcept {
  return !field.drop && std::ranges::any_of(kCarried, [&](std::string_view name) { return iequals(name, field.name); });
}

// Bytes that no target may have are percent-encoded: pods name files as they are called.
std::string as_target(std::string_view named) {
  std::string out;
  append_encoded(named, out, [](std::uint8_t byte) { return net::http::kTarget[byte]; });
  return out;
}

bool has_no_body(int status) noexcept {
  return status == 204 || status == 304;
}

// An error that another path answers in place of.
struct InError {
  const LocalReply& reply;
  std::uint16_t status;  // that the client gets; 0: what is answered has its own
};

// What another path answers, which the client gets as from itself. `carried`: what pods said on the way there.
class Answer final : public OnBehalf {
 public:
  Answer(Exchange& asker, std::span<const std::pair<std::string, std::string>> carried, const InError* error) noexcept
      : OnBehalf(asker), carried_(carried), error_(error) {}
  Exchange* meant_for(Exchange& ex, ResponseStart& named) override {
    fields_.assign(named.fields.begin(), named.fields.end());
    const auto present = fields_.size();
    for (const auto& [name, value] : carried_) {
      const bool beside = iequals(name, "Set-Cookie");
      const auto has = [&](const Field& f) { return !f.drop && iequals(f.name, name); };
      if (!beside && std::any_of(fields_.begin(), fields_.begin() + static_cast<std::ptrdiff_t>(present), has))
        continue;
      fields_.push_back({name, value, net::http::name_of(name), false});
    }
    if (error_ != nullptr) stand_in(ex, named);
    named.fields = fields_;
    return &ex;
  }
  // The connection ends where either says so.
  net::Task<Status> start(Exchange& ex, const ResponseStart& response, Chunk first) override {
    ex.close_after = ex.close_after || asker_.close_after;
    net::Task<Status> starting = asker_.down.start(ex, response, first);
    Status started = co_await starting;
    asker_.close_after = ex.close_after;
    co_return started;
  }

 private:
  void stand_in(Exchange& ex, ResponseStart& page) {
    for (const auto& [name, value] : error_->reply.fields)
      fields_.push_back({name, value, net::http::name_of(name), false});
    const int status = error_->status;
    if (status == 0 || (!page.from_pod && page.status / 100 != 2 && !has_own_text(ex, page.status))) return;
    // Otherwise a client takes what follows for the body of this status, or waits for one.
    const bool none = has_no_body(status);
    if (none || has_no_body(page.status)) {
      page.framing = none ? net::http::Framing::none : net::http::Framing::length;
      page.content_length = 0;
      std::erase_if(fields_, [](const Field& f) { return f.id == Name::content_length; });
    }
    page.status = status;
    page.reason = {};
    ex.record.status = static_cast<std::uint16_t>(status);
  }

  std::span<const std::pair<std::string, std::string>> carried_;
  const InError* const error_;  // null: it is in place of none
  std::vector<Field> fields_;
};

// What is told of the exchange is what became of it at last.
void take_over(Exchange& ex, Exchange& answered) {
  auto& to = ex.record;
  auto& from = answered.record;
  for (int i = 0; i < from.attempts && to.attempts < kMaxAttempts; ++i) {
    auto& attempt = to.attempt[to.attempts++] = from.attempt[i];
    attempt.elsewhere = i == 0 || attempt.elsewhere;
  }
  to.status = from.status;
  to.reason = from.reason;
  to.ours = from.ours;
  to.bytes_sent = std::max(to.bytes_sent, from.bytes_sent);
  ex.close_after = ex.close_after || answered.close_after;
  ex.note = std::move(answered.note);
  ex.path = ex.memory.joined.emplace_back(answered.path);
  ex.query = ex.memory.joined.emplace_back(answered.query);
  std::swap(ex.view, answered.view);
  std::swap(ex.options, answered.options);
  std::swap(ex.process, answered.process);
  std::swap(ex.settings, answered.settings);
  std::swap(ex.route, answered.route);
  std::swap(ex.canary, answered.canary);
  std::swap(ex.cluster, answered.cluster);
  std::swap(ex.further, answered.further);
  std::swap(ex.wanted, answered.wanted);
  std::swap(ex.memory.logged, answered.memory.logged);
}

// What was said before goes on where the newer one does not say it.
void keep_older(Elsewhere& older, Elsewhere& newer) {
  const auto said = newer.fields.size();
  for (auto& field : older.fields) {
    const auto same = [&](const auto& other) { return iequals(other.first, field.first); };
    const auto end = newer.fields.begin() + static_cast<std::ptrdiff_t>(said);
    if (iequals(field.first, "Set-Cookie") || std::find_if(newer.fields.begin(), end, same) == end)
      newer.fields.push_back(std::move(field));
  }
}

constexpr const char* kRoundAndRound = "X-Accel-Redirect has led on ten times";

}  // namespace

bool leads_elsewhere(Exchange& ex) {
  const auto& fields = ex.memory.response.fields;
  const Field* named = nullptr;
  for (const auto& f : fields.all())
    if (f.id == Name::x_accel && iequals(f.name, "x-accel-redirect")) named = &f;
  if (named == nullptr || named->value.empty()) return false;
  if (!ex.elsewhere) ex.elsewhere = std::make_unique<Elsewhere>();
  ex.elsewhere->target = as_target(named->value);
  for (const auto& f : fields.all())
    if (is_carried(f)) ex.elsewhere->fields.emplace_back(f.name, f.value);
  return true;
}

namespace {

// Asks for what is named, and what that names in turn. `error`: in place of which it answers; null: of none.
net::Task<void> lead_on(Exchange& ex, Elsewhere at, const InError* error) {
  for (int times = 0; times < kMostElsewhere; ++times) {
    Answer answer(ex, at.fields, error);
    const bool head_alone = asks_for_head(ex) || (error != nullptr && has_no_body(error->status));
    OfSameHost next(ex, answer, head_alone ? net::http::Method::head : net::http::Method::get, at.target);
    Exchange& asked = next.exchange();
    asked.first = ex.first != nullptr ? ex.first : &ex;
    if (error != nullptr) {
      asked.for_error = true;
      asked.error_status = error->status;
      for (auto& f : asked.head().fields.all())
        f.drop =
            f.drop || std::ranges::any_of(kConditions, [&](std::string_view name) { return iequals(name, f.name); });
    }
    net::Task<void> asking = next.run();
    co_await asking;
    std::unique_ptr<Elsewhere> further = std::move(asked.elsewhere);
    take_over(ex, asked);
    if (!further) co_return;
    keep_older(at, *further);
    at = std::move(*further);
  }
  ex.record.ours = true;
  ex.record.reason = kRoundAndRound;
  LocalReply reply{500, {}, kRoundAndRound};
  net::Task<Status> sending = send_local_reply(ex, std::move(reply));
  Status sent = co_await sending;
  if (!sent) ex.close_after = true;
}

// Has the namespace of the exchange a path for that target? The / that each host has by itself is none.
bool has_path(Exchange& ex, std::string_view target) {
  std::string storage(target.size(), '\0');
  const auto path = net::http::normalise_path(target, storage.data());
  Doubt doubt;
  const Route* const route =
      path ? find_of_same_host(ex, *ex.view->snapshot().routes, ex.memory.host, *path, doubt) : nullptr;
  return route != nullptr && !route->spec->path_type.empty();
}

}  // namespace

net::Task<void> answer_from_elsewhere(Exchange& ex) {
  net::Task<void> leading = lead_on(ex, std::move(*ex.elsewhere), nullptr);
  co_await leading;
}

net::Task<bool> answer_error_from_elsewhere(Exchange& ex, const model::SnippetErrorPage& page,
                                            const LocalReply& error) {
  const InError in_error{error, page.keeps_status ? error.status : page.status};
  // The path is taken as it is written: nothing of it has been encoded.
  Elsewhere at;
  append_encoded(page.asks, at.target, [](std::uint8_t byte) { return net::http::kTarget[byte] && byte != '%'; });
  if (!page.query.empty()) {
    ex.program->answering = in_error.status;
    evaluate(page.query, ex, Spelling::target, at.target, &ex.program->groups, Spelling::target);
    ex.program->answering = 0;
  }
  if (at.target.size() > model::Snippet::kMostMade || !has_path(ex, at.target)) co_return false;
  net::Task<void> leading = lead_on(ex, std::move(at), &in_error);
  co_await leading;
  co_return true;
}

}  // namespace sluice::data
