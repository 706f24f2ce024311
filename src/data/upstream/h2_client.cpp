#include "data/upstream/h2_client.h"

#include <algorithm>
#include <string_view>

#include "data/runtime/worker_context.h"
#include "data/upstream/h2_client_stream.h"

namespace sluice::data {

namespace {

// What one connection is believed to carry before the pod has said how much it takes.
constexpr std::size_t kBelieved = 100;
// A connection that was made and that nobody took.
constexpr Duration kUnused = std::chrono::seconds(5);

constexpr Error kSilent{Fault::closed, Whose::upstream, Retry::yes, 0, "the pod does not answer a PING"};

net::h2::Limits limits() noexcept {
  net::h2::Limits l;
  // Each stream counts its own head against proxy-buffer-size; this is the bound of what is decoded at all.
  l.header_list = 256 * 1024;
  return l;
}

}  // namespace

H2Client::H2Client(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how)
    : PooledConnection(worker, std::move(endpoint), fd, how, true),
      session_(net::h2::Side::client, limits(), *this),
      transport_(stream_, session_, worker.options().proxy_send_timeout),
      all_left_(worker.loop) {
  worker_.entered();
  endpoint_->h2.push_back(this);
}

H2Client::~H2Client() {
  unlist();
  worker_.left();
}

void H2Client::unlist() noexcept {
  std::erase(endpoint_->h2, this);
}

H2Client* H2Client::with_room(EndpointRuntime& endpoint, const Dial& how) noexcept {
  for (H2Client* c : endpoint.h2)
    if (c->suits(how) && c->takes_streams()) return c;
  return nullptr;
}

bool H2Client::enough_under_way(const EndpointRuntime& endpoint, const Dial& how) noexcept {
  std::size_t coming = 0;
  for (const H2Client* c : endpoint.h2)
    if (c->suits(how) && !c->ready_) coming += kBelieved;
  return coming > endpoint.waiting.size();
}

bool H2Client::takes_streams() const noexcept {
  return ready_ && !wearing_ && !over_ && session_.can_open() && worker_.pool.carries_more(*this);
}

Status H2Client::start(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, Dial how,
                       Instant until) {
  auto* connection = new H2Client(worker, std::move(endpoint), fd, how);
  if (!connection->stream_.registered()) {
    delete connection;
    return std::unexpected(kUnwatched);
  }
  net::spawn(connection->run(std::move(how), until));
  return {};
}

Upstream& H2Client::stream() {
  return *new H2ClientStream(*this);
}

net::Task<void> H2Client::run(Dial how, Instant until) {
  std::unique_ptr<H2Client> self(this);
  std::string note;
  Status ended{};
  {
    const Connecting known(*endpoint_, stream_);
    net::Task<Status> dialling = dial(worker_, stream_, std::move(how), until, note);
    ended = co_await dialling;
  }
  if (ended && stream_.tls() && !stream_.tls()->alpn().empty() && stream_.tls()->alpn() != "h2") {
    worker_.stats.upstream_connect_failures.add();
    ended = std::unexpected(
        Error{Fault::unsupported, Whose::upstream, Retry::yes, 502, "the pod does not choose h2 by ALPN"});
  }
  if (!ended) {
    fail_waiting(ended.error(), note);
  } else {
    ready_ = true;
    wake_waiting();
    ended = co_await serve_frames();
  }
  over_ = true;
  unlist();
  if (std::exchange(idle_, false)) worker_.pool.take_out(*this);
  if (ready_ && exchanges_ == 0 && (ended || ended.error().fault != Fault::timeout)) ++endpoint_->ended_unused;
  if (!ended) {
    if (ended.error().fault == Fault::malformed) worker_.stats.malformed_responses.add();
    for (H2ClientStream* s = streams_; s; s = s->next()) s->connection_over(ended.error());
  }
  if (ready_ && !stream_.cancelled()) transport_.write_now();  // a GOAWAY that says why
  stream_.cancel(Error{Fault::closed, Whose::upstream, Retry::no, 0, "the connection is over"});
  while (running_ > 0) co_await all_left_.wait(Instant::max());
  co_await transport_.finished();
}

net::Task<Status> H2Client::serve_frames() {
  transport_.output_waits();
  const Instant unused_until = worker_.loop.now() + kUnused;
  for (;;) {
    const bool first = stream_.bytes_read() == 0;
    Status taken = transport_.read(worker_.scratch.get(), WorkerContext::kScratch);
    // What answers the preface in another protocol is a server of that: nothing of it is a frame.
    if (first && std::string_view(worker_.scratch.get(), stream_.bytes_read()).starts_with("HTTP/1."))
      co_return std::unexpected(stream_.error(Fault::closed, "the pod speaks HTTP/1.1, not HTTP/2"));
    if (!taken) co_return taken;
    if (running_ == 0 && (session_.goaway_received() || wearing_)) co_return Status{};
    if (session_.over())
      co_return std::unexpected(stream_.error(
          Fault::closed, session_.goaway_received() ? "the pod said GOAWAY" : "the pod breaks the rules of HTTP/2"));
    if (takes_streams()) slot_free(*endpoint_);  // the pod may take more streams than before
    if (stream_.maybe_readable()) {
      net::EndOfTurn others(worker_.loop);
      co_await others;
      continue;
    }
    if (!looks_alive()) co_return std::unexpected(kSilent);
    const bool used = running_ > 0 || idle_;
    const Instant until = used ? look_at() : unused_until;
    Status ready = co_await stream_.readable(until);
    if (ready || (used && ready.error().fault == Fault::timeout)) continue;
    const bool unused = ready.error().fault == Fault::timeout && running_ == 0 && !idle_;
    if (unused || ready.error().fault != Fault::timeout) co_return ready;
  }
}

Instant H2Client::look_at() const noexcept {
  const auto& options = worker_.options();
  const Duration interval = options.upstream_http2_ping_interval;
  if (interval.count() == 0 || running_ == 0) return Instant::max();
  return heard_at_ + interval + (ping_waits_ ? Duration(options.upstream_http2_ping_timeout) : Duration(0));
}

// Without streams nothing is asked: gRPC's servers take that for an attack, and so are PINGs soon after each other.
bool H2Client::looks_alive() noexcept {
  const Instant now = worker_.loop.now();
  if (stream_.bytes_read() != heard_ || running_ == 0) {
    heard_ = stream_.bytes_read();
    heard_at_ = now;
    ping_waits_ = false;
    return true;
  }
  if (now < look_at()) return true;
  if (ping_waits_) return false;
  session_.ping();
  transport_.output_waits();
  ping_waits_ = true;
  return true;
}

void H2Client::fail_waiting(const Error& why, const std::string& note) noexcept {
  std::erase_if(endpoint_->waiting, [&](SlotWait* w) {
    if (!w->for_shared || !suits(w->how)) return false;
    w->note = note;
    w->cancel(why);
    return true;
  });
}

// Everybody looks: who finds no room any more waits again.
void H2Client::wake_waiting() noexcept {
  std::erase_if(endpoint_->waiting, [&](SlotWait* w) {
    if (!w->for_shared || !suits(w->how)) return false;
    w->signal.notify();
    return true;
  });
}

void H2Client::entered(H2ClientStream& s) noexcept {
  if (std::exchange(idle_, false)) worker_.pool.take_out(*this);
  s.next_ = streams_;
  if (streams_) streams_->previous_ = &s;
  streams_ = &s;
  ++running_;
  ++exchanges_;
  if (running_ == 1 && worker_.options().upstream_http2_ping_interval.count() != 0) {
    heard_at_ = worker_.loop.now();
    ping_waits_ = false;
    stream_.wake_reader();  // it waits without a deadline
  }
}

// One that we reset is closed when that has left, long after its lessee.
void H2Client::stream_closed() noexcept {
  if (takes_streams()) slot_free(*endpoint_);
}

void H2Client::left(H2ClientStream& s) noexcept {
  (s.previous_ ? s.previous_->next_ : streams_) = s.next_;
  if (s.next_) s.next_->previous_ = s.previous_;
  --running_;
  if (over_) {
    if (running_ == 0) all_left_.notify();
    return;
  }
  if (running_ > 0) return;
  if (wearing_ || session_.goaway_received()) return close_idle();
  idle_ = true;
  worker_.pool.put(*this);
}

void H2Client::close_idle() noexcept {
  idle_ = false;
  wearing_ = true;
  stream_.wake_reader();
}

}  // namespace sluice::data
