#include "data/routing/host_routes.h"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace sluice::data {

namespace {

// Where the paths of a node lie in the sorted list, and how much of each its ancestors have eaten.
struct Range {
  std::uint32_t node;
  std::size_t begin, end;
  std::size_t eaten;
};

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

HostRoutes::Tree HostRoutes::tree_of(const std::vector<Route>& routes) {
  Tree tree;
  auto& [nodes, text] = tree;
  std::vector<std::pair<std::string_view, std::uint32_t>> paths;
  paths.reserve(routes.size());
  for (std::uint32_t i = 0; i < routes.size(); ++i)
    if (routes[i].spec->match != model::PathMatch::pattern && !model::of_snippet(routes[i].spec->match))
      paths.emplace_back(routes[i].spec->path, i);
  std::sort(paths.begin(), paths.end());

  // Breadth first, so that the children of a node lie together. A range shares its first bytes, and in a sorted list
  // what the first and the last share is shared by all.
  std::vector<Range> todo;
  if (!paths.empty()) {
    nodes.reserve(paths.size() + paths.size() / 2 + 1);
    nodes.emplace_back();
    todo.push_back({0, 0, paths.size(), 0});
  }
  for (std::size_t next = 0; next < todo.size(); ++next) {
    const Range range = todo[next];
    const std::size_t depth = common_prefix(paths[range.begin].first, paths[range.end - 1].first);
    Node node;
    const std::string_view label = paths[range.begin].first.substr(range.eaten, depth - range.eaten);
    node.first = label.empty() ? 0 : static_cast<unsigned char>(label.front());
    node.label = static_cast<std::uint32_t>(text.size());
    node.label_size = static_cast<std::uint32_t>(label.size());
    text += label;

    std::size_t at = range.begin;
    for (; at < range.end && paths[at].first.size() == depth; ++at) {
      const std::uint32_t index = paths[at].second;
      const model::PathMatch match = routes[index].spec->match;
      if (match == model::PathMatch::prefix) {
        if (node.prefix == kNone) node.prefix = index;
        continue;
      }
      // A path of its own beats the redirect to the path with a slash.
      const bool better = node.exact == kNone || (match == model::PathMatch::exact &&
                                                  routes[node.exact].spec->match == model::PathMatch::slash_redirect);
      if (better) node.exact = index;
    }

    node.first_child = static_cast<std::uint32_t>(nodes.size());
    while (at < range.end) {
      const char byte = paths[at].first[depth];
      std::size_t end = at + 1;
      while (end < range.end && paths[end].first[depth] == byte) ++end;
      todo.push_back({static_cast<std::uint32_t>(nodes.size()), at, end, depth});
      nodes.emplace_back();
      ++node.children;
      at = end;
    }
    nodes[range.node] = node;
  }

  return tree;
}

std::shared_ptr<const HostRoutes> HostRoutes::make(std::shared_ptr<const model::Host> spec,
                                                   const std::vector<Route>& routes,
                                                   std::vector<std::shared_ptr<const void>> kept,
                                                   std::shared_ptr<net::tls::ServerContext> tls) {
  const bool nothing = kept.empty() && !tls;
  auto keep = nothing ? nullptr : std::make_unique<const Kept>(std::move(kept), std::move(tls));
  const Tree tree = tree_of(routes);
  const std::string& name = spec->name;
  const auto aligned = [](std::size_t size, std::size_t to) { return (size + to - 1) / to * to; };
  const std::size_t nodes_at = aligned(sizeof(HostRoutes) + name.size(), alignof(Node));
  const std::size_t labels_at = nodes_at + tree.nodes.size() * sizeof(Node);
  const std::size_t routes_at = aligned(labels_at + tree.labels.size(), alignof(Route));
  const std::size_t size = routes_at + routes.size() * sizeof(Route);
  if (size > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("the routes of one host exceed 4 GiB");

  char* const memory = static_cast<char*>(::operator new(size, std::align_val_t{kLine}));
  auto* const host = new (memory) HostRoutes(std::move(spec), std::move(keep));
  std::shared_ptr<const HostRoutes> made(host, Delete{});
  host->name_size_ = static_cast<std::uint32_t>(name.size());
  host->nodes_size_ = static_cast<std::uint32_t>(tree.nodes.size());
  host->routes_size_ = static_cast<std::uint32_t>(routes.size());
  host->nodes_at_ = static_cast<std::uint32_t>(nodes_at);
  host->labels_at_ = static_cast<std::uint32_t>(labels_at);
  host->routes_at_ = static_cast<std::uint32_t>(routes_at);
  std::copy(name.begin(), name.end(), memory + sizeof(HostRoutes));
  std::uninitialized_copy(tree.nodes.begin(), tree.nodes.end(), reinterpret_cast<Node*>(memory + nodes_at));
  std::copy(tree.labels.begin(), tree.labels.end(), memory + labels_at);
  Route* const to = reinterpret_cast<Route*>(memory + routes_at);
  std::uninitialized_copy(routes.begin(), routes.end(), to);
  for (std::size_t i = 0; i < routes.size(); ++i) to[i].host = name.empty() ? std::string_view("_") : host->name();
  const auto is_pattern = [](const Route& route) { return route.spec->match == model::PathMatch::pattern; };
  if (std::any_of(to, to + routes.size(), is_pattern))
    host->patterns_ = std::make_unique<const Patterns>(std::span(to, routes.size()));
  host->snippets_ = SnippetLocations::of(std::span(to, routes.size()));
  return made;
}

const Route* HostRoutes::longest(std::string_view path, std::uint32_t from, std::uint32_t to,
                                 std::int64_t longer) const noexcept {
  const Route* best = nullptr;
  walk(path, [&](const Route& route) noexcept {
    if (route.spec->rank < from || route.spec->rank >= to) return;
    auto length = static_cast<std::int64_t>(route.spec->path.size());
    if (route.spec->match == model::PathMatch::prefix) --length;  // the slash at its end
    if (longer < 0 || length > longer) best = &route;
  });
  return best;
}

const Route* HostRoutes::match_patterns(std::string_view path, Doubt* doubt) const noexcept {
  const auto found = patterns_->walk(
      path, [&](std::uint32_t from, std::uint32_t to, std::int64_t longer) { return longest(path, from, to, longer); },
      [](const Route&, Asked) noexcept {});
  if (found.given == 0) [[likely]]
    return found.route;
  if (doubt == nullptr) return found.undecided ? nullptr : found.route;
  doubt->undecided = found.undecided;
  doubt->passed += found.given - (found.undecided ? 1 : 0);
  return found.route;
}

const Route* HostRoutes::match_of(std::string_view ns, std::string_view path, Doubt& doubt) const noexcept {
  const Route* const found = match(path, &doubt);
  if (found != nullptr && found->spec->ns.view() == ns) return found;
  if (std::exchange(doubt.undecided, false)) ++doubt.passed;  // of somebody else's pattern
  const Route* own = nullptr;
  const auto is_own = [ns](const Route& route) noexcept {
    return route.spec->ns.view() == ns && route.spec->rank % 2 == 0;
  };
  walk(path, [&](const Route& route) noexcept {
    if (is_own(route)) own = &route;
  });
  if (own == nullptr && patterns_)
    patterns_->walk(
        path,
        [&](std::uint32_t from, std::uint32_t to, std::int64_t longer) { return longest(path, from, to, longer); },
        [&](const Route& route, Asked what) noexcept {
          if (own != nullptr || !is_own(route) || (what != Asked::yes && what != Asked::gave_up)) return;
          own = &route;
          doubt.undecided = what == Asked::gave_up;
        });
  if (own == nullptr || snippets_ == nullptr || doubt.undecided) return own;
  return &snippets_->choose(*own, path, &doubt.undecided);
}

Patterns::Found HostRoutes::walk_patterns(std::string_view path,
                                          const std::function<void(const Route&, Asked)>& visit) const {
  return patterns_->walk(
      path, [&](std::uint32_t from, std::uint32_t to, std::int64_t longer) { return longest(path, from, to, longer); },
      visit);
}

const Route* HostRoutes::root() const noexcept {
  if (!patterns_) return walk("/", [](const Route&) noexcept {});
  // Of patterns too it is the one that is written so, though another may be asked before it; the owner's is the first,
  // and an exact one before a prefix, as without patterns. One that others may have is nobody's.
  const Route* best = nullptr;
  const auto before = [](const model::Route& a, const model::Route& b) {
    return std::pair(a.rank, a.match != model::PathMatch::exact) <
           std::pair(b.rank, b.match != model::PathMatch::exact);
  };
  for (const Route& route : routes())
    if (route.spec->path.view() == "/" && route.spec->match != model::PathMatch::slash_redirect &&
        !model::of_snippet(route.spec->match) && !route.spec->free &&
        (best == nullptr || before(*route.spec, *best->spec)))
      best = &route;
  return best;
}

void HostRoutes::Delete::operator()(const HostRoutes* host) const noexcept {
  host->~HostRoutes();
  ::operator delete(const_cast<HostRoutes*>(host), std::align_val_t{kLine});
}

}  // namespace sluice::data
