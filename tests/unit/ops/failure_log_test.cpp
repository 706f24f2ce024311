// What the operator reads about failed requests: the reason, with whom, and never more than a few lines a second.
#include "ops/failure_log/failure_log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::ops {
namespace {

ExchangeRecord failed(std::string_view reason) {
  ExchangeRecord r;
  r.status = 502;
  r.method = "GET";
  r.host = "shop.example";
  r.target = "/cart";
  r.reason = reason;
  r.ours = true;
  r.ns = "default";
  r.ingress = "shop";
  r.service = "web";
  r.attempts = 2;
  std::string_view("10.0.0.1:80").copy(r.attempt[1].address, 20);
  r.request_id = "abc";
  return r;
}

std::vector<std::string> lines_of(const std::function<void(FailureLog&)>& use) {
  std::vector<std::string> lines;
  {
    FailureLog log([&](const std::string& line) { lines.push_back(line); });
    use(log);
  }
  return lines;
}

TEST(FailureLog, NamesRequestReasonAndPod) {
  auto r = failed("TLS handshake failed");
  r.note = "certificate verify failed";
  const auto lines = lines_of([&](FailureLog& log) { log.finished(r); });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0],
            "502 GET shop.example/cart: TLS handshake failed (certificate verify failed); Ingress default/shop, web; "
            "pod 10.0.0.1:80, attempt 2; request abc");
}

TEST(FailureLog, WhatWentWellOrWasTheClientsHasNoLine) {
  auto well = failed("");
  auto clients = failed("the client left");
  clients.ours = false;
  EXPECT_TRUE(lines_of([&](FailureLog& log) { log.finished(well), log.finished(clients); }).empty());
}

TEST(FailureLog, AStormIsCountedNotWritten) {
  std::uint64_t told = 0;
  const auto lines = lines_of([&](FailureLog& log) {
    const auto one = failed("a"), other = failed("b");
    for (int i = 0; i < 10'000; ++i) log.finished(one), log.finished(other);
  });
  EXPECT_LE(lines.size(), 3 * (FailureLog::kLinesASecond + 1));
  for (const auto& line : lines) {
    const auto at = line.find("; and ");
    if (at != std::string::npos)
      told += 1 + std::stoull(line.substr(at + 6));
    else if (line.find(" more failed") != std::string::npos)
      told += std::stoull(line);
    else
      ++told;
  }
  EXPECT_EQ(told, 20'000U);  // each is in some count
}

PodWords words(std::string_view ingress) {
  PodWords w;
  w.ns = "default";
  w.ingress = ingress;
  w.service = "web";
  w.pod = "10.0.0.1:9000";
  w.text = "PHP Warning";
  return w;
}

TEST(FailureLog, WhatPodsSayIsALine) {
  auto w = words("shop");
  w.left = 7;
  const auto lines = lines_of([&](FailureLog& log) { log.said(w); });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0],
            "pod 10.0.0.1:9000 wrote to standard error: PHP Warning and 7 bytes more; Ingress default/shop, web");
}

// Somebody's pods may say much: failures have their places and their lines.
TEST(FailureLog, WhatPodsSayIsInNobodysWay) {
  const auto lines = lines_of([&](FailureLog& log) {
    for (int i = 0; i < 10'000; ++i) log.said(words("a" + std::to_string(i % 20)));
    log.finished(failed("a"));
  });
  EXPECT_NE(std::ranges::find_if(lines, [](const auto& l) { return l.starts_with("502 GET"); }), lines.end());
  std::uint64_t told = 0;
  for (const auto& line : lines) {
    if (line.starts_with("502 GET")) continue;
    const auto more = line.find(" more");
    EXPECT_EQ(line.find("failed"), std::string::npos) << line;
    if (line.starts_with("pods wrote"))
      told += std::stoull(line.substr(line.find("during ") + 7));
    else
      told += 1 + (more == std::string::npos ? 0 : std::stoull(line.substr(line.find("; and ") + 6)));
  }
  EXPECT_EQ(told, 10'000U);
}

}  // namespace
}  // namespace sluice::ops
