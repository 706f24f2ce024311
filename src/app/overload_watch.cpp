#include "app/overload_watch.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/log.h"

namespace sluice::app {

namespace {

using data::Rung;
using data::Source;

constexpr double kMiB = 1 << 20;

std::string_view name(Source s) {
  switch (s) {
    case Source::memory:
      return "memory";
    case Source::descriptors:
      return "descriptors";
    case Source::connections:
      return "connections";
    case Source::lag:
      return "lag";
  }
  return "";
}

std::string_view name(Rung r) {
  switch (r) {
    case Rung::calm:
      return "";
    case Rung::save:
      return "close-idle";
    case Rung::shed:
      return "reset-slow";
    case Rung::low:
      return "refuse-low";
    case Rung::refuse:
      return "refuse-requests";
    case Rung::stop:
      return "stop-accepting";
  }
  return "";
}

// As the metric counted before there was a rung for requests of low priority.
unsigned number(Rung r) {
  return r >= Rung::low ? static_cast<unsigned>(r) - 1 : static_cast<unsigned>(r);
}

// `keys`: as the options say them; a rung that is off does nothing beside the others.
std::string consequence(Source source, Rung r, const data::RungThresholds& keys) {
  const bool memory = source == Source::memory, lag = source == Source::lag;
  const auto on = [&](Rung which) { return keys[static_cast<std::size_t>(which) - 1] != 0; };
  const std::string resets = !lag && on(Rung::shed) ? ", and clients that do not go on are reset" : "";
  switch (r) {
    case Rung::calm:
      return "nobody is ended for it";
    case Rung::save:
      return memory ? "connections are not kept alive, and idle ones end sooner"
             : lag  ? "responses are not compressed"
                    : "idle connections end sooner";
    case Rung::shed:
      return memory ? "clients that hold memory and do not go on are reset, those first that hold most for longest"
                    : "idle connections are closed, and clients that do not go on are reset";
    case Rung::low:
      return "new requests of low priority get 503" + resets;
    case Rung::refuse:
      if (source == Source::descriptors && on(Rung::stop))  // which comes before this one
        return "no connection is accepted, new requests get 503, but for those of high priority";
      return "new requests get 503, but for those of high priority" + resets;
    case Rung::stop:
      return "no connection is accepted" + (lag ? ", and new requests get 503" : resets);
  }
  return "";
}

}  // namespace

data::RungThresholds overload_thresholds(const model::Options& o) {
  return {o.overload_close_idle * 10, o.overload_reset_slow * 10, o.overload_refuse_low * 10,
          o.overload_refuse_requests * 10, o.overload_stop_accepting * 10};
}

void OverloadWatch::look() {
  overload_.look();
  const auto now = std::chrono::steady_clock::now();
  for (const Source source : data::kAllSources) say(source, now);
}

void OverloadWatch::say(Source source, std::chrono::steady_clock::time_point now) {
  Said& said = said_[static_cast<std::size_t>(source)];
  if (now < said.next_line) return;
  const Rung highest = overload_.take_highest(source);
  const Rung rung = overload_.held_by_anybody().of(source).highest();
  if (rung == said.rung && highest <= said.rung) return;
  said.next_line = now + std::chrono::seconds(1);
  const double percent = overload_.pressure(source) / 10.0;
  std::string text;
  if (source == Source::memory) {
    const auto m = overload_.figures();
    text = fmt::format("memory: {:.1f} of {:.1f} MiB ({:.1f} %): ", static_cast<double>(m.used) / kMiB,
                       static_cast<double>(m.limit) / kMiB, percent);
  } else if (source == Source::lag) {
    const auto worst = overload_.worst_lag();
    text = fmt::format("event loop: worker {} is behind by {} ms, and overload-loop-lag is {} ms: ", worst.worker,
                       worst.lag / std::chrono::milliseconds(1), overload_.lag_limit() / std::chrono::milliseconds(1));
  } else {
    const auto counts = overload_.counts();
    const Usage& u = source == Source::descriptors ? counts.descriptors : counts.connections;
    text = fmt::format("{}: {} of {} ({:.1f} %): ", name(source), u.used, u.limit, percent);
  }
  const auto keys = overload_.thresholds();
  text += consequence(source, rung, keys);
  if (highest > rung) text += fmt::format("; in between {}", consequence(source, highest, keys));
  rung == Rung::calm ? log::info("{}", text) : log::warn("{}", text);
  said.rung = rung;
}

int OverloadWatch::milliseconds() const {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(overload_.interval()).count());
}

void OverloadWatch::show(ops::ControllerState& state) const {
  const auto m = overload_.figures();
  state.memory = {m.used, m.limit};
  const data::Held held = overload_.held_by_anybody();
  state.overload.rung = number(held.highest());
  state.overload.sources.clear();
  for (const Source source : data::kAllSources) {
    ops::ControllerState::Overload::Source row{name(source), overload_.pressure(source) / 1000.0, {}};
    for (const Rung r : {Rung::save, Rung::shed, Rung::low, Rung::refuse, Rung::stop})
      row.rungs.emplace_back(name(r), held.by(source, r));
    state.overload.sources.push_back(std::move(row));
  }
}

}  // namespace sluice::app
