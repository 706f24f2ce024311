#include "data/filter/compression.h"

#include <string>

#include "base/strings.h"
#include "support.h"

// A Content-Type and an ETag of a pod, a line each. What of a type is compared ends where its charset begins, however
// that is written; a tag of coded bytes is weak or none, and made so once.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)
using data::NewTag;

// Looks at each `;` by itself.
std::string_view up_to_charset(std::string_view type) {
  for (std::size_t at = 0; at < type.size(); ++at) {
    if (type[at] != ';') continue;
    std::string_view rest = type.substr(at + 1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (lower(rest.substr(0, 8)) == "charset=") return type.substr(0, at);
  }
  return type;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto in = fuzz::text_of(bytes, size);
  const auto type = fuzz::up_to('\n', in);
  const auto compared = data::compared_type(type);
  PROPERTY(compared == up_to_charset(type) && compared.data() == type.data());
  PROPERTY(data::compared_type(compared) == compared);
  const std::string plain(compared);
  for (const char* charset : {";charset=utf-8", "; CharSet=\"utf-8\"", ";   charset=", "; charset=a; charset=b"})
    PROPERTY(data::compared_type(plain + charset) == plain);
  // Another parameter belongs to what is compared, be it in front of the charset.
  PROPERTY(data::compared_type(plain + ";v=1") == plain + ";v=1");
  PROPERTY(data::compared_type(plain + ";v=1; charset=a") == plain + ";v=1");

  const std::string tag(in);
  switch (data::tag_of_coded(tag)) {
    case NewTag::same:
      PROPERTY(tag.starts_with("W/"));
      break;
    case NewTag::weak:
      PROPERTY(tag.starts_with('"'));
      PROPERTY(data::tag_of_coded("W/" + tag) == NewTag::same);
      break;
    case NewTag::none:
      PROPERTY(!tag.starts_with('"') && (!tag.starts_with("W/") || tag.size() == 2));
  }
  return 0;
}
