#include "data/proxy/program.h"

#include <algorithm>
#include <array>

#include "base/percent.h"
#include "data/exchange/variables.h"
#include "data/proxy/media_type.h"
#include "net/http/path.h"

namespace sluice::data {

namespace {

using model::SnippetStep;
using Kind = SnippetStep::Kind;
using Flag = SnippetStep::Flag;
using Test = SnippetStep::Test;

// A group in a query: what would end it, or its parameter, is percent-encoded, as nginx has it.
bool fine_in_query(unsigned char c) {
  return c > 0x20 && c < 0x7f && std::string_view("#%&+?\"<>").find(static_cast<char>(c)) == std::string_view::npos;
}

bool has_dot_segment(std::string_view path) noexcept {
  for (std::size_t at = 0; (at = path.find("/.", at)) != std::string_view::npos; at += 2) {
    const auto rest = path.substr(at + 2);
    if (rest.empty() || rest[0] == '/' || rest == "." || rest.starts_with("./")) return true;
  }
  return false;
}

// One list of steps, for one request.
class Run {
 public:
  Run(RequestView& request, ProgramState& state, bool server) : request_(request), state_(state), server_(server) {}

  // Text that stays for as long as the exchange; what is beyond the limit is left out, and the request ends.
  std::string_view keep(const Template& text, Spelling spelling, Spelling of_groups) {
    std::string& out = state_.texts->next();
    evaluate(text, request_, spelling, out, &state_.groups, of_groups);
    return count(out);
  }
  std::string_view count(std::string& out) {
    state_.made += out.size();
    if (state_.made > model::Snippet::kMostMade) {
      out.clear();
      too_much_ = true;
    }
    return out;
  }
  bool too_much() const noexcept { return too_much_; }

  Program::Next fail(const char* why, bool gave_up = false) {
    state_.gave_up = gave_up;
    state_.answer = {nullptr, {}, 500, false, server_, why};
    return Program::Next::answered;
  }

  // Every match resets the groups, also one that fails. What groups with a name have set stays until such a one
  // matches again; of one that takes no part it is empty then.
  Regex::Outcome match(const Regex* regex, std::string_view subject) {
    state_.groups = {};
    if (regex == nullptr) return Regex::Outcome::gave_up;
    const auto& names = regex->names();
    std::array<std::string_view, model::Snippet::kMostNamed> named;
    const auto room = std::span(named).first(std::min(names.size(), named.size()));
    const auto outcome = regex->match(subject, &state_.groups, room);
    if (outcome == Regex::Outcome::yes)
      for (std::size_t i = 0; i < room.size(); ++i) state_.set(names[i].name, room[i]);
    return outcome;
  }

  Regex::Outcome test(const SnippetStep& step, const Regex* regex) {
    const std::string_view value = keep(step.text, Spelling::raw, Spelling::raw);
    const auto said = [](bool yes) { return yes ? Regex::Outcome::yes : Regex::Outcome::no; };
    switch (step.test) {
      case Test::is_set:
        return said(!value.empty() && value != "0");
      case Test::equals:
        return said(value == keep(step.query, Spelling::raw, Spelling::raw));
      case Test::differs:
        return said(value != keep(step.query, Spelling::raw, Spelling::raw));
      case Test::matches:
        return match(regex, value);
      case Test::fails: {
        const auto outcome = match(regex, value);
        return outcome == Regex::Outcome::gave_up ? outcome : said(outcome == Regex::Outcome::no);
      }
    }
    return Regex::Outcome::gave_up;
  }

  // A rewrite whose pattern matched. Nothing: the path is another now.
  bool redirects(const SnippetStep& step) const noexcept {
    return step.flag == Flag::redirect || step.flag == Flag::permanent || step.is_location;
  }
  Program::Next redirect(const SnippetStep& step) {
    std::string& out = state_.texts->next();
    evaluate(step.text, request_, Spelling::url, out, &state_.groups, Spelling::path);
    append_query(step, out);
    const auto text = count(out);
    if (too_much_) return fail("the texts of a snippet are too large");
    const std::uint16_t status = step.flag == Flag::permanent ? 301 : 302;
    state_.answer = {&step, text, status, true, server_, "a rewrite of a snippet"};
    return Program::Next::answered;
  }
  void append_in_query(const Template& text, std::string& out) {
    for (const auto& part : text.parts()) {
      const auto of = text.text_of(part);
      if (part.variable == kLiteral)
        out += of;
      else if (part.variable == kGroup)
        append_encoded(state_.groups[static_cast<std::size_t>(of[0] - '0')], out, fine_in_query);
      else
        append_value(request_, {part.variable, of}, Spelling::target, out);
    }
  }
  void append_query(const SnippetStep& step, std::string& out) {
    if (step.with_query) {
      out += '?';
      append_in_query(step.query, out);
    }
    if (step.drop_query || request_.query.size() < 2) return;
    out += step.with_query ? '&' : '?';
    out += request_.query.substr(1);
  }
  // Why not; null: done.
  const char* rewrite(const SnippetStep& step) {
    std::string& query = state_.texts->next();
    append_query(step, query);
    const auto path = keep(step.text, Spelling::raw, Spelling::raw);
    const auto kept = count(query);
    if (too_much_) return "the texts of a snippet are too large";
    if (!path.starts_with('/')) return "a rewrite of a snippet makes a path that begins with no slash";
    if (has_dot_segment(path)) return "a rewrite of a snippet makes a path with a dot segment";
    if (path.find('\0') != std::string_view::npos) return "a rewrite of a snippet makes a path with a NUL";
    request_.path = path;
    request_.query = kept;
    state_.rewritten = state_.internal = true;
    return nullptr;
  }

  Program::Next answer(const SnippetStep& step) {
    const auto spelling = step.is_location ? Spelling::url : Spelling::raw;
    state_.answering = state_.in_place_of != 0 ? state_.in_place_of : step.status;
    const auto text = keep(step.text, spelling, spelling);
    state_.answering = 0;
    if (too_much_) return fail("the texts of a snippet are too large");
    state_.answer = {&step, text, step.status, step.is_location, server_, "a return of a snippet"};
    return Program::Next::answered;
  }

  void set_query(const SnippetStep& step) {
    std::string& out = state_.texts->next();
    out += '?';
    // As nginx, which escapes groups where the path that came has something escaped, and copies them where it has not.
    const auto path = request_.received.path_query;
    if (path.substr(0, path.find('?')).find_first_of("%+") != std::string_view::npos)
      append_in_query(step.text, out);
    else
      evaluate(step.text, request_, Spelling::target, out, &state_.groups, Spelling::target);
    if (out.size() == 1) out.clear();
    request_.query = count(out);
    state_.rewritten = true;
  }

  // proxy_pass with a path, which stands in place of the location's own.
  void replace(const SnippetStep& step) {
    std::string& out = state_.texts->next();
    if (step.kind == Kind::target) {
      evaluate(step.text, request_, Spelling::target, out, &state_.groups, Spelling::path);
    } else {
      evaluate(step.text, request_, Spelling::raw, out, &state_.groups, Spelling::raw);
      net::http::append_escaped(request_.path.substr(std::min<std::size_t>(step.count, request_.path.size())), out);
      out += request_.query;
    }
    state_.target = count(out);
  }

 private:
  RequestView& request_;
  ProgramState& state_;
  const bool server_;
  bool too_much_ = false;
};

}  // namespace

namespace {
bool has_groups(const model::Snippet& snippet) {
  const auto in_values = [](const auto& list) {
    return std::ranges::any_of(list, [](const auto& one) { return one.value.names_groups(); });
  };
  return in_values(snippet.request) ||
         std::ranges::any_of(snippet.location,
                             [](const auto& s) { return s.text.names_groups() || s.query.names_groups(); }) ||
         std::ranges::any_of(snippet.levels, [&](const auto& l) { return in_values(l.set) || in_values(l.added); });
}
}  // namespace

Program::Program(model::Shared<model::Snippet> of)
    : of_(std::move(of)),
      server_(compile(of_->server)),
      location_(compile(of_->location)),
      names_groups_(has_groups(*of_)) {}

// They were judged when they were read: one that cannot be compiled any more ends its requests.
Program::Patterns Program::compile(const std::vector<SnippetStep>& steps) {
  Patterns out;
  out.reserve(steps.size());
  for (const auto& step : steps) {
    auto made = step.pattern.empty() ? nullptr : Regex::make(step.pattern).value_or(nullptr);
    out.push_back(std::move(made));
  }
  return out;
}

Program::Next Program::run(std::span<const SnippetStep> steps, const Patterns& patterns, bool server,
                           RequestView& request, ProgramState& state) {
  constexpr const char* kGaveUp = "a regular expression of a snippet takes too many steps";
  Run run(request, state, server);
  bool changed = false, ended = false;
  std::size_t at = 0;
  for (; at < steps.size() && !ended; ++at) {
    const SnippetStep& step = steps[at];
    const Regex* const regex = patterns[at].get();
    switch (step.kind) {
      case Kind::set:
        state.set(step.name, run.keep(step.text, Spelling::raw, Spelling::raw));
        break;
      case Kind::query:
        run.set_query(step);
        break;
      case Kind::test: {
        const auto outcome = run.test(step, regex);
        if (outcome == Regex::Outcome::gave_up) return run.fail(kGaveUp, true);
        if (outcome == Regex::Outcome::no) at += step.count;
        break;
      }
      case Kind::level:
        state.level = step.count;
        break;
      case Kind::rewrite: {
        const auto outcome = run.match(regex, request.path);
        if (outcome == Regex::Outcome::gave_up) return run.fail(kGaveUp, true);
        if (outcome == Regex::Outcome::no) break;
        if (run.redirects(step)) return run.redirect(step);
        if (const char* why = run.rewrite(step)) return run.fail(why);
        if (step.flag == Flag::last && !server) return Next::search;
        changed = true;
        if (step.flag == Flag::stop && !server) state.stopped = true;
        ended = step.flag != Flag::none;
        break;
      }
      case Kind::answer:
        return run.answer(step);
      case Kind::stop:
        if (!server) state.stopped = true;
        ended = true;
        break;
      case Kind::groups:
        if (run.match(regex, request.path) == Regex::Outcome::gave_up) return run.fail(kGaveUp, true);
        break;
      case Kind::replace:
      case Kind::target:
      case Kind::original:
        break;
    }
    if (run.too_much()) return run.fail("the texts of a snippet are too large");
  }
  if (server) return changed ? Next::search : Next::go_on;
  if (changed && !state.stopped) {
    // rewrite-target is one more rule behind these, with `break`: where it matches, no location is looked for.
    if (!request.route->settings->rewrite || request.route->pattern == nullptr) return Next::search;
    const auto outcome = run.match(request.route->pattern, request.path);
    if (outcome == Regex::Outcome::gave_up) return run.fail("the pattern of the route takes too many steps", true);
    return outcome == Regex::Outcome::yes ? Next::go_on : Next::search;
  }
  if (!changed && !steps.empty()) {
    const SnippetStep& last = steps.back();
    if (last.kind == Kind::replace || last.kind == Kind::target) run.replace(last);
    if (last.kind == Kind::original && request.main != nullptr) state.target = request.main->received.path_query;
    if (run.too_much()) return run.fail("the texts of a snippet are too large");
  }
  return Next::go_on;
}

Program::Next Program::run_server(RequestView& request, ProgramState& state) const {
  return run(of_->server, server_, true, request, state);
}

Program::Next Program::run_location(RequestView& request, ProgramState& state) const {
  state.level = 0;
  if (of_->internal && !state.internal) {
    state.answer = {nullptr, {}, 404, false, false, "the location is internal: rewrites alone lead there"};
    return Next::answered;
  }
  // A location that is a regular expression has matched already.
  const Route& route = *request.route;
  if (names_groups_ && route.pattern != nullptr) {
    state.groups = {};
    if (route.pattern->match(request.path, &state.groups) == Regex::Outcome::gave_up) {
      state.groups = {};
      state.gave_up = true;
      state.answer = {nullptr, {}, 500, false, false, "the pattern of the route takes too many steps"};
      return Next::answered;
    }
  }
  return run(of_->location, location_, false, request, state);
}

void run_program(RequestView& request, const RouteTable& routes, std::string_view host, ProgramState& state) {
  request.program = &state;
  const auto place = request.route->spec->rank / 2;
  const auto fail = [&](std::uint16_t status, const char* why) {
    state.answer = {nullptr, {}, status, false, false, why};
  };
  // False: it ends here.
  const auto search = [&] {
    Doubt doubt;
    const Route* const found = routes.match(host, request.path, &doubt);
    request.undecided = doubt.undecided;
    if (found == nullptr) {
      fail(404, "a rewrite of a snippet leads to a path that the host does not have");
      return false;
    }
    if (found->spec->rank / 2 != place) {
      request.undecided = false;
      fail(404, "a rewrite of a snippet leads to a path of another namespace");
      return false;
    }
    request.route = found;
    return !request.undecided;
  };
  switch (request.route->program->run_server(request, state)) {
    case Program::Next::answered:
      return;
    case Program::Next::search:
      if (!search()) return;
      break;
    case Program::Next::go_on:
      break;
  }
  for (;;) {
    const Route& route = *request.route;
    if (route.program == nullptr || model::is_slash_redirect(route.spec->match)) return;
    if (route.program->run_location(request, state) != Program::Next::search) return;
    if (++state.searches > model::Snippet::kMostSearches)
      return fail(500, "rewrites of snippets lead from one to the next without an end");
    if (!search()) return;
  }
}

namespace {
const model::SnippetErrorPage* page_for(const model::RouteSettings& settings, int status) noexcept {
  if (!settings.snippet) return nullptr;
  for (const auto& page : settings.snippet->errors)
    if (std::ranges::find(page.statuses, static_cast<std::uint16_t>(status)) != page.statuses.end()) return &page;
  return nullptr;
}
}  // namespace

bool answer_error(const RequestView& request, LocalReply& reply) {
  if (request.program == nullptr || request.route == nullptr) return false;
  const auto& settings = *request.route->settings;
  const auto* page = page_for(settings, reply.status);
  if (page == nullptr || !page->asks.empty()) return false;
  const SnippetStep& step = page->answer;
  const auto spelling = step.is_location ? Spelling::url : Spelling::raw;
  // A `return` of an error without a text is an error of its own, whatever status the page should have.
  const bool own = !step.is_location && step.status >= 400 && step.text.empty();
  // What is said, and what a redirect has for $status: a browser follows none that has another status.
  const auto said = own                  ? step.status
                    : page->keeps_status ? reply.status
                    : page->status != 0  ? page->status
                                         : step.status;
  std::string text;
  request.program->answering = said;
  RequestView seen(request);
  if (!page->path.empty()) {  // an internal redirect: the path is the page's
    seen.path = page->path;
    seen.query = {};
    seen.past_rewrites = false;
  }
  evaluate(step.text, seen, spelling, text, &request.program->groups, spelling);
  request.program->answering = 0;
  if (text.size() > model::Snippet::kMostMade) return false;
  reply.status = step.is_location ? step.status : said;
  if (step.is_location) {
    reply.location.clear();
    if (text.starts_with('/') && !settings.relative_redirects)
      request.append_origin(settings.port_in_redirects, reply.location);
    reply.location += text;
  } else if (step.has_text) {
    const auto type = media_type_of(page->path.empty() ? request.path : std::string_view(page->path));
    reply.content_type = type.empty() ? std::string_view(page->default_type) : type;
    reply.body = std::move(text);
  }
  if (page->level) request.program->level = *page->level;
  reply.silent = own && is_silent(step.status);
  return true;
}

const model::SnippetErrorPage* asked_for(const RequestView& request, int status) noexcept {
  if (request.program == nullptr || request.route == nullptr) return nullptr;
  const auto* page = page_for(*request.route->settings, status);
  return page != nullptr && !page->asks.empty() ? page : nullptr;
}

bool has_own_text(const RequestView& request, int status) noexcept {
  if (request.program == nullptr) return false;
  const auto& answer = request.program->answer;
  return answer.step != nullptr && answer.status == status && !answer.is_location && !answer.text.empty();
}

bool is_own_text(const RequestView& request, const LocalReply& reply) noexcept {
  return reply.alone || (reply.body && !reply.body->empty() && has_own_text(request, reply.status));
}

bool intercepts_by_snippet(const model::RouteSettings& settings, int status, bool intercepts) noexcept {
  return settings.snippet && (intercepts || settings.snippet->intercepts) && page_for(settings, status) != nullptr;
}

bool append_target(const RequestView& request, bool spelled, std::string& out) {
  const ProgramState* const state = request.program;
  if (state == nullptr || (!state->rewritten && state->target.empty())) return false;
  if (!state->target.empty()) {
    out += state->target;
    return true;
  }
  if (spelled)
    net::http::append_spelled(request.path, out);
  else
    net::http::append_escaped(request.path, out);
  out += request.query;
  return true;
}

}  // namespace sluice::data
