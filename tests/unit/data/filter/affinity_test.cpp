// The cookie of a session: how it is found in requests, and how it is set.
#include <gtest/gtest.h>

#include "asked.h"
#include "data/balance/session_cookie.h"

namespace sluice::data {
namespace {

model::RouteSettings with(model::Affinity affinity) {
  model::RouteSettings out;
  model::Balancing balancing;
  balancing.affinity = std::move(affinity);
  out.balancing = std::move(balancing);
  return out;
}

std::string set_by(Asked& asked, std::vector<net::http::Field> sent = {}) {
  asked.spec.location = "/x";
  asked.view.session = "route=k|id";
  std::string out;
  Responded(asked, std::move(sent)).each([&](const auto& f) {
    if (iequals(f.name, "set-cookie")) out += (out.empty() ? "" : "\n") + std::string(f.value);
  });
  return out;
}

TEST(SessionCookie, IsMadeAsIngressNginxMakesIt) {
  EXPECT_EQ(session_id_of("oracle-multi-80"), "41b050009e8129144679d73242630ff2");
}

TEST(SessionCookie, IsFoundAmongOthers) {
  struct Row {
    const char *cookie, *key, *id;
  };
  for (const auto& [cookie, key, id] : {
           Row{"a=1; s=k|mine; b=2", "k", "mine"},
           Row{"s=k", "k", ""},
           Row{"s=", "", ""},
           Row{"s=|mine", "", ""},
           Row{"S=k|mine", "", ""},
           Row{"xs=k|mine", "", ""},
           Row{"s=far|other; s=near|mine", "near", "mine"},
           Row{"s=first|other; s=second|another", "first", "other"},
           Row{"s = k|mine", "", ""},
           Row{"  s=k|mine  ", "k", "mine"},
           Row{";;;s=k|mine", "k", "mine"},
       }) {
    SCOPED_TRACE(cookie);
    Asked asked;
    asked.field("Cookie", cookie);
    const auto found = session_cookie(asked.head, "s", "mine");
    EXPECT_EQ(found.key, key);
    EXPECT_EQ(found.id, id);
  }
}

TEST(SessionCookie, IsSetBesideThePodsOwn) {
  Asked asked(with({}));
  EXPECT_EQ(set_by(asked, {field("Set-Cookie", "a=1")}), "a=1\nroute=k|id; Path=/x; HttpOnly");
}

TEST(SessionCookie, IsNotSetWhereNoSessionBegan) {
  Asked asked(with({}));
  int fields = 0;
  Responded(asked, {}).each([&](const auto&) { ++fields; });
  EXPECT_EQ(fields, 0);
}

TEST(SessionCookie, HasTheAttributesOfItsRoute) {
  model::Affinity all;
  all.path = "/p";
  all.domain = "a.example";
  all.max_age = 3600;
  all.secure = true;
  all.same_site = model::SameSite::strict;
  Asked asked(with(all));
  EXPECT_EQ(set_by(asked), "route=k|id; Max-Age=3600; Domain=a.example; Path=/p; Secure; HttpOnly; SameSite=Strict");
  Asked secured(with({}));
  secured.view.https = true;
  EXPECT_EQ(set_by(secured), "route=k|id; Path=/x; Secure; HttpOnly");
}

TEST(SessionCookie, LeavesSameSiteNoneOutWhereItIsMisunderstood) {
  model::Affinity none;
  none.same_site = model::SameSite::none;
  none.same_site_none_if_understood = true;
  for (const auto& [agent, understood] : std::vector<std::pair<const char*, bool>>{
           {"", true},
           {"curl/8", true},
           {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0 Safari/537.36", true},
           {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/66.0 Safari/537.36", false},
           {"Mozilla/5.0 (iPhone; CPU iPhone OS 12_1 like Mac OS X) AppleWebKit/605.1.15", false},
           {"Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15", false},
           {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 Version/12.1.2 Safari/605.1.15",
            false},
           {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", true}}) {
    SCOPED_TRACE(agent);
    Asked asked(with(none));
    if (*agent != '\0') asked.field("User-Agent", agent);
    EXPECT_EQ(set_by(asked).ends_with("; SameSite=None"), understood);
  }
}

}  // namespace
}  // namespace sluice::data
