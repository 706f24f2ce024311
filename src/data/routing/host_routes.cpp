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

HostRoutes::HostRoutes(std::shared_ptr<const model::Host> spec, std::vector<Route> routes)
    : spec_(std::move(spec)), routes_(std::move(routes)) {
  build();
}

void HostRoutes::build() {
  std::string text = spec_->name;
  std::vector<Node> nodes;
  std::vector<std::pair<std::string_view, std::uint32_t>> paths;
  paths.reserve(routes_.size());
  for (std::uint32_t i = 0; i < routes_.size(); ++i) paths.emplace_back(routes_[i].spec->path, i);
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
      const model::PathMatch match = routes_[index].spec->match;
      if (match == model::PathMatch::prefix) {
        if (node.prefix == kNone) node.prefix = index;
        continue;
      }
      // A path of its own beats the redirect to the path with a slash.
      const bool better = node.exact == kNone || (match == model::PathMatch::exact &&
                                                  routes_[node.exact].spec->match == model::PathMatch::slash_redirect);
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
  block_ = std::make_unique<std::byte[]>(nodes_size + text.size() + 1);
  text_ = reinterpret_cast<const char*>(block_.get() + nodes_size);
  std::memcpy(block_.get() + nodes_size, text.data(), text.size());
  name_size_ = static_cast<std::uint32_t>(spec_->name.size());
  if (nodes.empty()) return;
  std::memcpy(block_.get(), nodes.data(), nodes_size);
  nodes_ = reinterpret_cast<const Node*>(block_.get());
}

}  // namespace sluice::data
