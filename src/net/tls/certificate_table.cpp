#include <algorithm>
#include <array>
#include <cstring>

#include "base/strings.h"
#include "net/tls/tls.h"

namespace sluice::net::tls {
namespace {

constexpr std::size_t shard_count = 256;
constexpr std::size_t max_name = 255;

using Shard = StringMap<std::vector<KeyPairPtr>>;

std::size_t shard_of(std::string_view name) noexcept {
  return StringHash{}(name) >> 16 & (shard_count - 1);
}

int rank(std::string_view key_type) noexcept {
  return key_type == "ECDSA" ? 0 : key_type == "Ed25519" ? 1 : 2;
}

std::vector<KeyPairPtr> one_of_each(std::vector<KeyPairPtr> pairs) {
  std::erase(pairs, nullptr);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return rank(a->key_type()) < rank(b->key_type()); });
  auto end = std::unique(pairs.begin(), pairs.end(),
                         [](const auto& a, const auto& b) { return rank(a->key_type()) == rank(b->key_type()); });
  pairs.erase(end, pairs.end());
  return pairs;
}

class ShardedTable final : public CertificateTable {
 public:
  ShardedTable(const CertificateTable* previous, const std::vector<CertificateChange>& changes, KeyPairPtr fallback,
               bool reject_unknown)
      : reject_unknown_(reject_unknown) {
    if (previous) shards_ = static_cast<const ShardedTable*>(previous)->shards_;
    fallback_ = fallback ? std::move(fallback) : previous ? previous->fallback() : self_signed();

    // A shard that a change touches is copied once; all others are shared with the previous table.
    std::array<std::shared_ptr<Shard>, shard_count> copies;
    for (const auto& change : changes) {
      const std::string name = lower(change.name);
      const std::size_t at = shard_of(name);
      if (!copies[at]) {
        copies[at] = shards_[at] ? std::make_shared<Shard>(*shards_[at]) : std::make_shared<Shard>();
        shards_[at] = copies[at];
      }
      auto pairs = one_of_each(change.pairs);
      if (pairs.empty()) {
        copies[at]->erase(name);
      } else {
        copies[at]->insert_or_assign(name, std::move(pairs));
      }
    }
  }

  const std::vector<KeyPairPtr>* find(std::string_view name) const noexcept override {
    if (name.empty() || name.size() > max_name) return nullptr;
    if (const auto* exact = look(name)) return exact;
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || dot == 0) return nullptr;
    char wildcard[max_name + 1];
    const auto rest = name.substr(dot);
    wildcard[0] = '*';
    std::memcpy(wildcard + 1, rest.data(), rest.size());
    return look({wildcard, rest.size() + 1});
  }
  const KeyPairPtr& fallback() const noexcept override { return fallback_; }
  bool reject_unknown() const noexcept override { return reject_unknown_; }

 private:
  const std::vector<KeyPairPtr>* look(std::string_view name) const noexcept {
    const auto& shard = shards_[shard_of(name)];
    if (!shard) return nullptr;
    const auto it = shard->find(name);
    return it == shard->end() ? nullptr : &it->second;
  }

  std::array<std::shared_ptr<const Shard>, shard_count> shards_;
  KeyPairPtr fallback_;
  bool reject_unknown_;
};

}  // namespace

std::shared_ptr<const CertificateTable> make_table(const CertificateTable* previous,
                                                   const std::vector<CertificateChange>& changes, KeyPairPtr fallback,
                                                   bool reject_unknown) {
  return std::make_shared<ShardedTable>(previous, changes, std::move(fallback), reject_unknown);
}

}  // namespace sluice::net::tls
