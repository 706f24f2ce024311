#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace sluice::control
