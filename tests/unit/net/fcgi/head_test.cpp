#include "net/fcgi/head.h"

#include <gtest/gtest.h>

#include <memory>

namespace sluice::net::fcgi {
namespace {

using http::Framing;
using http::Method;

struct Read {
  std::size_t length = 0;
  std::string wrong;
  Fault fault = Fault::none;
  std::unique_ptr<http::ResponseHead> head = std::make_unique<http::ResponseHead>();
  std::string bytes;
  std::string value(std::string_view name) const {
    for (const auto& f : head->fields.all())
      if (f.name == name && !f.drop) return std::string(f.value);
    return "(none)";
  }
};

Read read(std::string bytes, Method method = Method::get, HeadLimits limits = {}, std::size_t piece = 1000) {
  Read out;
  out.bytes = std::move(bytes);
  HeadScan scan;
  for (std::size_t have = 0; have < out.bytes.size() && out.length == 0;) {
    have = std::min(have + piece, out.bytes.size());
    const auto found = find_head(std::string_view(out.bytes).substr(0, have), scan, limits);
    if (!found) {
      out.wrong = found.error().detail;
      out.fault = found.error().fault;
      return out;
    }
    out.length = *found;
  }
  if (out.length == 0) return out;
  const auto parsed = parse_head(std::string_view(out.bytes).substr(0, out.length), limits, method, *out.head);
  if (!parsed) {
    EXPECT_EQ(parsed.error().status, 502);
    EXPECT_EQ(parsed.error().whose, Whose::upstream);
    out.wrong = parsed.error().detail;
    out.fault = parsed.error().fault;
  }
  return out;
}

TEST(FcgiHead, StatusSaysTheStatus) {
  EXPECT_EQ(read("Content-Type: a/b\r\n\r\n").head->status, 200);
  EXPECT_EQ(read("Content-Type: a/b\r\n\r\n").head->reason, "OK");
  EXPECT_EQ(read("Status: 404\r\n\r\n").head->reason, "Not Found");
  EXPECT_EQ(read("Status: 418\r\n\r\n").head->reason, "") << "nginx has no text for it";
  EXPECT_EQ(read("Location: /x\r\n\r\n").head->status, 302);
  EXPECT_EQ(read("Location:\r\n\r\n").head->status, 200) << "an empty one leads nowhere";
  EXPECT_EQ(read("Status: 404 Not Found\r\n\r\n").head->status, 404);
  EXPECT_EQ(read("Location: /x\r\nStatus: 201\r\n\r\n").head->status, 201);
  const auto r = read("status:  503  Away \r\nX: y\r\n\r\n");
  EXPECT_EQ(r.head->status, 503);
  EXPECT_EQ(r.head->reason, "Away");
  EXPECT_EQ(r.value("status"), "(none)") << "it is not passed on";
  EXPECT_EQ(r.value("X"), "y");
}

TEST(FcgiHead, LinesEndWithLfOrCrlf) {
  for (const std::size_t piece : {1U, 2U, 3U, 1000U}) {
    const auto r = read("A: 1\nB:2\r\nC :", Method::get, {}, piece);
    EXPECT_EQ(r.length, 0U);
    const auto whole = read("A: 1\nB:\t2 \r\nC:\n\nbody", Method::get, {}, piece);
    EXPECT_EQ(whole.wrong, "");
    EXPECT_EQ(whole.length, whole.bytes.size() - 4);
    EXPECT_EQ(whole.value("A"), "1");
    EXPECT_EQ(whole.value("B"), "2");
    EXPECT_EQ(whole.value("C"), "");
  }
  EXPECT_EQ(read("\r\nbody").length, 2U) << "a head without fields is one";
}

TEST(FcgiHead, TheBodyEndsByItsLengthOrWithTheRequest) {
  EXPECT_EQ(read("A: b\r\n\r\n").head->framing, Framing::until_close);
  const auto known = read("Content-Length: 0012\r\n\r\n");
  EXPECT_EQ(known.head->framing, Framing::length);
  EXPECT_EQ(known.head->content_length, 12U);
  EXPECT_EQ(known.value("Content-Length"), "(none)") << "made anew";
  const auto head = read("Content-Length: 12\r\n\r\n", Method::head);
  EXPECT_EQ(head.head->framing, Framing::none);
  EXPECT_EQ(head.value("Content-Length"), "12") << "what a GET would get";
  EXPECT_EQ(read("Status: 304\r\nContent-Length: 12\r\n\r\n").head->framing, Framing::none);
  const auto empty = read("Status: 204\r\nContent-Length: 12\r\n\r\n");
  EXPECT_EQ(empty.head->framing, Framing::none);
  EXPECT_EQ(empty.value("Content-Length"), "(none)");
}

TEST(FcgiHead, FieldsOfTheConnectionAreOurs) {
  const auto r =
      read("Connection: close\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\nKeep-Alive: timeout=1\r\nX: y\r\n\r\n");
  EXPECT_EQ(r.wrong, "");
  EXPECT_EQ(r.head->framing, Framing::until_close);
  for (const char* name : {"Connection", "Transfer-Encoding", "Upgrade", "Keep-Alive"})
    EXPECT_EQ(r.value(name), "(none)");
  EXPECT_EQ(r.value("X"), "y");
}

TEST(FcgiHead, WhatIsNoHeadIsRefused) {
  const std::pair<const char*, std::string> all[] = {
      {"two lengths", "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
      {"two lengths that differ", "Content-Length: 1\r\ncontent-length: 2\r\n\r\n"},
      {"a list of lengths", "Content-Length: 1, 1\r\n\r\n"},
      {"a negative length", "Content-Length: -1\r\n\r\n"},
      {"no length", "Content-Length:\r\n\r\n"},
      {"a length beyond 2^63", "Content-Length: 9223372036854775808\r\n\r\n"},
      {"two statuses", "Status: 200\r\nStatus: 200\r\n\r\n"},
      {"a status of words", "Status: OK\r\n\r\n"},
      {"no status", "Status:\r\n\r\n"},
      {"a short status", "Status: 20\r\n\r\n"},
      {"a long status", "Status: 2000\r\n\r\n"},
      {"an interim status", "Status: 100 Continue\r\n\r\n"},
      {"a switch of protocols", "Status: 101\r\n\r\n"},
      {"a status of 600", "Status: 600\r\n\r\n"},
      {"HTTP", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
      {"no colon", "A\r\n\r\n"},
      {"no name", ": b\r\n\r\n"},
      {"a blank before the colon", "A : b\r\n\r\n"},
      {"a folded line", "A: b\r\n c\r\n\r\n"},
      {"a blank line that is not empty", "A: b\r\n \r\n\r\n"},
      {"a CR in a value", "A: b\rC: d\r\n\r\n"},
      {"two CR", "A: b\r\r\n\r\n"},
      {"NUL", std::string("A: b\0c\r\n\r\n", 10)},
      {"DEL", "A: b\x7f\r\n\r\n"},
      {"a control byte in a name", "A\x01: b\r\n\r\n"},
      {"bytes above ASCII in a name", "\xc3\xa4: b\r\n\r\n"},
  };
  for (const auto& [name, bytes] : all)
    for (const std::size_t piece : {1U, 7U, 1000U}) EXPECT_NE(read(bytes, Method::get, {}, piece).wrong, "") << name;
}

TEST(FcgiHead, LimitsAreKeptToTheByte) {
  const std::string head = "A: " + std::string(20, 'b') + "\r\n\r\n";
  for (const std::size_t piece : {1U, 5U, 1000U}) {
    EXPECT_EQ(read(head, Method::get, {.head = head.size()}, piece).wrong, "");
    const auto over = read(head, Method::get, {.head = head.size() - 1}, piece);
    EXPECT_EQ(over.fault, Fault::too_large);
    EXPECT_EQ(read(std::string(100, 'a'), Method::get, {.head = 99}, piece).fault, Fault::too_large)
        << "as soon as it is clear";
  }
  EXPECT_EQ(read("A: 1\nB: 2\n\n", Method::get, {.fields = 2}).wrong, "");
  EXPECT_EQ(read("A: 1\nB: 2\n\n", Method::get, {.fields = 1}).fault, Fault::too_large);
}

}  // namespace
}  // namespace sluice::net::fcgi
