#pragma once
#include <memory>
#include <string>

#include "data/upstream/byte_client.h"
#include "net/h1/body.h"

namespace sluice::data {

// One HTTP/1.1 connection to an endpoint.
class H1Client final : public ByteClient {
 public:
  H1Client(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how)
      : ByteClient(worker, std::move(endpoint), fd, how, false) {}

  void begin(Exchange& ex) override;
  net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) override;
  net::Task<Status> send_body(Chunk piece) override;
  net::Task<Status> read_head(Exchange& ex) override;
  // Both messages ended, the pod wants to go on, nothing is left over, and no limit of age or count is reached.
  bool reusable() const noexcept;
  void release(bool clean) noexcept override;

 private:
  net::Task<Result<Chunk>> read(std::size_t most) override;
  Result<Chunk> take(std::size_t most) override;
  bool ended() const noexcept override { return decoder_.done(); }
  Result<Chunk> decode(char* bytes, std::size_t size);

  net::h1::BodyDecoder decoder_{Whose::upstream};
  bool request_chunked_ = false, response_keep_alive_ = false;
};

}  // namespace sluice::data
