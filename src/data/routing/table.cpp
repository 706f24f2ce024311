#include "data/routing/table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>

#include "data/routing/aliases.h"
#include "data/routing/hash.h"

namespace sluice::data {

namespace {

constexpr std::size_t kShards = 256;
constexpr std::size_t kToldLosers = 50;  // routes that do not match, in an explanation
using HostPtr = std::shared_ptr<const HostRoutes>;

// A host name as it is looked up: wildcards by what follows "*.".
struct Key {
  std::string_view text;
  bool wildcard = false;
};

Key key_of(std::string_view host_name) {
  if (host_name.starts_with("*.")) return {host_name.substr(2), true};
  return {host_name, false};
}

std::uint64_t hash_of(const HashSeed& seed, Key key) noexcept {
  return hash_name(key.wildcard ? HashSeed{~seed.k0, seed.k1} : seed, key.text);
}

std::size_t shard_of(std::uint64_t hash) noexcept {
  return hash >> 56;
}

// Open addressing with linear probing, at most three quarters full.
class Shard {
 public:
  struct Slot {
    std::uint64_t hash = 0;
    HostPtr host;
  };

  explicit Shard(std::vector<Slot> hosts)
      : slots_(std::bit_ceil(hosts.size() + hosts.size() / 3 + 1)), count_(hosts.size()) {
    for (Slot& slot : hosts) {
      std::size_t at = slot.hash & mask();
      while (slots_[at].host) at = (at + 1) & mask();
      slots_[at] = std::move(slot);
    }
  }

  const HostPtr* find(std::uint64_t hash, Key key) const noexcept {
    for (std::size_t at = hash & mask(); slots_[at].host; at = (at + 1) & mask()) {
      if (slots_[at].hash != hash) continue;
      slots_[at].host->prefetch();
      const Key have = key_of(slots_[at].host->name());
      if (have.wildcard == key.wildcard && have.text == key.text) return &slots_[at].host;
    }
    return nullptr;
  }

  std::size_t count() const noexcept { return count_; }
  template <class F>
  void for_each(F&& fn) const {
    for (const Slot& slot : slots_)
      if (slot.host) fn(slot);
  }

 private:
  std::size_t mask() const noexcept { return slots_.size() - 1; }
  std::vector<Slot> slots_;
  std::size_t count_;
};

// The one label that a wildcard stands for (ingress-nginx: [\w-]+).
bool is_label(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string described(const Route& route) {
  std::string out = std::string(to_string(route.spec->match)) + " " + route.spec->path;
  if (!route.spec->ingress.empty()) out += " of Ingress " + route.spec->ns + "/" + route.spec->ingress;
  return out;
}

using Say = std::function<void(std::string_view)>;

// What locations of snippets say once all others have.
const Route* explain_snippets(const HostRoutes& host, std::string_view path, const Route* found, const Say& say) {
  if (host.snippets() == nullptr || found == nullptr) return found;
  bool gave_up = false;
  const Route& taken = host.snippets()->choose(*found, path, &gave_up, [&](const Route& route, bool takes) {
    say(described(route) + (takes ? ": matches" : ": does not match, or something longer does"));
  });
  if (gave_up)
    say(described(taken) + ": it takes more steps than one match may have: 500");
  else if (&taken != found)
    say(described(taken) + ": chosen, as it stands in a snippet");
  return &taken;
}

// Of a host with patterns: what was asked, in order, up to the route that takes the request.
const Route* explain_patterns(const HostRoutes& host, std::string_view path, const Say& say) {
  say("its paths are regular expressions: they match from the beginning, whatever the case, the longest text first");
  std::map<const Route*, Asked> asked;
  const auto found = host.walk_patterns(path, [&](const Route& r, Asked what) { asked.emplace(&r, what); });
  std::size_t told = 0, left = 0;
  bool decided = false;
  for (const Route* route : host.patterns()->in_order()) {
    const auto at = asked.find(route);
    std::string text = "route " + described(*route) + ": ";
    if (route == found.route) {
      text += !found.undecided ? "chosen"
              : at != asked.end() && at->second == Asked::gave_up
                  ? "it takes more steps than one match may have: 500"
                  : "it matches, but another path of its namespace takes more steps than one match may have: 500";
      decided = true;
    } else if (at == asked.end()) {
      text += decided ? "not asked, " + described(*found.route) + " comes first" : "the path does not begin as it does";
    } else if (at->second == Asked::too_short) {
      text += "a namespace before its own has a path there that is no shorter";
    } else if (at->second == Asked::gave_up) {
      text += "it takes more steps than one match may have, and takes no request from a namespace before its own";
    } else if (at->second == Asked::yes) {
      text += route->spec->rank % 2 == 1 ? "nobody behind its namespace takes this, as its Ingress is refused"
                                         : "matches, but another namespace has a longer path there";
    } else {
      text += "the path does not match";
    }
    if (at == asked.end() && ++told > kToldLosers) {
      ++left;
      continue;
    }
    say(text);
  }
  if (left > 0) say(std::to_string(left) + " more routes do not match");
  if (found.route != nullptr && found.route->spec->match != model::PathMatch::pattern)
    say("route " + described(*found.route) + ": chosen");
  if (found.route == nullptr) say("no route of this host matches: 404 (a host takes no fallback)");
  return found.route;
}

class ShardedTable final : public RouteTable {
 public:
  const Route* match(std::string_view host, std::string_view path, Doubt* doubt) const noexcept override {
    const Looked looked = find_host(host, Silent());
    if (looked.given > 0 && doubt != nullptr) [[unlikely]] {
      doubt->undecided = looked.undecided;
      doubt->passed = looked.given - (looked.undecided ? 1 : 0);
    }
    return looked.host == nullptr ? nullptr : (*looked.host)->match(path, doubt);
  }

  const Route* root(std::string_view host) const noexcept override {
    const HostPtr* found = find_host(host, Silent()).host;
    return found == nullptr ? nullptr : (*found)->root();
  }

  const HostRoutes* host(std::string_view name) const noexcept override {
    const HostPtr* found = find_host(name, Silent()).host;
    return found == nullptr ? nullptr : found->get();
  }

  const Route* explain(std::string_view host, std::string_view path,
                       const std::function<void(std::string_view)>& say) const override;

  std::size_t hosts() const noexcept override { return hosts_; }
  std::size_t routes() const noexcept override { return routes_; }
  void for_each(const std::function<void(const Route&)>& fn) const override;

  std::shared_ptr<const RouteTable> with(const std::vector<HostChange>& changes) const;
  std::size_t different(const ShardedTable& other) const {
    std::size_t count = catch_all_ != other.catch_all_ ? 1 : 0;
    for (std::size_t i = 0; i < kShards; ++i) count += shards_[i] != other.shards_[i] ? 1 : 0;
    return count;
  }

 private:
  // The host that takes a name. Null: none, or nobody knows.
  struct Looked {
    const HostPtr* host = nullptr;
    bool undecided = false;
    std::uint32_t given = 0;  // regular expressions that took too many steps
  };
  // What is told of each place that is looked at, in order.
  struct Silent {
    void host(std::string_view, const HostPtr*) const noexcept {}
    void wildcard(std::string_view, const HostPtr*) const noexcept {}
    void alias(const Aliases::Entry&, Regex::Outcome) const noexcept {}
    void catch_all(const HostPtr&) const noexcept {}
  };
  template <class Tell>
  Looked find_host(std::string_view host, const Tell& tell) const {
    const HostPtr* found = find({host, false});
    tell.host(host, found);
    if (found != nullptr) return {found};
    if (aliases_) {
      if (const auto* alias = aliases_->exact(host)) {
        tell.alias(*alias, Regex::Outcome::yes);
        return {&alias->host};
      }
    }
    const std::size_t dot = host.find('.');
    if (wildcards_ > 0 && dot != std::string_view::npos && is_label(host.substr(0, dot))) {
      found = find({host.substr(dot + 1), true});
      tell.wildcard(host.substr(dot), found);
    }
    std::uint32_t given = 0;
    if (aliases_) {
      const auto taken =
          aliases_->match(host, found == nullptr ? nullptr : found->get(), catch_all_.get(),
                          [&](const Aliases::Entry& entry, Regex::Outcome outcome) { tell.alias(entry, outcome); });
      given = taken.given;
      if (taken.undecided) return {nullptr, true, given};
      if (taken.entry != nullptr) return {&taken.entry->host, false, given};
    }
    if (found != nullptr) return {found};
    tell.catch_all(catch_all_);
    return {catch_all_ ? &catch_all_ : nullptr, false, given};
  }
  const HostPtr* find(Key key) const noexcept {
    if (key.text.empty()) return nullptr;
    const std::uint64_t hash = hash_of(seed_, key);
    const Shard* shard = shards_[shard_of(hash)].get();
    return shard == nullptr ? nullptr : shard->find(hash, key);
  }
  void account(const HostPtr& before, const HostPtr& after, bool wildcard) {
    const std::size_t more = after ? 1 : 0, less = before ? 1 : 0;
    hosts_ = hosts_ + more - less;
    if (wildcard) wildcards_ = wildcards_ + more - less;
    routes_ += after ? after->routes().size() : 0;
    routes_ -= before ? before->routes().size() : 0;
  }

  HashSeed seed_ = random_seed();
  std::array<std::shared_ptr<const Shard>, kShards> shards_;
  HostPtr catch_all_;
  std::shared_ptr<const Aliases> aliases_;  // null: there are none
  std::size_t hosts_ = 0, routes_ = 0, wildcards_ = 0;
};

// For explain: what Silent is silent about.
struct Telling {
  const Say& say;
  void host(std::string_view name, const HostPtr* found) const {
    say("host " + std::string(name) + (found ? ": found" : ": not configured"));
  }
  void wildcard(std::string_view rest, const HostPtr* found) const {
    say("host *" + std::string(rest) + (found ? ": found" : ": not configured"));
  }
  void alias(const Aliases::Entry& entry, Regex::Outcome outcome) const {
    say("alias " + entry.spec->name + " of host " + std::string(entry.host->name()) +
        (outcome == Regex::Outcome::yes  ? ": found"
         : outcome == Regex::Outcome::no ? ": does not match"
                                         : ": takes more steps for this name than one match may have, passed over"));
  }
  void catch_all(const HostPtr& found) const {
    say(std::string("catch-all host") + (found ? ": found" : ": not configured"));
  }
};

const Route* ShardedTable::explain(std::string_view host, std::string_view path,
                                   const std::function<void(std::string_view)>& say) const {
  const auto [found, undecided, given] = find_host(host, Telling{say});
  if (undecided) {
    say("without that it would go to the same namespace, or to nobody: 500");
    return nullptr;
  }
  if (found == nullptr) {
    say("no host takes the request: 404");
    return nullptr;
  }
  if (const Text& ns = (*found)->spec().ns; !ns.empty()) say("it belongs to namespace " + ns.str());

  if ((*found)->patterns() != nullptr)
    return explain_snippets(**found, path, explain_patterns(**found, path, say), say);
  std::vector<const Route*> matching;
  const Route* winner = (*found)->walk(path, [&](const Route& route) { matching.push_back(&route); });

  std::vector<const Route*> order;
  for (const Route& route : (*found)->routes())
    if (!model::of_snippet(route.spec->match)) order.push_back(&route);
  auto rank = [](const Route* r) { return r->spec->match == model::PathMatch::prefix ? 1 : 0; };
  std::sort(order.begin(), order.end(), [&](const Route* a, const Route* b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (a->spec->path.size() != b->spec->path.size()) return a->spec->path.size() > b->spec->path.size();
    return a->spec->path < b->spec->path;
  });
  std::size_t told = 0;
  for (const Route* route : order) {
    const bool matches = std::find(matching.begin(), matching.end(), route) != matching.end();
    if (!matches && ++told > kToldLosers) continue;
    std::string text = "route " + described(*route) + ": ";
    if (route == winner) {
      text += "chosen";
    } else if (matches) {
      text += "matches, but " + described(*winner) +
              (winner->spec->match == model::PathMatch::prefix ? " is longer" : " is an exact match");
    } else if (route->spec->match == model::PathMatch::prefix) {
      text += "the path does not start with it";
    } else {
      text += route->spec->path == path ? "another route of the same path comes first" : "the path differs";
    }
    say(text);
  }
  if (told > kToldLosers) say(std::to_string(told - kToldLosers) + " more routes do not match");
  if (winner == nullptr) say("no route of this host matches: 404 (a host takes no fallback)");
  return explain_snippets(**found, path, winner, say);
}

void ShardedTable::for_each(const std::function<void(const Route&)>& fn) const {
  std::vector<const HostRoutes*> all;
  all.reserve(hosts_);
  for (const auto& shard : shards_)
    if (shard) shard->for_each([&](const Shard::Slot& slot) { all.push_back(slot.host.get()); });
  std::sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->spec().name < b->spec().name; });
  if (catch_all_) all.push_back(catch_all_.get());
  for (const HostRoutes* host : all)
    for (const Route& route : host->routes()) fn(route);
}

std::shared_ptr<const RouteTable> ShardedTable::with(const std::vector<HostChange>& changes) const {
  struct Pending {
    std::uint64_t hash;
    const HostChange* change;
  };
  auto next = std::make_shared<ShardedTable>(*this);
  std::vector<Pending> pending;
  pending.reserve(changes.size());
  std::vector<HostPtr> unnamed, named;  // whose other names go and come
  const auto rename = [&](const HostPtr& before, const HostPtr& after) {
    if (before && !before->spec().aliases.empty()) unnamed.push_back(before);
    if (after && !after->spec().aliases.empty()) named.push_back(after);
  };
  for (const HostChange& change : changes) {
    if (change.name.empty()) {
      rename(catch_all_, change.routes);
      next->account(catch_all_, change.routes, false);
      next->catch_all_ = change.routes;
      continue;
    }
    const Key key = key_of(change.name);
    if (key.text.empty()) continue;  // "*." names nothing
    const std::uint64_t hash = hash_of(seed_, key);
    const HostPtr* before = find(key);
    rename(before ? *before : nullptr, change.routes);
    next->account(before ? *before : nullptr, change.routes, key.wildcard);
    pending.push_back({hash, &change});
  }
  if (!unnamed.empty() || !named.empty()) next->aliases_ = Aliases::make(aliases_.get(), seed_, unnamed, named);
  std::sort(pending.begin(), pending.end(), [](const Pending& a, const Pending& b) { return a.hash < b.hash; });

  for (auto from = pending.begin(); from != pending.end();) {
    const std::size_t index = shard_of(from->hash);
    auto to = std::find_if(from, pending.end(), [&](const Pending& p) { return shard_of(p.hash) != index; });
    std::vector<Shard::Slot> slots;
    auto changed = [&](const Shard::Slot& slot) {
      auto same = std::lower_bound(from, to, slot.hash, [](const Pending& p, std::uint64_t h) { return p.hash < h; });
      for (; same != to && same->hash == slot.hash; ++same)
        if (same->change->name == slot.host->spec().name) return true;
      return false;
    };
    if (shards_[index]) {
      slots.reserve(shards_[index]->count() + static_cast<std::size_t>(to - from));
      shards_[index]->for_each([&](const Shard::Slot& slot) {
        if (!changed(slot)) slots.push_back(slot);
      });
    }
    for (; from != to; ++from)
      if (from->change->routes) slots.push_back({from->hash, from->change->routes});
    next->shards_[index] = slots.empty() ? nullptr : std::make_shared<const Shard>(std::move(slots));
  }
  return next;
}

const ShardedTable& cast(const RouteTable& table) {
  return static_cast<const ShardedTable&>(table);
}

}  // namespace

std::shared_ptr<const RouteTable> make_route_table(const RouteTable* previous, const std::vector<HostChange>& changes) {
  if (previous != nullptr) return cast(*previous).with(changes);
  return ShardedTable().with(changes);
}

std::size_t different_shards(const RouteTable& a, const RouteTable& b) {
  return cast(a).different(cast(b));
}

}  // namespace sluice::data
