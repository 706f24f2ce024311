#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/filter/limiting.h"
#include "data/proxy/pause.h"

// limit_req and limit_conn of snippets. What was counted belongs to the zone, for all Ingresses that name it.
namespace sluice::data {

namespace {

using model::SnippetLimits;
using model::SnippetRate;

class LimitsOfSnippets final : public Step {
 public:
  LimitsOfSnippets(const SnippetLimits& limits, bool rates, bool connections) {
    if (rates)
      for (const auto& rate : limits.rates) {
        rates_.push_back({rate, limit_rate(rate.a_second, rate.burst), zone(rate.zone)});
        delays_ = delays_ || (rate.burst != 0 && rate.delay != SnippetRate::kAtOnce);
      }
    if (connections)
      for (const auto& one : limits.connections) connections_.push_back({one, zone(one.zone)});
  }

  bool waits(const RequestView&) const override { return true; }
  bool charges() const noexcept override { return !delays_; }
  std::optional<LocalReply> charge(Exchange& ex) const override {
    std::uint64_t delay = 0;
    return count(ex, delay);
  }

  // Who comes a little too early waits for his turn.
  net::Task<Result<std::optional<LocalReply>>> wait(Exchange& ex) const override {
    Result<std::optional<LocalReply>> said;
    if (ex.asker != nullptr) co_return said;  // its client has been charged
    std::uint64_t delay = 0;
    *said = count(ex, delay);
    if (*said || delay == 0) co_return said;
    net::Task<Status> pausing = pause(ex, ex.worker.loop.now() + std::chrono::milliseconds(delay));
    Status paused = co_await pausing;
    if (!paused) said = std::unexpected(paused.error());
    co_return said;
  }

  std::string charged(const RequestView&) const override {
    std::string out;
    for (const auto& rate : rates_)
      out += fmt::format("{}{}.{:03} a second of zone {} ({} at once{})", out.empty() ? "" : ", ",
                         rate.of.a_second / 1000, rate.of.a_second % 1000, rate.of.zone, rate.of.burst + 1,
                         rate.of.delay == SnippetRate::kAtOnce || rate.of.burst == 0 ? "" : ", which wait");
    for (const auto& one : connections_)
      out += fmt::format("{}{} in flight of zone {}", out.empty() ? "" : ", ", one.of.most, one.of.zone);
    return "it is counted: each key may ask " + out;
  }

 private:
  struct Rate {
    SnippetRate of;
    LimitTable::Rate rate;
    LimitTable::Key zone;
  };
  struct Connections {
    model::SnippetConnections of;
    LimitTable::Key zone;
  };

  // A zone is a tenant of its own, whoever names it.
  static LimitTable::Key zone(const std::string& name) {
    const auto number = LimitTable::number("zone/" + name);
    return {number, static_cast<std::uint16_t>(number)};
  }

  static std::optional<LimitTable::Key> key(const Exchange& ex, const Template& of, const LimitTable::Key& zone) {
    LimitedKey asker(ex, of);
    if (asker.empty()) return std::nullopt;
    return LimitTable::Key{asker.counter(zone.counter), zone.tenant};
  }

  // As in nginx: of several rates the one that refuses charges none; the longest delay counts; then those in flight.
  std::optional<LocalReply> count(Exchange& ex, std::uint64_t& delay) const {
    static constexpr const char* kTooOften = "the client asks more often than limit_req of a snippet";
    LimitTable& table = ex.worker.shared.client_limits;
    const std::uint32_t now = limit_time(ex);
    std::array<std::optional<LimitTable::Key>, SnippetLimits::kMostRates> keys;
    std::size_t last = rates_.size();
    for (std::size_t i = 0; i < rates_.size(); ++i) {
      keys[i] = key(ex, rates_[i].of.key, rates_[i].zone);
      if (keys[i]) last = i;
    }
    for (std::size_t i = 0; i < last && last != rates_.size(); ++i) {
      if (!keys[i]) continue;
      const auto judged = table.judge(*keys[i], rates_[i].rate, now);
      if (!judged.admitted) return refused_by_rate(ex, kTooOften, judged);
    }
    // The last is the only one that was not asked: what it refuses has to be known before another is charged.
    for (std::size_t n = 0; n < rates_.size() && last != rates_.size(); ++n) {
      const std::size_t i = n == 0 ? last : n - 1 < last ? n - 1 : n;
      if (!keys[i]) continue;
      const auto said = note_limit(ex, table.charge(*keys[i], rates_[i].rate, now));
      if (!said.admitted) return refused_by_rate(ex, kTooOften, said);
      const std::uint64_t free = std::uint64_t{rates_[i].of.delay} * 1000;
      if (rates_[i].of.delay != SnippetRate::kAtOnce && said.excess > free)
        delay = std::max(delay, (said.excess - free) * 1000 / rates_[i].rate.a_second);
    }
    for (const auto& one : connections_) {
      const auto whose = key(ex, one.of.key, one.zone);
      if (whose && !enter_limit(ex, *whose, one.of.most))
        return refused_by_connections(ex, "the client has as many requests here as limit_conn of a snippet");
    }
    return std::nullopt;
  }

  std::vector<Rate> rates_;
  std::vector<Connections> connections_;
  bool delays_ = false;
};

StepPtr limits_of_snippets(const Needs& needs) {
  const auto& snippet = needs.settings.snippet;
  if (!snippet) return nullptr;
  const SnippetLimits& limits = snippet->limits;
  // A location that limits requests itself inherits no such limit of its server; of those in flight likewise.
  const auto& own = needs.settings.client_limits;
  const bool own_rates = own && (own->rps != 0 || own->rpm != 0), own_connections = own && own->connections != 0;
  const bool rates = !limits.rates.empty() && !(limits.rates_of_server && own_rates);
  const bool connections = !limits.connections.empty() && !(limits.connections_of_server && own_connections);
  if (!rates && !connections) return nullptr;
  return std::make_shared<const LimitsOfSnippets>(limits, rates, connections);
}

}  // namespace

extern const Row kSnippetLimits;
const Row kSnippetLimits{"snippet-limits", in(Phase::guard), limits_of_snippets};

}  // namespace sluice::data
