#include <gtest/gtest.h>

#include <vector>

#include "heads.h"

// Heads of hostile and broken pods, and of good ones.
namespace sluice::net::h1 {
namespace {

using http::Framing;
using http::Method;
using testing::Response;

std::string ok(std::string fields) {
  return "HTTP/1.1 200 OK\r\n" + std::move(fields) + "\r\n\r\n";
}

struct Shape {
  const char* name;
  std::string bytes;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.name;
}

const std::vector<Shape>& refused() {
  static const std::vector<Shape> all = {
      {"coding_and_length", ok("Transfer-Encoding: chunked\r\nContent-Length: 5")},
      {"two_lengths_differ", ok("Content-Length: 5\r\nContent-Length: 6")},
      {"two_lengths_same", ok("Content-Length: 5\r\nContent-Length: 5")},
      {"length_list", ok("Content-Length: 5, 5")},
      {"length_plus", ok("Content-Length: +5")},
      {"length_minus", ok("Content-Length: -5")},
      {"length_empty", ok("Content-Length:")},
      {"length_overflow", ok("Content-Length: 9223372036854775808")},
      {"unknown_coding", ok("Transfer-Encoding: gzip, chunked")},
      {"identity", ok("Transfer-Encoding: identity")},
      {"two_codings", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"coding_on_1_0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"http_0_9", "hello\r\n\r\n"},
      {"http_0_9_html", "<html>body</html>\r\n\r\n"},
      {"http_2", "HTTP/2 200 OK\r\n\r\n"},
      {"http_2_0", "HTTP/2.0 200 OK\r\n\r\n"},
      {"http_1_10", "HTTP/1.10 200 OK\r\n\r\n"},
      {"icy", "ICY 200 OK\r\nA: b\r\n\r\n"},
      {"leading_empty_line", "\r\n" + ok("A: b")},
      {"nul_in_value", ok(std::string("X: a\0b", 6))},
      {"control_in_value", ok("X: a\x01"
                              "b")},
      {"del_in_value", ok("X: a\x7f"
                          "b")},
      {"control_in_reason", "HTTP/1.1 200 O\x01K\r\n\r\n"},
      {"bare_lf", "HTTP/1.1 200 OK\nA: b\n\n"},
      {"bare_lf_in_field", ok("A: b\nC: d")},
      {"bare_cr", ok("A: b\rC: d")},
      {"space_before_colon", ok("X-A : b")},
      {"no_colon", ok("XA")},
      {"empty_name", ok(": b")},
      {"space_in_name", ok("X A: b")},
      {"folded", ok("A: b\r\n c")},
      {"status_99", "HTTP/1.1 99 X\r\n\r\n"},
      {"status_099", "HTTP/1.1 099 X\r\n\r\n"},
      {"status_0200", "HTTP/1.1 0200 X\r\n\r\n"},
      {"status_600", "HTTP/1.1 600 X\r\n\r\n"},
      {"status_999", "HTTP/1.1 999 X\r\n\r\n"},
      {"status_missing", "HTTP/1.1\r\nAB: cdefg\r\n\r\n"},
      {"status_letters", "HTTP/1.1 2OO OK\r\n\r\n"},
      {"two_spaces", "HTTP/1.1  200 OK\r\n\r\n"},
      {"too_many_fields",
       [] {
         std::string fields;
         for (int i = 0; i < 2000; ++i) fields += "A: b\r\n";
         return ok(fields + "C: d");
       }()},
      {"field_of_100_kb", ok("A: " + std::string(102400, 'a'))},
  };
  return all;
}

class RefusedResponses : public ::testing::TestWithParam<Shape> {};

TEST_P(RefusedResponses, Are502OfThePod) {
  const Response r(GetParam().bytes);
  EXPECT_FALSE(r.ok);
  EXPECT_EQ(r.error.status, 502);
  EXPECT_EQ(r.error.whose, Whose::upstream);
  EXPECT_EQ(r.error.retry, Retry::no);
}

INSTANTIATE_TEST_SUITE_P(Catalogue, RefusedResponses, ::testing::ValuesIn(refused()),
                         [](const auto& shape) { return std::string(shape.param.name); });

TEST(Response, Plain) {
  const Response r("HTTP/1.1 200 Fine\xc3\xa9 day\r\nServer: x\r\nX_Under: 1\r\nContent-Length: 0007\r\n\r\n");
  ASSERT_TRUE(r.ok) << r.error.detail;
  EXPECT_EQ(r.head->status, 200);
  EXPECT_EQ(r.head->reason, "Fine\xc3\xa9 day");
  EXPECT_EQ(r.head->framing, Framing::length);
  EXPECT_EQ(r.head->content_length, 7u);
  EXPECT_TRUE(r.head->keep_alive);
  EXPECT_TRUE(r.passes("Server"));
  EXPECT_TRUE(r.passes("X_Under"));
  EXPECT_FALSE(r.passes("Content-Length"));
}

TEST(Response, StatusLines) {
  EXPECT_EQ(Response("HTTP/1.1 599 X\r\n\r\n").head->status, 599);
  const Response no_reason("HTTP/1.1 204\r\n\r\n");
  EXPECT_TRUE(no_reason.ok);
  EXPECT_EQ(no_reason.head->reason, "");
  EXPECT_EQ(Response("HTTP/1.1 200 \r\n\r\n").head->reason, "");
  EXPECT_EQ(Response("HTTP/1.0 200 OK\r\n\r\n").head->minor, 0);
}

TEST(Response, Framing) {
  EXPECT_EQ(Response(ok("Transfer-Encoding: Chunked")).head->framing, Framing::chunked);
  const Response until_close(ok("A: b"));
  EXPECT_EQ(until_close.head->framing, Framing::until_close);
  EXPECT_FALSE(until_close.head->keep_alive);
  EXPECT_EQ(Response(ok("Content-Length: 0")).head->framing, Framing::length);

  const Response head(ok("Content-Length: 5"), Method::head);
  EXPECT_EQ(head.head->framing, Framing::none);
  EXPECT_TRUE(head.passes("Content-Length"));
  EXPECT_TRUE(head.head->keep_alive);
  const Response not_modified("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(not_modified.head->framing, Framing::none);
  EXPECT_TRUE(not_modified.passes("Content-Length"));
  EXPECT_TRUE(not_modified.head->keep_alive);
}

TEST(Response, WithoutBody) {
  for (const char* status : {"100", "101", "103", "204"}) {
    const Response r("HTTP/1.1 " + std::string(status) + " X\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(r.ok);
    EXPECT_EQ(r.head->framing, Framing::none) << status;
    EXPECT_FALSE(r.passes("Content-Length")) << status;
    EXPECT_TRUE(r.head->keep_alive) << status;
    // What would follow is no message of ours: the connection is not used again.
    EXPECT_FALSE(Response("HTTP/1.1 " + std::string(status) + " X\r\nContent-Length: 5\r\n\r\n").head->keep_alive)
        << status;
    EXPECT_FALSE(
        Response("HTTP/1.1 " + std::string(status) + " X\r\nTransfer-Encoding: chunked\r\n\r\n").head->keep_alive)
        << status;
  }
}

TEST(Response, KeepAlive) {
  EXPECT_FALSE(Response(ok("Content-Length: 0\r\nConnection: close")).head->keep_alive);
  EXPECT_FALSE(Response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").head->keep_alive);
  EXPECT_TRUE(Response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n").head->keep_alive);
}

TEST(Response, HopByHopAndNamedFieldsAreDropped) {
  const Response r(ok(
      "Connection: X-Own, Content-Type, Set-Cookie, Content-Length, Date\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n"
      "Proxy-Connection: a\r\nX-Own: 1\r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nDate: x\r\nX-Kept: "
      "1\r\nContent-Length: 3"));
  ASSERT_TRUE(r.ok) << r.error.detail;
  for (const char* name : {"Connection", "Keep-Alive", "Upgrade", "Proxy-Connection", "X-Own"})
    EXPECT_FALSE(r.passes(name)) << name;
  for (const char* name : {"Content-Type", "Set-Cookie", "Date", "X-Kept"}) EXPECT_TRUE(r.passes(name)) << name;
  EXPECT_EQ(r.head->framing, Framing::length);
}

// As nginx has them: of Content-Type the last one and none that is empty, of Location the first.
TEST(Response, WhatIsSaidOnce) {
  const auto passed = [](const std::string& fields) {
    const Response r(ok(fields + "\r\nContent-Length: 0"));
    std::string out;
    for (const auto& f : r.head->fields.all())
      if (!f.drop) out.append(out.empty() ? "" : " ").append(f.value);
    return out;
  };
  EXPECT_EQ(passed("Content-Type: a/a\r\nX: 1\r\ncontent-type: b/b\r\nContent-Type: c/c"), "1 c/c");
  EXPECT_EQ(passed("Content-Type: a/a\r\nContent-Type:"), "");
  EXPECT_EQ(passed("Content-Type:\r\nContent-Type: a/a"), "a/a");
  EXPECT_EQ(passed("Location: /a\r\nLocation: /b\r\nX: 1\r\nlocation: /c"), "/a 1");
  EXPECT_EQ(passed("Set-Cookie: a=1\r\nSet-Cookie: b=2"), "a=1 b=2");
}

TEST(Response, TheIdleTimeThatAPodAnnounces) {
  const auto seconds = [](const char* fields) { return Response(ok(fields)).head->idle_seconds; };
  const auto none = http::ResponseHead::kNotSaid;
  EXPECT_EQ(seconds("A: b"), none);
  EXPECT_EQ(seconds("Keep-Alive: timeout=5"), 5U);
  EXPECT_EQ(seconds("keep-alive: max=7 ,TIMEOUT=05"), 5U);
  EXPECT_EQ(seconds("Keep-Alive: timeout=9\r\nKeep-Alive: timeout=3"), 3U);
  EXPECT_EQ(seconds("Keep-Alive: timeout=0"), 0U);
  EXPECT_EQ(seconds("Keep-Alive: timeout=\"4\", max=100"), 4U);
  EXPECT_EQ(seconds("Keep-Alive: max=100, Timeout = 4"), 4U);
  EXPECT_EQ(seconds("Keep-Alive: timeout=9223372036854775807"), none);
  for (const char* odd : {"timeout", "timeout=", "timeout=-1", "timeout=\"\"", "timeout=\"5", "timeout=5\"",
                          "timeout=5s", "timeouts=5", "300", ""})
    EXPECT_EQ(seconds((std::string("Keep-Alive: ") + odd).c_str()), none) << odd;
}

TEST(Response, NothingOfTheLastOneStays) {
  http::ResponseHead head;
  ASSERT_TRUE(
      parse_response("HTTP/1.0 200 OK\r\nContent-Length: 7\r\nKeep-Alive: timeout=1\r\n\r\n", {}, Method::get, head)
          .has_value());
  ASSERT_TRUE(parse_response("HTTP/1.1 204 No\r\n\r\n", {}, Method::get, head).has_value());
  EXPECT_EQ(head.fields.size(), 0u);
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.idle_seconds, http::ResponseHead::kNotSaid);
  EXPECT_EQ(head.minor, 1);
}

}  // namespace
}  // namespace sluice::net::h1
