#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "data/routing/route_table.h"

// One host's routes as a radix tree over whole paths.
namespace sluice::data {

// Immutable once made; any thread. The cost of a match depends on the length of the path and the depth of the tree, not
// on the number of routes.
class HostRoutes {
 public:
  // `routes[i].spec` points into `spec->routes`; `spec` is kept for as long as this lives. Two routes of the same
  // (match, path): the first one counts.
  // Route::host is filled in here.
  HostRoutes(std::shared_ptr<const model::Host> spec, const std::vector<Route>& routes);
  HostRoutes(const HostRoutes&) = delete;
  HostRoutes& operator=(const HostRoutes&) = delete;

  const model::Host& spec() const noexcept { return *spec_; }
  std::string_view name() const noexcept { return {text_, name_size_}; }  // spec().name
  std::span<const Route> routes() const noexcept { return {routes_, routes_size_}; }

  // An exact path (or the /foo of a slash redirect) if there is one, else the longest prefix, else null.
  const Route* match(std::string_view path) const noexcept {
    return walk(path, [](const Route&) noexcept {});
  }
  // The same walk; tells visit(route) of every route that matches the path, from the shortest to the winner.
  template <class Visit>
  const Route* walk(std::string_view path, Visit&& visit) const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Node {
    std::uint32_t label = 0, label_size = 0;  // in text_: the bytes between the parent's end and this node's
    std::uint32_t exact = kNone;              // the route whose path ends here: exact or slash_redirect
    std::uint32_t prefix = kNone;
    std::uint32_t first_child = 0;  // children lie together, in the order of their first byte
    std::uint16_t children = 0;
    unsigned char first = 0;  // the label's first byte
  };

  const Node* child(const Node& node, unsigned char byte) const noexcept;

  // What a request reads lies in one block, nodes, text, routes: of ten thousand hosts few are in a cache.
  static_assert(std::is_trivially_copyable_v<Route> && std::is_trivially_copyable_v<Node>);
  std::unique_ptr<std::byte[]> block_;
  const Node* nodes_ = nullptr;  // nodes_[0] is the root; null without routes
  const char* text_ = nullptr;   // the host's name, then labels
  const Route* routes_ = nullptr;
  std::uint32_t name_size_ = 0, routes_size_ = 0;
  std::shared_ptr<const model::Host> spec_;
};

inline const HostRoutes::Node* HostRoutes::child(const Node& node, unsigned char byte) const noexcept {
  const Node* low = nodes_ + node.first_child;
  const Node* const end = low + node.children;
  std::size_t count = node.children;
  while (count > 0) {
    const std::size_t half = count / 2;
    if (low[half].first < byte) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low != end && low->first == byte ? low : nullptr;
}

template <class Visit>
const Route* HostRoutes::walk(std::string_view path, Visit&& visit) const {
  const Route* best = nullptr;
  const Node* node = nodes_;
  while (node != nullptr && path.starts_with(std::string_view(text_ + node->label, node->label_size))) {
    path.remove_prefix(node->label_size);
    if (node->prefix != kNone) {
      best = &routes_[node->prefix];
      visit(*best);
    }
    if (path.empty()) {
      if (node->exact != kNone) {
        best = &routes_[node->exact];
        visit(*best);
      }
      break;
    }
    node = child(*node, static_cast<unsigned char>(path.front()));
  }
  return best;
}

}  // namespace sluice::data
