#include "base/cdn_loop.h"

#include <string>
#include <vector>

#include "support.h"

// CDN-Loop as clients write it: no text in front of our mark hides it or counts for more than it says, however its
// quotes stand.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

std::vector<std::string> routes(std::string_view list) {
  std::vector<std::string> out;
  for_each_pass(list, [&](std::string_view route) {
    // Part of the list, if there is one.
    PROPERTY(route.empty() ||
             (route.data() >= list.data() && route.data() + route.size() <= list.data() + list.size()));
    out.emplace_back(route);
  });
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string list(fuzz::text_of(bytes, size));
  const auto found = routes(list);
  PROPERTY(passes(list) == found.size());
  PROPERTY(found.size() * kCdnId.size() <= list.size());
  for (const auto& route : found) PROPERTY(route.find(';') == std::string::npos);
  // As mark_pass() writes it.
  for (const std::string route : {"", "0123456789abcdef"}) {
    const std::string mark = std::string(kCdnId) + (route.empty() ? "" : "; r=" + route);
    auto behind = found;
    behind.push_back(route);
    PROPERTY(routes(list.empty() ? mark : list + ", " + mark) == behind);
    auto before = found;
    before.insert(before.begin(), route);
    PROPERTY(routes(mark + ", " + list) == before);
  }
  if (list.find('"') != std::string::npos) return 0;
  // Without quotes a comma ends an element wherever it stands.
  std::size_t ours = 0;
  for_each_element(list, [&](std::string_view element) {
    ours += iequals(trim(element.substr(0, element.find(';'))), kCdnId) ? 1 : 0;
  });
  PROPERTY(found.size() == ours);
  return 0;
}
