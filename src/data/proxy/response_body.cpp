#include "data/proxy/response_body.h"

#include "data/plan/added_fields.h"
#include "data/plan/plan.h"
#include "data/proxy/grpc.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

void note_trailers(Exchange& ex, const Chunk& piece) noexcept {
  if (ex.grpc && !piece.trailers.empty())
    ex.record.grpc_status = static_cast<std::int16_t>(find_grpc_status(piece.trailers));
}

Result<std::unique_ptr<BodySource>> form_response(Exchange& ex, ResponseStart& response, BodySource& body) {
  Exchange* const client = ex.down.meant_for(ex, response);
  if (client == nullptr) return nullptr;
  make_added_fields(*client, response);
  if (response.undecided != nullptr && response.from_pod) [[unlikely]] {
    ex.worker.stats.regex_gave_up.add();
    return std::unexpected(Error{Fault::unsupported, Whose::internal, Retry::no, 500, response.undecided});
  }
  return encode(*client, response, body);
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
