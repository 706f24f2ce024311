#include "data/proxy/request_body.h"

#include "data/proxy/disk.h"
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

void count(Exchange& ex, std::size_t bytes) noexcept {
  ex.body_received += bytes;
  ex.record.request_length += bytes;
}

// A piece has come.
Status note(Exchange& ex, Chunk& piece) {
  count(ex, piece.data.size());
  const Status within = within_limit(ex);
  if (!within) return within;
  if (ex.copy) [[unlikely]]
    ex.copy->take(piece.data, piece.last);
  if (!piece.trailers.empty() && !ex.set_for_pods.empty()) {
    auto& kept = ex.memory.joined.emplace_back();
    append_upstream_trailers(ex.set_for_pods, piece.trailers, kept);
    piece.trailers = kept;
  }
  return {};
}

// A quarter more at a time, not twice as much: many may lie here, unfinished, for long. Both are there for a moment.
void add(Exchange& ex, std::string& collected, std::string_view piece) {
  if (const auto size = collected.size() + piece.size(); size > collected.capacity()) {
    ex.worker.grew(size + size / 4);
    collected.reserve(size + size / 4);
  }
  collected += piece;
}

// Where memory is so short that new requests are refused, those whose body is still on its way are as new: no pod knows
// of them, and what they would still bring may be more than is left. `last`: it is all here.
Status room_for_more(const Exchange& ex, bool last) noexcept {
  const Held held = ex.worker.held();
  const Rung refused = ex.settings->priority == model::Priority::high ? Rung::stop : Rung::refuse;
  if (last || !held.refuses() || !(held.by(Source::memory, refused) || held.by(Source::memory, Rung::stop))) return {};
  ex.worker.stats.shed_requests.add();
  ex.worker.stats.overload_refused.add();
  return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 503,
                               "overload: memory is short, and the request body is not all here"});
}

bool takes_all(const Exchange& ex) noexcept {
  const bool counted = ex.settings->http_1_0 || upstream_protocol(ex) == model::BackendProtocol::fcgi;
  if (counted && ex.head().framing == Framing::chunked && !ex.tunnel) return true;
  if (ex.grpc || ex.tunnel) return false;
  return ex.settings->request_buffering == model::RequestBuffering::all;
}

// How much of a body may lie in memory.
std::size_t room_in_memory(const Exchange& ex) noexcept {
  const std::size_t most = ex.worker.saves_memory() ? kCollectShort : kCollect;
  return static_cast<std::size_t>(std::min<std::uint64_t>(ex.settings->body_memory, most));
}

// All of it, before a pod is asked.
net::Task<Status> take_all(Exchange& ex) {
  auto& collected = ex.memory.collected;
  std::shared_ptr<DiskBody> disk;
  for (bool last = false; !last;) {
    Result<Chunk> piece = co_await next_request_piece(ex, kDiskPiece);
    if (!piece) co_return std::unexpected(piece.error());
    last = piece->last;
    if (const Status room = room_for_more(ex, last || disk != nullptr); !room) co_return room;
    add(ex, collected, piece->data);
    // HTTP/1.0 has no trailers.
    if (last && !piece->trailers.empty() && !ex.settings->http_1_0)
      ex.trailers = ex.memory.joined.emplace_back(piece->trailers);
    const bool put = disk ? last || collected.size() >= kDiskPiece : collected.size() > room_in_memory(ex);
    if (!put || collected.empty()) continue;
    if (!disk) {
      auto begun = begin_on_disk(ex);
      if (!begun) co_return std::unexpected(begun.error());
      disk = std::move(*begun);
    }
    net::Task<Status> writing = put_on_disk(ex, disk, collected);
    Status written = co_await writing;
    if (!written) co_return written;
  }
  ex.body_whole = true;
  if (!disk) ex.body = collected;
  ex.on_disk = std::move(disk);
  co_return Status{};
}

// What came with the head of a chunked one: where that is all, it has a length, as with nginx.
Status take_what_is_here(Exchange& ex) {
  auto& collected = ex.memory.collected;
  while (!ex.body_whole && collected.size() < kCollectShort) {
    Result<Chunk> piece = ex.down.body().take(kCollectShort);
    if (!piece) return std::unexpected(piece.error());
    if (piece->data.empty() && !piece->last) break;
    const Status taken = note(ex, *piece);
    if (!taken) return taken;
    add(ex, collected, piece->data);
    ex.body_whole = piece->last;
    if (!piece->trailers.empty()) ex.trailers = ex.memory.joined.emplace_back(piece->trailers);
  }
  ex.body = collected;
  return {};
}

}  // namespace

net::Task<Result<Chunk>> next_request_piece(Exchange& ex, std::size_t most) {
  BodySource& body = ex.transform ? ex.transform->request(ex.down.body()) : ex.down.body();
  Result<Chunk> piece = co_await body.read(most);
  if (!piece) co_return piece;
  const Status taken = note(ex, *piece);
  if (!taken) co_return std::unexpected(taken.error());
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
    count(ex, ex.body.size());
    const Status within = within_limit(ex);  // HTTP/2 need not announce a length
    if (within && ex.copy) ex.copy->take(ex.body, true);
    co_return within;
  }
  // The other end of a call may answer before its client has sent all.
  if (takes_all(ex)) [[unlikely]] {
    net::Task<Status> taking = take_all(ex);
    Status taken = co_await taking;
    co_return taken;
  }
  if (framing != Framing::chunked || ex.grpc) co_return Status{};
  if (ex.settings->request_buffering == model::RequestBuffering::none) co_return take_what_is_here(ex);
  auto& collected = ex.memory.collected;
  const WorkerContext& worker = ex.worker;
  const auto most = [&worker] { return worker.saves_memory() ? kCollectShort : kCollect; };
  while (collected.size() <= most()) {
    Result<Chunk> piece = co_await next_request_piece(ex, most());
    if (!piece) co_return std::unexpected(piece.error());
    if (const Status room = room_for_more(ex, piece->last); !room) co_return room;
    add(ex, collected, piece->data);
    if (piece->last) {
      ex.body_whole = true;
      if (!piece->trailers.empty()) ex.trailers = ex.memory.joined.emplace_back(piece->trailers);
      break;
    }
  }
  ex.body = collected;
  co_return Status{};
}

}  // namespace sluice::data
