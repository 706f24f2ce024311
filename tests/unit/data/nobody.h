#pragma once
#include <exception>

#include "data/exchange/streams.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

// A client whose requests have no body, and who is told nothing.
struct Nobody : Downstream, BodySource {
  BodySource& body() override { return *this; }
  bool whole_body(std::string_view&) override { return true; }
  net::Task<Status> interim(int, std::span<const net::http::Field>) override { co_return Status{}; }
  net::Task<Status> start(Exchange&, const ResponseStart&, Chunk) override { co_return Status{}; }
  net::Task<Status> write(Chunk) override { co_return Status{}; }
  void abort() noexcept override {}
  bool started() const noexcept override { return false; }
  bool complete() const noexcept override { return false; }
  std::size_t room(std::size_t) noexcept override { return WorkerContext::kScratch; }
  [[noreturn]] net::Duplex& become_tunnel(std::string_view&) override { std::terminate(); }
  void give_buffers_back() noexcept override {}
  net::Task<Result<Chunk>> read(std::size_t) override { co_return Chunk{{}, true, {}}; }
  Result<Chunk> take(std::size_t) override { return Chunk{{}, true, {}}; }
  void stop() noexcept override {}
  bool ended() const noexcept override { return true; }
};

}  // namespace sluice::data
