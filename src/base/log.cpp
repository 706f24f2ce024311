#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <optional>

#include "base/printable.h"
#include "base/strings.h"

namespace sluice::log {
namespace {

// The message, so that it stays one line and, inside quotes, one JSON string.
class EscapedMessage final : public spdlog::custom_flag_formatter {
 public:
  explicit EscapedMessage(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& msg, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view text(msg.payload.data(), msg.payload.size());
    const std::string safe = json_ ? json_content(text) : printable(text);
    out.append(safe.data(), safe.data() + safe.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<EscapedMessage>(json_); }

 private:
  const bool json_;
};

std::optional<spdlog::level::level_enum> parse(std::string_view text) {
  const std::string name = lower(trim(text));
  if (name == "notice") return spdlog::level::info;
  if (name == "crit" || name == "alert" || name == "emerg") return spdlog::level::critical;
  const auto level = spdlog::level::from_str(name);
  if (level == spdlog::level::off && name != "off") return std::nullopt;
  return level;
}

}  // namespace

void start(std::string_view level, bool json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<EscapedMessage>('*', json);
  formatter->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%*"})"
                              : "%Y-%m-%dT%H:%M:%S.%e %-8l %*");
  auto logger = std::make_shared<spdlog::logger>("sluice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  if (!set_level(level)) set_level("info");
}

bool set_level(std::string_view level) {
  const auto parsed = parse(level);
  if (!parsed) return false;
  spdlog::set_level(*parsed);
  return true;
}

bool is_level(std::string_view level) {
  return parse(level).has_value();
}

std::string level() {
  const auto name = spdlog::level::to_string_view(spdlog::default_logger_raw()->level());
  const std::string text(name.data(), name.size());
  return text == "warning" ? "warn" : text;
}

}  // namespace sluice::log
