#include <algorithm>
#include <utility>

#include "control/kube/annotations/registry.h"
#include "control/kube/options.h"

namespace sluice::control {

namespace {

constexpr std::string_view kSnippets[] = {"configuration-snippet", "server-snippet", "auth-snippet"};

// Calls say(name) for the annotations beside `row` itself that make its value what it is, the nearest ones first: what
// it has no effect without decides what becomes of it, too. Until one of them returns true; true: one did.
template <class Say>
bool any_beside(const Annotation& row, Say&& say) {
  const auto rows = annotations();
  for (const Annotation* at = &row;;) {
    if (!at->also_by.empty() && say(at->also_by)) return true;
    if (at->needs.empty()) return false;
    if (say(at->needs)) return true;
    const auto next = std::ranges::find(rows, at->needs, &Annotation::name);
    // Two may need each other.
    if (next == rows.end() || next->name == row.name || next->needs == at->name) return false;
    at = &*next;
  }
}

// What asks for a value that the options do not give, and what it is called beside "without"; other Ingresses are named
// where one of them really does.
std::pair<std::string, std::string_view> asker(const Annotation& row, const WhoAsks& asks) {
  std::pair<std::string, std::string_view> out{"", "it"};
  const auto own = [&](std::string_view name) {
    if (!asks.own(name)) return false;
    out.first = "annotation " + std::string(name);
    return true;
  };
  const auto others = [&](std::string_view name) {
    const bool anywhere = row.scope == Scope::backend;
    if (!asks.others || !asks.others(name, anywhere)) return false;
    out = {anywhere ? "not by this annotation of this Ingress, but as others of its namespace ask"
                    : "not by this annotation of this Ingress, but as others at the host ask",
           "them"};
    return true;
  };
  if (own(row.name) || any_beside(row, own)) return out;
  if (row.scope != Scope::location && (others(row.name) || any_beside(row, others))) return out;
  if (std::ranges::any_of(kSnippets, own) || others("server-snippet")) return out;
  return {"not by this annotation, but by what else is written", "that"};
}

std::string from_option(const model::Options& options, std::string_view key, const std::string& is_default) {
  const std::string set = set_of(key, options);
  return (set.empty() ? "ConfigMap key or --set " + std::string(key) : set) + "; the default is " + is_default;
}

// The keys, or what they begin with, that bound what a Service port and its pods get.
constexpr std::string_view kBounds[] = {"outlier-", "retry-b", "upstream-max-", "upstream-tcp-", "adaptive-"};

}  // namespace

std::vector<SettingRow> bounds_of(const model::Options& options) {
  const model::Options plain;
  std::vector<SettingRow> out;
  for (const Option& row : control::options()) {
    if (std::ranges::none_of(kBounds, [&](std::string_view word) { return row.key.starts_with(word); })) continue;
    const std::string value = row.value.print(options), initial = row.value.print(plain);
    if (value != initial) out.push_back({std::string(row.key), value, from_option(options, row.key, initial)});
  }
  return out;
}

std::vector<SettingRow> settings_of(const ServedRoute& route, const model::Options& options, const WhoAsks& asks) {
  const auto& has = asks.own;
  const model::Options plain;
  const model::RouteSettings by_options = default_settings(options), built_in = default_settings(plain);
  std::vector<SettingRow> out;
  const auto add = [&](std::string_view name, std::string value, std::string from, bool secret) {
    out.push_back({std::string(name), secret ? "\u2026" : std::move(value), std::move(from)});
  };
  const auto text = [](std::string value, bool secret) {
    return value.empty() ? std::string("none") : secret ? std::string("another") : value;
  };
  // Of two names that one is shown that counts, or the newer one.
  const auto goes_by_another = [&](const Annotation& row) {
    if (!row.newer.empty()) return !has(row.name) || has(row.newer);
    return !has(row.name) && std::ranges::any_of(annotations(), [&](const Annotation& older) {
      return older.newer == row.name && has(older.name);
    });
  };
  // Would the route be another without it?
  const auto counts = [&](const Option& row) {
    model::Options without = options;
    model::RouteSettings settings = route.settings, others = route.settings;
    row.value.parse(row.value.print(plain), without);
    row.inherit(options, settings);
    row.inherit(without, others);
    return settings == route.settings && others != route.settings;
  };
  for (const Annotation& row : annotations()) {
    if (goes_by_another(row)) continue;
    const auto print = [&](const ServedRoute& served) { return row.value.print(served); };
    const std::string value = print(route);
    const std::string without = print({by_options, nullptr, route.cluster}), initial = print({built_in});
    std::string from;
    if (value != without && row.scope == Scope::canary)
      from = "annotation " + std::string(row.name) + " of canary Ingress " + route.route->ns + "/" +
             route.route->canary->ingress + "; without it " + text(without, row.secret);
    else if (value != without) {
      const auto [what, named] = asker(row, asks);
      from = what + "; without " + std::string(named) + " " + text(without, row.secret);
    } else if (without != initial)
      from = row.otherwise.empty() ? from_option(options, row.option, text(initial, row.secret))
                                   : std::string(row.otherwise) + "; the default is " + text(initial, row.secret);
    if (row.always_shown || !from.empty()) add(row.name, value, std::move(from), row.secret);
  }
  // What routes have of options that no annotation speaks of.
  for (const Option& row : control::options()) {
    if (!row.inherit) continue;
    const bool spoken_of = std::ranges::any_of(annotations(), [&](const auto& a) { return a.option == row.key; });
    const std::string value = row.value.print(options), initial = row.value.print(plain);
    if (!spoken_of && value != initial && counts(row))
      add(row.key, value, from_option(options, row.key, text(initial, row.secret)), row.secret);
  }
  return out;
}

}  // namespace sluice::control
