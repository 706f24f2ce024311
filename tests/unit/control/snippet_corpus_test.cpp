// tests/snippets: what people write into snippets, and how much of it is served. docs/snippets.md names the shares.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "control/kube/snippet/block.h"

namespace sluice::control::snippet {
namespace {

struct Sample {
  std::string name, text;
  bool refused = false;
};

std::vector<Sample> samples(const std::string& file) {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/snippets/" + file + ".txt");
  std::vector<Sample> out;
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with("=== ")) {
      const std::string name = line.substr(4);
      const bool refused = name.starts_with("refused ");
      out.push_back({refused ? name.substr(8) : name, "", refused});
    } else if (!out.empty()) {
      out.back().text += line + "\n";
    }
  }
  return out;
}

// In per cent, rounded down.
unsigned share(const std::string& file, Context where) {
  const auto all = samples(file);
  std::size_t served = 0;
  for (const Sample& sample : all) {
    SCOPED_TRACE(file + ": " + sample.name);
    const auto made = read(sample.text, where, "shop");
    served += made ? 1 : 0;
    EXPECT_EQ(made.has_value(), !sample.refused) << (made ? "" : made.error().text() + ": " + made.error().expected);
    if (made) continue;
    // A refusal says where, what, and what to write instead.
    EXPECT_FALSE(made.error().token.empty());
    EXPECT_FALSE(made.error().expected.empty());
    EXPECT_GT(made.error().at.line, 0U);
  }
  return static_cast<unsigned>(100 * served / all.size());
}

std::string page() {
  std::ifstream in(SLUICE_SOURCE_DIR "/docs/snippets.md");
  return {(std::istreambuf_iterator<char>(in)), {}};
}

TEST(SnippetCorpus, IsLargeEnough) {
  EXPECT_GE(samples("configuration").size() + samples("server").size() + samples("auth").size(), 130U);
}

TEST(SnippetCorpus, OfConfigurationSnippetsIsServed) {
  const unsigned served = share("configuration", Context::location);
  EXPECT_GE(served, 93U);
  EXPECT_NE(page().find(std::to_string(served) + " % of the configuration-snippets"), std::string::npos) << served;
}

TEST(SnippetCorpus, OfServerSnippetsIsServed) {
  const unsigned served = share("server", Context::server);
  EXPECT_GE(served, 94U);
  EXPECT_NE(page().find(std::to_string(served) + " % of the server-snippets"), std::string::npos) << served;
}

TEST(SnippetCorpus, OfAuthSnippetsIsServed) {
  EXPECT_EQ(share("auth", Context::location), 100U);
}

}  // namespace
}  // namespace sluice::control::snippet
