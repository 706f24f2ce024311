#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/task.h"

// What a proxy has to know of gRPC (grpc/grpc, doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md).
namespace sluice::data {

// Of a request or a response. Not gRPC-Web, which says application/grpc-web.
bool is_grpc(std::string_view content_type) noexcept;
bool is_grpc(const net::http::Fields& fields) noexcept;
// Either of both.
bool begins_as_grpc(std::string_view content_type) noexcept;

// By its content type a client knows that a call of gRPC, or of gRPC-Web, was answered at all.
inline bool answers_call(std::span<const net::http::Field> fields) noexcept {
  return std::ranges::any_of(fields, [](const auto& field) {
    return field.id == net::http::Name::content_type && begins_as_grpc(field.value);
  });
}

// The status of a call that was answered with this status of HTTP instead.
int grpc_status_of(int http) noexcept;
inline constexpr int kGrpcDeadlineExceeded = 4;

// grpc-timeout: one to eight digits and a unit, at most a year. Empty when it is something else.
std::optional<Duration> read_grpc_timeout(std::string_view value) noexcept;

// The value of grpc-status among fields ("Name: value\r\n" lines for trailers), -1 when there is none.
int find_grpc_status(const net::http::Fields& fields) noexcept;
int find_grpc_status(std::string_view trailers) noexcept;

// Answers a call by ourselves: 200 and no body, the status stands in the head (Trailers-Only). `pause`: how long its
// client should wait before it tries again (gRFC A6); 0: as its own policy says.
net::Task<Status> send_grpc_reply(Exchange& ex, int http_status, std::chrono::milliseconds pause);

}  // namespace sluice::data
