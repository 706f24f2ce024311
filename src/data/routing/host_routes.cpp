#include "data/routing/host_routes.h"

#include <algorithm>
#include <cstring>
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

HostRoutes::HostRoutes(std::shared_ptr<const model::Host> spec, const std::vector<Route>& routes)
    : spec_(std::move(spec)) {
  std::string text = spec_->name;
  std::vector<Node> nodes;
  std::vector<std::pair<std::string_view, std::uint32_t>> paths;
  paths.reserve(routes.size());
  for (std::uint32_t i = 0; i < routes.size(); ++i) paths.emplace_back(routes[i].spec->path, i);
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

  const std::size_t nodes_size = nodes.size() * sizeof(Node);
  const std::size_t routes_at = (nodes_size + text.size() + alignof(Route) - 1) / alignof(Route) * alignof(Route);
  block_ = std::make_unique<std::byte[]>(routes_at + routes.size() * sizeof(Route));
  char* const text_to = reinterpret_cast<char*>(block_.get() + nodes_size);
  text_ = text_to;
  name_size_ = static_cast<std::uint32_t>(spec_->name.size());
  std::copy(text.begin(), text.end(), text_to);
  if (nodes.empty()) return;

  nodes_ = std::uninitialized_copy(nodes.begin(), nodes.end(), reinterpret_cast<Node*>(block_.get())) - nodes.size();
  Route* const routes_to = reinterpret_cast<Route*>(block_.get() + routes_at);
  std::uninitialized_copy(routes.begin(), routes.end(), routes_to);
  for (std::size_t i = 0; i < routes.size(); ++i) routes_to[i].host = name_size_ == 0 ? std::string_view("_") : name();
  routes_ = routes_to;
  routes_size_ = static_cast<std::uint32_t>(routes.size());
}

}  // namespace sluice::data
