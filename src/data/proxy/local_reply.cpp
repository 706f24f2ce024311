#include "data/proxy/local_reply.h"

#include <memory>
#include <vector>

#include "data/plan/plan.h"
#include "data/proxy/grpc.h"
#include "data/proxy/response_body.h"
#include "net/http/reason.h"

namespace sluice::data {

std::uint16_t status_of(const Error& e) noexcept {
  if (e.status) return e.status;
  if (e.whose == Whose::downstream) {
    switch (e.fault) {
      case Fault::timeout:
      case Fault::too_slow:
        return 408;
      case Fault::too_large:
        return 413;
      case Fault::unsupported:
        return 501;
      case Fault::closed:
      case Fault::reset:
      case Fault::cancelled:
        return 499;
      default:
        return 400;
    }
  }
  if (e.whose == Whose::upstream) {
    switch (e.fault) {
      case Fault::timeout:
      case Fault::connect_timeout:
        return 504;
      case Fault::no_endpoints:
      case Fault::overload:
        return 503;
      default:
        return 502;
    }
  }
  return e.fault == Fault::overload || e.fault == Fault::no_endpoints ? 503 : 500;
}

namespace {

void write_page(const Exchange& ex, int status, std::string_view phrase, std::string& page) {
  const std::string title = std::to_string(status) + " " + std::string(phrase);
  page += "<html>\r\n<head><title>";
  page += title;
  page += "</title></head>\r\n<body>\r\n<h1>";
  page += title;
  page += "</h1>\r\n";
  if (ex.peer.plain_on_tls) page += "<p>The plain HTTP request was sent to HTTPS port</p>\r\n";  // as nginx puts it
  // A client's own X-Request-ID is not repeated into a page: only ids of our alphabet are.
  if (!ex.request_id.empty() && ex.request_id.find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos) {
    page += "<p>request id ";
    page += ex.request_id;
    page += "</p>\r\n";
  }
  page += "</body>\r\n</html>\r\n";
}

// A body that is there.
class WholeBody final : public BodySource {
 public:
  explicit WholeBody(std::string_view bytes) noexcept : left_(bytes) {}
  net::Task<Result<Chunk>> read(std::size_t most) override { co_return take(most); }
  Result<Chunk> take(std::size_t most) override {
    const auto piece = left_.substr(0, most);
    left_.remove_prefix(piece.size());
    return Chunk{piece, left_.empty(), {}};
  }
  void stop() noexcept override {}
  bool ended() const noexcept override { return left_.empty(); }

 private:
  std::string_view left_;
};

}  // namespace

// ingress-nginx sends pages of HTML to calls, too; gRPC-Web it does not know.
bool answers_as_grpc(const Exchange& ex) noexcept {
  return ex.grpc && (ex.transform || !ex.options->exact);
}

net::Task<Status> send_local_reply(Exchange& ex, LocalReply reply) {
  using net::http::Field;
  using net::http::Name;
  if (answers_as_grpc(ex)) {
    net::Task<Status> sending = send_grpc_reply(ex, reply.status, reply.retry_after);
    Status sent = co_await sending;
    co_return sent;
  }
  const auto phrase = net::http::reason_phrase(reply.status);
  auto& page = ex.memory.text;
  page.clear();
  if (!reply.body) write_page(ex, reply.status, phrase, page);
  const std::string_view body = reply.body ? std::string_view(*reply.body) : std::string_view(page);

  std::vector<Field> fields;
  fields.reserve(5 + reply.fields.size());
  const std::string retry_after = std::to_string(reply.retry_after.count());
  // RFC 9110 sections 8.6 and 15.4.5: 204 and 304 have no body, whoever wrote one for them; behind a head that says so
  // it would be read as the next answer of the connection.
  const bool bodiless = reply.status == 204 || reply.status == 304;
  if (!body.empty() && reply.status != 204)
    fields.push_back({"Content-Type", reply.content_type, Name::content_type, false});
  if (!reply.location.empty()) fields.push_back({"Location", reply.location, Name::location, false});
  // RFC 9110 section 15.5.6. What a pod takes of them is its own affair.
  if (reply.status == 405)
    fields.push_back({"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", Name::other, false});
  // RFC 9110 section 15.5.22 and RFC 6455 section 4.4: of WebSockets alone a version is asked for.
  if (reply.status == 426) {
    fields.push_back({"Upgrade", "websocket", Name::upgrade, false});
    fields.push_back({"Sec-WebSocket-Version", "13", Name::other, false});
  }
  if (reply.retry_after.count() > 0) fields.push_back({"Retry-After", retry_after, Name::other, false});
  for (const auto& [name, value] : reply.fields) fields.push_back({name, value, net::http::name_of(name), false});
  ResponseStart start;
  start.status = reply.status;
  start.reason = phrase;
  start.fields = fields;
  start.framing = bodiless ? net::http::Framing::none : net::http::Framing::length;
  start.content_length = bodiless ? 0 : body.size();
  const bool head_only = ex.head().method == net::http::Method::head || bodiless;
  ex.record.status = reply.status;
  WholeBody plain(body);
  const Result<std::unique_ptr<BodySource>> formed = form_response(ex, start, plain);
  if (!formed) co_return std::unexpected(formed.error());  // of pods' responses alone
  if (BodySource* const encoded = formed->get()) {
    const Result<Chunk> first = encoded->take(ex.down.room(0));
    if (!first) co_return std::unexpected(first.error());
    const bool last = first->last;
    const std::size_t taken = first->data.size();
    Status sent = co_await ex.down.start(ex, start, *first);
    if (!sent || last) co_return sent;
    net::Task<Status> rest = send_rest(ex, *encoded, taken);
    sent = co_await rest;
    co_return sent;
  }
  Status s = co_await ex.down.start(ex, start, Chunk{head_only ? std::string_view{} : body, true, {}});
  co_return s;
}

}  // namespace sluice::data
