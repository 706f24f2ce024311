// The two messages of gRPC's health service, byte for byte, and what is none.
#include "data/proxy/grpc_health.h"

#include <gtest/gtest.h>

#include "data/proxy/health_question.h"

namespace sluice::data {
namespace {

using std::string_literals::operator""s;

std::string framed(std::string_view message) {
  return "\0\0\0\0"s + static_cast<char>(message.size()) + std::string(message);
}

TEST(GrpcHealth, TheQuestionIsFramed) {
  EXPECT_EQ(grpc_health_question(""), "\0\0\0\0\0"s);
  EXPECT_EQ(grpc_health_question("a.B"), "\0\0\0\0\x05\x0a\x03"s + "a.B");
  const std::string longest(255, 'x');
  EXPECT_EQ(grpc_health_question(longest), "\0\0\0\x01\x02\x0a\xff\x01"s + longest) << "two bytes of length";
}

TEST(GrpcHealth, TheAnswerSaysAStatus) {
  EXPECT_EQ(grpc_health_answer(framed("\x08\x01")), 1U);
  EXPECT_EQ(grpc_health_answer(framed("\x08\x02")), 2U);
  EXPECT_EQ(grpc_health_answer(framed("")), 0U) << "UNKNOWN is not written";
  EXPECT_EQ(grpc_health_answer(framed("\x08\x02\x08\x01")), 1U) << "of two the last one counts";
  // Fields that are not known are skipped, of each kind.
  EXPECT_EQ(grpc_health_answer(framed("\x12\x03xyz\x08\x01")), 1U);
  EXPECT_EQ(grpc_health_answer(framed("\x11"
                                      "12345678"
                                      "\x08\x01")),
            1U);
  EXPECT_EQ(grpc_health_answer(framed("\x15"
                                      "1234"
                                      "\x08\x01")),
            1U);
  EXPECT_EQ(grpc_health_answer(framed("\x10\xff\x01\x08\x01")), 1U);
}

TEST(GrpcHealth, WhatIsNoAnswer) {
  for (const std::string& bytes :
       {""s, "\0\0\0\0"s, "\x01\0\0\0\x02\x08\x01"s, "\0\0\0\0\x03\x08\x01"s, "\0\0\0\0\x01\x08\x01"s,
        "\0\xff\xff\xff\xff\x08\x01"s, framed("\x08"), framed("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        framed("\x12\x7fx"), framed("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        framed("\x11"
               "123"),
        framed("\x15"
               "123"),
        framed("\x0b"), framed("\x0c"), framed(std::string("\0\x01", 2)), framed("\x80")})
    EXPECT_FALSE(grpc_health_answer(bytes)) << testing::PrintToString(bytes);
}

// Pods are met as by requests, as far as the question lets them be.
TEST(HealthQuestion, SpeaksWhatPodsSpeak) {
  using enum model::BackendProtocol;
  using model::CheckBy;
  const auto spoken = [](CheckBy by, std::optional<model::BackendProtocol> said, model::BackendProtocol of_cluster) {
    model::HealthCheck check;
    check.by = by;
    check.protocol = said;
    return *way_of(check, of_cluster).protocol;
  };
  EXPECT_EQ(spoken(CheckBy::http, {}, http), http);
  EXPECT_EQ(spoken(CheckBy::http, {}, grpc), grpc) << "over HTTP/2";
  EXPECT_EQ(spoken(CheckBy::http, https, grpc), https) << "the annotation is stronger";
  EXPECT_EQ(spoken(CheckBy::http, auto_http, http), http) << "there is no client that has come by TLS";
  EXPECT_EQ(spoken(CheckBy::grpc, {}, http), grpc);
  EXPECT_EQ(spoken(CheckBy::grpc, https, http), grpcs);
  EXPECT_EQ(spoken(CheckBy::grpc, grpcs, http), grpcs);
  EXPECT_EQ(spoken(CheckBy::tcp, grpcs, http), https) << "a handshake, and nothing else";
  EXPECT_EQ(spoken(CheckBy::tcp, grpc, http), http);
  EXPECT_EQ(spoken(CheckBy::tcp, fcgi, http), http);
}

}  // namespace
}  // namespace sluice::data
