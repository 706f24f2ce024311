// Each annotation against ingress-nginx's own validator of it (internal/ingress/annotations, v1.15.1): what white space
// does to a value, and what a value that cannot be read does to its Ingress.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "../../tenancy/annotations.h"
#include "bare_ingress.h"
#include "base/strings.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/objects.h"
#include "control/kube/options.h"

namespace sluice::control {
namespace {

using testing::bare_ingress;

// What becomes of an Ingress by one of its annotations. Taken: nothing is wrong with it.
enum class Outcome { taken, by_default, deny, drop };
using enum Outcome;

std::string_view text_of(Outcome outcome) {
  static constexpr std::string_view kTexts[] = {"taken", "the default", "503", "not served"};
  return kTexts[static_cast<std::size_t>(outcome)];
}

using Annotations = std::map<std::string, std::string>;

struct Reading {
  AnnotationResult result;
  Outcome outcome = taken;
};

Reading read(const Annotations& annotations, std::string_view name) {
  static const Objects objects = [] {
    Objects out;
    out.put(testing::pair_secret());
    out.put(testing::empty_headers());
    return out;
  }();
  static const model::Options options = [] {
    model::Options out;
    out.allow_snippet_annotations = true;
    out.annotations_risk_level = model::Risk::critical;
    return out;
  }();
  static const auto defaults = default_settings(options);
  Readings readings;
  LookUp look_up(objects, readings);
  Reading out{read_annotations(bare_ingress("default", "app", 1, annotations), {}, options, defaults, look_up)};
  const auto& closing = out.result.closing;
  const auto names = [&](std::string_view list) { return list.find(name) != std::string_view::npos; };
  if (out.result.dropped)
    out.outcome = drop;
  else if (names(closing.denied) || names(closing.paths) || names(closing.but_no_auth_locations) ||
           names(closing.of_namespace) || names(closing.host))
    out.outcome = deny;
  else if (std::ranges::any_of(out.result.problems, [&](const auto& problem) {
             return problem.reason == "InvalidAnnotation" &&
                    problem.field == "metadata.annotations[" + std::string(name) + "]";
           }))
    out.outcome = by_default;
  return out;
}

using Validator = bool (*)(const std::string&);

// ValidateRegex(…, true), ValidateRegex(…, false). What `$` and `\s` are in Go they are in ECMAScript.
bool clean(const std::string& text, const char* pattern) {
  return std::regex_search(text, std::regex(pattern)) && text.find_first_of("\r\n") == std::string::npos;
}
template <std::size_t N>
struct Pattern {
  char text[N];
  constexpr Pattern(const char (&of)[N]) { std::copy_n(of, N, text); }
};
template <Pattern P>
bool without_spaces(const std::string& raw) {
  std::string text = raw;
  std::erase(text, ' ');
  return clean(text, P.text);
}
template <Pattern P>
bool as_it_is(const std::string& raw) {
  return clean(raw, P.text);
}
// ValidateOptions(…, trimSpace).
template <Pattern P>
bool one_of(const std::string& raw) {
  return std::regex_match(std::string(trim_space(raw)), std::regex(P.text));
}
bool boolean(const std::string& raw) {
  static const std::set<std::string> kAll{"1", "t", "T", "TRUE",  "true",  "True",
                                          "0", "f", "F", "FALSE", "false", "False"};
  return kAll.contains(raw);
}
bool whole(const std::string& raw) {
  return std::regex_match(raw, std::regex("[+-]?\\d+"));
}
// ValidateServerName, and each of ValidateArrayOfServerName.
bool name(const std::string& raw) {
  return std::regex_match(std::string(trim_space(raw)), std::regex(R"([/\-._~a-zA-Z0-9:^$\[\](){}*+?|&=\\]*)"));
}
bool names(const std::string& raw) {
  static const std::regex comma(",");
  return std::all_of(std::sregex_token_iterator(raw.begin(), raw.end(), comma, -1), std::sregex_token_iterator(),
                     [](const auto& element) { return name(element); });
}
// ValidateCIDRs: of samples that are one.
bool ranges(const std::string& raw) {
  return std::regex_match(std::string(trim_space(raw)), std::regex("[0-9a-f.:/]+"));
}
bool service(const std::string& raw) {
  return std::regex_match(raw, std::regex("[a-z]([-a-z0-9]*[a-z0-9])?"));
}
bool common_name(const std::string& raw) {
  return raw.starts_with("CN=");
}
bool anything(const std::string&) {
  return true;
}

constexpr auto basic_chars = without_spaces<R"(^[/\-._~a-zA-Z0-9:]*$)">;
constexpr auto url = without_spaces<R"(^[\-._~a-zA-Z0-9/:,?&=]*$)">;
constexpr auto url_with_variables = without_spaces<R"(^[\-._~a-zA-Z0-9/:, ,:?&=$]*$)">;
constexpr auto variables = without_spaces<R"(^[A-Za-z0-9\-_${}]*$)">;
constexpr auto headers = without_spaces<R"(^[A-Za-z0-9\-_, ]*$)">;
constexpr auto size = without_spaces<R"(^\d+[bkmgBKMG]?$)">;
constexpr auto on_or_off = without_spaces<"^(on|off)$">;
constexpr auto path = as_it_is<R"(^/?[\-._~a-zA-Z0-9/:$]*$)">;

struct Row {
  Validator validator;
  Outcome refused = by_default;  // for what the validator does not take
  Outcome blank = taken;         // for white space alone that it takes, which the parser leaves nothing of
};

// Comments say where it is meant to be otherwise than in ingress-nginx (docs/differences.md).
const std::map<std::string, Row, std::less<>>& rows() {
  static const std::map<std::string, Row, std::less<>> table{
      {"affinity", {one_of<"cookie">}},
      {"affinity-canary-behavior", {one_of<"sticky|legacy">}},
      {"affinity-mode", {one_of<"balanced|persistent">}},
      {"allowlist-source-range", {ranges, deny}},
      {"app-root", {path}},
      {"auth-always-set-cookie", {boolean}},                                    // there auth-url is left out
      {"auth-cache-duration", {as_it_is<R"(^[/\-._~a-zA-Z0-9:, ]*$)">, deny}},  // likewise
      {"auth-cache-key", {variables}},
      {"auth-keepalive", {whole}},
      {"auth-keepalive-requests", {whole}},
      {"auth-keepalive-timeout", {whole}},
      {"auth-method", {without_spaces<"^(GET|HEAD|POST|PUT|PATCH|DELETE|CONNECT|OPTIONS|TRACE)$">, deny}},
      {"auth-proxy-set-headers", {basic_chars, deny}},  // there it is left out
      {"auth-realm", {as_it_is<R"(^[/\-._~a-zA-Z0-9: ]*$)">, drop}},
      {"auth-request-redirect", {url, drop}},  // there auth-url is left out
      {"auth-response-headers", {headers, deny}},
      {"auth-secret", {basic_chars, deny, deny}},
      {"auth-secret-type", {without_spaces<"auth-file|auth-map">, drop}},
      {"auth-signin", {url_with_variables}},
      {"auth-signin-redirect-param", {url}},
      {"auth-snippet", {anything}},
      {"auth-tls-error-page",
       {without_spaces<R"(^(@[A-Za-z0-9_-]+|((https?://)?[A-Za-z0-9\-.]+(:\d+)?)?(/[A-Za-z0-9\-_.]+)*/?)$)">, drop}},
      {"auth-tls-match-cn", {common_name, drop}},
      {"auth-tls-pass-certificate-to-upstream", {boolean, drop}},
      {"auth-tls-secret", {basic_chars, drop, drop}},  // blank: there nobody is asked for a certificate
      {"auth-tls-verify-client", {without_spaces<"^(on|off|optional|optional_no_ca)$">}},
      {"auth-tls-verify-depth", {whole}},
      {"auth-type", {without_spaces<"basic|digest">, drop}},
      {"auth-url", {url_with_variables, drop, drop}},  // blank: there nobody is asked
      {"backend-protocol", {one_of<"[Aa][Uu][Tt][Oo]_[Hh][Tt][Tt][Pp]|HTTPS?|GRPCS?|FCGI">}},
      {"canary", {boolean}},
      {"canary-by-cookie", {basic_chars}},
      {"canary-by-header", {basic_chars}},
      {"canary-by-header-pattern", {as_it_is<R"(^[/\-._~a-zA-Z0-9:^$\[\](){}*+?|&=\\]*$)">}},
      {"canary-by-header-value", {basic_chars}},
      {"canary-weight", {whole}},
      {"canary-weight-total", {whole}},
      {"client-body-buffer-size", {size, drop}},
      {"configuration-snippet", {anything}},
      {"connection-proxy-header", {without_spaces<"^(close|keep-alive)$">, drop}},
      {"cors-allow-credentials", {boolean}},
      {"cors-allow-headers", {headers}},
      {"cors-allow-methods", {without_spaces<R"(^([A-Za-z]+,?\s?)+$)">}},
      {"cors-allow-origin", {anything}},  // there everybody is allowed by a list that ends in a line end
      {"cors-expose-headers", {without_spaces<R"(^(([A-Za-z0-9\-_]+|\*),?\s?)+$)">}},
      {"cors-max-age", {whole}},
      {"custom-headers", {basic_chars, deny}},  // there it is left out
      {"custom-http-errors", {without_spaces<R"(^(?:[4,5]\d{2},?)*$)">, drop}},
      {"default-backend", {service, drop}},
      {"denylist-source-range", {ranges, deny}},
      {"disable-proxy-intercept-errors", {boolean}},
      {"enable-access-log", {boolean}},
      {"enable-cors", {boolean}},
      {"enable-global-auth", {boolean}},
      {"fastcgi-index", {without_spaces<R"(^[A-Za-z0-9.\-_]+$)">, drop}},
      {"fastcgi-params-configmap", {basic_chars, drop}},
      {"force-ssl-redirect", {boolean}},
      {"from-to-www-redirect", {boolean, drop}},
      {"limit-allowlist", {ranges, drop}},
      {"limit-burst-multiplier", {whole}},
      {"limit-connections", {whole, drop}},
      {"limit-rate", {whole}},
      {"limit-rate-after", {whole}},
      {"limit-rpm", {whole, drop}},
      {"limit-rps", {whole, drop}},
      {"limit-whitelist", {ranges, drop}},
      {"load-balance", {one_of<"round_robin|chash|chashsubset|sticky_balanced|sticky_persistent|ewma">}},  // dropped
      {"mirror-host", {name}},
      {"mirror-request-body", {on_or_off}},
      {"mirror-target", {name}},
      {"permanent-redirect", {as_it_is<R"(^[\-._~a-zA-Z0-9/:,?&=]*$)">, drop}},
      {"permanent-redirect-code", {whole, drop}},
      {"preserve-trailing-slash", {boolean}},
      {"proxy-body-size", {size}},
      {"proxy-buffer-size", {size}},
      {"proxy-buffering", {one_of<"on|off">}},
      {"proxy-buffers-number", {whole}},
      {"proxy-connect-timeout", {whole}},
      {"proxy-cookie-domain", {as_it_is<R"(^(off|[\-._~a-zA-Z0-9/:]+\s+[\-._~a-zA-Z0-9/:]+)$)">}},
      {"proxy-cookie-path", {url}},
      {"proxy-http-version", {one_of<"1\\.0|1\\.1">}},
      {"proxy-max-temp-file-size", {size}},
      {"proxy-next-upstream", {as_it_is<R"(^((error|timeout|invalid_header|http_\d+|non_idempotent|off)\s?)+$)">}},
      {"proxy-next-upstream-timeout", {whole}},
      {"proxy-next-upstream-tries", {whole}},
      {"proxy-read-timeout", {whole}},
      {"proxy-redirect-from", {url}},
      {"proxy-redirect-to", {url}},
      {"proxy-request-buffering", {one_of<"on|off">}},
      {"proxy-send-timeout", {whole}},
      {"proxy-ssl-ciphers", {without_spaces<R"(^[A-Za-z0-9+:_\-!]*$)">}},
      {"proxy-ssl-name", {name}},
      {"proxy-ssl-protocols", {without_spaces<R"(^(TLSv1\.2|TLSv1\.3| )*$)">}},
      {"proxy-ssl-secret", {basic_chars, drop}},
      {"proxy-ssl-server-name", {on_or_off}},
      {"proxy-ssl-verify", {on_or_off}},
      {"proxy-ssl-verify-depth", {whole}},
      {"relative-redirects", {boolean, drop}},
      {"rewrite-target", {path}},
      {"satisfy", {one_of<"any|all">}},
      {"server-alias", {names, drop}},
      {"server-snippet", {anything}},
      {"service-upstream", {boolean}},
      {"session-cookie-change-on-failure", {boolean}},
      {"session-cookie-conditional-samesite-none", {boolean}},
      {"session-cookie-domain", {basic_chars}},
      {"session-cookie-expires", {without_spaces<R"((^0|-?[1-9]\d*$))">}},
      {"session-cookie-max-age", {as_it_is<R"((^0|-?[1-9]\d*$))">}},
      {"session-cookie-name", {basic_chars}},
      {"session-cookie-path", {url}},
      {"session-cookie-samesite", {one_of<"None|Lax|Strict">}},
      {"session-cookie-secure", {boolean}},
      {"ssl-ciphers", {without_spaces<R"(^([A-Za-z0-9!:+\-_])*$)">, drop}},
      {"ssl-passthrough", {boolean, drop}},
      {"ssl-prefer-server-ciphers", {boolean}},
      {"ssl-redirect", {boolean}},
      {"temporal-redirect", {as_it_is<R"(^[\-._~a-zA-Z0-9/:,?&=]*$)">, drop}},
      {"temporal-redirect-code", {whole, drop}},
      {"upstream-hash-by", {variables}},          // refused: there dropped
      {"upstream-hash-by-subset", {boolean}},     // likewise
      {"upstream-hash-by-subset-size", {whole}},  // likewise
      {"upstream-vhost", {name, drop}},
      {"use-port-in-redirects", {boolean}},
      {"use-regex", {boolean}},
      {"whitelist-source-range", {ranges, deny}},
      {"x-forwarded-prefix", {without_spaces<R"(^/?[\-._~a-zA-Z0-9/:$]*$)">, drop}},
  };
  return table;
}

// Sluice's own, which ingress-nginx has no validator of: white space is left out of all of them that are no numbers.
const std::set<std::string, std::less<>> kOwn{"ambiguous-paths",
                                              "enable-grpc-web",
                                              "fastcgi-keep-conn",
                                              "health-check",
                                              "health-check-expect",
                                              "health-check-healthy-after",
                                              "health-check-host",
                                              "health-check-interval",
                                              "health-check-path",
                                              "health-check-service",
                                              "health-check-timeout",
                                              "health-check-unhealthy-after",
                                              "hedge-delay",
                                              "priority",
                                              "proxy-next-upstream-try-timeout",
                                              "request-timeout",
                                              "slow-start",
                                              "upstream-hash-by-balance-factor",
                                              "upstream-hash-by-policy"};

// White space around a value that does what it does there for a reason that nobody goes by.
bool is_left_alone(std::string_view name, std::string_view in_front, std::string_view behind) {
  const bool tab = in_front == "\t" || behind == "\t";
  // Expressions that are not bound to the ends, or that have \s: a tab is none of spaces here.
  if (tab && (name.starts_with("cors-") || name.starts_with("session-cookie-"))) return true;
  if (name == "session-cookie-max-age") return in_front == " ";  // not bound either
  // Words that have blanks between them have them around them, too.
  if (name == "proxy-cookie-domain" || name == "proxy-next-upstream") return tab || in_front == " " || behind == " ";
  return !in_front.empty() && name == "auth-tls-match-cn";
}

Annotations around(const tenancy::Sample& sample, std::string_view name, const std::string& in_front,
                   const std::string& behind, bool blank) {
  Annotations out = sample.beside;
  if (!blank) out[std::string(name)] = sample.value;
  for (auto& [key, value] : out)
    for (auto at = value.find("NS"); at != std::string::npos; at = value.find("NS")) value.replace(at, 2, "default");
  auto& value = out[std::string(name)];
  value = in_front + value + behind;
  if (name.starts_with("canary-")) out["canary"] = "true";
  return out;
}

TEST(AsIngressNginx, EachAnnotationIsInATable) {
  for (const auto& row : annotations()) EXPECT_EQ(rows().contains(row.name) + kOwn.contains(row.name), 1) << row.name;
}

TEST(AsIngressNginx, WhiteSpaceAroundAValueDoesWhatItDoesThere) {
  static constexpr std::pair<const char*, const char*> kAround[] = {{"", ""},  {"", "\n"}, {"", "\r\n"}, {"", " "},
                                                                    {" ", ""}, {"\n", ""}, {"\t", ""},   {"", "\t"}};
  for (const auto& [name, row] : rows()) {
    const auto& sample = tenancy::served().at(name);
    const auto plain = read(around(sample, name, "", "", false), name).result.values.settings;
    for (const auto& [in_front, behind] : kAround) {
      if (is_left_alone(name, in_front, behind)) continue;
      const auto written = around(sample, name, in_front, behind, false);
      const auto reading = read(written, name);
      const auto expected = row.validator(written.at(name)) ? taken : row.refused;
      EXPECT_EQ(text_of(reading.outcome), text_of(expected))
          << name << ": " << ::testing::PrintToString(written.at(name));
      if (reading.outcome == taken) {
        EXPECT_TRUE(reading.result.values.settings == plain)
            << name << ": " << ::testing::PrintToString(written.at(name));
      }
    }
  }
}

TEST(AsIngressNginx, WhiteSpaceAloneDoesWhatItDoesThereAndNeverOpens) {
  for (const auto& [name, row] : rows()) {
    const auto& sample = tenancy::served().at(name);
    const auto without = read(around(sample, name, "", "", true), name).result.values.settings;
    for (const auto* const blank : {" ", "   ", "\n", "\t", " \n"}) {
      if (is_left_alone(name, blank, "")) continue;
      const auto reading = read(around(sample, name, blank, "", true), name);
      const auto expected = row.validator(blank) ? row.blank : row.refused;
      EXPECT_EQ(text_of(reading.outcome), text_of(expected)) << name << ": " << ::testing::PrintToString(blank);
      if (reading.outcome == taken) {
        EXPECT_TRUE(reading.result.values.settings == without) << name << ": " << ::testing::PrintToString(blank);
      }
    }
  }
  for (const auto& name : kOwn) {
    const auto& sample = tenancy::served().at(name);
    EXPECT_NE(read(around(sample, name, " ", "", true), name).outcome, taken) << name;
  }
}

TEST(AsIngressNginx, WhatIsEmptyIsNotThere) {
  for (const auto& row : annotations()) {
    const auto& sample = tenancy::served().at(std::string(row.name));
    const auto reading = read(around(sample, row.name, "", "", true), row.name);
    EXPECT_EQ(text_of(reading.outcome), text_of(row.name == "auth-secret" ? deny : taken)) << row.name;
  }
}

struct Case {
  std::string name;
  Annotations annotations;
  Outcome outcome;
};

// Of `name`, with what stands beside it.
TEST(AsIngressNginx, WhatCannotBeReadDoesWhatItDoesThere) {
  const Annotations asking{{"auth-url", "http://auth.example/"}};
  const auto beside = [](Annotations all, const std::string& name, const std::string& value) {
    all[name] = value;
    return all;
  };
  const auto alone = [](const std::string& name, const std::string& value) { return Annotations{{name, value}}; };
  const Case cases[] = {
      // Nobody looks at what goes with an annotation that is not there.
      {"auth-request-redirect", alone("auth-request-redirect", "b{"), taken},
      {"auth-method", alone("auth-method", "b"), taken},
      {"auth-cache-duration", alone("auth-cache-duration", "x"), taken},
      {"auth-proxy-set-headers", alone("auth-proxy-set-headers", "x/y/z"), taken},
      {"auth-response-headers", alone("auth-response-headers", "a;b"), taken},
      {"auth-always-set-cookie", alone("auth-always-set-cookie", "maybe"), taken},
      {"auth-realm", alone("auth-realm", "b{"), taken},
      {"auth-secret", alone("auth-secret", "b{"), taken},
      {"auth-secret-type", alone("auth-secret-type", "b"), taken},
      {"auth-tls-error-page", alone("auth-tls-error-page", "b{"), taken},
      {"auth-tls-match-cn", alone("auth-tls-match-cn", "nobody"), taken},
      {"auth-tls-pass-certificate-to-upstream", alone("auth-tls-pass-certificate-to-upstream", "maybe"), taken},
      {"temporal-redirect-code", alone("temporal-redirect-code", "abc"), taken},
      {"permanent-redirect-code",
       {{"temporal-redirect", "http://to.example/"}, {"permanent-redirect-code", "x"}},
       taken},
      {"permanent-redirect", {{"temporal-redirect", "http://to.example/"}, {"permanent-redirect", "a{"}}, taken},
      {"auth-request-redirect", beside(asking, "auth-request-redirect", "b{"), drop},
      {"auth-method", beside(asking, "auth-method", "b"), deny},
      {"auth-cache-duration", beside(asking, "auth-cache-duration", "x"), deny},
      {"auth-proxy-set-headers", beside(asking, "auth-proxy-set-headers", "x/y/z"), deny},
      {"auth-response-headers", beside(asking, "auth-response-headers", "a;b"), deny},
      {"auth-always-set-cookie", beside(asking, "auth-always-set-cookie", "maybe"), by_default},
      {"auth-method", beside(asking, "auth-method", "CONNECT"), deny},
      {"auth-url", alone("auth-url", "http://a{"), drop},
      {"auth-url", alone("auth-url", "auth.example"), deny},
      // The others of these stand above, with what white space does.
      {"permanent-redirect-code", alone("permanent-redirect-code", "abc"), drop},
      {"permanent-redirect-code", alone("permanent-redirect-code", "309"), by_default},
      {"permanent-redirect-code", {{"permanent-redirect", "/to"}, {"permanent-redirect-code", "abc"}}, drop},
      {"permanent-redirect-code", {{"permanent-redirect", "/to"}, {"permanent-redirect-code", "500"}}, by_default},
      {"temporal-redirect-code",
       {{"temporal-redirect", "http://to.example/"}, {"temporal-redirect-code", "abc"}},
       drop},
      {"temporal-redirect-code",
       {{"temporal-redirect", "http://to.example/"}, {"temporal-redirect-code", "308"}},
       by_default},
      {"relative-redirects", alone("relative-redirects", "maybe"), drop},
      {"ssl-passthrough", alone("ssl-passthrough", "maybe"), drop},
      {"http2-push-preload", alone("http2-push-preload", "maybe"), drop},
      {"http2-push-preload", alone("http2-push-preload", " "), drop},
      {"http2-push-preload", alone("http2-push-preload", "true"), taken},
      {"opentelemetry-operation-name", alone("opentelemetry-operation-name", "a b{"), taken},
      {"opentelemetry-operation-name",
       {{"enable-opentelemetry", "true"}, {"opentelemetry-operation-name", "a b{"}},
       drop},
      {"opentelemetry-operation-name",
       {{"enable-opentelemetry", "false"}, {"opentelemetry-operation-name", "a b{"}},
       taken},
      {"opentelemetry-operation-name",
       {{"enable-opentelemetry", "true"}, {"opentelemetry-operation-name", "a b"}},
       taken},
      {"enable-modsecurity", alone("enable-modsecurity", " "), by_default},
      {"proxy-ssl-secret", alone("proxy-ssl-secret", "b{d;"), drop},
      {"proxy-ssl-secret", alone("proxy-ssl-secret", "pair"), deny},
      {"proxy-ssl-protocols", alone("proxy-ssl-protocols", "TLSv1 TLSv1.1"), by_default},
      {"proxy-ssl-protocols", alone("proxy-ssl-protocols", "SSLv3"), by_default},
      {"custom-http-errors", alone("custom-http-errors", "404 503"), by_default},
      {"custom-http-errors", alone("custom-http-errors", "404,abc"), drop},
      {"auth-secret", {{"auth-type", "basic"}, {"auth-secret", "b{d;"}}, deny},
      {"custom-headers", alone("custom-headers", "b{d;"), deny},
      {"temporal-redirect", alone("temporal-redirect", "/to"), by_default},
      {"temporal-redirect", alone("temporal-redirect", "//to.example/"), by_default},
      {"temporal-redirect", alone("temporal-redirect", "ftp://to.example/"), by_default},
      {"temporal-redirect", alone("temporal-redirect", "http://to.example/{"), drop},
      {"temporal-redirect", alone("temporal-redirect", "HTTP://to.example/"), taken},
      {"permanent-redirect", alone("permanent-redirect", "HTTPS://to.example/"), taken},
      {"permanent-redirect", alone("permanent-redirect", "//to.example/"), taken},
      {"permanent-redirect", alone("permanent-redirect", "/to"), taken},
      {"permanent-redirect", alone("permanent-redirect", "ftp://to.example/"), drop},  // there it is sent
      {"permanent-redirect", alone("permanent-redirect", "to"), drop},                 // likewise
      {"default-backend", alone("default-backend", "9err"), drop},
      // The older name counts where nothing is written under the newer one.
      {"allowlist-source-range", {{"allowlist-source-range", " "}, {"whitelist-source-range", "192.0.2.1"}}, deny},
      {"allowlist-source-range", {{"allowlist-source-range", ""}, {"whitelist-source-range", "192.0.2.1"}}, taken},
  };
  for (const auto& one : cases) {
    std::string written;
    for (const auto& [key, value] : one.annotations) written += " " + key + ": " + value;
    EXPECT_EQ(text_of(read(one.annotations, one.name).outcome), text_of(one.outcome)) << written;
  }
}

}  // namespace
}  // namespace sluice::control
