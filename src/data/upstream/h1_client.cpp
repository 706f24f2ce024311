#include "data/upstream/h1_client.h"

#include <charconv>
#include <cstring>

#include "data/runtime/worker_context.h"
#include "data/upstream/request_fields.h"
#include "net/h1/append.h"

namespace sluice::data {

using std::string_view_literals::operator""sv;

using net::http::Framing;
using net::tls::Io;

namespace {

// A pod counts from the end of its response, we from its arrival, and a request needs its time to get there: what would
// come in its last second, or half where that is shorter, is sent on another connection.
Duration idle_most(std::uint32_t seconds) noexcept {
  const Duration announced = std::chrono::seconds(seconds);
  return announced - std::min<Duration>(std::chrono::seconds(1), announced / 2);
}

}  // namespace

void H1Client::begin(Exchange& ex) {
  begin_attempt(ex);
  request_chunked_ = response_keep_alive_ = false;
}

net::Task<Status> H1Client::send_head(Exchange& ex, std::string_view body, bool whole) {
  auto& out = worker_.out;
  out.clear();
  const auto& head = ex.head();
  out.append(head.method_text);
  out += ' ';
  out.append(ex.target);
  out.append(ex.settings->http_1_0 ? " HTTP/1.0\r\n"sv : " HTTP/1.1\r\n"sv);
  BodyShape shape = body_shape(ex);
  // Of a body that is still to come trailers are known only where they are announced.
  if (!whole && !ex.on_disk && head.major == 2 && takes_trailers(ex) && head.fields.find(net::http::Name::trailer))
    shape = {Framing::chunked, 0};
  request_chunked_ = shape.framing == Framing::chunked;
  for_each_upstream_field(
      ex, shape, [&](std::string_view name, std::string_view value) { net::h1::append_field(out, name, value); });
  out.append("\r\n"sv);
  const iovec parts[2] = {{out.data(), out.size()}, {const_cast<char*>(body.data()), body.size()}};
  sent_anything_ = true;
  stream_.expect_write_rate(0);
  const bool left = stream_.write_now({parts, body.empty() ? 1U : 2U});
  if (head_is_sent(left, body, whole)) co_return Status{};
  net::Task<Status> finishing = finish_head(ex, whole);
  Status finished = co_await finishing;
  co_return finished;
}

net::Task<Status> H1Client::send_body(Chunk piece) {
  char size_line[24];
  iovec parts[4];
  std::size_t n = 0;
  static constexpr std::string_view kEnd = "\r\n", kLast = "0\r\n", kCrLf = "\r\n";
  const auto add = [&](std::string_view s) {
    if (!s.empty()) parts[n++] = {const_cast<char*>(s.data()), s.size()};
  };
  std::string last;
  if (request_chunked_) {
    if (!piece.data.empty()) {
      auto end = std::to_chars(size_line, size_line + 18, piece.data.size(), 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      add({size_line, static_cast<std::size_t>(end - size_line)});
      add(piece.data);
    }
    if (piece.last) {
      if (!piece.data.empty()) last = kEnd;
      last += kLast;
      last += piece.trailers;
      last += kCrLf;
      add(last);
    } else if (!piece.data.empty()) {
      add(kEnd);
    }
  } else {
    add(piece.data);
  }
  if (piece.last) request_complete_ = true;
  Status s{};
  if (!stream_.write_now({parts, n})) s = co_await stream_.finish_write(ex_->settings->send_timeout);
  if (s) sent_at_ = worker_.loop.now();
  co_return s;
}

net::Task<Status> H1Client::read_head(Exchange& ex) {
  auto& response = ex.memory.response;
  auto& kept = ex.memory.response_head;
  net::h1::HeadLimits limits;
  limits.request_line = limits.field_line = limits.head = static_cast<std::size_t>(ex.settings->response_head_limit);
  limits.fields = net::http::kMaxFields;
  limits.underscores = true;
  limits.ignore_invalid_names = false;
  net::h1::HeadScan scan;
  hold();  // bytes behind an interim response
  kept.clear();
  kept.swap(held_);
  pending_ = {};
  bool fresh = true;  // kept has bytes that were not looked at
  const std::size_t room = std::min(ex.down.room(0), WorkerContext::kScratch);
  const Instant asked_for = worker_.loop.now();
  Instant until = std::min(net::due_in(asked_for, ex.settings->read_timeout), ex.try_due(asked_for));
  for (;;) {
    std::string_view bytes(kept.data(), kept.size());
    if (!fresh || kept.empty()) {
      const auto r = stream_.try_read(worker_.scratch.get(), room);
      if (r.io == Io::again_read) {
        Status ready = co_await stream_.readable(until);
        if (!ready) {
          Error e = ready.error();
          const Instant later = answer_due(ex, asked_for);
          if (e.fault == Fault::timeout && later > until) {
            until = later;
            continue;
          }
          if (e.fault == Fault::timeout) e.retry = Retry::yes;
          co_return std::unexpected(e);
        }
        continue;
      }
      if (r.io != Io::done) co_return std::unexpected(no_response(r.io == Io::closed));
      if (kept.empty()) {
        bytes = {worker_.scratch.get(), r.bytes};
      } else {
        kept.insert(kept.end(), worker_.scratch.get(), worker_.scratch.get() + r.bytes);
        bytes = {kept.data(), kept.size()};
      }
    }
    fresh = false;
    auto length = net::h1::find_head(bytes, scan, limits, false);
    if (!length) {
      worker_.stats.malformed_responses.add();
      Error e = length.error();
      e.whose = Whose::upstream, e.status = 502;
      co_return std::unexpected(e);
    }
    if (*length == 0) {
      if (kept.empty()) kept.assign(bytes.begin(), bytes.end());
      continue;
    }
    auto parsed = net::h1::parse_response(bytes.substr(0, *length), limits, ex.head().method, response);
    if (!parsed) {
      worker_.stats.malformed_responses.add();
      co_return std::unexpected(parsed.error());
    }
    pending_ = bytes.substr(*length);
    if (response.status >= 200 || response.status == 101) {
      head_done_ = true;
      response_keep_alive_ = response.keep_alive;
      if (response.idle_seconds != net::http::ResponseHead::kNotSaid) idle_most_ = idle_most(response.idle_seconds);
      decoder_.start(response.framing, response.content_length);
    }
    co_return Status{};
  }
}

Result<Chunk> H1Client::decode(char* bytes, std::size_t size) {
  auto piece = decoder_.take(bytes, size);
  if (!piece) {
    worker_.stats.malformed_responses.add();
    return std::unexpected(piece.error());
  }
  body_bytes_ += piece->data.size();
  if (piece->consumed < size)
    response_keep_alive_ = false;  // surplus: the connection is not to be trusted with another exchange
  return Chunk{piece->data, piece->done, piece->done ? decoder_.trailers() : std::string_view{}};
}

Result<Chunk> H1Client::take(std::size_t) {
  if (pending_.empty()) return Chunk{{}, decoder_.done(), {}};
  const std::string_view bytes = std::exchange(pending_, {});
  if (decoder_.done()) {
    response_keep_alive_ = false;
    return Chunk{{}, true, {}};
  }
  return decode(const_cast<char*>(bytes.data()), bytes.size());  // in scratch or in held_, both of which are ours
}

net::Task<Result<Chunk>> H1Client::read(std::size_t most) {
  const std::size_t room = std::min(most, WorkerContext::kScratch);
  for (;;) {
    if (stopped_) co_return std::unexpected(upstream_error(Fault::cancelled, "the response is not wanted any more"));
    if (!pending_.empty() || decoder_.done()) {
      auto chunk = take(most);
      if (!chunk || chunk->last || !chunk->data.empty()) co_return chunk;
    }
    const auto r = stream_.try_read(worker_.scratch.get(), room);
    if (r.io == Io::done) {
      auto chunk = decode(worker_.scratch.get(), r.bytes);
      if (!chunk || chunk->last || !chunk->data.empty()) co_return chunk;
      continue;
    }
    if (r.io == Io::again_read) {
      Status ready = co_await stream_.readable(net::due_in(worker_.loop.now(), ex_->settings->read_timeout));
      if (!ready) co_return std::unexpected(ready.error());
      continue;
    }
    if (r.io == Io::closed &&
        (!stream_.tls() || stream_.tls()->clean_end() || decoder_.framing() != Framing::until_close)) {
      Status end = decoder_.end_of_file();
      if (!end) co_return std::unexpected(end.error());
      co_return Chunk{{}, true, {}};
    }
    co_return std::unexpected(upstream_error(Fault::reset, "the pod's connection broke inside a body"));
  }
}

void H1Client::release(bool clean) noexcept {
  std::unique_ptr<H1Client> self(this);
  if (!clean || !reusable()) return;
  kept_ = ex_->keeps != nullptr ? *ex_->keeps : model::KeptConnections{};
  worker_.pool.put(*self.release());
}

bool H1Client::reusable() const noexcept {
  return head_done_ && request_complete_ && decoder_.done() && pending_.empty() && response_keep_alive_ &&
         !stream_.cancelled() && !stopped_ && decoder_.framing() != Framing::until_close && !ex_->tunnel &&
         !ex_->settings->http_1_0 && ex_->settings->connection_field != model::ConnectionField::close &&
         (!const_cast<net::Stream&>(stream_).tls() || !const_cast<net::Stream&>(stream_).tls()->pending_read());
}

}  // namespace sluice::data
