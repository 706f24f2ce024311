#include <string>

#include "control/kube/snippet/maps.h"
#include "support.h"

// Whatever a snippet says: it is read whole or refused with its place, within the limits; what is read, printed in one
// line and read again, is the same.
namespace {

using namespace sluice::control::snippet;  // NOLINT(google-build-using-namespace)
using sluice::model::Snippet;

void judge(const Block& block) {
  PROPERTY(block.steps.size() <= Snippet::kMostSteps);
  PROPERTY(!block.levels.empty());
  PROPERTY(block.locations.size() <= Snippet::kMostLocations);
  for (std::size_t i = 0; i < block.steps.size(); ++i) {
    const auto& step = block.steps[i];
    if (step.kind == sluice::model::SnippetStep::Kind::test) PROPERTY(i + step.count < block.steps.size());
    if (step.kind == sluice::model::SnippetStep::Kind::level) PROPERTY(step.count < block.levels.size());
  }
  for (const auto& level : block.levels)
    PROPERTY(level.set.size() <= Snippet::kMostFields && level.added.size() <= Snippet::kMostFields);
  for (const auto& location : block.locations) judge(*location.block);
}

bool same(const std::vector<Directive>& a, const std::vector<Directive>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name != b[i].name || a[i].words.size() != b[i].words.size() || a[i].has_block != b[i].has_block)
      return false;
    for (std::size_t w = 0; w < a[i].words.size(); ++w)
      if (a[i].words[w].text != b[i].words[w].text) return false;
    if (!same(a[i].block, b[i].block)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(sluice::fuzz::text_of(data, size));
  const auto parsed = parse(text);
  if (!parsed) {
    PROPERTY(!parsed.error().expected.empty());
  } else if (text.find_first_of("\\\"'") == std::string::npos) {
    // Without quotes and escapes the one line says the same.
    bool controls = false;
    for (const char c : text)
      controls = controls || c == 0x7f || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r');
    const auto line = in_one_line(*parsed, 1 << 20);
    const auto again = parse(line);
    if (!controls && text.find('$') == std::string::npos) PROPERTY(again && same(*parsed, *again));
  }
  for (const Context where : {Context::server, Context::location}) {
    const auto made = read(text, where, "ns");
    if (!made) {
      PROPERTY(!made.error().expected.empty() && made.error().expected != "-");
      PROPERTY(made.error().at.line > 0);
      continue;
    }
    judge(*made);
    const auto server = settle(&*made, nullptr, false);
    const auto both = settle(&*made, &*made, false);
    for (const auto& location : made->locations) PROPERTY(settle_location(&*made, nullptr, location));
    if (both)
      for (const auto& step : both->location)
        if (step.kind == sluice::model::SnippetStep::Kind::level) PROPERTY(step.count < both->levels.size());
  }
  if (const auto maps = read_maps(text))
    for (const auto& [name, steps] : maps->steps) PROPERTY(!name.empty() && steps.size() <= Snippet::kMostSteps);
  return 0;
}
