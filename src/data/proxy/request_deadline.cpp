#include "data/proxy/request_deadline.h"

#include "base/strings.h"
#include "data/proxy/grpc.h"
#include "data/runtime/worker_context.h"
#include "net/h2/session.h"

namespace sluice::data {

namespace {

std::optional<Duration> brought_along(const Exchange& ex) noexcept {
  for (const auto& f : ex.head().fields.all())
    if (f.id == net::http::Name::other && iequals(f.name, "grpc-timeout")) return read_grpc_timeout(f.value);
  return std::nullopt;
}

}  // namespace

const Error& late(PassedDeadline passed) noexcept {
  static constexpr Error kCall{Fault::timeout, Whose::upstream, Retry::no, 504, "the call's grpc-timeout has passed"};
  static constexpr Error kRequest{Fault::timeout, Whose::upstream, Retry::no, 504, "request-timeout has passed"};
  return passed == PassedDeadline::call ? kCall : kRequest;
}

void RequestDeadline::arm() noexcept {
  Duration least = ex_.settings->request_timeout;
  if (least.count() != 0) which_ = PassedDeadline::request;
  const auto call = ex_.grpc ? brought_along(ex_) : std::nullopt;
  if (call && (which_ == PassedDeadline::none || *call < least)) {
    least = *call;
    which_ = PassedDeadline::call;
  }
  if (which_ != PassedDeadline::none) ex_.worker.loop.arm(*this, least);
}

void RequestDeadline::expired() {
  if (ex_.record.status == 101) return;
  ex_.passed = which_;
  ex_.reset_code = net::h2::cancel;
  if (ex_.waiting_on != nullptr) ex_.waiting_on->cancel(late(which_));
}

}  // namespace sluice::data
