#include "data/proxy/request_body.h"

#include "data/runtime/worker_context.h"
#include "data/upstream/lease.h"
#include "data/upstream/request_fields.h"

namespace sluice::data {

using net::http::Framing;

namespace {

Status within_limit(const Exchange& ex) noexcept {
  const auto limit = ex.settings->body_limit;
  if (limit == 0 || ex.body_received <= limit) return {};
  return std::unexpected(
      Error{Fault::too_large, Whose::downstream, Retry::no, 413, "the request body is above proxy-body-size"});
}

}  // namespace

net::Task<Result<Chunk>> next_request_piece(Exchange& ex, std::size_t most) {
  BodySource& body = ex.transform ? ex.transform->request(ex.down.body()) : ex.down.body();
  Result<Chunk> piece = co_await body.read(most);
  if (!piece) co_return piece;
  ex.body_received += piece->data.size();
  const Status within = within_limit(ex);
  if (!within) co_return std::unexpected(within.error());
  if (ex.copy) [[unlikely]]
    ex.copy->take(piece->data, piece->last);
  if (!piece->trailers.empty() && !ex.set_for_pods.empty()) {
    auto& kept = ex.memory.joined.emplace_back();
    append_upstream_trailers(ex.set_for_pods, piece->trailers, kept);
    piece->trailers = kept;
  }
  co_return piece;
}

bool body_is_here(Exchange& ex) noexcept {
  ex.body_whole = ex.body_whole || ex.head().framing == Framing::none;
  return ex.body_whole;
}

net::Task<Status> take_request_body(Exchange& ex) {
  const auto framing = ex.head().framing;
  if (!ex.transform && ex.down.whole_body(ex.body)) {
    ex.body_whole = true;
    ex.body_received = ex.body.size();
    const Status within = within_limit(ex);  // HTTP/2 need not announce a length
    if (within && ex.copy) ex.copy->take(ex.body, true);
    co_return within;
  }
  if (framing != Framing::chunked) co_return Status{};
  // FastCGI pods read as many bytes as they were told of before.
  const bool counted = upstream_protocol(ex) == model::BackendProtocol::fcgi;
  // The other end of a call may answer before its client has sent all.
  if (!counted && (!ex.settings->request_buffering || ex.grpc)) co_return Status{};
  auto& collected = ex.memory.collected;
  const Overload& overload = ex.worker.shared.overload;
  const auto most = [&overload] { return overload.at_least(Rung::save) ? kCollectShort : kCollect; };
  while (collected.size() <= most()) {
    Result<Chunk> piece = co_await next_request_piece(ex, most());
    if (!piece) co_return std::unexpected(piece.error());
    // A quarter more at a time, not twice as much: many may lie here, unfinished, for long.
    if (const auto size = collected.size() + piece->data.size(); size > collected.capacity()) {
      ex.worker.grew(size + size / 4 - collected.capacity());
      collected.reserve(size + size / 4);
    }
    collected += piece->data;
    if (piece->last) {
      ex.body_whole = true;
      if (!piece->trailers.empty()) ex.trailers = ex.memory.joined.emplace_back(piece->trailers);
      break;
    }
  }
  ex.body = collected;
  if (!counted || ex.body_whole) co_return Status{};
  if (overload.at_least(Rung::save))
    co_return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 503,
                                    "memory is short: no room for a body without a length for a FastCGI pod"});
  co_return std::unexpected(Error{Fault::too_large, Whose::downstream, Retry::no, 411,
                                  "a body of more than 1 MiB without a length for a FastCGI pod"});
}

}  // namespace sluice::data
