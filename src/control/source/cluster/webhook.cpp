#include <sys/stat.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/reserve.h"
#include "control/control.h"
#include "control/source/cluster/waiter.h"
#include "control/source/decode.h"
#include "control/source/disclosure.h"

namespace sluice::control {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t kBody = 4U << 20;      // etcd takes 1.5 MiB an object, and the old form comes along
constexpr std::size_t kDrained = 32U << 20;  // of a body that is refused
constexpr std::size_t kHead = 16U << 10;
constexpr unsigned kConnections = 64;
constexpr auto kIo = std::chrono::seconds(10);    // handshake, a whole request, a whole answer
constexpr auto kIdle = std::chrono::seconds(90);  // between two requests
constexpr std::size_t kMessage = 4096, kWarning = 256, kWarnings = 16;
constexpr std::string_view kPath = "/networking/v1/ingresses";
const auto kToken = asio::as_tuple(asio::use_awaitable);

tcp::endpoint endpoint_of(const std::string& text) {
  const auto fail = [&] [[noreturn]] {
    throw std::runtime_error("--validating-webhook " + text + ": expected ADDRESS:PORT such as :8444");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) fail();
  std::uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) fail();
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "::";
  beast::error_code bad;
  const auto address = asio::ip::make_address(host, bad);
  if (bad) fail();
  return {address, port};
}

std::string text_member(const Node* node, std::string_view name) {
  const Node* found = node ? node->get(name) : nullptr;
  return found && found->is_scalar() ? std::string(found->text) : std::string();
}

Review bad(const std::string& message) {
  return {false, message, {}};
}

// The Review of what an AdmissionReview (admission.k8s.io/v1) carries.
Review judge(const Node* request, Watcher& watcher) {
  const Node* object = request->get("object");
  const Node* kind = request->get("kind");
  if (text_member(request, "operation") == "DELETE" || !object || object->kind != Node::Kind::map) return {};
  if (text_member(kind, "kind") != "Ingress" || text_member(kind, "group") != "networking.k8s.io")
    return bad("rejecting admission review because the request does not contain an Ingress resource but " +
               Disclosure::kind(text_member(kind, "kind")) + " with name " +
               Disclosure::object_name(text_member(request, "name")) + " in namespace " +
               Disclosure::object_name(text_member(request, "namespace")));
  // What is being deleted serves nothing new; to refuse the update that takes its last finalizer would keep it for
  // ever.
  if (const Node* metadata = object->get("metadata"); !text_member(metadata, "deletionTimestamp").empty()) return {};
  Decoded decoded;
  decode_item(*object, "Ingress", decoded);
  if (decoded.objects.empty()) {
    std::string all;
    for (const auto& e : decoded.entries) all += (all.empty() ? "" : "; ") + model::Report::line(e);
    return bad(all);
  }
  return watcher.review(decoded.objects.front());
}

// Read by any thread.
struct Tally {
  std::atomic<std::uint64_t> allowed{0}, refused{0}, nanoseconds{0}, last_nanoseconds{0};
  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::pair<std::uint64_t, std::uint64_t>> checked;

  void count(std::string ns, std::string name, bool was_allowed, std::uint64_t took) {
    const std::scoped_lock lock(mutex);
    // Whoever may post can invent names: that is a label, and labels are memory of ours and of Prometheus.
    std::pair<std::string, std::string> key(std::move(ns), std::move(name));
    auto at = checked.find(key);
    if (at == checked.end()) {
      if (checked.size() >= Webhook::kChecked) key = {};
      at = checked.try_emplace(std::move(key)).first;
    }
    ++(was_allowed ? at->second.first : at->second.second);
    nanoseconds += took;
    last_nanoseconds = took;
    ++(was_allowed ? allowed : refused);
  }
};

struct Answer {
  http::status status = http::status::ok;
  std::string body, type = "text/plain; charset=utf-8";
};

Answer answer(const http::request<http::string_body>& request, Watcher& watcher, Tally& tally) {
  const std::string_view target(request.target().data(), request.target().size());
  if (target.substr(0, target.find('?')) != kPath)
    return {http::status::not_found, "only " + std::string(kPath) + " is answered here\n"};
  if (request.method() != http::verb::post) return {http::status::method_not_allowed, "expected POST\n"};
  try {
    const auto document = parse_json(request.body(), 1);
    const Node* root = document->root;
    const Node* asked = root ? root->get("request") : nullptr;
    const std::string uid = text_member(asked, "uid");
    if (!asked || asked->kind != Node::Kind::map || uid.empty() ||
        text_member(root, "apiVersion") != "admission.k8s.io/v1")
      return {http::status::bad_request, "expected an AdmissionReview of admission.k8s.io/v1 with a request\n"};
    const Instant begun = SystemClock().now();
    const Review review = judge(asked, watcher);
    tally.count(Disclosure::object_name(text_member(asked, "namespace")),
                Disclosure::object_name(text_member(asked, "name")), review.allowed,
                static_cast<std::uint64_t>((SystemClock().now() - begun).count()));
    json::object response{{"uid", uid}, {"allowed", review.allowed}};
    if (!review.allowed)
      response["status"] = {{"status", "Failure"},
                            {"code", 400},
                            {"reason", "BadRequest"},
                            {"message", cut(printable(review.message), kMessage)}};
    if (!review.warnings.empty()) {
      json::array warnings;
      for (const auto& w : review.warnings)
        if (warnings.size() < kWarnings) warnings.emplace_back(cut(printable(w), kWarning));
      response["warnings"] = std::move(warnings);
    }
    if (!review.allowed)
      log::info("webhook: Ingress {}/{} is refused: {}", Disclosure::object_name(text_member(asked, "namespace")),
                Disclosure::object_name(text_member(asked, "name")), review.message);
    const json::object out{
        {"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", std::move(response)}};
    return {http::status::ok, json::serialize(out), "application/json"};
  } catch (const SyntaxError& e) {
    return {http::status::bad_request, std::string("the body is no JSON: ") + e.what() + "\n"};
  } catch (const std::bad_alloc&) {
    return {http::status::internal_server_error, "no memory\n"};
  }
}

class Server final : public Webhook {
 public:
  explicit Server(const WebhookSettings& settings) : settings_(settings) {
    load();
    const auto wanted = endpoint_of(settings.address);
    beast::error_code error;
    acceptor_.open(wanted.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(wanted, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw std::runtime_error("--validating-webhook " + settings.address + ": " + error.message());
    const auto at = acceptor_.local_endpoint();
    const auto host = at.address().to_string();
    bound_ = (at.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(at.port());
  }
  ~Server() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    ending_ = true;
  }
  std::string bound_address() const override { return bound_; }
  void serve(Watcher& watcher) override {
    watcher_ = &watcher;
    asio::co_spawn(io_, cluster::enduring([this] { return accept(); }), asio::detached);
    thread_ = std::thread([this] {
      Reserve::warm_up();
      const Dispensable as_it_is_asked_again;
      for (;;) {
        try {
          io_.run();
          return;
        } catch (const std::bad_alloc&) {
          // Whoever it was for sees the connection end.
        }
      }
    });
    ::pthread_setname_np(thread_.native_handle(), "sluice-webhook");
  }
  Figures figures() const override {
    return {tally_.allowed, tally_.refused, static_cast<double>(tally_.nanoseconds) / 1e9,
            static_cast<double>(tally_.last_nanoseconds) / 1e9};
  }
  std::vector<Checked> checked() const override {
    const std::scoped_lock lock(tally_.mutex);
    std::vector<Checked> out;
    out.reserve(tally_.checked.size());
    for (const auto& [name, counts] : tally_.checked)
      out.push_back({name.first, name.second, counts.first, counts.second});
    return out;
  }

 private:
  // When the files were written last.
  std::pair<std::int64_t, std::int64_t> stamps() const {
    if (settings_.made) return {settings_.made->get().version, 0};
    const auto stamp = [](const std::string& path) {
      struct stat s{};
      return ::stat(path.c_str(), &s) == 0 ? s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec : 0;
    };
    return {stamp(settings_.certificate), stamp(settings_.key)};
  }

  void load() {
    const auto now = stamps();
    if ((context_ && now == loaded_) || (settings_.made && now.first == 0)) return;
    loaded_ = now;
    auto made = std::make_shared<ssl::context>(ssl::context::tls_server);
    made->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    const auto must = [&](const char* flag, const std::string& path, auto&& use) {
      beast::error_code error;
      use(error);
      if (error) throw std::runtime_error(std::string(flag) + " " + path + ": " + error.message());
    };
    if (settings_.made) {
      const auto pair = settings_.made->get();
      must("the Secret of the webhook", "", [&](auto& e) {
        made->use_certificate_chain(asio::buffer(pair.certificate), e);
        if (!e) made->use_private_key(asio::buffer(pair.key), ssl::context::pem, e);
      });
    } else {
      must("--validating-webhook-certificate", settings_.certificate,
           [&](auto& e) { made->use_certificate_chain_file(settings_.certificate, e); });
      must("--validating-webhook-key", settings_.key,
           [&](auto& e) { made->use_private_key_file(settings_.key, ssl::context::pem, e); });
    }
    if (!settings_.client_ca.empty()) {
      must("--validating-webhook-client-ca", settings_.client_ca,
           [&](auto& e) { made->load_verify_file(settings_.client_ca, e); });
      made->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    }
    if (context_) log::info("webhook: the certificate is read anew");
    context_ = std::move(made);
  }

  asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kToken);
      if (error) {  // out of descriptors
        co_await pause();
        continue;
      }
      // The one that has waited longest for its caller makes room.
      while (open_ >= kConnections) {
        if (!awaited_.empty()) awaited_.front()->close();
        co_await pause();
      }
      try {
        load();
      } catch (const std::exception& e) {
        log::error("{}; the webhook goes on with the certificate that it has", e.what());
      }
      if (!context_) continue;  // nobody made one yet: the caller tries again
      // An answer must not wait for the acknowledgement of the tickets that went before it.
      beast::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      asio::co_spawn(io_, serve(Open(*this), std::move(socket), context_), asio::detached);
    }
  }

  asio::awaitable<void> pause() {
    room_.expires_after(std::chrono::milliseconds(100));
    co_await room_.async_wait(kToken);
  }

  // A connection that counts, from the moment on that it is taken to the end of its coroutine, however that comes.
  class Open {
   public:
    explicit Open(Server& server) : server_(&server) { ++server.open_; }
    Open(Open&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    Open& operator=(Open&&) = delete;
    ~Open() {
      if (!server_) return;
      --server_->open_;
      if (!server_->ending_) server_->room_.cancel();
    }

   private:
    Server* server_;
  };
  // It is in the list of those that something is awaited of.
  class Awaited {
   public:
    Awaited(std::list<beast::tcp_stream*>& all, beast::tcp_stream& one)
        : all_(all), place_(all.insert(all.end(), &one)) {}
    Awaited(const Awaited&) = delete;
    Awaited& operator=(const Awaited&) = delete;
    ~Awaited() { all_.erase(place_); }

   private:
    std::list<beast::tcp_stream*>& all_;
    std::list<beast::tcp_stream*>::iterator place_;
  };

  asio::awaitable<void> serve(Open, tcp::socket socket, std::shared_ptr<ssl::context> context) {
    beast::ssl_stream<beast::tcp_stream> stream(beast::tcp_stream(std::move(socket)), *context);
    auto& transport = beast::get_lowest_layer(stream);
    transport.expires_after(kIo);
    std::optional<Awaited> awaited(std::in_place, awaited_, transport);
    auto [failed] = co_await stream.async_handshake(ssl::stream_base::server, kToken);
    awaited.reset();
    if (failed) {
      log::debug("webhook: a TLS handshake failed: {}", failed.message());
      co_return;
    }
    beast::flat_buffer buffer(kHead + kBody);
    for (bool keep = true; keep;) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kHead);
      parser.body_limit(kBody);
      transport.expires_after(buffer.size() > 0 ? kIo : kIdle);
      awaited.emplace(awaited_, transport);
      auto [broken, head] = co_await http::async_read_header(stream, buffer, parser, kToken);
      transport.expires_after(kIo);
      beast::error_code error = broken;
      if (!error) {
        auto [cut, n] = co_await http::async_read(stream, buffer, parser, kToken);
        error = cut;
      }
      awaited.reset();
      Answer out;
      if (error == http::error::body_limit)
        out = {http::status::payload_too_large, "a review has at most 4 MiB\n"};
      else if (error)
        break;
      else
        out = answer(parser.get(), *watcher_, tally_);
      http::response<http::string_body> response(out.status, 11);
      keep = !error && parser.get().keep_alive();
      response.set(http::field::content_type, out.type);
      response.keep_alive(keep);
      response.body() = std::move(out.body);
      response.prepare_payload();
      transport.expires_after(kIo);
      auto [unsent, sent] = co_await http::async_write(stream, response, kToken);
      if (unsent) break;
      if (error) co_await drain(stream);
    }
    transport.expires_after(std::chrono::seconds(1));
    co_await stream.async_shutdown(kToken);
  }

  // Takes what a refused caller still sends, so that it reads the answer before the connection ends.
  static asio::awaitable<void> drain(beast::ssl_stream<beast::tcp_stream>& stream) {
    std::vector<char> rest(64 << 10);
    std::size_t taken = 0;
    while (taken < kDrained) {
      auto [error, n] = co_await stream.async_read_some(asio::buffer(rest), kToken);
      if (error) break;
      taken += n;
    }
  }

  const WebhookSettings settings_;
  Watcher* watcher_ = nullptr;  // from serve() on
  std::shared_ptr<ssl::context> context_;
  std::pair<std::int64_t, std::int64_t> loaded_;
  // Before io_, whose end unwinds what still runs.
  unsigned open_ = 0;
  bool ending_ = false;
  std::list<beast::tcp_stream*> awaited_;  // that a handshake or a request is awaited of, the longest first
  Tally tally_;
  asio::io_context io_{1};
  asio::steady_timer room_{io_};
  tcp::acceptor acceptor_{io_};
  std::string bound_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Webhook> Webhook::listen(const WebhookSettings& settings) {
  return std::make_unique<Server>(settings);
}

}  // namespace sluice::control
