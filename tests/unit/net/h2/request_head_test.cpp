#include "net/h2/request_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::net::h2 {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

struct Read {
  char buffer[48];  // grows at once
  http::RequestHead head;
  RequestHeadReader reader;
  Status status;
  explicit Read(const Lines& lines, bool ended = true, HeadRules rules = {})
      : reader(rules, buffer, sizeof buffer, head) {
    for (const auto& [name, value] : lines)
      if (!reader.add(name, value)) break;
    status = reader.finish(ended);
  }
  std::string_view value(std::string_view name) const {
    for (const auto& f : head.fields.all())
      if (f.name == name && !f.drop) return f.value;
    return "(none)";
  }
};

Lines with(Lines more, std::string path = "/a?b=c") {
  Lines all{{":method", "GET"}, {":scheme", "https"}, {":authority", "shop.example:8443"}, {":path", std::move(path)}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(RequestHead, IsReadIntoTheSameFormAsHttp1) {
  Read r(with({{"user-agent", "x"}, {"accept", "*/*"}}));
  ASSERT_TRUE(r.status);
  EXPECT_EQ(r.head.major, 2);
  EXPECT_EQ(r.head.method, http::Method::get);
  EXPECT_EQ(r.head.path_query, "/a?b=c");
  EXPECT_EQ(r.head.authority, "shop.example:8443");
  EXPECT_EQ(r.head.host, "shop.example");
  EXPECT_EQ(r.value("user-agent"), "x");
  EXPECT_EQ(r.head.framing, http::Framing::none);
}

TEST(RequestHead, KeepsItsViewsWhenMemoryGrows) {
  Lines many;
  for (int i = 0; i < 60; ++i)
    many.emplace_back("name-" + std::to_string(i), std::string(50, static_cast<char>('a' + i % 26)));
  Read r(with(many));
  ASSERT_TRUE(r.status);
  EXPECT_EQ(r.head.path_query, "/a?b=c");
  for (const auto& [name, value] : many) EXPECT_EQ(r.value(name), value);
}

TEST(RequestHead, JoinsCookieCrumbsWhereverTheyStand) {
  Read r(with({{"cookie", "a=1"}, {"cookie", "b=2"}, {"x", "y"}, {"cookie", "c=3"}, {"z", "w"}}));
  ASSERT_TRUE(r.status);
  EXPECT_EQ(r.value("cookie"), "a=1; b=2; c=3");
  EXPECT_EQ(r.value("x"), "y");
  EXPECT_EQ(r.value("z"), "w");
}

TEST(RequestHead, FramingComesFromLengthAndEnd) {
  EXPECT_EQ(Read(with({{"content-length", "005"}}), false).head.content_length, 5u);
  EXPECT_EQ(Read(with({{"content-length", "5"}}), false).head.framing, http::Framing::length);
  EXPECT_EQ(Read(with({}), false).head.framing, http::Framing::chunked);
  EXPECT_EQ(Read(with({{"content-length", "0"}}), true).head.framing, http::Framing::length);
  EXPECT_EQ(Read(with({{"content-length", "0"}}), false).head.framing, http::Framing::chunked)
      << "a lie must not reach the pod before the end is there";
}

// Status 0: the stream is reset; nothing is answered.
TEST(RequestHead, RefusesWhatRfc9113CallsMalformed) {
  const std::pair<const char*, Lines> rows[] = {
      {"no authority, no host", {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}},
      {"userinfo", {{":method", "GET"}, {":scheme", "https"}, {":authority", "u@h"}, {":path", "/"}}},
      {"host differs", with({{"host", "other.example"}})},
      {"two hosts", with({{"host", "shop.example:8443"}, {"host", "shop.example:8443"}})},
      {"fragment", with({}, "/a#b")},
      {"8-bit path", with({}, "/\xc3\xa9")},
      {"space in path", with({}, "/a b")},
      {"no slash", with({}, "a")},
      {"absolute", with({}, "http://h/")},
      {"control byte", with({{"x", "a\x01"}})},
      {"connection", with({{"connection", "close"}})},
      {"transfer-encoding", with({{"transfer-encoding", "chunked"}})},
      {"length twice", with({{"content-length", "5"}, {"content-length", "5"}})},
      {"length sign", with({{"content-length", "+5"}})},
      {"length without body", with({{"content-length", "5"}})},
      {"scheme", {{":method", "GET"}, {":scheme", "ftp"}, {":authority", "h"}, {":path", "/"}}},
      {"method", {{":method", "GE T"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}}},
  };
  for (const auto& [what, lines] : rows) {
    Read r(lines);
    ASSERT_FALSE(r.status) << what;
    EXPECT_EQ(r.status.error().status, 0) << what;
  }
}

TEST(RequestHead, AnswersWhatIsTooMuchOrNotServed) {
  const auto status = [](const Lines& lines) {
    Read r(lines);
    return r.status ? 200 : r.status.error().status;
  };
  EXPECT_EQ(status(with({}, "/" + std::string(9000, 'p'))), 414);
  EXPECT_EQ(status(with({{"x", std::string(9000, 'v')}})), 431);
  Lines many;
  for (int i = 0; i < 101; ++i) many.emplace_back("n" + std::to_string(i), "v");
  EXPECT_EQ(status(with(many)), 431);
  Lines crumbs;
  for (int i = 0; i < 1200; ++i) crumbs.emplace_back("cookie", "a=1");
  EXPECT_EQ(status(with(crumbs)), 431);
  EXPECT_EQ(status(with({{"expect", "else"}})), 417);
  EXPECT_EQ(status(with({{"expect", "100-continue, else"}})), 417);
  EXPECT_EQ(status(with({{"expect", ""}, {"expect", "100-continue"}})), 200);
  EXPECT_EQ(status(with({}, "/%zz")), 400);
  EXPECT_EQ(status({{":method", "TRACE"}, {":scheme", "http"}, {":authority", "h"}, {":path", "/"}}), 405);
  EXPECT_EQ(status({{":method", "CONNECT"}, {":authority", "h:443"}}), 405);
}

TEST(RequestHead, ExtendedConnectStandsForAnUpgrade) {
  Read r(
      {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":authority", "h"}, {":path", "/ws"}},
      false);
  ASSERT_TRUE(r.status);
  EXPECT_EQ(r.head.method_text, "GET");
  EXPECT_TRUE(r.head.upgrade);
  EXPECT_EQ(r.head.upgrade_token, "websocket");
  EXPECT_EQ(r.head.framing, http::Framing::none);
}

TEST(RequestHead, DropsNamesThatPodsMistake) {
  EXPECT_EQ(Read(with({{"x_forwarded_for", "1"}})).value("x_forwarded_for"), "(none)");
  HeadRules allowed;
  allowed.underscores = true;
  EXPECT_EQ(Read(with({{"a_b", "1"}}), true, allowed).value("a_b"), "1");
  EXPECT_EQ(Read(with({{"x_forwarded_for", "1"}}), true, allowed).value("x_forwarded_for"), "(none)");
}

}  // namespace
}  // namespace sluice::net::h2
