// A pod of gRPC over HTTP/2 without TLS, over nghttp2: one thread. Usage: grpcpod PORT
//   /bench.Echo/Unary    sends the request's message back
//   /bench.Echo/Stream   sends it back a thousand times, each in a frame of its own
// Any other path is UNIMPLEMENTED (12). The message is what the request's body holds, prefix included.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Call {
  std::string path, message;
  int left = 0;          // messages that are still to send
  std::size_t sent = 0;  // of the one under way
};

struct Connection {
  int fd = -1;
  nghttp2_session* session = nullptr;
  std::string out;
  std::unordered_map<std::int32_t, Call> calls;
};

int poller;

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

ssize_t read_message(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t room,
                     std::uint32_t* flags, nghttp2_data_source* source, void*) {
  Call& call = *static_cast<Call*>(source->ptr);
  std::size_t n = 0;
  if (call.left > 0) {
    n = std::min(room, call.message.size() - call.sent);
    std::memcpy(to, call.message.data() + call.sent, n);
    call.sent += n;
    if (call.sent == call.message.size()) call.sent = 0, --call.left;
  }
  if (call.left == 0) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailer = field("grpc-status", "0");
    nghttp2_submit_trailer(session, id, &trailer, 1);
  }
  return static_cast<ssize_t>(n);
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t length,
              const std::uint8_t* value, std::size_t size, std::uint8_t, void* user) {
  if (std::string_view(reinterpret_cast<const char*>(name), length) == ":path")
    static_cast<Connection*>(user)->calls[frame->hd.stream_id].path.assign(reinterpret_cast<const char*>(value), size);
  return 0;
}

int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user) {
  static_cast<Connection*>(user)->calls[id].message.append(reinterpret_cast<const char*>(data), size);
  return 0;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
      !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
    return 0;
  const std::int32_t id = frame->hd.stream_id;
  Call& call = static_cast<Connection*>(user)->calls[id];
  const nghttp2_nv head[] = {field(":status", "200"), field("content-type", "application/grpc"),
                             field("grpc-status", "12")};
  call.left = call.path == "/bench.Echo/Unary" ? 1 : call.path == "/bench.Echo/Stream" ? 1000 : 0;
  if (call.left == 0 || call.message.empty()) {
    nghttp2_submit_response(session, id, head, 3, nullptr);
    return 0;
  }
  nghttp2_data_provider body{};
  body.source.ptr = &call;
  body.read_callback = read_message;
  nghttp2_submit_response(session, id, head, 2, &body);
  return 0;
}

int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
  static_cast<Connection*>(user)->calls.erase(id);
  return 0;
}

// Sends what there is; false when the connection has ended.
bool flush(Connection& c) {
  for (;;) {
    while (c.out.size() < 65536) {
      const std::uint8_t* bytes = nullptr;
      const ssize_t n = nghttp2_session_mem_send(c.session, &bytes);
      if (n < 0) return false;
      if (n == 0) break;
      c.out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
    }
    if (c.out.empty()) break;
    const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return false;
    if (n > 0) c.out.erase(0, static_cast<std::size_t>(n));
    if (!c.out.empty()) break;
  }
  epoll_event e{};
  e.events = EPOLLIN | (c.out.empty() ? 0u : EPOLLOUT);
  e.data.ptr = &c;
  epoll_ctl(poller, EPOLL_CTL_MOD, c.fd, &e);
  return nghttp2_session_want_read(c.session) || nghttp2_session_want_write(c.session);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: grpcpod PORT\n");
    return 2;
  }
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  a.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
    perror("bind");
    return 1;
  }
  listen(listener, 4096);
  poller = epoll_create1(0);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.ptr = nullptr;
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  std::vector<epoll_event> events(256);
  std::vector<std::uint8_t> buffer(65536);
  for (;;) {
    const int n = epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      auto* c = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (c == nullptr) {
        for (int s; (s = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          auto* made = new Connection{};
          made->fd = s;
          nghttp2_session_server_new(&made->session, callbacks, made);
          const nghttp2_settings_entry many{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000};
          nghttp2_submit_settings(made->session, NGHTTP2_FLAG_NONE, &many, 1);
          e.events = EPOLLIN;
          e.data.ptr = made;
          epoll_ctl(poller, EPOLL_CTL_ADD, s, &e);
          flush(*made);
        }
        continue;
      }
      const ssize_t got = recv(c->fd, buffer.data(), buffer.size(), 0);
      bool alive = got > 0 || (got < 0 && errno == EAGAIN);
      if (got > 0) alive = nghttp2_session_mem_recv(c->session, buffer.data(), static_cast<std::size_t>(got)) >= 0;
      if (!alive || !flush(*c)) {
        nghttp2_session_del(c->session);
        close(c->fd);
        delete c;
      }
    }
  }
}
