#include "net/tls/client_certificate.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "../pem.h"
#include "asked.h"
#include "data/proxy/edit.h"

namespace sluice::data {
namespace {

using net::tls::ClientCertificate;
using Verdict = ClientCertificate::Verdict;

struct Fake final : ClientCertificate {
  Verdict verdict() const noexcept override { return is; }
  const net::tls::ClientCheck& judged_by() const noexcept override { return check; }
  bool judge_again(const net::tls::ClientCheck& by) const override {
    ++judged;
    if (takes) check = by;
    return takes;
  }
  std::string_view verify() const noexcept override { return is == Verdict::good ? "SUCCESS" : "NONE"; }
  std::string_view subject() const noexcept override { return is == Verdict::none ? std::string_view() : name; }
  std::string_view issuer() const noexcept override { return is == Verdict::none ? "" : "CN=ca"; }
  std::string_view serial() const noexcept override { return "0A"; }
  std::string_view fingerprint() const noexcept override { return "00ff"; }
  std::string_view not_before() const noexcept override { return ""; }
  std::string_view not_after() const noexcept override { return ""; }
  std::int64_t days_left() const noexcept override { return 0; }
  std::string_view escaped() const override { return "pem"; }
  Verdict is = Verdict::good;
  std::string name = "O=Ours,CN=me";
  mutable net::tls::ClientCheck check;
  mutable int judged = 0;
  bool takes = true;
};

const std::string& ca() {
  static const std::string pem = test::make_pem("ca").chain;
  return pem;
}

model::RouteSettings asking(model::VerifyClient verify, std::string match_cn = "") {
  model::ClientAuth auth;
  auth.secret = "a/ca";
  auth.ca_pem = ca();
  auth.verify = verify;
  auth.match_cn = std::move(match_cn);
  model::RouteSettings out;
  out.client_auth = std::move(auth);
  return out;
}

// A request by a connection of TLS that was made for the host.
struct Met : Asked {
  explicit Met(model::RouteSettings wanted, bool to_https = false) : Asked(std::move(wanted), to_https) {
    peer.tls = true;
    view.from = &peer;
    view.so_far = &record;
    record.server_name = "a.example";
    shown->check = {*net::tls::client_authority(ca(), ""), 1};
    peer.client = shown;
  }
  std::string as(Verdict verdict) {
    shown->is = verdict;
    return decided();
  }
  std::shared_ptr<Fake> shown = std::make_shared<Fake>();
  Peer peer;
  ExchangeRecord record;
};

constexpr const char* kRefused = "400 client-certificate";

TEST(ClientCertificateStep, EachModeLetsComeWhomItSays) {
  using enum model::VerifyClient;
  for (const auto& [mode, none, unknown] :
       {std::tuple(on, kRefused, kRefused), {optional, "", kRefused}, {optional_no_ca, "", ""}}) {
    Met met(asking(mode));
    EXPECT_EQ(met.as(Verdict::good), "");
    EXPECT_EQ(met.as(Verdict::none), none);
    EXPECT_EQ(met.as(Verdict::unknown_authority), unknown);
    EXPECT_EQ(met.as(Verdict::bad), kRefused);
  }
  Met met(asking(off));
  met.peer.client = nullptr;
  EXPECT_EQ(met.decided(), "");
}

TEST(ClientCertificateStep, ARefusalEndsTheConnectionAndMayLeadElsewhere) {
  Met met(asking(model::VerifyClient::on));
  met.shown->is = Verdict::none;
  auto verdict = decide_for_route(met.view);
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->reply.close);
  EXPECT_NE(verdict->reply.body->find("No required SSL certificate was sent"), std::string::npos);
  auto settings = asking(model::VerifyClient::on);
  model::ClientAuth auth = *settings.client_auth;
  auth.error_page = "https://errors.example/cert";
  settings.client_auth = auth;
  Met away(settings);
  EXPECT_EQ(away.as(Verdict::bad), "302 client-certificate");
  EXPECT_EQ(away.location(), "https://errors.example/cert");
}

TEST(ClientCertificateStep, TheSubjectMustMatchAndItsCaseCounts) {
  Met met(asking(model::VerifyClient::on, "CN=me"));
  EXPECT_EQ(met.as(Verdict::good), "");
  Met upper(asking(model::VerifyClient::on, "CN=ME"));
  EXPECT_EQ(upper.as(Verdict::good), "403 client-certificate");
  EXPECT_EQ(decide_for_route(upper.view)->reply.body, "client certificate unauthorized");
  EXPECT_TRUE(decide_for_route(upper.view)->reply.close) << "it may come with another one";
  EXPECT_EQ(upper.as(Verdict::none), kRefused) << "the certificate comes first";
  Met nobody(asking(model::VerifyClient::optional, "CN=.*"));
  EXPECT_EQ(nobody.as(Verdict::none), "403 client-certificate");
  Met unasked(asking(model::VerifyClient::off, "CN=.*"));
  unasked.peer.client = nullptr;
  EXPECT_EQ(unasked.decided(), "403 client-certificate");
  Met slow(asking(model::VerifyClient::on, "CN=(a|aa)+b"));
  slow.shown->name = "CN=" + std::string(60, 'a') + "cb";
  EXPECT_EQ(slow.as(Verdict::good), "500 client-certificate");
  EXPECT_TRUE(decide_for_route(slow.view)->reply.gave_up);
}

TEST(ClientCertificateStep, WhatCannotBeJudgedIsClosed) {
  auto settings = asking(model::VerifyClient::on);
  model::ClientAuth auth = *settings.client_auth;
  auth.denied = "there is no Secret";
  settings.client_auth = auth;
  Met met(settings);
  EXPECT_EQ(met.as(Verdict::good), "403 client-certificate");
  met.peer.tls = false;
  EXPECT_EQ(met.decided(), "403 client-certificate") << "in clear too";
  EXPECT_EQ(decide_for_route(met.view)->reply.detail, "there is no Secret");
  auth.denied.clear();
  auth.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  settings.client_auth = auth;
  Met broken(settings);
  EXPECT_EQ(broken.as(Verdict::good), "403 client-certificate");
}

TEST(ClientCertificateStep, AConnectionOfOtherTimesIsJudgedAnewOrSentAway) {
  const auto other = *net::tls::client_authority(ca(), "");
  Met met(asking(model::VerifyClient::on));
  met.shown->check = {other, 7};
  EXPECT_EQ(met.decided(), "");
  EXPECT_EQ(met.decided(), "");
  EXPECT_EQ(met.shown->judged, 1) << "once";
  met.shown->check = {other, 7};
  met.shown->takes = false;
  EXPECT_EQ(met.decided(), "421 client-certificate");
  met.record.server_name = "b.example";
  met.shown->takes = true;
  EXPECT_EQ(met.decided(), "421 client-certificate") << "it was made for another host";
  met.record.server_name = "";
  EXPECT_EQ(met.decided(), kRefused) << "nor does it help such a client to connect anew";
  Met unasked(asking(model::VerifyClient::on));
  unasked.peer.client = nullptr;
  EXPECT_EQ(unasked.decided(), "421 client-certificate");
  unasked.record.server_name = "";
  EXPECT_EQ(unasked.decided(), kRefused);
}

TEST(ClientCertificateStep, NothingThatIsGuardedIsServedInClear) {
  Met met(asking(model::VerifyClient::on));
  met.peer.tls = false;
  met.peer.client = nullptr;
  EXPECT_EQ(met.decided(), "400 client-certificate-in-clear");
  Met redirected(asking(model::VerifyClient::on), true);
  redirected.peer.tls = false;
  EXPECT_EQ(redirected.decided(), "308 ssl-redirect");
  redirected.view.plain = false;  // as a proxy says
  redirected.view.https = true;
  EXPECT_EQ(redirected.decided(), "400 client-certificate-in-clear");
  auto settings = asking(model::VerifyClient::on, "CN=me");
  model::ClientAuth auth = *settings.client_auth;
  auth.plain_too = true;
  settings.client_auth = auth;
  Met challenge(settings);
  challenge.peer.tls = false;
  EXPECT_EQ(challenge.decided(), "");
  challenge.peer.tls = true;
  EXPECT_EQ(challenge.as(Verdict::none), kRefused);
}

TEST(ClientCertificateStep, PodsGetFieldsThatNoClientCanMake) {
  const auto fields = [](Met& met) {
    std::string out, room;
    set_fields(
        met.view, {}, [&]() -> std::string& { return room; },
        [&](std::string_view name, std::string_view value) { out.append(name).append("=").append(value).append(";"); });
    return out;
  };
  Met met(asking(model::VerifyClient::optional));
  EXPECT_TRUE(sets_fields(met.settings));
  EXPECT_EQ(
      fields(met),
      "ssl-client-cert=;ssl-client-verify=SUCCESS;ssl-client-subject-dn=O=Ours,CN=me;ssl-client-issuer-dn=CN=ca;");
  met.peer.client = nullptr;
  EXPECT_EQ(fields(met), "ssl-client-cert=;ssl-client-verify=NONE;ssl-client-subject-dn=;ssl-client-issuer-dn=;");
  auto settings = asking(model::VerifyClient::on);
  model::ClientAuth auth = *settings.client_auth;
  auth.pass_certificate = true;
  settings.client_auth = auth;
  Met passed(settings);
  EXPECT_TRUE(fields(passed).starts_with("ssl-client-cert=pem;"));
}

TEST(ClientCertificateStep, AllocatesNothingForARequestThatGoesOn) {
  Met met(asking(model::VerifyClient::on, "CN=me"));
  EXPECT_EQ(met.decided(), "");
  const auto before = test::allocations();
  const bool goes_on = !decide_for_route(met.view);
  EXPECT_EQ(test::allocations() - before, 0U);
  EXPECT_TRUE(goes_on);
}

}  // namespace
}  // namespace sluice::data
