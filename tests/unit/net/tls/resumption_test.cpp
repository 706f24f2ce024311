#include <cstring>

#include "net/tls/ticket_keys.h"
#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

class Resumption : public testing::TestWithParam<const char*> {
 protected:
  Resumption() { set_current_table(table_.get()); }
  ~Resumption() override { set_current_table(nullptr); }

  ServerPolicy policy() const { return only(GetParam()); }
  // One connection of the client, offering the session that it holds; true when it was resumed, on both sides.
  bool resumes(Client& client, const std::shared_ptr<ServerContext>& context) {
    Wire wire;
    client.open(wire.a, "a.example");
    if (client.session) SSL_set_session(client.ssl.get(), client.session.get());
    auto session = Session::server(context, wire.b);
    EXPECT_TRUE(shake(*session, client)) << session->error();
    EXPECT_TRUE(exchange_byte(*session, client));
    EXPECT_EQ(session->resumed(), SSL_session_reused(client.ssl.get()) == 1);
    EXPECT_EQ(session->server_name(), "a.example");
    EXPECT_TRUE(session->default_certificate());
    SSL_shutdown(client.ssl.get());
    return session->resumed();
  }

  std::shared_ptr<const CertificateTable> table_ = make_table(nullptr, {}, nullptr, false);
};

TEST_P(Resumption, WithinAContextAndAcrossTwoWithOneKey) {
  const std::string key = noise(80, 5);
  auto p = policy();
  p.ticket_key = key;
  const auto one = server_context(p), two = server_context(p);
  Client client;
  EXPECT_FALSE(resumes(client, one));
  EXPECT_TRUE(resumes(client, one));
  EXPECT_TRUE(resumes(client, one));
  EXPECT_TRUE(resumes(client, two));
  p.ticket_key = noise(80, 6);
  EXPECT_FALSE(resumes(client, server_context(p)));
}

TEST_P(Resumption, RandomKeysSurviveAContextMadeAnew) {
  auto p = policy();
  Client client;
  EXPECT_FALSE(resumes(client, server_context(p)));
  p.curves = "X25519:P-256";
  p.alpn = {"h2"};
  EXPECT_TRUE(resumes(client, server_context(p)));
}

TEST_P(Resumption, WithoutTicketsTheCacheOfTheContextServes) {
  auto p = policy();
  p.session_tickets = false;
  const auto context = server_context(p);
  Client client;
  EXPECT_FALSE(resumes(client, context));
  EXPECT_TRUE(resumes(client, context));
  EXPECT_FALSE(resumes(client, server_context(p)));
}

TEST_P(Resumption, OffMeansOff) {
  auto p = policy();
  p.session_tickets = p.session_cache = false;
  const auto context = server_context(p);
  Client client;
  EXPECT_FALSE(resumes(client, context));
  EXPECT_FALSE(resumes(client, context));
}

INSTANTIATE_TEST_SUITE_P(Versions, Resumption, testing::Values("TLSv1.2", "TLSv1.3"),
                         [](const auto& i) { return i.param[6] == '2' ? "Tls12" : "Tls13"; });

TEST(TicketKeysTest, ANewKeyEachPeriodAndTwoOldOnesAccepted) {
  using Found = TicketKeys::Found;
  TicketKeys keys("");
  keys.set_period(std::chrono::seconds(100));
  const TicketKeys::Time start{std::chrono::hours(1)};
  const auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  TicketKeys::Key first, second, third, fourth, got;
  ASSERT_TRUE(keys.current(at(0), first));
  ASSERT_TRUE(keys.current(at(99), got));
  EXPECT_EQ(got.name, first.name);
  EXPECT_EQ(keys.find(first.name.data(), at(99), got), Found::current);
  ASSERT_TRUE(keys.current(at(100), second));
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.aes, first.aes);
  EXPECT_EQ(keys.find(first.name.data(), at(150), got), Found::older);
  EXPECT_EQ(got.aes, first.aes);
  EXPECT_EQ(got.hmac, first.hmac);
  ASSERT_TRUE(keys.current(at(200), third));
  EXPECT_EQ(keys.find(first.name.data(), at(250), got), Found::older);
  ASSERT_TRUE(keys.current(at(300), fourth));
  EXPECT_EQ(keys.find(first.name.data(), at(300), got), Found::no);
  EXPECT_EQ(keys.find(second.name.data(), at(300), got), Found::older);
  EXPECT_EQ(keys.find(fourth.name.data(), at(300), got), Found::current);
  // After a long silence nothing of before opens any more.
  EXPECT_EQ(keys.find(fourth.name.data(), at(5000), got), Found::no);
}

TEST(TicketKeysTest, AGivenKeyIsReadAsNginxDoesAndNeverRotates) {
  const std::string given = noise(80, 9);
  TicketKeys keys(given);
  keys.set_period(std::chrono::seconds(1));
  TicketKeys::Key got;
  ASSERT_TRUE(keys.current(TicketKeys::Time{std::chrono::hours(1)}, got));
  EXPECT_EQ(std::memcmp(got.name.data(), given.data(), 16), 0);
  EXPECT_EQ(std::memcmp(got.hmac.data(), given.data() + 16, 32), 0);
  EXPECT_EQ(std::memcmp(got.aes.data(), given.data() + 48, 32), 0);
  TicketKeys::Key later;
  ASSERT_TRUE(keys.current(TicketKeys::Time{std::chrono::hours(100)}, later));
  EXPECT_EQ(later.name, got.name);
}

}  // namespace
}  // namespace sluice::net::tls
