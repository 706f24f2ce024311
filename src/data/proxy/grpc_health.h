#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The messages of grpc.health.v1.Health/Check (grpc/grpc, doc/health-checking.md), as bytes.
namespace sluice::data {

inline constexpr std::string_view kGrpcHealthPath = "/grpc.health.v1.Health/Check";
inline constexpr std::size_t kMostHealthAnswer = 1024;  // bytes of an answer that are read
inline constexpr std::uint64_t kGrpcServing = 1;

// A HealthCheckRequest, framed. `service`: at most 255 bytes.
std::string grpc_health_question(std::string_view service);
// The status in a HealthCheckResponse, framed, whole and not compressed; what is not said is 0 (UNKNOWN). Nothing: it
// is none.
std::optional<std::uint64_t> grpc_health_answer(std::string_view bytes) noexcept;

}  // namespace sluice::data
