#include <memory>
#include <string>
#include <vector>

#include "control/source/node.h"
#include "support.h"

// A list of an API server: what is cut out of a text is a part of it, each byte once. What a strict reader takes for a
// list is cut into the very objects that it finds there, and the rest is the list without them.
namespace {

using namespace sluice::control;  // NOLINT(google-build-using-namespace)

bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.key != b.key || a.text != b.text || a.count != b.count) return false;
  const Node *x = a.first, *y = b.first;
  for (; x != nullptr && y != nullptr; x = x->next, y = y->next)
    if (!same(*x, *y)) return false;
  return x == y;
}

// Null: it is no JSON.
std::unique_ptr<Document> read(std::string_view text) {
  try {
    return parse_json(text, 1, kJsonTimes);
  } catch (const SyntaxError&) {
    return nullptr;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(sluice::fuzz::text_of(data, size));
  const JsonList cut = cut_json_list(text);
  std::size_t bytes = cut.rest.size();
  const char* at = text.data();
  for (const auto item : cut.items) {
    PROPERTY(item.size() >= 2 && item.data() >= at && item.data() + item.size() <= text.data() + text.size());
    at = item.data() + item.size();
    bytes += item.size();
  }
  PROPERTY(bytes <= text.size());

  const auto whole = read(text);
  // A server writes the names of members as they are, each once.
  if (!whole || whole->root == nullptr || whole->root->kind != Node::Kind::map) return 0;
  if (text.find('\\') != std::string::npos) return 0;
  const Node* items = nullptr;
  for (const Node* n = whole->root->first; n != nullptr; n = n->next) {
    if (n->repeated) return 0;
    if (n->key == "items" && n->kind == Node::Kind::list) items = n;
  }
  const auto rest = read(cut.rest);
  PROPERTY(rest && rest->root != nullptr && rest->root->kind == Node::Kind::map);
  PROPERTY(rest->root->count == whole->root->count);
  for (const Node *a = whole->root->first, *b = rest->root->first; a != nullptr; a = a->next, b = b->next) {
    PROPERTY(b != nullptr);
    PROPERTY(a == items ? b->key == a->key && b->kind == a->kind && b->count == 0 : same(*a, *b));
  }
  std::size_t found = 0;
  for (const Node* n = items != nullptr ? items->first : nullptr; n != nullptr; n = n->next) {
    if (n->is_scalar()) continue;  // no object of a list
    PROPERTY(found < cut.items.size());
    const auto object = read(cut.items[found++]);
    PROPERTY(object && object->root != nullptr && same(*object->root, *n));
  }
  PROPERTY(found == cut.items.size());
  return 0;
}
