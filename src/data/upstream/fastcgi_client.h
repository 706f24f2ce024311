#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/upstream/byte_client.h"
#include "data/upstream/request_fields.h"
#include "net/fcgi/record.h"

namespace sluice::data {

// One FastCGI connection to an endpoint, as a responder. Closed behind its request, or idle in the pool where the route
// keeps connections (fastcgi-keep-conn).
class FastcgiClient final : public ByteClient {
 public:
  FastcgiClient(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how)
      : ByteClient(worker, std::move(endpoint), fd, how, false) {}

  void begin(Exchange& ex) override;
  net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) override;
  net::Task<Status> send_body(Chunk piece) override;
  net::Task<Status> read_head(Exchange& ex) override;
  void release(bool clean) noexcept override;

 private:
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  bool ended() const noexcept override { return reader_.ended(); }

  bool write_in(std::string_view before, std::string_view body, bool last);
  Result<std::string_view> decode(char* bytes, std::size_t size);
  Result<Chunk> give(std::string_view data);
  void hear(std::string_view err);
  void tell(bool clean) noexcept;
  bool reusable() const noexcept;

  net::fcgi::Reader reader_;
  std::vector<net::fcgi::Header> frames_;  // of what is written next, and its parts
  std::vector<iovec> parts_;
  std::string err_;  // the beginning of standard error
  std::uint64_t err_left_ = 0;
  std::uint64_t left_ = 0;  // of a body of known length: bytes to come
  net::http::Framing framing_ = net::http::Framing::none;
  bool keep_ = false, in_ended_ = false, surplus_ = false;
};

}  // namespace sluice::data
