#include "ops/access_log/format.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <boost/json.hpp>

#include "ops/access_log/variables.h"
#include "record_for_test.h"

namespace sluice::ops {
namespace {

class LogFormatTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
  }
  static std::string line(const AccessLogSettings& settings, const ExchangeRecord& record,
                          std::size_t capacity = 64 * 1024) {
    LogTimes times;
    std::string out(capacity, '\0');
    out.resize(LogFormat::compile(settings)->write(record, times, out.data(), out.size()));
    EXPECT_TRUE(out.ends_with('\n'));
    if (!out.empty()) out.pop_back();
    return out;
  }
  static std::string with(const std::string& format, const ExchangeRecord& record,
                          LogEscape escape = LogEscape::nginx) {
    AccessLogSettings settings;
    settings.format = format;
    settings.escape = escape;
    return line(settings, record);
  }
};

TEST_F(LogFormatTest, DefaultLineIsThatOfIngressNginx) {
  EXPECT_EQ(
      line({}, answered()),
      R"(192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "GET /shop?item=1 HTTP/1.1" 200 1000 "https://shop.example/" "curl/7.88.1" )"
      R"(95 0.012 [default-shop-svc-80] [] 10.0.0.1:8080 1000 0.011 200 0123456789abcdef0123456789abcdef)");
}

TEST_F(LogFormatTest, AbsentValuesAreDashes) {
  ExchangeRecord r;
  r.remote_address = "::1";
  r.status = 400;
  r.body_bytes_sent = 150;
  r.request_id = "id";
  r.wall_ms = 0;
  EXPECT_EQ(line({}, r), R"(::1 - - [01/Jan/1970:00:00:00 +0000] "-" 400 150 "-" "-" 0 0.000 [-] [] - - - - id)");
}

// As nginx tells an empty field from one that is not there.
TEST_F(LogFormatTest, WhatIsThereAndEmptyIsNoDash) {
  ExchangeRecord r;
  r.referer = r.user_agent = r.host = r.upstream_name = std::string_view("", 0);
  EXPECT_EQ(with("[$http_referer][$http_user_agent][$http_host][$proxy_upstream_name]", r), "[][][][]");
  EXPECT_EQ(with("[$http_referer][$http_user_agent][$http_host][$proxy_upstream_name]", {}), "[-][-][-][-]");
}

TEST_F(LogFormatTest, ALineThatCouldNotBeReadIsShownAsItCame) {
  ExchangeRecord r;
  r.unread_line = "GET /%zz\x01\" HTTP/1.1";
  EXPECT_EQ(with("\"$request\" $request_method", r), R"("GET /%zz\x01\x22 HTTP/1.1" -)");
}

TEST_F(LogFormatTest, RetriedAttemptsAreLists) {
  auto r = answered();
  r.attempts = 3;
  r.attempt[1] = r.attempt[2] = r.attempt[0];
  r.attempt[0] = {};
  std::strcpy(r.attempt[0].address, "10.0.0.9:8080");  // refused the connection
  r.attempt[1].header_seconds = -1;
  r.attempt[1].status = 0;
  r.attempt[1].response_bytes = 0;
  EXPECT_EQ(with("$upstream_addr|$upstream_status|$upstream_response_length|$upstream_response_time|$upstream_connect_"
                 "time|$upstream_header_time",
                 r),
            "10.0.0.9:8080, 10.0.0.1:8080, 10.0.0.1:8080|502, 502, 200|0, 0, 1000|0.000, 0.011, 0.011|-, 0.001, "
            "0.001|-, -, 0.008");
}

TEST_F(LogFormatTest, AnAttemptWithoutAnAnswerHasTheStatusNginxWouldShow) {
  auto r = answered(0, 504);
  r.attempt[0].status = 0;
  r.attempt[0].blameless = true;
  EXPECT_EQ(with("$upstream_status", r), "-") << "nobody waited for it any more";
  r.attempt[0].blameless = false;
  EXPECT_EQ(with("$upstream_status", r), "504");
  r.status = 499;
  EXPECT_EQ(with("$upstream_status", r), "-");
  r.status = 502;
  EXPECT_EQ(with("$upstream_status", r), "502");
}

TEST_F(LogFormatTest, EscapesAsNginxDoes) {
  auto r = answered();
  r.user_agent = "a\"b\\c\x01\n\x7f\xc3\xa9 ~";
  EXPECT_EQ(with("$http_user_agent", r), R"(a\x22b\x5Cc\x01\x0A\x7F\xC3\xA9 ~)");
  EXPECT_EQ(with("$http_user_agent", r, LogEscape::json), "a\\\"b\\\\c\\u0001\\n\x7f\xc3\xa9 ~");
  r.user_agent = "a\"b";
  EXPECT_EQ(with("$http_user_agent", r, LogEscape::none), "a\"b");
  r.user_agent = {};
  EXPECT_EQ(with("[$http_user_agent]", r, LogEscape::json), "[]");
  EXPECT_EQ(with("[$http_user_agent]", r, LogEscape::none), "[]");
}

TEST_F(LogFormatTest, KnowsTheVariablesDashboardsUse) {
  auto r = answered();
  r.tls = true;
  r.tls_protocol = "TLSv1.3";
  r.tls_cipher = "TLS_AES_128_GCM_SHA256";
  r.server_name = "shop.example";
  EXPECT_EQ(with("$namespace $ingress_name $service_name $service_port $location_path $the_real_ip $ssl_protocol "
                 "$ssl_cipher $ssl_server_name",
                 r),
            "default shop shop-svc 80 /shop 192.0.2.7 TLSv1.3 TLS_AES_128_GCM_SHA256 shop.example");
  EXPECT_EQ(with("$time_iso8601 $msec $request_method $request_uri $server_protocol $scheme", r),
            "2023-11-14T22:13:20+00:00 1700000000.123 GET /shop?item=1 HTTP/1.1 https");
  EXPECT_EQ(with("$http_host $bytes_sent $remote_port $request_id $proxy_protocol_addr", r),
            "shop.example:8080 1234 40000 0123456789abcdef0123456789abcdef -");
  r.remote_user = "ann\n";
  EXPECT_EQ(with("$remote_user ${literal_dollar}x", r), "ann\\x0A $x");
}

// A format with its values for one request.
struct Beside {
  explicit Beside(const std::string& format, LogEscape escape = LogEscape::nginx) {
    AccessLogSettings settings;
    settings.format = format;
    settings.escape = escape;
    compiled = LogFormat::compile(settings);
    for (const auto& v : compiled->of)
      wanted += std::string(wanted.empty() ? "" : " ") + std::string(kVariables[v.id].name) + std::string(v.of);
  }
  std::string line(ExchangeRecord r, std::vector<std::string_view> values, const WantedValues* of = nullptr,
                   std::size_t capacity = 1024) const {
    r.wanted = of != nullptr ? of : compiled.get();
    r.values = values;
    LogTimes times;
    std::string out(capacity, '\0');
    out.resize(compiled->write(r, times, out.data(), out.size()));
    out.pop_back();
    return out;
  }
  std::shared_ptr<const LogFormat> compiled;
  std::string wanted;
};

TEST_F(LogFormatTest, AsksForWhatTheRecordDoesNotHold) {
  EXPECT_TRUE(LogFormat::compile({})->of.empty()) << "the default line asks for nothing";
  AccessLogSettings json;
  json.json = true;
  EXPECT_TRUE(LogFormat::compile(json)->of.empty());
  const Beside f("$http_x_Y $status $arg_a $http_X_y $cookie_c $host $http_host");
  EXPECT_EQ(f.wanted, "http_x_Y arg_a cookie_c host") << "each once, whatever its letters";
  EXPECT_FALSE(f.compiled->of_pod || f.compiled->of_answer);
  EXPECT_EQ(f.line(answered(), {"1", "2", "3", "h"}), "1 200 2 1 3 h shop.example:8080");
  EXPECT_TRUE(Beside("$upstream_http_x").compiled->of_pod);
  EXPECT_TRUE(Beside("$sent_http_x").compiled->of_answer);
}

TEST_F(LogFormatTest, ValuesBesideTheRecordAreEscapedAndMayBeAbsent) {
  const std::string odd = "a\"b\n\xff";
  EXPECT_EQ(Beside("[$http_x]").line(answered(), {odd}), R"([a\x22b\x0A\xFF])");
  EXPECT_EQ(Beside("[$http_x]", LogEscape::json).line(answered(), {odd}), R"([a\"b\n\u00ff])");
  EXPECT_EQ(Beside("[$http_x]", LogEscape::none).line(answered(), {odd}), "[" + odd + "]");
  EXPECT_EQ(Beside("[$http_x]").line(answered(), {{}}), "[-]");
  EXPECT_EQ(Beside("[$http_x]").line(answered(), {""}), "[]");
  EXPECT_EQ(Beside("[$http_x]", LogEscape::json).line(answered(), {{}}), "[]");
  const Beside other("$http_a $http_b");
  EXPECT_EQ(Beside("[$http_x]").line(answered(), {"1", "2"}, other.compiled.get()), "[-]") << "of another format";
}

TEST_F(LogFormatTest, ReadsAllThatOnlyTheEndOfAnExchangeKnows) {
  for (std::size_t i = 0; i < std::size(kVariables); ++i) {
    if (kVariables[i].when != VariableRow::When::end) continue;
    EXPECT_NE(log_reader(static_cast<VariableId>(i), false), nullptr) << kVariables[i].name;
  }
}

TEST_F(LogFormatTest, AsksForABoundedNumber) {
  std::string format;
  for (std::size_t i = 0; i <= WantedValues::kMost; ++i) format += "$http_n" + std::to_string(i) + " ";
  const Beside f(format);
  EXPECT_EQ(f.compiled->of.size(), WantedValues::kMost);
  ASSERT_EQ(f.compiled->problems().size(), 1U);
  EXPECT_TRUE(f.compiled->problems()[0].starts_with("variable $http_n64 is one of more than 64 "));
}

// Each name of the table can be written, or is refused by name.
TEST_F(LogFormatTest, KnowsEveryNameOfTheTable) {
  for (std::size_t i = kUnknown + 1; i < std::size(kVariables); ++i) {
    const std::string name = std::string(kVariables[i].name) + (kVariables[i].name.ends_with('_') ? "x" : "");
    AccessLogSettings settings;
    settings.format = settings.stream_format = "<$" + name + ">";
    EXPECT_TRUE(LogFormat::compile(settings)->problems().empty()) << name;
    const auto of_stream = LogFormat::compile_stream(settings);
    EXPECT_TRUE(of_stream->of.empty()) << name << ": a connection that is passed through has no values beside";
    ExchangeRecord r = answered();
    r.stream = true;
    LogTimes times;
    char out[256];
    const std::string_view line(out, of_stream->write(r, times, out, sizeof out));
    if (!of_stream->problems().empty()) {
      EXPECT_TRUE(of_stream->problems()[0].starts_with("variable $" + name + " ")) << of_stream->problems()[0];
      EXPECT_EQ(line, "<->\n") << name;
    }
  }
}

TEST_F(LogFormatTest, NamesUnknownVariablesAndWritesThemAsAbsent) {
  AccessLogSettings settings;
  settings.format = "$status $nosuch ${status}x $ ${ $$status ${nosuch}";
  EXPECT_EQ(LogFormat::compile(settings)->problems(),
            std::vector<std::string>{"variable $nosuch is not known, it is written as an absent value"});
  EXPECT_EQ(line(settings, answered()), "200 - 200x $ ${ $200 -");
  settings.format = "$1 $http_";
  EXPECT_EQ(LogFormat::compile(settings)->problems().size(), 2U);
}

TEST_F(LogFormatTest, OneRequestIsOneLineWhateverTheFormat) {
  EXPECT_EQ(with("a\nb $status\n", answered()), "a b 200 ");
}

TEST_F(LogFormatTest, TimesFollowTheTimeZone) {
  ::setenv("TZ", "IST-5:30", 1);
  ::tzset();
  EXPECT_EQ(with("$time_local $time_iso8601", answered()), "15/Nov/2023:03:43:20 +0530 2023-11-15T03:43:20+05:30");
  ::setenv("TZ", "NST3:30", 1);
  ::tzset();
  EXPECT_EQ(with("$time_local", answered()), "14/Nov/2023:18:43:20 -0330");
}

TEST_F(LogFormatTest, ALineThatIsTooLongIsCut) {
  auto r = answered();
  const std::string agent(5000, 'x');
  r.user_agent = agent;
  EXPECT_TRUE(line({}, r, 1000).ends_with(r.request_id)) << "its long value is";
  EXPECT_EQ(line({}, r, 200).size(), 199U) << "there is no room for the others";
}

TEST_F(LogFormatTest, JsonHasTheSameNamesAndTypes) {
  AccessLogSettings settings;
  settings.json = true;
  const auto object = boost::json::parse(line(settings, answered())).as_object();
  EXPECT_EQ(object.at("remote_addr").as_string(), "192.0.2.7");
  EXPECT_EQ(object.at("status").as_int64(), 200);
  EXPECT_EQ(object.at("body_bytes_sent").as_int64(), 1000);
  EXPECT_DOUBLE_EQ(object.at("request_time").as_double(), 0.012);
  EXPECT_EQ(object.at("request_uri").as_string(), "/shop?item=1");
  EXPECT_EQ(object.at("upstream_addr").as_string(), "10.0.0.1:8080");
  EXPECT_EQ(object.at("upstream_status").as_string(), "200");
  EXPECT_EQ(object.at("namespace").as_string(), "default");
  EXPECT_EQ(object.at("req_id").as_string(), "0123456789abcdef0123456789abcdef");
}

TEST_F(LogFormatTest, JsonIsValidForEveryByteInEveryPlace) {
  AccessLogSettings settings;
  settings.json = true;
  for (int c = 0; c < 256; ++c) {
    const std::string odd = std::string("a") + static_cast<char>(c) + "b\xe2\x82" + static_cast<char>(c);
    auto r = answered();
    r.user_agent = r.referer = r.target = r.method = r.host = r.request_id = r.path = r.server_name = odd;
    const std::string text = line(settings, r);
    boost::json::error_code error;
    const auto value = boost::json::parse(text, error);
    ASSERT_FALSE(error) << c << ": " << text;
    if (c < 0x80) {
      const auto agent = value.at("http_user_agent").as_string();
      EXPECT_EQ(std::string_view(agent).substr(0, 3), (std::string("a") + static_cast<char>(c) + "b"));
    }
  }
  auto r = answered();
  r.status = 0;
  r.wall_ms = -5;
  boost::json::error_code error;
  boost::json::parse(line(settings, r), error);
  EXPECT_FALSE(error);
}

TEST_F(LogFormatTest, JsonStaysWholeWhenValuesAreHuge) {
  AccessLogSettings settings;
  settings.json = true;
  const std::string huge(60'000, '\x01');
  auto r = answered();
  r.user_agent = r.referer = r.target = r.host = huge;
  for (std::size_t capacity : {std::size_t{64 * 1024}, std::size_t{16 * 1024}}) {
    boost::json::error_code error;
    boost::json::parse(line(settings, r, capacity), error);
    EXPECT_FALSE(error) << capacity;
  }
}

// A client that sends large values must not make the rest of its line disappear.
TEST_F(LogFormatTest, LinesOfAFormatStayWholeWhenValuesAreHuge) {
  const std::string odd(4096, '\x80');
  for (const LogEscape escape : {LogEscape::nginx, LogEscape::json}) {
    const Beside f(R"({"a":"$http_a","b":"$http_b","c":"$http_c","d":"$request_uri","s":$status})", escape);
    auto r = answered();
    r.target = odd;
    const std::string text = f.line(r, {odd, odd, odd}, nullptr, 64 * 1024);
    EXPECT_TRUE(text.ends_with(R"(","s":200})")) << text.substr(text.size() - 40);
    if (escape != LogEscape::json) continue;
    boost::json::error_code error;
    boost::json::parse(text, error);
    EXPECT_FALSE(error);
  }
}

TEST_F(LogFormatTest, WhatThePROXYHeaderSaid) {
  ProxyHeaderRecord header;
  header.sender = "10.0.0.9";
  header.address = "1.2.3.4";
  header.server_address = "5.6.7.8";
  header.port = 1111;
  header.server_port = 443;
  header.authority = "shop.example";
  header.unique_id = std::string("\0id", 3);
  header.tls_version = "TLSv1.3";
  header.tls_verify = "0";
  auto r = answered();
  const std::string format =
      "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:"
      "$proxy_protocol_server_port $proxy_protocol_tlv_alpn $proxy_protocol_tlv_authority "
      "$proxy_protocol_tlv_unique_id $proxy_protocol_tlv_ssl_version $proxy_protocol_tlv_ssl_verify";
  EXPECT_EQ(with(format, r), "-:- -:- - - - - -");
  r.proxy = &header;
  EXPECT_EQ(with(format, r), "1.2.3.4:1111 5.6.7.8:443 - shop.example \\x00id TLSv1.3 0");
  header.address.clear();  // LOCAL
  EXPECT_TRUE(with(format, r).starts_with("-:- "));
  AccessLogSettings settings;
  settings.stream_format = "$realip_remote_addr $host";
  LogTimes times;
  char out[64];
  r.stream = true;
  EXPECT_EQ(std::string_view(out, LogFormat::compile_stream(settings)->write(r, times, out, sizeof out)),
            "10.0.0.9 shop.example:8080\n");
}

}  // namespace
}  // namespace sluice::ops
