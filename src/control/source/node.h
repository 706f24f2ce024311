#pragma once
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// A small tree for YAML and JSON documents: what the event readers build and the decoder reads. All memory belongs to
// the Document; building costs a few bytes over the text.
namespace sluice::control {

struct Node {
  enum class Kind : std::uint8_t { null, boolean, number, string, list, map };
  Kind kind = Kind::null;
  std::int32_t line = 0;     // from 1
  std::uint32_t count = 0;   // of children
  std::uint32_t weight = 1;  // nodes of the subtree with aliases written out
  std::string_view key;      // inside a map
  std::string_view text;     // of a scalar, as written
  Node* first = nullptr;
  Node* last = nullptr;
  Node* next = nullptr;

  bool is_scalar() const { return kind != Kind::list && kind != Kind::map; }
  // The member of a map, or null. A member that is null counts as absent, as in Kubernetes.
  const Node* get(std::string_view name) const {
    if (kind != Kind::map) return nullptr;
    for (const Node* n = first; n; n = n->next)
      if (n->key == name) return n->kind == Kind::null ? nullptr : n;
    return nullptr;
  }
};

// Refused text: where and why.
struct SyntaxError : std::runtime_error {
  SyntaxError(int at_line, int at_column, const std::string& why)
      : std::runtime_error(why), line(at_line), column(at_column) {}
  int line, column;
};

inline constexpr int kMaxDepth = 64;                   // of nesting
inline constexpr std::uint32_t kMaxAliased = 100'000;  // nodes that aliases of one document may add
inline constexpr std::size_t kMaxFileBytes = 64U << 20;

class Document {
 public:
  Node* make(Node::Kind kind, int line) {
    auto* n = std::pmr::polymorphic_allocator<Node>(&memory_).new_object<Node>();
    n->kind = kind;
    n->line = line;
    return n;
  }
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    auto* p = static_cast<char*>(memory_.allocate(text.size(), 1));
    text.copy(p, text.size());
    return {p, text.size()};
  }
  Node* root = nullptr;  // null: nothing but comments

 private:
  std::pmr::monotonic_buffer_resource memory_{4096};
};

// Builds a tree out of the events of either reader. Refuses duplicate keys, depth over kMaxDepth and alias bombs.
class TreeBuilder {
 public:
  explicit TreeBuilder(Document& doc);
  ~TreeBuilder();
  void key(std::string_view text, int line, int column);
  Node* scalar(Node::Kind kind, std::string_view text, int line, int column);
  Node* open(Node::Kind kind, int line, int column);
  void close();
  void alias(const Node* target, int line, int column);
  bool expects_key() const;
  bool inside(const Node* n) const;  // n is open still

 private:
  struct State;
  Node* attach(Node* n, int line, int column);
  std::unique_ptr<State> state_;
};

// One YAML document stream (usually one document); calls nothing back, returns each root. `first_line` is the line
// number of the text's first line. Throws SyntaxError.
std::vector<std::unique_ptr<Document>> parse_yaml(std::string_view text, int first_line);
// One JSON text. Throws SyntaxError.
std::unique_ptr<Document> parse_json(std::string_view text, int first_line);

}  // namespace sluice::control
