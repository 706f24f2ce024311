#include "control/kube/options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "control/control.h"
#include "control/kube/grammar.h"
#include "control/kube/options/families.h"

namespace sluice::control {
namespace {

const model::ObjectRef kMap{"ConfigMap", "ns", "name", {}};

TEST(Options, DefaultsPrintAndReadBackAsThemselves) {
  const model::Options defaults;
  std::set<std::string_view> keys;
  for (auto& o : options()) {
    EXPECT_TRUE(keys.insert(o.key).second) << o.key << " twice";
    EXPECT_FALSE(o.doc.empty()) << o.key;
    model::Options out;
    auto text = o.value.print(defaults);
    if (text.empty()) continue;
    EXPECT_EQ(o.value.parse(text, out), "") << o.key << "=" << text;
    EXPECT_EQ(out, defaults) << o.key << "=" << text;
  }
}

// One value that cannot be used takes no other one with it: OpenSSL is asked before a context is made of them all.
TEST(Options, ListsOfTlsAreThoseThatOpenSslTakes) {
  const model::Options before;
  for (const auto& [key, value] : std::map<std::string, std::string>{{"ssl-ciphers", "abc"},
                                                                     {"ssl-ciphers", "NONE:NEITHER"},
                                                                     {"ssl-ecdh-curve", "nosuch"},
                                                                     {"ssl-ecdh-curve", "prime256v1:nosuch"}}) {
    const auto read = read_options({{key, value}, {"ssl-protocols", "TLSv1.2"}}, kMap, {}, before);
    ASSERT_EQ(read.entries.size(), 1U) << value;
    EXPECT_EQ(read.entries[0].problem.reason, "InvalidOption");
    EXPECT_EQ(read.entries[0].problem.field, "data[" + key + "]");
    EXPECT_EQ(read.options.ssl_protocols, "TLSv1.2");
    EXPECT_EQ(read.options.ssl_ciphers, before.ssl_ciphers);
    EXPECT_EQ(read.options.ssl_ecdh_curve, before.ssl_ecdh_curve);
  }
  const auto good = read_options(
      {{"ssl-ciphers", "abc:ECDHE-RSA-AES128-GCM-SHA256"}, {"ssl-ecdh-curve", "X25519:P-256"}}, kMap, {}, before);
  EXPECT_TRUE(good.entries.empty()) << "of ciphers one that is known is enough";
  EXPECT_EQ(good.options.ssl_ecdh_curve, "X25519:P-256");
}

// ingress-nginx takes a key in any case; the spelling of the documentation counts before others.
TEST(Options, TheCaseOfAKeyDoesNotMatter) {
  const auto read = read_options({{"Denylist-Source-Range", "127.0.0.1"}, {"MAX-HEADERS", "77"}}, kMap, {}, {});
  EXPECT_TRUE(read.entries.empty());
  EXPECT_EQ(read.options.max_headers, 77U);
  EXPECT_EQ(read.options.denylist_source_range,
            read_options({{"denylist-source-range", "127.0.0.1"}}, kMap, {}, {}).options.denylist_source_range);
  const auto guarding = read_options({{"Enable-ModSecurity", "true"}}, kMap, {}, {});
  EXPECT_EQ(guarding.guards, std::vector<std::string>{"enable-modsecurity"});
  ASSERT_EQ(guarding.entries.size(), 1U);
  EXPECT_EQ(guarding.entries[0].problem.field, "data[Enable-ModSecurity]");
  EXPECT_TRUE(read_options({{"Enable-ModSecurity", "true"}}, kMap, {}, {}, {"enable-modsecurity"}).guards.empty());
  EXPECT_EQ(read_options({{"Resilience", "recommended"}}, kMap, {}, {}).options.retry_budget_percent, 20U);

  const auto twice = read_options({{"MAX-HEADERS", "50"}, {"Max-Headers", "60"}, {"max-headers", "70"}}, kMap, {}, {});
  EXPECT_EQ(twice.options.max_headers, 70U);
  ASSERT_EQ(twice.entries.size(), 2U);
  for (const auto& entry : twice.entries) EXPECT_EQ(entry.problem.reason, "UnknownOption");
}

// What counts of a value that is wrong in part is what ingress-nginx takes of it, and the rest is said.
TEST(Options, PartsOfAValueThatAreWrong) {
  struct Row {
    const char *key, *value, *consequence;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"custom-http-errors", "404,abc,600,503", "what counts is 404,503"},
           {"custom-http-errors", "abc", "none counts"},
           {"annotations-risk-level", "Hgih", "what counts is Low"},
           {"log-format-upstream", "$status $nosuch", "they are written as absent values"},
       }) {
    const auto read = read_options({{row.key, row.value}}, kMap, {}, {});
    ASSERT_EQ(read.entries.size(), 1U) << row.value;
    EXPECT_EQ(read.entries[0].problem.consequence, row.consequence);
  }
  const auto tab = read_options({{"log-format-upstream", "$status\t$uri\n"}}, kMap, {}, {});
  EXPECT_TRUE(tab.entries.empty());
  EXPECT_EQ(tab.options.log_format_upstream, "$status\t$uri");
}

// Blocks of YAML end in a line break, and lists stand on several lines.
TEST(Options, ListsMayStandOnSeveralLines) {
  const auto read = read_options({{"global-auth-response-headers", "X-User,\nX-Email\n"},
                                  {"global-auth-cache-duration", "200 1m,\n401 5m\n"},
                                  {"custom-http-errors", "404,\n503\n"},
                                  {"ssl-protocols", "TLSv1.2\nTLSv1.3\n"}},
                                 kMap, {}, {});
  EXPECT_TRUE(read.entries.empty());
  EXPECT_EQ(read.options.global_auth_response_headers, (std::vector<std::string>{"X-User", "X-Email"}));
  EXPECT_EQ(read.options.custom_http_errors, (std::vector<std::uint16_t>{404, 503}));
  EXPECT_EQ(read.options.ssl_protocols, "TLSv1.2 TLSv1.3");
  EXPECT_EQ(read.options.global_auth_cache_duration, "200 1m, 401 5m");
}

TEST(Options, EachKeyThatIsAListMayStandOnSeveralLines) {
  const std::map<std::string, std::string> apart{{"allow-destinations", "127.0.0.0/8,\nlocalhost\r\n*.corp.example\n"},
                                                 {"health-check-expect", "200,\n204 - 206\r\n404"},
                                                 {"proxy-next-upstream", "error\ntimeout\n http_502"}};
  const auto read = read_options(apart, kMap, {}, {});
  EXPECT_TRUE(read.entries.empty());
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"allow-destinations", "127.0.0.0/8,localhost,*.corp.example"},
                                          {"health-check-expect", "200,204-206,404"},
                                          {"proxy-next-upstream", "error timeout http_502"}}) {
    model::Options as_one;
    const auto row = std::ranges::find(options(), key, &Option::key);
    ASSERT_EQ(row->value.parse(value, as_one), "") << key;
    EXPECT_EQ(row->value.print(read.options), row->value.print(as_one)) << key;
    EXPECT_EQ(read_options({{key, apart.at(key) + "\x01"}}, kMap, {}, {}).entries.size(), 1U) << key;
  }
}

// What stands behind a directive may be a credential, and a ConfigMap is shown to whoever reads the log.
TEST(Options, ARefusedSnippetShowsTheNameOfItsDirectiveAlone) {
  const auto read =
      read_options({{"location-snippet", "proxy_set_header Authorization \"Bearer abc123\" always;"}}, kMap, {}, {});
  ASSERT_EQ(read.entries.size(), 1U);
  EXPECT_EQ(read.entries[0].problem.value, "line 1: proxy_set_header");
  EXPECT_EQ(read.entries[0].problem.expected.find("abc123"), std::string::npos);
}

TEST(Options, CompatExactSetsWhatOtherKeysBeginWith) {
  const auto exact = read_options({{"compat", "exact"}}, kMap, {}, {});
  EXPECT_TRUE(exact.options.exact && exact.options.http2_prior_knowledge && !exact.options.ssl_session_tickets);
  ASSERT_EQ(exact.entries.size(), 1U);
  EXPECT_EQ(exact.entries[0].problem.field, "data[compat]");
  const auto keys = read_options({{"compat", "exact"}, {"http2-prior-knowledge", "false"}}, kMap,
                                 {{"ssl-session-tickets", "true"}}, {});
  EXPECT_TRUE(!keys.options.http2_prior_knowledge && keys.options.ssl_session_tickets);
  const auto flag = read_options({{"compat", "exact"}}, kMap, {{"compat", "safe"}}, {});
  EXPECT_TRUE(!flag.options.exact && !flag.options.http2_prior_knowledge && flag.entries.empty());
  EXPECT_FALSE(read_options({{"compat", "Exact"}}, kMap, {}, {}).options.exact);
}

// Each key changes the options, and prints what it was given.
TEST(Options, EveryKeyReachesItsMember) {
  for (auto& o : options()) {
    const model::Options defaults;
    bool changed = false;
    for (auto value : {"true",
                       "false",
                       "7",
                       "301",
                       "9k",
                       "X-Other",
                       "10.0.0.0/8",
                       "off",
                       "2 16k",
                       "TLSv1.3",
                       "HIGH",
                       "X25519",
                       "Low",
                       "json",
                       "debug",
                       "/other",
                       "refuse",
                       "h.example=ns",
                       "404",
                       "POST",
                       "200 5m",
                       "https://to.example/",
                       "ewma",
                       "http",
                       "exact",
                       "recommended",
                       "1.0",
                       "on",
                       "more_set_headers A:b;",
                       "map $host $a { default b; }"}) {
      model::Options out;
      if (o.value.parse(value, out).empty() && out != defaults) {
        changed = true;
        model::Options again;
        EXPECT_EQ(o.value.parse(o.value.print(out), again), "") << o.key;
        EXPECT_EQ(again, out) << o.key;
      }
    }
    EXPECT_TRUE(changed || o.secret) << o.key;
  }
}

// Those of its 1.15.1, by its documentation (docs/user-guide/nginx-configuration/configmap.md) and config.go.
TEST(Options, EachKeyOfIngressNginxHasAVerdict) {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/unit/control/keys-of-ingress-nginx.txt");
  std::size_t keys = 0;
  for (std::string key; std::getline(in, key); ++keys) {
    EXPECT_TRUE(is_option(key)) << key;
    for (const auto& entry : read_options({{key, "no such value"}}, kMap, {}, {}).entries)
      EXPECT_NE(entry.problem.reason, "UnknownOption") << key;
  }
  EXPECT_GT(keys, 190U);
}

TEST(Options, KeysThatChangeNothingSayWhy) {
  const auto said = [](const char* key) {
    const auto entries = read_options({{key, "7"}}, kMap, {}, {}).entries;
    return entries.size() == 1 ? entries[0].problem : model::Problem{};
  };
  const auto tables = said("map-hash-bucket-size"), traces = said("zipkin-sample-rate");
  EXPECT_EQ(tables.reason, "NoEffect");
  EXPECT_EQ(tables.expected, "nothing: it sizes a table of nginx");
  EXPECT_EQ(traces.reason, "UnsupportedOption");
  EXPECT_EQ(traces.consequence, "it has no effect: no traces are made by this version");
  EXPECT_EQ(said("zipkin-sampel-rate").reason, "UnknownOption");
  for (const auto& idle : options_of::idle())
    EXPECT_NE(options_markdown().find("`" + std::string(idle.key) + "`"), std::string::npos);
}

TEST(Options, InvalidValuesMeanTheDefaultWhateverCountedBefore) {
  model::Options previous;
  previous.proxy_body_size = 7 << 20;
  previous.use_forwarded_headers = true;
  auto r = read_options({{"proxy-body-size", "huge"}, {"keep-alive", "-1"}, {"use-forwarded-headers", "fasle"}}, kMap,
                        {}, previous);
  EXPECT_EQ(r.options.proxy_body_size, 1U << 20);
  EXPECT_EQ(r.options.keep_alive, model::Seconds(75));
  EXPECT_FALSE(r.options.use_forwarded_headers);
  ASSERT_EQ(r.entries.size(), 3U);
  EXPECT_EQ(r.entries[1].problem.reason, "InvalidOption");
  EXPECT_EQ(r.entries[1].problem.consequence, "what counts is 1m");
}

TEST(Options, WhatCanBeReadOfTheTargetsThatAreNotLoggedCounts) {
  auto r = read_options({{"skip-access-log-urls", "/a,~[,/b c,~*\\.css$"}}, kMap, {}, {});
  ASSERT_EQ(r.entries.size(), 1U);
  EXPECT_NE(r.entries[0].problem.expected.find("\"~[\" is not"), std::string::npos);
  EXPECT_EQ(r.entries[0].problem.consequence, "what counts is /a,~*\\.css$");
}

TEST(Options, AnInvalidValueOfASetIsWhatTheSetBeginsWith) {
  auto r = read_options({{"resilience", "recommended"}, {"retry-budget-percent", "lots"}}, kMap, {}, {});
  ASSERT_EQ(r.entries.size(), 1U);
  EXPECT_EQ(r.entries[0].problem.consequence, "what counts is 20");
}

TEST(Options, TheCommandLineIsStronger) {
  auto r = read_options({{"keep-alive", "5"}}, kMap, {{"keep-alive", "9"}}, {});
  EXPECT_EQ(r.options.keep_alive, model::Seconds(9));
}

TEST(Options, SpecialGrammars) {
  auto r = read_options({{"large-client-header-buffers", "8 16k"},
                         {"no-tls-redirect-locations", "/a, /b"},
                         {"proxy-real-ip-cidr", "10.0.0.0/8,2001:db8::/32"},
                         {"worker-shutdown-timeout", "2m"},
                         {"hide-headers", "X-A,X-B"},
                         {"error-log-level", "notice"}},
                        kMap, {}, {});
  EXPECT_TRUE(r.entries.empty());
  EXPECT_EQ(r.options.large_client_header_buffers, 8U);
  EXPECT_EQ(r.options.large_client_header_buffer_size, 16384U);
  EXPECT_EQ(r.options.no_tls_redirect_locations, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(r.options.proxy_real_ip_cidr.size(), 2U);
  EXPECT_EQ(r.options.worker_shutdown_timeout, model::Seconds(120));
  EXPECT_EQ(r.options.hide_headers.size(), 2U);
  EXPECT_EQ(r.options.log_level, "info");
}

TEST(Options, WhatIsCompressed) {
  auto r = read_options({{"use-gzip", "true"},
                         {"gzip-types", "Text/CSS application/json\nimage/svg+xml"},
                         {"brotli-types", "*"},
                         {"zstd-types", ""},
                         {"gzip-disable", "msie6"},
                         {"compression-memory", "0"}},
                        kMap, {}, {});
  EXPECT_TRUE(r.entries.empty());
  EXPECT_EQ(r.options.gzip_types, (std::vector<std::string>{"text/css", "application/json", "image/svg+xml"}));
  EXPECT_EQ(r.options.brotli_types, std::vector<std::string>{"*"});
  EXPECT_TRUE(r.options.zstd_types.empty());
  EXPECT_EQ(r.options.gzip_disable, "msie6");
  // A parameter would never be found, and nginx does not start with an expression that cannot be read.
  r = read_options(
      {{"gzip-types", "text/css text/plain; charset=utf-8 json"}, {"gzip-disable", "("}, {"gzip-level", "10"}}, kMap,
      {}, {});
  EXPECT_EQ(r.options.gzip_types, std::vector<std::string>{"text/css"});
  EXPECT_EQ(r.options.gzip_disable, "");
  EXPECT_EQ(r.options.gzip_level, 1u);
  ASSERT_EQ(r.entries.size(), 3u);
}

TEST(Options, AListMayStandOnLinesOfItsOwn) {
  auto r = read_options({{"proxy-real-ip-cidr", "10.0.0.0/8,\n192.168.0.0/16\n\t2001:db8::/32\r\n"},
                         {"hide-headers", "X-A\nX-B"},
                         {"skip-access-log-urls", "/a,\n/b\n"},
                         {"no-tls-redirect-locations", "\n/a\n/b"}},
                        kMap, {}, {});
  EXPECT_TRUE(r.entries.empty());
  EXPECT_EQ(r.options.proxy_real_ip_cidr.size(), 3U);
  EXPECT_EQ(r.options.hide_headers, (std::vector<std::string>{"X-A", "X-B"}));
  EXPECT_EQ(r.options.skip_access_log_urls,
            (std::vector<model::TextRule>{{model::TextRule::Kind::whole, "/a"}, {model::TextRule::Kind::whole, "/b"}}));
  EXPECT_EQ(r.options.no_tls_redirect_locations, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(read_options({{"hide-headers", std::string("X-A\0X-B", 7)}}, kMap, {}, {}).entries.size(), 1U);
  EXPECT_EQ(read_options({{"log-level", "in\nfo"}}, kMap, {}, {}).entries.size(), 1U);
}

// Whoever wrote a list of trusted proxies wanted to trust less than everybody.
TEST(Options, AListOfProxiesThatCannotBeReadTrustsNobody) {
  auto one = read_options({{"proxy-real-ip-cidr", "10.0.0.0/8,bogus,192.168.0.0/16"}}, kMap, {}, {});
  EXPECT_EQ(one.options.proxy_real_ip_cidr.size(), 2U);
  ASSERT_EQ(one.entries.size(), 1U);
  EXPECT_NE(one.entries[0].problem.expected.find("\"bogus\""), std::string::npos);
  EXPECT_EQ(one.entries[0].problem.consequence, "what counts is 10.0.0.0/8,192.168.0.0/16");
  for (const char* none : {"bogus", "10.0.0.0/33", "", " , ", "10.0.0.0/8/8", "proxy.example"}) {
    auto r = read_options({{"proxy-real-ip-cidr", none}, {"use-forwarded-headers", "true"}}, kMap, {}, one.options);
    EXPECT_TRUE(r.options.proxy_real_ip_cidr.empty()) << none;
    ASSERT_EQ(r.entries.size(), 1U) << none;
    EXPECT_EQ(r.entries[0].problem.consequence, "none counts");
  }
  EXPECT_NE(check_option("proxy-real-ip-cidr", "10.0.0.0/8,bogus"), "");
}

// Whoever wrote a word of protection wanted some, on a fresh start and later.
TEST(Options, AnUnreadableWordAboutPathsRefuses) {
  for (const auto previous : {model::AmbiguousPaths::raw, model::AmbiguousPaths::normalize}) {
    model::Options before;
    before.ambiguous_paths = previous;
    auto r = read_options({{"ambiguous-paths", "refused"}}, kMap, {}, before);
    EXPECT_EQ(r.options.ambiguous_paths, model::AmbiguousPaths::refuse);
    ASSERT_EQ(r.entries.size(), 1U);
    EXPECT_EQ(r.entries[0].problem.consequence, "what counts is refuse");
  }
}

TEST(Options, AnUnreadableWordAboutSharedHostsSharesNone) {
  EXPECT_FALSE(read_options({{"share-hosts", "flase"}}, kMap, {}, {}).options.share_hosts);
  EXPECT_TRUE(read_options({{"share-hosts", "true"}}, kMap, {}, {}).options.share_hosts);
}

// A byte that no range has spoils its range and not the list: the default would trust everybody.
TEST(Options, AControlCharacterSpoilsOneWordOfAList) {
  auto r = read_options({{"proxy-real-ip-cidr",
                          "10.0.0.0/8,\x01"
                          "192.168.0.0/16"},
                         {"hide-headers", "X-A,X\x02,X B/C"},
                         {"skip-access-log-urls", "/a,/\x7f"}},
                        kMap, {}, {});
  ASSERT_EQ(r.options.proxy_real_ip_cidr.size(), 1U);
  EXPECT_EQ(r.options.proxy_real_ip_cidr[0].bits, 96 + 8);
  EXPECT_EQ(r.options.hide_headers, (std::vector<std::string>{"X-A", "X"}));
  EXPECT_EQ(r.options.skip_access_log_urls, (std::vector<model::TextRule>{{model::TextRule::Kind::whole, "/a"}}));
  ASSERT_EQ(r.entries.size(), 3U);
  for (auto& e : r.entries) EXPECT_FALSE(has_control(model::Report::line(e))) << e.problem.field;
  EXPECT_TRUE(read_options({{"proxy-real-ip-cidr", "\x01"}}, kMap, {}, {}).options.proxy_real_ip_cidr.empty());
}

TEST(Options, ARangeCountsOnceHoweverItIsWritten) {
  auto r = read_options(
      {{"proxy-real-ip-cidr", "10.0.0.0/8 10.1.2.3/8\v::ffff:10.0.0.0/104\f10.0.0.0/8,::1,0:0::1/128"}}, kMap, {}, {});
  EXPECT_TRUE(r.entries.empty());
  ASSERT_EQ(r.options.proxy_real_ip_cidr.size(), 2U);
  EXPECT_EQ(r.options.proxy_real_ip_cidr[0], *parse_cidr("10.0.0.0/8"));
  EXPECT_EQ(r.options.proxy_real_ip_cidr[1], *parse_cidr("::1"));
}

TEST(Options, WhiteSpaceAroundAValueIsNoPartOfIt) {
  auto r = read_options({{"use-forwarded-headers", "\n true \n"}, {"keep-alive", "\t9\r\n"}}, kMap, {}, {});
  EXPECT_EQ(r.options.keep_alive, model::Seconds(9));
  EXPECT_TRUE(r.options.use_forwarded_headers);
}

TEST(Options, SecretsAreNeverShown) {
  auto r = read_options({{"ssl-session-ticket-key", "hunter2"}}, kMap, {}, {});
  ASSERT_EQ(r.entries.size(), 1U);
  EXPECT_EQ(model::Report::line(r.entries[0]).find("hunter2"), std::string::npos);
  EXPECT_EQ(check_option("ssl-session-ticket-key", "hunter2").find("hunter2"), std::string::npos);
  EXPECT_EQ(check_option("ssl-session-ticket-key", std::string(107, 'A') + "="), "");
}

TEST(Options, TheCommandLineCanAskFirst) {
  EXPECT_EQ(check_option("proxy-body-size", "8m"), "");
  EXPECT_NE(check_option("proxy-body-size", "8q"), "");
  EXPECT_NE(check_option("nonsense", "1"), "");
}

TEST(Options, DocumentationListsEveryKey) {
  auto text = options_markdown();
  for (auto& o : options()) EXPECT_NE(text.find("`" + std::string(o.key) + "`"), std::string::npos) << o.key;
  EXPECT_NE(annotations_markdown().find("`proxy-body-size`"), std::string::npos);
}

TEST(Options, ASetOfThemBeginsOtherwiseAndEachIsStronger) {
  const auto plain = read_options({{"resilience", "plain"}}, kMap, {}, {}).options;
  EXPECT_EQ(plain.outlier_consecutive_failures, 0U);
  EXPECT_EQ(plain.load_balance, model::LoadBalance::round_robin);
  const auto set = read_options({{"resilience", "recommended"}}, kMap, {}, {}).options;
  EXPECT_EQ(set.outlier_consecutive_failures, 5U);
  EXPECT_EQ(set.retry_budget_percent, 20U);
  EXPECT_EQ(set.retry_backoff.count(), 25);
  EXPECT_EQ(set.upstream_tcp_user_timeout.count(), 2000);
  EXPECT_EQ(set.load_balance, model::LoadBalance::ewma);
  const auto own = read_options({{"resilience", "recommended"}, {"load-balance", "round_robin"}}, kMap,
                                {{"outlier-consecutive-failures", "0"}}, {})
                       .options;
  EXPECT_EQ(own.outlier_consecutive_failures, 0U);
  EXPECT_EQ(own.load_balance, model::LoadBalance::round_robin);
  EXPECT_EQ(own.retry_budget_percent, 20U);
  EXPECT_EQ(
      read_options({{"resilience", "plain"}}, kMap, {{"resilience", "recommended"}}, {}).options.retry_budget_percent,
      20U);
  EXPECT_FALSE(read_options({{"resilience", "best"}}, kMap, {}, {}).entries.empty());
}

}  // namespace
}  // namespace sluice::control
