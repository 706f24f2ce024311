// Who broke a tunnel, whichever direction meets it first.
#include "data/proxy/carry.h"

#include <gtest/gtest.h>

#include "../bare_context.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// Says one piece, unless it is `silent`; what is written to it fails where it `breaks`.
struct Side final : net::Duplex {
  bool silent = false, breaks = false, cancelled = false, said = false;
  net::tls::IoResult try_read(char*, std::size_t) override {
    if (cancelled) return {net::tls::Io::failed, 0};
    if (silent || std::exchange(said, true)) return {net::tls::Io::again_read, 0};
    return {net::tls::Io::done, 1};
  }
  net::Task<Status> wait_readable(Instant) override {
    co_return std::unexpected(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "the other side"});
  }
  bool write_now(std::span<const iovec>) noexcept override { return !breaks; }
  net::Task<Status> finish_write(Duration) override {
    co_return std::unexpected(
        Error{cancelled ? Fault::cancelled : Fault::reset, Whose::internal, Retry::no, 0, "reset"});
  }
  std::uint64_t written() const noexcept override { return 0; }
  std::size_t room(std::size_t) noexcept override { return 1; }
  void end_write() noexcept override {}
  void wake_reader() noexcept override {}
  void cancel(Error) noexcept override { cancelled = true; }
};

struct Tunnel {
  BareContext bare;
  Side client, pod;
  Carried carried;
  void run() { net::spawn(over()); }
  net::Task<void> over() {
    net::Task<void> carrying = carry(bare.worker, client, pod, {1h, 0s}, carried);
    co_await carrying;
  }
};

TEST(Carry, APodThatBreaksWhileItIsWrittenToHasBroken) {
  Tunnel t;
  t.pod.silent = t.pod.breaks = true;
  t.run();
  EXPECT_TRUE(t.carried.pod_broke);
  EXPECT_FALSE(t.carried.client_broke);
}

TEST(Carry, WhoIsCancelledHasNotBroken) {
  Tunnel t;
  t.client.silent = t.pod.silent = true;
  t.run();
  EXPECT_FALSE(t.carried.pod_broke);
  EXPECT_FALSE(t.carried.client_broke);
}

}  // namespace
}  // namespace sluice::data
