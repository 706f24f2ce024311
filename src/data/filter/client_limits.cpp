#include "model/settings/client_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "data/exchange/variables.h"
#include "data/filter/address_set.h"
#include "data/plan/step.h"
#include "data/runtime/worker_context.h"
#include "net/http/reason.h"

// limit-rps, limit-rpm, limit-connections: how much one client may ask of the paths of an Ingress.
namespace sluice::data {

namespace {

enum Which : std::uint8_t { connections, a_second, a_minute };

LimitTable::Rate rate_of(std::uint64_t thousandths_a_second, std::uint64_t limit, std::uint64_t multiplier) noexcept {
  // The product fits: both are of 32 bits. What is above the most that can be counted is as good as no limit.
  const std::uint64_t burst = limit * multiplier;
  return {static_cast<std::uint32_t>(std::min<std::uint64_t>(thousandths_a_second, LimitTable::kMostRate)),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(burst, LimitTable::kMostBurst / 1000) * 1000)};
}

std::uint32_t milliseconds(Instant now) noexcept {
  using std::chrono::duration_cast;
  return static_cast<std::uint32_t>(duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}

// Who asks, as bytes behind room for the number of a counter.
class Asker {
 public:
  // Nobody: who a client is says a variable that has no value here.
  explicit Asker(const Exchange& ex) : bytes_(ex.worker.out) {
    const Template& who = ex.options->limit_conn_zone_variable;
    bytes_.assign(sizeof(std::uint64_t), '\0');
    if (who.text() == model::Options::kByAddress)
      bytes_.append(reinterpret_cast<const char*>(ex.client.data()), ex.client.size());
    else
      evaluate(who, ex, Spelling::raw, bytes_);
  }
  bool is_nobody() const noexcept { return bytes_.size() == sizeof(std::uint64_t); }
  std::uint64_t counter(std::uint64_t of) noexcept {
    std::memcpy(bytes_.data(), &of, sizeof of);
    return LimitTable::number(bytes_);
  }

 private:
  std::string& bytes_;  // scratch of the worker: nothing waits while it is used
};

class ClientLimits final : public Step {
 public:
  explicit ClientLimits(const model::ClientLimits& limits)
      : limits_(limits),
        exempt_(limits.exempt),
        second_(rate_of(std::uint64_t{limits.rps} * 1000, limits.rps, limits.burst_multiplier)),
        minute_(rate_of(std::uint64_t{limits.rpm} * 1000 / 60, limits.rpm, limits.burst_multiplier)),
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
    Asker asker(ex);
    if (asker.is_nobody()) return std::nullopt;
    LimitTable& table = ex.worker.shared.client_limits;
    const std::uint32_t now = milliseconds(ex.worker.loop.now());
    const auto key = [&](Which which) { return LimitTable::Key{asker.counter(counter_[which]), tenant_}; };
    if (limits_.rps != 0) {
      const auto of_second = key(a_second);
      if (limits_.rpm != 0) {
        const auto judged = table.judge(of_second, second_, now);
        if (!judged.admitted) return too_often(ex, a_second, judged);
        const auto said = note(ex, table.charge(key(a_minute), minute_, now));
        if (!said.admitted) return too_often(ex, a_minute, said);
      }
      const auto said = note(ex, table.charge(of_second, second_, now));
      if (!said.admitted) return too_often(ex, a_second, said);
    } else if (limits_.rpm != 0) {
      const auto said = note(ex, table.charge(key(a_minute), minute_, now));
      if (!said.admitted) return too_often(ex, a_minute, said);
    }
    if (limits_.connections == 0) return std::nullopt;
    const auto entered = table.enter(key(connections), limits_.connections);
    ex.counted = entered.place;
    if (entered.admitted) {
      if (entered.place == nullptr) ex.worker.stats.limits_uncounted.add();
      return std::nullopt;
    }
    ex.worker.stats.limited_connections.add();
    return refusal(ex, ex.options->limit_conn_status_code, "the client has as many requests here as limit-connections");
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
  static LimitTable::Said note(Exchange& ex, LimitTable::Said said) noexcept {
    if (said.forgot) ex.worker.stats.limits_forgotten.add();
    if (!said.counted) ex.worker.stats.limits_uncounted.add();
    return said;
  }

  static LocalReply too_often(Exchange& ex, Which which, LimitTable::Said said) {
    ex.worker.stats.limited_rate.add();
    LocalReply out = refusal(
        ex, ex.options->limit_req_status_code,
        which == a_second ? "the client asks more often than limit-rps" : "the client asks more often than limit-rpm");
    if (out.ours == true)
      ex.note = fmt::format("client {}, excess {}.{:03}", ex.client_address, said.excess / 1000, said.excess % 1000);
    return out;
  }

  // A client that goes on asking is told of once a second and worker; the counters have all.
  static LocalReply refusal(Exchange& ex, std::uint16_t status, const char* why) {
    LocalReply out{.status = status, .why = why, .ours = false};
    const Instant now = ex.worker.loop.now();
    if (now - ex.worker.limits_told >= std::chrono::seconds(1)) {
      ex.worker.limits_told = now;
      out.ours = true;
      ex.note = fmt::format("client {}", ex.client_address);
    }
    if (net::http::reason_phrase(status).empty()) out.body.emplace();  // nginx has no page for it
    return out;
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
