#pragma once
#include <algorithm>

#include "model/options.h"
#include "net/h1/parser.h"

namespace sluice::data {

// What heads of requests of HTTP/1 may have.
inline net::h1::HeadLimits head_limits(const model::Options& o) noexcept {
  net::h1::HeadLimits l;
  // A line that the first buffer of nginx takes needs no large one.
  const auto first = static_cast<std::size_t>(o.client_header_buffer_size);
  const auto large = static_cast<std::size_t>(o.large_client_header_buffer_size);
  l.request_line = l.field_line = std::max(first, large);
  l.head = std::max(first, large * o.large_client_header_buffers);
  l.fields = std::min<std::size_t>(o.max_headers, net::http::kMaxFields);
  l.underscores = o.enable_underscores_in_headers;
  l.ignore_invalid_names = o.ignore_invalid_headers;
  return l;
}

}  // namespace sluice::data
