#pragma once
#include <chrono>
#include <span>

#include "net/http/message.h"

namespace sluice::data {

// For how long a service lets its answer be kept: what its fields say, as nginx reads them for proxy_cache.
struct Lifetime {
  bool said = false;            // false: they say nothing
  std::chrono::seconds time{};  // 0: not at all; a year at most
};
Lifetime lifetime_of(std::span<const net::http::Field> fields) noexcept;

}  // namespace sluice::data
