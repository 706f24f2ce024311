#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <memory>
#include <string>

#include "control/source/decode.h"
#include "support.h"

// A manifest file of any content: read or refused with a place, never worse; and it takes no more memory than its size
// allows, at the worst moment and afterwards.
namespace {

using namespace sluice::control;  // NOLINT(google-build-using-namespace)

std::atomic<std::size_t> live{0}, most{0};

void allocated(const volatile void*, std::size_t size) {
  const std::size_t now = live.fetch_add(size) + size;
  if (now > most) most = now;
}
void freed(const volatile void* p) {
  if (p != nullptr) live.fetch_sub(__sanitizer_get_allocated_size(const_cast<const void*>(p)));
}
const int hooks = __sanitizer_install_malloc_and_free_hooks(allocated, freed);

// Of a text: the tree's spare, what aliases may add beside four times the file and a map of strings takes of that, and
// a reader's own.
constexpr std::size_t kConstant = kTreeSpare + 2 * AliasAllowance::kSpare + (1U << 20);

void read(const std::string& text, bool json) {
  PROPERTY(hooks > 0);
  const std::size_t before = live;
  most = before;
  try {
    Decoded out;
    if (json) {
      const auto document = parse_json(text, 1);
      PROPERTY(document != nullptr);
      decode(*document, "fuzz.json", out);
    } else {
      AliasAllowance aliases(text.size());
      parse_yaml(text, 1, aliases,
                 [&](const std::unique_ptr<Document>& document) { decode(*document, "fuzz.yaml", out); });
    }
    for (const auto& object : out.objects) PROPERTY(object != nullptr);
    for (const auto& entry : out.entries) PROPERTY(!entry.problem.reason.empty());
    PROPERTY(out.entries.size() <= sluice::model::Entries::kMost);
  } catch (const SyntaxError& e) {
    PROPERTY(*e.what() != '\0');
  }
  PROPERTY(most - before <= 16 * text.size() + kConstant);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(sluice::fuzz::text_of(data, size));
  read(text, false);
  read(text, true);
  return 0;
}
