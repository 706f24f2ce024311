#pragma once
#include <cstring>
#include <string_view>

#include "sluice/record.h"

namespace sluice::ops {

// A record as a worker would pass it: one exchange that a pod answered.
inline ExchangeRecord answered(std::uint32_t series = 0, std::uint16_t status = 200) {
  ExchangeRecord r;
  r.remote_address = "192.0.2.7";
  r.remote_port = 40000;
  r.method = r.method_label = "GET";
  r.target = "/shop?item=1";
  r.host = "shop.example:8080";
  r.referer = "https://shop.example/";
  r.user_agent = "curl/7.88.1";
  r.request_id = "0123456789abcdef0123456789abcdef";
  r.status = status;
  r.request_length = 95;
  r.bytes_sent = 1234;
  r.body_bytes_sent = 1000;
  r.request_seconds = 0.012F;
  r.series = series;
  r.route_host = "shop.example";
  r.ns = "default";
  r.ingress = "shop";
  r.service = "shop-svc";
  r.service_port = "80";
  r.path = "/shop";
  r.upstream_name = "default-shop-svc-80";
  r.attempts = 1;
  std::strcpy(r.attempt[0].address, "10.0.0.1:8080");
  r.attempt[0].status = status;
  r.attempt[0].response_bytes = 1000;
  r.attempt[0].connect_seconds = 0.001F;
  r.attempt[0].header_seconds = 0.008F;
  r.attempt[0].response_seconds = 0.011F;
  r.wall_ms = 1'700'000'000'123;
  return r;
}

}  // namespace sluice::ops
