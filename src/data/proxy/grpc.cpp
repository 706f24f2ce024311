#include "data/proxy/grpc.h"

#include <charconv>
#include <optional>

#include "base/strings.h"
#include "data/runtime/worker_context.h"
#include "net/h2/session.h"
#include "net/http/reason.h"
#include "net/http/trailers.h"

namespace sluice::data {

using net::http::Name;

namespace {
constexpr std::string_view kType = "application/grpc";
}

bool begins_as_grpc(std::string_view type) noexcept {
  return iequals(type.substr(0, kType.size()), kType);
}

bool is_grpc(std::string_view type) noexcept {
  if (!begins_as_grpc(type)) return false;
  type.remove_prefix(kType.size());
  return type.empty() || type[0] == '+' || type[0] == ';' || type[0] == ' ';
}

bool is_grpc(const net::http::Fields& fields) noexcept {
  const auto* type = fields.find(Name::content_type);
  return type && is_grpc(type->value);
}

int grpc_status_of(int http) noexcept {
  switch (http) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 408:
      return kGrpcDeadlineExceeded;
    case 413:
    case 431:
      return 8;  // RESOURCE_EXHAUSTED
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;  // UNAVAILABLE
    case 499:
      return 1;  // CANCELLED
    default:
      return 2;  // UNKNOWN
  }
}

std::optional<Duration> read_grpc_timeout(std::string_view value) noexcept {
  if (value.size() < 2 || value.size() > 9) return std::nullopt;
  std::int64_t n = 0;
  const char* const unit = value.data() + value.size() - 1;
  const auto [end, error] = std::from_chars(value.data(), unit, n);
  if (error != std::errc{} || end != unit || n < 0) return std::nullopt;
  constexpr std::int64_t kSecond = 1'000'000'000, kMost = 366LL * 24 * 3600 * kSecond;
  std::int64_t scale = 0;
  switch (*unit) {
    case 'H':
      scale = 3600 * kSecond;
      break;
    case 'M':
      scale = 60 * kSecond;
      break;
    case 'S':
      scale = kSecond;
      break;
    case 'm':
      scale = kSecond / 1000;
      break;
    case 'u':
      scale = 1000;
      break;
    case 'n':
      scale = 1;
      break;
    default:
      return std::nullopt;
  }
  return std::chrono::nanoseconds(n > kMost / scale ? kMost : n * scale);
}

namespace {
int read_status(std::string_view value) noexcept {
  int n = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
  return error == std::errc{} && end == value.data() + value.size() && n >= 0 && n <= 999 ? n : -1;
}
}  // namespace

int find_grpc_status(const net::http::Fields& fields) noexcept {
  for (const auto& f : fields.all())
    if (f.id == Name::other && iequals(f.name, "grpc-status")) return read_status(f.value);
  return -1;
}

int find_grpc_status(std::string_view trailers) noexcept {
  std::optional<int> first;
  net::http::for_each_line(trailers, [&](std::string_view name, std::string_view value) {
    if (!first && iequals(name, "grpc-status")) first = read_status(value);
  });
  return first.value_or(-1);
}

net::Task<Status> send_grpc_reply(Exchange& ex, int http_status, std::chrono::milliseconds pause) {
  const int code = ex.passed != PassedDeadline::none ? kGrpcDeadlineExceeded : grpc_status_of(http_status);
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, code).ptr;
  auto& message = ex.memory.text;
  if (ex.passed != PassedDeadline::none) {
    message = "deadline exceeded";
  } else {
    message = std::to_string(http_status);
    if (const auto phrase = net::http::reason_phrase(http_status); !phrase.empty()) message.append(" ").append(phrase);
  }
  net::http::Field fields[] = {
      {"content-type", ex.transform ? ex.transform->reply_type() : "application/grpc", Name::content_type, false},
      {"grpc-status", {digits, static_cast<std::size_t>(end - digits)}, Name::other, false},
      {"grpc-message", message, Name::other, false},  // of plain ASCII: nothing to encode
      {"grpc-retry-pushback-ms", {}, Name::other, false},
  };
  char pushback[24];
  fields[3].value = {pushback, static_cast<std::size_t>(
                                   std::to_chars(pushback, pushback + sizeof pushback, pause.count()).ptr - pushback)};
  ResponseStart start;
  start.status = 200;
  start.reason = net::http::reason_phrase(200);
  start.fields = std::span(fields).first(pause.count() > 0 ? 4 : 3);
  // In HTTP/2 the end of the head is the end of it all.
  start.framing = ex.head().major >= 2 ? net::http::Framing::none : net::http::Framing::length;
  ex.record.status = 200;
  ex.record.grpc_status = static_cast<std::int16_t>(code);
  Status s = co_await ex.down.start(ex, start, Chunk{{}, true, {}});
  co_return s;
}

}  // namespace sluice::data
