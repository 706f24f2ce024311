#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <optional>

#include "base/strings.h"

namespace sluice::log {
namespace {

// The message, so that it stays one line and, inside quotes, one JSON string.
class EscapedMessage final : public spdlog::custom_flag_formatter {
 public:
  explicit EscapedMessage(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& msg, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view text(msg.payload.data(), msg.payload.size());
    for (std::size_t i = 0; i < text.size();) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x80) {
        if (const std::size_t n = utf8_length(text.substr(i)); n != 0) {
          append(out, text.substr(i, n));
          i += n;
          continue;
        }
        append(out, json_ ? fmt::format("\\u00{:02x}", c) : fmt::format("\\x{:02x}", c));
      } else if (c < 0x20 || c == 0x7f) {
        append(out, json_ ? fmt::format("\\u{:04x}", c) : c == '\n' ? "\\n" : fmt::format("\\x{:02x}", c));
      } else {
        if (json_ && (c == '"' || c == '\\')) out.push_back('\\');
        out.push_back(text[i]);
      }
      ++i;
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<EscapedMessage>(json_); }

 private:
  static void append(spdlog::memory_buf_t& out, std::string_view s) { out.append(s.data(), s.data() + s.size()); }
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

std::string level() {
  const auto name = spdlog::level::to_string_view(spdlog::default_logger_raw()->level());
  const std::string text(name.data(), name.size());
  return text == "warning" ? "warn" : text;
}

}  // namespace sluice::log
