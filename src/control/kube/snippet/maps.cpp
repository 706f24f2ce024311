#include "control/kube/snippet/maps.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/regex.h"
#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control::snippet {

namespace {

using model::Snippet;
using model::SnippetStep;
using Kind = SnippetStep::Kind;
using Test = SnippetStep::Test;

// What matches the text alone, whatever the case.
std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
                       static_cast<unsigned char>(c) >= 0x80;
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

// What the expressions of all maps take once compiled, beside 16 bytes for each of their text: an entry without marks
// is one too.
constexpr std::size_t kMapsBeside = 512 << 10;

struct Entry {
  int order = 0;  // 0 exact, 1 "*.x", 2 "x.*", 3 regular expressions: the first that matches counts
  std::size_t size = 0;
  SnippetStep test, set;
};

class MapReader {
 public:
  MapReader(const Maps& before, RegexBudget& budget) : before_(before), budget_(budget) {}

  // What was expected; the steps are in `out`.
  std::string read(const Directive& map, std::vector<SnippetStep>& out, std::string& name) {
    if (map.words.size() != 2 || !map.has_block) return "a source, a variable and a block";
    const std::string& variable = map.words[1].text;
    if (variable.size() < 2 || variable[0] != '$' || !made_of(variable.substr(1), "_")) return "a variable, as $name";
    name = lower(std::string_view(variable).substr(1));
    const bool own = name == "connection_upgrade";  // ingress-nginx has a map of that name too, and so have we
    if (!own && find_variable(name).id != kUnknown) return "a variable that nginx does not have itself";
    source_ = Template(map.words[0].text);
    if (auto expected = read_source(out); !expected.empty()) return expected;
    set(name, "", fallback_);
    hostnames_ = std::ranges::any_of(map.block, [](const auto& d) { return d.name == "hostnames" && d.words.empty(); });
    for (const Directive& entry : map.block)
      if (auto expected = read_entry(entry, name); !expected.empty()) return expected;
    if (own) out.clear();
    // The last step that sets the variable counts: what comes first in nginx's order stands last.
    std::ranges::stable_sort(entries_, [](const Entry& a, const Entry& b) {
      return std::pair(a.order, b.size) < std::pair(b.order, a.size);
    });
    std::ranges::reverse(entries_);
    out.push_back(fallback_);
    for (Entry& entry : entries_) {
      out.push_back(std::move(entry.test));
      out.push_back(std::move(entry.set));
    }
    return out.size() <= Snippet::kMostSteps ? "" : "at most " + std::to_string(Snippet::kMostSteps / 2) + " entries";
  }

 private:
  std::string set(const std::string& name, std::string_view value, SnippetStep& out) {
    out.kind = Kind::set;
    out.name = name;
    out.text = Template(value);
    for (const auto& part : out.text.parts()) {
      if (part.variable == kUnknown) return "values of variables that nginx has itself";
      if (part.variable == kLiteral && out.text.text_of(part).find('$') != std::string_view::npos)
        return "a name behind each $";
    }
    if (const auto late = out.text.first_too_late(VariableRow::When::request); !late.empty())
      return "values that are known as soon as a request is there, which " + late + " is not";
    return {};
  }

  std::string read_source(std::vector<SnippetStep>& out) {
    for (const auto& part : source_.parts()) {
      if (part.variable == kLiteral) continue;
      if (part.variable == kGroup) return "a source without groups";
      if (part.variable == kUnknown) {
        const auto known = before_.steps.find(lower(source_.text_of(part)));
        if (known == before_.steps.end()) return "a source that nginx has itself, or that a map in front makes";
        out.insert(out.end(), known->second.begin(), known->second.end());
      } else if (kVariables[part.variable].when != VariableRow::When::request) {
        return "a source that is known as soon as a request is there";
      }
    }
    return {};
  }

  std::string read_entry(const Directive& d, const std::string& name) {
    if (d.words.empty() && (d.name == "hostnames" || d.name == "volatile")) return {};
    if (d.has_block || d.words.size() != 1) return "a text and its value";
    if (d.name == "include") return "the entries themselves: no file is read";
    const std::string& value = d.words[0].text;
    if (d.name == "default") return set(name, value, fallback_);
    Entry entry;
    entry.test.kind = Kind::test;
    entry.test.test = Test::matches;
    entry.test.count = 1;
    entry.test.text = source_;
    if (auto expected = set(name, value, entry.set); !expected.empty()) return expected;
    std::string_view key = d.name;
    if (key.starts_with('~')) {
      const bool any_case = key.starts_with("~*");
      entry.order = 3;
      entry.size = kLast - entries_.size();  // in the order of the text
      entry.test.pattern = (any_case ? "" : "(?-i)") + std::string(key.substr(any_case ? 2 : 1));
    } else {
      static constexpr const char* kEnd = "\\.?\\z";  // of names; one dot at its end is none of the name
      if (key.starts_with('\\')) key.remove_prefix(1);
      entry.size = key.size();
      if (hostnames_ && key.starts_with("*.")) {
        entry.order = 1;
        entry.test.pattern = "^.*\\." + literal(key.substr(2)) + kEnd;
      } else if (hostnames_ && key.starts_with('.')) {
        entry.order = 1;
        entry.test.pattern = "^(.*\\.)?" + literal(key.substr(1)) + kEnd;
      } else if (hostnames_ && key.ends_with(".*")) {
        entry.order = 2;
        entry.test.pattern = "^" + literal(key.substr(0, key.size() - 2)) + "\\..+?" + kEnd;
      } else if (key.empty()) {
        entry.test.test = Test::equals;
      } else {
        entry.test.pattern = "^" + literal(key) + (hostnames_ ? kEnd : "\\z");
      }
    }
    if (!entry.test.pattern.empty()) {
      const auto made = budget_.make(entry.test.pattern);
      if (!made) return "a regular expression (PCRE2): " + made.error();
      if (!(*made)->names().empty()) return "groups without names: $1 to $9 name them";
    }
    entries_.push_back(std::move(entry));
    return {};
  }

  static constexpr std::size_t kLast = 1 << 20;
  const Maps& before_;
  RegexBudget& budget_;
  Template source_;
  SnippetStep fallback_;
  bool hostnames_ = false;
  std::vector<Entry> entries_;
};

void names_in(const Block& block, std::set<std::string>& out) {
  for (const auto& used : block.uses) out.insert(used.name);
}

// "NAME=VALUE" behind such a name; empty: another word.
std::string_view behind_name(std::string_view word, std::string_view name) {
  return word.starts_with(name) ? word.substr(name.size()) : std::string_view();
}

// Returns what was expected.
std::string read_zone(const Maps& before, const Directive& d, std::string& name, Zone& zone) {
  const bool rates = d.name == "limit_req_zone";
  const std::string_view shape = rates ? "a key, zone=NAME:SIZE and rate=10r/s (or r/m)" : "a key and zone=NAME:SIZE";
  if (d.words.size() < 2 || d.words.size() > 4 || d.has_block) return std::string(shape);
  zone.key = Template(d.words[0].text);
  for (const auto& part : zone.key.parts()) {
    const auto of = zone.key.text_of(part);
    if (part.variable == kLiteral && of.find('$') == std::string_view::npos) continue;
    if (part.variable == kUnknown) {
      if (!before.steps.contains(lower(of))) return "a key that nginx has itself, or that a map in front makes";
      zone.uses.push_back(lower(of));
    } else if (part.variable == kLiteral || part.variable == kGroup ||
               kVariables[part.variable].when != VariableRow::When::request) {
      return "a key that is known as soon as a request is there";
    }
  }
  for (auto word = d.words.begin() + 1; word != d.words.end(); ++word) {
    if (const auto of = behind_name(word->text, "zone="); !of.empty()) {
      const auto colon = of.find(':');
      name = of.substr(0, colon);
      if (colon == std::string_view::npos || !made_of(name, "_-.") || name.empty() || !parse_size(of.substr(colon + 1)))
        return std::string(shape);
    } else if (const auto rate = behind_name(word->text, "rate="); rates && !rate.empty()) {
      const bool minute = rate.ends_with("r/m");
      const auto n = rate.size() > 3 ? parse_int(rate.substr(0, rate.size() - 3)) : std::nullopt;
      if ((!minute && !rate.ends_with("r/s")) || !n || *n < 1 || *n > 1'000'000) return std::string(shape);
      zone.a_second = static_cast<std::uint32_t>(*n * 1000 / (minute ? 60 : 1));
    } else if (word->text != "sync") {
      return std::string(shape);
    }
  }
  return name.empty() || (rates && zone.a_second == 0) ? std::string(shape) : std::string();
}

std::optional<Refusal> fill(const Maps& maps, Limit& limit) {
  const auto zone = maps.zones.find(limit.zone);
  if (zone == maps.zones.end() || (zone->second.a_second != 0) != (limit.most == 0))
    return Refusal{limit.at, limit.directive,
                   "a zone that a " + limit.directive + "_zone of the http-snippet makes, which \"" +
                       shorten(limit.zone) + "\" is not"};
  limit.key = zone->second.key;
  limit.a_second = zone->second.a_second;
  return std::nullopt;
}

}  // namespace

std::expected<Maps, Refusal> read_maps(std::string_view text) {
  auto parsed = parse(text);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  Maps out;
  RegexBudget budget(kMapsBeside);
  for (const Directive& directive : *parsed) {
    const auto refuse = [&](std::string expected) {
      return std::unexpected(Refusal{directive.at, head_of(directive), std::move(expected)});
    };
    if (directive.name == "limit_req_zone" || directive.name == "limit_conn_zone") {
      std::string name;
      Zone zone;
      if (auto expected = read_zone(out, directive, name, zone); !expected.empty()) return refuse(std::move(expected));
      if (out.zones.size() >= model::SnippetLimits::kMostZones) return refuse("fewer zones");
      if (!out.zones.emplace(name, std::move(zone)).second) return refuse("one zone of each name");
      continue;
    }
    if (directive.name == "server") return refuse("an Ingress with a host, and the flags --http and --https");
    if (directive.name != "map") return refuse("maps, limit_req_zone and limit_conn_zone alone");
    std::vector<SnippetStep> steps;
    std::string name;
    MapReader reader(out, budget);
    if (auto expected = reader.read(directive, steps, name); !expected.empty()) return refuse(std::move(expected));
    if (name == "connection_upgrade") continue;
    if (out.steps.size() >= Snippet::kMostVariables) return refuse("fewer maps");
    out.steps[name] = std::move(steps);
  }
  return out;
}

std::shared_ptr<const Maps> maps_or_none(const std::string& text) {
  static std::mutex mutex;
  static std::string known;
  static const auto none = std::make_shared<const Maps>();
  static std::shared_ptr<const Maps> maps = none;
  if (text.empty()) return none;
  const std::lock_guard lock(mutex);
  if (known == text) return maps;
  auto made = read_maps(text);
  maps = made ? std::make_shared<const Maps>(std::move(*made)) : none;
  known = text;
  return maps;
}

std::optional<Refusal> insert(const Maps& maps, Block& block) {
  std::set<std::string> names;
  names_in(block, names);
  for (Limit& limit : block.limits) {
    if (auto refused = fill(maps, limit)) return refused;
    const auto& uses = maps.zones.at(limit.zone).uses;
    names.insert(uses.begin(), uses.end());
  }
  std::vector<SnippetStep> steps;
  for (const auto& name : names) {
    const auto at = maps.steps.find(name);
    if (at == maps.steps.end() || block.sets.contains(name)) continue;
    steps.insert(steps.end(), at->second.begin(), at->second.end());
    block.sets.insert(name);
  }
  if (!steps.empty()) {
    if (steps.size() + block.steps.size() > 2 * Snippet::kMostSteps)
      return Refusal{{},
                     "map",
                     "maps of fewer entries: they and the snippet have at most " +
                         std::to_string(2 * Snippet::kMostSteps) + " steps"};
    block.steps.insert(block.steps.begin(), steps.begin(), steps.end());
  }
  // A location in it does not run its steps, where it stands in another.
  for (Location& location : block.locations) {
    auto inner = std::make_shared<Block>(*location.block);
    if (auto refused = insert(maps, *inner)) return refused;
    location.block = std::move(inner);
  }
  return std::nullopt;
}

}  // namespace sluice::control::snippet
