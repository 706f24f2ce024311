#include "data/filter/lifetime.h"

#include <string>
#include <vector>

#include "base/strings.h"
#include "support.h"

// For how long a service lets its answer be kept: fields, a line each, `Name: value`. What is for one client alone, or
// says that nobody may keep it, is never kept, whatever stands beside it.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)
using net::http::Field;
using std::chrono::seconds;

seconds kept(std::vector<Field> fields, const char* name, const char* value, bool in_front) {
  fields.insert(in_front ? fields.begin() : fields.end(), Field{name, value});
  const auto out = data::lifetime_of(fields);
  PROPERTY(out.said);
  return out.time;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto in = fuzz::text_of(bytes, size);
  std::vector<Field> fields;
  bool ours = false, personal = false, accel = false;
  while (!in.empty() && fields.size() < 20) {
    auto line = fuzz::up_to('\n', in);
    const auto name = fuzz::up_to(':', line);
    fields.push_back({name, trim(line)});
    const bool of_one = iequals(name, "Set-Cookie") || iequals(name, "Vary") || iequals(name, "Expires");
    personal = personal || of_one;
    accel = accel || iequals(name, "X-Accel-Expires");
    ours = ours || of_one || iequals(name, "X-Accel-Expires") || iequals(name, "Cache-Control");
  }
  const auto found = data::lifetime_of(fields);
  PROPERTY(found.time >= seconds(0) && found.time <= seconds(31'536'000));
  PROPERTY(found.said || found.time == seconds(0));
  PROPERTY(found.said || !personal);
  PROPERTY(!found.said || ours);
  if (personal) PROPERTY(found.time == seconds(0));
  for (const bool in_front : {true, false}) {
    for (const char* name : {"set-cookie", "Vary", "EXPIRES"})
      PROPERTY(kept(fields, name, "a", in_front) == seconds(0));
    if (accel) continue;
    for (const char* no : {"no-store", "No-Cache=\"x\"", "max-age=9, private"})
      PROPERTY(kept(fields, "Cache-Control", no, in_front) == seconds(0));
  }
  if (personal) return 0;
  PROPERTY(kept(fields, "x-accel-expires", "7", true) == seconds(7));
  if (!ours)
    for (const char* value : {"max-age=7", "MAX-AGE=7; x", "max-age=9, s-maxage=7", "public, s-maxage=7, max-age=9"})
      PROPERTY(kept(fields, "cache-control", value, true) == seconds(7));
  return 0;
}
