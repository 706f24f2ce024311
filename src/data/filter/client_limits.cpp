#include "model/settings/client_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/filter/address_set.h"
#include "data/filter/limiting.h"

// limit-rps, limit-rpm, limit-connections: how much one client may ask of the paths of an Ingress.
namespace sluice::data {

namespace {

enum Which : std::uint8_t { connections, a_second, a_minute };

class ClientLimits final : public Step {
 public:
  explicit ClientLimits(const model::ClientLimits& limits)
      : limits_(limits),
        exempt_(limits.exempt),
        second_(limit_rate(std::uint64_t{limits.rps} * 1000, std::uint64_t{limits.rps} * limits.burst_multiplier)),
        minute_(limit_rate(std::uint64_t{limits.rpm} * 1000 / 60, std::uint64_t{limits.rpm} * limits.burst_multiplier)),
        tenant_(static_cast<std::uint16_t>(LimitTable::number(limits.ns))) {
    for (const Which which : {connections, a_second, a_minute})
      counter_[which] = LimitTable::number(
          fmt::format("{}/{}/{}/{}", limits.ns, limits.ingress, limits.created, static_cast<int>(which)));
  }

  bool waits(const RequestView& request) const override {
    return exempt_.ranges() == 0 || !request.client_known || !exempt_.contains(request.client);
  }
  bool charges() const noexcept override { return true; }

  // As in nginx: requests are counted before those in flight, so that what limit-connections refuses was charged to
  // limit-rps; and of two rates that which refuses charges neither.
  std::optional<LocalReply> charge(Exchange& ex) const override {
    LimitedKey asker(ex, ex.options->limit_conn_zone_variable);
    if (asker.empty()) return std::nullopt;
    LimitTable& table = ex.worker.shared.client_limits;
    const std::uint32_t now = limit_time(ex);
    const auto key = [&](Which which) { return LimitTable::Key{asker.counter(counter_[which]), tenant_}; };
    // All counters are on their way from memory before the first one is looked at.
    LimitTable::Key of_second, of_minute, in_flight;
    if (limits_.rps != 0) table.expect(of_second = key(a_second));
    if (limits_.rpm != 0) table.expect(of_minute = key(a_minute));
    if (limits_.connections != 0) table.expect_count(in_flight = key(connections));
    if (limits_.rps != 0) {
      if (limits_.rpm != 0) {
        const auto judged = table.judge(of_second, second_, now);
        if (!judged.admitted) return too_often(ex, a_second, judged);
        const auto said = note_limit(ex, table.charge(of_minute, minute_, now));
        if (!said.admitted) return too_often(ex, a_minute, said);
      }
      const auto said = note_limit(ex, table.charge(of_second, second_, now));
      if (!said.admitted) return too_often(ex, a_second, said);
    } else if (limits_.rpm != 0) {
      const auto said = note_limit(ex, table.charge(of_minute, minute_, now));
      if (!said.admitted) return too_often(ex, a_minute, said);
    }
    if (limits_.connections == 0) return std::nullopt;
    if (enter_limit(ex, in_flight, limits_.connections)) return std::nullopt;
    return refused_by_connections(ex, "the client has as many requests here as limit-connections");
  }

  std::string charged(const RequestView&) const override {
    std::string out;
    const auto add = [&](std::uint32_t limit, std::string_view what, std::uint32_t burst) {
      if (limit == 0) return;
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", limit, what);
      if (burst != 0) out += fmt::format(" ({} at once)", burst / 1000 + 1);
    };
    add(limits_.rps, "a second", second_.burst);
    add(limits_.rpm, "a minute", minute_.burst);
    add(limits_.connections, "in flight", 0);
    return fmt::format("it is counted: each client may ask {} of Ingress {}/{}", out, limits_.ns, limits_.ingress);
  }

 private:
  static LocalReply too_often(Exchange& ex, Which which, LimitTable::Said said) {
    return refused_by_rate(
        ex,
        which == a_second ? "the client asks more often than limit-rps" : "the client asks more often than limit-rpm",
        said);
  }

  const model::ClientLimits limits_;
  const AddressSet exempt_;
  const LimitTable::Rate second_, minute_;
  const std::uint16_t tenant_;
  std::uint64_t counter_[3];
};

StepPtr limits_of_clients(const Needs& needs) {
  const auto& limits = needs.settings.client_limits;
  return limits ? std::make_shared<const ClientLimits>(*limits) : nullptr;
}

}  // namespace

extern const Row kClientLimits;
const Row kClientLimits{"client-limits", in(Phase::guard), limits_of_clients};

}  // namespace sluice::data
