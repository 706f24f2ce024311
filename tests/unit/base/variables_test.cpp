#include "base/variables.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

namespace sluice {
namespace {

// "lit<h>ost:http_|x" and the like.
std::string cut(const std::string& text) {
  const Template t(text);
  std::string out;
  for (const auto& part : t.parts()) {
    const std::string of(t.text_of(part));
    if (part.variable == kLiteral) {
      out += "'" + of + "'";
    } else if (part.variable == kGroup) {
      out += "<" + of + ">";
    } else if (part.variable == kUnknown) {
      out += "<?" + of + ">";
    } else {
      const std::string name(kVariables[part.variable].name);
      out += "<" + name + (name.ends_with('_') ? of : "") + ">";
    }
  }
  return out;
}

TEST(Variables, NoNameTwice) {
  std::set<std::string_view> names;
  for (std::size_t i = kUnknown + 1; i < std::size(kVariables); ++i)
    EXPECT_TRUE(names.insert(kVariables[i].name).second) << kVariables[i].name;
}

TEST(Variables, AreDocumented) {
  std::ifstream in(SLUICE_SOURCE_DIR "/docs/variables.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t i = kUnknown + 1; i < std::size(kVariables); ++i) {
    const std::string_view name = kVariables[i].name;
    EXPECT_NE(page.find("`" + std::string(name) + (name.ends_with('_') ? "NAME`" : "`")), std::string::npos) << name;
  }
}

TEST(Variables, AreFoundByName) {
  EXPECT_EQ(find_variable("host").id, variable("host"));
  EXPECT_EQ(find_variable("Host").id, variable("host"));
  EXPECT_EQ(find_variable("http_host").id, variable("http_host"));
  EXPECT_EQ(find_variable("http_x_y").id, variable("http_"));
  EXPECT_EQ(find_variable("http_x_y").of, "x_y");
  EXPECT_EQ(find_variable("sent_http_x").id, variable("sent_http_"));
  EXPECT_EQ(find_variable("http_").id, kUnknown) << "a family alone";
  EXPECT_EQ(find_variable("nobody").id, kUnknown);
  EXPECT_EQ(find_variable("").id, kUnknown);
}

TEST(Template, IsCutAtVariables) {
  EXPECT_EQ(cut(""), "");
  EXPECT_EQ(cut("plain"), "'plain'");
  EXPECT_EQ(cut("a$host/b"), "'a'<host>'/b'");
  EXPECT_EQ(cut("${host}x$host-x"), "<host>'x'<host>'-x'");
  EXPECT_EQ(cut("$hostx"), "<?hostx>");
  EXPECT_EQ(cut("$http_X_y.$arg_a$cookie_b"), "<http_X_y>'.'<arg_a><cookie_b>");
  EXPECT_EQ(cut("$1$10$0${2}"), "<1><1>'0'<?0><2>") << "a group is one digit";
  EXPECT_EQ(cut("a$"), "'a$'");
  EXPECT_EQ(cut("$$host$-${}${host"), "'$'<host>'$-${}${host'");
}

TEST(Template, SaysWhatIsNoVariable) {
  EXPECT_EQ(Template("/x$host").first_unknown(false), "");
  EXPECT_EQ(Template("/x$nobody$other").first_unknown(false), "$nobody");
  EXPECT_EQ(Template("/x$1").first_unknown(true), "");
  EXPECT_EQ(Template("/x$1").first_unknown(false), "$1");
  EXPECT_EQ(Template("/x$").first_unknown(true), "$");
  EXPECT_FALSE(Template("/x$1").names_variables());
  EXPECT_TRUE(Template("/x$host").names_variables());
  EXPECT_TRUE(Template("/x$1").names_groups() && !Template("/x$1").is_literal());
  EXPECT_FALSE(Template("/x$host").names_groups() || Template("/x$host").is_literal());
  EXPECT_TRUE(Template("/x$ 1").is_literal() && Template("").is_literal());
}

TEST(Template, IsAValue) {
  EXPECT_EQ(Template("a$host"), Template("a$host"));
  EXPECT_NE(Template("a$host"), Template("a${host}"));
  Template moved = Template("a long text that has memory of its own $host");
  const Template copy = moved;
  EXPECT_EQ(copy.text_of(copy.parts()[0]), "a long text that has memory of its own ");
}

}  // namespace
}  // namespace sluice
