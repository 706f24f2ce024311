#pragma once
#include <algorithm>

#include "model/options.h"
#include "net/h1/parser.h"

namespace sluice::data {

// What heads of requests of HTTP/1 may have.
inline net::h1::HeadLimits head_limits(const model::Options& o) noexcept {
  net::h1::HeadLimits l;
  l.request_line = l.field_line = static_cast<std::size_t>(o.large_client_header_buffer_size);
  l.head = static_cast<std::size_t>(o.large_client_header_buffer_size * o.large_client_header_buffers);
  l.fields = std::min<std::size_t>(o.max_headers, net::http::kMaxFields);
  l.underscores = o.enable_underscores_in_headers;
  l.ignore_invalid_names = o.ignore_invalid_headers;
  return l;
}

}  // namespace sluice::data
