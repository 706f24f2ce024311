#include "data/proxy/elsewhere.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "data/proxy/local_reply.h"
#include "data/proxy/on_behalf.h"
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

// What another path answers, which the client gets as from itself: the connection ends where either says so.
class AnswerInPlace : public OnBehalf {
 public:
  using OnBehalf::OnBehalf;
  net::Task<Status> start(Exchange& ex, const ResponseStart& response, Chunk first) override {
    ex.close_after = ex.close_after || asker_.close_after;
    net::Task<Status> starting = asker_.down.start(ex, response, first);
    Status started = co_await starting;
    asker_.close_after = ex.close_after;
    co_return started;
  }
};

// The answer of who was named.
class Answer final : public AnswerInPlace {
 public:
  Answer(Exchange& asker, std::span<const std::pair<std::string, std::string>> carried) noexcept
      : AnswerInPlace(asker), carried_(carried) {}
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
    named.fields = fields_;
    return &ex;
  }

 private:
  std::span<const std::pair<std::string, std::string>> carried_;
  std::vector<Field> fields_;
};

// What answers in place of an error.
class ErrorAnswer final : public AnswerInPlace {
 public:
  // `status`: what the client gets; 0: what is answered has its own.
  ErrorAnswer(Exchange& asker, const LocalReply& error, std::uint16_t status) noexcept
      : AnswerInPlace(asker), error_(error), status_(status) {}
  Exchange* meant_for(Exchange& ex, ResponseStart& page) override {
    fields_.assign(page.fields.begin(), page.fields.end());
    for (const auto& [name, value] : error_.fields) fields_.push_back({name, value, net::http::name_of(name), false});
    if (status_ != 0 && (page.from_pod || page.status / 100 == 2)) {
      const bool none = has_no_body(status_);
      if (none != (page.framing == net::http::Framing::none) || has_no_body(page.status)) {
        page.framing = none ? net::http::Framing::none : net::http::Framing::length;
        page.content_length = 0;
        std::erase_if(fields_, [](const Field& f) { return f.id == Name::content_length; });
      }
      page.status = status_;
      page.reason = {};
      ex.record.status = status_;
    }
    page.fields = fields_;
    return &ex;
  }

 private:
  const LocalReply& error_;
  const std::uint16_t status_;
  std::vector<Field> fields_;
};

// What is told of the exchange is what became of it at last.
void take_over(Exchange& ex, Exchange& answered) {
  auto& to = ex.record;
  auto& from = answered.record;
  for (int i = 0; i < from.attempts && to.attempts < kMaxAttempts; ++i) {
    auto& attempt = to.attempt[to.attempts++] = from.attempt[i];
    attempt.elsewhere = i == 0;
  }
  to.status = from.status;
  to.reason = from.reason;
  to.ours = from.ours;
  to.bytes_sent = std::max(to.bytes_sent, from.bytes_sent);
  ex.close_after = ex.close_after || answered.close_after;
  ex.note = std::move(answered.note);
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

net::Task<void> answer_from_elsewhere(Exchange& ex) {
  Elsewhere at = std::move(*ex.elsewhere);
  for (int times = 0; times < kMostElsewhere; ++times) {
    Answer answer(ex, at.fields);
    OfSameHost next(ex, answer, asks_for_head(ex) ? net::http::Method::head : net::http::Method::get, at.target);
    next.exchange().first = ex.first != nullptr ? ex.first : &ex;
    net::Task<void> asking = next.run();
    co_await asking;
    take_over(ex, next.exchange());
    std::unique_ptr<Elsewhere> further = std::move(next.exchange().elsewhere);
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

net::Task<bool> answer_error_from_elsewhere(Exchange& ex, const model::SnippetErrorPage& page,
                                            const LocalReply& error) {
  const std::uint16_t status = page.keeps_status ? error.status : page.status;
  ErrorAnswer answer(ex, error, status);
  // The path is taken as it is written: nothing of it has been encoded.
  const auto question = std::min(page.asks.find('?'), page.asks.size());
  std::string target;
  append_encoded(std::string_view(page.asks).substr(0, question), target,
                 [](std::uint8_t byte) { return net::http::kTarget[byte] && byte != '%'; });
  target += as_target(std::string_view(page.asks).substr(question));
  std::string storage(target.size(), '\0');
  const auto path = net::http::normalise_path(target, storage.data());
  Doubt doubt;
  if (!path || find_of_same_host(ex, *ex.view->snapshot().routes, ex.memory.host, *path, doubt) == nullptr)
    co_return false;
  const bool head_alone = asks_for_head(ex) || has_no_body(status);
  OfSameHost next(ex, answer, head_alone ? net::http::Method::head : net::http::Method::get, target);
  Exchange& asked = next.exchange();
  asked.first = ex.first != nullptr ? ex.first : &ex;
  asked.for_error = true;
  for (auto& f : asked.head().fields.all())
    f.drop = f.drop || std::ranges::any_of(kConditions, [&](std::string_view name) { return iequals(name, f.name); });
  net::Task<void> asking = next.run();
  co_await asking;
  take_over(ex, asked);
  co_return true;
}

}  // namespace sluice::data
