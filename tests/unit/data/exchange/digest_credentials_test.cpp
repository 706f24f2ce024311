#include "data/exchange/digest_credentials.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::data {
namespace {

net::http::RequestHead with(std::string_view value) {
  net::http::RequestHead head;
  head.fields.add() = {"Authorization", value, net::http::Name::authorization, false};
  head.names.add(net::http::Name::authorization);
  return head;
}

// The sample of RFC 7616 section 3.9.1.
constexpr std::string_view kSample =
    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, "
    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
    "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, "
    "response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

TEST(DigestCredentials, TheSampleOfTheStandardIsRight) {
  const auto head = with(kSample);
  const auto given = digest_given_by(head);
  ASSERT_TRUE(given);
  EXPECT_EQ(given->username, "Mufasa");
  EXPECT_EQ(given->uri, "/dir/index.html");
  EXPECT_EQ(given->count, 1U);
  // MD5 of Mufasa:http-auth@example.org:Circle of Life
  EXPECT_EQ(digest_response(*given, "3d78807defe7de2157e2b0b6573a855f", "GET"), given->response);
  EXPECT_NE(digest_response(*given, "3d78807defe7de2157e2b0b6573a855f", "POST"), given->response);
  EXPECT_NE(digest_response(*given, "3d78807defe7de2157e2b0b6573a8550", "GET"), given->response);
}

TEST(DigestCredentials, EveryPartHasToBeThereOnce) {
  for (const std::string part : {"username", "realm", "uri", "nonce", "nc", "cnonce", "qop", "response"}) {
    std::string without(kSample);
    const auto at = without.find(part + "=");
    without.replace(at, part.size(), "x" + part);
    const auto head = with(without);
    EXPECT_FALSE(digest_given_by(head)) << part;
    const std::string twice = std::string(kSample) + ", " + part + "=x";
    const auto second = with(twice);
    EXPECT_FALSE(digest_given_by(second)) << part;
  }
}

TEST(DigestCredentials, NothingUnreadableIsRead) {
  const std::string sample(kSample);
  for (const auto& [from, to] : std::initializer_list<std::pair<std::string, std::string>>{
           {"Digest ", "Digest"},
           {"Digest ", "Basic "},
           {"nc=00000001", "nc=1"},
           {"nc=00000001", "nc=0000000g"},
           {"nc=00000001", "nc=-0000001"},
           {"nc=00000001", "nc="},
           {"qop=auth", "qop=auth-int"},
           {"algorithm=MD5", "algorithm=MD5-sess"},
           {"algorithm=MD5", "algorithm=SHA-256"},
           {"\"Mufasa\"", "\"Mufasa"},
           {"\"Mufasa\"", "\"\""},
           {"\"Mufasa\"", "\"Mufasa\" x"},
           {"username=", "username\""},
           {", realm", " realm"},
           {"8ca523", "8ca52"},
       }) {
    std::string changed = sample;
    changed.replace(changed.find(from), from.size(), to);
    const auto head = with(changed);
    EXPECT_FALSE(digest_given_by(head)) << to;
  }
  const std::string ends = sample.substr(0, sample.size() - 1);
  const auto open = with(ends);
  EXPECT_FALSE(digest_given_by(open));
  const std::string escaped = ends + "\\\"";
  const auto never = with(escaped);
  EXPECT_FALSE(digest_given_by(never)) << "the last quote is one of the text";
  const std::string large = sample + ", x=\"" + std::string(kMostDigest, 'x') + "\"";
  const auto much = with(large);
  EXPECT_FALSE(digest_given_by(much));
  EXPECT_FALSE(digest_given_by(net::http::RequestHead{}));
}

TEST(DigestCredentials, CaseAndBlanksAndQuotesAreTheClients) {
  const std::string written =
      "dIGEST \t,, Username = \"a\\\"b\\\\c\" ,realm=x,NONCE=y,uri=z,qop=\"AUTH\",nc=\"0000000A\",cnonce=c,"
      "response=\"00000000000000000000000000000000\" , ";
  const auto head = with(written);
  const auto given = digest_given_by(head);
  ASSERT_TRUE(given);
  EXPECT_EQ(unquoted(given->username), "a\"b\\c");
  EXPECT_EQ(given->count, 10U);
}

}  // namespace
}  // namespace sluice::data
