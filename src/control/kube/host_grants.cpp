#include "control/kube/host_grants.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using model::HostGrant;

constexpr std::string_view kExpected =
    "words HOST=NAMESPACE, such as shop.example.com=shop, *.team.example.com=team, _=platform or *=platform";

bool by_host(const HostGrant& a, const HostGrant& b) {
  return a.host < b.host;
}

bool is_pattern(std::string_view host) {
  return host == "*" || host == "_" || is_host_name(host, true);
}

bool is_namespace_or_any(std::string_view ns) {
  return ns == "*" || is_namespace(ns);
}

void sort(std::vector<HostGrant>& grants) {
  std::stable_sort(grants.begin(), grants.end(), by_host);
}

}  // namespace

std::string read_host_grants(std::string_view value, model::Options& out) {
  auto& grants = out.host_namespaces;
  grants.clear();
  std::string bad;
  for_each_word(value, [&](std::string_view word) {
    const auto end = std::min(word.find_first_of("=:"), word.size());
    const auto host = lower(word.substr(0, end));
    const auto ns = word.substr(end).starts_with('=') ? word.substr(end + 1) : std::string_view();
    const bool readable = is_pattern(host) && is_namespace_or_any(ns);
    if (!readable && bad.empty()) bad = shorten(word);
    if (is_pattern(host)) grants.push_back({host, readable ? std::string(ns) : ""});
  });
  sort(grants);
  return bad.empty() ? "" : std::string(kExpected) + ", which \"" + bad + "\" is not";
}

std::string print_host_grants(const model::Options& in) {
  std::string out;
  for (const HostGrant& grant : in.host_namespaces) out += (out.empty() ? "" : ",") + grant.host + "=" + grant.ns;
  return out;
}

void keep_host_grants(const model::Options& previous, model::Options& out) {
  const auto read = std::exchange(out.host_namespaces, {});
  const auto kept = [](const std::vector<HostGrant>& list, const HostGrant& of) {
    const auto [from, to] = std::equal_range(list.begin(), list.end(), of, by_host);
    return std::any_of(from, to, [](const HostGrant& g) { return !g.ns.empty(); });
  };
  for (const HostGrant& grant : read)
    if (!grant.ns.empty() || !kept(previous.host_namespaces, grant)) out.host_namespaces.push_back(grant);
  for (const HostGrant& before : previous.host_namespaces)
    if (!kept(read, before)) out.host_namespaces.push_back(before);
  sort(out.host_namespaces);
}

bool may_name(const model::Options& options, std::string_view ns, std::string_view host, std::string& rule) {
  const auto& grants = options.host_namespaces;
  // False when no grant is for the pattern.
  const auto decide = [&](std::string_view pattern, bool& yes) {
    const auto [from, to] =
        std::equal_range(grants.begin(), grants.end(), HostGrant{std::string(pattern), ""}, by_host);
    if (from == to) return false;
    yes = std::any_of(from, to, [&](const HostGrant& g) { return g.ns == ns || g.ns == "*"; });
    rule.clear();
    for (auto at = from; at != to; ++at) rule += (rule.empty() ? "" : ", ") + at->host + "=" + at->ns;
    return true;
  };
  bool yes = true;
  if (grants.empty() || decide(host.empty() ? "_" : host, yes)) return yes;
  std::string_view rest = host.starts_with("*.") ? host.substr(2) : host;
  for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    rest.remove_prefix(dot + 1);
    if (decide("*." + std::string(rest), yes)) return yes;
  }
  return decide("*", yes) ? yes : true;
}

bool may_alias(const model::Options& options, std::string_view ns, const std::string& alias, std::string& rule) {
  const bool leading = alias.starts_with("*.");
  if (!leading && !alias.starts_with('~') && !alias.ends_with(".*")) return may_name(options, ns, alias, rule);
  if (leading && !may_name(options, ns, alias, rule)) return false;
  const std::string_view below = leading ? std::string_view(alias).substr(1) : std::string_view();
  return std::ranges::all_of(options.host_namespaces, [&](const HostGrant& grant) {
    const bool concerned = grant.host != "_" && (!leading || grant.host.ends_with(below));
    return !concerned || may_name(options, ns, grant.host, rule);
  });
}

}  // namespace sluice::control
