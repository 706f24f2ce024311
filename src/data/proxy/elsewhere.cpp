#include "data/proxy/elsewhere.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/percent.h"
#include "data/proxy/local_reply.h"
#include "data/proxy/on_behalf.h"
#include "data/proxy/same_host.h"
#include "net/http/grammar.h"

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

// The answer of who was named.
class Answer final : public OnBehalf {
 public:
  Answer(Exchange& asker, std::span<const std::pair<std::string, std::string>> carried) noexcept
      : OnBehalf(asker), carried_(carried) {}
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
  net::Task<Status> start(Exchange& ex, const ResponseStart& named, Chunk first) override {
    ex.close_after = ex.close_after || asker_.close_after;
    net::Task<Status> starting = asker_.down.start(ex, named, first);
    Status started = co_await starting;
    asker_.close_after = ex.close_after;
    co_return started;
  }

 private:
  std::span<const std::pair<std::string, std::string>> carried_;
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
    const bool head_alone = ex.head().method == net::http::Method::head;
    OfSameHost next(ex, answer, head_alone ? net::http::Method::head : net::http::Method::get, at.target);
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

}  // namespace sluice::data
