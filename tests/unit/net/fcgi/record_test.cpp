#include "net/fcgi/record.h"

#include <gtest/gtest.h>

#include "records.h"

namespace sluice::net::fcgi {
namespace {

using testing::end;
using testing::hear;
using testing::out;
using testing::record;

TEST(FcgiRecord, ARequestIsWhatTheSpecificationSays) {
  std::string bytes;
  append_begin(bytes, false);
  EXPECT_EQ(bytes, std::string("\1\1\0\1\0\10\0\0"
                               "\0\1\0\0\0\0\0\0",
                               16));
  bytes.clear();
  Params params(bytes);
  params.add("A", "b");
  params.end();
  EXPECT_EQ(bytes, std::string("\1\4\0\1\0\4\0\0"
                               "\1\1Ab"
                               "\1\4\0\1\0\0\0\0",
                               20));
}

TEST(FcgiRecord, LengthsFrom128OnTakeFourBytes) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 255U, 256U, 65535U}) {
    std::string bytes;
    append_begin(bytes, true);
    Params params(bytes);
    params.add("N", std::string(size, 'v'));
    params.add(std::string(size == 0 ? 1 : size % 300, 'n'), "x");
    params.end();
    const auto heard = hear(bytes);
    EXPECT_EQ(heard.wrong, "") << size;
    EXPECT_TRUE(heard.keeps && heard.params_ended);
    ASSERT_EQ(heard.params.size(), 2U) << size;
    EXPECT_EQ(heard.params[0].second.size(), size);
    EXPECT_EQ(heard.params[1].second, "x");
  }
}

TEST(FcgiRecord, APairLiesInOneRecordWhereverThatTakesIt) {
  std::string bytes;
  append_begin(bytes, false);
  Params params(bytes);
  for (int i = 0; i < 5; ++i) params.add("NAME" + std::to_string(i), std::string(30000, static_cast<char>('a' + i)));
  params.add("LARGE", std::string(150000, 'L'));
  params.add("LAST", "x");
  params.end();
  const auto heard = hear(bytes);
  EXPECT_EQ(heard.wrong, "");
  ASSERT_EQ(heard.params.size(), 7U);
  EXPECT_EQ(heard.find("LARGE")->size(), 150000U);
  EXPECT_EQ(*heard.find("LAST"), "x");
  const std::size_t pair = 1 + 4 + 5 + 30000;
  EXPECT_EQ(heard.sizes[0], 2 * pair);
  EXPECT_EQ(heard.sizes[1], 2 * pair);
  EXPECT_EQ(heard.sizes.back(), 0U);
}

TEST(FcgiRecord, NoParametersAreOneEmptyRecord) {
  std::string bytes;
  append_begin(bytes, false);
  Params params(bytes);
  params.end();
  const auto heard = hear(bytes);
  EXPECT_EQ(heard.wrong, "");
  EXPECT_EQ(heard.sizes, std::vector<std::size_t>{0});
}

struct Told {
  std::string out, err;
  bool ended = false;
  std::string wrong;
  std::size_t left = 0;
  bool operator==(const Told&) const = default;
};

Told read(std::string_view bytes, std::size_t piece, End* of = nullptr) {
  Reader reader;
  Told told;
  while (!bytes.empty() && !reader.ended()) {
    std::string_view some = bytes.substr(0, piece);
    bytes.remove_prefix(some.size());
    while (!some.empty() && !reader.ended()) {
      const auto step = reader.step(some);
      if (!step) {
        told.wrong = step.error().detail;
        EXPECT_EQ(step.error().status, 502);
        EXPECT_EQ(step.error().whose, Whose::upstream);
        EXPECT_FALSE(reader.step("\1")) << "it stays wrong";
        return told;
      }
      told.out += step->out;
      told.err += step->err;
      some.remove_prefix(step->consumed);
    }
    told.left = some.size();
  }
  told.left += bytes.size();
  told.ended = reader.ended();
  if (of != nullptr) *of = reader.end();
  return told;
}

TEST(FcgiRecord, StreamsAreToldApartHoweverTheyArrive) {
  const std::string bytes = record(Type::err, "warn", 4) + record(Type::out, "Status: 200\r\n\r\n", 255) +
                            record(Type::out, "body", 0) + record(Type::err, "ing", 1) + record(Type::out, "") +
                            record(Type::err, "", 3) + record(Type::end_request, std::string("\0\0\1\2\0\0\0\0", 8), 7);
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    End end_of;
    const Told told = read(bytes, piece, &end_of);
    EXPECT_EQ(told, (Told{"Status: 200\r\n\r\nbody", "warning", true, "", 0})) << piece;
    EXPECT_EQ(end_of.app_status, 258U);
    EXPECT_EQ(end_of.protocol, End::complete);
  }
}

TEST(FcgiRecord, NothingBehindTheEndIsTaken) {
  EXPECT_EQ(read(out("a") + end() + out("b"), 1000), (Told{"a", "", true, "", 9}));
}

TEST(FcgiRecord, WhatPodsSayOfTheEndIsHeard) {
  for (const auto protocol : {End::complete, End::cannot_multiplex, End::overloaded, End::unknown_role}) {
    End of;
    EXPECT_TRUE(read(end(static_cast<char>(protocol), 7), 3, &of).ended);
    EXPECT_EQ(of.protocol, protocol);
    EXPECT_EQ(of.app_status, 7U);
  }
}

TEST(FcgiRecord, WhatIsNoRecordIsRefused) {
  const auto changed = [](std::size_t at, char to) {
    std::string bytes = out("Status: 200\r\n\r\n") + end();
    bytes[at] = to;
    return bytes;
  };
  const std::pair<const char*, std::string> all[] = {
      {"version 0", changed(0, 0)},
      {"version 2", changed(0, 2)},
      {"HTTP", "HTTP/1.1 200 OK\r\n\r\n"},
      {"begin from a pod", changed(1, 1)},
      {"params from a pod", changed(1, 4)},
      {"stdin from a pod", changed(1, 5)},
      {"type 0", changed(1, 0)},
      {"type 11", changed(1, 11)},
      {"type 255", changed(1, static_cast<char>(255))},
      {"request 0", changed(3, 0)},
      {"request 2", changed(3, 2)},
      {"request 256", changed(2, 1)},
      {"a short end", record(Type::end_request, "1234567")},
      {"a long end", record(Type::end_request, "123456789")},
      {"an empty end", record(Type::end_request, "")},
      {"an end with an unknown status", end(4)},
      {"output behind its end", out("") + out("x")},
      {"errors behind their end", record(Type::err, "") + record(Type::err, "x")},
  };
  for (const auto& [name, bytes] : all)
    for (const std::size_t piece : {1U, 1000U}) EXPECT_NE(read(bytes, piece).wrong, "") << name;
}

TEST(FcgiRecord, AnUnfinishedStreamHasNotEnded) {
  const std::string bytes = out("a") + end();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Told told = read(std::string_view(bytes).substr(0, size), 4);
    EXPECT_FALSE(told.ended) << size;
    EXPECT_EQ(told.wrong, "") << size;
  }
}

}  // namespace
}  // namespace sluice::net::fcgi
