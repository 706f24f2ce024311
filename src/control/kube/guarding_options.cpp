#include "control/kube/guarding_options.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/external_auth.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/maps.h"

namespace sluice::control {

namespace {

using Own = AnnotationResult::Own;

// An URL that cannot be read: nobody knows who is to be asked.
bool unreadable_url(std::string_view value) {
  model::ExternalAuth scratch;
  return !value.empty() && !read_auth_url(trim_of(value, kBlank), scratch).empty();
}

bool is_on(std::string_view value) {
  return parse_bool(value).value_or(false);
}

// Addresses other than all of them.
bool some_addresses(std::string_view value) {
  bool some = false;
  for_each_element(value, [&](std::string_view e) { some = some || (e != "0.0.0.0" && e != "::" && e != "[::]"); });
  return some;
}

// Text for nginx that is more than comments.
bool any_directive(std::string_view value) {
  while (!value.empty()) {
    const auto line = value.substr(0, value.find('\n'));
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') return true;
    value.remove_prefix(std::min(value.size(), line.size() + 1));
  }
  return false;
}

// One that cannot be compiled may forbid something.
template <snippet::Context Where>
std::optional<snippet::Refusal> why_no_snippet(std::string_view value, const std::string* http) {
  return any_directive(value) ? snippet::refusal_of_option(value, Where, http) : std::nullopt;
}
template <snippet::Context Where>
bool unreadable_snippet(std::string_view value) {
  return why_no_snippet<Where>(value, nullptr).has_value();
}

std::optional<snippet::Refusal> why_no_maps(std::string_view value, const std::string*) {
  if (!any_directive(value)) return std::nullopt;
  auto made = snippet::read_maps(value);
  return made ? std::nullopt : std::optional(std::move(made.error()));
}
bool unreadable_maps(std::string_view value) {
  return why_no_maps(value, nullptr).has_value();
}

bool each(const Own&) {
  return true;
}

// kUnreadable: no value of a key does, but that it cannot be read.
bool never(std::string_view) {
  return false;
}

constexpr std::array kGuarding{
    GuardingOption{kUnreadable, never, each, false, true},
    GuardingOption{"bind-address", some_addresses, each, false, true},
    GuardingOption{"enable-modsecurity", is_on, [](const Own& o) { return !o.no_modsecurity; }, false, true},
    GuardingOption{"global-auth-url", unreadable_url, [](const Own& o) { return !o.auth_url && !o.no_global_auth; },
                   true},
    GuardingOption{"http-snippet", unreadable_maps, each, false, true, why_no_maps},
    GuardingOption{"location-snippet", unreadable_snippet<snippet::Context::location>, each, false, true,
                   why_no_snippet<snippet::Context::location>},
    GuardingOption{"server-snippet", unreadable_snippet<snippet::Context::server>, each, false, true,
                   why_no_snippet<snippet::Context::server>},
};

const GuardingOption* find(std::span<const GuardingOption> rows, std::string_view key) {
  const auto it = std::ranges::find(rows, key, &GuardingOption::key);
  return it == rows.end() ? nullptr : &*it;
}

// What --accept-unprotected takes.
std::string unprotected_names() {
  std::set<std::string_view> names;
  for (const auto& g : kGuarding) names.insert(g.key);
  for (const auto& u : unserved_annotations())
    if (guards(u.name)) names.insert(u.name);
  for (const auto& a : annotations())
    if (guards(a.name)) names.insert(a.name);
  std::string out;
  for (const auto name : names) add_element(out, name);
  return out;
}

}  // namespace

std::span<const GuardingOption> guarding_options() {
  static_assert(kGuarding.front().key == kUnreadable);
  return std::span(kGuarding).subspan(1);
}

const GuardingOption* guarding_option(std::string_view key) {
  return find(guarding_options(), key);
}

std::string close_by_options(const std::vector<std::string>& keys, const Own& own, Closing& closing) {
  std::string names;
  for (const auto& key : keys) {
    const auto* option = find(kGuarding, key);
    if (option == nullptr || !option->reaches(own)) continue;
    add_element(names, key);
    add_element(option->authenticates ? closing.but_no_auth_locations : closing.paths, "option " + key);
  }
  return names;
}

std::string closed_without_ingress(const std::vector<std::string>& keys) {
  std::string names;
  for (const auto& key : keys)
    if (const auto* option = find(kGuarding, key); option != nullptr && option->everywhere)
      add_element(names, "option " + key);
  return names;
}

std::string check_unprotected(const std::string& name) {
  return find(kGuarding, name) != nullptr || guards(name) ? "" : "expected one of " + unprotected_names();
}

}  // namespace sluice::control
