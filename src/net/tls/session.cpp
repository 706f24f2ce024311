#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <thread>
#include <utility>

#include "net/tls/contexts.h"
#include "net/tls/scratch.h"

namespace sluice::net::tls {
namespace {

constexpr std::size_t small_record = 4 * 1024;
constexpr std::uint32_t small_records_for = 128 * 1024;  // bytes after a start or a pause
constexpr std::uint32_t pause_ms = 1000;
constexpr std::size_t max_unasked = 64 * 1024;  // of answers to a peer that sends key updates and reads nothing

std::uint32_t coarse_ms() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<std::uint32_t>(t.tv_sec * 1000 + t.tv_nsec / 1'000'000);
}

bool would_block(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK;
}

// OpenSSL is given whole records only once the handshake is over: half a record would make it keep a buffer of 16 KiB.
// What cannot be a record is passed on, for OpenSSL to refuse.
bool whole_record(const char* p, std::size_t size) noexcept {
  if (size < 5) return false;
  const auto* b = reinterpret_cast<const unsigned char*>(p);
  const std::size_t length = static_cast<std::size_t>(b[3] << 8 | b[4]);
  return b[0] < 20 || b[0] > 24 || 5 + length > max_record || size >= 5 + length;
}

// SSL_get_error() goes by what is in the thread's queue of errors. It is empty but after a failure, and to see that
// costs a fiftieth of clearing it.
void empty_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

class OpenSslSession final : public Session {
 public:
  OpenSslSession(std::shared_ptr<const void> context, SSL_CTX* ctx, int fd, bool server)
      : context_(std::move(context)), fd_(fd), ssl_(SSL_new(ctx)) {
    BIO* bio = ssl_ ? BIO_new(bio_method()) : nullptr;
    if (!bio) {
      ssl_.reset();
      return;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_ex_data(ssl_.get(), 0, &peer_);
    server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }

  ~OpenSslSession() override {
    // A connection that merely ended is no reason to forget a session that others resume.
    if (ssl_ && established_ && !failed_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ssl_.reset();
    empty_errors();
  }

  bool usable() const noexcept { return ssl_ != nullptr; }
  SSL* ssl() noexcept { return ssl_.get(); }
  Peer& peer() noexcept { return peer_; }
  void refuse(const char* why) { fail(why); }

  Io handshake() override;
  IoResult read(char* out, std::size_t size) override;
  IoResult write(const iovec* parts, int count) override;
  Io flush() override;
  void shutdown() override;
  void last_write() noexcept override { bye_next_ = true; }

  std::size_t unsent() const noexcept override { return unsent_.size(); }
  std::size_t held() const noexcept override { return received_.capacity() + unsent_.capacity(); }
  bool pending_write() const noexcept override { return !unsent_.empty() && !held_; }
  bool pending_read() const noexcept override {
    return SSL_pending(ssl_.get()) > 0 || closed_ || failed_ || whole_record(received_.data(), received_.size());
  }
  bool drained() const noexcept override { return drained_; }
  bool clean_end() const noexcept override { return clean_end_; }
  bool resumed() const noexcept override { return SSL_session_reused(ssl_.get()) == 1; }
  std::string_view alpn() const noexcept override {
    const unsigned char* p = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &p, &size);
    return {reinterpret_cast<const char*>(p), size};
  }
  std::string_view server_name() const noexcept override { return peer_.server_name; }
  std::string_view version() const noexcept override { return SSL_get_version(ssl_.get()); }
  std::string_view cipher() const noexcept override {
    const char* name = SSL_get_cipher_name(ssl_.get());
    return name ? name : "";
  }
  bool default_certificate() const noexcept override { return peer_.default_certificate; }
  std::shared_ptr<const ClientCertificate> client_certificate() const override {
    if (!established_ || !SSL_is_server(ssl_.get())) return nullptr;
    const auto* context = static_cast<const ServerContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl_.get()), 0));
    if (!context->clients()) return nullptr;
    return client_certificate_of(ssl_.get(), *context->clients(), peer_.client_error);
  }
  char text_of_peer() const noexcept override {
    const bool text = (began_with_ >= ' ' && began_with_ <= '~') || began_with_ == '\r' || began_with_ == '\n';
    return text && !established_ ? static_cast<char>(began_with_) : '\0';
  }
  std::string error() const override { return error_; }

 private:
  static const BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got);
  static int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* taken);
  static long bio_control(BIO* bio, int command, long, void*);

  enum class Received : std::uint8_t { some, none, end, broken };
  void enter() noexcept;
  void leave();
  Received receive(std::size_t limit);
  bool send_out(bool asked);
  std::size_t decrypt(char* out, std::size_t size);
  bool encrypt(const iovec* parts, int count, std::size_t total);
  bool put_record(const char* data, std::size_t size);
  void fail(std::string why) {
    failed_ = true;
    if (error_.empty()) error_ = std::move(why);
  }
  std::string handshake_error();
  void add_bye() {
    said_bye_ = true;
    SSL_shutdown(ssl_.get());
    empty_errors();
  }
  void take_held() {
    if (!std::exchange(held_, false)) return;
    auto& out = scratch().out;
    out.insert(out.begin(), unsent_.data(), unsent_.data() + unsent_.size());
    unsent_.clear();
  }

  std::shared_ptr<const void> context_;  // callbacks of the SSL_CTX point into it
  int fd_;
  bool established_ = false, failed_ = false, closed_ = false, clean_end_ = false, drained_ = false, said_bye_ = false;
  bool bye_next_ = false;
  bool held_ = false;  // `unsent_` waits for the next write, not for the socket
  bool in_is_scratch_ = false;
  std::int16_t began_with_ = -1;  // the first byte that was received
  Owned<SSL> ssl_;
  Peer peer_;
  // Ciphertext of the current call: a view of `received_` or of the thread's scratch.
  const char* in_ = nullptr;
  std::size_t in_size_ = 0;
  Tail received_, unsent_;
  std::size_t unasked_ = 0;
  std::uint32_t burst_ = 0, last_write_ms_ = 0;
  std::string error_;
};

const BIO_METHOD* OpenSslSession::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_control);
    return m;
  }();
  return method;
}

int OpenSslSession::bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got) {
  auto* self = static_cast<OpenSslSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *got = std::min(size, self->in_size_);
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(out, self->in_, *got);
  self->in_ += *got;
  self->in_size_ -= *got;
  return 1;
}

int OpenSslSession::bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* taken) {
  BIO_clear_retry_flags(bio);
  try {
    auto& out = scratch().out;
    out.insert(out.end(), data, data + size);
  } catch (...) {  // no memory; an exception must not pass through C
    *taken = 0;
    return 0;
  }
  *taken = size;
  return 1;
}

long OpenSslSession::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void OpenSslSession::enter() noexcept {
  empty_errors();
  in_ = received_.data();
  in_size_ = received_.size();
  in_is_scratch_ = false;
}

// Ends a call: what the peer sent too early moves to this session, and the scratch is free for the next one.
void OpenSslSession::leave() {
  if (!in_is_scratch_) {
    received_.consume(received_.size() - in_size_);
  } else if (in_size_ > 0) {
    received_.append(in_, in_size_);
  }
  in_ = nullptr;
  in_size_ = 0;
  scratch().leave();
}

// One receive behind the ciphertext that is there already.
OpenSslSession::Received OpenSslSession::receive(std::size_t limit) {
  Scratch& s = scratch();
  if (in_size_ > 0) std::memmove(s.in.get(), in_, in_size_);
  if (!in_is_scratch_) received_.clear();
  in_is_scratch_ = true;
  in_ = s.in.get();
  limit = std::min(limit, Scratch::in_size - in_size_);
  ssize_t n;
  do {
    n = recv(fd_, s.in.get() + in_size_, limit, 0);
  } while (n < 0 && errno == EINTR);
  s.in_used = std::max(s.in_used, in_size_ + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (n > 0) {
    in_size_ += static_cast<std::size_t>(n);
    drained_ = static_cast<std::size_t>(n) < limit;
    return Received::some;
  }
  if (n == 0) return Received::end;
  if (would_block(errno)) {
    drained_ = true;
    return Received::none;
  }
  fail(std::string("receive: ") + std::strerror(errno));
  return Received::broken;
}

// Sends what OpenSSL wrote during this call, after what still waits from earlier ones; keeps what does not fit.
// `asked`: it is the caller's data, bounded by him.
bool OpenSslSession::send_out(bool asked) {
  auto& out = scratch().out;
  if (out.empty()) return true;
  std::size_t sent = 0;
  if (unsent_.empty()) {
    unasked_ = 0;
    while (sent < out.size()) {
      const ssize_t n = send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (n >= 0) {
        sent += static_cast<std::size_t>(n);
        continue;
      }
      if (errno == EINTR) continue;
      if (would_block(errno)) break;
      fail(std::string("send: ") + std::strerror(errno));
      return false;
    }
  }
  if (sent == out.size()) return true;
  if (!asked && (unasked_ += out.size() - sent) > max_unasked) {
    fail("the peer asks for answers and does not read them");
    return false;
  }
  unsent_.append(out.data() + sent, out.size() - sent);
  return true;
}

Io OpenSslSession::flush() {
  held_ = false;
  while (!unsent_.empty()) {
    const ssize_t n = send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      unsent_.consume(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) return Io::again_write;
    fail(std::string("send: ") + std::strerror(errno));
    return Io::failed;
  }
  return Io::done;
}

std::string OpenSslSession::handshake_error() {
  const long verdict = SSL_get_verify_result(ssl_.get());
  const bool verified = !SSL_is_server(ssl_.get()) && (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER);
  std::string why = "handshake: " + take_openssl_error();
  if (verified && verdict != X509_V_OK) why.append(": ").append(X509_verify_cert_error_string(verdict));
  return why;
}

Io OpenSslSession::handshake() {
  drained_ = false;
  if (failed_) return Io::failed;
  if (const Io io = flush(); io != Io::done) return io;
  if (established_) return Io::done;
  enter();
  Io result = Io::failed;
  for (;;) {
    const int r = SSL_do_handshake(ssl_.get());
    const int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), r);
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) fail(handshake_error());
    // Behind the client's Finished a server of TLS 1.3 sends nothing but tickets.
    const bool tickets =
        error == SSL_ERROR_NONE && SSL_is_server(ssl_.get()) && SSL_version(ssl_.get()) == TLS1_3_VERSION;
    if (tickets && in_size_ > 0 && !scratch().out.empty()) {
      unsent_.append(scratch().out.data(), scratch().out.size());
      scratch().out.clear();
      held_ = established_ = true;
      result = Io::done;
      break;
    }
    send_out(true);
    scratch().out.clear();
    if (failed_) break;
    established_ = error == SSL_ERROR_NONE;
    // The peer waits for this flight: nothing comes before it has left.
    if (!unsent_.empty()) {
      result = Io::again_write;
      break;
    }
    if (established_) {
      result = Io::done;
      break;
    }
    const Received got = drained_ ? Received::none : receive(max_record);
    if (got == Received::some) {
      if (began_with_ < 0) began_with_ = static_cast<unsigned char>(*in_);
      continue;
    }
    if (got == Received::none) result = Io::again_read;
    if (got == Received::end) {
      fail("handshake: the peer closed the connection");
      closed_ = true;
      result = Io::closed;
    }
    break;
  }
  leave();
  return result;
}

std::size_t OpenSslSession::decrypt(char* out, std::size_t size) {
  std::size_t total = 0;
  while (total < size && !closed_ && !failed_) {
    if (SSL_pending(ssl_.get()) == 0 && !whole_record(in_, in_size_)) break;
    std::size_t n = 0;
    const int r = SSL_read_ex(ssl_.get(), out + total, size - total, &n);
    if (r == 1) {
      total += n;
      continue;
    }
    switch (SSL_get_error(ssl_.get(), r)) {
      case SSL_ERROR_WANT_READ:  // a record without data: a ticket, a key update
        break;
      case SSL_ERROR_ZERO_RETURN:
        closed_ = clean_end_ = true;
        break;
      default:
        fail("read: " + take_openssl_error());
    }
  }
  return total;
}

IoResult OpenSslSession::read(char* out, std::size_t size) {
  drained_ = false;
  if (failed_) return {Io::failed, 0};
  if (closed_) return {Io::closed, 0};
  if (!established_) {
    fail("read before the handshake is over");
    return {Io::failed, 0};
  }
  if (pending_write() && flush() == Io::failed) return {Io::failed, 0};
  enter();
  // Room for what fills `out`, the overhead of its records included, and for one record at the least.
  const std::size_t limit = std::max(size + size / 32 + 512, max_record);
  std::size_t total = 0;
  Io result = Io::again_read;
  for (;;) {
    total = decrypt(out, size);
    if (total > 0 || closed_ || failed_ || drained_) break;
    const Received got = receive(limit);
    if (got == Received::some) continue;
    if (got == Received::end) closed_ = true;
    break;
  }
  send_out(false);
  leave();
  // Data goes out first; the end or the error that came behind it is told by the next call.
  if (total > 0) return {Io::done, total};
  if (failed_) result = Io::failed;
  if (closed_) result = Io::closed;
  if (held_ && result == Io::again_read && flush() == Io::failed) result = Io::failed;
  return {result, 0};
}

bool OpenSslSession::put_record(const char* data, std::size_t size) {
  std::size_t n = 0;
  if (SSL_write_ex(ssl_.get(), data, size, &n) == 1 && n == size) return true;
  fail("write: " + take_openssl_error());
  return false;
}

// Records: one for all that fits in one (a head with its body). More than that starts with small records, which the
// peer can use before the whole congestion window has arrived, and goes on with full ones.
bool OpenSslSession::encrypt(const iovec* parts, int count, std::size_t total) {
  Scratch& s = scratch();
  const std::uint32_t now = coarse_ms();
  if (now - last_write_ms_ >= pause_ms) burst_ = 0;
  last_write_ms_ = now;
  int at = 0;
  std::size_t skip = 0;
  while (total > 0) {
    const std::size_t most = total <= max_plain_record || burst_ >= small_records_for ? max_plain_record : small_record;
    std::size_t size = 0;
    while (skip == parts[at].iov_len) ++at, skip = 0;
    const char* base = static_cast<const char*>(parts[at].iov_base) + skip;
    const std::size_t here = parts[at].iov_len - skip;
    if (here >= most || here == total) {  // no copy; OpenSSL cuts full records itself
      size = most == max_plain_record && here < total ? here / most * most : std::min(here, most);
      if (most == max_plain_record && here == total) size = here;
      if (!put_record(base, size)) return false;
      skip += size;
    } else {
      while (size < most && at < count) {
        const std::size_t n = std::min(most - size, parts[at].iov_len - skip);
        if (n > 0) std::memcpy(s.plain.get() + size, static_cast<const char*>(parts[at].iov_base) + skip, n);
        size += n;
        skip += n;
        if (skip == parts[at].iov_len) ++at, skip = 0;
      }
      if (!put_record(s.plain.get(), size)) return false;
    }
    total -= size;
    burst_ = static_cast<std::uint32_t>(std::min<std::size_t>(burst_ + size, small_records_for));
  }
  return true;
}

IoResult OpenSslSession::write(const iovec* parts, int count) {
  if (failed_) return {Io::failed, 0};
  if (!established_ || said_bye_) {
    fail(established_ ? "write after close_notify" : "write before the handshake is over");
    return {Io::failed, 0};
  }
  if (!held_)
    if (const Io io = flush(); io != Io::done) return {io, 0};
  std::size_t total = 0;
  for (int i = 0; i < count; ++i) total += parts[i].iov_len;
  if (total == 0) return {Io::done, 0};
  empty_errors();
  take_held();
  bool sent = encrypt(parts, count, total);
  if (sent && bye_next_) add_bye();
  sent = sent && send_out(true);
  scratch().leave();
  return sent ? IoResult{Io::done, total} : IoResult{Io::failed, 0};
}

void OpenSslSession::shutdown() {
  if (!established_ || failed_ || said_bye_) return;
  if (!held_ && flush() != Io::done) return;
  empty_errors();
  take_held();
  add_bye();
  send_out(true);
  scratch().leave();
}

}  // namespace

std::unique_ptr<Session> Session::server(const std::shared_ptr<ServerContext>& context, int fd) {
  auto session = std::make_unique<OpenSslSession>(context, context->get(), fd, true);
  if (!session->usable()) return nullptr;
  return session;
}

std::unique_ptr<Session> Session::client(const std::shared_ptr<ClientContext>& context, int fd,
                                         const std::string& server_name, bool send_sni, std::string_view alpn) {
  auto session = std::make_unique<OpenSslSession>(context, context->get(), fd, false);
  if (!session->usable()) return nullptr;
  SSL* ssl = session->ssl();
  std::string name = server_name;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  if (name.ends_with('.')) name.pop_back();
  const bool address = is_ip_literal(name);
  session->peer().server_name = name;
  if (send_sni && !address && !name.empty() && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    session->refuse("the server name cannot be sent as SNI");
  if (!alpn.empty()) {
    std::string wire(1, static_cast<char>(alpn.size()));
    wire += alpn;
    if (SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size())) != 0)
      session->refuse("the protocol cannot be offered by ALPN");
  }
  if (context->verifies()) {
    X509_VERIFY_PARAM* check = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool set = !name.empty() && (address ? X509_VERIFY_PARAM_set1_ip_asc(check, name.c_str())
                                               : X509_VERIFY_PARAM_set1_host(check, name.c_str(), 0)) == 1;
    if (!set) session->refuse("no name to verify the certificate against");
  }
  // Sessions are kept for each thread, name and address: pods of one service seldom share ticket keys.
  sockaddr_storage address_of_peer{};
  socklen_t size = sizeof address_of_peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address_of_peer), &size) == 0) {
    const auto thread = std::this_thread::get_id();
    auto& key = session->peer().session_key;
    key.append(reinterpret_cast<const char*>(&thread), sizeof thread);
    key.append(reinterpret_cast<const char*>(&address_of_peer), std::min<std::size_t>(size, sizeof address_of_peer));
    key.append(send_sni ? "+" : "-").append(name);
    context->offer(ssl, key);
  }
  return session;
}

}  // namespace sluice::net::tls
