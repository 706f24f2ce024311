#include "control/kube/snippet/text.h"

#include <optional>

#include "control/kube/grammar.h"
#include "model/settings/snippet.h"

namespace sluice::control::snippet {

namespace {

using Limits = model::Snippet;

constexpr std::size_t kMostWord = 4096;  // bytes; nginx takes no longer ones either

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// What parse() is about to read next.
struct Token {
  enum class Kind : std::uint8_t { word, semicolon, open, close, end };
  Kind kind = Kind::end;
  Word word;  // its place is the token's, of whatever kind
};

class TextReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) {}

  std::expected<std::vector<Directive>, Refusal> all() {
    std::vector<Directive> out;
    if (text_.size() > Limits::kMostBytes)
      return std::unexpected(Refusal{{}, "", "a snippet of at most " + std::to_string(Limits::kMostBytes) + " bytes"});
    if (!block(out, 0)) return std::unexpected(std::move(*refusal_));
    return out;
  }

 private:
  bool refuse(Place at, std::string_view token, std::string expected) {
    refusal_ = Refusal{at, std::string(token), std::move(expected)};
    return false;
  }

  // Directives up to the brace that closes the block of `of`, or where there is none to the end of the text.
  bool block(std::vector<Directive>& out, std::size_t depth, const Directive* of = nullptr) {
    for (;;) {
      Token token;
      if (!next(token)) return false;
      switch (token.kind) {
        case Token::Kind::end:
          return of == nullptr || refuse(of->at, head_of(*of), "a } that closes the block");
        case Token::Kind::close:
          return of != nullptr || refuse(token.word.at, "}", "no } without its {");
        case Token::Kind::semicolon:
          return refuse(token.word.at, ";", "a directive in front of it");
        case Token::Kind::open:
          return refuse(token.word.at, "{", "a directive in front of it");
        case Token::Kind::word:
          break;
      }
      if (++directives_ > Limits::kMostDirectives)
        return refuse(token.word.at, token.word.text,
                      "at most " + std::to_string(Limits::kMostDirectives) + " directives");
      Directive& made = out.emplace_back();
      made.at = token.word.at;
      made.name = std::move(token.word.text);
      if (!rest(made, depth)) return false;
    }
  }

  // What is behind the name.
  bool rest(Directive& made, std::size_t depth) {
    for (;;) {
      Token token;
      if (!next(token)) return false;
      switch (token.kind) {
        case Token::Kind::semicolon:
          return true;
        case Token::Kind::end:
        case Token::Kind::close:
          return refuse(made.at, made.name, "a ; at its end");
        case Token::Kind::open:
          if (made.name.ends_with("_by_lua_block"))
            return refuse(made.at, made.name, "no Lua: there is no interpreter of it here");
          if (depth + 1 > Limits::kMostDepth)
            return refuse(token.word.at, "{",
                          "blocks inside of one another " + std::to_string(Limits::kMostDepth) + " deep at most");
          made.has_block = true;
          return block(made.block, depth + 1, &made);
        case Token::Kind::word:
          if (made.words.size() >= Limits::kMostWords)
            return refuse(made.at, made.name, "at most " + std::to_string(Limits::kMostWords) + " words");
          made.words.push_back(std::move(token.word));
      }
    }
  }

  char now() const noexcept { return text_[at_]; }
  bool over() const noexcept { return at_ == text_.size(); }
  void step() noexcept {
    if (now() == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
    ++at_;
  }

  void skip_blanks() {
    while (!over()) {
      if (now() == '#') {
        while (!over() && now() != '\n') step();
      } else if (is_blank(now())) {
        step();
      } else {
        return;
      }
    }
  }

  bool next(Token& out) {
    skip_blanks();
    out.word.at = place_;
    if (over()) {
      out.kind = Token::Kind::end;
      return true;
    }
    const char c = now();
    if (c == ';' || c == '{' || c == '}') {
      out.kind = c == ';' ? Token::Kind::semicolon : c == '{' ? Token::Kind::open : Token::Kind::close;
      step();
      return true;
    }
    out.kind = Token::Kind::word;
    const bool fine = c == '"' || c == '\'' ? quoted(out.word) : plain(out.word);
    if (!fine) return false;
    if (out.word.text.size() > kMostWord)
      return refuse(out.word.at, out.word.text, "a word of at most " + std::to_string(kMostWord) + " bytes");
    return true;
  }

  // A backslash takes itself and quotes out of what they mean, and writes three characters that have no sign; in front
  // of all else it stands for itself, as in a regular expression.
  void escaped(std::string& out) {
    step();
    if (over()) {
      out += '\\';
      return;
    }
    switch (const char c = now()) {
      case '"':
      case '\'':
      case '\\':
        out += c;
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      default:
        out += '\\';
        out += c;
    }
    step();
  }

  bool quoted(Word& out) {
    const char quote = now();
    out.quoted = true;
    step();
    while (!over() && now() != quote) {
      if (now() == '\\')
        escaped(out.text);
      else if (now() == '\0')
        return refuse(place_, "NUL", "text without NUL");
      else
        out.text += now(), step();
    }
    if (over()) return refuse(out.at, std::string(1, quote), "a quote that ends");
    step();
    // nginx wants a word to end here. A ) may follow, as in `if ($a = "b")`.
    if (over() || is_blank(now()) || now() == ';' || now() == '{' || now() == ')') return true;
    return refuse(place_, std::string(1, now()), "a blank, ; or { behind a quoted word");
  }

  bool plain(Word& out) {
    for (bool dollar = false; !over();) {
      const char c = now();
      if (c == '\\') {
        escaped(out.text);
        dollar = false;
        continue;
      }
      // `${name}` does not begin a block.
      if (c == '{' && dollar) {
        out.text += c;
        step();
        dollar = false;
        continue;
      }
      if (is_blank(c) || c == ';' || c == '{') return true;
      if (c == '\0') return refuse(place_, "NUL", "text without NUL");
      dollar = c == '$';
      out.text += c;
      step();
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0, directives_ = 0;
  Place place_;
  std::optional<Refusal> refusal_;
};

void append(const std::vector<Directive>& directives, std::string& out, std::size_t most) {
  for (const Directive& d : directives) {
    if (out.size() > most) return;
    if (!out.empty() && !out.ends_with("{ ")) out += ' ';
    out += d.name;
    for (const Word& w : d.words) {
      out += ' ';
      const bool bare = !w.text.empty() && w.text.find_first_of(" ;{}\t\"'#") == std::string::npos;
      if (bare)
        out += w.text;
      else
        out.append("\"").append(w.text).append("\"");
    }
    if (!d.has_block) {
      out += ';';
      continue;
    }
    out += " { ";
    append(d.block, out, most);
    out += " }";
  }
}

}  // namespace

std::string Refusal::text() const {
  return "line " + std::to_string(at.line) + (token.empty() ? std::string() : ": " + shorten(token));
}

std::string Refusal::text_of_name() const {
  return Refusal{at, token.substr(0, token.find_first_of(" \t\r\n")), {}}.text();
}

std::expected<std::vector<Directive>, Refusal> parse(std::string_view text) {
  return TextReader(text).all();
}

std::string head_of(const Directive& directive) {
  Directive head;
  head.name = directive.name;
  head.words = directive.words;
  std::string out = in_one_line({head}, 100);
  if (out.ends_with(';')) out.pop_back();
  return out;
}

std::string in_one_line(const std::vector<Directive>& directives, std::size_t most) {
  std::string out;
  append(directives, out, most);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (out.size() > most) {
    while (most > 0 && (static_cast<unsigned char>(out[most]) & 0xc0U) == 0x80U) --most;
    out.resize(most);
    out += "\u2026";
  }
  return out;
}

}  // namespace sluice::control::snippet
