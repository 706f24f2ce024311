#include "net/tls/client_hello.h"

#include <gtest/gtest.h>

#include "client_hellos.h"

namespace sluice::net::tls {
namespace {

using test::from_hex;
using State = ClientHelloReader::State;

struct Row {
  std::string_view hex;
  std::string name;
  std::vector<std::string> alpn;
  std::uint16_t version;
};
const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {test::kOpensslTls13, "shop.example", {"h2", "http/1.1"}, 0x0304},
      {test::kOpensslTls12, "old.shop.example", {}, 0x0303},
      {test::kOpensslNoName, "", {}, 0x0304},
      {test::kCurl, "curl.example", {"h2", "http/1.1"}, 0x0304},
      {test::kGo, "go.example", {"h2", "http/1.1"}, 0x0304},
      {test::kPython, "python.example", {"http/1.1"}, 0x0304},
  };
  return all;
}

std::string big(std::size_t n, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(n >> (8 * i) & 0xff);
  return out;
}
std::string vec(const std::string& content, int bytes) {
  return big(content.size(), bytes) + content;
}
std::string extension(int type, const std::string& content) {
  return big(static_cast<std::size_t>(type), 2) + vec(content, 2);
}
std::string name_extension(const std::string& name) {
  return extension(0, vec('\0' + vec(name, 2), 2));
}
// A message with these extensions; the parts in front can be replaced.
std::string message(const std::string& extensions, const std::string& suites = vec("\x13\x01", 2),
                    const std::string& session = vec("", 1)) {
  const std::string body = "\x03\x03" + std::string(32, 'r') + session + suites + vec(std::string(1, '\0'), 1) +
                           (extensions.empty() ? "" : vec(extensions, 2));
  return '\x01' + vec(body, 3);
}
std::string record(const std::string& content) {
  return "\x16\x03\x01" + vec(content, 2);
}
std::string in_records(const std::string& m, std::size_t each) {
  std::string out;
  for (std::size_t at = 0; at < m.size(); at += each) out += record(m.substr(at, each));
  return out;
}
State read(const std::string& bytes, ClientHello* hello = nullptr, std::string* why = nullptr) {
  ClientHelloReader reader;
  const auto state = reader.feed(bytes);
  if (hello) *hello = reader.hello();
  if (why) *why = reader.why();
  return state;
}

TEST(ClientHelloReader, ReadsWhatRealClientsSend) {
  for (const auto& row : rows()) {
    ClientHello hello;
    ASSERT_EQ(read(from_hex(row.hex), &hello), State::done) << row.name;
    EXPECT_EQ(hello.server_name, row.name);
    EXPECT_EQ(hello.alpn, row.alpn) << row.name;
    EXPECT_EQ(hello.version, row.version) << row.name;
  }
}

TEST(ClientHelloReader, OneByteAtATimeIsTheSame) {
  for (const auto& row : rows()) {
    const auto bytes = from_hex(row.hex);
    ClientHelloReader reader;
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
      ASSERT_EQ(reader.feed(std::string_view(bytes).substr(i, 1)), State::more) << row.name << " byte " << i;
    EXPECT_EQ(reader.feed(std::string_view(bytes).substr(bytes.size() - 1)), State::done);
    EXPECT_EQ(reader.hello().server_name, row.name);
    EXPECT_EQ(reader.hello().alpn, row.alpn);
  }
}

TEST(ClientHelloReader, EveryTruncationWaitsForMore) {
  for (const auto& row : rows()) {
    const auto bytes = from_hex(row.hex);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      ASSERT_EQ(read(bytes.substr(0, size)), State::more) << row.name << " of " << size;
  }
}

TEST(ClientHelloReader, TheMessageMaySpanRecords) {
  const auto m = from_hex(test::kCurl).substr(5);
  for (std::size_t each : {3U, 7U, 64U, 511U, 512U}) {
    ClientHello hello;
    EXPECT_EQ(read(in_records(m, each), &hello), State::done) << each;
    EXPECT_EQ(hello.server_name, "curl.example") << each;
  }
  std::string why;
  EXPECT_EQ(read(in_records(m, 1), nullptr, &why), State::refused);
  EXPECT_EQ(why, "a ClientHello in too many records");
}

TEST(ClientHelloReader, WhatComesBehindIsNotLookedAt) {
  ClientHelloReader reader;
  EXPECT_EQ(reader.feed(from_hex(test::kCurl) + "\x17\x03\x03\x00"), State::done);
  EXPECT_EQ(reader.feed("anything"), State::done);
  EXPECT_EQ(reader.hello().server_name, "curl.example");
}

TEST(ClientHelloReader, Limits) {
  const auto padded = [](std::size_t bytes) {
    return message(name_extension("a.example") + extension(21, std::string(bytes, '\0')));
  };
  const auto overhead = padded(0).size();
  const auto longest = padded(ClientHelloReader::kMaxMessage - overhead);
  EXPECT_EQ(read(in_records(longest, 4096)), State::done);
  EXPECT_EQ(read(record(longest)), State::done);
  EXPECT_EQ(read(in_records(padded(ClientHelloReader::kMaxMessage - overhead + 1), 4096)), State::refused);
  // What announces too much is refused before it comes.
  EXPECT_EQ(read(record("\x01\xff\xff\xff")), State::refused);
  EXPECT_EQ(read(std::string("\x16\x03\x01\x40\x01", 5)), State::refused);
}

TEST(ClientHelloReader, Names) {
  ClientHello hello;
  EXPECT_EQ(read(record(message(name_extension("A.Example."))), &hello), State::done);
  EXPECT_EQ(hello.server_name, "a.example");
  EXPECT_EQ(read(record(message(""))), State::done);  // TLS 1.2 without extensions
  for (const std::string& bad : {std::string(), std::string("a\0b", 3), std::string("a b"),
                                 std::string("\xc3\xa9.example"), std::string(256, 'a')})
    EXPECT_EQ(read(record(message(name_extension(bad)))), State::refused) << bad;
  // Two names: which one counts would be a guess.
  EXPECT_EQ(read(record(message(name_extension("a.example") + name_extension("b.example")))), State::refused);
  const auto host = [](const std::string& name) { return '\0' + vec(name, 2); };
  EXPECT_EQ(read(record(message(extension(0, vec(host("a.example") + host("b.example"), 2))))), State::refused);
  // Another type of name is skipped.
  EXPECT_EQ(read(record(message(extension(0, vec('\1' + vec("x", 2) + host("a.example"), 2)))), &hello), State::done);
  EXPECT_EQ(hello.server_name, "a.example");
}

TEST(ClientHelloReader, VersionsSkipGrease) {
  ClientHello hello;
  EXPECT_EQ(read(record(message(extension(43, vec("\x8a\x8a\x03\x04\x03\x03", 1)))), &hello), State::done);
  EXPECT_EQ(hello.version, 0x0304);
  EXPECT_EQ(read(record(message(extension(43, vec("\x8a\x8a", 1)))), &hello), State::done);
  EXPECT_EQ(hello.version, 0x0303);
}

TEST(ClientHelloReader, RefusesWhatIsNone) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"plain HTTP", "GET / HTTP/1.1\r\n\r\n"},
      {"an alert", std::string("\x15\x03\x01\x00\x02\x01\x00", 7)},
      {"application data", std::string("\x17\x03\x03\x00\x01x", 6)},
      {"an SSLv2 hello", std::string("\x80\x2e\x01\x03\x01", 5)},
      {"major version 2", std::string("\x16\x02\x00\x00\x04", 5)},
      {"an empty record", std::string("\x16\x03\x01\x00\x00", 5)},
      {"a ServerHello", record("\x02" + vec("x", 3))},
      {"an empty message", record('\x01' + vec("", 3))},
      {"a session id of 33 bytes", record(message("", vec("\x13\x01", 2), vec(std::string(33, 's'), 1)))},
      {"no cipher suites", record(message("", vec("", 2)))},
      {"half a cipher suite", record(message("", vec(std::string("\x13\x01\x00", 3), 2)))},
      {"extensions that are too short", record('\x01' + vec(message("").substr(4) + std::string("\x00\x05x", 3), 3))},
      {"extensions that are too long", record('\x01' + vec(message("").substr(4) + std::string("\x00\x00x", 3), 3))},
      {"half an extension", record(message(std::string("\x00", 1)))},
      {"an extension that is longer than the rest", record(message(std::string("\x00\x00\x00\x09x", 5)))},
      {"an empty server_name", record(message(extension(0, "")))},
      {"an empty list of names", record(message(extension(0, vec("", 2))))},
      {"bytes behind the list of names", record(message(extension(0, vec('\0' + vec("a", 2), 2) + "x")))},
      {"a name longer than its list", record(message(extension(0, vec(std::string("\0\0\x09x", 4), 2))))},
      {"an empty ALPN list", record(message(extension(16, vec("", 2))))},
      {"an empty ALPN name", record(message(extension(16, vec(vec("", 1), 2))))},
      {"an ALPN name longer than its list", record(message(extension(16, vec("\x09h2", 2))))},
      {"two ALPN extensions",
       record(message(extension(16, vec(vec("h2", 1), 2)) + extension(16, vec(vec("h2", 1), 2))))},
      {"half a version", record(message(extension(43, vec("\x03", 1))))},
      {"no versions", record(message(extension(43, vec("", 1))))},
  };
  for (const auto& [what, bytes] : bad) {
    std::string why;
    EXPECT_EQ(read(bytes, nullptr, &why), State::refused) << what;
    EXPECT_FALSE(why.empty()) << what;
    ClientHelloReader reader;
    for (char c : bytes) reader.feed({&c, 1});
    EXPECT_EQ(reader.state(), State::refused) << what;
    EXPECT_EQ(reader.why(), why) << what;
    EXPECT_TRUE(reader.hello().server_name.empty()) << what;
  }
}

}  // namespace
}  // namespace sluice::net::tls
