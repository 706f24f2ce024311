#include "data/proxy/disk.h"

#include <algorithm>
#include <cstring>

#include "data/proxy/aside.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

constexpr Error kNoRoom{Fault::overload, Whose::internal, Retry::no, 503,
                        "there is no room on the disk for a body that is to be buffered"};
constexpr Error kFailed{Fault::overload, Whose::internal, Retry::no, 503, "a body cannot be buffered on the disk"};
constexpr Error kTooLong{Fault::too_large, Whose::downstream, Retry::no, 413,
                         "the body is longer than one namespace may have on the disk"};

// The text that strerror gives is not for several threads at once.
std::string text_of(const Spool& spool, const char* what, int error) {
  const char* text = ::strerrordesc_np(error);
  return std::string(what) + " " + spool.directory() + ": " + (text != nullptr ? text : "unknown error");
}

struct Write final : Aside {
  Write(std::shared_ptr<DiskBody> to, std::string&& what) noexcept : body(std::move(to)), bytes(std::move(what)) {}
  void work() noexcept override { error = body->write(bytes); }
  const std::shared_ptr<DiskBody> body;
  std::string bytes;
  int error = 0;
};

struct Read final : Aside {
  Read(std::shared_ptr<DiskBody> from, std::uint64_t start, std::string&& room) noexcept
      : body(std::move(from)), at(start), bytes(std::move(room)) {}
  void work() noexcept override { error = body->read(at, bytes.data(), bytes.size()); }
  const std::shared_ptr<DiskBody> body;
  const std::uint64_t at;
  std::string bytes;
  int error = 0;
};

}  // namespace

Result<std::shared_ptr<DiskBody>> begin_on_disk(Exchange& ex) {
  Spool& spool = ex.worker.shared.spool;
  auto body = spool.begin(ex.cluster->spec().ns);
  if (body) {
    ex.worker.stats.disk_bodies.add();
    return body;
  }
  ex.worker.stats.disk_refused.add();
  ex.note = spool.directory().empty() ? "--buffer-directory names none" : "too many bodies are there";
  return std::unexpected(kNoRoom);
}

net::Task<Status> put_on_disk(Exchange& ex, const std::shared_ptr<DiskBody>& body, std::string& bytes) {
  Spool& spool = ex.worker.shared.spool;
  if (body->size() + bytes.size() > spool.share()) {
    ex.worker.stats.disk_refused.add();
    ex.note = "half of --buffer-limit is " + std::to_string(spool.share()) + " bytes";
    co_return std::unexpected(kTooLong);
  }
  if (const auto refusal = body->take(bytes.size()); refusal != Spool::Refusal::none) {
    ex.worker.stats.disk_refused.add();
    ex.note = refusal == Spool::Refusal::own_share ? "those of its namespace have half of --buffer-limit"
                                                   : "--buffer-limit is reached";
    co_return std::unexpected(kNoRoom);
  }
  auto write = std::make_shared<Write>(body, std::move(bytes));
  net::Task<Status> writing = run_on_disk(ex, ex.cluster->spec().ns, write);
  Status done = co_await writing;
  if (!done) {
    ex.worker.stats.disk_refused.add();
    co_return done;
  }
  bytes = std::move(write->bytes);
  if (write->error == 0) {
    bytes.clear();
    co_return Status{};
  }
  ex.worker.stats.disk_refused.add();
  ex.note = text_of(spool, "writing below", write->error);
  co_return std::unexpected(kFailed);
}

net::Task<Status> take_from_disk(Exchange& ex, const std::shared_ptr<DiskBody>& body, std::uint64_t at,
                                 std::uint64_t end, std::string& bytes) {
  bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kDiskPiece, end - at)));
  auto read = std::make_shared<Read>(body, at, std::move(bytes));
  net::Task<Status> reading = run_on_disk(ex, ex.cluster->spec().ns, read);
  Status done = co_await reading;
  if (!done) co_return done;
  bytes = std::move(read->bytes);
  if (read->error == 0) co_return Status{};
  ex.note = text_of(ex.worker.shared.spool, "reading below", read->error);
  co_return std::unexpected(kFailed);
}

}  // namespace sluice::data
