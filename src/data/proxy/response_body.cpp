#include "data/proxy/response_body.h"

#include "data/proxy/grpc.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

void note_trailers(Exchange& ex, const Chunk& piece) noexcept {
  if (ex.grpc && !piece.trailers.empty())
    ex.record.grpc_status = static_cast<std::int16_t>(find_grpc_status(piece.trailers));
}

net::Task<Status> send_rest(Exchange& ex, BodySource& body, std::size_t taken) {
  net::ShareOfTurn share(ex.worker.loop);
  for (;;) {
    if (share.used_up(taken)) {
      net::EndOfTurn others(ex.worker.loop);
      co_await others;
    }
    Result<Chunk> piece = co_await body.read(ex.down.room(taken));
    if (!piece) {
      ex.down.abort();
      co_return std::unexpected(piece.error());
    }
    const bool last = piece->last;
    taken = piece->data.size();
    note_trailers(ex, *piece);
    Status sent = co_await ex.down.write(*piece);
    if (!sent || last) co_return sent;
  }
}

}  // namespace sluice::data
