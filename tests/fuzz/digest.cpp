#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "data/exchange/digest_credentials.h"
#include "net/http/grammar.h"
#include "net/http/message.h"
#include "support.h"

// An Authorization of Digest: what is taken of it lies in the field, says the same when it is written again in the form
// of RFC 7616, and leads to 32 digits, whatever the method and the hash beside it.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

std::optional<data::DigestGiven> given_by(std::string_view value) {
  net::http::RequestHead head;
  head.fields.add() = {"Authorization", value, net::http::Name::authorization, false};
  head.names.add(net::http::Name::authorization);
  return data::digest_given_by(head);
}

std::string written(const data::DigestGiven& given) {
  std::string out = "Digest qop=auth, algorithm=MD5";
  for (const auto& [name, value] : {std::pair{"username", given.username},
                                    {"realm", given.realm},
                                    {"nonce", given.nonce},
                                    {"uri", given.uri},
                                    {"response", given.response},
                                    {"cnonce", given.cnonce}})
    out.append(", ").append(name).append("=\"").append(value).append("\"");
  return out.append(", nc=").append(given.count_text);
}

// A name in quotes, as a browser would write it.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Does it stand in quotes whole? A quotation mark has a backslash before it, and each backslash something behind it.
bool stays_in_quotes(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return false;
    if (text[i] == '\\' && ++i == text.size()) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  const auto method = fuzz::up_to('\n', text);
  const auto given = given_by(text);
  if (!given) return 0;
  PROPERTY(text.size() <= data::kMostDigest);
  for (const auto part :
       {given->username, given->realm, given->nonce, given->uri, given->response, given->cnonce, given->count_text}) {
    PROPERTY(part.empty() || (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size()));
    PROPERTY(stays_in_quotes(part));
  }
  PROPERTY(!given->username.empty() && !given->cnonce.empty() && given->response.size() == 32);
  PROPERTY(given->count_text.size() == 8 && std::ranges::all_of(given->count_text, net::http::is_hex));
  PROPERTY(std::stoul(std::string(given->count_text), nullptr, 16) == given->count);

  // No part ends the quotes that it is written in, and none is another's beginning.
  const std::string again = written(*given);
  if (again.size() <= data::kMostDigest) {
    const auto same = given_by(again);
    PROPERTY(same && same->username == given->username && same->realm == given->realm && same->nonce == given->nonce);
    PROPERTY(same->uri == given->uri && same->response == given->response && same->cnonce == given->cnonce);
    PROPERTY(same->count == given->count);
    PROPERTY(!given_by(again + ", nc=00000001"));  // one that stands there twice says nothing
  }
  const std::string name = data::unquoted(given->username);
  PROPERTY(!name.empty() && name.size() <= given->username.size() && data::unquoted(quoted(name)) == name);

  const auto made = data::digest_response(*given, "0123456789abcdef0123456789abcdef", method);
  PROPERTY(made.size() == 32 && std::ranges::all_of(made, net::http::is_hex));
  PROPERTY(made != data::digest_response(*given, "0123456789abcdef0123456789abcdee", method));
  return 0;
}
