#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace sluice {
namespace {

// Beyond ASCII: C1 controls, and what Unicode has for reordering text, for line ends and for being invisible.
struct Range {
  char32_t first, last;
};
constexpr Range kHidden[] = {
    {0x80, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f},
    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

// What stands at the start of a text.
struct Piece {
  std::size_t size;
  char32_t code;
  bool utf8;
  bool shown;  // as it is
};

Piece first_of(std::string_view text) noexcept {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x80) return {1, byte, true, byte >= 0x20 && byte != 0x7f};
  const std::size_t size = utf8_length(text);
  if (size == 0) return {1, byte, false, false};
  char32_t code = byte & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  const bool hidden =
      std::any_of(std::begin(kHidden), std::end(kHidden), [&](auto& r) { return code >= r.first && code <= r.last; });
  return {size, code, true, !hidden};
}

// Copies `text`; `spell(out, piece)` writes each piece that `as_it_is` does not take.
template <class AsItIs, class Spell>
std::string rewritten(std::string_view text, AsItIs&& as_it_is, Spell&& spell) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Piece piece = first_of(text.substr(at));
    if (as_it_is(piece)) {
      at += piece.size;
      continue;
    }
    out.append(text.substr(0, at));
    spell(out, piece);
    text.remove_prefix(at + piece.size);
    at = 0;
  }
  out.append(text);
  return out;
}

// \uNNNN, twice beyond the first 64 Ki characters; the size.
std::size_t write_json(char32_t code, char* out) noexcept {
  const auto unit = [&](unsigned value) {
    static constexpr char kHex[] = "0123456789abcdef";
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4) *out++ = kHex[value >> shift & 15];
  };
  const auto number = static_cast<unsigned>(code);
  if (number < 0x10000) return unit(number), 6;
  unit(0xd800 + ((number - 0x10000) >> 10));
  unit(0xdc00 + (number & 0x3ff));
  return 12;
}

void spell_json(std::string& out, const Piece& p) {
  char text[12];
  out.append(text, write_json(p.code, text));
}

}  // namespace

std::string printable(std::string_view text) {
  // Nearly all of it.
  if (std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; })) return std::string(text);
  return rewritten(
      text, [](const Piece& p) { return p.shown; },
      [](std::string& out, const Piece& p) {
        const auto code = static_cast<unsigned>(p.code);
        if (p.code == '\n')
          out += "\\n";
        else if (p.code < 0x80 || !p.utf8)
          fmt::format_to(std::back_inserter(out), "\\x{:02x}", code);
        else if (p.code < 0x10000)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
        else
          fmt::format_to(std::back_inserter(out), "\\U{:08x}", code);
      });
}

std::string printable_json(std::string json) {
  // White space below 0x20 stands between values: inside strings it is escaped already.
  const auto fine = [](const Piece& p) { return p.shown || p.code < 0x20; };
  const bool ascii = std::all_of(json.begin(), json.end(), [](char c) { return c >= 0 && c != 0x7f; });
  return ascii ? json : rewritten(json, fine, spell_json);
}

std::string json_content(std::string_view text) {
  return rewritten(
      text, [](const Piece& p) { return p.shown && p.code != '"' && p.code != '\\'; },
      [](std::string& out, const Piece& p) {
        if (p.shown)
          (out += '\\') += static_cast<char>(p.code);
        else
          spell_json(out, p);
      });
}

std::size_t spell_hidden_json(std::string_view character, char (&out)[12]) noexcept {
  const Piece p = first_of(character);
  return p.shown ? 0 : write_json(p.code, out);
}

std::string_view cut(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  // A character has four bytes at most: what has no begin within three is no character.
  std::size_t end = most;
  for (std::size_t back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; ++back)
    --end;
  const bool whole = utf8_length(text.substr(end)) > most - end;
  return text.substr(0, whole || end == most ? end : most);
}

}  // namespace sluice
