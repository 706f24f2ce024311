#pragma once
#include <span>
#include <string_view>

#include "data/exchange/exchange.h"
#include "net/io/loop.h"

namespace sluice::data {

// Passes on to the client of an exchange, which outlives it, what another one answers. Only meant_for() and start() may
// differ.
class OnBehalf : public Downstream {
 public:
  explicit OnBehalf(Exchange& asker) noexcept : asker_(asker) {}
  BodySource& body() override { return asker_.down.body(); }
  bool whole_body(std::string_view&) override { return false; }
  net::Task<Status> interim(int, std::span<const net::http::Field>) override { co_return Status{}; }
  net::Task<Status> write(Chunk piece) override { return asker_.down.write(piece); }
  void abort() noexcept override { asker_.down.abort(); }
  bool started() const noexcept override { return asker_.down.started(); }
  bool complete() const noexcept override { return asker_.down.complete(); }
  std::size_t room(std::size_t last) noexcept override { return asker_.down.room(last); }
  net::Duplex& become_tunnel(std::string_view& early) override { return asker_.down.become_tunnel(early); }
  void give_buffers_back() noexcept override {}

 protected:
  Exchange& asker_;
};

// While one exchange waits for another, what the first waits for is given up for the same reason.
class GivenUpWith final : public net::Cancellable {
 public:
  GivenUpWith(Exchange& asker, Exchange& asked) noexcept : asker_(asker), asked_(asked) {}
  void cancel(Error why) noexcept override {
    asked_.client_gone = true;  // no further attempt
    asked_.given_up = asker_.given_up;
    if (asked_.waiting_on) asked_.waiting_on->cancel(why);
  }

 private:
  Exchange& asker_;
  Exchange& asked_;
};

}  // namespace sluice::data
