#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "control/source/node.h"

namespace sluice::control {
namespace {

// The YAML library reports empty documents at one place for ever when text follows a document that ended early; the
// control thread would never come back from a typing error.
TEST(ParseYaml, TextBehindADocumentIsRefused) {
  for (const char* text : {"{a: 1},b", "{\"a\":1},\"b\":[{}]}", "[1], 2", "{\"b\":1},\"s\":{"})
    EXPECT_THROW(parse_yaml(text, 1), SyntaxError) << text;
}

TEST(ParseYaml, DocumentsFollowOneAnother) {
  EXPECT_EQ(parse_yaml("a: 1\n---\nb: 2\n---\n---\nc: 3\n...\n...\n---\nd: 4\n", 1).size(), 4u);
  for (const char* text : {"", "\n", "# only\n", "---\n---\n"}) EXPECT_TRUE(parse_yaml(text, 1).empty()) << text;
}

// A document in brackets is given to the parser behind a mark of ours, which no place may show.
TEST(ParseYaml, ADocumentInBracketsHasThePlacesOfItsText) {
  const std::string text = "# c\n\n  {a: [1], b: \"\n\n\",\n c: d}\n";
  const auto documents = parse_yaml(text, 5);
  ASSERT_EQ(documents.size(), 1u);
  const Node& root = *documents[0]->root;
  EXPECT_EQ(root.get("a")->line, 7);
  EXPECT_EQ(root.get("b")->text, "\n");
  EXPECT_EQ(root.get("c")->line, 10);
  for (const auto& [bad, line, column] : {std::tuple("{a: *b}", 1, 5), std::tuple("# c\n [*b]", 2, 3),
                                          std::tuple("[a,\n  *b]", 2, 3), std::tuple("- *b", 1, 3)}) {
    try {
      parse_yaml(bad, 1);
      ADD_FAILURE() << bad;
    } catch (const SyntaxError& e) {
      EXPECT_EQ(e.line, line) << bad;
      EXPECT_EQ(e.column, column) << bad << e.what();
    }
  }
  EXPECT_THROW(parse_yaml("{a: b}: c\n", 1), SyntaxError);
}

TEST(ParseYaml, AValueIsFoundBehindCommentsAndEmptyLines) {
  for (const char* before : {"", " \t", "# a {\n", "\n\r\n # a\n  "}) {
    const std::string text(before);
    EXPECT_EQ(before_value(text + "{}"), text.size()) << before;
    EXPECT_EQ(before_value(text), text.size()) << before;
  }
}

}  // namespace
}  // namespace sluice::control
