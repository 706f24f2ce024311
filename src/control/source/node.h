#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/page_memory.h"

// A small tree for YAML and JSON documents: what the event readers build and the decoder reads. All memory belongs to
// the Document; building costs a few bytes over the text.
namespace sluice::control {

struct Node {
  enum class Kind : std::uint8_t { null, boolean, number, string, list, map };
  Kind kind = Kind::null;
  bool repeated = false;    // its key stood in the map before; this one counts, as for kubectl
  bool merges = false;      // its key is YAML's merge key
  std::int32_t line = 0;    // from 1
  std::uint32_t count = 0;  // of children
  std::uint32_t cost = 0;   // bytes that the subtree takes with aliases written out
  std::string_view key;     // inside a map
  std::string_view text;    // of a scalar, as written
  Node* first = nullptr;    // child
  Node* next = nullptr;     // sibling

  bool is_scalar() const { return kind != Kind::list && kind != Kind::map; }
  // The member of a map, or null. A member that is null counts as absent, as in Kubernetes.
  const Node* get(std::string_view name) const {
    if (kind != Kind::map) return nullptr;
    for (const Node* n = first; n; n = n->next)
      if (n->key == name) return n->kind == Kind::null ? nullptr : n;
    return nullptr;
  }
};

// Refused text: where and why. The reason never repeats what the text says: it may be a Secret, which is not known
// before it is read.
struct SyntaxError : std::runtime_error {
  SyntaxError(int at_line, int at_column, const std::string& why)
      : std::runtime_error(why), line(at_line), column(at_column) {}
  int line, column;
};
// Whatever the text means, it is more than is taken: no other reader need try.
struct TooMuch : SyntaxError {
  using SyntaxError::SyntaxError;
};

inline constexpr int kMaxDepth = 64;  // of nesting
inline constexpr std::size_t kMaxFileBytes = 64U << 20;
// The tree of a text takes at most so many times its bytes, and a constant. What manifests are made of takes about
// seven.
inline constexpr std::size_t kTreeTimes = 10, kTreeSpare = 1U << 20;
// What the reader of YAML may hold beside it, in the same way. Brackets inside of others are what takes most.
inline constexpr std::size_t kReaderTimes = 6, kReaderSpare = 8U << 20;
// The same of one object that an API server has taken: any JSON at all fits, as the shortest value and its comma are
// two bytes for a Node and a byte. What is too large is refused when it is decoded, by its name and alone.
inline constexpr std::size_t kJsonTimes = 33;
inline constexpr std::size_t kMaxAnchors = 10'000;     // of a YAML document
inline constexpr std::size_t kMaxDocuments = 100'000;  // of a file

// What the aliases of a document may add to it, as those see it who read the tree: so many times the bytes of its file,
// and a constant. All documents of a file together may add as much.
class AliasAllowance {
 public:
  static constexpr std::size_t kTimes = 4, kSpare = 4U << 20;
  static constexpr std::size_t of_file(std::size_t bytes) { return bytes * kTimes + kSpare; }
  explicit AliasAllowance(std::size_t file) : most_(of_file(file)) {}
  // False when there is no more.
  bool spend(std::size_t bytes) noexcept { return (spent_ += bytes) <= most_; }
  std::size_t spent() const noexcept { return spent_; }
  std::size_t most() const noexcept { return most_; }

 private:
  const std::size_t most_;
  std::size_t spent_ = 0;
};

class Document {
 public:
  // `first`: memory that it uses before it takes any other; nobody else does so meanwhile.
  explicit Document(std::span<std::byte> first = {})
      : memory_(first.empty() ? std::pmr::monotonic_buffer_resource(4096, &pages_)
                              : std::pmr::monotonic_buffer_resource(first.data(), first.size(), &pages_)) {}
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
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
  PageResource pages_;
  std::pmr::monotonic_buffer_resource memory_;
};

// What a plain scalar of YAML is, as kubectl reads it: by YAML 1.1 with the numbers of 1.2.
Node::Kind plain_kind(std::string_view text);
// Of a boolean.
inline bool means_true(std::string_view text) {
  return text == "on" || text == "On" || text == "ON" || (!text.empty() && std::string_view("tTyY").contains(text[0]));
}
// The whole number that a scalar of the kind number spells: 80, 8e1, 80.0, 0x50.
std::optional<std::int64_t> whole_number(std::string_view text);

// Builds a tree out of the events of either reader. Of a key that stands twice the later one stays. Refuses depth over
// kMaxDepth, and what takes more memory than it may.
class TreeBuilder {
 public:
  // `left`: of the bytes that trees of the text may take.
  TreeBuilder(Document& doc, std::size_t& left, AliasAllowance& aliases);
  ~TreeBuilder();
  // `merges`: it is YAML's merge key if its value is a map, or a list of maps.
  void key(std::string_view text, bool merges, int line, int column);
  Node* scalar(Node::Kind kind, std::string_view text, int line, int column);
  Node* open(Node::Kind kind, int line, int column);
  void close();
  void alias(const Node* target, int line, int column);
  bool expects_key() const;
  bool inside(const Node* n) const;  // n is open still

 private:
  struct State;
  Node* attach(Node* n, int line, int column);
  void spend(std::size_t bytes, int line, int column);
  std::unique_ptr<State> state_;
};

// Where the first value of a text stands, behind comments and empty lines; its size: nowhere.
std::size_t before_value(std::string_view text);
// One YAML document stream (usually one document); hands on each document with a root before it reads the next.
// `first_line` is the line number of the text's first line; `aliases`: of the file that the text is part of. Throws
// SyntaxError.
using TakeDocument = std::function<void(std::unique_ptr<Document>)>;
void parse_yaml(std::string_view text, int first_line, AliasAllowance& aliases, const TakeDocument& take);
// All of them, where there are few and nothing else is in the file.
std::vector<std::unique_ptr<Document>> parse_yaml(std::string_view text, int first_line);
// One JSON text, whose tree takes at most `times` its bytes and kTreeSpare; `first` as Document says. Throws
// SyntaxError.
std::unique_ptr<Document> parse_json(std::string_view text, int first_line, std::size_t times = kTreeTimes,
                                     std::span<std::byte> first = {});
// The objects in the member `items` of a JSON text, each a part of it, and the text without them: each has a tree of
// its own then, that is gone before the next. Checks nothing: a text that is no JSON gives parts that are none.
struct JsonList {
  std::string rest;
  std::vector<std::string_view> items;
};
JsonList cut_json_list(std::string_view text);

}  // namespace sluice::control
