#include "control/source/node.h"

#include <unordered_set>

namespace sluice::control {

namespace {
constexpr std::uint32_t kLinear = 16;  // members of a map that are looked through one by one
constexpr std::size_t kKnownKey = 40;  // what a key of a larger one takes beside its text
// YAML's merge key: the map takes the members of the mapping under `<<` that it does not have itself.
void merge(Document& doc, Node& map) {
  Node** link = &map.first;
  while (*link && !((*link)->key == "<<" && (*link)->kind == Node::Kind::map)) link = &(*link)->next;
  const Node* merged = *link;
  if (!merged) return;
  *link = merged->next;
  --map.count;
  std::unordered_set<std::string_view> own;
  for (link = &map.first; *link; link = &(*link)->next) own.insert((*link)->key);
  for (const Node* c = merged->first; c; c = c->next) {
    if (own.contains(c->key)) continue;
    Node* copy = doc.make(c->kind, c->line);
    *copy = *c;
    copy->next = nullptr;
    *link = copy;
    link = &copy->next;
    ++map.count;
  }
}
}  // namespace

struct TreeBuilder::State {
  struct Level {
    Node* node;
    Node* last = nullptr;  // child
    std::string_view pending_key;
    bool has_key = false;
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

void TreeBuilder::spend(std::size_t bytes, int line, int column) {
  if (bytes > state_->left)
    throw SyntaxError(line, column, "values that take more than " + std::to_string(kTreeTimes) + " times the text");
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

void TreeBuilder::key(std::string_view text, int line, int column) {
  auto& level = state_->levels.back();
  bool duplicate = false;
  if (level.node->count < kLinear) {
    for (const Node* n = level.node->first; n; n = n->next) duplicate = duplicate || n->key == text;
  } else {
    if (level.keys.empty())
      for (const Node* n = level.node->first; n; n = n->next) level.keys.insert(n->key);
    duplicate = level.keys.contains(text);
  }
  if (duplicate) throw SyntaxError(line, column, "duplicate key");
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
    throw SyntaxError(line, column, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  spend(sizeof(Node), line, column);
  Node* n = attach(state_->doc.make(kind, line), line, column);
  n->cost += static_cast<std::uint32_t>(sizeof(Node));
  state_->levels.push_back({n, nullptr, {}, false, {}});
  return n;
}

void TreeBuilder::close() {
  Node* n = state_->levels.back().node;
  state_->levels.pop_back();
  for (const Node* c = n->first; c; c = c->next) n->cost += c->cost;
  if (n->kind == Node::Kind::map) merge(state_->doc, *n);
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
