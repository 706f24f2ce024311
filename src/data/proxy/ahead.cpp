#include "data/proxy/ahead.h"

#include <algorithm>

#include "base/strings.h"
#include "data/proxy/disk.h"
#include "data/proxy/pacing.h"
#include "data/proxy/response_body.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

constexpr std::size_t kLeast = 64 * 1024, kMost = 1024 * 1024;  // bytes of an answer in memory
constexpr std::size_t kLeastShort = 16 * 1024;                  // while memory is short
constexpr std::size_t kPiece = 64 * 1024;

// What was read, in this order: `sending`, the disk from `sent` to `tail`, what is being written there, `back`. All of
// it is on the worker's thread; reader and writer have turns whenever the other waits.
struct Ahead {
  Ahead(Exchange& e, Pacing* p) : ex(e), pacing(p), news(e.worker.loop), room(e.worker.loop) {}
  Exchange& ex;
  Pacing* pacing;
  net::Signal news, room;  // for who writes to the client, for who reads from the pod
  std::string sending, back, trailers;
  std::shared_ptr<DiskBody> disk;
  std::uint64_t sent = 0, tail = 0;
  bool writing = false;        // to the disk
  bool no_disk = false;        // it took nothing: from now on the pod waits for the client
  bool ended = false;          // the pod has given all
  bool left = false;           // the client takes no more
  std::optional<Error> error;  // why there is no more
};

std::size_t memory_of(const Exchange& ex) noexcept {
  if (ex.worker.saves_memory()) return kLeastShort;
  const auto asked = ex.settings->response_buffers * std::min<std::uint64_t>(ex.settings->response_head_limit, kMost);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(asked, kLeast, kMost));
}

// Has something of it to go to the disk?
bool is_too_much(const Ahead& a) noexcept {
  return !a.back.empty() && a.back.size() + a.sending.size() > memory_of(a.ex);
}

// Moves `back` to the disk. False: there is no room, and `back` is as it was; or `error` says more.
net::Task<bool> put_aside(Ahead& a) {
  Exchange& ex = a.ex;
  if (a.no_disk) co_return false;
  if (a.disk && a.sent == a.tail) {  // what was there is used up
    a.sent = a.tail = 0;
    a.disk->restart();
  }
  if (a.tail + a.back.size() > ex.settings->response_disk) co_return false;
  if (!a.disk) {
    auto begun = begin_on_disk(ex);
    a.no_disk = !begun;
    if (!begun) co_return false;
    a.disk = std::move(*begun);
  }
  const std::size_t size = a.back.size();
  a.writing = true;
  net::Task<Status> putting = put_on_disk(ex, a.disk, a.back);
  Status put = co_await putting;
  a.writing = false;
  a.news.notify();
  if (put) {
    a.tail += size;
    co_return true;
  }
  a.no_disk = true;
  if (a.back.size() == size)
    ex.note.clear();  // nothing is lost by it
  else
    a.error = put.error();
  co_return false;
}

net::Task<Status> read_ahead(Ahead& a, BodySource& body, const std::function<void()>& over) {
  net::ShareOfTurn share(a.ex.worker.loop);
  if (a.ended) {
    over();
    co_return Status{};
  }
  for (std::size_t taken = 0; !a.left;) {
    if (share.used_up(taken)) {
      net::EndOfTurn others(a.ex.worker.loop);
      co_await others;
    }
    Result<Chunk> piece = co_await body.read(kPiece);
    if (!piece) {
      a.error = piece.error();
      a.news.notify();
      co_return std::unexpected(piece.error());
    }
    taken = piece->data.size();
    a.back += piece->data;
    note_trailers(a.ex, *piece);
    a.trailers = piece->trailers;
    a.ended = piece->last;
    a.news.notify();
    if (a.ended) {
      over();
      co_return Status{};
    }
    while (!a.left && !a.error && is_too_much(a)) {
      net::Task<bool> putting = put_aside(a);
      const bool put = co_await putting;
      if (put || a.error || a.left || !is_too_much(a)) continue;
      co_await a.room.wait(Instant::max());
    }
    if (a.error) co_return std::unexpected(*a.error);
  }
  co_return Status{};
}

// To the client, until it has all of it.
net::Task<Status> write_behind(Ahead& a) {
  Exchange& ex = a.ex;
  net::ShareOfTurn share(ex.worker.loop);
  for (std::size_t taken = 0;;) {
    if (a.sent < a.tail) {
      net::Task<Status> taking = take_from_disk(ex, a.disk, a.sent, a.tail, a.sending);
      Status read = co_await taking;
      if (!read) {
        ex.down.abort();
        co_return read;
      }
      a.sent += a.sending.size();
    } else if (!a.writing && !a.back.empty()) {
      a.sending.swap(a.back);
    } else if (a.error && !a.writing) {
      ex.down.abort();
      co_return std::unexpected(*a.error);
    } else if (!a.ended) {
      co_await a.news.wait(Instant::max());
      continue;
    }
    bool last = false;
    std::string_view left = a.sending;
    do {  // no more at once than the client takes: the rest would lie here twice
      std::size_t most = ex.down.room(taken);
      if (a.pacing != nullptr) [[unlikely]] {
        net::Task<Status> pausing = a.pacing->may_go_on();
        Status may = co_await pausing;
        if (!may) {
          ex.down.abort();
          co_return may;
        }
        most = std::min<std::uint64_t>(most, a.pacing->most());
      }
      const auto piece = left.substr(0, most);
      left.remove_prefix(piece.size());
      taken = piece.size();
      last = left.empty() && a.ended && a.sent == a.tail && a.back.empty();
      if (a.pacing != nullptr) a.pacing->gone(piece.size());
      const Chunk next{piece, last, last ? std::string_view(a.trailers) : std::string_view{}};
      Status sent = co_await ex.down.write(next);
      if (!sent || last) co_return sent;
      if (share.used_up(taken)) {
        net::EndOfTurn others(ex.worker.loop);
        co_await others;
      }
    } while (!left.empty());
    a.sending.clear();
    a.room.notify();
  }
}

}  // namespace

bool is_buffered(const Exchange& ex, std::span<const net::http::Field> fields) noexcept {
  if (ex.grpc || ex.of_ours) return false;
  bool out = ex.settings->response_buffering;
  for (const auto& f : fields) {
    if (f.id != net::http::Name::x_accel || !iequals(f.name, "x-accel-buffering")) continue;
    if (iequals(f.value, "no")) out = false;
    if (iequals(f.value, "yes")) out = true;
  }
  return out;
}

net::Task<Status> send_ahead(Exchange& ex, BodySource& body, const std::function<void()>& over, Pacing* pacing) {
  Ahead a(ex, pacing);
  if (pacing != nullptr) {
    Pacing::Kept kept = pacing->take_kept();
    a.back = std::move(kept.data);
    a.trailers = std::move(kept.trailers);
    a.ended = kept.last;
    note_trailers(ex, Chunk{{}, a.ended, a.trailers});
  }
  const std::size_t memory = memory_of(ex);
  ex.worker.grew(memory);
  ex.ahead_memory = memory;
  net::Fork<Status> reading(read_ahead(a, body, over));
  net::Task<Status> writing = write_behind(a);
  Status sent = co_await writing;
  if (!reading.done()) {
    a.left = true;
    body.stop();
    a.room.notify();
    (void)co_await reading.join();
  }
  ex.ahead_memory = 0;
  co_return sent;
}

}  // namespace sluice::data
