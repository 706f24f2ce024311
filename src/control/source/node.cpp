#include "control/source/node.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

namespace sluice::control {

namespace {
constexpr std::uint32_t kLinear = 16;  // members of a map that are looked through one by one
constexpr std::size_t kKnownKey = 40;  // what a key of a larger one takes beside its text

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// Underscores mean nothing in numbers of YAML 1.1.
std::string without_underscores(std::string_view s) {
  std::string out(s);
  std::erase(out, '_');
  return out;
}

// An integer with a prefix that says its base: 0x, 0o, 0b, or 0 alone for octal.
std::optional<std::int64_t> integer_of_base(std::string_view s) {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  if (s.size() < 2 || s[0] != '0') return std::nullopt;
  const char mark = static_cast<char>(s[1] | 0x20);
  const int base = mark == 'x' ? 16 : mark == 'b' ? 2 : mark == 'o' || digit(mark) ? 8 : 0;
  if (base == 0) return std::nullopt;
  s.remove_prefix(digit(s[1]) ? 1 : 2);
  std::int64_t out = 0;
  if (s.empty() || s[0] == '-') return std::nullopt;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out, base);
  if (error != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return negative ? -out : out;
}

// [-+]? (\.[0-9]+ | [0-9]+ (\.[0-9]*)?) ([eE] [-+]? [0-9]+)?
bool decimal(std::string_view s) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && digit(s[i])) ++i;
    return i > from;
  };
  const auto sign = [&] { i += i < s.size() && (s[i] == '-' || s[i] == '+'); };
  sign();
  const bool whole = digits();
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (!digits() && !whole) return false;
  } else if (!whole) {
    return false;
  }
  if (i < s.size() && (s[i] | 0x20) == 'e') {
    ++i;
    sign();
    if (!digits()) return false;
  }
  return i == s.size();
}

bool maps(const Node& value) {
  if (value.kind == Node::Kind::map) return true;
  if (value.kind != Node::Kind::list) return false;
  for (const Node* n = value.first; n; n = n->next)
    if (n->kind != Node::Kind::map) return false;
  return true;
}

// The members of a map as kubectl takes them: in the order of the text the later of a key counts, and a merge key
// stands for the members of its map; of a list of maps the earlier ones win.
class Members {
 public:
  explicit Members(Document& doc) : doc_(doc) {}
  void put(Node* n, bool written) {
    const auto [at, added] = places_.try_emplace(n->key, Place{all_.size(), written});
    if (added) return all_.push_back(n);
    n->repeated = n->repeated || at->second.written;
    at->second.written = at->second.written || written;
    all_[at->second.index] = n;
  }
  void merge(const Node& value) {
    if (value.kind == Node::Kind::map) return merge_map(value);
    std::vector<const Node*> maps;
    for (const Node* n = value.first; n; n = n->next) maps.push_back(n);
    for (; !maps.empty(); maps.pop_back()) merge_map(*maps.back());
  }
  void into(Node& map) const {
    Node** link = &map.first;
    for (Node* n : all_) {
      *link = n;
      link = &n->next;
    }
    *link = nullptr;
    map.count = static_cast<std::uint32_t>(all_.size());
  }

 private:
  void merge_map(const Node& map) {
    for (const Node* c = map.first; c; c = c->next) {
      Node* copy = doc_.make(c->kind, c->line);
      *copy = *c;
      copy->repeated = copy->merges = false;
      put(copy, false);
    }
  }
  struct Place {
    std::size_t index;
    bool written;  // by its own key
  };
  Document& doc_;
  std::vector<Node*> all_;
  std::unordered_map<std::string_view, Place> places_;
};

}  // namespace

Node::Kind plain_kind(std::string_view s) {
  using K = Node::Kind;
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return K::null;
  static constexpr std::string_view kBooleans[] = {"true", "True", "TRUE", "yes",   "Yes",   "YES",   "on", "On",
                                                   "ON",   "y",    "Y",    "false", "False", "FALSE", "no", "No",
                                                   "NO",   "off",  "Off",  "OFF",   "n",     "N"};
  if (s.size() <= 5 && std::ranges::find(kBooleans, s) != std::end(kBooleans)) return K::boolean;
  if (!digit(s[0]) && s[0] != '-' && s[0] != '+' && s[0] != '.') return K::string;
  const std::string plain = without_underscores(s);
  return integer_of_base(plain) || decimal(plain) ? K::number : K::string;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  const std::string plain = without_underscores(text);
  if (const auto based = integer_of_base(plain)) return based;
  if (!decimal(plain)) return std::nullopt;
  double value = 0;
  const char* first = plain.data() + (plain.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, plain.data() + plain.size(), value);
  if (error != std::errc{} || value != std::floor(value) || std::abs(value) > 1e15) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

struct TreeBuilder::State {
  struct Level {
    Node* node;
    Node* last = nullptr;  // child
    std::string_view pending_key;
    bool has_key = false, merges = false;
    bool unsettled = false;                     // a key stands twice, or is the merge key
    std::unordered_set<std::string_view> keys;  // only used by large maps
  };
  Document& doc;
  std::size_t& left;
  AliasAllowance& aliases;
  std::vector<Level> levels;
  State(Document& d, std::size_t& l, AliasAllowance& a) : doc(d), left(l), aliases(a) { levels.reserve(16); }
};

TreeBuilder::TreeBuilder(Document& doc, std::size_t& left, AliasAllowance& aliases)
    : state_(std::make_unique<State>(doc, left, aliases)) {}
TreeBuilder::~TreeBuilder() = default;

inline void TreeBuilder::spend(std::size_t bytes, int line, int column) {
  if (bytes > state_->left) [[unlikely]]
    throw TooMuch(line, column, "values that take more than " + std::to_string(kTreeTimes) + " times the text");
  state_->left -= bytes;
}

bool TreeBuilder::expects_key() const {
  return !state_->levels.empty() && state_->levels.back().node->kind == Node::Kind::map &&
         !state_->levels.back().has_key;
}

bool TreeBuilder::inside(const Node* n) const {
  for (auto& l : state_->levels)
    if (l.node == n) return true;
  return false;
}

void TreeBuilder::key(std::string_view text, bool merges, int line, int column) {
  auto& level = state_->levels.back();
  bool duplicate = false;
  if (level.node->count < kLinear) {
    for (const Node* n = level.node->first; n; n = n->next) duplicate = duplicate || n->key == text;
  } else {
    if (level.keys.empty())
      for (const Node* n = level.node->first; n; n = n->next) level.keys.insert(n->key);
    duplicate = level.keys.contains(text);
  }
  level.unsettled = level.unsettled || duplicate || merges;
  level.merges = merges;
  spend(text.size() + (level.node->count >= kLinear ? kKnownKey : 0), line, column);
  level.pending_key = state_->doc.keep(text);
  level.has_key = true;
  if (level.node->count >= kLinear) level.keys.insert(level.pending_key);
}

Node* TreeBuilder::attach(Node* n, int line, int column) {
  if (state_->levels.empty()) {
    if (state_->doc.root) throw SyntaxError(line, column, "a second value after the end of the document");
    state_->doc.root = n;
    return n;
  }
  auto& level = state_->levels.back();
  if (level.node->kind == Node::Kind::map) {
    n->key = level.pending_key;
    n->merges = level.merges;
    n->repeated = false;
    n->cost += static_cast<std::uint32_t>(n->key.size());
    level.has_key = false;
  }
  (level.last ? level.last->next : level.node->first) = n;
  level.last = n;
  ++level.node->count;
  return n;
}

Node* TreeBuilder::scalar(Node::Kind kind, std::string_view text, int line, int column) {
  spend(sizeof(Node) + text.size(), line, column);
  Node* n = state_->doc.make(kind, line);
  n->text = state_->doc.keep(text);
  n->cost = static_cast<std::uint32_t>(sizeof(Node) + text.size());
  return attach(n, line, column);
}

Node* TreeBuilder::open(Node::Kind kind, int line, int column) {
  if (state_->levels.size() >= static_cast<std::size_t>(kMaxDepth))
    throw TooMuch(line, column, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  spend(sizeof(Node), line, column);
  Node* n = attach(state_->doc.make(kind, line), line, column);
  n->cost += static_cast<std::uint32_t>(sizeof(Node));
  state_->levels.push_back({n, nullptr, {}, false, false, false, {}});
  return n;
}

void TreeBuilder::close() {
  Node* n = state_->levels.back().node;
  const bool unsettled = state_->levels.back().unsettled;
  state_->levels.pop_back();
  for (const Node* c = n->first; c; c = c->next) n->cost += c->cost;
  if (!unsettled) return;
  Members members(state_->doc);
  for (Node *c = n->first, *next = nullptr; c; c = next) {
    next = c->next;
    if (c->merges && maps(*c))
      members.merge(*c);
    else
      members.put(c, true);
  }
  members.into(*n);
}

void TreeBuilder::alias(const Node* target, int line, int column) {
  if (!target) throw SyntaxError(line, column, "an alias without its anchor");
  if (inside(target)) throw SyntaxError(line, column, "an alias inside the node that it names");
  spend(sizeof(Node), line, column);
  if (!state_->aliases.spend(target->cost))
    throw SyntaxError(line, column, "aliases that add more than " + std::to_string(state_->aliases.most()) + " bytes");
  Node* n = state_->doc.make(target->kind, target->line);
  *n = *target;
  n->next = nullptr;
  n->cost -= static_cast<std::uint32_t>(n->key.size());
  n->key = {};
  attach(n, line, column);
}

}  // namespace sluice::control
