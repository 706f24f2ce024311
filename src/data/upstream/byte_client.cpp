#include "data/upstream/byte_client.h"

#include "data/runtime/worker_context.h"

namespace sluice::data {

void ByteClient::begin_attempt(Exchange& ex) {
  ex_ = &ex;
  ++exchanges_;
  read_before_ = stream_.bytes_read();
  sent_at_ = worker_.loop.now();
  body_bytes_ = 0;
  request_complete_ = head_done_ = sent_anything_ = stopped_ = false;
  pending_ = {};
  held_.clear();
}

bool ByteClient::head_is_sent(bool left, std::string_view body, bool whole) noexcept {
  request_complete_ = whole && (left || body.empty());
  return left || (!body.empty() && stream_.bytes_written() != 0);
}

net::Task<Status> ByteClient::finish_head(Exchange& ex, bool whole) {
  Status s = co_await stream_.finish_write(ex.settings->send_timeout);
  if (!s && stream_.bytes_written() == 0) sent_anything_ = false;
  if (!s) {
    Error e = s.error();
    if (stream_.unreachable())
      e = lost();
    else if (e.fault != Fault::cancelled && e.fault != Fault::timeout)
      e.retry = reused() ? Retry::reused_only : Retry::yes;
    co_return std::unexpected(e);
  }
  request_complete_ = whole;
  co_return s;
}

Instant ByteClient::answer_due(const Exchange& ex, Instant asked_for) noexcept {
  const Instant now = worker_.loop.now();
  // No answer is due while the client still owes some of the request: it has a time of its own for that.
  const Instant from = ex.grpc ? asked_for : ex.awaits_client ? now : stream_.waits_to_write().value_or(sent_at_);
  return std::min(net::due_in(from, ex.settings->read_timeout), ex.try_due(now));
}

Error ByteClient::lost() noexcept {
  return upstream_error(Fault::unreachable, "the pod's machine does not answer", Retry::yes);
}

Error ByteClient::no_response(bool closed) const noexcept {
  if (stream_.unreachable()) return lost();
  const bool nothing = !any_received();
  return upstream_error(closed ? Fault::closed : Fault::reset,
                        nothing ? "the pod closed without a response" : "the pod closed inside a response head",
                        nothing && reused() ? Retry::reused_only : Retry::yes);
}

void ByteClient::hold() {
  if (pending_.empty()) return;
  std::vector<char> copy(pending_.begin(), pending_.end());
  held_.swap(copy);
  pending_ = {held_.data(), held_.size()};
}

void ByteClient::stop() noexcept {
  stopped_ = true;
  stream_.cancel(upstream_error(Fault::cancelled, "the response is not wanted any more"));
}

}  // namespace sluice::data
