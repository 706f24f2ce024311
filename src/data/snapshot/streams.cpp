#include "data/snapshot/streams.h"

#include <algorithm>

namespace sluice::data {

const StreamTarget* StreamTable::find(model::Transport transport, std::uint16_t port) const noexcept {
  const std::uint32_t place = static_cast<std::uint32_t>(transport) << 16U | port;
  const auto at = std::ranges::lower_bound(all_, place, {}, [](const StreamTarget& t) { return t.spec->place(); });
  return at == all_.end() || at->spec->place() != place ? nullptr : &*at;
}

}  // namespace sluice::data
