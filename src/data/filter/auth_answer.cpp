#include "data/filter/auth_answer.h"

#include <algorithm>

#include "data/exchange/variables.h"
#include "data/filter/basic_auth.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

using net::http::Field;

// All fields of a name, as nginx joins them.
void append_fields(std::string_view name, const Said& said, std::string& out) {
  bool first = true;
  for (const Field& f : said.fields) {
    if (!names_field(name, f.name)) continue;
    if (!std::exchange(first, false)) out += ", ";
    out += f.value;
  }
}

template <class Append>
void for_each_attempt(const Said& said, std::string& out, Append&& append) {
  if (said.record == nullptr) return;
  for (int i = 0; i < said.record->attempts; ++i) {
    const Attempt& attempt = said.record->attempt[i];
    if (i > 0) out += attempt.elsewhere ? " : " : ", ";
    append(attempt);
  }
}

void append_part(const Template& text, const Template::Part& part, const Said& said, const RequestView& of,
                 std::string& out) {
  const std::string_view name = text.text_of(part);
  switch (part.variable) {
    case kLiteral:
      out += name;
      return;
    case variable("upstream_http_"):
      return append_fields(name, said, out);
    case variable("status"):
      out += std::to_string(said.status);
      return;
    case variable("upstream_status"):
      return for_each_attempt(said, out, [&](const Attempt& a) {
        out += std::to_string(a.status != 0 ? int{a.status} : a.timed_out ? 504 : 502);
      });
    case variable("upstream_addr"):
      return for_each_attempt(said, out, [&](const Attempt& a) { out += a.address; });
    default:
      append_value(of, {part.variable, name}, Spelling::raw, out);
  }
}

}  // namespace

Asker::Asker(const model::RouteSettings& route)
    : password_(route.satisfy_any ? password_step(route, false) : nullptr),
      listed_(route.satisfy_any ? route.source_ranges.get() : nullptr) {}

net::Task<Result<std::optional<LocalReply>>> Asker::wait(Exchange& ex) const {
  return password_ == nullptr ? ask(ex, std::nullopt) : behind_password(ex);
}

net::Task<Result<std::optional<LocalReply>>> Asker::behind_password(Exchange& ex) const {
  Result<std::optional<LocalReply>> out{};
  *out = password_->decide(ex);
  if (!*out) {
    net::Task<Result<std::optional<LocalReply>>> checking = password_->wait(ex);
    out = co_await checking;
    if (!out || !*out) co_return std::move(out);
  }
  net::Task<Result<std::optional<LocalReply>>> asking = ask(ex, std::move(*out));
  out = co_await asking;
  co_return std::move(out);
}

LocalReply auth_failure(const char* why, std::optional<LocalReply> other) {
  LocalReply out{.status = 500, .why = why};
  if (other && other->status == 401) out.fields = std::move(other->fields);
  return out;
}

std::optional<LocalReply> verdict(const Said& said, const WhyNot& why, Exchange& ex, std::optional<LocalReply> other) {
  if (said.status / 100 == 2) return std::nullopt;
  if (said.status == 401) {
    LocalReply out{.status = 401, .why = why.unauthorized};
    for (const auto& f : said.fields)
      if (iequals(f.name, "www-authenticate")) out.fields.emplace_back("WWW-Authenticate", f.value);
    if (other && other->status == 401)
      for (auto& field : other->fields) out.fields.push_back(std::move(field));
    return out;
  }
  if (said.status == 403) return other ? std::move(other) : LocalReply{.status = 403, .why = why.forbidden};
  ex.note = "it answers " + std::to_string(said.status);
  if (said.record != nullptr && said.record->ours && !said.record->reason.empty())
    ex.note.append(": ").append(said.record->reason);
  return auth_failure(why.failed, std::move(other));
}

void count_answer(int status, WorkerStats& stats) noexcept {
  (status / 100 == 2                ? stats.auth_allowed
   : status == 401 || status == 403 ? stats.auth_refused
                                    : stats.auth_failed)
      .add();
}

bool names_answer(std::span<const model::SnippetAuthField> sets, std::string_view field) noexcept {
  return std::ranges::any_of(sets, [&](const auto& one) {
    return std::ranges::any_of(one.value.parts(), [&](const Template::Part& part) {
      return part.variable == variable("upstream_http_") && names_field(one.value.text_of(part), field);
    });
  });
}

bool set_variables(std::span<const model::SnippetAuthField> sets, const Said& said, const RequestView& of,
                   Exchange& ex) {
  if (ex.program == nullptr) return true;
  ProgramState& state = *ex.program;
  for (const auto& one : sets) {
    std::string& out = state.texts->next();
    for (const auto& part : one.value.parts()) {
      append_part(one.value, part, said, of, out);
      if (state.made + out.size() > model::Snippet::kMostMade) return false;
    }
    state.made += out.size();
    state.set(one.name, out);
  }
  return true;
}

}  // namespace sluice::data
