#include "app/memory_watch.h"

#include <fmt/format.h>

#include <string_view>

#include "base/log.h"

namespace sluice::app {

namespace {

constexpr double kMiB = 1 << 20;

std::string_view consequence(data::Rung r) {
  switch (r) {
    case data::Rung::calm:
      return "nobody is ended for it";
    case data::Rung::save:
      return "connections are not kept alive, and idle ones end sooner";
    case data::Rung::shed:
      return "clients that hold memory and do not go on are reset, those first that hold most for longest";
    case data::Rung::refuse:
      return "new requests get 503, and clients that do not go on are reset";
    case data::Rung::stop:
      return "no connection is accepted, and clients that do not go on are reset";
  }
  return "";
}

}  // namespace

data::RungThresholds overload_thresholds(const model::Options& o) {
  return {o.overload_close_idle * 10, o.overload_reset_slow * 10, o.overload_refuse_requests * 10,
          o.overload_stop_accepting * 10};
}

void MemoryWatch::look() {
  overload_.look();
  const auto now = std::chrono::steady_clock::now();
  if (now < next_line_) return;
  const auto highest = overload_.take_highest(), rung = overload_.rung();
  if (rung == said_ && highest <= said_) return;
  next_line_ = now + std::chrono::seconds(1);
  const auto m = overload_.figures();
  auto text = fmt::format("memory: {:.1f} of {:.1f} MiB ({:.1f} %): {}", static_cast<double>(m.used) / kMiB,
                          static_cast<double>(m.limit) / kMiB, m.share() / 10.0, consequence(rung));
  if (highest > rung) text += fmt::format("; in between {}", consequence(highest));
  rung == data::Rung::calm ? log::info("{}", text) : log::warn("{}", text);
  said_ = rung;
}

int MemoryWatch::milliseconds() const {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(overload_.interval()).count());
}

ops::ControllerState::Memory MemoryWatch::state() const {
  const auto m = overload_.figures();
  return {m.used, m.limit, static_cast<unsigned>(overload_.rung())};
}

}  // namespace sluice::app
