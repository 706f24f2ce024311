#include "control/kube/stream_entry.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using enum model::Transport;

TEST(StreamEntry, WhatIngressNginxTakes) {
  const auto entry = read_stream_entry(tcp, "9000", "default/example-go:8080");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->port, 9000);
  EXPECT_EQ(entry->ns, "default");
  EXPECT_EQ(entry->service, "example-go");
  EXPECT_EQ(entry->service_port, "8080");
  EXPECT_FALSE(entry->proxy_in || entry->proxy_out);
  EXPECT_TRUE(entry->ignored.empty());
  EXPECT_EQ(read_stream_entry(udp, "53", "kube-system/kube-dns:dns")->service_port, "dns");
  EXPECT_EQ(read_stream_entry(tcp, "+80", " a/b:1\n")->port, 80);
}

TEST(StreamEntry, ProxyHeaders) {
  struct Row {
    const char* value;
    bool in, out;
    std::size_t ignored;
  };
  for (const Row& row : {Row{"a/b:1:PROXY", true, false, 0}, Row{"a/b:1:PROXY:PROXY", true, true, 0},
                         Row{"a/b:1::PROXY", false, true, 0}, Row{"a/b:1:proxy:Proxy", true, true, 0},
                         Row{"a/b:1:PROXY:", true, false, 0}, Row{"a/b:1::", false, false, 0},
                         Row{"a/b:1:PROXI", false, false, 1}, Row{"a/b:1:PROXY:yes", true, false, 1},
                         Row{"a/b:1:PROXY:PROXY:PROXY", true, false, 1}, Row{"a/b:1:PROXY:PROXY:", true, false, 0}}) {
    const auto entry = read_stream_entry(tcp, "9000", row.value);
    ASSERT_TRUE(entry) << row.value;
    EXPECT_EQ(entry->proxy_in, row.in) << row.value;
    EXPECT_EQ(entry->proxy_out, row.out) << row.value;
    EXPECT_EQ(entry->ignored.size(), row.ignored) << row.value;
  }
  const auto datagrams = read_stream_entry(udp, "53", "a/b:1:PROXY:PROXY");
  ASSERT_TRUE(datagrams);
  EXPECT_FALSE(datagrams->proxy_in || datagrams->proxy_out);
  EXPECT_EQ(datagrams->ignored.size(), 2u);
}

TEST(StreamEntry, WhatItIsNot) {
  for (const char* key : {"", "0", "65536", "-1", "80x", "http", "8 0", "99999999999999999999"}) {
    const auto entry = read_stream_entry(tcp, key, "a/b:1");
    ASSERT_FALSE(entry) << key;
    EXPECT_TRUE(entry.error().of_key);
    EXPECT_EQ(entry.error().expected, "a port from 1 to 65535");
  }
  for (const char* value : {"", ":", "a/b", "a/b:", "b:1", "/b:1", "a/:1", "a/b/c:1", "a/b:0", "a/b:65536", "a/b:x/y",
                            "a/b: 1 2", "A_/b:1", "a/b c:1", "a/b:\x01"}) {
    const auto entry = read_stream_entry(tcp, "9000", value);
    ASSERT_FALSE(entry) << value;
    EXPECT_FALSE(entry.error().of_key);
    EXPECT_FALSE(entry.error().expected.empty());
  }
}

}  // namespace
}  // namespace sluice::control
