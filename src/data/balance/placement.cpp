#include "data/balance/placement.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

namespace sluice::data {

namespace {

// The CRC of IEEE 802.3, eight bytes a step: keys are short, and zlib takes longer for those. kCrc[n] is what a byte
// does that n others follow.
constexpr std::array<std::array<std::uint32_t, 256>, 8> kCrc = [] {
  std::array<std::array<std::uint32_t, 256>, 8> out{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xedb88320U : 0U);
    out[0][i] = c;
  }
  for (std::size_t n = 1; n < out.size(); ++n)
    for (std::size_t i = 0; i < 256; ++i) out[n][i] = (out[n - 1][i] >> 8) ^ out[0][out[n - 1][i] & 0xff];
  return out;
}();

std::uint32_t four_of(const char* at) noexcept {
  const auto* b = reinterpret_cast<const unsigned char*>(at);
  return b[0] | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 | std::uint32_t{b[3]} << 24;
}

// Of what came before, `state`, and four more bytes. It is not complemented at the end.
std::uint32_t crc_of_four(std::uint32_t state, std::uint32_t bytes) noexcept {
  const std::uint32_t x = state ^ bytes;
  return kCrc[3][x & 0xff] ^ kCrc[2][x >> 8 & 0xff] ^ kCrc[1][x >> 16 & 0xff] ^ kCrc[0][x >> 24];
}

std::uint32_t crc_of(std::string_view text) noexcept {
  std::uint32_t state = 0xffffffff;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    const std::uint32_t x = state ^ four_of(text.data());
    state = kCrc[7][x & 0xff] ^ kCrc[6][x >> 8 & 0xff] ^ kCrc[5][x >> 16 & 0xff] ^ kCrc[4][x >> 24] ^
            crc_of_four(0, four_of(text.data() + 4));
  }
  for (const char c : text) state = kCrc[0][(state ^ static_cast<unsigned char>(c)) & 0xff] ^ (state >> 8);
  return ~state;
}

// Each point's hash is of the name and of the point before it.
void add_points(std::string_view name, std::uint32_t owner, std::vector<Ring::Point>& out) {
  const std::uint32_t base = ~Ring::hash(name);
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < Ring::kPoints; ++i) {
    before = ~crc_of_four(base, before);
    out.push_back({before, owner});
  }
}

}  // namespace

std::uint32_t Ring::hash(std::string_view key) noexcept {
  return crc_of(key);
}

Ring::Ring(std::span<const std::string> names) {
  points_.reserve(names.size() * kPoints);
  for (std::size_t i = 0; i < names.size(); ++i) add_points(names[i], static_cast<std::uint32_t>(i), points_);
  std::ranges::sort(points_);
  index();
}

Ring::Ring(const Ring& before, std::span<const std::uint32_t> now_at, std::span<const std::string> names) {
  std::vector<bool> known(names.size());
  std::size_t stay = 0;
  for (const auto at : now_at)
    if (at != kGone) known[at] = true, ++stay;
  std::vector<Point> added;
  added.reserve((names.size() - stay) * kPoints);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!known[i]) add_points(names[i], static_cast<std::uint32_t>(i), added);
  std::ranges::sort(added);
  points_.reserve(names.size() * kPoints);
  auto next = added.begin();
  for (const Point& p : before.points_) {
    if (now_at[p.owner] == kGone) continue;
    for (; next != added.end() && next->hash < p.hash; ++next) points_.push_back(*next);
    points_.push_back({p.hash, now_at[p.owner]});
  }
  points_.insert(points_.end(), next, added.end());
  index();
}

// Slices with about eight points each, which is a line of the cache.
void Ring::index() {
  if (points_.empty()) return;
  const auto bits = static_cast<unsigned>(std::bit_width(points_.size() / 8 + 1));
  shift_ = 32 - std::min(bits, 31U);
  const std::size_t slices = std::size_t{1} << (32 - shift_);
  begins_.reserve(slices + 1);
  std::uint32_t point = 0;
  for (std::size_t slice = 0; slice < slices; ++slice) {
    while (point < points_.size() && (points_[point].hash >> shift_) < slice) ++point;
    begins_.push_back(point);
  }
  begins_.push_back(static_cast<std::uint32_t>(points_.size()));
}

// The first point at or behind the hash; the first of all behind the last.
std::size_t Ring::at(std::uint32_t hash) const noexcept {
  const std::size_t slice = hash >> shift_;
  std::size_t i = begins_[slice];
  const std::size_t end = begins_[slice + 1];
  while (i < end && points_[i].hash < hash) ++i;
  return i < points_.size() ? i : 0;
}

std::string address_of(const model::Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.address + "]:" : endpoint.address + ":") + std::to_string(endpoint.port);
}

std::string md5_text(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::string out(32, '0');
  // A library that has no MD5 gives names of another kind: sessions of ingress-nginx begin anew then.
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1 &&
      EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    return out;
  static constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < 16; ++i) {
    out[2 * i] = kDigits[digest[i] >> 4];
    out[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return out;
}

namespace {

// What a character is as a digit of md5_text; 16: none.
constexpr std::array<std::uint8_t, 256> kDigitOf = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(16);
  for (std::uint8_t i = 0; i < 16; ++i) out[static_cast<unsigned char>("0123456789abcdef"[i])] = i;
  return out;
}();

// 16 of them; false: they are none.
bool read_digits(const char* text, std::uint64_t& out) noexcept {
  std::uint8_t wrong = 0;
  out = 0;
  for (int i = 0; i < 16; ++i) {
    const std::uint8_t digit = kDigitOf[static_cast<unsigned char>(text[i])];
    wrong |= digit;
    out = out << 4 | digit;
  }
  return (wrong & 16) == 0;
}

}  // namespace

bool Placement::Name::read(std::string_view text) noexcept {
  return text.size() == 32 && read_digits(text.data(), high) && read_digits(text.data() + 16, low);
}

std::size_t Placement::named(std::string_view key) const noexcept {
  Name name;
  if (by_name_.empty() || !name.read(key)) return kNobody;
  const std::size_t mask = by_name_.size() - 1;
  for (std::size_t at = name.low & mask; by_name_[at].index != Name::kNone; at = (at + 1) & mask)
    if (by_name_[at].low == name.low && by_name_[at].high == name.high) return by_name_[at].index;
  return kNobody;
}

// At least every other place stays empty, so that a search ends soon.
void Placement::index_names() {
  by_name_.assign(std::bit_ceil(2 * names_.size() + 1), Name{});
  const std::size_t mask = by_name_.size() - 1;
  for (std::uint32_t i = 0; i < names_.size(); ++i) {
    Name name;
    name.read(names_[i]);
    name.index = i;
    std::size_t at = name.low & mask;
    while (by_name_[at].index != Name::kNone) at = (at + 1) & mask;
    by_name_[at] = name;
  }
}

std::shared_ptr<const Placement> Placement::of(const model::Cluster& cluster, const Placement* before) {
  using enum PolicyRow::Places;
  const auto places = policy_of(cluster.balancing.get()).places;
  if (places == none) return nullptr;
  auto out = std::make_shared<Placement>();
  out->places_ = places;
  if (before != nullptr && before->places_ != places) before = nullptr;
  if (places == ring_of_subsets) {
    const auto ready = static_cast<std::uint32_t>(
        std::ranges::count_if(cluster.endpoints, [](const model::Endpoint& e) { return e.ready; }));
    const std::uint32_t size = cluster.balancing->hash_by->subset_size;
    out->subsets_ = ready / size + (ready % size != 0 ? 1 : 0);
    if (before != nullptr && before->subsets_ == out->subsets_) {
      out->ring_ = before->ring_;
      return out;
    }
    std::vector<std::string> sets;
    for (std::uint32_t i = 1; i <= out->subsets_; ++i) sets.push_back("set" + std::to_string(i));
    out->ring_ = Ring(sets);
    return out;
  }
  out->addresses_.reserve(cluster.endpoints.size());
  for (const model::Endpoint& e : cluster.endpoints) out->addresses_.push_back(address_of(e));
  std::unordered_map<std::string_view, std::uint32_t> known;  // of those before
  if (before != nullptr)
    for (std::uint32_t i = 0; i < before->addresses_.size(); ++i) known.emplace(before->addresses_[i], i);
  if (places == ring || places == table) {
    std::vector<std::uint32_t> now_at(before != nullptr ? before->addresses_.size() : 0, Ring::kGone);
    for (std::uint32_t i = 0; i < out->addresses_.size(); ++i)
      if (const auto at = known.find(out->addresses_[i]); at != known.end()) now_at[at->second] = i;
    if (places == table) {
      // Mostly one of them is ready or not, and the table is of all.
      const bool same =
          out->addresses_.size() == now_at.size() && std::ranges::find(now_at, Ring::kGone) == now_at.end();
      out->table_ = same && before != nullptr ? MaglevTable(before->table_, now_at) : MaglevTable(out->addresses_);
    } else {
      out->ring_ = before != nullptr ? Ring(before->ring_, now_at, out->addresses_) : Ring(out->addresses_);
    }
    return out;
  }
  out->salt_ = cluster.upstream_name.str();
  if (before != nullptr && before->salt_ != out->salt_) known.clear();
  out->names_.reserve(out->addresses_.size());
  for (const std::string& address : out->addresses_) {
    const auto at = known.find(address);
    out->names_.push_back(at != known.end() ? before->names_[at->second] : md5_text(out->salt_ + address));
  }
  out->index_names();
  return out;
}

}  // namespace sluice::data
