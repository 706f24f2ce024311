#include <memory>
#include <string>

#include "h2_frames.h"
#include "net/h2/session.h"
#include "support.h"

// A pod's frames: whatever comes, every stream that was opened is told how it went, and no more waits than windows
// allow.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

class Call final : public h2::Stream {
 public:
  explicit Call(h2::Session& session) : session_(session) {}
  std::size_t fields = 0, heads = 0;

 private:
  bool on_field(std::string_view, std::string_view) noexcept override { return ++fields < 50; }
  void on_fields_end() noexcept override { ++heads; }
  void on_event() override {
    PROPERTY(received() <= 64 * 1024);
    PROPERTY(heads > 0 || received() == 0 || closed());
    session_.take(*this);
    if (heads > 3) session_.reset(*this, h2::cancel);
  }
  h2::Session& session_;
};

class Client final : public h2::Owner {
 public:
  Client() : session(h2::Side::client, {}, *this) {}
  h2::Stream* begin() noexcept override { return nullptr; }
  void output_waits() noexcept override {}
  bool output_full() noexcept override {
    session.output().clear();
    return true;
  }
  h2::Session session;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto in = fuzz::text_of(data, size);
  static constexpr char kSettings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
  const std::string bytes = std::string(kSettings, sizeof kSettings) + fuzz::h2_bytes(in);
  Client client;
  std::unique_ptr<Call> calls[4];
  const h2::Field fields[] = {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
  for (auto& call : calls) {
    call = std::make_unique<Call>(client.session);
    const bool body = &call != &calls[0];
    PROPERTY(client.session.open(*call, fields, !body));
    if (body) client.session.send(*call, std::string(3000, 'b'), &call != &calls[1], {});
  }
  client.session.fill();
  client.session.output().clear();
  fuzz::Pieces pieces(in);
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t n = std::min(rest.size(), pieces.next(rest.size()) * 16);
    const std::string copy(rest.substr(0, n));
    rest.remove_prefix(n);
    const Status taken = client.session.receive(copy, Instant{});
    client.session.deliver();
    client.session.fill();
    client.session.deliver();
    client.session.output().clear();
    if (calls[3] && calls[3]->closed()) calls[3].reset();
    if (!taken || client.session.over()) break;
  }
  return 0;
}
