#pragma once
#include <cstdint>
#include <expected>
#include <string_view>

// Errors of the request path. Values, never exceptions; an Error is two words, holds no memory of its own and may
// be copied freely between threads.
namespace sluice {

// Whose fault it is decides the status, the log level and the metric label.
enum class Whose : std::uint8_t { downstream, upstream, internal };

// May another attempt be made? `reused_only`: yes when the failed connection had carried an exchange before
// (the peer may have closed it while it lay idle, RFC 9112 section 9.3.1). `unprocessed`: yes, and it does not count,
// because the peer has said that it goes and processed nothing (GOAWAY, RFC 9113 section 6.8). `answered`: yes, as
// may_retry() said of the answer already, which is not passed on. `elsewhere`: yes, and it does not count, as nothing
// was sent: who was waited for takes no requests any more.
enum class Retry : std::uint8_t { no, reused_only, unprocessed, answered, elsewhere, yes };

enum class Fault : std::uint8_t {
  none,
  closed,           // the peer closed in an orderly way where more was due
  reset,            // the peer reset the connection
  timeout,          // a deadline passed
  connect_refused,  // nothing listens there, or unreachable
  connect_timeout,
  unreachable,  // the other machine acknowledges nothing, or there is no way to it
  tls,          // a handshake or record failed
  malformed,    // bytes that the grammar refuses
  too_large,    // a limit of size or count
  too_slow,     // below the minimum rate
  unsupported,  // e.g. a transfer coding that is not implemented
  cancelled,    // given up by us: shutdown, the other side left
  no_endpoints,
  overload,  // a limit of this process
};

struct Error {
  Fault fault = Fault::none;
  Whose whose = Whose::internal;
  Retry retry = Retry::no;
  std::uint16_t status =
      0;  // a status that the detector already knows (e.g. a parser's 431); 0: derived from fault and whose
  const char* detail = "";  // a string literal for logs; never shown to clients
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

constexpr std::string_view to_string(Fault f) {
  switch (f) {
    case Fault::none:
      return "none";
    case Fault::closed:
      return "closed";
    case Fault::reset:
      return "reset";
    case Fault::timeout:
      return "timeout";
    case Fault::connect_refused:
      return "connect_refused";
    case Fault::connect_timeout:
      return "connect_timeout";
    case Fault::unreachable:
      return "unreachable";
    case Fault::tls:
      return "tls";
    case Fault::malformed:
      return "malformed";
    case Fault::too_large:
      return "too_large";
    case Fault::too_slow:
      return "too_slow";
    case Fault::unsupported:
      return "unsupported";
    case Fault::cancelled:
      return "cancelled";
    case Fault::no_endpoints:
      return "no_endpoints";
    case Fault::overload:
      return "overload";
  }
  return "unknown";
}

}  // namespace sluice
