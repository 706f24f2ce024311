#include "control/kube/external_auth.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

model::ExternalAuth read(std::string_view url) {
  model::ExternalAuth out;
  EXPECT_EQ(read_auth_url(url, out), "") << url;
  return out;
}

TEST(AuthUrl, IsTakenApart) {
  struct Row {
    const char *url, *host, *header, *target;
    bool tls;
    int port;
  };
  for (const Row& row :
       {Row{"http://auth.example/ok", "auth.example", "auth.example", "/ok", false, 80},
        Row{"https://Auth.Example:4180/a/b?c=d", "auth.example", "Auth.Example", "/a/b?c=d", true, 4180},
        Row{"http://auth.example", "auth.example", "auth.example", "/", false, 80},
        Row{"http://auth.example?x=$request_uri", "auth.example", "auth.example", "/?x=$request_uri", false, 80},
        Row{"http://auth.example.:80/", "auth.example", "auth.example.", "/", false, 80},
        Row{"https://mirror.example$request_uri", "mirror.example", "mirror.example", "$request_uri", true, 443},
        Row{"http://10.0.0.1:8080/ok", "10.0.0.1", "10.0.0.1", "/ok", false, 8080},
        Row{"http://[2001:db8::1]:8080/ok", "2001:db8::1", "[2001:db8::1]", "/ok", false, 8080},
        Row{"http://[2001:db8::1]/ok", "2001:db8::1", "[2001:db8::1]", "/ok", false, 80}}) {
    SCOPED_TRACE(row.url);
    const auto auth = read(row.url);
    EXPECT_EQ(auth.host, row.host);
    EXPECT_EQ(auth.host_header.text(), row.header);
    EXPECT_EQ(auth.target.text(), row.target);
    EXPECT_EQ(auth.tls, row.tls);
    EXPECT_EQ(auth.port, row.port);
    EXPECT_FALSE(auth.by_host);
  }
}

TEST(AuthUrl, MayNameTheHostOfTheRequest) {
  for (const char* url : {"https://$host/oauth2/auth", "https://${host}/oauth2/auth", "https://$http_host/oauth2/auth",
                          "https://$best_http_host/oauth2/auth", "https://$server_name/oauth2/auth"}) {
    const auto auth = read(url);
    EXPECT_TRUE(auth.by_host) << url;
    EXPECT_EQ(auth.host, "");
    EXPECT_EQ(auth.host_header.text(), "$host");
    EXPECT_EQ(auth.target.text(), "/oauth2/auth");
  }
  EXPECT_EQ(read("https://$host:8443/x").port, 8443);
}

TEST(AuthUrl, IsRefusedWithWhatWasExpected) {
  for (const char* url : {"",
                          "auth.example/ok",
                          "ftp://auth.example/",
                          "http:///ok",
                          "http://:80/",
                          "http://a..b/",
                          "http://a b/",
                          "http://auth.example:0/",
                          "http://auth.example:70000/",
                          "http://auth.example:x/",
                          "http://[::1/",
                          "http://[x]/",
                          "http://$arg_host/",
                          "http://a.$host/",
                          "http://auth.example/$nobody",
                          "http://a/${",
                          "http://-a/",
                          "http://a/b c",
                          "http://a/b#c",
                          "http://a/b\"",
                          "http://a/b?c d",
                          "http://a/\r\nb",
                          "http://a/{b}"}) {
    model::ExternalAuth out;
    EXPECT_NE(read_auth_url(url, out), "") << url;
  }
}

TEST(AuthSignin, GetsTheParameterUnlessItHasIt) {
  const std::string back = "$pass_access_scheme://$http_host$escaped_request_uri";
  EXPECT_EQ(with_return({}, "rd").text(), "");
  EXPECT_EQ(with_return("https://l/s", "rd").text(), "https://l/s?rd=" + back);
  EXPECT_EQ(with_return("https://l/s?", "rd").text(), "https://l/s?rd=" + back);
  EXPECT_EQ(with_return("https://l/s?a=b", "rd").text(), "https://l/s?a=b&rd=" + back);
  EXPECT_EQ(with_return("https://l/s?rd=$escaped_request_uri", "rd").text(), "https://l/s?rd=$escaped_request_uri");
  EXPECT_EQ(with_return("https://l/s?rd=", "rd").text(), "https://l/s?rd=&rd=" + back);
  EXPECT_EQ(with_return("https://l/s?xrd=1", "rd").text(), "https://l/s?xrd=1&rd=" + back);
  EXPECT_EQ(with_return("https://l/s?rd=1", "back").text(), "https://l/s?rd=1&back=" + back);
}

TEST(AuthHeaders, AreNamesOnce) {
  std::vector<std::string> out;
  EXPECT_EQ(read_auth_headers(" X-User, x-user ,,X_Other ", out), "");
  EXPECT_EQ(out, (std::vector<std::string>{"X-User", "X_Other"}));
  EXPECT_NE(read_auth_headers("X-User, X User", out), "");
  EXPECT_NE(read_auth_headers("X-User: a", out), "");
  // What would change where a message ends, or whom it is for.
  for (const char* name : {"Content-Length", "transfer-encoding", "Connection", "Upgrade", "TE", "Trailer", "Host",
                           "Expect", "CDN-Loop", "Sec-WebSocket-Key"})
    EXPECT_NE(read_auth_headers(std::string("X-User, ") + name, out), "") << name;
  std::string many;
  for (int i = 0; i < 65; ++i) many += "X-" + std::to_string(i) + ",";
  EXPECT_NE(read_auth_headers(many, out), "");
}

TEST(AuthCacheTimes, AreReadAsNginxReadsThem) {
  std::vector<model::AuthCacheTime> out;
  EXPECT_EQ(read_cache_times("200 202 401 5m, 403 1h 30m,any 10s, 1d", out), "");
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(out[0].statuses, (std::vector<std::uint16_t>{200, 202, 401}));
  EXPECT_EQ(out[0].time.count(), 300);
  EXPECT_EQ(out[1].time.count(), 5400);
  EXPECT_EQ(out[2].statuses, std::vector<std::uint16_t>{0});
  EXPECT_TRUE(out[3].statuses.empty());
  EXPECT_EQ(cache_times_text(out), "200 202 401 5m, 403 90m, any 10s, 24h");
  for (const char* wrong : {"200", "5m 200", "200 5", "200 5q", "200 m", "x 5m", "200 99999999999999999999s"})
    EXPECT_NE(read_cache_times(wrong, out), "") << wrong;
}

TEST(AuthMethod, IsOneOfTheKnown) {
  std::string out;
  EXPECT_EQ(read_auth_method("POST", out), "");
  EXPECT_EQ(out, "POST");
  for (const char* wrong : {"post", "CONNECT", "TRACE", "GET POST", ""})
    EXPECT_NE(read_auth_method(wrong, out), "") << wrong;
}

}  // namespace
}  // namespace sluice::control
