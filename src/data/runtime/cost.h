#pragma once
#include <cstddef>

#include "net/stream.h"

namespace sluice::data {

// What things take that nobody counts byte by byte: coroutines, the kernel's part of sockets, what libraries allocate.
namespace cost {
inline constexpr std::size_t kConnection = 6 * 1024, kExchange = 16 * 1024, kTls = 16 * 1024, kHandshake = 40 * 1024,
                             kHttp2 = 14 * 1024, kSession = 4 * 1024;  // the last one: of UDP
// What a client comes to that takes nothing: its connection, the exchange, what is kept, the connection to a pod.
inline constexpr std::size_t kClient = 2 * kConnection + kExchange + net::Stream::kKept;
}  // namespace cost

}  // namespace sluice::data
