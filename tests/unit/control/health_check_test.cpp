// The values of health-check*: what is read prints as itself, and what is not changes nothing.
#include "control/kube/health_check.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::control {
namespace {

struct Row {
  std::string (*read)(std::string_view, model::HealthCheck&);
  std::string (*print)(const model::HealthCheck&);
  std::vector<std::pair<const char*, const char*>> good;  // and as it is printed
  std::vector<std::string> bad;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {read_check_by,
       print_check_by,
       {{"off", "off"}, {"http", "http"}, {"grpc", "grpc"}, {"tcp", "tcp"}},
       {"", "HTTP", "https", "on"}},
      {read_check_path,
       print_check_path,
       {{"/", "/"}, {"/a/b?c=%20&d", "/a/b?c=%20&d"}},
       {"", "a", "http://a/", "/a b", "/a\tb", "/a#b", "/\x7f", "/\xc3\xa4", "/" + std::string(1024, 'x')}},
      {read_check_host,
       print_check_host,
       {{"a.example", "a.example"},
        {"A.example:8080", "A.example:8080"},
        {"10.0.0.1:1", "10.0.0.1:1"},
        {"[::1]", "[::1]"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"}},
       {"", "a_b", "a b", "a/b", "a\r\nb", ":80", "a:", "a:0", "a:00", "a:65536", "a:+1", "a:1:2", "::1", "[::1", "[a]",
        "[::1]80", "[]", "-a", "a..b"}},
      {read_check_service,
       print_check_service,
       {{"a.B", "a.B"}, {"a-b_c/D1", "a-b_c/D1"}},
       {"a b", "a:b", "\xc3", std::string(256, 'x')}},
      {read_check_interval,
       print_check_interval,
       {{"1", "1s"},
        {"1s", "1s"},
        {"1500ms", "1500ms"},
        {"90s", "90s"},
        {"60", "1m"},
        {"5m", "5m"},
        {"1h", "1h"},
        {"3600000ms", "1h"}},
       {"", "s", "0", "999ms", "3601s", "2h", "-1", "+5", "1.5s", "1 s", " 1s", "1S", "1d", "9999999999",
        "99999999999999999999"}},
      {read_check_timeout,
       print_check_timeout,
       {{"100ms", "100ms"}, {"2", "2s"}, {"60s", "1m"}},
       {"", "0", "99ms", "61s", "2m", "x"}},
      {read_unhealthy_after, print_unhealthy_after, {{"1", "1"}, {"100", "100"}}, {"", "0", "101", "-1", "1.0", "x"}},
      {read_healthy_after, print_healthy_after, {{"1", "1"}, {"100", "100"}}, {"", "0", "101", "-1", "1.0", "x"}},
      {read_check_expect,
       print_check_expect,
       {{"200", "200"}, {"200-299, 404", "200-299,404"}, {"200-200", "200"}, {"200 - 599", "200-599"}},
       {"", ",", "100", "199-200", "600", "200-600", "300-200", "2xx", "200-", "-200", "200-300-400", "+20", "0200",
        "200,200,200,200,200,200,200,200,200,200,200,200,200,200,200,200,200"}}};
  return all;
}

TEST(HealthCheckValues, AreReadAndPrintAsTheyCount) {
  for (const Row& row : rows())
    for (const auto& [text, printed] : row.good) {
      model::HealthCheck out;
      EXPECT_EQ(row.read(text, out), "") << text;
      EXPECT_EQ(row.print(out), printed);
      model::HealthCheck again;
      EXPECT_EQ(row.read(printed, again), "");
      EXPECT_EQ(out, again);
    }
}

TEST(HealthCheckValues, WhatCannotBeReadChangesNothing) {
  for (const Row& row : rows())
    for (const std::string& text : row.bad) {
      model::HealthCheck out;
      EXPECT_NE(row.read(text, out), "") << testing::PrintToString(text) << " " << row.print(out);
      EXPECT_EQ(out, model::HealthCheck{}) << text;
    }
}

}  // namespace
}  // namespace sluice::control
