#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

// The text of a snippet as nginx reads its configuration: words, quotes, escapes, comments and blocks. Which directives
// there are is not known here. Source: nginx's ngx_conf_read_token, rebuilt.
namespace sluice::control::snippet {

struct Place {
  std::uint32_t line = 1, column = 1;  // of a byte, both from one on
  bool operator==(const Place&) const = default;
};

struct Word {
  std::string text;     // without its quotes, escapes resolved
  bool quoted = false;  // nginx takes a quoted word as it does any other, but for what ends it
  Place at;
  bool operator==(const Word&) const = default;
};

struct Directive {
  std::string name;
  Place at;
  std::vector<Word> words;  // behind the name
  bool has_block = false;
  std::vector<Directive> block;
  bool operator==(const Directive&) const = default;
};

// Why a snippet is not taken.
struct Refusal {
  Place at;
  std::string token;                 // that it is about; shortened where it is shown
  std::string expected;              // instead, and the annotation that does the same
  std::string text() const;          // "line 3: proxy_cache a"
  std::string text_of_name() const;  // "line 3: proxy_cache"
};

// The whole text or nothing, within model::Snippet's limits of bytes, directives, words and depth. What is behind the
// brace of a Lua block is no such text: its directive is refused where it begins.
std::expected<std::vector<Directive>, Refusal> parse(std::string_view text);

// A directive as it is written, without its block, shortened.
std::string head_of(const Directive& directive);
// The directives in one line, as parse() would read them again but for quotes; at most `most` bytes.
std::string in_one_line(const std::vector<Directive>& directives, std::size_t most);

}  // namespace sluice::control::snippet
