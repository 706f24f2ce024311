#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "control/kube/snippet/block.h"

// What the rows of directives.cpp read with. Only this folder knows it.
namespace sluice::control::snippet {

// Thrown by no one: a handler returns what was expected, empty when all is fine.
class Reader {
 public:
  Reader(Block& block, std::string_view ns, std::size_t depth = 0) : block_(block), ns_(ns), depth_(depth) {}

  // False: refusal() says why.
  bool read(const std::vector<Directive>& directives, Context where, std::uint32_t level);
  const Refusal& refusal() const noexcept { return refusal_; }

  Block& block() noexcept { return block_; }
  std::string_view ns() const noexcept { return ns_; }
  model::SnippetLevel& level() noexcept { return block_.levels[level_]; }
  Context where() const noexcept { return where_; }

  // A text with variables; what it names beside those of nginx is remembered. Returns what was expected.
  enum class For : std::uint8_t {
    step,     // set, if, rewrite: before there is an answer
    answer,   // return: of its answer the status is known, and where it stands in for an error what pods answered
    error,    // error_page
    said,     // auth_request_set, which looks itself what may be named of an answer
    request,  // a field that pods get
    response  // a field of responses: what it may name of those is there
  };
  std::string text(const Word& word, For what, Template& out);
  // A regular expression, as Regex reads it; its groups with a name set variables. Returns what was expected.
  std::string pattern(std::string_view written, bool any_case, std::string& out);
  std::string add(model::SnippetStep step);
  void say(const Directive& directive, std::string because);
  // Of settings. In a server most are overridden by what ingress-nginx writes into the location of each path of an
  // Ingress, and count for the locations of the snippet alone; `everywhere`: this is not.
  void change(const Directive& directive, std::function<void(model::RouteSettings&)> how, bool everywhere = false);

  // A `return` that names what pods answered, which is worth something where errors alone lead; null: there is none.
  const Refusal* too_soon() const noexcept { return too_soon_ ? &*too_soon_ : nullptr; }

  // Is it inside of a location that the snippet writes?
  bool nested() const noexcept { return depth_ > 0; }
  // A step that comes behind all others of the block, wherever it is written.
  void keep_for_end(model::SnippetStep step) { end_ = std::move(step); }

  // The path of a mirror names a location, which may stand behind it.
  void keep_mirror(Place at, std::string path) { mirrors_.emplace_back(at, std::move(path)); }
  // Once all of the block is read. False: refusal().
  bool resolve();

  std::string read_if(const Directive& directive);
  std::string read_location(const Directive& directive);

 private:
  std::string read_one(const Directive& directive);

  Block& block_;
  const std::string_view ns_;
  const std::size_t depth_;
  Context where_ = Context::location;
  std::uint32_t level_ = 0;
  std::size_t patterns_ = 0, fields_ = 0;
  RegexBudget budget_;  // of all patterns
  std::optional<model::SnippetStep> end_;
  std::vector<std::pair<Place, std::string>> mirrors_;
  std::optional<Refusal> too_soon_;
  Refusal refusal_;
  bool refused_inside_ = false;
};

// Why nothing of a snippet may set the variable, in lower case; empty: it may.
std::string wrong_variable(std::string_view name);

// The row of a directive.
struct Row {
  std::string_view name;
  std::uint8_t where = 0;            // contexts, as bits of Context
  std::size_t fewest = 0, most = 0;  // words
  // Returns what was expected; null: `because` says why it has no effect, or with `refused` why it is not taken.
  std::string (*handle)(Reader& reader, const Directive& directive) = nullptr;
  std::string_view because = {};
  bool refused = false;
  bool block = false;  // it has one
};
// Null: nobody knows it.
const Row* find_row(std::string_view name);
// In the order of the documentation.
std::span<const Row> rows();

}  // namespace sluice::control::snippet
