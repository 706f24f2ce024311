#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "data/routing/patterns.h"
#include "data/routing/route_table.h"
#include "data/routing/snippet_locations.h"

// One host's routes as a radix tree over whole paths, with patterns beside it where there are any.
namespace sluice::net::tls {
class ServerContext;
}

namespace sluice::data {

// Immutable once made; any thread. The cost of a match depends on the length of the path and the depth of the tree, not
// on the number of routes. Of ten thousand hosts few are in a cache: all that a request reads of one lies in one block
// of memory, which prefetch() asks for in one go.
class HostRoutes {
 public:
  // `routes[i].spec` points into `spec->routes`; `spec` and `kept`, whatever else the routes point to, are kept for as
  // long as this lives. Route::host is filled in here. Two routes of the same (match, path): the first one counts.
  static std::shared_ptr<const HostRoutes> make(std::shared_ptr<const model::Host> spec,
                                                const std::vector<Route>& routes,
                                                std::vector<std::shared_ptr<const void>> kept = {},
                                                std::shared_ptr<net::tls::ServerContext> tls = nullptr);
  HostRoutes(const HostRoutes&) = delete;
  HostRoutes& operator=(const HostRoutes&) = delete;

  const model::Host& spec() const noexcept { return *spec_; }
  // Of its TLS policy; null: it has that of the listener.
  std::shared_ptr<net::tls::ServerContext> tls() const noexcept { return kept_ ? kept_->tls : nullptr; }
  std::string_view name() const noexcept { return {at<char>(sizeof(HostRoutes)), name_size_}; }  // spec().name
  std::span<const Route> routes() const noexcept { return {at<Route>(routes_at_), routes_size_}; }

  // An exact path (or the /foo of a slash redirect) if there is one, else the longest prefix, else null; where there
  // are patterns, as Patterns::walk says. `doubt` as in RouteTable::match.
  // Locations of snippets have their say last.
  const Route* match(std::string_view path, Doubt* doubt = nullptr) const noexcept {
    const Route* const found = patterns_ ? match_patterns(path, doubt) : walk(path, [](const Route&) noexcept {});
    if (snippets_ == nullptr || found == nullptr || (doubt != nullptr && doubt->undecided)) [[likely]]
      return found;
    return &snippets_->choose(*found, path, doubt == nullptr ? nullptr : &doubt->undecided);
  }
  // The same among the routes of one namespace alone, be the path another's by now; null: it has none that takes it.
  const Route* match_of(std::string_view ns, std::string_view path, Doubt& doubt) const noexcept;
  // Null: no snippet writes a location.
  const SnippetLocations* snippets() const noexcept { return snippets_.get(); }
  // The same walk, of a host without patterns; tells visit(route) of every route that matches the path, from the
  // shortest to the winner.
  template <class Visit>
  const Route* walk(std::string_view path, Visit&& visit) const;
  // The same walk, of a host with patterns; null: it has none.
  const Patterns* patterns() const noexcept { return patterns_.get(); }
  Patterns::Found walk_patterns(std::string_view path, const std::function<void(const Route&, Asked)>& visit) const;
  // The route whose path is written "/"; null: there is none.
  const Route* root() const noexcept;

  void prefetch() const noexcept {
    for (std::size_t line = 0; line < kPrefetched; line += kLine)
      __builtin_prefetch(reinterpret_cast<const char*>(this) + line);
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kLine = 64;         // bytes of a cache line: where the block begins
  static constexpr std::size_t kPrefetched = 384;  // bytes: a host with a few short paths
  struct Node {
    std::uint32_t label = 0, label_size = 0;  // from labels_at_: the bytes between the parent's end and this node's
    std::uint32_t exact = kNone;              // the route whose path ends here: exact or slash_redirect
    std::uint32_t prefix = kNone;
    std::uint32_t first_child = 0;  // children lie together, in the order of their first byte
    std::uint16_t children = 0;
    unsigned char first = 0;  // the label's first byte
  };
  struct Tree {
    std::vector<Node> nodes;  // the root first; none without routes
    std::string labels;
  };
  struct Delete {
    void operator()(const HostRoutes* host) const noexcept;
  };
  static_assert(std::is_trivially_copyable_v<Route> && std::is_trivially_copyable_v<Node>);

  static Tree tree_of(const std::vector<Route>& routes);
  // What the routes point to, each once, and tls(). Most hosts need nothing.
  struct Kept {
    std::vector<std::shared_ptr<const void>> others;
    std::shared_ptr<net::tls::ServerContext> tls;
  };

  HostRoutes(std::shared_ptr<const model::Host> spec, std::unique_ptr<const Kept> kept)
      : spec_(std::move(spec)), kept_(std::move(kept)) {}
  ~HostRoutes() = default;

  const Node* child(const Node& node, unsigned char byte) const noexcept;
  template <class T>
  const T* at(std::uint32_t offset) const noexcept {
    return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(this) + offset);
  }

  const Route* match_patterns(std::string_view path, Doubt* doubt) const noexcept;
  // The longest of `rank` from `from` to below `to` that is longer than `longer`.
  const Route* longest(std::string_view path, std::uint32_t from, std::uint32_t to, std::int64_t longer) const noexcept;

  // Behind the object: the host's name, nodes, labels, routes; offsets in bytes from the object.
  std::shared_ptr<const model::Host> spec_;
  std::unique_ptr<const Patterns> patterns_;
  std::unique_ptr<const SnippetLocations> snippets_;
  std::uint32_t name_size_ = 0, nodes_size_ = 0, routes_size_ = 0;
  std::uint32_t nodes_at_ = 0, labels_at_ = 0, routes_at_ = 0;
  std::unique_ptr<const Kept> kept_;  // null: nothing
};

inline const HostRoutes::Node* HostRoutes::child(const Node& node, unsigned char byte) const noexcept {
  const Node* low = at<Node>(nodes_at_) + node.first_child;
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
  const Route* const routes = at<Route>(routes_at_);
  const char* const labels = at<char>(labels_at_);
  const Route* best = nullptr;
  const Node* node = nodes_size_ == 0 ? nullptr : at<Node>(nodes_at_);
  while (node != nullptr && path.starts_with(std::string_view(labels + node->label, node->label_size))) {
    path.remove_prefix(node->label_size);
    if (node->prefix != kNone) {
      best = &routes[node->prefix];
      visit(*best);
    }
    if (path.empty()) {
      if (node->exact != kNone) {
        best = &routes[node->exact];
        visit(*best);
      }
      break;
    }
    node = child(*node, static_cast<unsigned char>(path.front()));
  }
  return best;
}

}  // namespace sluice::data
