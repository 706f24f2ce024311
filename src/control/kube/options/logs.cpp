// Logs.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

std::string read_log_format(std::string_view v, Options& o) {
  if (v == "text")
    o.access_log_format = model::LogFormat::text;
  else if (v == "json")
    o.access_log_format = model::LogFormat::json;
  else
    return "text or json";
  return {};
}

// ingress-nginx's level names and spdlog's.
std::string read_level(std::string_view v, Options& o) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"trace", "trace"},    {"debug", "debug"},       {"info", "info"}, {"notice", "info"},   {"warn", "warn"},
      {"warning", "warn"},   {"error", "error"},       {"err", "error"}, {"crit", "critical"}, {"alert", "critical"},
      {"emerg", "critical"}, {"critical", "critical"}, {"off", "off"}};
  for (auto& [name, level] : names)
    if (v == name) {
      o.log_level = level;
      return {};
    }
  return "trace, debug, info, notice, warn, error, crit, alert, emerg or off";
}

std::string print_log_format(const Options& o) {
  return o.access_log_format == model::LogFormat::json ? "json" : "text";
}

std::string read_path(std::string_view v, Options& o) {
  if (v.empty()) return "a path, - or off";
  // In the image of ingress-nginx its default is a link to standard output.
  o.access_log_path = v == "/var/log/nginx/access.log" ? "-" : v;
  return {};
}

constexpr std::array kLogsRows{
    Option{"disable-access-log", boolean<&Options::disable_access_log>, "no access log",
           [](const Options& o, RouteSettings& s) { s.access_log = !o.disable_access_log; }},
    Option{"disable-http-access-log", boolean<&Options::disable_http_access_log>,
           "no lines for requests; connections that are passed through have theirs"},
    Option{"disable-stream-access-log", boolean<&Options::disable_stream_access_log>,
           "no lines for connections and sessions that are passed through"},
    Option{"enable-access-log-for-default-backend", boolean<&Options::enable_access_log_for_default_backend>,
           "log requests for unknown hosts too"},
    Option{"access-log-path",
           {"path or -", read_path, print_text<&Options::access_log_path>},
           "file of the access log; - is standard output, and so is /var/log/nginx/access.log, as in ingress-nginx's "
           "image"},
    Option{"log-format-upstream",
           {"nginx log format", read_text<&Options::log_format_upstream>, print_text<&Options::log_format_upstream>,
            false, true},
           "format of the access log; empty is the default line; a line break in it is written as a blank"},
    Option{"log-format-stream",
           {"nginx log format", read_text<&Options::log_format_stream>, print_text<&Options::log_format_stream>, false,
            true},
           "format of its lines for connections that are passed through; empty is the default line"},
    Option{"log-format-escape-json", boolean<&Options::log_format_escape_json>, "escape variables for JSON"},
    Option{"log-format-escape-none", boolean<&Options::log_format_escape_none>, "escape nothing"},
    Option{"access-log-format", {"text or json", read_log_format, print_log_format}, "json writes one object a line"},
    Option{"skip-access-log-urls", text_rules<&Options::skip_access_log_urls>,
           "request targets that are not logged: whole ones, whatever their case, and regular expressions behind ~ or "
           "~*"},
    Option{"log-level",
           {"debug, info, warn, error, off", read_level, print_text<&Options::log_level>},
           "level of the program log"},
    Option{"error-log-level",
           {"nginx's names", read_level, print_text<&Options::log_level>},
           "the same under ingress-nginx's name"},
};

}  // namespace

std::span<const Option> logs() {
  return kLogsRows;
}

}  // namespace sluice::control::options_of
