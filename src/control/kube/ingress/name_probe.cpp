#include "control/kube/ingress/name_probe.h"

#include <cstdint>
#include <string>

#include "base/regex.h"

namespace sluice::control {

namespace {

constexpr int kNames = 16, kAddresses = 4;
constexpr int kEnough = 2;  // one may be chance

// The same on every machine and after every start (FNV-1a, then SplitMix64).
class Letters {
 public:
  explicit Letters(std::string_view of) {
    for (const char c : of) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::uint32_t below(std::uint32_t n) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) % n);
  }
  void label(std::string& to) {
    static constexpr std::string_view kOf = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const std::uint32_t size = 6 + below(8);
    for (std::uint32_t i = 0; i < size; ++i)  // a letter first, and no dash at the end
      to += kOf[below(i == 0 ? 26 : i + 1 == size ? 36 : 37)];
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

std::string probe(Letters& letters, int number) {
  std::string out;
  if (number < kNames) {
    for (int labels = 1 + number % 4; labels > 0; --labels) {
      letters.label(out);
      if (labels > 1) out += '.';
    }
  } else if (number % 2 == 0) {
    for (int i = 0; i < 4; ++i) out += (i == 0 ? "" : ".") + std::to_string(1 + letters.below(250));
  } else {
    static constexpr std::string_view kHex = "0123456789abcdef";
    out = "[2001:db8::";
    for (int i = 0; i < 4; ++i) out += kHex[letters.below(16)];
    out += ']';
  }
  return out;
}

}  // namespace

bool names_nothing(std::string_view pattern) {
  const auto regex = Regex::make(pattern);
  if (!regex) return false;
  Letters letters(pattern);
  int matched = 0;
  for (int i = 0; i < kNames + kAddresses; ++i)
    if ((*regex)->match(probe(letters, i)) != Regex::Outcome::no && ++matched == kEnough) return true;
  return false;
}

}  // namespace sluice::control
