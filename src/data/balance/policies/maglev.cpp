#include "data/balance/by_key.h"

namespace sluice::data {

namespace {

struct InTheTable {
  static_assert(MaglevTable::kGone == Ring::kGone);
  template <class Takes>
  static std::uint32_t find(const Placement& places, std::string_view key, Takes&& takes) noexcept {
    return places.table().find(key, std::forward<Takes>(takes));
  }
};

}  // namespace

extern const PolicyRow kMaglev;
const PolicyRow kMaglev{
    .name = "maglev",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<ByKey<InTheTable>>(seed); },
    .key = PolicyRow::Key::hash,
    .places = PolicyRow::Places::table,
    .doc =
        "by the hash of the request's key, in shares that are all but equal; one that leaves moves its own keys and "
        "few others"};

}  // namespace sluice::data
