#include "data/exchange/digest_credentials.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "base/strings.h"
#include "base/token.h"
#include "net/http/grammar.h"

namespace sluice::data {

namespace {

// Parameters, one after the other: NAME=VALUE or NAME="VALUE", with commas between them.
struct Parameters {
  std::string_view rest;
  bool wrong = false;

  void skip(std::string_view bytes) {
    const auto at = rest.find_first_not_of(bytes);
    rest.remove_prefix(std::min(at, rest.size()));
  }
  std::string_view token() {
    std::size_t size = 0;
    while (size < rest.size() && is_token_byte(rest[size])) ++size;
    const auto out = rest.substr(0, size);
    rest.remove_prefix(size);
    return out;
  }
  // False: there is no further one, or it cannot be read.
  bool next(std::string_view& name, std::string_view& value) {
    skip(" \t,");
    if (rest.empty()) return false;
    name = token();
    wrong = true;
    if (name.empty()) return false;
    skip(" \t");
    if (!rest.starts_with('=')) return false;
    rest.remove_prefix(1);
    skip(" \t");
    if (rest.starts_with('"')) {
      std::size_t end = 1;
      while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
      if (end >= rest.size()) return false;
      value = rest.substr(1, end - 1);
      rest.remove_prefix(end + 1);
    } else {
      value = token();
      if (value.empty()) return false;
    }
    skip(" \t");
    if (!rest.empty() && rest.front() != ',') return false;
    wrong = false;
    return true;
  }
};

using Digits = std::array<char, 32>;

// MD5 of the parts with colons between them.
bool md5_of(std::initializer_list<std::string_view> parts, Digits& out) noexcept {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) != 1) return false;
  bool first = true;
  for (const auto part : parts) {
    if (!first) EVP_DigestUpdate(context.get(), ":", 1);
    first = false;
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context.get(), sum.data(), &size) != 1 || size != out.size() / 2) return false;
  for (std::size_t i = 0; i < size; ++i) {
    out[2 * i] = "0123456789abcdef"[sum[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
  }
  return true;
}

}  // namespace

std::optional<DigestGiven> digest_given_by(const net::http::RequestHead& head) noexcept {
  const auto* field = head.find(net::http::Name::authorization);
  constexpr std::string_view scheme = "digest";
  if (field == nullptr || field->value.size() > kMostDigest || field->value.size() <= scheme.size())
    return std::nullopt;
  if (!iequals(field->value.substr(0, scheme.size()), scheme) || !net::http::is_space(field->value[scheme.size()]))
    return std::nullopt;
  DigestGiven out;
  std::string_view qop, algorithm;
  const std::pair<std::string_view, std::string_view*> known[] = {
      {"username", &out.username}, {"realm", &out.realm},   {"nonce", &out.nonce},   {"uri", &out.uri},
      {"response", &out.response}, {"cnonce", &out.cnonce}, {"nc", &out.count_text}, {"qop", &qop},
      {"algorithm", &algorithm},
  };
  std::array<bool, std::size(known)> had{};
  Parameters parameters{field->value.substr(scheme.size())};
  for (std::string_view name, value; parameters.next(name, value);) {
    const auto* const at = std::ranges::find_if(known, [&](const auto& k) { return iequals(k.first, name); });
    if (at == std::end(known)) continue;
    bool& before = had[static_cast<std::size_t>(at - std::begin(known))];
    if (before) return std::nullopt;
    before = true;
    *at->second = value;
  }
  // All but the algorithm have to be there.
  if (parameters.wrong || !std::all_of(had.begin(), had.end() - 1, [](bool b) { return b; })) return std::nullopt;
  if (!iequals(qop, "auth") || (!algorithm.empty() && !iequals(algorithm, "md5"))) return std::nullopt;
  if (out.username.empty() || out.cnonce.empty() || out.response.size() != 32 || out.count_text.size() != 8)
    return std::nullopt;
  const char* const end = out.count_text.data() + out.count_text.size();
  const auto [read, error] = std::from_chars(out.count_text.data(), end, out.count, 16);
  if (error != std::errc() || read != end) return std::nullopt;
  return out;
}

std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

std::string digest_response(const DigestGiven& given, std::string_view ha1, std::string_view method) {
  Digits ha2{}, out{};
  if (!md5_of({method, given.uri}, ha2)) return {};
  const std::string_view second(ha2.data(), ha2.size());
  if (!md5_of({ha1, given.nonce, given.count_text, given.cnonce, "auth", second}, out)) return {};
  return {out.data(), out.size()};
}

}  // namespace sluice::data
