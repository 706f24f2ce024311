#include "model/settings/snippet.h"

#include <chrono>
#include <cstring>
#include <ctime>

#include "base/strings.h"
#include "data/exchange/variables.h"
#include "data/plan/step.h"
#include "data/proxy/grpc.h"
#include "data/proxy/media_type.h"
#include "net/http/cidr.h"
#include "net/http/date.h"

// What snippets do once proxy/program.h has run: the answer that they have come to, who may come, and the fields of the
// response. Where nginx does each of these is in docs/snippets.md.
namespace sluice::data {

namespace {

using model::Snippet;
using model::SnippetExpires;
using model::SnippetField;
using model::SnippetLevel;

// What a server-snippet answers is said before a location is looked for, and the rest behind that.
class Answer final : public Step {
 public:
  Answer(const model::RouteSettings& settings, bool of_server)
      : default_type_(settings.snippet->default_type),
        of_server_(of_server),
        completed_(!settings.relative_redirects),
        names_port_(settings.port_in_redirects) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (request.program == nullptr) return std::nullopt;
    const auto& answer = request.program->answer;
    if (answer.status == 0 || answer.of_server != of_server_) return std::nullopt;
    LocalReply reply{.status = answer.status, .why = answer.why, .gave_up = request.program->gave_up};
    if (answer.is_location) {
      if (completed_ && answer.text.starts_with('/')) request.append_origin(names_port_, reply.location);
      reply.location += answer.text;
    } else if (is_silent(answer.status)) {
      reply.silent = true;
    } else if (answer.step != nullptr && answer.step->has_text) {
      reply.body.emplace(answer.text);
      const auto type = media_type_of(request.path);
      reply.content_type = type.empty() ? std::string_view(default_type_) : type;
      // nginx says the type of an empty body, too, where it takes the answer for no error.
      if (answer.text.empty() && answer.status < 400 && answer.status != 204 && answer.status != 304)
        reply.fields.emplace_back("Content-Type", reply.content_type);
    }
    return reply;
  }

 private:
  const std::string default_type_;
  const bool of_server_, completed_, names_port_;
};

// allow and deny: the first that has the client's address decides. A location that leads to no pod is asked before it
// says that there is none.
class Access final : public Step {
 public:
  Access(std::vector<model::SnippetAccess> rules, bool answers)
      : rules_(std::move(rules)), everybody_(says_of_everybody(rules_)), answers_(answers) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (answers_ && (request.route->forwards || request.main != nullptr)) return std::nullopt;
    if (!everybody_ && !request.client_known) return std::nullopt;
    if (everybody_ ? *everybody_ : admits(request.client)) return std::nullopt;
    return LocalReply{.status = 403, .why = "the client's address is one that a snippet denies"};
  }
  bool admits(const std::array<std::uint8_t, 16>& client) const override {
    for (const auto& rule : rules_)
      if (rule.everybody || net::http::contains(rule.range.bytes, rule.range.bits, client.data())) return rule.allow;
    return true;
  }

 private:
  const std::vector<model::SnippetAccess> rules_;
  const std::optional<bool> everybody_;  // what it says of each client
  const bool answers_;
};

// A field with its name known, so that no response looks it up.
struct Known {
  SnippetField of;
  net::http::Name id;
};

class Headers final : public Step {
 public:
  explicit Headers(const Snippet& snippet) {
    for (const SnippetLevel& level : snippet.levels) {
      Level& to = levels_.emplace_back();
      for (const auto& field : level.set) to.set.push_back({field, net::http::name_of(field.name)});
      for (const auto& field : level.added) to.added.push_back({field, net::http::name_of(field.name)});
      to.hidden = level.hidden;
      to.expires = level.expires;
    }
  }
  // `without_route`: of requests that no Ingress takes, which have no Program.
  Headers(const Snippet& snippet, bool without_route) : Headers(snippet) { without_route_ = without_route; }
  static bool has_some(const Snippet& snippet) {
    return std::ranges::any_of(snippet.levels, [](const auto& level) { return level != SnippetLevel{}; });
  }

  void respond(const RequestView& request, ResponseFields& fields) const override {
    if (without_route_ && request.route != nullptr) return;
    const std::size_t at = request.program != nullptr ? request.program->level : 0;
    if (at == ProgramState::kNoLevel) return;
    const Level& level = levels_[at < levels_.size() ? at : 0];
    const auto* const response = fields.response();
    if (response != nullptr && response->from_pod)
      for (const auto& name : level.hidden)
        for (auto& field : response->fields)
          if (iequals(field.name, name)) field.drop = true;
    for (const Known& known : level.set)
      if (concerns(known.of, response)) set(known, request, fields);
    const bool plain = response == nullptr || takes_added_fields(response->status);
    if (plain) expire(level.expires, fields);
    for (const Known& known : level.added)
      if (plain || known.of.always) add(known, request, fields);
  }

 private:
  struct Level {
    std::vector<Known> set, added;
    std::vector<std::string> hidden;
    SnippetExpires expires;
  };

  // Explain shows what it cannot know to be left out.
  static bool concerns(const SnippetField& field, const ResponseFields::Response* response) {
    if (response == nullptr) return true;
    if (!field.statuses.empty() &&
        std::ranges::find(field.statuses, static_cast<std::uint16_t>(response->status)) == field.statuses.end())
      return false;
    if (field.types.empty()) return true;
    for (const auto& sent : response->fields) {
      if (sent.id != net::http::Name::content_type || sent.drop) continue;
      const auto type = trim(sent.value.substr(0, sent.value.find(';')));
      return std::ranges::any_of(field.types, [&](const auto& wanted) { return iequals(wanted, type); });
    }
    return false;
  }

  static std::string_view value_of(const Known& known, const RequestView& request, ResponseFields& fields) {
    if (known.of.value.is_literal()) return known.of.value;
    if (fields.response() == nullptr && !known.of.value.first_too_late(VariableRow::When::request).empty())
      return known.of.value;
    return field_value(known.of.value, request, fields, fields.text());
  }

  static void set(const Known& known, const RequestView& request, ResponseFields& fields) {
    if (known.id == net::http::Name::content_type && fields.response() != nullptr &&
        answers_call(fields.response()->fields))
      return;
    const std::string_view name = known.of.name;
    if (known.of.kind == SnippetField::Kind::clear) {
      if (name.ends_with('*')) return fields.clear_all(name.substr(0, name.size() - 1));
      return fields.clear(name, known.id);
    }
    auto value = value_of(known, request, fields);
    if (known.of.kind == SnippetField::Kind::add) {
      if (!value.empty()) fields.add(name, value, known.id);
      return;
    }
    if (value.empty()) return fields.clear(name, known.id);
    // Where clients are sent is an URL, as nginx makes of a path.
    if (known.id == net::http::Name::location && value.starts_with('/') && request.route != nullptr &&
        !request.route->settings->relative_redirects) {
      std::string& url = fields.text();
      request.append_origin(request.route->settings->port_in_redirects, url);
      value = url.append(value);
    }
    fields.replace(name, value, known.id);
  }

  static void add(const Known& known, const RequestView& request, ResponseFields& fields) {
    const auto value = value_of(known, request, fields);
    if (value.empty()) return;
    if (iequals(known.of.name, "etag") || iequals(known.of.name, "last-modified"))
      fields.replace(known.of.name, value, known.id);
    else
      fields.add(known.of.name, value, known.id);
  }

  // Seconds until the clock of the machine says so again.
  static std::int64_t until(std::int64_t of_day, std::int64_t now) {
    const auto then = static_cast<std::time_t>(now);
    std::tm tm{};
    ::localtime_r(&then, &tm);
    tm.tm_hour = static_cast<int>(of_day / 3600);
    tm.tm_min = static_cast<int>(of_day / 60 % 60);
    tm.tm_sec = static_cast<int>(of_day % 60);
    tm.tm_isdst = -1;
    std::int64_t next = std::mktime(&tm);
    if (next <= now) {
      ++tm.tm_mday;
      tm.tm_isdst = -1;
      next = std::mktime(&tm);
    }
    return next - now;
  }

  static void expire(const SnippetExpires& expires, ResponseFields& fields) {
    using enum SnippetExpires::Kind;
    if (expires.kind == unsaid || expires.kind == off) return;
    auto& when = fields.text();
    auto& control = fields.text();
    switch (expires.kind) {
      case epoch:
        when = "Thu, 01 Jan 1970 00:00:01 GMT";
        control = "no-cache";
        break;
      case max:
        when = "Thu, 31 Dec 2037 23:55:55 GMT";
        control = "max-age=315360000";
        break;
      default: {
        const auto now =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                .count();
        const auto left = expires.kind == daily ? until(expires.seconds, now) : expires.seconds;
        when.resize(net::http::kDateText);
        net::http::format_date(now + left, when.data());
        control = left < 0 ? std::string("no-cache") : "max-age=" + std::to_string(left);
      }
    }
    fields.replace("Expires", when, net::http::name_of("expires"));
    fields.replace("Cache-Control", control, net::http::name_of("cache-control"));
  }

  std::vector<Level> levels_;
  bool without_route_ = false;
};

StepPtr make_answer(const Needs& needs, bool of_server) {
  return needs.settings.snippet ? std::make_shared<const Answer>(needs.settings, of_server) : nullptr;
}
StepPtr make_access(const Needs& needs, bool answers) {
  const auto& snippet = needs.settings.snippet;
  return snippet && !snippet->access.empty() ? std::make_shared<const Access>(snippet->access, answers) : nullptr;
}
StepPtr make_headers(const Needs& needs) {
  const auto& snippet = needs.settings.snippet;
  return snippet && Headers::has_some(*snippet) ? std::make_shared<const Headers>(*snippet) : nullptr;
}

}  // namespace

extern const Row kServerSnippet, kSnippet, kSnippetDeniesHere, kSnippetAccess, kSnippetHeaders;
const Row kServerSnippet{"server-snippet", in(Phase::answer),
                         [](const Needs& needs) { return make_answer(needs, true); }};
const Row kSnippet{"configuration-snippet", in(Phase::answer),
                   [](const Needs& needs) { return make_answer(needs, false); }};
const Row kSnippetDeniesHere{"snippet-denies", in(Phase::answer),
                             [](const Needs& needs) { return make_access(needs, true); }};
const Row kSnippetAccess{"snippet-access", in(Phase::guard),
                         [](const Needs& needs) { return make_access(needs, false); }};
const Row kSnippetHeaders{"snippet-headers", in(Phase::respond), make_headers,
                          [](const model::Options& options, bool) -> StepPtr {
                            if (!options.snippet || !Headers::has_some(*options.snippet)) return nullptr;
                            return std::make_shared<const Headers>(*options.snippet, true);
                          }};

}  // namespace sluice::data
