#include "data/upstream/fastcgi_client.h"

#include <algorithm>
#include <cstring>

#include "data/runtime/worker_context.h"
#include "data/upstream/fastcgi_params.h"
#include "net/fcgi/head.h"
#include "net/io/signal.h"

namespace sluice::data {

using net::http::Framing;
using net::tls::Io;

namespace {

// The pod did not answer, and says so.
Error why_unserved(const net::fcgi::End& end) noexcept {
  switch (end.protocol) {
    case net::fcgi::End::overloaded:
      return upstream_error(Fault::overload, "FastCGI: the pod says that it is overloaded", Retry::unprocessed);
    case net::fcgi::End::cannot_multiplex:
      return upstream_error(Fault::unsupported, "FastCGI: the pod says that it serves another request",
                            Retry::unprocessed);
    case net::fcgi::End::unknown_role:
      return upstream_error(Fault::unsupported, "FastCGI: the pod says that it is no responder");
    case net::fcgi::End::complete:
      break;
  }
  return {};
}

}  // namespace

void FastcgiClient::begin(Exchange& ex) {
  begin_attempt(ex);
  left_ = err_left_ = 0;
  framing_ = Framing::none;
  keep_ = in_ended_ = surplus_ = false;
  err_.clear();
  reader_.reset();
}

// Writes `before`, then `body` as records of standard input, and their end behind the `last` piece. False: some of it
// waits in the stream.
bool FastcgiClient::write_in(std::string_view before, std::string_view body, bool last) {
  using net::fcgi::kFullContent;
  frames_.clear();
  parts_.clear();
  frames_.reserve(body.size() / kFullContent + 2);
  const auto add = [&](const char* data, std::size_t size) {
    if (size > 0) parts_.push_back({const_cast<char*>(data), size});
  };
  add(before.data(), before.size());
  while (!body.empty()) {
    const auto piece = body.substr(0, kFullContent);
    body.remove_prefix(piece.size());
    const auto& frame = frames_.emplace_back(net::fcgi::header(net::fcgi::Type::in, piece.size()));
    add(frame.data(), frame.size());
    add(piece.data(), piece.size());
  }
  if (last && !std::exchange(in_ended_, true)) {
    const auto& frame = frames_.emplace_back(net::fcgi::header(net::fcgi::Type::in, 0));
    add(frame.data(), frame.size());
  }
  return stream_.write_now(parts_);
}

net::Task<Status> FastcgiClient::send_head(Exchange& ex, std::string_view body, bool whole) {
  const BodyShape shape = body_shape(ex, false);
  if (shape.framing == Framing::chunked)
    co_return std::unexpected(
        Error{Fault::unsupported, Whose::downstream, Retry::no, 411, "a body without a length for a FastCGI pod"});
  keep_ = ex.settings->fastcgi && ex.settings->fastcgi->keep_connections;
  auto& out = worker_.out;
  out.clear();
  net::fcgi::append_begin(out, keep_);
  Status made = append_params(ex, shape, out);
  if (!made) co_return made;
  sent_anything_ = true;
  stream_.expect_write_rate(0);
  const bool left = write_in(out, body, whole);
  if (head_is_sent(left, body, whole)) co_return Status{};
  net::Task<Status> finishing = finish_head(ex, whole);
  Status finished = co_await finishing;
  co_return finished;
}

net::Task<Status> FastcgiClient::send_body(Chunk piece) {
  const bool last = piece.last;
  Status s{};
  if (!write_in({}, piece.data, last)) s = co_await stream_.finish_write(ex_->settings->send_timeout);
  if (last) request_complete_ = true;
  if (s) sent_at_ = worker_.loop.now();
  co_return s;
}

void FastcgiClient::hear(std::string_view err) {
  const auto kept = err.substr(0, PodWords::kMost - std::min(err_.size(), PodWords::kMost));
  err_ += kept;
  err_left_ += err.size() - kept.size();
}

// The bytes of the response among what came, moved together at its beginning.
Result<std::string_view> FastcgiClient::decode(char* bytes, std::size_t size) {
  char* to = bytes;
  for (std::size_t at = 0; at < size && !reader_.ended();) {
    const auto step = reader_.step({bytes + at, size - at});
    if (!step) {
      worker_.stats.malformed_responses.add();
      return std::unexpected(step.error());
    }
    hear(step->err);
    if (!step->out.empty()) {
      std::memmove(to, step->out.data(), step->out.size());
      to += step->out.size();
    }
    at += step->consumed;
    if (reader_.ended() && at < size) surplus_ = true;
  }
  if (reader_.ended() && reader_.end().protocol != net::fcgi::End::complete) {
    const Error why = why_unserved(reader_.end());
    if (why.retry == Retry::unprocessed) sent_anything_ = false;
    return std::unexpected(why);
  }
  return std::string_view(bytes, static_cast<std::size_t>(to - bytes));
}

net::Task<Status> FastcgiClient::read_head(Exchange& ex) {
  auto& response = ex.memory.response;
  auto& kept = ex.memory.response_head;
  const net::fcgi::HeadLimits limits{static_cast<std::size_t>(ex.settings->response_head_limit), net::http::kMaxFields};
  net::fcgi::HeadScan scan;
  kept.clear();
  const std::size_t room = std::min(ex.down.room(0), WorkerContext::kScratch);
  const Instant asked_for = worker_.loop.now();
  Instant until = std::min(net::due_in(asked_for, ex.settings->read_timeout), ex.try_due(asked_for));
  const auto waits_on = [&] {
    const Instant later = answer_due(ex, asked_for);
    return std::exchange(until, std::max(until, later)) < later;
  };
  // Standard error has no end that a limit of the head would set.
  net::ShareOfTurn share(worker_.loop);
  std::size_t came = 0;
  for (;;) {
    if (share.used_up(came)) {
      net::EndOfTurn others(worker_.loop);
      co_await others;
      if (worker_.loop.now() >= until && !waits_on())
        co_return std::unexpected(upstream_error(Fault::timeout, "no head of a response in time", Retry::yes));
    }
    const auto r = stream_.try_read(worker_.scratch.get(), room);
    if (r.io == Io::again_read) {
      came = 0;
      Status ready = co_await stream_.readable(until);
      if (!ready) {
        Error e = ready.error();
        if (e.fault == Fault::timeout && waits_on()) continue;
        if (e.fault == Fault::timeout) e.retry = Retry::yes;
        co_return std::unexpected(e);
      }
      continue;
    }
    if (r.io != Io::done) co_return std::unexpected(no_response(r.io == Io::closed));
    came = r.bytes;
    const Result<std::string_view> got = decode(worker_.scratch.get(), r.bytes);
    if (!got) co_return std::unexpected(got.error());
    std::string_view bytes = *got;
    if (!kept.empty()) {
      kept.insert(kept.end(), bytes.begin(), bytes.end());
      bytes = {kept.data(), kept.size()};
    }
    const Result<std::size_t> length = net::fcgi::find_head(bytes, scan, limits);
    Status parsed{};
    if (!length)
      parsed = std::unexpected(length.error());
    else if (*length > 0)
      parsed = net::fcgi::parse_head(bytes.substr(0, *length), limits, ex.head().method, response);
    else if (reader_.ended())
      parsed =
          std::unexpected(upstream_error(Fault::malformed, "FastCGI: the request ended without a head of a response"));
    if (!parsed) {
      worker_.stats.malformed_responses.add();
      co_return parsed;
    }
    if (*length == 0) {
      if (kept.empty()) kept.assign(bytes.begin(), bytes.end());
      continue;
    }
    pending_ = bytes.substr(*length);
    framing_ = response.framing;
    left_ = response.content_length;
    head_done_ = true;
    co_return Status{};
  }
}

// A piece of the body as the client may have it. The last one is known by the end of the request alone.
Result<Chunk> FastcgiClient::give(std::string_view data) {
  if (framing_ == Framing::none) {
    if (!data.empty()) surplus_ = true;
    return Chunk{{}, true, {}};
  }
  if (framing_ == Framing::length) {
    if (data.size() > left_) {
      surplus_ = true;
      data = data.substr(0, left_);
    }
    left_ -= data.size();
    if (reader_.ended() && left_ > 0)
      return std::unexpected(
          upstream_error(Fault::closed, "FastCGI: the response has fewer bytes than its Content-Length"));
  }
  body_bytes_ += data.size();
  return Chunk{data, reader_.ended(), {}};
}

Result<Chunk> FastcgiClient::take(std::size_t) {
  return give(std::exchange(pending_, {}));
}

net::Task<Result<Chunk>> FastcgiClient::read(std::size_t most) {
  const std::size_t room = std::min(most, WorkerContext::kScratch);
  const Instant until = net::due_in(worker_.loop.now(), ex_->settings->read_timeout);
  net::ShareOfTurn share(worker_.loop);
  std::size_t came = 0;
  for (;;) {
    if (stopped_) co_return std::unexpected(upstream_error(Fault::cancelled, "the response is not wanted any more"));
    if (!pending_.empty() || reader_.ended() || framing_ == Framing::none) {
      Result<Chunk> piece = take(most);
      if (!piece || piece->last || !piece->data.empty()) co_return piece;
    }
    if (share.used_up(came)) {
      net::EndOfTurn others(worker_.loop);
      co_await others;
      if (worker_.loop.now() >= until)
        co_return std::unexpected(upstream_error(Fault::timeout, "no more of the response in time"));
    }
    const auto r = stream_.try_read(worker_.scratch.get(), room);
    if (r.io == Io::done) {
      came = r.bytes;
      const Result<std::string_view> got = decode(worker_.scratch.get(), r.bytes);
      if (!got) co_return std::unexpected(got.error());
      Result<Chunk> piece = give(*got);
      if (!piece || piece->last || !piece->data.empty()) co_return piece;
      continue;
    }
    came = 0;
    if (r.io == Io::again_read) {
      Status ready = co_await stream_.readable(until);
      if (!ready) co_return std::unexpected(ready.error());
      continue;
    }
    // Whole by its length, although the pod does not say that it is done.
    if (r.io == Io::closed && framing_ == Framing::length && left_ == 0) {
      surplus_ = true;
      co_return Chunk{{}, true, {}};
    }
    co_return std::unexpected(
        upstream_error(r.io == Io::closed ? Fault::closed : Fault::reset, "FastCGI: the pod closed inside a response"));
  }
}

// What the pod wrote to standard error: beside why the request failed, else in a line of its own.
void FastcgiClient::tell(bool clean) noexcept {
  if (err_.empty()) return;
  const auto text = trim_of(err_, kBlank);
  if (!clean) {
    if (ex_->note.empty()) ex_->note = text;
    return;
  }
  const auto* spec = ex_->route != nullptr ? ex_->route->spec : nullptr;
  PodWords words;
  words.pod = endpoint_->text;
  words.text = text;
  words.left = err_left_;
  if (spec != nullptr) words.ns = spec->ns, words.ingress = spec->ingress, words.service = spec->service;
  worker_.recorder.said(words);
}

void FastcgiClient::release(bool clean) noexcept {
  std::unique_ptr<FastcgiClient> self(this);
  if (ex_ != nullptr) tell(clean);
  if (clean && reusable()) worker_.pool.put(*self.release());
}

bool FastcgiClient::reusable() const noexcept {
  return keep_ && head_done_ && request_complete_ && reader_.ended() && !surplus_ && pending_.empty() &&
         !stream_.cancelled() && !stopped_;
}

}  // namespace sluice::data
