#include <boost/json/basic_parser_impl.hpp>

#include "control/source/node.h"

namespace sluice::control {

namespace {

namespace json = boost::json;

// Receives Boost.JSON's events. The text is fed line by line, so that each event knows its line.
struct Handler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = 1U << 16;
  static constexpr std::size_t max_string_size = kMaxFileBytes;

  Document& doc;
  int line;
  std::size_t left;  // of what the tree may take
  AliasAllowance aliases{0};
  TreeBuilder tree{doc, left, aliases};
  std::string partial{};

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return tree.open(Node::Kind::map, line, 0), true; }
  bool on_object_end(std::size_t, json::error_code&) { return tree.close(), true; }
  bool on_array_begin(json::error_code&) { return tree.open(Node::Kind::list, line, 0), true; }
  bool on_array_end(std::size_t, json::error_code&) { return tree.close(), true; }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
    return partial.append(s.data(), s.size()), true;
  }
  bool on_key(json::string_view s, std::size_t, json::error_code&) {
    tree.key(whole(s), false, line, 0);
    return partial.clear(), true;
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
    return partial.append(s.data(), s.size()), true;
  }
  bool on_string(json::string_view s, std::size_t, json::error_code&) {
    tree.scalar(Node::Kind::string, whole(s), line, 0);
    return partial.clear(), true;
  }
  bool on_number_part(json::string_view s, json::error_code&) { return partial.append(s.data(), s.size()), true; }
  bool number(json::string_view s) {
    tree.scalar(Node::Kind::number, whole(s), line, 0);
    return partial.clear(), true;
  }
  bool on_int64(std::int64_t, json::string_view s, json::error_code&) { return number(s); }
  bool on_uint64(std::uint64_t, json::string_view s, json::error_code&) { return number(s); }
  bool on_double(double, json::string_view s, json::error_code&) { return number(s); }
  bool on_bool(bool b, json::error_code&) {
    return tree.scalar(Node::Kind::boolean, b ? "true" : "false", line, 0), true;
  }
  bool on_null(json::error_code&) { return tree.scalar(Node::Kind::null, {}, line, 0), true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  std::string_view whole(json::string_view s) {
    if (partial.empty()) return {s.data(), s.size()};
    partial.append(s.data(), s.size());
    return partial;
  }
};

}  // namespace

std::unique_ptr<Document> parse_json(std::string_view text, int first_line, std::size_t times,
                                     std::span<std::byte> first) {
  auto doc = std::make_unique<Document>(first);
  json::parse_options options;
  options.max_depth = kMaxDepth + 1;  // the builder refuses first, with its own words
  json::basic_parser<Handler> parser(options, *doc, first_line, text.size() * times + kTreeSpare);
  auto& handler = parser.handler();
  json::error_code ec;
  while (!text.empty()) {
    auto length = std::min(text.find('\n'), text.size() - 1) + 1;
    auto used = parser.write_some(true, text.data(), length, ec);
    if (ec) throw SyntaxError(handler.line, static_cast<int>(used) + 1, ec.message());
    if (used < length)
      throw SyntaxError(handler.line, static_cast<int>(used) + 1, "text after the end of the document");
    handler.line += text[length - 1] == '\n';
    text.remove_prefix(length);
  }
  parser.write_some(false, "", 0, ec);
  if (ec) throw SyntaxError(handler.line, 1, ec.message());
  return doc;
}

JsonList cut_json_list(std::string_view text) {
  static_assert(sizeof(Node) + 1 <= kJsonTimes * 2);
  JsonList out;
  std::string_view key;  // the last text of the outermost map
  std::size_t depth = 0, cut = 0, from = 0;
  bool inside = false;  // `items`
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t begin = ++i;
      while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
      if (depth == 1) key = text.substr(begin, std::min(i, text.size()) - begin);
    } else if (c == '{' || c == '[') {
      if (inside && depth == 2) from = i;
      if (!inside && c == '[' && depth == 1 && key == "items") {
        inside = true;
        out.rest += text.substr(cut, i + 1 - cut);
      }
      ++depth;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
      if (inside && depth == 2) out.items.push_back(text.substr(from, i + 1 - from));
      if (inside && depth == 1) {
        inside = false;
        cut = i;
      }
    }
  }
  if (!inside) out.rest += text.substr(cut);
  return out;
}

}  // namespace sluice::control
