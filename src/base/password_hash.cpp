#include "base/password_hash.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "base/base64.h"

namespace sluice {

namespace {

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

constexpr std::string_view kApr1 = "$apr1$", kPlain = "{PLAIN}", kSha = "{SHA}", kSaltedSha = "{SSHA}";
constexpr std::string_view kDigits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kSha1 = 20, kMd5 = 16;  // bytes

// What one hash may cost, as each form counts it. docs/limits.md.
constexpr std::uint64_t kMostRounds = 1'000'000;
constexpr unsigned kMostBcrypt = 14;  // 2^14 rounds
constexpr char kMostYescrypt = 'B';   // 2^14 blocks of 4 KiB: 64 MiB
constexpr char kMostScrypt = 'C';     // the same
constexpr std::size_t kMostBsdi = 1 << 20;

bool made_of_digits(std::string_view text) {
  return text.find_first_not_of(kDigits) == std::string_view::npos;
}

class Hasher {
 public:
  explicit Hasher(const EVP_MD* kind) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free), kind_(kind) {
    if (!context_) throw std::bad_alloc();
    begin();
  }
  void begin() {
    if (EVP_DigestInit_ex(context_.get(), kind_, nullptr) != 1) throw std::bad_alloc();
  }
  Hasher& add(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
    return *this;
  }
  // Views into `out`.
  std::string_view end(Digest& out) {
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), out.data(), &size);
    return {reinterpret_cast<const char*>(out.data()), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
  const EVP_MD* kind_;
};

std::string sha1(std::string_view password, std::string_view salt) {
  Hasher hasher(EVP_sha1());
  Digest digest;
  return std::string(hasher.add(password).add(salt).end(digest));
}

// Apache's variant of the MD5 crypt of FreeBSD: other magic, the same thousand rounds.
std::string apr1(std::string_view password, std::string_view salt) {
  Hasher hasher(EVP_md5()), inner(EVP_md5());
  Digest digest;
  std::string_view last = inner.add(password).add(salt).add(password).end(digest);
  hasher.add(password).add(kApr1).add(salt);
  for (std::size_t left = password.size(); left > 0; left -= std::min(left, kMd5))
    hasher.add(last.substr(0, std::min(left, kMd5)));
  for (std::size_t bits = password.size(); bits > 0; bits >>= 1)
    hasher.add((bits & 1) != 0 ? std::string_view("\0", 1) : password.substr(0, 1));
  last = hasher.end(digest);
  for (unsigned round = 0; round < 1000; ++round) {
    hasher.begin();
    hasher.add((round & 1) != 0 ? password : last);
    if (round % 3 != 0) hasher.add(salt);
    if (round % 7 != 0) hasher.add(password);
    hasher.add((round & 1) != 0 ? last : password);
    last = hasher.end(digest);
  }

  std::string out(kApr1);
  out += salt;
  out += '$';
  const auto put = [&](std::uint32_t bits, int digits) {
    for (; digits > 0; --digits, bits >>= 6) out += kDigits[bits & 63];
  };
  constexpr std::array<std::array<std::uint8_t, 3>, 5> kOrder{
      {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}}};
  for (const auto& [high, middle, low] : kOrder)
    put(static_cast<std::uint32_t>(digest[high]) << 16 | static_cast<std::uint32_t>(digest[middle]) << 8 | digest[low],
        4);
  put(digest[11], 2);
  return out;
}

std::string libcrypt(std::string_view password, std::string_view hash) {
  const auto room = std::make_unique<crypt_data>();
  std::string phrase(password);
  const std::string setting(hash);
  const char* made = crypt_rn(phrase.c_str(), setting.c_str(), room.get(), sizeof *room);
  std::string out = made == nullptr || *made == '*' ? std::string() : std::string(made);
  OPENSSL_cleanse(room.get(), sizeof *room);
  OPENSSL_cleanse(phrase.data(), phrase.size());
  return out;
}

std::string_view apr1_salt(std::string_view hash) {
  const auto salt = hash.substr(kApr1.size());
  return salt.substr(0, std::min<std::size_t>(salt.find('$'), 8));
}

// What is salt of an {SSHA}; nothing where it is none.
std::optional<std::string> salt_of_sha(std::string_view hash) {
  auto decoded = decode_base64(hash.substr(kSaltedSha.size()));
  if (!decoded || decoded->size() < kSha1) return std::nullopt;
  return decoded->substr(kSha1);
}

bool usable_apr1(std::string_view hash) {
  const auto sum = hash.substr(kApr1.size() + apr1_salt(hash).size());
  return sum.size() == 23 && sum.front() == '$' && made_of_digits(sum.substr(1));
}

// The number between `hash`'s first `skip` bytes and the next '$', if it is at most `most`.
bool number_up_to(std::string_view hash, std::size_t skip, std::uint64_t most) {
  const char* from = hash.data() + std::min(skip, hash.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(from, hash.data() + hash.size(), number);
  return error == std::errc() && end != hash.data() + hash.size() && *end == '$' && number <= most;
}

// "$5$rounds=10000$…"; without the word the form's own 5000.
bool few_rounds(std::string_view hash, std::string_view magic) {
  constexpr std::string_view word = "rounds=";
  const auto rest = hash.substr(magic.size());
  return !rest.starts_with(word) || number_up_to(hash, magic.size() + word.size(), kMostRounds);
}

// "j9T": the flavour that all tools write, the size as a power of two, blocks of 1 or 4 KiB; nothing else in front of
// the salt.
bool light_yescrypt(std::string_view hash, std::string_view magic) {
  const auto cost = hash.substr(magic.size(), 4);
  return cost.size() == 4 && cost[0] == 'j' && cost[1] <= kMostYescrypt && (cost[2] == '5' || cost[2] == 'T') &&
         cost[3] == '$';
}

bool light_scrypt(std::string_view hash) {
  const auto cost = hash.substr(3, 11);
  return cost.size() == 11 && cost[0] <= kMostScrypt && cost.substr(1) == "U..../....";
}

bool light_bsdi(std::string_view hash) {
  if (hash.size() != 20 || !made_of_digits(hash.substr(1))) return false;
  std::size_t count = 0;
  for (std::size_t i = 4; i > 0; --i) count = count << 6 | kDigits.find(hash[i]);
  return count > 0 && count <= kMostBsdi;
}

// A form of libcrypt, of a cost that is bearable.
bool usable_crypt(std::string_view hash) {
  const auto is = [&](std::string_view magic) { return hash.starts_with(magic); };
  if (is("_")) return light_bsdi(hash);
  // Of DES, and bigcrypt's: 11 digits more for each eight letters of the password, sixteen times at most.
  if (!is("$")) return hash.size() >= 13 && hash.size() <= 178 && (hash.size() - 2) % 11 == 0 && made_of_digits(hash);
  if (is("$1$") || is("$3$")) return true;
  if (is("$2a$") || is("$2b$") || is("$2x$") || is("$2y$")) return number_up_to(hash, 4, kMostBcrypt);
  if (is("$5$")) return few_rounds(hash, "$5$");
  if (is("$6$")) return few_rounds(hash, "$6$");
  if (is("$7$")) return light_scrypt(hash);
  if (is("$y$")) return light_yescrypt(hash, "$y$");
  if (is("$gy$")) return light_yescrypt(hash, "$gy$");
  if (is("$sha1$")) return number_up_to(hash, 6, kMostRounds);
  if (is("$md5,rounds=")) return number_up_to(hash, 12, kMostRounds);
  return is("$md5$");
}

bool same(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The hash that it would have to be.
std::string made_like(std::string_view hash, std::string_view password) {
  if (hash.starts_with(kApr1)) return apr1(password, apr1_salt(hash));
  if (hash.starts_with(kPlain)) return std::string(kPlain) + std::string(password);
  if (hash.starts_with(kSha)) return std::string(kSha) + encode_base64(sha1(password, {}));
  if (hash.starts_with(kSaltedSha)) {
    const std::string salt = salt_of_sha(hash).value_or("");
    return std::string(kSaltedSha) + encode_base64(sha1(password, salt) + salt);
  }
  return libcrypt(password, hash);
}

}  // namespace

const char* unusable(std::string_view hash) noexcept {
  try {
    if (hash.starts_with(kPlain)) return nullptr;
    if (hash.starts_with(kApr1)) return usable_apr1(hash) ? nullptr : "$apr1$SALT$ and 22 letters";
    if (hash.starts_with(kSha)) {
      const auto decoded = decode_base64(hash.substr(kSha.size()));
      return decoded && decoded->size() == kSha1 ? nullptr : "{SHA} and the base64 form of 20 bytes";
    }
    if (hash.starts_with(kSaltedSha))
      return salt_of_sha(hash) ? nullptr : "{SSHA} and the base64 form of 20 bytes and the salt";
    const bool known = usable_crypt(hash);
    const int salt = known ? crypt_checksalt(std::string(hash).c_str()) : CRYPT_SALT_INVALID;
    if (salt != CRYPT_SALT_INVALID && salt != CRYPT_SALT_METHOD_DISABLED) return nullptr;
    return "a hash that htpasswd or openssl makes, of a bearable cost";
  } catch (const std::bad_alloc&) {
    return "memory to read it";
  }
}

bool is_password(std::string_view hash, std::string_view password) noexcept {
  password = password.substr(0, password.find('\0'));
  try {
    if (unusable(hash) != nullptr) return false;
    std::string made = made_like(hash, password);
    const bool right = same(made, hash);
    OPENSSL_cleanse(made.data(), made.size());
    return right;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool quick(std::string_view hash) noexcept {
  return hash.starts_with(kPlain) || hash.starts_with(kSha) || hash.starts_with(kSaltedSha);
}

}  // namespace sluice
