#pragma once
#include <string>
#include <string_view>

// Text of others (names of files, header values, fields of objects) on its way to a terminal, a log or a page: it must
// show what is there and do nothing else.
namespace sluice {

// One line of UTF-8 in which each of these is spelt out, as \n, \x1b or \u202e: control characters (C0, DEL, C1), line
// and paragraph separators, characters that reorder text or cannot be seen (Unicode's bidirectional controls, zero
// widths, tags), and bytes that are no UTF-8. All else stays; a text that went through once does not change again.
std::string printable(std::string_view text);

// The same for JSON that is serialised already, with JSON's own escapes: readers find the same strings as before, in
// text that is valid UTF-8 and safe to print. A byte that is no UTF-8 becomes the character of its number.
std::string printable_json(std::string json);

// The content of a JSON string between its quotes, safe to print.
std::string json_content(std::string_view text);

// What JSON writes in place of one well-formed character beyond ASCII that is not to be shown as it is: the size of
// what is in `out` then, else 0. For access logs: it takes no memory.
std::size_t spell_hidden_json(std::string_view character, char (&out)[12]) noexcept;

// At most the first `most` bytes, without half a character at the end.
std::string_view cut(std::string_view text, std::size_t most) noexcept;

}  // namespace sluice
