#include "data/runtime/nonces.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <new>

namespace sluice::data {

namespace {

constexpr std::size_t kNumber = 16;  // digits of one number

std::uint64_t milliseconds(Duration d) noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

void put(std::uint64_t number, char* out) noexcept {
  for (std::size_t i = kNumber; i > 0; number >>= 4) out[--i] = "0123456789abcdef"[number & 15];
}

// Other text than put() makes is another number, and then the key does not fit.
std::uint64_t number_of(std::string_view digits) noexcept {
  std::uint64_t out = 0;
  for (const char c : digits) {
    const auto digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
    out = out << 4 | static_cast<std::uint64_t>(digit);
  }
  return out;
}

}  // namespace

void Nonces::write(const Made& made, Text& out) const noexcept {
  put(made.at, out.data());
  put(made.serial, out.data() + kNumber);
  const std::string_view said(out.data(), 2 * kNumber);
  put(hash_name(first_, said), out.data() + 2 * kNumber);
  put(hash_name(second_, said), out.data() + 3 * kNumber);
}

Nonces::Text Nonces::make(Instant now) noexcept {
  Text out;
  write({milliseconds(now.time_since_epoch()), last_.fetch_add(1, std::memory_order_relaxed) + 1}, out);
  return out;
}

Nonces::Made Nonces::read(std::string_view nonce) const noexcept {
  if (nonce.size() != kSize) return {};
  const Made made{number_of(nonce.substr(0, kNumber)), number_of(nonce.substr(kNumber, kNumber))};
  Text again;
  write(made, again);
  return CRYPTO_memcmp(again.data(), nonce.data(), kSize) == 0 ? made : Made{};
}

bool Nonces::valid(std::string_view nonce, Instant now) const noexcept {
  const Made made = read(nonce);
  return made.serial != 0 && milliseconds(now.time_since_epoch()) < made.at + milliseconds(kLife);
}

bool Nonces::use(std::string_view nonce, std::uint32_t count, Instant now) noexcept {
  const Made made = read(nonce);
  if (made.serial == 0 || count == 0) return false;
  const std::size_t place = made.serial % kSets;
  const std::lock_guard lock(locks_[place % kLocks]);
  if (!sets_[place]) sets_[place].reset(new (std::nothrow) Set);
  if (!sets_[place]) return false;
  Set& set = *sets_[place];
  auto at = std::ranges::find(set.used, made.serial, [](const Used& u) { return u.made.serial; });
  if (at == set.used.end()) {
    if (made.at <= set.forgotten) return false;
    at = std::ranges::min_element(set.used, {}, [](const Used& u) { return u.made.at; });
    const bool alive = milliseconds(now.time_since_epoch()) < at->made.at + milliseconds(kLife);
    if (at->made.serial != 0 && alive) {
      if (made.at <= at->made.at) return false;  // it would be the first to be forgotten
      set.forgotten = std::max(set.forgotten, at->made.at);
    }
    *at = {made, count, 1};
    return true;
  }
  Used& used = *at;
  if (count > used.highest) {
    const auto ahead = count - used.highest;
    used.seen = ahead < kWindow ? used.seen << ahead | 1 : 1;
    used.highest = count;
    return true;
  }
  const auto behind = used.highest - count;
  if (behind >= kWindow || (used.seen >> behind & 1) != 0) return false;
  used.seen |= std::uint64_t{1} << behind;
  return true;
}

}  // namespace sluice::data
