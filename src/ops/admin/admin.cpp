#include "ops/admin/admin.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/reserve.h"
#include "base/token_bucket.h"
#include "ops/admin/access.h"

namespace sluice::ops {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::uint32_t kHeadLimit = 16 * 1024;
constexpr std::uint64_t kBodyLimit = 64 * 1024;
constexpr unsigned kLongestThrownAway = 5;  // seconds

// Refusals that are logged: a few at once, then one each ten seconds.
constexpr unsigned kRefusalsAtOnce = 10;
constexpr Duration kRefusalsEach = std::chrono::seconds(10);

using MoreFields = std::vector<std::pair<http::field, std::string>>;

AdminResponse plain(unsigned status, std::string text) {
  return {status, std::move(text) + "\n", "text/plain; charset=utf-8"};
}

std::string text_of(const tcp::endpoint& at) {
  const std::string address = at.address().to_string();
  return (at.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(at.port());
}

// Pages that addresses of ingress-nginx have, or had, and what does their work here. Empty: none of these.
std::string_view in_place_of(std::string_view path) {
  struct Row {
    std::string_view path, hint;
  };
  static constexpr Row kRows[] = {
      {"/configuration/servers", "certificates are not sent here: they come from Secrets"},
      {"/configuration", "what is here of ingress-nginx's port 10246 is in the list"},
      {"/build", "nginx_ingress_controller_build_info in /metrics and `sluice version` say it"},
      {"/stop", "nobody ends the process by a request: send it SIGTERM, as Kubernetes does"},
      {"/debug/pprof",
       "there is no profiler of Go inside: perf and the metrics sluice_event_loop_lag_seconds_max and "
       "sluice_worker_publish_pause_seconds say where time goes"},
  };
  for (const Row& row : kRows)
    if (path.starts_with(row.path) && (path.size() == row.path.size() || path[row.path.size()] == '/')) return row.hint;
  return {};
}

[[noreturn]] void refuse(const std::string& address, const std::string& why) {
  throw std::runtime_error("--admin " + address + ": " + why);
}

tcp::endpoint parse_address(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) refuse(address, "expected ADDRESS:PORT such as 127.0.0.1:10254");
  std::string host = address.substr(0, colon);
  const std::string port_text = address.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size() || port_text.empty())
    refuse(address, "the port is no number from 0 to 65535");
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return {asio::ip::address_v4::any(), port};
  if (host == "localhost") return {asio::ip::address_v4::loopback(), port};
  boost::system::error_code failed;
  const auto parsed = asio::ip::make_address(host, failed);
  if (failed) refuse(address, "the host is no IP address");
  return {parsed, port};
}

// A thread that no signal is delivered to.
template <class F>
std::thread quiet_thread(const char* name, F&& run) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([run = std::forward<F>(run)]() mutable {
    Reserve::warm_up();
    run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread.native_handle(), name);
  return thread;
}

// IPv4 addresses come mapped over a socket of both versions.
bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  return address.is_loopback();
}

class Connection;

class Server final : public AdminServer {
 public:
  Server(const std::string& address, std::vector<AdminPage> pages, AdminAccessSettings access, Limits limits);
  ~Server() override;
  std::string bound_address() const override { return bound_; }

  const AdminPage* find(std::string_view path) const;
  std::string listing() const;
  AdminAccess& access() { return access_; }  // loop thread
  void refused(const AdminRequest& request, const AdminRefusal& why);
  AdminResponse answer(const AdminPage& page, const AdminRequest& request) const;

  asio::io_context& loop() { return loop_; }
  asio::io_context& beside() { return beside_; }
  const Limits& limits() const { return limits_; }
  void opened(Connection* c);
  void closed(Connection* c);

 private:
  void run(asio::io_context& io);
  void accept();
  void pause();

  std::vector<AdminPage> pages_;  // no longer changes once the threads run
  const Limits limits_;
  AdminAccess access_;
  TokenBucket refusals_;                  // loop thread
  std::uint64_t unsaid_ = 0;              // loop thread
  bool ending_ = false;                   // loop thread
  bool accepting_ = false;                // loop thread: a client is awaited
  std::vector<Connection*> connections_;  // loop thread, oldest first; outlives the loops, whose ends end connections
  asio::io_context loop_{1}, beside_{1};  // fast pages and all input and output; slow pages
  asio::executor_work_guard<asio::io_context::executor_type> keep_{loop_.get_executor()},
      keep_beside_{beside_.get_executor()};
  tcp::acceptor acceptor_{loop_};
  asio::steady_timer pause_{loop_};
  std::string bound_;
  std::thread thread_, thread_beside_;
};

// One client. All on the loop's thread but the handler of a slow page. Owned by its own pending operations.
class Connection final : public std::enable_shared_from_this<Connection> {
  using Message = http::request<http::string_body>;

 public:
  Connection(Server& server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {
    boost::system::error_code gone;
    const auto peer = stream_.socket().remote_endpoint(gone);
    if (!gone) peer_text_ = text_of(peer);
    loopback_ = !gone && is_loopback(peer.address());
    server_.opened(this);
  }
  ~Connection() { server_.closed(this); }

  void read() {
    reading_ = true;
    parser_.emplace();
    parser_->header_limit(kHeadLimit);
    parser_->body_limit(kBodyLimit);
    stream_.expires_after(std::chrono::seconds(server_.limits().seconds));
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      self->reading_ = false;
      if (error == http::error::header_limit) return self->refuse(431, "the head is too large");
      if (error == http::error::body_limit) return self->refuse(413, "the body is larger than 64 KiB");
      if (error.category() == http::make_error_code(http::error::bad_method).category() &&
          error != http::error::end_of_stream && error != http::error::partial_message)
        return self->refuse(400, "no HTTP/1.1 request");
      if (!error) self->serve();
    });
  }
  void cancel() {
    reading_ = false;
    stream_.close();
  }
  bool waits() const { return reading_; }

 private:
  // Before all of the request is here.
  void refuse(unsigned status, std::string why) {
    unread_ = true;
    write(plain(status, std::move(why)), false, false, {});
  }
  // What the client still sends is thrown away for a moment: a close with bytes unread is a reset, which would destroy
  // the answer for who sends all of a request before it reads. Whoever comes when the connections are used up takes the
  // place of one that does this.
  void throw_away() {
    reading_ = true;
    rest_.resize(kBodyLimit);
    stream_.expires_after(std::chrono::seconds(std::min(kLongestThrownAway, server_.limits().seconds)));
    read_on();
  }
  void read_on() {
    stream_.async_read_some(asio::buffer(rest_), [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->read_on();
    });
  }

  void serve() {
    Message message = parser_->release();
    const bool keep = message.keep_alive(), head = message.method() == http::verb::head;
    const AdminCaller caller = caller_of(message);
    AdminRequest request{std::string(caller.method), {}, {}, std::move(message.body()), peer_text_};
    if (const auto target = read_target(caller.target)) {
      request.path = target->path;
      request.query = target->query;
    }
    const AdminPage* page = server_.find(request.path);
    if (const auto refusal = server_.access().refuse_caller(caller, page)) return refuse(request, *refusal, keep, head);
    if (request.path == "/") return write(plain(200, server_.listing()), keep, head, {});
    if (page == nullptr) {
      std::string text = "no such page; there are:\n" + server_.listing();
      if (const auto hint = in_place_of(request.path); !hint.empty())
        text = std::string("no such page: ").append(hint).append("\n") + text;
      return write(plain(404, std::move(text)), keep, head, {});
    }
    if (std::ranges::find(page->methods, head ? "GET" : request.method) == page->methods.end()) {
      std::string allow;
      for (const std::string& m : page->methods)
        allow += (allow.empty() ? "" : ", ") + m + (m == "GET" ? ", HEAD" : "");
      return write(plain(405, "this page takes " + allow), keep, head, {{http::field::allow, allow}});
    }
    if (const auto refusal = server_.access().refuse_page(caller, *page)) return refuse(request, *refusal, keep, head);
    if (!page->slow) return write(server_.answer(*page, request), keep, head, {});
    stream_.expires_never();
    auto response = std::make_shared<AdminResponse>();
    asio::post(server_.beside(),
               [self = shared_from_this(), page, response, request = std::move(request), keep, head]() mutable {
                 *response = self->server_.answer(*page, request);
                 asio::io_context& loop = self->server_.loop();
                 asio::post(loop, [self = std::move(self), response, keep, head] {
                   self->write(std::move(*response), keep, head, {});
                 });
               });
  }

  AdminCaller caller_of(const Message& message) const {
    const auto view = [](auto text) { return std::string_view(text.data(), text.size()); };
    AdminCaller caller{loopback_, message.version() < 11, view(message.method_string()), view(message.target()), {}};
    for (const auto& field : message) caller.fields.emplace_back(view(field.name_string()), view(field.value()));
    return caller;
  }

  void refuse(const AdminRequest& request, const AdminRefusal& why, bool keep, bool head) {
    server_.refused(request, why);
    MoreFields more;
    if (why.wants_token) more.emplace_back(http::field::www_authenticate, "Bearer realm=\"sluice\"");
    write(plain(why.status, why.why), keep, head, more);
  }

  void write(AdminResponse answer, bool keep, bool head, const MoreFields& more) {
    response_.emplace(static_cast<http::status>(answer.status), 11);
    response_->set(http::field::content_type, answer.content_type);
    response_->set(http::field::cache_control, "no-store");
    response_->set("X-Content-Type-Options", "nosniff");
    response_->set("Cross-Origin-Resource-Policy", "same-origin");
    for (const auto& [name, value] : more) response_->set(name, value);
    response_->keep_alive(keep);
    response_->body() = std::move(answer.body);
    response_->prepare_payload();
    if (head) {
      const auto length = response_->body().size();
      response_->body().clear();
      response_->content_length(length);
    }
    serializer_.emplace(*response_);
    serializer_->split(head);
    stream_.expires_after(std::chrono::seconds(server_.limits().seconds));
    auto then = [self = shared_from_this(), keep](beast::error_code error, std::size_t) {
      if (error) return;
      if (keep) return self->read();
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      if (self->unread_) self->throw_away();
    };
    if (head)
      http::async_write_header(stream_, *serializer_, std::move(then));
    else
      http::async_write(stream_, *serializer_, std::move(then));
  }

  Server& server_;
  std::string peer_text_;
  bool loopback_ = false;
  bool reading_ = true;
  bool unread_ = false;  // the client was refused before all of its request was read
  std::vector<char> rest_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kHeadLimit + kBodyLimit};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

Server::Server(const std::string& address, std::vector<AdminPage> pages, AdminAccessSettings access, Limits limits)
    : limits_(limits), access_(std::move(access)) {
  std::ranges::copy_if(pages, std::back_inserter(pages_), [this](const AdminPage& p) { return access_.serves(p); });
  const tcp::endpoint wanted = parse_address(address);
  boost::system::error_code error;
  acceptor_.open(wanted.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(wanted, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) refuse(address, "cannot listen: " + error.message());
  bound_ = text_of(acceptor_.local_endpoint());
  accept();
  thread_ = quiet_thread("sluice-admin", [this] { run(loop_); });
  thread_beside_ = quiet_thread("sluice-admin-2", [this] {
    const Dispensable as_it_may_be_asked_for_again;
    run(beside_);
  });
}

Server::~Server() {
  // First the slow page that runs: its answer goes back through the loop.
  keep_beside_.reset();
  beside_.stop();
  thread_beside_.join();
  asio::post(loop_, [this] {
    ending_ = true;
    beast::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (Connection* c : connections_) c->cancel();
    keep_.reset();
  });
  thread_.join();
}

// A handler that has no memory loses its connection, not the thread.
void Server::run(asio::io_context& io) {
  for (;;) {
    try {
      if (&io == &loop_ && !accepting_ && !ending_) pause();
      io.run();
      return;
    } catch (const std::bad_alloc&) {
      // on with the next
    }
  }
}

void Server::accept() {
  accepting_ = true;
  acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
    accepting_ = false;
    if (ending_) return;
    // Out of descriptors or of memory: again in a moment, without spinning.
    if (error) return pause();
    std::make_shared<Connection>(*this, std::move(socket))->read();
    accept();
  });
}

void Server::pause() {
  pause_.expires_after(std::chrono::milliseconds(100));
  pause_.async_wait([this](beast::error_code cancelled) {
    if (!cancelled) accept();
  });
}

// Slow clients must not keep a probe out: one too many, and the oldest that has not sent a whole request goes.
void Server::opened(Connection* c) {
  if (connections_.size() >= limits_.connections) {
    const auto waiting = std::ranges::find_if(connections_, &Connection::waits);
    (waiting == connections_.end() ? connections_.front() : *waiting)->cancel();
  }
  connections_.push_back(c);
}

void Server::closed(Connection* c) {
  std::erase(connections_, c);
}

const AdminPage* Server::find(std::string_view path) const {
  const auto at = std::ranges::find(pages_, path, &AdminPage::path);
  return at == pages_.end() ? nullptr : &*at;
}

std::string Server::listing() const {
  std::size_t width = 0;
  for (const AdminPage& page : pages_) width = std::max(width, page.path.size());
  std::string out;
  for (const AdminPage& page : pages_)
    out += (out.empty() ? "" : "\n") + page.path + std::string(width + 2 - page.path.size(), ' ') + page.help;
  return out;
}

// Somebody tries what he may not: an operator wants to know, but not as often as it is tried.
void Server::refused(const AdminRequest& request, const AdminRefusal& why) {
  if (refusals_.wait(SystemClock().now(), kRefusalsAtOnce, kRefusalsEach) > Duration(0)) {
    ++unsaid_;
    return;
  }
  refusals_.spend();
  log::warn("admin address: {} {} from {} is refused with {}: {}{}", request.method, request.path.substr(0, 100),
            request.peer, why.status, why.why,
            unsaid_ == 0 ? "" : " (and " + std::to_string(std::exchange(unsaid_, 0)) + " others before it)");
}

AdminResponse Server::answer(const AdminPage& page, const AdminRequest& request) const {
  AdminResponse response;
  try {
    response = page.handler(request);
  } catch (const std::bad_alloc&) {
    response.status = 503;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "no memory for it\n";
  } catch (const std::exception& problem) {
    log::error("admin page {}: {}", page.path, problem.what());
    response = {500, "the page failed; the program log says why\n", "text/plain; charset=utf-8"};
  }
  if (response.content_type.empty()) response.content_type = page.content_type;
  return response;
}

}  // namespace

std::unique_ptr<AdminServer> AdminServer::start(const std::string& address, std::vector<AdminPage> pages,
                                                AdminAccessSettings access, Limits limits) {
  return std::make_unique<Server>(address, std::move(pages), std::move(access), limits);
}

std::unique_ptr<AdminServer> AdminServer::start(const std::string& address, std::vector<AdminPage> pages,
                                                AdminAccessSettings access) {
  return start(address, std::move(pages), std::move(access), Limits{});
}

}  // namespace sluice::ops
