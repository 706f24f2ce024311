#include "control/kube/snippet/reader.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"
#include "control/kube/snippet/maps.h"

namespace sluice::control::snippet {

namespace {

using model::Snippet;
using model::SnippetLevel;
using model::SnippetStep;
using Kind = SnippetStep::Kind;
using Test = SnippetStep::Test;

std::string contexts_text(std::uint8_t where) {
  std::string out;
  const auto one = [&](Context c, std::string_view name) {
    if ((where & static_cast<std::uint8_t>(c)) != 0) add_element(out, name);
  };
  one(Context::server, "a server-snippet");
  one(Context::location, "a configuration-snippet or a location");
  one(Context::if_in_server, "an if of a server-snippet");
  one(Context::if_in_location, "an if of a location");
  return out;
}

// The parts of a condition, without its parentheses.
std::vector<Word> condition_of(const Directive& directive) {
  std::vector<Word> words = directive.words;
  if (words.empty() || !words.front().text.starts_with('(') || !words.back().text.ends_with(')')) return {};
  words.front().text.erase(0, 1);
  if (words.front().text.empty() && words.size() > 1) words.erase(words.begin());
  if (words.empty() || words.back().text.empty()) return {};
  words.back().text.pop_back();
  if (words.back().text.empty() && !words.back().quoted) words.pop_back();
  return words;
}

}  // namespace

bool Reader::read(const std::vector<Directive>& directives, Context where, std::uint32_t level) {
  const Context before = std::exchange(where_, where);
  const std::uint32_t level_before = std::exchange(level_, level);
  for (const Directive& directive : directives) {
    std::string expected = read_one(directive);
    if (expected.empty()) continue;
    if (!std::exchange(refused_inside_, true)) refusal_ = {directive.at, head_of(directive), std::move(expected)};
    return false;
  }
  where_ = before;
  level_ = level_before;
  return true;
}

std::string Reader::read_one(const Directive& directive) {
  const Row* row = find_row(directive.name);
  if (directive.name.find("_by_lua") != std::string::npos) return "no Lua: there is no interpreter of it here";
  if (row == nullptr) return "a directive that docs/snippets.md lists";
  if (row->refused) return std::string(row->because);
  if (row->handle == read_pass && !nested()) return read_pass(*this, directive);  // which says where it may be
  if ((row->where & static_cast<std::uint8_t>(where_)) == 0) {
    const bool in_if = where_ == Context::if_in_server || where_ == Context::if_in_location;
    return std::string(in_if ? "it outside of this if, in " : "it in ") + contexts_text(row->where) + " alone";
  }
  if (row->block != directive.has_block) return row->block ? "a block behind it" : "no block behind it";
  if (directive.words.size() < row->fewest || directive.words.size() > row->most)
    return row->fewest == row->most
               ? std::to_string(row->fewest) + (row->fewest == 1 ? " word" : " words") + " behind it"
               : std::to_string(row->fewest) + " to " + std::to_string(row->most) + " words behind it";
  if (row->handle != nullptr) return row->handle(*this, directive);
  say(directive, std::string(row->because));
  return {};
}

void Reader::say(const Directive& directive, std::string because) {
  block_.said.push_back({directive.at, directive.name, std::move(because)});
}

void Reader::change(const Directive& directive, std::function<void(model::RouteSettings&)> how, bool everywhere) {
  if (where_ == Context::server && !everywhere)
    say(directive, "ingress-nginx sets it anew for each path of an Ingress; the annotation does it there");
  if (where_ == Context::server && everywhere) block_.far_changes.push_back(how);
  block_.changes.push_back(std::move(how));
}

std::string Reader::add(SnippetStep step) {
  if (block_.steps.size() >= Snippet::kMostSteps)
    return "at most " + std::to_string(Snippet::kMostSteps) + " steps of rewriting";
  block_.steps.push_back(std::move(step));
  return {};
}

namespace {

// Why a text must not name what has no value yet. `late`: with its dollar sign.
std::string too_late(const std::string& late, Reader::For what) {
  if (Template(late).first_too_late(VariableRow::When::response).empty())
    return "no " + late + ": there is no response yet when " +
           (what == Reader::For::request ? "pods are asked" : "this is read");
  return "no " + late + ": what it is worth is known once the response has been sent, and this is " +
         (what == Reader::For::step ? "read" : "written") + " before" +
         (late == "$upstream_response_time" && what != Reader::For::step && what != Reader::For::request
              ? "; $upstream_header_time is known"
              : "");
}

}  // namespace

std::string Reader::text(const Word& word, For what, Template& out) {
  using When = VariableRow::When;
  out = Template(word.text);
  if ((what == For::request || what == For::response) && has_control(word.text))
    return "a value without control characters";
  for (const auto& part : out.parts()) {
    const auto of = out.text_of(part);
    if (part.variable == kLiteral && of.find('$') != std::string_view::npos)
      return "a name behind each $, as nginx has no other way to write one";
    if (part.variable == kUnknown) block_.uses.push_back({lower(of), word.at});
  }
  const bool answered = what == For::answer || what == For::error || what == For::response;
  const auto late = what == For::said ? std::string() : out.first_too_late(answered ? When::response : When::request);
  if (!late.empty()) return too_late(late, what);
  if (what == For::answer || what == For::error)
    for (const auto& part : out.parts()) {
      const bool of_pod = part.variable == variable("upstream_http_") || part.variable == variable("sent_http_");
      if (kVariables[part.variable].when != When::response || part.variable == variable("status")) continue;
      const std::string name =
          "$" + std::string(kVariables[part.variable].name) + (of_pod ? std::string(out.text_of(part)) : std::string());
      if (of_pod) return "no " + name + ": headers of what this answers in place of are not kept";
      if (what == For::answer && !too_soon_)
        too_soon_ = {word.at, name,
                     "no " + name +
                         ": no pod was asked before; a named location or an internal one, which error_page leads to, "
                         "may name it"};
    }
  if (++fields_ > 4 * Snippet::kMostFields) return "fewer texts";
  return {};
}

std::string Reader::pattern(std::string_view written, bool any_case, std::string& out) {
  if (++patterns_ > Snippet::kMostPatterns)
    return "at most " + std::to_string(Snippet::kMostPatterns) + " regular expressions";
  out = (any_case ? "" : "(?-i)") + std::string(written);
  const auto made = budget_.make(out);
  if (!made) return "a regular expression (PCRE2): " + made.error();
  const auto& names = (*made)->names();
  if (names.size() > Snippet::kMostNamed)
    return "at most " + std::to_string(Snippet::kMostNamed) + " groups with a name in an expression";
  for (const auto& [written_name, group] : names) {
    std::string name = lower(written_name);
    if (!made_of(name, "_")) return "names of groups of letters, digits and _, which " + shorten(name) + " is not";
    if (auto expected = wrong_variable(name); !expected.empty())
      return "another name for the group " + shorten(name) + ": " + expected;
    if (group > Regex::kMostGroups)
      return "names for the first " + std::to_string(Regex::kMostGroups) + " groups of an expression alone";
    block_.sets.insert(std::move(name));
  }
  return {};
}

std::string wrong_variable(std::string_view name) {
  if (name == "limit_rate")
    return "the directive limit_rate, or the annotation limit-rate: the variable slows nobody down";
  const Variable known = find_variable(name);
  if (known.id == kUnknown) return {};
  return known.of.empty() ? "a variable that nginx does not have itself"
                          : "proxy_set_header or more_set_input_headers: a variable of that name changes no header";
}

std::string Reader::read_if(const Directive& directive) {
  const auto words = condition_of(directive);
  if (words.empty()) return "a condition in parentheses";
  if (words.front().text.starts_with('-') || words.front().text.starts_with("!-"))
    return "no test of files: there are none here";
  if (words.size() != 1 && words.size() != 3) return "($variable), or ($variable OPERATOR value)";
  SnippetStep step;
  step.kind = Kind::test;
  if (auto expected = text(words[0], For::step, step.text); !expected.empty()) return expected;
  if (step.text.parts().size() != 1 || step.text.parts()[0].variable == kLiteral ||
      step.text.parts()[0].variable == kGroup)
    return "one variable in front, as $host";
  if (words.size() == 3) {
    const std::string& how = words[1].text;
    if (how == "=" || how == "!=") {
      step.test = how == "=" ? Test::equals : Test::differs;
      if (auto expected = text(words[2], For::step, step.query); !expected.empty()) return expected;
    } else if (how == "~" || how == "~*" || how == "!~" || how == "!~*") {
      step.test = how.starts_with('!') ? Test::fails : Test::matches;
      if (auto expected = pattern(words[2].text, how.ends_with('*'), step.pattern); !expected.empty()) return expected;
    } else {
      return "one of =, !=, ~, ~*, !~ and !~*";
    }
  }
  const std::size_t at = block_.steps.size();
  if (auto expected = add(std::move(step)); !expected.empty()) return expected;
  const bool in_location = where_ == Context::location;
  std::uint32_t own = 0;
  if (in_location) {
    own = static_cast<std::uint32_t>(block_.levels.size());
    block_.levels.emplace_back();
    SnippetStep enter;
    enter.kind = Kind::level;
    enter.count = own;
    if (auto expected = add(std::move(enter)); !expected.empty()) return expected;
  }
  if (!read(directive.block, in_location ? Context::if_in_location : Context::if_in_server, own)) return "-";
  block_.steps[at].count = static_cast<std::uint32_t>(block_.steps.size() - at - 1);
  return {};
}

namespace {

// Does anything that is left of the URL of a proxy_pass to `upstream_balancer` say which Service that is?
std::string name_upstream(Block& block, std::string_view ns, const Directive& directive) {
  if (!block.pass || block.pass->host != "upstream_balancer" || block.pass->service) return {};
  std::string_view name;
  for (const auto& step : block.steps)
    if (step.kind == Kind::set && step.name == "proxy_upstream_name") name = step.text;
  if (!name.starts_with(std::string(ns) + "-"))
    return "set $proxy_upstream_name with " + std::string(ns) + "-SERVICE-PORT beside it, at " + directive.name;
  name.remove_prefix(ns.size() + 1);
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == name.size()) return "NAMESPACE-SERVICE-PORT";
  block.pass->host = name.substr(0, dash);
  block.pass->port = name.substr(dash + 1);
  block.pass->service = true;
  block.pass->host_header.clear();
  return {};
}

}  // namespace

std::string Reader::read_location(const Directive& directive) {
  if (depth_ > 0) return "it beside the location that it stands in, with its whole path: no location is inside of one";
  if (block_.locations.size() >= Snippet::kMostLocations)
    return "at most " + std::to_string(Snippet::kMostLocations) + " locations";
  Location made;
  made.at = directive.at;
  using enum model::PathMatch;
  static constexpr std::pair<std::string_view, model::PathMatch> kModifiers[] = {
      {"~*", snippet_pattern_any_case}, {"^~", snippet_first}, {"~", snippet_pattern}, {"=", snippet_exact}};
  if (directive.words.size() == 2) {
    const auto* const at =
        std::ranges::find(kModifiers, directive.words[0].text, &std::pair<std::string_view, model::PathMatch>::first);
    if (at == std::end(kModifiers)) return "one of =, ^~, ~ and ~* in front of the path";
    made.match = at->second;
    made.path = directive.words[1].text;
  } else {
    made.path = directive.words[0].text;
    for (const auto& [modifier, match] : kModifiers) {
      if (!made.path.starts_with(modifier)) continue;
      made.match = match;
      made.path.erase(0, modifier.size());
      break;
    }
  }
  const bool handler = made.path.starts_with('@') && directive.words.size() == 1;
  if (handler && where_ != Context::server)
    return "a named location in a server-snippet: nginx takes none inside of a location";
  if (has_control(made.path)) return "a path without control characters";
  auto block = std::make_shared<Block>();
  Reader inside(*block, ns_, depth_ + 1);
  if (model::is_snippet_pattern(made.match)) {
    SnippetStep groups;
    groups.kind = Kind::groups;
    if (auto expected = this->pattern(made.path, made.match == snippet_pattern_any_case, groups.pattern);
        !expected.empty())
      return expected;
    if (auto expected = inside.add(std::move(groups)); !expected.empty()) return expected;
  } else if (!handler) {
    if (!made.path.starts_with('/')) return "a path that begins with /";
    if (made.path == "/" && made.match != snippet_exact)
      return "a path other than /, which an Ingress has: nginx takes no configuration with two of one path";
  }
  const auto same = [&](const Location& other) {
    return other.path == made.path && !model::is_snippet_pattern(made.match) &&
           !model::is_snippet_pattern(other.match) && (other.match == snippet_exact) == (made.match == snippet_exact);
  };
  if (std::ranges::any_of(handler ? block_.handlers : block_.locations, same))
    return "each location once: nginx takes no configuration with two of one path";
  inside.patterns_ = patterns_;
  inside.budget_ = budget_;
  const bool fine = inside.read(directive.block, Context::location, 0);
  patterns_ = inside.patterns_;
  budget_ = inside.budget_;
  if (!fine) {
    refusal_ = inside.refusal_;
    refused_inside_ = true;
    return "-";
  }
  if (const auto* soon = inside.too_soon(); soon != nullptr && !handler && !block->internal) {
    refusal_ = *soon;
    refused_inside_ = true;
    return "-";
  }
  if (inside.end_)
    if (auto expected = inside.add(std::move(*inside.end_)); !expected.empty()) return expected;
  if (auto expected = name_upstream(*block, ns_, directive); !expected.empty()) return expected;
  // With a path of its own, what is left of the request's is put behind it.
  if (!block->steps.empty() && block->steps.back().kind == Kind::replace) {
    if (model::is_snippet_pattern(made.match))
      return "proxy_pass without a path where the location is a regular expression, as nginx has it";
    block->steps.back().count = static_cast<std::uint32_t>(made.path.size());
  }
  const bool more = block->pass || !block->access.empty() || block->levels.size() != 1 || !block->locations.empty() ||
                    (block->asks && !block->asks->empty());
  if (!more && block->steps.size() == 1 && block->steps[0].kind == Kind::answer) block->answer = block->steps[0];
  block->written = in_one_line(directive.block, 200);
  block_.sets.insert(block->sets.begin(), block->sets.end());
  block_.uses.insert(block_.uses.end(), block->uses.begin(), block->uses.end());
  block_.said.insert(block_.said.end(), block->said.begin(), block->said.end());
  if (!inside.resolve()) {
    refusal_ = inside.refusal_;
    refused_inside_ = true;
    return "-";
  }
  made.block = std::move(block);
  (handler ? block_.handlers : block_.locations).push_back(std::move(made));
  return {};
}

bool Reader::resolve() {
  for (const auto& [at, path] : mirrors_) {
    const auto to = std::ranges::find_if(
        block_.locations, [&](const Location& l) { return l.path == path && !model::is_snippet_pattern(l.match); });
    if (to == block_.locations.end() || !to->block->pass || to->block->mirror_url.empty()) {
      refusal_ = {at, "mirror",
                  "a location of that path in the same snippet, with `internal` and a proxy_pass; or the annotation "
                  "mirror-target"};
      return false;
    }
    block_.mirror = to->block->mirror_url;
  }
  return true;
}

namespace {

// Where an error_page leads. `near`: the block that it stands in, or that its location stands in; `server`: as nginx
// has it, the one place of named locations.
struct Led {
  const Location* to = nullptr;         // null: nowhere
  const SnippetStep* answer = nullptr;  // null: what it does is more than an answer
  bool near = false;
};
Led led_to(const ErrorPage& page, const Block& near, const Block* server) {
  const auto among = [&](const std::vector<Location>& list) {
    const auto at = std::ranges::find_if(
        list, [&](const Location& l) { return l.path == page.location && !model::is_snippet_pattern(l.match); });
    return at == list.end() ? nullptr : &*at;
  };
  Led out;
  if (page.location.starts_with('@')) {
    if (server != nullptr) out.to = among(server->handlers);
  } else {
    out.to = among(near.locations);
    out.near = out.to != nullptr && &near != server;
    if (out.to == nullptr && server != nullptr) out.to = among(server->locations);
  }
  if (out.to == nullptr) return out;
  if (out.to->block->answer && page.page.query.empty()) out.answer = &*out.to->block->answer;
  return out;
}

// Is the path one that whoever has it at the host is asked for?
bool asks_for_path(const ErrorPage& page, const Led& led) noexcept {
  return led.answer == nullptr && page.location.starts_with('/') && page.location.find('$') == std::string::npos;
}

// Those of a block and of its locations.
template <class Visit>
void visit_pages(const Block& block, Visit&& visit) {
  for (const ErrorPage& page : block.errors) visit(page);
  for (const Location& location : block.locations)
    for (const ErrorPage& page : location.block->errors) visit(page);
}

}  // namespace

std::optional<Refusal> leads_nowhere(const Block& block, const Block* server) {
  std::optional<Refusal> out;
  visit_pages(block, [&](const ErrorPage& page) {
    if (out || page.location.empty()) return;
    const Led led = led_to(page, block, server);
    if (led.answer != nullptr || asks_for_path(page, led)) return;
    out = Refusal{
        page.at, "error_page " + page.location,
        std::string(led.to != nullptr ? "a location that does nothing but `return`, or a path in place of its name"
                                      : "an URL, a path, or a named location of a server-snippet") +
            "; the annotations custom-http-errors and default-backend lead errors to a Service"};
  });
  return out;
}

std::vector<const ErrorPage*> asked_paths(const Block& block, const Block* server) {
  std::vector<const ErrorPage*> out;
  visit_pages(block, [&](const ErrorPage& page) {
    if (asks_for_path(page, led_to(page, block, server))) out.push_back(&page);
  });
  return out;
}

std::vector<const Location*> without_use(const Block& server, const std::vector<const Block*>& others) {
  std::set<std::string_view> used;
  const auto note = [&](const ErrorPage& page) { used.insert(page.location); };
  visit_pages(server, note);
  for (const Block* other : others) visit_pages(*other, note);
  std::vector<const Location*> out;
  for (const Location& handler : server.handlers)
    if (!used.contains(handler.path)) out.push_back(&handler);
  return out;
}

std::expected<Block, Refusal> read(std::string_view text, Context where, std::string_view ns) {
  auto parsed = parse(text);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  Block out;
  out.written = in_one_line(*parsed, 300);
  Reader reader(out, ns);
  if (!reader.read(*parsed, where, 0) || !reader.resolve()) return std::unexpected(reader.refusal());
  if (where == Context::server)
    if (auto refused = leads_nowhere(out, &out)) return std::unexpected(std::move(*refused));
  if (const auto* soon = reader.too_soon()) return std::unexpected(*soon);
  if (out.sets.size() > Snippet::kMostVariables)
    return std::unexpected(Refusal{{}, "set", "at most " + std::to_string(Snippet::kMostVariables) + " variables"});
  return out;
}

namespace {

// nginx's inheritance, directive by directive: more_* of both count, the outer ones first; of the others those of the
// inner block alone, where it has any.
SnippetLevel within(const SnippetLevel& outer, const SnippetLevel& inner) {
  SnippetLevel out;
  out.set = outer.set;
  out.set.insert(out.set.end(), inner.set.begin(), inner.set.end());
  out.added = inner.added.empty() ? outer.added : inner.added;
  out.hidden = inner.hidden.empty() ? outer.hidden : inner.hidden;
  out.expires = inner.expires.kind == model::SnippetExpires::Kind::unsaid ? outer.expires : inner.expires;
  return out;
}

// The levels of a block whose first one inherits from `outer`. One that says nothing is the first.
void settle_levels(const SnippetLevel& outer, const Block& block, std::vector<SnippetStep>& steps, Snippet& out) {
  out.levels.push_back(within(outer, block.levels.front()));
  std::vector<std::uint32_t> place(block.levels.size(), 0);
  for (std::size_t i = 1; i < block.levels.size(); ++i) {
    if (block.levels[i] == SnippetLevel{}) continue;
    place[i] = static_cast<std::uint32_t>(out.levels.size());
    out.levels.push_back(within(out.levels.front(), block.levels[i]));
  }
  for (auto& step : steps)
    if (step.kind == Kind::level) step.count = place[step.count];
}

// The error pages of `of`, which stands in `near`, or is it. Each location that one leads to is a level of its own.
std::vector<model::SnippetErrorPage> pages_of(const std::vector<ErrorPage>& of, const Block& near, const Block& server,
                                              Snippet& out) {
  std::vector<model::SnippetErrorPage> made;
  for (const ErrorPage& error : of) {
    model::SnippetErrorPage page = error.page;
    if (!error.location.empty()) {
      const Led led = led_to(error, near, &server);
      if (asks_for_path(error, led)) {
        page.asks = error.location;
        made.push_back(std::move(page));
      }
      if (led.answer == nullptr) continue;
      const Block& block = *led.to->block;
      const SnippetLevel& outer = server.levels.front();
      page.answer = *led.answer;
      if (!error.location.starts_with('@')) page.path = error.location;
      page.default_type = block.default_type.value_or(server.default_type.value_or(page.default_type));
      page.level = static_cast<std::uint32_t>(out.levels.size());
      out.levels.push_back(within(led.near ? within(outer, near.levels.front()) : outer, block.levels.front()));
    }
    made.push_back(std::move(page));
  }
  return made;
}

// What limits of `near` come to, or of those it is in where it has none of that kind: the innermost comes first.
model::SnippetLimits limits_of(std::initializer_list<const Block*> blocks, const Block& server) {
  model::SnippetLimits out;
  for (const Block* block : blocks) {
    if (block == nullptr) continue;
    const bool rates = out.rates.empty(), connections = out.connections.empty();
    for (const Limit& limit : block->limits) {
      if (limit.most == 0 && rates) {
        out.rates.push_back({limit.zone, limit.key, limit.a_second, limit.burst, limit.delay});
        out.rates_of_server = block == &server;
      } else if (limit.most != 0 && connections) {
        out.connections.push_back({limit.zone, limit.key, limit.most});
        out.connections_of_server = block == &server;
      }
    }
    if (out.rate_status == 0) out.rate_status = block->rate_status;
    if (out.connection_status == 0) out.connection_status = block->connection_status;
  }
  return out;
}

}  // namespace

std::optional<model::SourceRanges> as_ranges(const std::vector<model::SnippetAccess>& access) {
  std::vector<model::Cidr> denied, allowed;
  for (const auto& rule : access) {
    if (rule.everybody) {
      if (rule.allow || allowed.empty()) return std::nullopt;
      return model::SourceRanges{std::move(denied), std::move(allowed)};
    }
    if (!rule.allow && !allowed.empty()) return std::nullopt;
    (rule.allow ? allowed : denied).push_back(rule.range);
  }
  return std::nullopt;  // who is in none of them passes under `all`, and not under `any`
}

bool move_list(model::RouteSettings& settings) {
  const bool any = settings.satisfy_any && (settings.basic_auth || model::asks_somebody(settings));
  if (!any || !settings.snippet || settings.snippet->access.empty()) return true;
  auto ranges = as_ranges(settings.snippet->access);
  if (!ranges) return false;
  // What block-cidrs asks for stays beside it.
  if (settings.source_ranges && settings.source_ranges->blocked) {
    auto denied = ranges->denied.get();
    denied.insert(denied.end(), settings.source_ranges->denied.begin(), settings.source_ranges->denied.end());
    ranges->denied = std::move(denied);
    ranges->blocked = true;
  }
  settings.source_ranges = std::move(*ranges);
  Snippet rest = *settings.snippet;
  rest.access.clear();
  settings.snippet = std::move(rest);
  return true;
}

model::Shared<Snippet> settle(const Block* outer, const Block* inner, bool own_lists) {
  static const Block none;
  if (outer == nullptr && inner == nullptr) return nullptr;
  const Block& far = outer != nullptr ? *outer : none;
  const Block& near = inner != nullptr ? *inner : none;
  Snippet out;
  out.server = far.steps;
  out.location = near.steps;
  settle_levels(far.levels.front(), near, out.location, out);
  out.access = !near.access.empty() ? near.access : own_lists ? std::vector<model::SnippetAccess>() : far.access;
  out.request = near.request;  // the location of an Ingress has lines of its own: nginx inherits none
  out.asks = near.asks ? *near.asks : far.asks.value_or("");
  out.auth = near.auth.empty() ? far.auth : near.auth;
  out.errors = pages_of(near.errors.empty() ? far.errors : near.errors, near, far, out);
  out.intercepts = near.intercepts.value_or(far.intercepts.value_or(false));
  out.without_body = near.without_body.value_or(far.without_body.value_or(false));
  if (near.default_type || far.default_type)
    out.default_type = near.default_type ? *near.default_type : *far.default_type;
  out.limits = limits_of({&near, &far}, far);
  out.of_server = outer != nullptr;
  out.own = inner != nullptr;
  out.written = far.written;
  if (inner != nullptr) {
    if (!out.written.empty()) out.written += " | ";
    out.written += near.written;
  }
  if (out.server.empty() && out.location.empty() && out.access.empty() && out.request.empty() && out.auth.empty() &&
      out.asks.empty() && !out.without_body && !out.intercepts && out.levels.size() == 1 &&
      out.levels.front() == SnippetLevel{} && out.errors.empty() && out.limits == model::SnippetLimits{} &&
      near.changes.empty() && near.said.empty() && far.changes.empty() && far.said.empty() && far.locations.empty() &&
      near.locations.empty())
    return nullptr;
  return out;
}

model::Shared<Snippet> settle_location(const Block* server, const Block* around, const Location& location) {
  static const Block none;
  const Block& far = server != nullptr ? *server : none;
  const Block& block = *location.block;
  // A location inside of another inherits what that one does, but for its steps.
  const SnippetLevel outer =
      around != nullptr ? within(far.levels.front(), around->levels.front()) : far.levels.front();
  const auto& access = around != nullptr && !around->access.empty() ? around->access : far.access;
  const auto& request = around != nullptr ? around->request : far.request;
  Snippet out;
  out.server = far.steps;
  out.location = block.steps;
  settle_levels(outer, block, out.location, out);
  out.access = block.access.empty() ? access : block.access;
  out.request = block.request.empty() ? request : block.request;
  const auto& asks = around != nullptr && around->asks ? around->asks : far.asks;
  out.asks = block.asks ? *block.asks : asks.value_or("");
  const auto& auth = around != nullptr && !around->auth.empty() ? around->auth : far.auth;
  out.auth = block.auth.empty() ? auth : block.auth;
  for (const auto* said :
       {&far.default_type, around != nullptr ? &around->default_type : &none.default_type, &block.default_type})
    if (*said) out.default_type = **said;
  const auto& errors = around != nullptr && !around->errors.empty() ? around->errors : far.errors;
  out.errors = pages_of(block.errors.empty() ? errors : block.errors, around != nullptr ? *around : far, far, out);
  const auto& intercepts = around != nullptr && around->intercepts ? around->intercepts : far.intercepts;
  out.intercepts = block.intercepts.value_or(intercepts.value_or(false));
  const auto& without_body = around != nullptr && around->without_body ? around->without_body : far.without_body;
  out.without_body = block.without_body.value_or(without_body.value_or(false));
  out.internal = block.internal;
  out.limits = limits_of({&block, around, &far}, far);
  out.of_server = server != nullptr;
  out.own = around != nullptr;
  out.written = block.written;
  return out;
}

Block joined(const Block& first, const Block& second) {
  Block out = first;
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  const auto shift = static_cast<std::uint32_t>(out.levels.size() - 1);
  for (SnippetStep step : second.steps) {
    if (step.kind == Kind::level && step.count > 0) step.count += shift;
    out.steps.push_back(std::move(step));
  }
  auto& own = out.levels.front();
  const auto& theirs = second.levels.front();
  append(own.set, theirs.set);
  append(own.added, theirs.added);
  append(own.hidden, theirs.hidden);
  if (theirs.expires.kind != model::SnippetExpires::Kind::unsaid) own.expires = theirs.expires;
  out.levels.insert(out.levels.end(), second.levels.begin() + 1, second.levels.end());
  append(out.access, second.access);
  for (const auto& line : second.request) {
    std::erase_if(out.request, [&](const auto& other) { return iequals(other.name, line.name); });
    out.request.push_back(line);
  }
  append(out.auth, second.auth);
  if (second.asks) {
    out.asks = second.asks;
    out.asks_at = second.asks_at;
  }
  append(out.errors, second.errors);
  append(out.limits, second.limits);
  if (second.rate_status != 0) out.rate_status = second.rate_status;
  if (second.connection_status != 0) out.connection_status = second.connection_status;
  if (second.intercepts) out.intercepts = second.intercepts;
  if (second.without_body) out.without_body = second.without_body;
  if (second.default_type) out.default_type = second.default_type;
  if (second.satisfy_any) out.satisfy_any = second.satisfy_any;
  out.internal = out.internal || second.internal;
  append(out.changes, second.changes);
  append(out.far_changes, second.far_changes);
  append(out.locations, second.locations);
  append(out.handlers, second.handlers);
  if (!second.mirror.empty()) out.mirror = second.mirror;
  if (second.mirror_body) out.mirror_body = second.mirror_body;
  out.sets.insert(second.sets.begin(), second.sets.end());
  append(out.uses, second.uses);
  append(out.said, second.said);
  if (!second.written.empty()) out.written += (out.written.empty() ? "" : " ") + second.written;
  return out;
}

std::shared_ptr<const Block> of_option(const std::string& text, Context where, const std::string& http) {
  static std::mutex mutex;
  static std::map<std::tuple<std::string, Context, std::string>, std::shared_ptr<const Block>> known;
  if (text.empty()) return nullptr;
  const std::lock_guard lock(mutex);
  if (const auto at = known.find({text, where, http}); at != known.end()) return at->second;
  if (known.size() >= 8) known.clear();  // former texts
  auto made = read(text, where, "");
  if (const auto maps = maps_or_none(http); made && insert(*maps, *made)) made = std::unexpected(Refusal{});
  auto block = made ? std::make_shared<const Block>(std::move(*made)) : nullptr;
  known.emplace(std::tuple(text, where, http), block);
  return block;
}

std::optional<Refusal> refusal_of_option(std::string_view text, Context where, const std::string* http) {
  auto made = read(text, where, "");
  if (!made) return std::move(made.error());
  if (!made->locations.empty())
    return Refusal{made->locations.front().at, "location", "no location: of which host would it be?"};
  for (const ErrorPage& page : made->errors)
    if (!page.location.empty())
      return Refusal{page.at, "error_page " + page.location, "an URL: no location is of all hosts"};
  const bool asks = made->asks && !made->asks->empty();
  if (asks || !made->auth.empty() || made->satisfy_any || !made->mirror.empty() || made->internal) {
    Refusal refused{{}, {}, "what holds for all hosts: headers, steps, access and settings"};
    const auto parsed = parse(text);  // once more, for the line
    for (const auto& directive : *parsed) {
      const std::string& name = directive.name;
      if (name != "auth_request" && name != "auth_request_set" && name != "satisfy" && name != "mirror" &&
          name != "internal")
        continue;
      refused.at = directive.at;
      refused.token = name;
      break;
    }
    return refused;
  }
  if (http == nullptr) return std::nullopt;
  if (auto refused = insert(*maps_or_none(*http), *made)) return refused;
  for (const auto& used : made->uses)
    if (!made->sets.contains(used.name))
      return Refusal{used.at, "$" + used.name,
                     "a variable of docs/variables.md, or one that the snippet sets" + because_absent(used.name)};
  return std::nullopt;
}

}  // namespace sluice::control::snippet
