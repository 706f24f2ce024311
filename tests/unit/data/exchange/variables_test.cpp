#include "data/exchange/variables.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "../filter/asked.h"
#include "data/exchange/exchange.h"

namespace sluice::data {
namespace {

struct VariablesOfARequest : testing::Test {
  VariablesOfARequest() {
    spec.ns = "default";
    spec.ingress = "shop";
    spec.service = "svc";
    spec.service_port = "80";
    spec.location = "/x";
    spec.upstream_name = "default-svc-80";
    asked.route.spec = &spec;
    peer.address = "192.0.2.9";
    peer.port = 4000;
    peer.local_port = 8443;
    peer.tls = true;
    asked.view.from = &peer;
    asked.view.client = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
    asked.view.request_id = "0123";
    asked.view.host_header = "a.example:8080";
    asked.view.port_text = "443";
  }
  std::string operator()(std::string_view text, Spelling spelling = Spelling::field) const {
    std::string out;
    evaluate(Template(text), asked.view, spelling, out);
    return out;
  }
  Asked asked;
  model::Route spec;
  Peer peer;
};

TEST_F(VariablesOfARequest, OfClientRequestAndRoute) {
  const auto& value = *this;
  EXPECT_EQ(value("$remote_addr $remote_port $realip_remote_addr"), "192.0.2.7 4000 192.0.2.9");
  EXPECT_EQ(value("$scheme $https $server_port $pass_port $pass_access_scheme"), "https on 8443 443 http");
  EXPECT_EQ(value("$request_method $request_uri $uri $args$is_args $server_protocol"), "GET /x?y=1 /x y=1? HTTP/1.1");
  EXPECT_EQ(value("$request"), "GET /x?y=1 HTTP/1.1");
  EXPECT_EQ(value("$host $http_host $best_http_host $server_name"),
            "a.example a.example:8080 a.example:8080 a.example");
  EXPECT_EQ(value("$req_id-$request_id"), "0123-0123");
  EXPECT_EQ(value("$namespace/$ingress_name $service_name:$service_port $location_path $proxy_upstream_name"),
            "default/shop svc:80 /x default-svc-80");
  EXPECT_EQ(value("${literal_dollar}1"), "$1");
}

TEST_F(VariablesOfARequest, OfPodsOfFastcgi) {
  const auto& value = *this;
  EXPECT_EQ(value("$fastcgi_script_name|$fastcgi_path_info|$request_filename"), "/x||/usr/local/nginx/html/x");
  EXPECT_EQ(value("$document_root $realpath_root $nginx_version"),
            "/usr/local/nginx/html /usr/local/nginx/html 1.27.1");
  EXPECT_EQ(value("$server_addr"), "") << "of no connection";
  EXPECT_FALSE(value("$hostname").empty());
  asked.view.script = "/x/index.php";
  asked.view.body_length = "12";
  EXPECT_EQ(value("$fastcgi_script_name $uri $content_length"), "/x/index.php /x 12");
}

TEST_F(VariablesOfARequest, UriIsThePathAsItIsByNow) {
  const auto& value = *this;
  asked.settings.rewrite = model::Rewrite{Template("/z$uri/$1 %20?a=$uri"), {}};
  EXPECT_EQ(value("$uri"), "/x") << "rewrite-target has not had its turn";
  asked.view.past_rewrites = true;
  const auto pattern = Regex::make("/(.)").value();
  asked.route.pattern = pattern.get();
  EXPECT_EQ(value("$uri|$document_uri|$request_uri"), "/z/x/x %20|/z/x/x %20|/x?y=1");
  EXPECT_EQ(value("$request_filename $fastcgi_script_name"), "/usr/local/nginx/html/z/x/x %20 /z/x/x %20");
  ProgramState stopped;
  stopped.stopped = true;
  asked.view.program = &stopped;
  EXPECT_EQ(value("$uri"), "/x") << "a break of a snippet stands in front";
}

TEST_F(VariablesOfARequest, HostIsInSmallLettersWithoutAPort) {
  asked.head.host = "A.Example.";
  EXPECT_EQ((*this)("$host"), "a.example");
  asked.head.host = "";
  asked.route.host = "_";
  EXPECT_EQ((*this)("$host"), "_") << "as server_name, without Host";
}

TEST_F(VariablesOfARequest, FieldsOfAHead) {
  const auto& value = *this;
  asked.field("X-Y_z", "1");
  asked.field("x-y-z", "2");
  EXPECT_EQ(value("$http_x_y_z"), "1, 2");
  EXPECT_EQ(value("[$http_x_y]"), "[]");
  asked.head.fields[0].drop = true;
  EXPECT_EQ(value("$http_x_y_z"), "2") << "a name that is ignored is not taken for another one";
  asked.head.fields[1].drop = true;
  EXPECT_EQ(value("$http_x_y_z"), "2") << "what is not passed on has come";
  asked.field("Cookie", "a=1");
  asked.field("Cookie", "b=2");
  EXPECT_EQ(value("$http_cookie"), "a=1; b=2");
}

TEST_F(VariablesOfARequest, CookiesAsNginxReadsThem) {
  const auto& value = *this;
  asked.field("Cookie", "ab=0; B=\"x;y\"; a=1=2; c =3");
  asked.field("Cookie", "a=9; d=");
  EXPECT_EQ(value("$cookie_a|$cookie_b|$cookie_c|$cookie_d|$cookie_e"), "1=2|\"x|3||");
}

TEST_F(VariablesOfARequest, ArgumentsAsNginxReadsThem) {
  const auto& value = *this;
  asked.view.query = "?aa=0&a&A=%20x&a=2&b=&c;d=4";
  EXPECT_EQ(value("$arg_a|$arg_b|$arg_d|$arg_c"), "%20x|||");
  EXPECT_EQ(value("$arg_AA"), "0");
}

TEST_F(VariablesOfARequest, NoControlByteGetsIntoAHead) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  asked.view.path = all;
  asked.field("X", all);
  for (const auto spelling : {Spelling::field, Spelling::url, Spelling::target, Spelling::path, Spelling::segment})
    for (const char c : (*this)("$uri$http_x", spelling)) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x20) << static_cast<int>(spelling);
      EXPECT_NE(c, 0x7f);
      if (spelling != Spelling::field) {
        EXPECT_NE(c, ' ');
      }
    }
  asked.view.query = "?a=b#c d";
  EXPECT_EQ((*this)("/x?y=$arg_a#", Spelling::url), "/x?y=b#c%20d#") << "a fragment is part of an URL";
  EXPECT_EQ((*this)("/x?y=$arg_a", Spelling::target), "/x?y=b%23c%20d") << "and of no request";
  asked.view.path = "/a\r\nb";
  EXPECT_EQ((*this)("$uri"), "/a%0D%0Ab");
  EXPECT_EQ((*this)("$uri", Spelling::raw), "/a\r\nb");
}

TEST_F(VariablesOfARequest, WhatIsNotThereYetIsEmpty) {
  asked.view.from = nullptr;
  EXPECT_EQ((*this)("$request"), "GET /x?y=1 HTTP/1.1");
  asked.head.method_text = {};
  EXPECT_EQ((*this)("[$request]"), "[]") << "the head could not be read";
  EXPECT_EQ((*this)("[$status$upstream_addr$upstream_status$remote_user$ssl_protocol$remote_port]"), "[]");
  ExchangeRecord record;
  record.status = 502;
  record.attempts = 2;
  std::copy_n("10.0.0.1:80", 12, record.attempt[0].address);
  std::copy_n("10.0.0.2:80", 12, record.attempt[1].address);
  asked.view.so_far = &record;
  EXPECT_EQ((*this)("$status $upstream_addr"), "502 10.0.0.1:80, 10.0.0.2:80");
}

TEST_F(VariablesOfARequest, OfPodsAreThereOnceTheyHaveAnswered) {
  const auto& value = *this;
  ExchangeRecord record;
  asked.view.so_far = &record;
  record.request_length = 81;
  EXPECT_EQ(value("$request_length [$upstream_status$upstream_header_time$upstream_connect_time]"), "81 []");
  record.attempts = 3;
  record.attempt[0] = {"10.0.0.1:80", 0, 0, 0, 0.002F, -1, 0.5F, true};
  record.attempt[1] = {"10.0.0.2:80", 503, 0, 0, -1, 0.021F};
  record.attempt[2] = {"10.0.0.3:80", 200, 0, 0, 0.001F, 1.5F};
  record.attempt[2].elsewhere = true;
  EXPECT_EQ(value("$upstream_status|$upstream_header_time|$upstream_connect_time"),
            "504, 503 : 200|-, 0.021 : 1.500|0.002, 0.000 : 0.001");
  EXPECT_EQ(value("$request_time"), "0.000") << "nobody knows when it came";
  asked.view.begun = SystemClock().now() - std::chrono::milliseconds(2500);
  EXPECT_EQ(value("$request_time").substr(0, 2), "2.");
}

TEST_F(VariablesOfARequest, TheUserIsTheOneOfBasic) {
  const auto user = [&](std::string_view authorization) {
    asked.head.fields.clear();
    asked.field("Authorization", authorization);
    asked.head.names.add(net::http::Name::authorization);
    return (*this)("$remote_user");
  };
  EXPECT_EQ((*this)("[$remote_user]"), "[]");
  EXPECT_EQ(user("Basic YW5uOnB3"), "ann");
  EXPECT_EQ(user("basic   YW5uOg=="), "ann") << "without a password";
  EXPECT_EQ(user("Basic YQ0KYjpw"), "a%0D%0Ab");
  for (const auto* none : {"Bearer YW5uOnB3", "Basic", "Basic ", "Basic YW5u", "Basic OnB3", "Basic !"})
    EXPECT_EQ(user(none), "") << none;
}

TEST_F(VariablesOfARequest, GroupsAreWhatTheyAreGiven) {
  Regex::Captures groups{"all", "one\r", "two"};
  std::string out;
  evaluate(Template("$1-$2-$3"), asked.view, Spelling::field, out, &groups);
  EXPECT_EQ(out, "one%0D-two-");
  EXPECT_EQ((*this)("[$1]"), "[]");
}

TEST_F(VariablesOfARequest, AllocateNothingOnceThereIsRoom) {
  asked.field("X", "1");
  asked.field("X", "2");
  const Template all("$remote_addr$host$request_uri$http_x$arg_y$cookie_z$msec$proxy_upstream_name$status");
  std::string out;
  out.reserve(1024);
  const auto before = test::allocations();
  evaluate(all, asked.view, Spelling::field, out);
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace sluice::data
