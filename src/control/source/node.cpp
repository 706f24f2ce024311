#include "control/source/node.h"

#include <unordered_set>

namespace sluice::control {

struct TreeBuilder::State {
  struct Level {
    Node* node;
    std::string_view pending_key;
    bool has_key = false;
    std::unordered_set<std::string_view> keys;  // only used by large maps
  };
  Document& doc;
  std::vector<Level> levels;
  std::uint32_t aliased = 0;
  explicit State(Document& d) : doc(d) { levels.reserve(16); }
};

TreeBuilder::TreeBuilder(Document& doc) : state_(std::make_unique<State>(doc)) {}
TreeBuilder::~TreeBuilder() = default;

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
  constexpr std::uint32_t kLinear = 16;
  auto& level = state_->levels.back();
  bool duplicate = false;
  if (level.node->count < kLinear) {
    for (const Node* n = level.node->first; n; n = n->next) duplicate = duplicate || n->key == text;
  } else {
    if (level.keys.empty())
      for (const Node* n = level.node->first; n; n = n->next) level.keys.insert(n->key);
    duplicate = level.keys.contains(text);
  }
  if (duplicate) throw SyntaxError(line, column, "duplicate key \"" + std::string(text.substr(0, 80)) + "\"");
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
    level.has_key = false;
  }
  (level.node->last ? level.node->last->next : level.node->first) = n;
  level.node->last = n;
  ++level.node->count;
  return n;
}

Node* TreeBuilder::scalar(Node::Kind kind, std::string_view text, int line, int column) {
  Node* n = state_->doc.make(kind, line);
  n->text = state_->doc.keep(text);
  return attach(n, line, column);
}

Node* TreeBuilder::open(Node::Kind kind, int line, int column) {
  if (state_->levels.size() >= static_cast<std::size_t>(kMaxDepth))
    throw SyntaxError(line, column, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  Node* n = attach(state_->doc.make(kind, line), line, column);
  state_->levels.push_back({n, {}, false, {}});
  return n;
}

void TreeBuilder::close() {
  Node* n = state_->levels.back().node;
  state_->levels.pop_back();
  for (const Node* c = n->first; c; c = c->next) n->weight += c->weight;
  // YAML's merge key: the map takes the members of the mapping under `<<` that it does not have itself.
  if (n->kind != Node::Kind::map) return;
  Node** link = &n->first;
  Node* before = nullptr;
  while (*link && !((*link)->key == "<<" && (*link)->kind == Node::Kind::map)) {
    before = *link;
    link = &before->next;
  }
  const Node* merged = *link;
  if (!merged) return;
  *link = merged->next;
  if (n->last == merged) n->last = before;
  --n->count;
  for (const Node* c = merged->first; c; c = c->next) {
    bool have = false;
    for (const Node* own = n->first; own; own = own->next) have = have || own->key == c->key;
    if (have) continue;
    Node* copy = state_->doc.make(c->kind, c->line);
    *copy = *c;
    copy->next = nullptr;
    (n->last ? n->last->next : n->first) = copy;
    n->last = copy;
    ++n->count;
  }
}

void TreeBuilder::alias(const Node* target, int line, int column) {
  if (!target) throw SyntaxError(line, column, "an alias without its anchor");
  if (inside(target)) throw SyntaxError(line, column, "an alias inside the node that it names");
  if (target->weight > kMaxAliased - state_->aliased)
    throw SyntaxError(line, column, "aliases that expand to more than " + std::to_string(kMaxAliased) + " values");
  state_->aliased += target->weight;
  Node* n = state_->doc.make(target->kind, target->line);
  *n = *target;
  n->next = nullptr;
  n->key = {};
  attach(n, line, column);
}

}  // namespace sluice::control
