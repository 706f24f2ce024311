#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/deadlines.h"

namespace sluice::data {

// What a request ends with whose deadline has passed. `passed` is not none.
const Error& late(PassedDeadline passed) noexcept;

// The time that all of a request may take: that of its route (request-timeout), that which a call of gRPC brought along
// (grpc-timeout), or the shorter of the two. When it passes, what waits for the pod is given up: the request is
// answered 504, or DEADLINE_EXCEEDED, and an answer that has begun is cut. A tunnel that is open goes on. For as long
// as the exchange is served, on its worker's thread.
class RequestDeadline final : public net::Deadline {
 public:
  explicit RequestDeadline(Exchange& ex) noexcept : ex_(ex) {}
  void arm() noexcept;

 private:
  void expired() override;
  Exchange& ex_;
  PassedDeadline which_ = PassedDeadline::none;
};

}  // namespace sluice::data
