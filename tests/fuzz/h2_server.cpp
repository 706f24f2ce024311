#include <list>
#include <string>

#include "h2_frames.h"
#include "net/h2/request_head.h"
#include "net/h2/session.h"
#include "net/http/grammar.h"
#include "strict_reader.h"
#include "support.h"

// A client's frames: whatever comes, streams are told in order, accepted heads are ones that could be written as
// HTTP/1.1, and no more waits than windows allow.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

class Server;

class Request final : public h2::Stream {
 public:
  explicit Request(Server& server) : server_(server), reader_({}, buffer_, sizeof buffer_, head_) {}

 private:
  bool on_field(std::string_view name, std::string_view value) noexcept override {
    if (done_) return trailers_.append(name).append(value).size() < 4096;
    return reader_.add(name, value);
  }
  void on_fields_end() noexcept override {
    if (done_) return;
    done_ = true;
    verdict_ = reader_.finish(end_received());
    if (verdict_) judge();
  }
  void on_event() override;

  void judge() const {
    PROPERTY(http::is_token(head_.method_text) && head_.method_text.size() <= http::kMostMethod);
    PROPERTY(head_.path_query == "*" || head_.path_query.starts_with('/'));
    for (char c : head_.path_query) PROPERTY(c > 0x20 && c < 0x7f && c != '#');
    PROPERTY(!head_.authority.empty() && head_.authority.find_first_of(" \t\r\n@/,") == std::string_view::npos);
    unsigned cookies = 0, authorizations = 0;
    for (const auto& f : head_.fields.all()) {
      if (f.drop) continue;
      PROPERTY(http::is_token(f.name));
      for (char c : f.value) PROPERTY(c == '\t' || !http::is_control(c));
      PROPERTY(f.id != http::Name::connection && f.id != http::Name::transfer_encoding && f.id != http::Name::upgrade &&
               f.id != http::Name::host && f.id != http::Name::content_length);
      cookies += f.id == http::Name::cookie;
      authorizations += f.id == http::Name::authorization;
    }
    PROPERTY(cookies <= 1 && authorizations <= 1);
  }

  Server& server_;
  char buffer_[64];  // small: growth and what moves with it is part of it
  http::RequestHead head_;
  h2::RequestHeadReader reader_;
  Status verdict_{};
  std::string trailers_;
  bool done_ = false, answered_ = false;
};

class Server final : public h2::Owner {
 public:
  explicit Server(const h2::Limits& limits) : session(h2::Side::server, limits, *this) {}
  ~Server() {
    while (!requests.empty()) requests.front() = nullptr, requests.pop_front();
  }
  h2::Stream* begin() noexcept override {
    requests.push_back(std::make_unique<Request>(*this));
    return requests.back().get();
  }
  void output_waits() noexcept override {}
  bool output_full() noexcept override {
    session.output().clear();
    return true;
  }
  void remove(Request* r) {
    requests.remove_if([r](const auto& p) { return p.get() == r; });
  }
  h2::Session session;
  std::list<std::unique_ptr<Request>> requests;
};

void Request::on_event() {
  auto& session = server_.session;
  PROPERTY(received() <= 64 * 1024);
  if (closed()) return server_.remove(this);
  if (!done_) return;
  session.take(*this);
  if (!verdict_ && verdict_.error().status == 0) {
    session.reset(*this, h2::protocol_error, true);
    return server_.remove(this);
  }
  if (!end_received() || answered_) return;
  answered_ = true;
  const h2::Field fields[] = {{":status", "200"}, {"Content-Type", "text/plain"}};
  const bool empty = head_.method == http::Method::head;
  session.respond(*this, fields, empty);
  if (!empty) session.send(*this, std::string(head_.path_query.size() * 40, 'x'), true, "grpc-status: 0\r\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto in = fuzz::text_of(data, size);
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  static constexpr char kSettings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
  bytes.append(kSettings, sizeof kSettings);
  bytes += fuzz::h2_bytes(in);
  h2::Limits limits;
  limits.streams = 4;
  Server server(limits);
  fuzz::Pieces pieces(in);
  Instant now{};
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t n = std::min(rest.size(), pieces.next(rest.size()) * 16);
    const std::string copy(rest.substr(0, n));
    rest.remove_prefix(n);
    now += std::chrono::milliseconds(1);
    const Status taken = server.session.receive(copy, now);
    server.session.deliver();
    server.session.fill();
    server.session.deliver();
    server.session.output().clear();
    PROPERTY(server.requests.size() <= 64);
    if (!taken || server.session.over()) break;
  }
  return 0;
}
