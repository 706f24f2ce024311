#include "data/proxy/logged_values.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "../bare_context.h"
#include "../nobody.h"
#include "data/exchange/exchange.h"

namespace sluice::data {
namespace {

struct LoggedValuesOf : testing::Test {
  // Whoever names these wants them of the exchanges that begin from now on.
  void want(std::initializer_list<std::string_view> names) {
    auto wanted = std::make_shared<WantedValues>();
    for (const auto name : names) {
      wanted->of.push_back(find_variable(name));
      wanted->of_pod = wanted->of_pod || name.starts_with("upstream");
      wanted->of_answer = wanted->of_answer || name.starts_with("sent");
    }
    bare.recorder.wanted = std::move(wanted);
  }
  void field(std::string_view name, std::string_view value) {
    const auto id = net::http::name_of(name);
    memory->request.fields.add() = {name, value, id, false};
    memory->request.names.add(id);
  }
  void answered(std::string_view name, std::string_view value) {
    memory->response.fields.add() = {name, value, net::http::name_of(name), true};
  }
  std::string given() {
    std::string out;
    for (const auto value : exchange.record.values) out.append(out.empty() ? "" : "|").append(value);
    return out;
  }
  BareContext bare;
  Nobody down;
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = std::make_unique<ExchangeMemory>();
  Exchange exchange{bare.worker, down, peer, *memory};
};

TEST_F(LoggedValuesOf, AnExchangeFromRequestPodAndAnswer) {
  want({"http_x_y", "upstream_http_a", "sent_http_b", "arg_q", "remote_user"});
  hold_wanted(exchange);
  bare.recorder.wanted = nullptr;  // one list from the beginning to the end
  field("X-Y", "1");
  field("x-y", "2");
  exchange.query = "?q=3";
  answered("A", "4");
  answered("a", "5");
  note_pod_fields(exchange);
  note_sent_fields(exchange, "HTTP/1.1 200 b: no\r\nB: 6\r\nC: b\r\nb: 7\r\n\r\n");
  give_values(exchange);
  ASSERT_EQ(exchange.record.wanted, exchange.wanted.get());
  EXPECT_EQ(given(), "1, 2|4, 5|6, 7|3|");
}

TEST_F(LoggedValuesOf, TheHeadOfHttp2) {
  want({"sent_http_content_type"});
  hold_wanted(exchange);
  const net::h2::Field fields[] = {{":status", "200", false}, {"content-type", "text/plain", false}};
  note_sent_fields(exchange, fields);
  give_values(exchange);
  EXPECT_EQ(given(), "text/plain");
}

TEST_F(LoggedValuesOf, AnAttemptThatAnotherOneFollowsIsForgotten) {
  want({"upstream_http_a"});
  hold_wanted(exchange);
  answered("A", "first");
  note_pod_fields(exchange);
  forget_pod_fields(exchange);
  give_values(exchange);
  EXPECT_EQ(given(), "");
}

TEST_F(LoggedValuesOf, AreCutAndBounded) {
  const std::string long_one(2 * WantedValues::kMostOfOne, 'x');
  want({"http_a0", "http_a1", "http_a2", "http_a3", "http_a4", "http_a5", "http_a6", "http_a7", "http_a8"});
  std::vector<std::string> names;
  for (int i = 0; i < 9; ++i) names.push_back("a" + std::to_string(i));
  for (const auto& name : names) field(name, long_one);
  hold_wanted(exchange);
  give_values(exchange);
  std::size_t all = 0;
  for (const auto value : exchange.record.values) {
    EXPECT_LE(value.size(), WantedValues::kMostOfOne);
    all += value.size();
  }
  EXPECT_EQ(exchange.record.values[0].size(), WantedValues::kMostOfOne);
  EXPECT_EQ(all, WantedValues::kMostOfAll);
}

TEST_F(LoggedValuesOf, ATunnelOutlivesTheMemoryOfItsHead) {
  want({"http_a"});
  hold_wanted(exchange);
  field("A", "1");
  give_values(exchange);
  keep_values(exchange);
  memory->logged.begin(*exchange.wanted);  // another exchange has it
  EXPECT_EQ(given(), "1");
}

TEST_F(LoggedValuesOf, NeedNoMemoryOnceThereIsSome) {
  want({"http_a", "upstream_http_a", "sent_http_a"});
  field("A", "1");
  answered("A", "2");
  const auto once = [&] {
    hold_wanted(exchange);
    note_pod_fields(exchange);
    note_sent_fields(exchange, "HTTP/1.1 200 OK\r\nA: a value that no short string holds by itself\r\n\r\n");
    give_values(exchange);
  };
  once();
  const auto before = test::allocations();
  once();
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace sluice::data
