#include "control/source/cluster/api_client.h"

#include <netinet/tcp.h>
#include <zlib.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <optional>

#include "base/percent.h"
#include "base/printable.h"
#include "base/strings.h"
#include "control/source/node.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "dev"
#endif

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::use_awaitable;

namespace {

constexpr std::size_t kMaxLine = 8U << 20;  // one event of a watch; etcd takes 1.5 MiB an object

// A Status object's message, for the log; else the beginning of the body. What is said about a Secret may quote it,
// unless it is that one may not have it.
std::string message_of(std::string_view target, unsigned status, const std::string& body) {
  const bool secret = target.find("/secrets") != std::string_view::npos;
  if (secret && status != 401 && status != 403 && status != 404) return "";
  try {
    const auto document = parse_json(body, 1);
    if (document->root != nullptr)
      if (const Node* message = document->root->get("message"); message && message->is_scalar())
        return std::string(cut(message->text, 300));
  } catch (const SyntaxError&) {
    // not JSON: shown as it is
  }
  return secret ? "" : std::string(cut(body, 200));
}

Duration wish(const http::fields& head) {
  const auto value = head[http::field::retry_after];
  unsigned seconds = 0;
  std::from_chars(value.data(), value.data() + value.size(), seconds);
  return std::chrono::seconds(std::min(seconds, 60U));
}

std::string inflate_all(const std::string& in, std::size_t most) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) throw ApiError(0, "gzip: no memory");
  std::string out;
  std::vector<char> piece(256 * 1024);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  int result = Z_OK;
  while (result == Z_OK && out.size() < most) {
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    result = inflate(&z, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - z.avail_out);
  }
  inflateEnd(&z);
  if (result != Z_STREAM_END) throw ApiError(0, "gzip: the body is broken or larger than is taken");
  return out;
}

}  // namespace

ApiError failure_of(const std::exception& thrown, const std::string& doing) {
  if (const auto* error = dynamic_cast<const ApiError*>(&thrown)) return *error;
  return {0, doing + ": " + thrown.what()};
}

std::string query_value(std::string_view text) {
  std::string out;
  append_encoded(text, out, [](std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
  return out;
}

struct ApiClient::State {
  State(asio::io_context& i, const Access& a, Credentials& c, Duration d, std::function<bool()> m)
      : io(i), access(a), credentials(c), answer(d), may(std::move(m)) {}

  asio::io_context& io;
  const Access& access;
  Credentials& credentials;
  Duration answer;
  std::function<bool()> may;
  std::optional<ssl::context> tls_context;
  std::optional<beast::ssl_stream<beast::tcp_stream>> tls;
  std::optional<beast::tcp_stream> plain;
  beast::flat_buffer buffer;
  std::string authorization;
  SystemClock clock;

  bool open() const { return tls || plain; }
  beast::tcp_stream& transport() { return tls ? tls->next_layer() : *plain; }
  void close() noexcept {
    if (open()) {
      beast::error_code ignored;
      transport().socket().close(ignored);
    }
    tls.reset();
    plain.reset();
    buffer.clear();
  }

  [[noreturn]] void fail(const std::string& what, beast::error_code error) {
    close();
    std::string why = error == beast::error::timeout ? "nothing came in time" : error.message();
    ApiError e(0, what + ": " + why);
    e.refused = error == asio::error::connection_refused;
    throw e;
  }

  asio::awaitable<void> connect() {
    const Credentials::Answer who = co_await credentials.current(clock.now());
    if (!who) throw ApiError(0, "credentials: " + who.error());
    authorization = who->authorization;
    asio::ip::tcp::resolver resolver(io);
    const auto token = asio::as_tuple(use_awaitable);
    auto [resolve_error, addresses] = co_await resolver.async_resolve(access.host, access.port, token);
    if (resolve_error) fail("resolve " + access.host, resolve_error);
    if (access.tls) {
      make_context(*who);
      tls.emplace(io, *tls_context);
    } else {
      plain.emplace(io);
    }
    transport().expires_after(kConnect);
    auto [connect_error, endpoint] = co_await transport().async_connect(addresses, token);
    if (connect_error) fail("connect to " + access.host + ":" + access.port, connect_error);
    watch_peer(transport().socket().native_handle());
    if (!access.tls) co_return;
    beast::error_code ignored;
    const bool address = !asio::ip::make_address(access.server_name, ignored).is_unspecified() && !ignored;
    if (!address) SSL_set_tlsext_host_name(tls->native_handle(), access.server_name.c_str());
    if (!access.insecure) tls->set_verify_callback(ssl::host_name_verification(access.server_name));
    transport().expires_after(kConnect);
    auto [tls_error] = co_await tls->async_handshake(ssl::stream_base::client, token);
    if (tls_error) {
      const long verdict = SSL_get_verify_result(tls->native_handle());
      const std::string why =
          verdict == X509_V_OK ? "" : std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
      fail("TLS with " + access.server_name + why, tls_error);
    }
  }

  // A peer that is gone without a word (a partition, a node that died) is noticed within half a minute.
  static void watch_peer(int fd) {
    const int on = 1, idle = 10, interval = 5, count = 3, unacknowledged_ms = 25'000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  // Made for each connection: CAs and certificates rotate.
  void make_context(const Credentials::Current& who) {
    beast::error_code error;
    tls.reset();
    tls_context.emplace(ssl::context::tls_client);
    const auto check = [&](const char* what) {
      if (error) fail(what, error);
    };
    tls_context->set_options(ssl::context::no_sslv2 | ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                             ssl::context::no_tlsv1_1);
    tls_context->set_verify_mode(access.insecure ? ssl::verify_none : ssl::verify_peer);
    const std::string ca = access.current_ca();
    if (ca.empty()) {
      tls_context->set_default_verify_paths(error);
    } else {
      tls_context->add_certificate_authority(asio::buffer(ca), error);
    }
    check("certificate authority");
    if (who.certificate_pem.empty()) return;
    tls_context->use_certificate_chain(asio::buffer(who.certificate_pem), error);
    check("client certificate");
    tls_context->use_private_key(asio::buffer(who.key_pem), ssl::context::pem, error);
    check("client key");
  }

  // Sends the request and reads the head of its answer; a kept connection that has ended is replaced once.
  template <class Parser>
  asio::awaitable<void> exchange(http::request<http::string_body>& request, std::optional<Parser>& parser) {
    const auto token = asio::as_tuple(use_awaitable);
    const std::string what = std::string(request.method_string()) + " " + std::string(request.target());
    for (bool kept = open();; kept = false) {
      if (!kept) {
        close();
        co_await connect();
      }
      if (authorization.empty())
        request.erase(http::field::authorization);
      else
        request.set(http::field::authorization, authorization);
      parser.emplace();
      parser->body_limit(kMaxBody);
      parser->header_limit(64 * 1024);
      beast::error_code error;
      if (may && request.method() != http::verb::get && !may())
        throw ApiError(0, what + ": not sent, another replica may hold the Lease by now");
      transport().expires_after(answer);
      if (tls) {
        auto [e, n] = co_await http::async_write(*tls, request, token);
        error = e;
      } else {
        auto [e, n] = co_await http::async_write(*plain, request, token);
        error = e;
      }
      if (!error) {
        transport().expires_after(answer);
        if (tls) {
          auto [e, n] = co_await http::async_read_header(*tls, buffer, *parser, token);
          error = e;
        } else {
          auto [e, n] = co_await http::async_read_header(*plain, buffer, *parser, token);
          error = e;
        }
      }
      if (!error) co_return;
      if (kept && error != beast::error::timeout && request.method() == http::verb::get) continue;
      fail(what, error);
    }
  }

  http::request<http::string_body> request(http::verb method, const std::string& target) const {
    http::request<http::string_body> r(method, access.base_path + target, 11);
    const bool v6 = access.host.find(':') != std::string::npos;
    r.set(http::field::host, (v6 ? "[" + access.host + "]" : access.host) + ":" + access.port);
    r.set(http::field::user_agent, "sluice/" SLUICE_VERSION);
    r.set(http::field::accept, "application/json");
    return r;
  }

  // Throws when the answer is not a success.
  void judge(const std::string& what, unsigned status, const http::fields& head, const std::string& body) {
    if (status / 100 == 2) return;
    if (status == 401) credentials.refused();
    if (status == 401) close();
    throw ApiError(status, what + ": " + std::to_string(status) + " " + message_of(what, status, body), wish(head));
  }

  asio::awaitable<std::string> whole(http::request<http::string_body> r) {
    const std::string what = std::string(r.method_string()) + " " + std::string(r.target());
    std::optional<http::response_parser<http::string_body>> parser;
    co_await exchange(r, parser);
    const auto token = asio::as_tuple(use_awaitable);
    beast::error_code error;
    while (!parser->is_done() && !error) {
      transport().expires_after(answer);
      if (tls) {
        auto [e, n] = co_await http::async_read_some(*tls, buffer, *parser, token);
        error = e;
      } else {
        auto [e, n] = co_await http::async_read_some(*plain, buffer, *parser, token);
        error = e;
      }
    }
    if (error) fail(what, error);
    auto response = parser->release();
    if (!response.keep_alive()) close();
    std::string body = std::move(response.body());
    if (iequals(response[http::field::content_encoding], "gzip")) body = inflate_all(body, kMaxBody);
    judge(what, response.result_int(), response, body);
    co_return body;
  }
};

ApiClient::ApiClient(asio::io_context& io, const Access& access, Credentials& credentials, Duration answer,
                     std::function<bool()> may)
    : state_(std::make_unique<State>(io, access, credentials, answer, std::move(may))) {}
ApiClient::~ApiClient() = default;

void ApiClient::close() noexcept {
  if (!state_->open()) return;
  beast::error_code ignored;
  state_->transport().socket().close(ignored);
}

asio::awaitable<std::string> ApiClient::get(std::string target) {
  auto r = state_->request(http::verb::get, target);
  r.set(http::field::accept_encoding, "gzip");
  std::string body = co_await state_->whole(std::move(r));
  co_return body;
}

asio::awaitable<std::string> ApiClient::send(std::string method, std::string target, std::string content_type,
                                             std::string body) {
  auto r = state_->request(http::string_to_verb(method), target);
  r.set(http::field::content_type, content_type);
  r.body() = std::move(body);
  r.prepare_payload();
  std::string answer = co_await state_->whole(std::move(r));
  co_return answer;
}

asio::awaitable<void> ApiClient::lines(std::string target, Duration silence,
                                       std::function<void(std::string_view)> line) {
  State& s = *state_;
  auto r = s.request(http::verb::get, target);
  const std::string what = "GET " + target;
  std::optional<http::response_parser<http::buffer_body>> parser;
  co_await s.exchange(r, parser);
  parser->body_limit(boost::none);  // it goes on for minutes; each line has its limit
  const auto token = asio::as_tuple(use_awaitable);
  const unsigned status = parser->get().result_int();
  if (status == 200) line({});
  std::string pending;
  std::vector<char> piece(64 * 1024);
  while (!parser->is_done()) {
    parser->get().body().data = piece.data();
    parser->get().body().size = piece.size();
    s.transport().expires_after(silence);
    beast::error_code error;
    if (s.tls) {
      auto [e, n] = co_await http::async_read_some(*s.tls, s.buffer, *parser, token);
      error = e;
    } else {
      auto [e, n] = co_await http::async_read_some(*s.plain, s.buffer, *parser, token);
      error = e;
    }
    if (error && error != http::error::need_buffer) s.fail(what, error);
    pending.append(piece.data(), piece.size() - parser->get().body().size);
    std::size_t done = 0;
    if (status == 200) try {
        for (std::size_t end; (end = pending.find('\n', done)) != std::string::npos; done = end + 1)
          line(std::string_view(pending).substr(done, end - done));
      } catch (...) {
        s.close();  // the rest of the answer is still to come, and would be read as that of the next request
        throw;
      }
    pending.erase(0, done);
    if (pending.size() > kMaxLine) s.close();
    if (pending.size() > kMaxLine)
      throw ApiError(0, what + ": an event has more than " + std::to_string(kMaxLine) + " bytes");
  }
  const auto& head = parser->get();
  const bool keep = head.keep_alive();
  s.judge(what, status, head, pending);
  if (!keep) s.close();
}

}  // namespace sluice::control::cluster
