#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_map.h"
#include "base/time_text.h"
#include "base/variables.h"
#include "sluice/record.h"

// nginx's log_format, compiled once and run for each line.
namespace sluice::ops {

struct LogReader;

// How variables are written (nginx's `log_format … escape=`). nginx: `"`, `\`, bytes below 0x20 and above 0x7e as \xXX,
// absent values as "-". json: as JSON string contents, absent values empty; bytes that are not UTF-8 become \u00XX, so
// that a line always parses. none: as they are.
enum class LogEscape : std::uint8_t { nginx, json, none };

struct AccessLogSettings {
  bool enabled = true;        // disable-access-log, --access-log off
  bool requests = true;       // disable-http-access-log
  bool streams = true;        // disable-stream-access-log: connections that were passed through, and sessions
  std::string path = "-";     // "-": standard output; else a file, made when missing, appended to
  std::string format;         // log-format-upstream; empty: ingress-nginx's default line
  std::string stream_format;  // log-format-stream, for connections that were passed through; empty: its default line
  LogEscape escape = LogEscape::nginx;
  bool json = false;          // access-log-format: json; `format` and `escape` are not used then
  TextMap skip_urls;          // skip-access-log-urls: request targets; one of which nobody knows is logged
  bool log_unrouted = false;  // enable-access-log-for-default-backend: lines for exchanges without a route
};

// ingress-nginx's default for log-format-upstream.
extern const std::string_view kDefaultLogFormat;
// And for log-format-stream.
extern const std::string_view kDefaultStreamFormat;

// Immutable; shared by workers. What its lines want beside the record is the WantedValues that it is.
class LogFormat final : public WantedValues {
 public:
  // Never fails: what cannot be written is written as an absent value and named in problems().
  static std::shared_ptr<const LogFormat> compile(const AccessLogSettings& settings);
  // The same for ExchangeRecord::stream. Such a record has no values beside.
  static std::shared_ptr<const LogFormat> compile_stream(const AccessLogSettings& settings);
  // Writes one line with its newline to `out` and returns its size. Lines that do not fit `capacity` (at least 16 KiB
  // for what follows) have their long values cut and stay whole, JSON among them; what does not fit even then is cut
  // and still ends with a newline. `capacity` must be at least 1. The record's values are read where they were wanted
  // by this format; else they are absent.
  std::size_t write(const ExchangeRecord& record, LogTimes& times, char* out, std::size_t capacity) const noexcept;
  // "variable $x is not known" and the like, once for each name.
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  struct Op {
    const LogReader* reader = nullptr;  // null: a literal, or a value beside the record
    VariableId variable = kLiteral;
    std::uint32_t begin = 0, size = 0;  // of a literal: in text_; of a value beside the record `begin` is its number
  };
  static std::shared_ptr<const LogFormat> make(const AccessLogSettings& settings, std::string_view format,
                                               std::span<const std::string_view> members, bool of_stream);
  void add_text(std::string_view text);
  void add_variable(Variable named, bool of_stream);
  void add_absent(const std::string& name, const std::string& why);
  Template source_;   // holds the names in `of`
  std::string text_;  // all literals
  std::vector<Op> ops_;
  std::vector<std::string> problems_;
  LogEscape escape_ = LogEscape::nginx;
  bool json_ = false;
};

}  // namespace sluice::ops
