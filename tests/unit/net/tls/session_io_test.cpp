#include <malloc.h>

#include <deque>

#include "net/tls/scratch.h"
#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

// A server session and OpenSSL's client, past the handshake.
struct Connected {
  explicit Connected(const std::shared_ptr<ServerContext>& context, bool small = false) : wire(small) {
    client.open(wire.a, "a.example");
    server = Session::server(context, wire.b);
    EXPECT_TRUE(shake(*server, client)) << server->error();
  }
  Wire wire;
  Client client;
  std::unique_ptr<Session> server;
};

class SessionIo : public testing::TestWithParam<const char*> {
 protected:
  SessionIo() { set_current_table(table_.get()); }
  ~SessionIo() override { set_current_table(nullptr); }
  std::shared_ptr<const CertificateTable> table_ = make_table(nullptr, {}, nullptr, false);
  std::shared_ptr<ServerContext> context_ = server_context(only(GetParam()));
};
INSTANTIATE_TEST_SUITE_P(Versions, SessionIo, testing::Values("TLSv1.2", "TLSv1.3"),
                         [](const auto& i) { return i.param[6] == '2' ? "Tls12" : "Tls13"; });

// Sends all of `data` by the contract of write and flush, in pieces of a few parts each.
struct Sender {
  Session& s;
  const std::string& data;
  std::size_t at = 0, piece;
  bool done() const { return at == data.size() && !s.pending_write(); }
  bool step() {
    if (s.pending_write() && s.flush() == Io::again_write) return true;
    if (at == data.size()) return true;
    const std::size_t size = std::min(piece, data.size() - at);
    char* p = const_cast<char*>(data.data()) + at;
    const iovec parts[3] = {{p, size / 5}, {p + size / 5, 0}, {p + size / 5, size - size / 5}};
    const auto r = s.write(parts, 3);
    if (r.io == Io::done) {
      EXPECT_EQ(r.bytes, size);
      at += size;
    } else {
      EXPECT_EQ(r.bytes, 0u);
    }
    return r.io == Io::done || r.io == Io::again_write;
  }
};

TEST_P(SessionIo, TenMegabytesEachWayAtOnceThroughSmallBuffers) {
  for (const bool small : {false, true}) {
    Connected c(context_, small);
    const std::string down = noise(10 << 20, 1), up = noise(10 << 20, 2);
    std::string got_down, got_up;
    std::size_t sent_up = 0;
    Sender sender{*c.server, down, 0, 100'000};
    std::vector<char> out(16 * 1024), in(20'000);
    ASSERT_TRUE(until([&] {
      EXPECT_TRUE(sender.step()) << c.server->error();
      const auto r = c.server->read(in.data(), in.size());
      EXPECT_TRUE(r.io == Io::done || r.io == Io::again_read) << c.server->error();
      if (r.io == Io::done) got_up.append(in.data(), r.bytes);
      if (sent_up < up.size()) {
        const int n = SSL_write(c.client.ssl.get(), up.data() + sent_up,
                                static_cast<int>(std::min<std::size_t>(50'000, up.size() - sent_up)));
        if (n > 0) sent_up += static_cast<std::size_t>(n);
      }
      const int n = SSL_read(c.client.ssl.get(), out.data(), static_cast<int>(out.size()));
      if (n > 0) got_down.append(out.data(), static_cast<std::size_t>(n));
      return HasFailure() || (got_up.size() == up.size() && got_down.size() == down.size() && sender.done());
    }));
    EXPECT_TRUE(got_down == down);
    EXPECT_TRUE(got_up == up);
    EXPECT_FALSE(c.server->pending_read());
  }
}

// Every connection's bytes are its own although all work in one scratch, with calls of any size in any order.
TEST_P(SessionIo, ManySessionsOfOneThreadNeverMixTheirBytes) {
  constexpr int count = 8;
  constexpr std::size_t size = 300'000;
  std::deque<Connected> all;
  std::vector<std::string> down, up, got_down(count), got_up(count);
  std::vector<std::size_t> sent_up(count);
  std::vector<Sender> senders;
  for (int i = 0; i < count; ++i) {
    all.emplace_back(context_, i % 2 == 1);
    down.push_back(noise(size, static_cast<std::uint64_t>(10 + i)));
    up.push_back(noise(size, static_cast<std::uint64_t>(50 + i)));
  }
  for (std::size_t i = 0; i < count; ++i) senders.push_back({*all[i].server, down[i], 0, 1000 + 7919 * i});
  const std::string dice = noise(1 << 16, 77);
  std::size_t turn = 0;
  std::vector<char> buffer(70'000);
  ASSERT_TRUE(until([&] {
    const auto roll = static_cast<unsigned char>(dice[++turn % dice.size()]);
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(dice[(turn * 7) % dice.size()])) * 257 + 1;
    const std::size_t i = roll % count;
    auto& c = all[i];
    if (roll & 0x80) {
      const auto r = c.server->read(buffer.data(), length);
      EXPECT_TRUE(r.io == Io::done || r.io == Io::again_read) << c.server->error();
      if (r.io == Io::done) got_up[i].append(buffer.data(), r.bytes);
    }
    if (roll & 0x40) {
      EXPECT_TRUE(senders[i].step());
    }
    if (roll & 0x20 && sent_up[i] < size) {
      const int n = SSL_write(c.client.ssl.get(), up[i].data() + sent_up[i],
                              static_cast<int>(std::min<std::size_t>(11'003 + i, size - sent_up[i])));
      if (n > 0) sent_up[i] += static_cast<std::size_t>(n);
    }
    if (roll & 0x10) {
      const int n = SSL_read(c.client.ssl.get(), buffer.data(), static_cast<int>(length));
      if (n > 0) got_down[i].append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (HasFailure()) return true;
    for (std::size_t k = 0; k < count; ++k)
      if (got_up[k].size() < size || got_down[k].size() < size) return false;
    return true;
  }));
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(got_up[i] == up[i]) << i;
    EXPECT_TRUE(got_down[i] == down[i]) << i;
  }
}

TEST_P(SessionIo, NothingStaysInTheScratch) {
  Connected c(context_);
  const std::string secret = "what one tenant says is not for the next";
  ASSERT_EQ(SSL_write(c.client.ssl.get(), secret.data(), static_cast<int>(secret.size())),
            static_cast<int>(secret.size()));
  char in[100];
  ASSERT_TRUE(until([&] { return c.server->read(in, sizeof in).io == Io::done; }));
  iovec parts[2] = {{const_cast<char*>(secret.data()), 10}, {const_cast<char*>(secret.data()) + 10, 20}};
  ASSERT_EQ(c.server->write(parts, 2).io, Io::done);
  const Scratch& s = scratch();
  EXPECT_TRUE(s.out.empty());
  EXPECT_EQ(s.in_used, 0u);
#if defined(SLUICE_SANITIZED) || !defined(NDEBUG)
  EXPECT_EQ(std::string_view(s.plain.get(), max_plain_record).find_first_not_of('\xdb'), std::string_view::npos);
  EXPECT_EQ(std::string_view(s.in.get(), 64).find_first_not_of('\xdb'), std::string_view::npos);
#endif
}

// Reads the records that arrive at a descriptor: their sizes.
std::vector<std::size_t> record_sizes(const std::string& bytes) {
  std::vector<std::size_t> sizes;
  for (std::size_t at = 0; at + 5 <= bytes.size();) {
    const auto hi = static_cast<unsigned char>(bytes[at + 3]), lo = static_cast<unsigned char>(bytes[at + 4]);
    sizes.push_back(static_cast<std::size_t>(hi << 8 | lo));
    at += 5 + sizes.back();
  }
  return sizes;
}
std::string raw(int fd) {
  std::string all;
  char buffer[65536];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

TEST_P(SessionIo, HeadAndBodyShareARecordAndLongBodiesStartSmall) {
  Connected c(context_);
  raw(c.wire.a);  // tickets
  const std::string head(200, 'h'), body(16'000, 'b'), large(400'000, 'l');
  iovec parts[2] = {{const_cast<char*>(head.data()), head.size()}, {const_cast<char*>(body.data()), body.size()}};
  ASSERT_EQ(c.server->write(parts, 2).bytes, head.size() + body.size());
  EXPECT_EQ(record_sizes(raw(c.wire.a)).size(), 1u);

  iovec more{const_cast<char*>(large.data()), large.size()};
  ASSERT_EQ(c.server->write(&more, 1).io, Io::done);
  std::string got;
  ASSERT_TRUE(until([&] {
    got += raw(c.wire.a);
    return c.server->flush() == Io::done && (got += raw(c.wire.a)).size() > large.size();
  }));
  const auto sizes = record_sizes(got);
  ASSERT_GT(sizes.size(), 40u);
  EXPECT_LT(sizes.front(), 4200u);
  EXPECT_GT(sizes[sizes.size() - 3], 16'000u);
}

TEST_P(SessionIo, AWriteIsTakenWholeOrNotAtAll) {
  Connected c(context_, true);
  const std::string large = noise(2'000'000, 3);
  iovec part{const_cast<char*>(large.data()), large.size()};
  auto r = c.server->write(&part, 1);
  ASSERT_EQ(r.io, Io::done);
  EXPECT_EQ(r.bytes, large.size());
  EXPECT_TRUE(c.server->pending_write());
  r = c.server->write(&part, 1);
  EXPECT_EQ(r.io, Io::again_write);
  EXPECT_EQ(r.bytes, 0u);
  std::string got;
  std::vector<char> buffer(100'000);
  ASSERT_TRUE(until([&] {
    const Io io = c.server->flush();
    EXPECT_TRUE(io == Io::done || io == Io::again_write);
    const int n = SSL_read(c.client.ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (n > 0) got.append(buffer.data(), static_cast<std::size_t>(n));
    return got.size() == large.size();
  }));
  EXPECT_TRUE(got == large);
  EXPECT_FALSE(c.server->pending_write());
}

TEST_P(SessionIo, ReadTakesManyRecordsAndKeepsTheRest) {
  Connected c(context_);
  std::string sent;
  for (int i = 0; i < 8; ++i) {  // few enough to be on the way together
    const std::string piece = noise(500, static_cast<std::uint64_t>(i));
    ASSERT_EQ(SSL_write(c.client.ssl.get(), piece.data(), 500), 500);
    sent += piece;
  }
  char in[1200];
  std::string got;
  auto r = IoResult{Io::again_read, 0};
  ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io == Io::done; }));
  EXPECT_EQ(r.bytes, 1200u);
  got.assign(in, r.bytes);
  ASSERT_TRUE(c.server->pending_read());
  // What was received is served without the socket: it is gone and the bytes are still there.
  shutdown(c.wire.b, SHUT_RD);
  while (c.server->pending_read() && got.size() < sent.size()) {
    r = c.server->read(in, sizeof in);
    ASSERT_EQ(r.io, Io::done);
    EXPECT_FALSE(c.server->drained());
    got.append(in, r.bytes);
  }
  EXPECT_EQ(got.size(), sent.size());
  EXPECT_TRUE(got == sent);
}

TEST_P(SessionIo, HalfARecordWaitsWithoutBeingCalledReadable) {
  Wire outer, inner;
  Client client;
  client.open(outer.a, "a.example");
  auto server = Session::server(context_, inner.b);
  const auto carry = [&](int from, int to) {
    const std::string bytes = raw(from);
    if (bytes.empty()) return;
    EXPECT_EQ(send(to, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  };
  int c = 0;
  Io s = Io::again_read;
  ASSERT_TRUE(until([&] {
    if (c == 0) c = client.step();
    carry(outer.b, inner.a);
    if (s == Io::again_read) s = server->handshake();
    carry(inner.a, outer.b);
    return c == 1 && s == Io::done;
  }));
  ASSERT_EQ(SSL_write(client.ssl.get(), "hello", 5), 5);
  const std::string record = raw(outer.b);
  char in[100];
  for (std::size_t i = 0; i + 1 < record.size(); ++i) {
    ASSERT_EQ(send(inner.a, &record[i], 1, 0), 1);
    EXPECT_EQ(server->read(in, sizeof in).io, Io::again_read);
    EXPECT_TRUE(server->drained());
    EXPECT_FALSE(server->pending_read());
  }
  ASSERT_EQ(send(inner.a, &record.back(), 1, 0), 1);
  const auto r = server->read(in, sizeof in);
  EXPECT_EQ(r.io, Io::done);
  EXPECT_EQ(std::string(in, r.bytes), "hello");
}

TEST_P(SessionIo, CloseNotifyIsACleanEndAndComesAfterTheData) {
  Connected c(context_);
  ASSERT_EQ(SSL_write(c.client.ssl.get(), "bye", 3), 3);
  SSL_shutdown(c.client.ssl.get());
  char in[100];
  IoResult r;
  ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io != Io::again_read; }));
  EXPECT_EQ(r.io, Io::done);
  EXPECT_EQ(r.bytes, 3u);
  EXPECT_TRUE(c.server->pending_read());
  EXPECT_EQ(c.server->read(in, sizeof in).io, Io::closed);
  EXPECT_TRUE(c.server->clean_end());
  EXPECT_EQ(c.server->read(in, sizeof in).io, Io::closed);
  const iovec part{in, 1};
  EXPECT_EQ(c.server->write(&part, 1).io, Io::done);  // our side is still open
}

TEST_P(SessionIo, AnEndWithoutCloseNotifyIsTruncation) {
  Connected c(context_);
  ASSERT_EQ(SSL_write(c.client.ssl.get(), "bye", 3), 3);
  c.wire.close_a();
  char in[100];
  IoResult r;
  ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io == Io::done; }));
  ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io != Io::again_read; }));
  // The tickets that the client never read turn its close into a reset on TLS 1.3.
  EXPECT_TRUE(r.io == Io::closed || r.io == Io::failed);
  EXPECT_FALSE(c.server->clean_end());
}

TEST_P(SessionIo, OurShutdownReachesThePeerOnce) {
  Connected c(context_);
  c.server->shutdown();
  c.server->shutdown();
  char in[10];
  int r = 0;
  ASSERT_TRUE(until([&] {
    r = SSL_read(c.client.ssl.get(), in, sizeof in);
    return r <= 0 && SSL_get_error(c.client.ssl.get(), r) == SSL_ERROR_ZERO_RETURN;
  }));
  EXPECT_TRUE(raw(c.wire.a).empty());
  const iovec part{in, 1};
  EXPECT_EQ(c.server->write(&part, 1).io, Io::failed);
  EXPECT_EQ(c.server->error(), "write after close_notify");
}

TEST_P(SessionIo, CloseNotifyLeavesWithTheLastWrite) {
  Connected c(context_);
  raw(c.wire.a);  // tickets
  c.server->last_write();
  char data[] = "the end";
  const iovec part{data, 7};
  ASSERT_EQ(c.server->write(&part, 1).io, Io::done);
  const std::string sent = raw(c.wire.a);
  EXPECT_EQ(record_sizes(sent).size(), 2u);  // in one piece, before anybody said shutdown
  c.server->shutdown();
  EXPECT_TRUE(raw(c.wire.a).empty());
  EXPECT_EQ(c.server->write(&part, 1).io, Io::failed);
}

// A server on TLS 1.3 whose client's first request came with its last flight.
struct RequestWithFinished {
  explicit RequestWithFinished(const std::shared_ptr<ServerContext>& context) {
    client.open(outer.a, "a.example");
    server = Session::server(context, inner.b);
    EXPECT_EQ(client.step(), 0);
    carry(outer.b, inner.a);
    EXPECT_EQ(server->handshake(), Io::again_read);
    carry(inner.a, outer.b);
    EXPECT_EQ(client.step(), 1);
    EXPECT_EQ(SSL_write(client.ssl.get(), "GET", 3), 3);
    carry(outer.b, inner.a);
    EXPECT_EQ(server->handshake(), Io::done);
  }
  static void carry(int from, int to) {
    const std::string bytes = raw(from);
    EXPECT_EQ(send(to, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  Wire outer, inner;
  Client client;
  std::unique_ptr<Session> server;
};

class HeldTickets : public testing::Test {
 protected:
  HeldTickets() { set_current_table(table_.get()); }
  ~HeldTickets() override { set_current_table(nullptr); }
  std::shared_ptr<const CertificateTable> table_ = make_table(nullptr, {}, nullptr, false);
  std::shared_ptr<ServerContext> context_ = server_context(only("TLSv1.3"));
};

TEST_F(HeldTickets, LeaveWithTheAnswerToTheRequestThatCameAtOnce) {
  RequestWithFinished c(context_);
  EXPECT_TRUE(raw(c.inner.a).empty());
  EXPECT_FALSE(c.server->pending_write());  // nobody has to wait for the socket
  char in[10];
  ASSERT_EQ(c.server->read(in, sizeof in).bytes, 3u);
  EXPECT_TRUE(raw(c.inner.a).empty());
  const iovec part{in, 3};
  ASSERT_EQ(c.server->write(&part, 1).io, Io::done);
  RequestWithFinished::carry(c.inner.a, c.outer.b);
  ASSERT_EQ(SSL_read(c.client.ssl.get(), in, sizeof in), 3);
  EXPECT_NE(c.client.session, nullptr);
}

TEST_F(HeldTickets, LeaveAtLastWhenTheSessionWouldWaitForMore) {
  RequestWithFinished c(context_);
  char in[10];
  ASSERT_EQ(c.server->read(in, sizeof in).bytes, 3u);
  ASSERT_EQ(c.server->read(in, sizeof in).io, Io::again_read);
  const std::string sent = raw(c.inner.a);
  EXPECT_EQ(record_sizes(sent).size(), 2u);
  ASSERT_EQ(send(c.outer.b, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
  EXPECT_LE(SSL_read(c.client.ssl.get(), in, sizeof in), 0);
  EXPECT_NE(c.client.session, nullptr);
}

TEST_F(HeldTickets, LeaveBeforeCloseNotify) {
  RequestWithFinished c(context_);
  c.server->shutdown();
  RequestWithFinished::carry(c.inner.a, c.outer.b);
  char in[10];
  const int r = SSL_read(c.client.ssl.get(), in, sizeof in);
  EXPECT_EQ(SSL_get_error(c.client.ssl.get(), r), SSL_ERROR_ZERO_RETURN);
  EXPECT_NE(c.client.session, nullptr);
}

TEST_P(SessionIo, AChangedByteIsAnErrorAndNothingOfItIsDelivered) {
  Connected c(context_);
  const std::string forged = std::string("\x17\x03\x03\x00\x20", 5) + noise(32, 4);
  ASSERT_EQ(send(c.wire.a, forged.data(), forged.size(), 0), static_cast<ssize_t>(forged.size()));
  char in[100];
  IoResult r;
  ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io != Io::again_read; }));
  EXPECT_EQ(r.io, Io::failed);
  EXPECT_EQ(c.server->error(), "read: decryption failed or bad record mac");
  EXPECT_EQ(c.server->read(in, sizeof in).io, Io::failed);
  EXPECT_FALSE(raw(c.wire.a).empty());  // the alert
}

TEST_P(SessionIo, TheEndsOfTheWrongOrderOfCalls) {
  Wire wire;
  char in[10];
  const iovec part{in, 1};
  auto early_read = Session::server(context_, wire.b);
  EXPECT_EQ(early_read->read(in, sizeof in).io, Io::failed);
  auto early_write = Session::server(context_, wire.b);
  EXPECT_EQ(early_write->write(&part, 1).io, Io::failed);
  auto early_shutdown = Session::server(context_, wire.b);
  early_shutdown->shutdown();
  EXPECT_TRUE(raw(wire.a).empty());
}

TEST(SessionIo13, KeyUpdatesOfThePeerAreAnsweredInOrder) {
  const auto table = make_table(nullptr, {}, nullptr, false);
  set_current_table(table.get());
  Connected c(server_context(only("TLSv1.3")), true);
  const std::string large = noise(1'000'000, 8);
  iovec part{const_cast<char*>(large.data()), large.size()};
  ASSERT_EQ(c.server->write(&part, 1).io, Io::done);
  ASSERT_TRUE(c.server->pending_write());
  std::string got;
  char in[1000];
  std::vector<char> buffer(100'000);
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(SSL_key_update(c.client.ssl.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_write(c.client.ssl.get(), "ping", 4), 4);
    IoResult r;
    ASSERT_TRUE(until([&] { return (r = c.server->read(in, sizeof in)).io != Io::again_read; }));
    ASSERT_EQ(r.io, Io::done) << c.server->error();  // the answer waits behind the data that is unsent
    EXPECT_EQ(std::string(in, r.bytes), "ping");
  }
  ASSERT_TRUE(until([&] {
    c.server->flush();
    const int n = SSL_read(c.client.ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (n > 0) got.append(buffer.data(), static_cast<std::size_t>(n));
    return got.size() == large.size();
  }));
  EXPECT_TRUE(got == large);
  EXPECT_TRUE(exchange_byte(*c.server, c.client));
  set_current_table(nullptr);
}

// Before the client knows anything of ours, its request may already follow its Finished in the same segment.
TEST_P(SessionIo, ARequestBehindTheFinishedIsKept) {
  Wire wire;
  Client client;
  client.open(wire.a, "a.example");
  auto server = Session::server(context_, wire.b);
  int c = 0;
  Io s = Io::again_read;
  ASSERT_TRUE(until([&] {
    if (c == 0 && (c = client.step()) == 1) {
      EXPECT_EQ(SSL_write(client.ssl.get(), "GET", 3), 3);
    }
    if (s == Io::again_read) s = server->handshake();
    return c == 1 && s == Io::done;
  }));
  char in[10];
  IoResult r;
  ASSERT_TRUE(until([&] { return (r = server->read(in, sizeof in)).io != Io::again_read; }));
  EXPECT_EQ(r.io, Io::done);
  EXPECT_EQ(std::string(in, r.bytes), "GET");
}

TEST_P(SessionIo, MemoryOfAnIdleSession) {
#ifdef SLUICE_SANITIZED
  GTEST_SKIP() << "the sanitizer's allocator is not the one to measure";
#else
  constexpr int count = 200;
  const auto used = [] {
    malloc_trim(0);
    return mallinfo2().uordblks;
  };
  // The clients' memory is measured apart: they are OpenSSL alone.
  std::deque<Wire> wires;
  std::vector<std::unique_ptr<Client> > clients;
  std::vector<std::unique_ptr<Session> > servers;
  std::size_t of_servers = 0, of_bare = 0;
  for (int i = 0; i < count; ++i) {
    wires.emplace_back();
    clients.push_back(std::make_unique<Client>());
    clients.back()->open(wires.back().a, "a.example");
    servers.push_back(Session::server(context_, wires.back().b));
    ASSERT_TRUE(shake(*servers.back(), *clients.back()));
    ASSERT_TRUE(exchange_byte(*servers.back(), *clients.back()));
    char in[100];
    ASSERT_EQ(SSL_write(clients.back()->ssl.get(), "x", 1), 1);
    ASSERT_TRUE(until([&] { return servers.back()->read(in, sizeof in).io == Io::done; }));
  }
  const auto all = used();
  for (auto& c : clients) c->ssl.reset();
  const auto without_clients = used();
  of_bare = (all - without_clients) / count;
  servers.clear();
  of_servers = (without_clients - used()) / count;
  std::printf("idle %s session: %zu bytes; OpenSSL's own client object with its buffers: %zu bytes\n", GetParam(),
              of_servers, of_bare);
  EXPECT_LT(of_servers, 16'000u);
#endif
}

}  // namespace
}  // namespace sluice::net::tls
