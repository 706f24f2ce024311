#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "heads.h"

// The catalogue of malformed requests: one line a shape, named by its row. 0 stands for "accepted".
namespace sluice::net::h1 {
namespace {

using testing::Request;

struct Row {
  const char* name;
  std::string bytes;
  std::uint16_t status;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

std::string with(std::string fields) {
  return "POST /x HTTP/1.1\r\nHost: t.example\r\n" + std::move(fields) + "\r\n\r\n";
}
std::string line(std::string request_line) {
  return std::move(request_line) + "\r\nHost: t.example\r\n\r\n";
}
std::string host(std::string value) {
  return "GET / HTTP/1.1\r\nHost: " + std::move(value) + "\r\n\r\n";
}
std::string get(std::string target) {
  return line("GET " + std::move(target) + " HTTP/1.1");
}
std::string nul(std::string text) {
  for (char& c : text)
    if (c == '@') c = '\0';
  return text;
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      // 3.1 Content-Length
      {"row1_length_and_coding", with("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
      {"row2_coding_and_length", with("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
      {"row3_two_lengths_differ", with("Content-Length: 5\r\nContent-Length: 6"), 400},
      {"row4_two_lengths_same", with("Content-Length: 5\r\nContent-Length: 5"), 400},
      {"row5_length_list_same", with("Content-Length: 5, 5"), 400},
      {"row6_length_list_differs", with("Content-Length: 5, 10"), 400},
      {"row7_length_plus", with("Content-Length: +5"), 400},
      {"row8_length_minus", with("Content-Length: -5"), 400},
      {"row9_length_minus_zero", with("Content-Length: -0"), 400},
      {"row10_length_two_numbers", with("Content-Length: 5 5"), 400},
      {"row11_length_hex", with("Content-Length: 0x5"), 400},
      {"row12_length_underscore", with("Content-Length: 1_0"), 400},
      {"row13_length_fraction", with("Content-Length: 5.0"), 400},
      {"row14_length_empty", with("Content-Length: "), 400},
      {"row15_length_quoted", with("Content-Length: \"5\""), 400},
      {"row16_length_arabic_digit", with("Content-Length: \xd9\xa5"), 400},
      {"row17_length_leading_zeros", with("Content-Length: 0005"), 0},
      {"row18_length_2_to_64", with("Content-Length: 18446744073709551616"), 400},
      {"row18_length_2_to_64_and_5", with("Content-Length: 18446744073709551621"), 400},
      {"row18_length_2_to_63", with("Content-Length: 9223372036854775808"), 400},
      {"row18_length_2_to_63_less_1", with("Content-Length: 9223372036854775807"), 0},
      {"row19_length_space_before_colon", with("Content-Length : 5"), 400},
      {"row20_length_underscore_name", with("Content_Length: 44"), 0},
      {"row21_length_on_get", "GET / HTTP/1.1\r\nHost: t.example\r\nContent-Length: 5\r\n\r\n", 0},
      {"row21_length_on_options", "OPTIONS / HTTP/1.1\r\nHost: t.example\r\nContent-Length: 5\r\n\r\n", 0},
      {"row22_length_form_feed", with("Content-Length: 5\f"), 400},
      {"row23_connection_names_length", with("Content-Length: 5\r\nConnection: Content-Length"), 400},
      {"row23_connection_names_coding", with("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding"), 400},
      // 3.2 Transfer-Encoding
      {"row24_xchunked", with("Transfer-Encoding: xchunked"), 501},
      {"row25_identity", with("Transfer-Encoding: identity"), 400},
      {"row25_identity_and_length", with("Transfer-Encoding: identity\r\nContent-Length: 5"), 400},
      {"row26_gzip_chunked", with("Transfer-Encoding: gzip, chunked"), 501},
      {"row27_chunked_gzip", with("Transfer-Encoding: chunked, gzip"), 400},
      {"row28_chunked_chunked", with("Transfer-Encoding: chunked, chunked"), 400},
      {"row29_chunked_identity_lines", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400},
      {"row29_identity_chunked_lines", with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"), 400},
      {"row30_chunked_any_case", with("Transfer-Encoding: ChUnKeD"), 0},
      {"row31_chunked_after_tab", with("Transfer-Encoding:\tchunked"), 0},
      {"row32_chunked_vertical_tab", with("Transfer-Encoding: \vchunked"), 400},
      {"row32_chunked_form_feed", with("Transfer-Encoding: chunked\f"), 400},
      {"row32_chunked_nul", nul(with("Transfer-Encoding: chunked@")), 400},
      {"row32_chunked_nbsp",
       with("Transfer-Encoding: \xa0"
            "chunked"),
       400},
      {"row33_coding_space_before_colon", with("Transfer-Encoding : chunked"), 400},
      {"row34_folded_coding", with("Transfer-Encoding:\r\n chunked"), 400},
      {"row35_quoted_chunked", with("Transfer-Encoding: \"chunked\""), 400},
      {"row35_chunked_parameter", with("Transfer-Encoding: chunked;a=b"), 400},
      {"row36_chunked_comma", with("Transfer-Encoding: chunked,"), 400},
      {"row37_comma_chunked", with("Transfer-Encoding: ,chunked"), 400},
      {"row38_empty_coding", with("Transfer-Encoding:"), 400},
      {"row38_empty_coding_and_length", with("Transfer-Encoding:\r\nContent-Length: 5"), 400},
      {"row39_chunked_on_1_0", "POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"row40_identity_chunked_and_length_on_1_0",
       "POST / HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\nTransfer-Encoding: identity, "
       "chunked\r\nContent-Length: 29\r\n\r\n",
       400},
      {"row41_coding_underscore_name", with("Transfer_Encoding: chunked\r\nContent-Length: 5"), 0},
      {"row42_coding_behind_bare_cr", with("X: a\rTransfer-Encoding: chunked"), 400},
      {"row43_coding_behind_bare_lf", with("X: a\nTransfer-Encoding: chunked"), 400},
      // 3.4 lines and fields
      {"row61_bare_lf_request_line", "GET / HTTP/1.1\nHost: t\r\n\r\n", 400},
      {"row61_bare_lf_field", "GET / HTTP/1.1\r\nHost: t\n\r\n", 400},
      {"row61_bare_lf_end", "GET / HTTP/1.1\r\nHost: t\r\n\n", 400},
      {"row61_bare_lf_all", "GET / HTTP/1.1\nHost: t\n\n", 400},
      {"row62_bare_cr_in_value", with("X: a\rb"), 400},
      {"row63_two_crs", with("X: a\r"), 400},
      {"row64_folded_value", with("X: a\r\n b"), 400},
      {"row64_folded_value_tab", with("X: a\r\n\tb"), 400},
      {"row65_folded_host", "GET / HTTP/1.1\r\nHost: t.example\r\n .evil\r\n\r\n", 400},
      {"row66_space_line_after_request_line", "GET / HTTP/1.1\r\n X: a\r\nHost: t\r\n\r\n", 400},
      {"row67_space_before_colon", with("X-A : b"), 400},
      {"row67_tab_before_colon", with("X-A\t: b"), 400},
      {"row67_empty_name", with(": b"), 400},
      {"row67_space_in_name", with("X A: b"), 400},
      {"row67_control_in_name",
       with("X\x01"
            "A: b"),
       400},
      {"row67_nul_in_name", nul(with("X@A: b")), 400},
      {"row68_no_colon", with("XA"), 400},
      {"row69_at_in_name", with("X@A: b"), 400},
      {"row69_8_bit_in_name", with("X\xc3\xa9: b"), 400},
      {"row70_nul_in_value", nul(with("X: a@b")), 400},
      {"row71_control_in_value",
       with("X: a\x01"
            "b"),
       400},
      {"row71_del_in_value",
       with("X: a\x7f"
            "b"),
       400},
      {"row71_tab_in_value", with("X: a\tb"), 0},
      {"row72_8_bit_in_value", with("X: \xc3\xa9\xff\x80"), 0},
      {"row73_white_space_line", with("X: a\r\n  \r\nY: b"), 400},
      {"row74_underscores", with("X_Real_IP: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1"), 0},
      {"row75_two_authorizations", with("Authorization: Basic YTpi\r\nAuthorization: Basic YTpj"), 400},
      // 3.5 request line
      {"row76_http_0_9", "GET /\r\n", 400},
      {"row76_http_0_9_long", "GET /a/long/target/here\r\n", 400},
      {"row77_http_1_2", line("GET / HTTP/1.2"), 0},
      {"row78_http_2_0", line("GET / HTTP/2.0"), 505},
      {"row78_http_9_9", line("GET / HTTP/9.9"), 505},
      {"row78_preface", "PRI * HTTP/2.0\r\n\r\n", 505},
      {"row79_http_01_1", line("GET / HTTP/01.1"), 400},
      {"row79_http_1_10", line("GET / HTTP/1.10"), 400},
      {"row79_lower_case_version", line("GET / http/1.1"), 400},
      {"row79_https_version", line("GET / HTTPS/1.1"), 400},
      {"row80_two_spaces", line("GET  / HTTP/1.1"), 400},
      {"row80_two_spaces_before_version", line("GET /  HTTP/1.1"), 400},
      {"row80_tab", line("GET\t/ HTTP/1.1"), 400},
      {"row80_trailing_space", line("GET / HTTP/1.1 "), 400},
      {"row80_leading_space", line(" GET / HTTP/1.1"), 400},
      {"row81_space_in_target", get("/a b"), 400},
      {"row81_control_in_target",
       get("/a\x01"
           "b"),
       400},
      {"row81_del_in_target",
       get("/a\x7f"
           "b"),
       400},
      {"row81_nul_in_target", nul(get("/a@b")), 400},
      {"row82_8_bit_in_target", get("/\xc3\xa9"), 400},
      {"row83_fragment", get("/a#frag"), 400},
      {"row83_fragment_in_query", get("/a?b#frag"), 400},
      {"row84_lower_case_method", line("get / HTTP/1.1"), 0},
      {"row84_exotic_method", line("M!#$%&'*+-.^_`|~1 / HTTP/1.1"), 0},
      {"row84_method_of_32", line(std::string(32, 'M') + " / HTTP/1.1"), 0},
      {"row84_method_of_33", line(std::string(33, 'M') + " / HTTP/1.1"), 400},
      {"row84_no_token", line("G(T / HTTP/1.1"), 400},
      {"row85_method_of_9_kb", line(std::string(9216, 'M') + " / HTTP/1.1"), 400},
      {"row86_target_of_100_kb", get("/" + std::string(102400, 'a')), 414},
      {"row87_asterisk_get", get("*"), 400},
      {"row87_asterisk_options", line("OPTIONS * HTTP/1.1"), 0},
      {"row88_relative", get("a"), 400},
      {"row88_backslash", get("\\..\\x"), 400},
      {"row88_no_target", line("GET HTTP/1.1"), 400},
      {"row88_empty_target", line("GET  HTTP/1.1"), 400},
      {"row88_query_only", get("?q"), 400},
      {"row89_bad_escape", get("/%zz"), 400},
      {"row89_lone_percent", get("/%"), 400},
      {"row89_half_escape", get("/a%4"), 400},
      {"row89_half_escape_before_query", get("/a%4?1"), 400},
      {"row89_bad_escape_in_query", get("/a?b=%zz"), 0},
      {"row90_encoded_nul", get("/%00"), 400},
      {"row90_encoded_nul_in_query", get("/a?%00"), 0},
      {"row91_encoded_crlf", get("/%0d%0a"), 0},
      {"row92_dot_segments", get("/pub/../admin"), 0},
      {"row93_encoded_slash", get("/a%2fb"), 0},
      {"row94_double_encoding", get("/%252e"), 0},
      {"row96_double_slashes", get("//a//b"), 0},
      // 3.6 Host
      {"row97_no_host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", 400},
      {"row97_no_fields", "GET / HTTP/1.1\r\n\r\n", 400},
      {"row97_no_host_on_1_0", "GET / HTTP/1.0\r\n\r\n", 0},
      {"row98_empty_host", host(""), 400},
      {"row98_empty_host_on_1_0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400},
      {"row99_two_hosts_differ", host("t.example\r\nHost: u.example"), 400},
      {"row99_two_hosts_same", host("t.example\r\nHost: t.example"), 400},
      {"row99_two_hosts_any_case", host("t.example\r\nhOST: t.example"), 400},
      {"row100_list", host("a, b"), 400},
      {"row100_comma", host("a,b"), 400},
      {"row100_space", host("a b"), 400},
      {"row100_slash", host("a/x"), 400},
      {"row100_nul", nul(host("a@b")), 400},
      {"row101_userinfo", host("u@host"), 400},
      {"row101_userinfo_and_password", host("u:p@host"), 400},
      {"row102_port_not_a_number", host("t.example:99999x"), 400},
      {"row102_port_too_large", host("t.example:65536"), 400},
      {"row102_port_negative", host("t.example:-1"), 400},
      {"row102_two_ports", host("t.example:80:80"), 400},
      {"row102_port_highest", host("t.example:65535"), 0},
      {"row102_ipv6_port", host("[::1]:8080"), 0},
      {"row102_ipv6_bare", host("::1"), 400},
      {"row102_ipv6_broken", host("[::1"), 400},
      {"row103_absolute_other_host", line("GET http://u.example/ HTTP/1.1"), 400},
      {"row103_absolute_same_host", line("GET http://t.example/ HTTP/1.1"), 0},
      {"row103_absolute_any_case", line("GET HTTP://T.EXAMPLE/ HTTP/1.1"), 0},
      {"row103_absolute_default_port", line("GET http://t.example:80/ HTTP/1.1"), 0},
      {"row103_absolute_default_tls_port", line("GET https://t.example:443/ HTTP/1.1"), 0},
      {"row103_absolute_other_port", line("GET http://t.example:8080/ HTTP/1.1"), 400},
      {"row103_absolute_no_path", line("GET http://t.example HTTP/1.1"), 0},
      {"row103_absolute_query_no_path", line("GET http://t.example?q HTTP/1.1"), 400},
      {"row104_absolute_no_host", "GET http://t.example/ HTTP/1.1\r\n\r\n", 400},
      {"row105_absolute_userinfo", line("GET http://u@t.example/ HTTP/1.1"), 400},
      {"row105_ftp", line("GET ftp://t.example/ HTTP/1.1"), 400},
      {"row105_absolute_empty_host", line("GET http:///x HTTP/1.1"), 400},
      // 3.7 hop-by-hop, Upgrade, Expect, methods
      {"row107_connection_host", with("Connection: Host"), 0},
      {"row111_upgrade_h2c",
       with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"), 0},
      {"row112_upgrade_foo", with("Connection: Upgrade\r\nUpgrade: foo"), 0},
      {"row112_upgrade_not_a_token", with("Connection: Upgrade\r\nUpgrade: f oo"), 400},
      {"row113_websocket",
       "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
       "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
       0},
      {"row113_websocket_no_key", with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"), 400},
      {"row113_websocket_version_999",
       with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 999\r\nSec-WebSocket-Key: "
            "dGhlIHNhbXBsZSBub25jZQ=="),
       426},
      {"row113_websocket_by_post",
       "POST /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
       "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
       400},
      {"row113_websocket_no_version",
       with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 426},
      {"row113_websocket_body",
       with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            "dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5"),
       400},
      {"row113_websocket_not_asked_by_connection", with("Upgrade: websocket"), 0},
      {"row114_expect", with("Expect: 100-Continue\r\nContent-Length: 5"), 0},
      {"row115_expect_obfuscated", with("Expect: y 100-continue\r\nContent-Length: 5"), 417},
      {"row115_expect_list", with("Expect: 100-continue, x"), 417},
      {"row115_expect_twice", with("Expect: 100-continue\r\nExpect: 100-continue"), 417},
      {"row115_expect_on_1_0", "POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n", 0},
      {"row117_trace", line("TRACE / HTTP/1.1"), 405},
      {"row118_connect", line("CONNECT t.example:443 HTTP/1.1"), 405},
      {"row118_connect_path", line("CONNECT / HTTP/1.1"), 405},
      {"row121_field_of_100_kb", with("X: " + std::string(102400, 'a')), 431},
      {"row121_many_fields_of_8_kb",
       with("A: " + std::string(8000, 'a') + "\r\nB: " + std::string(8000, 'a') + "\r\nC: " + std::string(8000, 'a') +
            "\r\nD: " + std::string(8000, 'a') + "\r\nE: " + std::string(8000, 'a')),
       431},
      {"row122_1000_fields",
       [] {
         std::string fields;
         for (int i = 0; i < 1000; ++i) fields += "X: y\r\n";
         return with(fields + "Z: z");
       }(),
       431},
      // shapes beside the rows
      {"garbage", "GARBAGE\r\n\r\n", 400},
      {"tls_hello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"empty_line_first", "\r\n" + get("/"), 0},
      {"two_empty_lines_first", "\r\n\r\n" + get("/"), 400},
      {"empty_line_and_space_first", "\r\n " + get("/"), 400},
      {"bare_lf_first", "\n" + get("/"), 400},
      {"connection_of_too_many_options",
       with("Connection: " + std::string(130, ',') +
            [] {
              std::string options;
              for (int i = 0; i < 65; ++i) options += "a,";
              return options;
            }()),
       400},
      {"plain", get("/"), 0},
  };
  return all;
}

class RequestRows : public ::testing::TestWithParam<Row> {};

TEST_P(RequestRows, Status) {
  const Request request(GetParam().bytes);
  EXPECT_EQ(request.status, GetParam().status) << request.why;
}

// However the bytes arrive, the answer is the same.
TEST_P(RequestRows, SameByteByByte) {
  const auto& bytes = GetParam().bytes;
  const HeadLimits limits;
  HeadScan whole_scan;
  const auto whole = find_head(bytes, whole_scan, limits, true);
  HeadScan scan;
  Result<std::size_t> last = 0;
  for (std::size_t n = 1; n <= bytes.size() && last && *last == 0; ++n)
    last = find_head(std::string_view(bytes).substr(0, n), scan, limits, true);
  ASSERT_EQ(last.has_value(), whole.has_value());
  if (whole) {
    EXPECT_EQ(*last, *whole);
    EXPECT_EQ(scan.skip, whole_scan.skip);
  } else {
    EXPECT_EQ(last.error().status, whole.error().status);
  }
}

INSTANTIATE_TEST_SUITE_P(Catalogue, RequestRows, ::testing::ValuesIn(rows()),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace sluice::net::h1
