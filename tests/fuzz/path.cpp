#include "net/http/path.h"

#include <string>

#include "support.h"

// A path in normal form has no empty segment, no dot segment, no query; normalising it again changes nothing unless
// decoding laid a new escape or question mark bare, which is never decoded a second time.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

void judge(std::string_view path) {
  PROPERTY(!path.empty() && path.front() == '/');
  PROPERTY(path.find("//") == std::string_view::npos);
  PROPERTY(path.find('\0') == std::string_view::npos);
  const std::string closed = std::string(path) + "/";
  PROPERTY(closed.find("/./") == std::string::npos && closed.find("/../") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string target(fuzz::text_of(data, size));
  std::erase(target, '\0');  // no request line holds one
  std::string room(target.size(), '\0');
  const auto once = net::http::normalise_path(target, room.data());
  if (!once) {
    PROPERTY(once.error().status == 400);
    return 0;
  }
  judge(*once);
  // The one spelling is read as the same path, and has itself no other.
  std::string spelled;
  net::http::append_spelled(*once, spelled);
  std::string spelled_room(spelled.size(), '\0');
  const auto read = net::http::normalise_path(spelled, spelled_room.data());
  PROPERTY(read.has_value() && *read == *once);
  std::string again;
  net::http::append_spelled(*read, again);
  PROPERTY(again == spelled);
  // What is not ambiguous is resolved already: decoding is all that is left to do.
  if (net::http::ambiguity(target) == nullptr) PROPERTY(once->find_first_of("\\;?#") == std::string_view::npos);
  PROPERTY(once->size() <= target.size());
  if (once->find_first_of("%?") != std::string_view::npos) return 0;
  std::string room_again(once->size(), '\0');
  const auto twice = net::http::normalise_path(*once, room_again.data());
  PROPERTY(twice.has_value() && *twice == *once);
  PROPERTY(twice->data() == once->data());  // a normal path is not copied
  return 0;
}
