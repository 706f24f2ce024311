#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/strings.h"
#include "data/balance/session_cookie.h"
#include "net/http/grammar.h"
#include "net/http/message.h"
#include "support.h"

// The name of the cookie of a session, what identifies a Cluster, and the Cookie fields of a request, with ends of
// lines between them: what is found lies in a field, is the same when it comes back alone, and the one that was made
// for the Cluster is found wherever it stands.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

struct Found {
  std::string key, id;
  bool operator==(const Found&) const = default;
};

// Nothing is read where no cookie came; what is found lies in one of the fields.
Found found_in(const std::vector<std::string>& cookies, std::string_view name, std::string_view id) {
  net::http::RequestHead head;
  for (const auto& cookie : cookies) {
    head.fields.add() = {"Cookie", cookie, net::http::Name::cookie, false};
    head.names.add(net::http::Name::cookie);
  }
  const auto found = data::session_cookie(head, name, id);
  for (const auto part : {found.key, found.id})
    PROPERTY(part.empty() || std::ranges::any_of(cookies, [&](const std::string& of) {
               return part.data() >= of.data() && part.data() + part.size() <= of.data() + of.size();
             }));
  return {std::string(found.key), std::string(found.id)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  const std::string name(fuzz::up_to('\n', text)), id(fuzz::up_to('\n', text));
  // What the annotation takes, and what we make.
  if (!net::http::is_token(name) || id.empty() || !made_of(id, "")) return 0;
  std::vector<std::string> cookies;
  while (!text.empty() && cookies.size() < 8) cookies.emplace_back(fuzz::up_to('\n', text));
  const Found found = found_in(cookies, name, id);
  if (found.key.empty()) {
    PROPERTY(found.id.empty());
  } else {
    PROPERTY(found.key.find_first_of(";|") == std::string::npos && found.id.find(';') == std::string::npos);
    const std::string value = found.key + "|" + found.id;
    PROPERTY(found_in({name + "=" + value}, name, id) == found);
    PROPERTY(found_in({name + "x=1; " + name + "=" + value + " ;" + name + "x=2"}, name, id) == found);
    // Another name's is nobody's.
    PROPERTY(found_in({name + "x=" + value}, name, id) == Found{});
  }
  cookies.push_back(name + "x=1; " + name + "=here|" + id);
  const Found wanted = found_in(cookies, name, id);
  PROPERTY(wanted.id == id && (found.id == id ? wanted == found : wanted.key == "here"));
  return 0;
}
