#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <functional>
#include <istream>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/base64.h"
#include "base/strings.h"
#include "base/thread_memory.h"
#include "control/source/node.h"

namespace sluice::control {

namespace {

// What a scalar is: plain ones say so by their text, tags of YAML's own override that.
Node::Kind kind_of(std::string_view tag, std::string_view text) {
  constexpr std::string_view kOwn = "tag:yaml.org,2002:";
  if (tag == "?") return plain_kind(text);
  if (!tag.starts_with(kOwn)) return Node::Kind::string;
  tag.remove_prefix(kOwn.size());
  return tag == "int" || tag == "float" || tag == "bool" || tag == "null" ? plain_kind(text) : Node::Kind::string;
}

// A plain key that is no string, as kubectl writes it when it makes JSON of it.
std::string key_text(std::string_view text, Node::Kind kind) {
  if (kind == Node::Kind::boolean) return means_true(text) ? "true" : "false";
  if (kind == Node::Kind::number)
    if (const auto number = whole_number(text)) return std::to_string(*number);
  return std::string(text);
}

// What the library says, without the part of the text that it quotes behind some messages.
std::string without_text(const std::string& said) {
  for (const std::string_view quoting : {YAML::ErrorMsg::UNKNOWN_ANCHOR, YAML::ErrorMsg::INVALID_ESCAPE,
                                         YAML::ErrorMsg::INVALID_UNICODE, YAML::ErrorMsg::YAML_VERSION})
    if (said.starts_with(quoting)) return std::string(quoting.substr(0, quoting.find(':')));
  return said;
}

constexpr std::string_view kBinary = "tag:yaml.org,2002:binary";

// The text that base64 under this tag spells, as kubectl takes it. Nothing: it spells none.
std::optional<std::string> binary_text(std::string_view spelt) {
  auto out = decode_base64(spelt);
  for (std::string_view rest = out ? *out : std::string_view(); !rest.empty();) {
    const auto size = utf8_length(rest);
    if (size == 0) return std::nullopt;
    rest.remove_prefix(size);
  }
  return out;
}

class Handler final : public YAML::EventHandler {
 public:
  // `shift`: how far the parser's places of the first line are behind those of the text.
  Handler(const TakeDocument& take, int offset, std::string_view text, int shift, AliasAllowance& aliases)
      : take_(take),
        offset_(offset),
        text_(text),
        shift_(shift),
        left_(text.size() * kTreeTimes + kTreeSpare),
        aliases_(aliases),
        before_(memory_.held()) {}
  int line(const YAML::Mark& m) const { return m.line + offset_; }
  int column(const YAML::Mark& m) const { return m.column + 1 - (m.line == 0 && m.column >= shift_ ? shift_ : 0); }
  // What reading takes, without the documents that were handed on.
  std::int64_t held() const { return memory_.held() - before_; }

  void OnDocumentStart(const YAML::Mark& m) override {
    // Behind a document that ended early ("{a: 1},b") the parser reports empty documents at one place for ever.
    if (m.pos == start_) throw SyntaxError(line(m), column(m), "text behind the end of a document");
    start_ = m.pos;
    doc_ = std::make_unique<Document>();
    tree_ = std::make_unique<TreeBuilder>(*doc_, left_, aliases_);
    anchors_.clear();
  }
  void OnDocumentEnd() override {
    tree_.reset();
    if (doc_->root && doc_->root->kind != Node::Kind::null) take_(std::move(doc_));
    doc_.reset();
    before_ = memory_.held();
  }
  void OnNull(const YAML::Mark& m, YAML::anchor_t a) override { value(Node::Kind::null, {}, m, a); }
  void OnAlias(const YAML::Mark& m, YAML::anchor_t a) override {
    if (tree_->expects_key()) throw SyntaxError(line(m), column(m), "an alias as a key");
    auto it = anchors_.find(a);
    tree_->alias(it == anchors_.end() ? nullptr : it->second, line(m), column(m));
  }
  void OnScalar(const YAML::Mark& m, const std::string& tag, YAML::anchor_t a, const std::string& v) override {
    if (tag == kBinary) {
      const auto text = binary_text(v);
      if (!text) throw SyntaxError(line(m), column(m), "!!binary that is not the base64 of a text in UTF-8");
      return value(Node::Kind::string, *text, m, a);
    }
    if (tree_->expects_key()) {
      return tree_->key(key_text(v, kind_of(tag, v)), tag == "?" && v == "<<", line(m), column(m));
    }
    if (v.empty() && tag == "!") [[unlikely]]
      return value(Node::Kind::string, folded(m), m, a);
    value(kind_of(tag, v), v, m, a);
  }
  void OnSequenceStart(const YAML::Mark& m, const std::string&, YAML::anchor_t a, YAML::EmitterStyle::value) override {
    open(Node::Kind::list, m, a);
  }
  void OnSequenceEnd() override { tree_->close(); }
  void OnMapStart(const YAML::Mark& m, const std::string&, YAML::anchor_t a, YAML::EmitterStyle::value) override {
    open(Node::Kind::map, m, a);
  }
  void OnMapEnd() override { tree_->close(); }

 private:
  // Of quotes with nothing but white space over several lines between them, for which yaml-cpp 0.7 has an empty text:
  // YAML 1.2 section 7.3.1 folds the first end of a line into a blank, or leaves it out before empty lines.
  std::string folded(const YAML::Mark& m) const {
    const auto begin = static_cast<std::size_t>(m.pos - shift_);
    if (begin >= text_.size() || (text_[begin] != '"' && text_[begin] != '\'')) return {};
    const auto end = text_.find_first_not_of(" \t\r\n", begin + 1);
    if (end == std::string_view::npos || text_[end] != text_[begin]) return {};
    const auto lines = std::ranges::count(text_.substr(begin, end - begin), '\n');
    return lines == 0 ? "" : lines == 1 ? " " : std::string(static_cast<std::size_t>(lines) - 1, '\n');
  }
  void remember(YAML::anchor_t a, const Node* n, const YAML::Mark& m) {
    if (!a) return;
    if (anchors_.size() >= kMaxAnchors)
      throw SyntaxError(line(m), column(m), "more than " + std::to_string(kMaxAnchors) + " anchors");
    anchors_[a] = n;
  }
  void value(Node::Kind kind, std::string_view text, const YAML::Mark& m, YAML::anchor_t a) {
    if (tree_->expects_key()) return tree_->key(text, false, line(m), column(m));
    remember(a, tree_->scalar(kind, text, line(m), column(m)), m);
  }
  void open(Node::Kind kind, const YAML::Mark& m, YAML::anchor_t a) {
    if (tree_->expects_key()) throw SyntaxError(line(m), column(m), "a list or map as a key");
    remember(a, tree_->open(kind, line(m), column(m)), m);
  }

  const TakeDocument& take_;
  const int offset_;
  const std::string_view text_;
  const int shift_;
  std::size_t left_;  // of what the trees may take
  AliasAllowance& aliases_;
  const ThreadMemory memory_;
  std::int64_t before_;
  int start_ = -1;  // of the last document
  std::unique_ptr<Document> doc_;
  std::unique_ptr<TreeBuilder> tree_;
  std::unordered_map<YAML::anchor_t, const Node*> anchors_;
};

// What begins a document, behind which brackets on the same line are no key.
constexpr std::string_view kBegin = "--- ";

// Lets the parser read the text where it lies, piece by piece, as long as the parser does not hold too much. It keeps
// all that it read of what may yet be a key, which are brackets until they close ("{a: b}: c"), in a hundred bytes or
// two for each byte of the text.
class TextBuffer final : public std::streambuf {
 public:
  TextBuffer(std::string_view begin, std::string_view text, int first_line, const Handler& handler)
      : text_(text), first_line_(first_line), handler_(handler) {
    give(begin);
  }

 private:
  static constexpr std::size_t kPiece = 4096;
  void give(std::string_view piece) {
    auto* p = const_cast<char*>(piece.data());
    setg(p, p, p + piece.size());
  }
  int_type underflow() override {
    if (handler_.held() > static_cast<std::int64_t>(kReaderTimes * text_.size() + kReaderSpare))
      throw TooMuch(first_line_ + static_cast<int>(std::ranges::count(text_.substr(0, given_), '\n')), 0,
                    "lists or maps in brackets that take more than " + std::to_string(kReaderTimes) +
                        " times the text to read; JSON and block style take less");
    if (given_ == text_.size()) return traits_type::eof();
    give(text_.substr(given_, kPiece));
    given_ += static_cast<std::size_t>(egptr() - gptr());
    return traits_type::to_int_type(*gptr());
  }

  const std::string_view text_;
  const int first_line_;
  const Handler& handler_;
  std::size_t given_ = 0;
};

}  // namespace

std::size_t before_value(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    const auto first = text.find_first_not_of(" \t\r\n", at);
    if (first == std::string_view::npos) return text.size();
    if (text[first] != '#') return first;
    at = std::min(text.find('\n', first), text.size());
  }
}

void parse_yaml(std::string_view text, int first_line, AliasAllowance& aliases, const TakeDocument& take) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  // The parser would take these as the end of the text or as spaces.
  if (auto at = text.find('\0'); at != std::string_view::npos) {
    auto before = text.substr(0, at);
    int line = first_line;
    for (char c : before) line += c == '\n';
    throw SyntaxError(line, static_cast<int>(at - (before.rfind('\n') + 1)) + 1, "a NUL byte");
  }
  // A document in brackets is no key, and need not be kept until they close once the parser knows it.
  std::string_view begin;
  if (const auto at = before_value(text); at < text.size() && (text[at] == '{' || text[at] == '[')) {
    const auto before = text.substr(0, at);
    first_line += static_cast<int>(std::ranges::count(before, '\n'));
    text.remove_prefix(before.rfind('\n') + 1);
    begin = kBegin;
  }
  Handler handler(take, first_line, text, static_cast<int>(begin.size()), aliases);
  try {
    TextBuffer buffer(begin, text, first_line, handler);
    std::istream in(&buffer);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(handler)) {
    }
  } catch (const YAML::Exception& e) {
    throw SyntaxError(handler.line(e.mark), handler.column(e.mark), without_text(e.msg));
  }
}

std::vector<std::unique_ptr<Document>> parse_yaml(std::string_view text, int first_line) {
  constexpr std::size_t kFew = 1000;
  std::vector<std::unique_ptr<Document>> out;
  AliasAllowance aliases(text.size());
  parse_yaml(text, first_line, aliases, [&](std::unique_ptr<Document> document) {
    if (out.size() >= kFew) throw SyntaxError(first_line, 0, "more than " + std::to_string(kFew) + " documents");
    out.push_back(std::move(document));
  });
  return out;
}

}  // namespace sluice::control
