// A client of gRPC over HTTP/2 and TLS, over nghttp2: calls with one message of 64 bytes each.
// Usage: calls HOST PORT METHOD MESSAGES RATE SECONDS CONNECTIONS STREAMS   → one line of JSON
// Each of CONNECTIONS has at most STREAMS calls under way. A call is good when MESSAGES messages have come back, whole,
// and grpc-status is 0. RATE 0 is a closed loop (loadgen.h).
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loadgen.h"

namespace {

constexpr std::size_t kMessage = 69;  // 64 bytes and the prefix of gRPC

struct Call {
  loadgen::Moment due;
  std::size_t received = 0, sent = 0;
  bool ok = false, found = false;  // grpc-status 0; :status 200
};

struct Connection {
  int fd = -1;
  SSL* ssl = nullptr;
  nghttp2_session* session = nullptr;
  std::string out;
  std::unordered_map<std::int32_t, Call> calls;
};

SSL_CTX* tls;
nghttp2_session_callbacks* callbacks;
int poller;
std::size_t wanted;
std::string host, method, message;
loadgen::Pace* pace;

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t length,
              const std::uint8_t* value, std::size_t size, std::uint8_t, void* user) {
  const std::string_view n(reinterpret_cast<const char*>(name), length), v(reinterpret_cast<const char*>(value), size);
  Call& call = static_cast<Connection*>(user)->calls[frame->hd.stream_id];
  if (n == "grpc-status") call.ok = v == "0";
  if (n == ":status") call.found = v == "200";
  return 0;
}

int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t*, std::size_t size, void* user) {
  static_cast<Connection*>(user)->calls[id].received += size;
  return 0;
}

int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
  auto& calls = static_cast<Connection*>(user)->calls;
  const Call& call = calls[id];
  pace->answered(call.due, error == 0 && call.ok && call.found && call.received == wanted);
  calls.erase(id);
  return 0;
}

ssize_t read_message(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                     nghttp2_data_source* source, void*) {
  Call& call = *static_cast<Call*>(source->ptr);
  const std::size_t n = std::min(room, message.size() - call.sent);
  std::memcpy(to, message.data() + call.sent, n);
  call.sent += n;
  if (call.sent == message.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(n);
}

bool open(Connection& c, int port) {
  c.fd = loadgen::dial(port);
  if (c.fd < 0) return false;
  c.ssl = SSL_new(tls);
  SSL_set_fd(c.ssl, c.fd);
  SSL_set_tlsext_host_name(c.ssl, host.c_str());
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  const bool shaken = SSL_connect(c.ssl) == 1;
  if (shaken) SSL_get0_alpn_selected(c.ssl, &protocol, &length);
  if (length != 2) {
    SSL_free(c.ssl);
    close(c.fd);
    c.fd = -1;
    return false;
  }
  fcntl(c.fd, F_SETFL, O_NONBLOCK);
  nghttp2_session_client_new(&c.session, callbacks, &c);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(c.session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(c.session, NGHTTP2_FLAG_NONE, 0, 16 << 20);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.ptr = &c;
  epoll_ctl(poller, EPOLL_CTL_ADD, c.fd, &e);
  return true;
}

void end(Connection& c) {
  for (std::size_t i = 0; i < c.calls.size(); ++i) pace->lost();
  c.calls.clear();
  nghttp2_session_del(c.session);
  SSL_free(c.ssl);
  close(c.fd);
  c.out.clear();
  c.fd = -1;
}

void call(Connection& c, loadgen::Moment due) {
  const nghttp2_nv head[] = {field(":method", "POST"),      field(":scheme", "https"),
                             field(":path", method),        field(":authority", host),
                             field("te", "trailers"),       field("content-type", "application/grpc"),
                             field("user-agent", "calls/1")};
  // The call is known by its stream, whose number nghttp2 gives with the request.
  const std::int32_t id = static_cast<std::int32_t>(nghttp2_session_get_next_stream_id(c.session));
  Call& made = c.calls[id];
  made.due = due;
  nghttp2_data_provider body{};
  body.source.ptr = &made;
  body.read_callback = read_message;
  if (nghttp2_submit_request(c.session, nullptr, head, 7, &body, nullptr) != id) {
    c.calls.erase(id);
    pace->lost();
  }
}

bool flush(Connection& c) {
  for (;;) {
    while (c.out.size() < 16384) {
      const std::uint8_t* bytes = nullptr;
      const ssize_t n = nghttp2_session_mem_send(c.session, &bytes);
      if (n < 0) return false;
      if (n == 0) break;
      c.out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
    }
    if (c.out.empty()) return true;
    const int n = SSL_write(c.ssl, c.out.data(), static_cast<int>(c.out.size()));
    if (n <= 0) return SSL_get_error(c.ssl, n) == SSL_ERROR_WANT_WRITE;  // again with the next turn of the loop
    c.out.erase(0, static_cast<std::size_t>(n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::fprintf(stderr, "usage: calls HOST PORT METHOD MESSAGES RATE SECONDS CONNECTIONS STREAMS\n");
    return 2;
  }
  host = argv[1];
  method = argv[3];
  wanted = kMessage * static_cast<std::size_t>(std::atoi(argv[4]));
  message = std::string{'\0', '\0', '\0', '\0', '\x40'} + std::string(64, 'm');
  const int port = std::atoi(argv[2]);
  const auto connections = static_cast<std::size_t>(std::atoi(argv[7]));
  const auto streams = static_cast<std::size_t>(std::atoi(argv[8]));
  tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_protos(tls, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  poller = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  for (Connection& c : all)
    if (!open(c, port)) {
      std::fprintf(stderr, "calls: no HTTP/2 over TLS at port %d\n", port);
      return 1;
    }
  loadgen::Pace own(std::atof(argv[5]), std::atof(argv[6]));
  pace = &own;
  std::vector<epoll_event> events(256);
  std::vector<std::uint8_t> buffer(65536);
  std::size_t turn = 0;
  while (!pace->over()) {
    for (std::size_t tried = 0; tried < connections;) {
      Connection& c = all[turn];
      if (c.fd < 0 || c.calls.size() >= streams || !nghttp2_session_check_request_allowed(c.session)) {
        turn = (turn + 1) % connections;
        ++tried;
        continue;
      }
      const auto due = pace->take();
      if (!due) break;
      call(c, *due);
      turn = (turn + 1) % connections;
      tried = 0;
    }
    for (Connection& c : all) {
      const bool done = c.fd < 0 || (c.calls.empty() && !nghttp2_session_check_request_allowed(c.session));
      if (c.fd >= 0 && (done || !flush(c))) end(c);
      if (c.fd < 0) {
        pace->reconnected();
        if (open(c, port) && !flush(c)) end(c);
      }
    }
    const timespec wait = pace->patience();
    const int n = epoll_pwait2(poller, events.data(), static_cast<int>(events.size()), &wait, nullptr);
    for (int k = 0; k < n; ++k) {
      Connection& c = *static_cast<Connection*>(events[static_cast<std::size_t>(k)].data.ptr);
      if (c.fd < 0) continue;
      do {
        const int got = SSL_read(c.ssl, buffer.data(), static_cast<int>(buffer.size()));
        if (got <= 0 && SSL_get_error(c.ssl, got) == SSL_ERROR_WANT_READ) break;
        if (got <= 0 || nghttp2_session_mem_recv(c.session, buffer.data(), static_cast<std::size_t>(got)) < 0) {
          end(c);
          break;
        }
      } while (SSL_pending(c.ssl) > 0);
    }
  }
  return pace->report();
}
