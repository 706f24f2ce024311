#include <memory>
#include <string>

#include "control/source/decode.h"
#include "support.h"

// A manifest file of any content: read or refused with a place, never worse.
namespace {

using namespace sluice::control;  // NOLINT(google-build-using-namespace)

void read(const std::string& text, bool json) {
  try {
    Decoded out;
    if (json) {
      const auto document = parse_json(text, 1);
      PROPERTY(document != nullptr);
      decode(*document, "fuzz.json", out);
    } else {
      for (const auto& document : parse_yaml(text, 1)) decode(*document, "fuzz.yaml", out);
    }
    for (const auto& object : out.objects) PROPERTY(object != nullptr);
    for (const auto& entry : out.entries) PROPERTY(!entry.problem.reason.empty());
  } catch (const SyntaxError& e) {
    PROPERTY(*e.what() != '\0');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(sluice::fuzz::text_of(data, size));
  read(text, false);
  read(text, true);
  return 0;
}
