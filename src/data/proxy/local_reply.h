#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/plan/step.h"
#include "net/io/task.h"

// Answers that the proxy gives itself.
namespace sluice::data {

// The one place that turns an Error into a status.
std::uint16_t status_of(const Error& e) noexcept;

// Are answers of our own to it those of gRPC?
bool answers_as_grpc(const Exchange& ex) noexcept;

// Sends it: its own body, or a small page that names the status and the request id and nothing of our insides. A call
// of gRPC gets the status in gRPC's form instead. Fails only as writes fail.
net::Task<Status> send_local_reply(Exchange& ex, LocalReply reply);

}  // namespace sluice::data
