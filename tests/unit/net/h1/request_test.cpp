#include <gtest/gtest.h>

#include "heads.h"

// What an accepted request looks like to its reader.
namespace sluice::net::h1 {
namespace {

using http::Framing;
using http::Method;
using http::Name;
using testing::Request;

std::string with(std::string fields) {
  return "POST /x?y=1 HTTP/1.1\r\nHost: t.example\r\n" + std::move(fields) + "\r\n\r\n";
}

TEST(Request, Plain) {
  const Request r("GET /a/b?c=d HTTP/1.1\r\nHost: T.example:8080\r\nUser-Agent:  curl/8 \t\r\nX-Empty:\r\n\r\n");
  ASSERT_EQ(r.status, 0) << r.why;
  EXPECT_EQ(r.head->method_text, "GET");
  EXPECT_EQ(r.head->method, Method::get);
  EXPECT_EQ(r.head->target, "/a/b?c=d");
  EXPECT_EQ(r.head->path_query, "/a/b?c=d");
  EXPECT_EQ(r.head->authority, "T.example:8080");
  EXPECT_EQ(r.head->host, "T.example");
  EXPECT_EQ(r.head->minor, 1);
  EXPECT_EQ(r.head->framing, Framing::none);
  EXPECT_TRUE(r.head->keep_alive);
  EXPECT_FALSE(r.head->upgrade);
  EXPECT_FALSE(r.head->expect_continue);
  ASSERT_EQ(r.head->fields.size(), 3u);
  EXPECT_EQ(r.head->fields[1].value, "curl/8");
  EXPECT_EQ(r.head->fields[1].id, Name::user_agent);
  EXPECT_EQ(r.head->fields[2].value, "");
  EXPECT_TRUE(r.passes("X-Empty"));
}

// The head object of a connection is used again: nothing of the last request may shine through.
TEST(Request, NothingOfTheLastOneStays) {
  http::RequestHead head;
  const std::string_view first =
      "POST http://h/ HTTP/1.0\r\nConnection: keep-alive\r\nHost: h\r\nContent-Length: 7\r\nExpect: "
      "100-continue\r\n\r\n";
  ASSERT_TRUE(parse_request(first, {}, head).has_value());
  const std::string_view second = "GET /z HTTP/1.0\r\n\r\n";
  ASSERT_TRUE(parse_request(second, {}, head).has_value());
  EXPECT_EQ(head.fields.size(), 0u);
  EXPECT_EQ(head.host, "");
  EXPECT_EQ(head.authority, "");
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_EQ(head.path_query, "/z");
  EXPECT_FALSE(head.keep_alive);
}

TEST(Request, HeadWithoutItsEndIsRefused) {
  http::RequestHead head;
  for (std::string_view bytes : {"", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: t\r\n", "\r\n\r\n", "\r\n"})
    EXPECT_FALSE(parse_request(bytes, {}, head).has_value()) << bytes;
}

TEST(Request, EmptyLineBeforeIsSkippedOnce) {
  const std::string bytes = "\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\nNEXT";
  HeadScan scan;
  const auto length = find_head(bytes, scan, {}, true);
  ASSERT_TRUE(length.has_value());
  EXPECT_EQ(scan.skip, 2u);
  EXPECT_EQ(bytes.substr(scan.skip + *length), "NEXT");
}

TEST(Request, Framing) {
  EXPECT_EQ(Request(with("Content-Length: 0")).head->framing, Framing::length);
  const Request zeros(with("Content-Length: 0005"));
  EXPECT_EQ(zeros.head->content_length, 5u);
  EXPECT_EQ(zeros.field("Content-Length")->value, "5");
  EXPECT_TRUE(zeros.field("Content-Length")->drop);
  const Request chunked(with("Transfer-Encoding:\tChunked "));
  EXPECT_EQ(chunked.head->framing, Framing::chunked);
  EXPECT_FALSE(chunked.passes("Transfer-Encoding"));
  EXPECT_EQ(Request(with("Content-Length: 9223372036854775807")).head->content_length, 9223372036854775807u);
}

TEST(Request, KeepAlive) {
  const auto keeps = [](std::string version, std::string connection) {
    return Request("GET / HTTP/" + version + "\r\nHost: t\r\n" + connection + "\r\n").head->keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: foo, Close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(keeps("1.9", ""));
}

TEST(Request, UnderscoresAndInvalidNames) {
  const std::string bytes = with("X_Under: 1\r\nX.Dot: 2\r\nX-Dash: 3");
  const Request normal(bytes);
  EXPECT_FALSE(normal.passes("X_Under"));
  EXPECT_FALSE(normal.passes("X.Dot"));
  EXPECT_TRUE(normal.passes("X-Dash"));
  HeadLimits limits;
  limits.underscores = true;
  const Request underscores(bytes, limits);
  EXPECT_TRUE(underscores.passes("X_Under"));
  EXPECT_FALSE(underscores.passes("X.Dot"));
  const std::string forged = with("X_Real_IP: 1\r\nx-forwarded_for: 2\r\nTransfer_Encoding: chunked\r\nUser_Agent: 3");
  for (const bool invalid : {false, true}) {  // whichever of the two keys lets them in
    limits.underscores = !invalid;
    limits.ignore_invalid_names = !invalid;
    const Request allowed(forged, limits);
    for (const char* name : {"X_Real_IP", "x-forwarded_for", "Transfer_Encoding"}) EXPECT_FALSE(allowed.passes(name));
    EXPECT_TRUE(allowed.passes("User_Agent"));
  }
  limits = {};
  limits.ignore_invalid_names = false;
  const Request all(bytes, limits);
  EXPECT_TRUE(all.passes("X_Under"));
  EXPECT_TRUE(all.passes("X.Dot"));
  // An underscore never makes a known name.
  EXPECT_EQ(Request(with("Content_Length: 44")).head->framing, Framing::none);
  EXPECT_EQ(Request(with("Transfer_Encoding: chunked\r\nContent-Length: 5")).head->framing, Framing::length);
}

TEST(Request, HopByHopIsDropped) {
  const Request r(
      with("Connection: x-own, close\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n"
           "Upgrade: foo\r\nHTTP2-Settings: AA\r\nProxy: http://evil\r\nProxy-Authorization: Basic a\r\nExpect: "
           "100-continue\r\n"
           "X-Own: 1\r\nTrailer: X-T\r\nX-Kept: 2\r\nMax-Forwards: 1"));
  ASSERT_EQ(r.status, 0) << r.why;
  for (const char* name : {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "HTTP2-Settings", "Proxy",
                           "Proxy-Authorization", "Expect", "X-Own"})
    EXPECT_FALSE(r.passes(name)) << name;
  for (const char* name : {"Host", "Trailer", "X-Kept", "Max-Forwards"}) EXPECT_TRUE(r.passes(name)) << name;
}

// Rows 106 to 108: naming them in Connection takes nothing away that pods or we decide by.
TEST(Request, ConnectionCannotNameProtectedFields) {
  const Request r(with(
      "Connection: Host, Authorization, Cookie, X-Forwarded-For, X-Real-IP, X-Forwarded-Proto, X-Request-ID, Via\r\n"
      "Authorization: Basic a\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n"
      "X-Forwarded-Proto: https\r\nX-Request-ID: 1\r\nVia: 1.1 a"));
  ASSERT_EQ(r.status, 0) << r.why;
  for (const char* name :
       {"Host", "Authorization", "Cookie", "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Request-ID", "Via"})
    EXPECT_TRUE(r.passes(name)) << name;
}

TEST(Request, ConnectionNamesFieldsBeforeAndAfterIt) {
  const Request r(with("X-A: 1\r\nConnection: x-a\r\nConnection: ,X-B , \r\nX-B: 2\r\nx-a: 3"));
  EXPECT_FALSE(r.passes("X-A"));
  EXPECT_FALSE(r.passes("X-B"));
  EXPECT_FALSE(r.passes("x-a"));
}

TEST(Request, Targets) {
  const auto path = [](std::string line) {
    return std::string(Request(line + "\r\nHost: t.example\r\n\r\n").head->path_query);
  };
  EXPECT_EQ(path("GET http://t.example/abs?x=1 HTTP/1.1"), "/abs?x=1");
  EXPECT_EQ(path("GET http://t.example HTTP/1.1"), "/");
  EXPECT_EQ(path("GET https://t.example:443/%41 HTTP/1.1"), "/%41");
  EXPECT_EQ(path("OPTIONS * HTTP/1.1"), "*");
  EXPECT_EQ(path("GET /x\\..\\admin HTTP/1.1"), "/x\\..\\admin");
  EXPECT_EQ(path("GET /\"<>\\^`{|} HTTP/1.1"), "/\"<>\\^`{|}");
  EXPECT_EQ(path("GET //t.example/a HTTP/1.1"), "//t.example/a");
  EXPECT_EQ(path("GET /a?u=http://x/?y&%zz HTTP/1.1"), "/a?u=http://x/?y&%zz");

  const Request old("GET http://h.example:81/a HTTP/1.0\r\n\r\n");
  ASSERT_EQ(old.status, 0) << old.why;
  EXPECT_EQ(old.head->authority, "h.example:81");
  EXPECT_EQ(old.head->host, "h.example");
}

TEST(Request, Hosts) {
  const auto name = [](std::string value) {
    return std::string(Request("GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n").head->host);
  };
  EXPECT_EQ(name("a.example"), "a.example");
  EXPECT_EQ(name("a.example:"), "a.example");
  EXPECT_EQ(name("[2001:db8::1]:443"), "[2001:db8::1]");
  EXPECT_EQ(name("10.0.0.1:80"), "10.0.0.1");
  EXPECT_EQ(name("under_score.example"), "under_score.example");
}

TEST(Request, Expect) {
  EXPECT_TRUE(Request(with("Expect: 100-continue\r\nContent-Length: 5")).head->expect_continue);
  EXPECT_TRUE(Request(with("Expect: 100-continue\r\nTransfer-Encoding: chunked")).head->expect_continue);
  EXPECT_FALSE(Request(with("Expect: 100-continue\r\nContent-Length: 0")).head->expect_continue);
  EXPECT_FALSE(Request(with("Expect: 100-continue")).head->expect_continue);
  EXPECT_FALSE(Request("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").head->expect_continue);
  // A list, whose empty elements say nothing.
  for (const char* nothing : {"Expect:", "Expect: ,", "Expect:\r\nExpect: , ,"}) {
    const Request r(with(std::string(nothing) + "\r\nContent-Length: 5"));
    EXPECT_EQ(r.status, 0) << nothing;
    EXPECT_FALSE(r.head->expect_continue) << nothing;
    EXPECT_FALSE(r.passes("Expect")) << nothing;
  }
  EXPECT_TRUE(Request(with("Expect:\r\nExpect: , 100-Continue\r\nContent-Length: 5")).head->expect_continue);
  for (const char* other :
       {"Expect: 200-ok", "Expect: 100-continue, 100-continue", "Expect: 100-continue, 200-ok",
        "Expect: 100-continue\r\nExpect: x", "Expect: 100-continue=1", "Expect: 100-continue;a=b", "Expect: \"\""})
    EXPECT_EQ(Request(with(std::string(other) + "\r\nContent-Length: 5")).status, 417) << other;
}

TEST(Request, Upgrade) {
  const auto token = [](std::string fields) {
    const Request r(with(std::move(fields)));
    EXPECT_EQ(r.status, 0) << r.why;
    EXPECT_EQ(r.head->upgrade, !r.head->upgrade_token.empty());
    return std::string(r.head->upgrade_token);
  };
  EXPECT_EQ(token("Connection: keep-alive, Upgrade\r\nUpgrade: foo/2"), "foo/2");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: h2c"), "");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: H2C"), "");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: HTTP/2.0"), "");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: TLS/1.2"), "");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: h2c, foo"), "foo");
  EXPECT_EQ(token("Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo"), "foo");
  EXPECT_EQ(token("Upgrade: foo"), "");
  EXPECT_EQ(token("Connection: Upgrade"), "");
  const Request old("GET / HTTP/1.0\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n");
  EXPECT_FALSE(old.head->upgrade);
  const Request socket(
      with("Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
           "dGhlIHNhbXBsZSBub25jZQ=="));
  EXPECT_TRUE(socket.head->upgrade) << socket.why;
  EXPECT_TRUE(socket.passes("Sec-WebSocket-Key"));
}

TEST(Request, Limits) {
  HeadLimits limits;
  limits.request_line = 20;
  EXPECT_EQ(Request("GET /23456 HTTP/1.1\r\nHost: t\r\n\r\n", limits).status, 0);
  EXPECT_EQ(Request("GET /234567 HTTP/1.1\r\nHost: t\r\n\r\n", limits).status, 0);
  EXPECT_EQ(Request("GET /2345678 HTTP/1.1\r\nHost: t\r\n\r\n", limits).status, 414);
  EXPECT_EQ(Request("GET /" + std::string(30, 'a'), limits).status, 414);

  limits = {};
  limits.field_line = 10;
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: t\r\nX: 4567890\r\n\r\n", limits).status, 0);
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: t\r\nX: 45678901\r\n\r\n", limits).status, 431);
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: t\r\nX: 45678901", limits).status, 431);

  limits = {};
  const std::string whole = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
  limits.head = whole.size();
  EXPECT_EQ(Request(whole, limits).status, 0);
  limits.head = whole.size() - 1;
  EXPECT_EQ(Request(whole, limits).status, 431);

  limits = {};
  limits.fields = 2;
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: t\r\nA: b\r\n\r\n", limits).status, 0);
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: t\r\nA: b\r\nC: d\r\n\r\n", limits).status, 431);
}

// A configured limit above the array's size changes nothing.
TEST(Request, FieldsNeverExceedTheArray) {
  HeadLimits limits;
  limits.fields = 100000;
  std::string bytes = "GET / HTTP/1.1\r\nHost: t\r\n";
  for (std::size_t i = 1; i < http::kMaxFields; ++i) bytes += "A: b\r\n";
  EXPECT_EQ(Request(bytes + "\r\n", limits).status, 0);
  EXPECT_EQ(Request(bytes + "A: b\r\n\r\n", limits).status, 431);
}

TEST(Request, RefusedAsSoonAsSeen) {
  for (const char* bytes : {"GET / HTTP/1.1\r\nX: a\n", "GET / HTTP/1.1\r\nX: a\rb", "GET / HTTP/1.1\n", "\x16",
                            "GET /\r\n", "GET / HTTP/1.1\r\nX: a\x01", "GET /a\tb", "GET / HTTP/1.1\r\r"})
    EXPECT_EQ(Request(bytes).status, 400) << bytes;
  for (const char* bytes :
       {"", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nX: a\tb", "\r", "\r\n", "\r\nG"})
    EXPECT_EQ(Request(bytes).status, Request::kIncomplete) << bytes;
}

TEST(Request, ErrorsBelongToTheClient) {
  http::RequestHead head;
  const auto result = parse_request("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", {}, head);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().whose, Whose::downstream);
  EXPECT_EQ(result.error().retry, Retry::no);
  EXPECT_STRNE(result.error().detail, "");
}

}  // namespace
}  // namespace sluice::net::h1
