#include "net/h2/session.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace sluice::net::h2 {
namespace {

// Both sides in one process: what one has to send, the other receives.
class End;

class TestStream final : public Stream {
 public:
  explicit TestStream(End& end) : end_(end) {}
  std::map<std::string, std::string> fields;
  std::string body;
  int heads = 0, events = 0;

 private:
  bool on_field(std::string_view name, std::string_view value) noexcept override {
    fields[std::string(name)] = value;
    return true;
  }
  void on_fields_end() noexcept override { ++heads; }
  void on_event() override;
  End& end_;
};

class End final : public Owner {
 public:
  explicit End(Side side, Limits limits = {}) : session(side, limits, *this) {}
  Stream* begin() noexcept override {
    streams.push_back(std::make_unique<TestStream>(*this));
    return streams.back().get();
  }
  void output_waits() noexcept override {}
  bool output_full() noexcept override { return false; }
  std::string sends() {
    session.fill();
    session.deliver();
    return std::exchange(session.output(), {});
  }
  Status takes(std::string_view bytes) {
    const Status s = session.receive(bytes, now);
    session.deliver();
    return s;
  }
  bool takes_bodies = true;
  Instant now = Instant{} + std::chrono::hours(1);
  Session session;
  std::vector<std::unique_ptr<TestStream>> streams;
};

void TestStream::on_event() {
  ++events;
  if (end_.takes_bodies) body += end_.session.take(*this);
}

struct Pair {
  explicit Pair(Limits limits = {}, Limits of_client = {})
      : client(Side::client, of_client), server(Side::server, limits) {
    exchange();
  }
  void exchange() {
    for (int i = 0; i < 100; ++i) {
      const auto up = client.sends();
      if (!up.empty()) last_server = server.takes(up);
      const auto down = server.sends();
      if (!down.empty()) last_client = client.takes(down);
      if (up.empty() && down.empty()) break;
    }
  }
  TestStream& request(bool end = true) {
    calls.push_back(std::make_unique<TestStream>(client));
    const Field fields[] = {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
    EXPECT_TRUE(client.session.open(*calls.back(), fields, end));
    return *calls.back();
  }
  End client, server;
  std::vector<std::unique_ptr<TestStream>> calls;
  Status last_server{}, last_client{};
};

const Field kOk[] = {{":status", "200"}, {"Content-Type", "text/plain"}};

TEST(Session, CarriesARequestAndItsResponseWithTrailers) {
  Pair p;
  auto& call = p.request(false);
  EXPECT_TRUE(p.client.session.send(call, "hello", true, "x-sum: 1\r\n"));
  p.exchange();
  ASSERT_EQ(p.server.streams.size(), 1u);
  auto& s = *p.server.streams[0];
  EXPECT_EQ(s.body, "hello");
  EXPECT_EQ(s.fields[":method"], "POST");
  EXPECT_EQ(s.fields["x-sum"], "1");
  EXPECT_EQ(s.heads, 2);
  EXPECT_TRUE(s.end_received());
  p.server.session.respond(s, kOk, false);
  EXPECT_TRUE(p.server.session.send(s, "world", true, "grpc-status: 0\r\n"));
  p.exchange();
  EXPECT_EQ(call.body, "world");
  EXPECT_EQ(call.fields["content-type"], "text/plain");
  EXPECT_EQ(call.fields["grpc-status"], "0");
  EXPECT_TRUE(call.closed() && !call.was_reset());
}

TEST(Session, AHeadThatDoesNotFitIsNotSentAndSaidSo) {
  Limits limits;
  limits.header_list = 1024 * 1024;
  Pair p({}, limits);
  auto& call = p.request(false);
  p.exchange();
  auto& s = *p.server.streams[0];
  const auto with = [](std::size_t count, std::size_t size) {
    static std::string value;
    value.assign(size, 'v');
    std::vector<Field> fields(kOk, kOk + 1);
    for (std::size_t i = 1; i < count; ++i) fields.push_back({"x", value});
    return fields;
  };
  EXPECT_FALSE(p.server.session.respond(s, with(2, Session::kMostOfField + 1), true));
  EXPECT_FALSE(p.server.session.respond(s, with(4, Session::kMostHead / 3), true));
  EXPECT_FALSE(p.server.session.respond(s, with(Session::kMostFields + 1, 1), true));
  p.server.session.interim(s, with(2, Session::kMostOfField + 1));
  p.exchange();
  EXPECT_EQ(call.heads, 0);
  EXPECT_FALSE(s.closed());
  EXPECT_TRUE(p.server.session.respond(s, with(3, Session::kMostOfField - 100), false));
  p.server.session.send(s, {}, true, {});
  p.exchange();
  EXPECT_EQ(call.fields["x"].size(), Session::kMostOfField - 100);
  auto& second = p.request(true);
  p.exchange();
  EXPECT_TRUE(p.server.session.respond(*p.server.streams[1], with(Session::kMostFields, 1), true));
  p.exchange();
  EXPECT_EQ(second.heads, 1) << (p.last_client ? "" : p.last_client.error().detail);
  EXPECT_FALSE(p.client.session.open(second, with(2, Session::kMostOfField + 1), true));
}

TEST(Session, AStreamWhoseFieldsCannotBeSentIsResetBeforeItIsGone) {
  Pair p;
  auto& call = p.request(false);
  p.exchange();
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  const Field early[] = {{":status", "103"}};
  p.server.session.interim(*p.server.streams[0], early);  // behind the end: nghttp2 does not send it
  p.exchange();
  EXPECT_EQ(p.server.streams[0]->closed(), call.closed()) << "closed for its owner and not for nghttp2";
  EXPECT_TRUE(call.closed());
  p.server.streams.clear();
  auto& other = p.request(false);
  p.exchange();
  p.client.session.send(call, "more", true, {});
  p.client.session.send(other, "mine", true, {});
  p.exchange();
  EXPECT_EQ(p.server.streams[0]->body, "mine");
}

// A block of fields may come in pieces, and its stream may end between two of them.
TEST(Session, FieldsOfAStreamThatIsGoneReachNobody) {
  for (const bool of_server : {true, false}) {
    Pair p;
    auto& call = p.request(false);
    p.exchange();
    const std::string trailers =
        "x-first: " + std::string(200, 'a') + "\r\nx-second: " + std::string(200, 'b') + "\r\n";
    End& from = of_server ? p.client : p.server;
    End& to = of_server ? p.server : p.client;
    if (of_server) {
      p.client.session.send(call, "hello", true, trailers);
    } else {
      p.server.session.respond(*p.server.streams[0], kOk, false);
      p.server.session.send(*p.server.streams[0], "hello", true, trailers);
    }
    const std::string bytes = from.sends();
    const std::size_t cut = bytes.size() - 40;
    ASSERT_TRUE(to.takes(std::string_view(bytes).substr(0, cut)));
    if (of_server)
      p.server.streams.clear();
    else
      p.calls.clear();
    EXPECT_TRUE(to.takes(std::string_view(bytes).substr(cut)));  // a sanitizer sees who is told of x-second
    auto& other = p.request(true);
    p.exchange();
    EXPECT_FALSE(other.closed());
    EXPECT_EQ(p.server.streams.back()->heads, 1);
  }
}

TEST(Session, ResetsThatAreNotThePeersFaultCostItNothing) {
  Limits limits;
  limits.tokens = 4;
  limits.tokens_a_second = 0;
  Pair p(limits);
  for (int i = 0; i < 20; ++i) {
    auto& call = p.request(false);
    p.exchange();
    auto& s = *p.server.streams.back();
    if (i % 2 == 0) p.server.session.reset(s, internal_error);
    p.server.streams.pop_back();  // with the exchange, before the reset has left
    p.exchange();
    ASSERT_TRUE(call.closed()) << i;
  }
  EXPECT_FALSE(p.server.session.failed()) << p.server.session.why();
  for (int i = 0; i < 3; ++i) {
    p.request(false);
    p.exchange();
    if (!p.server.streams.empty()) p.server.session.reset(*p.server.streams.back(), protocol_error, true);
    p.server.streams.clear();
    p.exchange();
  }
  EXPECT_TRUE(p.server.session.abused());
}

TEST(Session, AStreamBehindAGoawayThatWaitsIsRefused) {
  Pair p;
  auto& first = p.request(true);
  p.exchange();
  p.server.session.block(true);
  p.server.session.goaway(no_error);
  auto& second = p.request(true);
  p.exchange();
  EXPECT_EQ(p.server.streams.size(), 1u) << "the GOAWAY that the peer will read says that it was not processed";
  p.server.session.goaway(no_error);  // says no more
  p.server.session.block(false);
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  EXPECT_TRUE(second.closed() && second.code() == refused_stream);
  EXPECT_EQ(first.heads, 1);
  EXPECT_TRUE(p.client.session.goaway_received());
}

TEST(Session, AllTrailersAreSent) {
  Pair p;
  auto& call = p.request(false);
  std::string trailers;
  for (int i = 0; i < 200; ++i) trailers += "x-" + std::to_string(i) + ": " + std::to_string(i) + "\r\n";
  EXPECT_TRUE(p.client.session.send(call, "hello", true, trailers));
  p.exchange();
  EXPECT_EQ(p.server.streams[0]->fields["x-199"], "199");
}

TEST(Session, ASlowStreamStallsItselfAlone) {
  Pair p;
  p.server.takes_bodies = false;
  auto& slow = p.request(false);
  const std::string big(300'000, 'b');
  EXPECT_FALSE(p.client.session.send(slow, big, true, {}));
  p.exchange();
  EXPECT_EQ(p.server.streams[0]->received(), 65535u) << "no more than the window waits";
  EXPECT_FALSE(slow.sent_all());
  auto& quick = p.request(false);
  EXPECT_TRUE(p.client.session.send(quick, "quick", true, {}));
  p.exchange();
  EXPECT_EQ(p.server.streams[1]->received(), 5u);
  p.server.takes_bodies = true;
  std::string got;
  auto& s = *p.server.streams[0];
  for (int i = 0; i < 100 && !slow.closed() && got.size() < big.size(); ++i) {
    got += p.server.session.take(s);
    p.server.session.take(s);  // hands the window back
    p.exchange();
    got += s.body;
    s.body.clear();
  }
  EXPECT_EQ(got.size(), big.size());
  EXPECT_TRUE(slow.sent_all());
}

TEST(Session, WhatWaitsOnAllStreamsTogetherIsBounded) {
  Limits limits;
  limits.unread = 200'000;
  limits.connection_window = 100'000;
  Pair p(limits);
  p.server.takes_bodies = false;
  const std::string big(300'000, 'b');
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(p.client.session.send(p.request(false), big, true, {}));
    p.exchange();
  }
  EXPECT_GT(p.server.session.unread(), limits.unread);
  EXPECT_LE(p.server.session.unread(), limits.unread + limits.connection_window);
  // Each that is read, or goes, makes room for the others.
  p.server.streams.erase(p.server.streams.begin());
  p.server.takes_bodies = true;
  std::size_t got = 0;
  for (int i = 0; i < 1000 && got < 10 * big.size(); ++i) {
    for (auto& s : p.server.streams) {
      p.server.session.take(*s, 10'000);
      p.exchange();
    }
    got = 0;
    for (auto& s : p.server.streams) got += s->bytes_in();
    ASSERT_LE(p.server.session.unread(), limits.unread + limits.connection_window);
  }
  EXPECT_GE(got, 10 * big.size());
}

TEST(Session, TakesAsMuchAsIsWanted) {
  Pair p;
  p.server.takes_bodies = false;
  auto& request = p.request(false);
  EXPECT_TRUE(p.client.session.send(request, "hello world", false, {}));
  p.exchange();
  auto& s = *p.server.streams[0];
  const std::string_view lent = p.server.session.take(s, 5);
  EXPECT_EQ(lent, "hello");
  EXPECT_EQ(s.received(), 6u);
  EXPECT_TRUE(p.client.session.send(request, ", and all", true, {}));
  p.exchange();
  EXPECT_EQ(lent, "hello") << "valid until the next take()";
  EXPECT_EQ(s.received(), 15u);
  EXPECT_EQ(p.server.session.take(s, 3), " wo");
  EXPECT_EQ(p.server.session.unread(), 15u);
  EXPECT_EQ(p.server.session.take(s, 100), "rld");
  EXPECT_EQ(p.server.session.take(s, 100), ", and all");
  EXPECT_EQ(s.received(), 0u);
  EXPECT_EQ(p.server.session.take(s, 100), "");
  EXPECT_EQ(p.server.session.unread(), 0u);
}

TEST(Session, OutputIsFilledNoFurtherThanTheSocketTakes) {
  Pair p;
  const std::string big(60'000, 'b');
  p.request();
  p.exchange();
  auto& s = *p.server.streams[0];
  p.server.session.respond(s, kOk, false);
  p.server.session.limit_output(10'000);
  EXPECT_FALSE(p.server.session.send(s, big, true, {}));
  EXPECT_LE(p.server.session.output().size(), 10'000u + 16'384 + 9);
  EXPECT_GE(p.server.session.kept(), big.size() - p.server.session.output().size());
  p.server.session.limit_output(Session::kMost);
  p.exchange();
  EXPECT_EQ(p.calls[0]->body, big);
  EXPECT_EQ(p.server.session.kept(), 0u);
}

TEST(Session, OneStreamTooManyIsRefusedAlone) {
  Limits limits;
  limits.streams = 2;
  Pair p(limits);
  p.request(), p.request();
  auto& third = p.request();  // nghttp2's client keeps it until there is room
  EXPECT_FALSE(p.client.session.can_open());
  p.exchange();
  EXPECT_EQ(p.server.streams.size(), 2u);
  EXPECT_FALSE(third.closed());
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  EXPECT_EQ(p.server.streams.size(), 3u);
}

std::string frame(unsigned type, unsigned flags, unsigned stream, std::string payload = {}) {
  const char head[9] = {0,
                        static_cast<char>(payload.size() >> 8),
                        static_cast<char>(payload.size()),
                        static_cast<char>(type),
                        static_cast<char>(flags),
                        0,
                        0,
                        static_cast<char>(stream >> 8),
                        static_cast<char>(stream)};
  return std::string(head, sizeof head) + payload;
}

TEST(Session, FramesThatServeNobodyAreBounded) {
  Pair p;
  int sent = 0;
  while (p.server.takes(frame(6, 0, 0, "12345678")) && sent < 2000) ++sent;
  EXPECT_GE(sent, 300);
  EXPECT_LT(sent, 1000);
  EXPECT_TRUE(p.server.session.abused());
  const auto out = p.server.sends();
  EXPECT_NE(out.find(frame(7, 0, 0, std::string(8, 0)).substr(3, 2)), std::string::npos) << "a GOAWAY";
}

TEST(Session, TimeGivesTokensBack) {
  Pair p;
  for (int i = 0; i < 3000; ++i) {
    p.server.now += std::chrono::milliseconds(40);  // 25 a second
    ASSERT_TRUE(p.server.takes(frame(6, 0, 0, "12345678"))) << i;
    p.server.sends();
  }
}

TEST(Session, ARequestServedPaysForItsCancelledNeighbours) {
  Pair p;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 9; ++i) p.request();
    p.exchange();
    for (int i = 0; i < 3; ++i) p.client.session.reset(*p.calls[static_cast<std::size_t>(i)], cancel);
    p.exchange();
    ASSERT_TRUE(p.last_server) << round;
    for (auto& s : p.server.streams)
      if (!s->closed()) p.server.session.respond(*s, kOk, true);
    p.exchange();
    p.calls.clear();
    p.server.streams.clear();
  }
}

TEST(Session, FramesOfClosedStreams) {
  Pair p;
  p.request();
  p.exchange();
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  ASSERT_TRUE(p.calls[0]->closed());
  EXPECT_TRUE(p.server.takes(frame(0, 0, 1, "late")));
  EXPECT_NE(p.server.sends().find(frame(3, 0, 1, std::string("\0\0\0\5", 4))), std::string::npos) << "STREAM_CLOSED";
  EXPECT_FALSE(p.server.takes(frame(1, 5, 1, "\x82"))) << "a block of fields ends the connection";
}

TEST(Session, IdsThatWereLeftOutStayClosed) {
  Pair p;
  // GET / of stream 5, then of stream 3 (RFC 9113 section 5.1.1).
  const std::string get =
      "\x82\x86\x84\x41\x01"
      "a";
  EXPECT_TRUE(p.server.takes(frame(1, 5, 5, get)));
  EXPECT_FALSE(p.server.takes(frame(1, 5, 3, get)));
}

TEST(Session, AStreamThatDependsOnItself) {
  Pair p;
  EXPECT_TRUE(p.server.takes(frame(2, 0, 3, std::string("\0\0\0\1\x10", 5))));
  EXPECT_FALSE(p.server.takes(frame(2, 0, 3, std::string("\0\0\0\3\x10", 5))));
}

// What RFC 9113 calls a stream error ends that stream alone: the frame, and the code it is reset with.
TEST(Session, AFrameThatBreaksItsStreamLeavesTheOthers) {
  const std::string zero(4, '\0');
  const struct {
    const char* what;
    std::string bytes;
    char code;
  } kinds[] = {
      {"DATA after END_STREAM (5.1)", frame(0, 0, 1, "more"), stream_closed},
      {"fields after END_STREAM (5.1)", frame(1, 5, 1, "\x82"), stream_closed},
      {"an increment of 0 (6.9)", frame(8, 0, 1, zero), protocol_error},
      {"PRIORITY of 4 bytes (6.3)", frame(2, 0, 1, zero), frame_size_error},
      {"PRIORITY of 0 bytes (6.3)", frame(2, 0, 1, ""), frame_size_error},
      {"a dependency on itself", frame(2, 0, 1, std::string("\0\0\0\1\x10", 5)), protocol_error},
  };
  for (const auto& kind : kinds)
    for (const bool in_one_piece : {true, false}) {
      SCOPED_TRACE(kind.what);
      Pair p;
      auto& bad = p.request();
      auto& good = p.request(false);
      p.exchange();
      // A frame's head, too, may come in pieces.
      for (std::size_t at = 0, step = in_one_piece ? kind.bytes.size() : 1; at < kind.bytes.size(); at += step)
        ASSERT_TRUE(p.server.takes(kind.bytes.substr(at, step)));
      p.exchange();
      EXPECT_TRUE(bad.was_reset());
      EXPECT_EQ(bad.code(), static_cast<std::uint32_t>(kind.code));
      EXPECT_TRUE(p.server.streams[0]->was_reset());
      EXPECT_FALSE(p.client.session.goaway_received());
      p.client.session.send(good, "body", true, {});
      p.exchange();
      EXPECT_EQ(p.server.streams[1]->body, "body");
      p.server.session.respond(*p.server.streams[1], kOk, true);
      p.exchange();
      EXPECT_EQ(good.fields[":status"], "200");
    }
}

TEST(Session, TooManyContinuationsEndTheConnectionWithAReason) {
  Pair p;
  ASSERT_TRUE(p.server.takes(frame(1, 1, 1, "\x82")));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(p.server.takes(frame(9, 0, 1, "\x86")));
  EXPECT_FALSE(p.server.takes(frame(9, 0, 1, "\x86")));
  p.exchange();
  EXPECT_TRUE(p.client.session.goaway_received());
}

TEST(Session, ABlockHasAtMostTwoUpdatesOfTheTablesSize) {
  const std::string get =
                        "\x82\x86\x84\x41\x01"
                        "a",
                    update = "\x20\x3f\xe1\x1f";  // to 0, to 4096
  Pair p;
  EXPECT_TRUE(p.server.takes(frame(1, 5, 1, update + get)));
  EXPECT_FALSE(p.server.takes(frame(1, 5, 3, update + update + get)));
}

TEST(Session, NoticeAndGoaway) {
  Pair p;
  p.request();
  p.exchange();
  p.server.session.shutdown_notice();
  p.exchange();
  EXPECT_TRUE(p.client.session.goaway_received());
  EXPECT_FALSE(p.server.session.goaway_sent()) << "the notice refuses nothing";
  p.server.session.goaway(no_error);
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  EXPECT_TRUE(p.server.session.goaway_sent());
  EXPECT_TRUE(p.calls[0]->closed() && !p.calls[0]->was_reset()) << "what runs is finished";
  EXPECT_TRUE(p.server.session.over());
}

TEST(Session, FramesThatCrossAGoawayAreIgnored) {
  Pair p;
  p.request();
  p.exchange();
  p.server.session.goaway(no_error);
  p.server.sends();
  // GET / of stream 3, its body and trailers, again and again.
  const std::string get =
      "\x82\x86\x84\x41\x01"
      "a";
  for (int id = 3; id < 600; id += 2) {
    ASSERT_TRUE(p.server.takes(frame(1, 4, id, get)));
    ASSERT_TRUE(p.server.takes(frame(0, 0, id, "body")));
    ASSERT_TRUE(p.server.takes(frame(1, 5, id, std::string("\x00\x01x\x01y", 5))));
  }
  EXPECT_FALSE(p.server.session.head_open());
  EXPECT_EQ(p.server.sends().find(frame(3, 0, 3, std::string("\0\0\0\5", 4))), std::string::npos) << "no reset";
  EXPECT_EQ(p.server.streams.size(), 1u);
  p.server.session.respond(*p.server.streams[0], kOk, true);
  p.exchange();
  EXPECT_TRUE(p.calls[0]->closed() && !p.calls[0]->was_reset()) << "what runs is finished";
  bool kept = true;
  for (int id = 601; kept && id < 6001; id += 2) kept = static_cast<bool>(p.server.takes(frame(1, 4, id, get)));
  EXPECT_FALSE(kept) << "for ever is too long";
}

}  // namespace
}  // namespace sluice::net::h2
