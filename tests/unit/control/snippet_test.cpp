// The text of snippets as nginx reads it, and what directives come to.
#include <gtest/gtest.h>

#include "control/kube/snippet/block.h"
#include "control/kube/snippet/reader.h"
#include "control/kube/snippet/text.h"

namespace sluice::control::snippet {
namespace {

using model::Snippet;
using model::SnippetStep;

std::vector<std::string> words(std::string_view text) {
  const auto parsed = parse(text);
  std::vector<std::string> out;
  if (!parsed) return {"refused at " + parsed.error().text() + ", expected " + parsed.error().expected};
  for (const auto& d : *parsed) {
    out.push_back(d.name);
    for (const auto& w : d.words) out.push_back(w.text);
  }
  return out;
}
using Words = std::vector<std::string>;

TEST(SnippetText, IsCutIntoWordsAsByNginx) {
  EXPECT_EQ(words("a b c;"), (Words{"a", "b", "c"}));
  EXPECT_EQ(words("a  \t\n b;# c;\nd;"), (Words{"a", "b", "d"}));
  EXPECT_EQ(words("a b#c;"), (Words{"a", "b#c"})) << "a comment begins at the beginning of a word alone";
  EXPECT_EQ(words(R"(a "b c" 'd;e';)"), (Words{"a", "b c", "d;e"}));
  EXPECT_EQ(words(R"(a "it's" 'say "x"';)"), (Words{"a", "it's", "say \"x\""}));
  EXPECT_EQ(words(R"(a "\"b\"" '\'c\'';)"), (Words{"a", "\"b\"", "'c'"}));
  EXPECT_EQ(words(R"(a \.b "\d+" \\;)"), (Words{"a", "\\.b", "\\d+", "\\"}));
  EXPECT_EQ(words(R"(a "x\ty\nz";)"), (Words{"a", "x\ty\nz"}));
  EXPECT_EQ(words(R"(a b"c"d;)"), (Words{"a", "b\"c\"d"})) << "a quote inside of a word is one of its bytes";
  EXPECT_EQ(words("a ${b}c;"), (Words{"a", "${b}c"}));
  EXPECT_EQ(words("a \"b\n c\";"), (Words{"a", "b\n c"}));
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words("# nothing"), Words{});
}

TEST(SnippetText, HasBlocks) {
  const auto parsed = parse("a { b c; d { e; } }\nf;");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_TRUE((*parsed)[0].has_block);
  ASSERT_EQ((*parsed)[0].block.size(), 2U);
  EXPECT_EQ((*parsed)[0].block[1].block[0].name, "e");
  EXPECT_EQ((*parsed)[1].at, (Place{2, 1}));
  EXPECT_EQ((*parsed)[0].block[0].words[0].at, (Place{1, 7}));
}

// A quoted word may be followed by a parenthesis, and then a new word begins.
TEST(SnippetText, OfAConditionIsCutBehindAQuote) {
  EXPECT_EQ(words(R"(if ($a = "b") { c; })"), (Words{"if", "($a", "=", "b", ")"}));
}

TEST(SnippetText, ThatDoesNotEndIsRefusedWithItsPlace) {
  const auto why = [](std::string_view text) {
    const auto parsed = parse(text);
    return parsed ? std::string("taken") : parsed.error().text() + " / " + parsed.error().expected;
  };
  EXPECT_EQ(why("a"), "line 1: a / a ; at its end");
  EXPECT_EQ(why("a;\nb c"), "line 2: b / a ; at its end");
  EXPECT_EQ(why("a { b;"), "line 1: a / a } that closes the block");
  EXPECT_EQ(why("a; }"), "line 1: } / no } without its {");
  EXPECT_EQ(why(";"), "line 1: ; / a directive in front of it");
  EXPECT_EQ(why("{ }"), "line 1: { / a directive in front of it");
  EXPECT_EQ(why("a \"b"), "line 1: \" / a quote that ends");
  EXPECT_EQ(why("a\n\"b\"c;"), "line 2: c / a blank, ; or { behind a quoted word");
  EXPECT_EQ(why("a { b }"), "line 1: b / a ; at its end");
  EXPECT_EQ(why(std::string_view("a \0;", 4)), "line 1: NUL / text without NUL");
  EXPECT_EQ(why("x_by_lua_block { if a { } }"), "line 1: x_by_lua_block / no Lua: there is no interpreter of it here");
}

TEST(SnippetText, IsBounded) {
  const auto refused = [](const std::string& text) { return !parse(text).has_value(); };
  const auto many = [](std::string_view part, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += part;
    return out;
  };
  EXPECT_FALSE(refused("#" + std::string(Snippet::kMostBytes - 1, 'x')));
  EXPECT_TRUE(refused("#" + std::string(Snippet::kMostBytes, 'x')));
  EXPECT_FALSE(refused(many("a;", Snippet::kMostDirectives)));
  EXPECT_TRUE(refused(many("a;", Snippet::kMostDirectives + 1)));
  EXPECT_FALSE(refused("a" + many(" b", Snippet::kMostWords) + ";"));
  EXPECT_TRUE(refused("a" + many(" b", Snippet::kMostWords + 1) + ";"));
  EXPECT_FALSE(refused(many("a {", Snippet::kMostDepth) + many("}", Snippet::kMostDepth)));
  EXPECT_TRUE(refused(many("a {", Snippet::kMostDepth + 1) + many("}", Snippet::kMostDepth + 1)));
  EXPECT_TRUE(refused(many("a {", 10'000)));
  EXPECT_FALSE(refused("a " + std::string(4096, 'x') + ";"));
  EXPECT_TRUE(refused("a " + std::string(4097, 'x') + ";"));
}

// What is refused, as "LINE: TOKEN / EXPECTED".
std::string refusal(std::string_view text, Context where = Context::location) {
  const auto made = read(text, where, "shop");
  return made ? std::string("taken") : made.error().text() + " / " + made.error().expected;
}

TEST(SnippetDirectives, EachHasOneRowAndSaysWhatBecomesOfIt) {
  std::set<std::string_view> names;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(row.handle == nullptr, !row.because.empty());
    EXPECT_EQ(row.refused, row.where == 0);
  }
}

TEST(SnippetDirectives, UnknownOnesAreRefusedWithTheirLine) {
  EXPECT_EQ(refusal("set $a b;\n\nnobody knows;"), "line 3: nobody knows / a directive that docs/snippets.md lists");
  EXPECT_EQ(refusal("if ($host) {\n  sub_filter a b;\n}"),
            "line 2: sub_filter a b / pods to send what clients are to read: bodies are not searched");
  EXPECT_EQ(refusal("location /a {\n  root /etc;\n}"),
            "line 2: root /etc / a Service that has the files: there are none here");
  EXPECT_EQ(refusal("set $a;"), "line 1: set $a / 2 words behind it");
  EXPECT_EQ(refusal("internal;", Context::server),
            "line 1: internal / it in a configuration-snippet or a location alone");
  EXPECT_EQ(refusal("if ($host) { proxy_set_header A b; }"),
            "line 1: proxy_set_header A b / it outside of this if, in a server-snippet, a configuration-snippet or a "
            "location alone");
  EXPECT_EQ(refusal("return 200 { }"), "line 1: return 200 / no block behind it");
}

TEST(SnippetDirectives, ConditionsAreOfVariables) {
  for (const auto* text :
       {"if ($host) { break; }", "if ($host = a) { break; }", "if ( $host != a ) { break; }",
        "if ($host ~ a) { break; }", "if ($host !~* \"a b\") { break; }", "if (${host} = '') { break; }"})
    EXPECT_EQ(refusal(text), "taken") << text;
  for (const auto* text : {"if (-f $uri) { break; }", "if (!-e $uri) { break; }", "if ($host == a) { break; }",
                           "if (a = b) { break; }", "if $host { break; }", "if ($host = a b) { break; }",
                           "if () { break; }", "if ($host ~ (a) { break; }", "if ($1) { break; }"})
    EXPECT_NE(refusal(text), "taken") << text;
  EXPECT_EQ(refusal("if (-f $uri) { break; }"), "line 1: if (-f $uri) / no test of files: there are none here");
}

TEST(SnippetDirectives, GroupsWithANameSetVariables) {
  for (const auto* text :
       {R"x(if ($host ~ "(?<n>a)") { break; } return 200 $n;)x", R"x(rewrite "^/(?P<n>.*)$" /$n break;)x",
        R"x(rewrite "^/(?'n'.*)$" /$n break;)x", R"x(location ~ ^/(?<n>.*)$ { return 200 $n; })x",
        R"x(if ($host ~ "(?<=x)a(?<!y)") { break; })x",
        R"x(if ($host ~ "(?<Upper>a)") { break; } return 200 $upper;)x"})
    EXPECT_EQ(refusal(text), "taken") << text;
  const auto made = read(R"x(location ~ ^/(?<In>.*)$ { return 200 $in; } rewrite ^/(?<out>.)(?P<Two>.)$ /x break;)x",
                         Context::server, "");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->sets, (std::set<std::string>{"in", "out", "two"}));
  EXPECT_EQ(refusal(R"x(rewrite "^/(?<host>.*)$" /x break;)x"),
            "line 1: rewrite ^/(?<host>.*)$ /x break / another name for the group host: a variable that nginx does not "
            "have itself");
  for (const auto* name : {"http_x", "arg_x", "args", "uri", "proxy_upstream_name", "cookie_x"})
    EXPECT_NE(refusal("if ($request_uri ~ \"(?<" + std::string(name) + ">a)\") { break; }"), "taken") << name;
  EXPECT_NE(refusal(R"x(rewrite "^/(?<1n>.*)$" /x break;)x"), "taken") << "PCRE2 has no such name";
  EXPECT_NE(refusal(R"x(rewrite "^/(?<n>a)|(?<n>b)$" /x break;)x"), "taken") << "nor two of one name";
  const auto groups = [](std::size_t plain, std::size_t named) {
    std::string out = "rewrite \"^/";
    for (std::size_t i = 0; i < plain; ++i) out += "(.)";
    for (std::size_t i = 0; i < named; ++i) out += "(?<n" + std::to_string(i) + ">.)";
    return out + "$\" /x break;";
  };
  EXPECT_EQ(refusal(groups(0, Snippet::kMostNamed)), "taken");
  EXPECT_NE(refusal(groups(0, Snippet::kMostNamed + 1)), "taken");
  EXPECT_EQ(refusal(groups(62, 1)), "taken");
  EXPECT_TRUE(refusal(groups(63, 1)).ends_with(" / names for the first 63 groups of an expression alone"));
}

// The module of nginx reads "Name value" as it does "Name: value".
TEST(SnippetDirectives, AHeaderNeedsNoColon) {
  const auto made = read("more_set_headers \"A b c\" 'B:c' 'C : d' 'D' 'E::  f ' ''; more_set_input_headers 'X y';",
                         Context::location, "");
  ASSERT_TRUE(made) << made.error().expected;
  std::string out;
  for (const auto& field : made->levels[0].set) out += field.name + "=" + std::string(field.value.text()) + ";";
  EXPECT_EQ(out, "A=b c;B=c;C=d;D=;E=f;");
  ASSERT_EQ(made->request.size(), 1U);
  EXPECT_EQ(made->request[0].name, "X");
}

// Of the connection and the framing nothing is written: the rest of the snippet counts.
TEST(SnippetDirectives, HeadersOfTheConnectionHaveNoEffect) {
  for (const auto* text :
       {"more_set_headers 'Content-Length: 0' 'A: 1';", "more_set_headers 'content-length 0'; more_set_headers 'A: 1';",
        "add_header Content-Length 0 always; more_set_headers 'A: 1';", "more_set_headers 'Connection: close' 'A: 1';",
        "more_set_headers 'Transfer-Encoding: chunked' 'A: 1';",
        "more_clear_headers Connection; more_set_headers 'A: 1';",
        "add_header Keep-Alive timeout=5; more_set_headers 'A: 1';", "more_set_headers 'Upgrade: h2c' 'A: 1';"}) {
    const auto made = read(text, Context::location, "");
    ASSERT_TRUE(made) << text;
    EXPECT_EQ(made->levels[0].set.size(), 1U) << text;
    for (const auto& field : made->levels[0].added) EXPECT_TRUE(field.value.empty()) << text;
    ASSERT_EQ(made->said.size(), 1U) << text;
    EXPECT_NE(made->said[0].because.find("is written as it has to be"), std::string::npos) << made->said[0].because;
  }
  EXPECT_NE(refusal("more_set_headers 'Date: x';"), "taken");
}

TEST(SnippetDirectives, StepsOfABlockStandBehindItsTest) {
  const auto made =
      read("set $a 1; if ($a = 1) { set $b 2; return 403; } rewrite ^/x /y?z=$1? break;", Context::location, "");
  ASSERT_TRUE(made);
  using Kind = SnippetStep::Kind;
  std::vector<Kind> kinds;
  for (const auto& step : made->steps) kinds.push_back(step.kind);
  EXPECT_EQ(kinds, (std::vector{Kind::set, Kind::test, Kind::level, Kind::set, Kind::answer, Kind::rewrite}));
  EXPECT_EQ(made->steps[1].count, 3U);
  const auto& rewrite = made->steps[5];
  EXPECT_EQ(rewrite.pattern, "(?-i)^/x");
  EXPECT_EQ(rewrite.text.text(), "/y");
  EXPECT_EQ(rewrite.query.text(), "z=$1");
  EXPECT_TRUE(rewrite.drop_query && rewrite.with_query);
  EXPECT_EQ(rewrite.flag, SnippetStep::Flag::stop);
}

// As nginx has it: what the block of an if says stands in place of what is outside, but for more_*.
TEST(SnippetDirectives, BlocksInherit) {
  const auto server = read("add_header A server; more_set_headers \"M: server\"; expires 1h;", Context::server, "");
  const auto location = read(
      "add_header B location; more_set_headers \"N: location\"; if ($host) { add_header C if; } if ($uri) { set $x 1; "
      "}",
      Context::location, "");
  ASSERT_TRUE(server && location);
  const auto both = settle(&*server, &*location, false);
  ASSERT_TRUE(both);
  const auto names = [](const std::vector<model::SnippetField>& fields) {
    std::string out;
    for (const auto& f : fields) out += f.name;
    return out;
  };
  ASSERT_EQ(both->levels.size(), 2U) << "a block that says nothing of headers has none of its own";
  EXPECT_EQ(names(both->levels[0].added), "B");
  EXPECT_EQ(names(both->levels[0].set), "MN");
  EXPECT_EQ(both->levels[0].expires.seconds, 3600);
  EXPECT_EQ(names(both->levels[1].added), "C");
  EXPECT_EQ(names(both->levels[1].set), "MN");
  // The second block was entered last: its headers are those of the location.
  EXPECT_EQ(both->location.back().kind, SnippetStep::Kind::set);
  EXPECT_EQ(both->location[both->location.size() - 2].count, 0U);
}

TEST(SnippetDirectives, OfAccessAreInOrderAndInherited) {
  const auto server = read("allow 10.0.0.0/8; deny all;", Context::server, "");
  const auto location = read("deny 192.0.2.1;", Context::location, "");
  const auto quiet = read("more_set_headers A:b;", Context::location, "");
  ASSERT_TRUE(server && location && quiet);
  EXPECT_EQ(settle(&*server, &*location, false)->access.size(), 1U);
  EXPECT_EQ(settle(&*server, &*quiet, false)->access.size(), 2U);
  EXPECT_TRUE(settle(&*server, &*quiet, true)->access.empty()) << "lists of annotations stand in its place";
  EXPECT_NE(refusal("deny nobody;"), "taken");
  EXPECT_NE(refusal("allow unix:;"), "taken");
}

TEST(SnippetDirectives, APathOfTheHostIsAsked) {
  const auto made = read(
      "auth_request /auth; auth_request_set $User $upstream_http_x_user; auth_request_set $all "
      "\"$upstream_status-$status ${upstream_addr} $request_uri $mine\";",
      Context::location, "");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->asks, "/auth");
  EXPECT_EQ(made->asks_at, (Place{1, 1}));
  ASSERT_EQ(made->auth.size(), 2U);
  EXPECT_EQ(made->auth[0].name, "user");
  EXPECT_TRUE(made->sets.contains("user"));
  EXPECT_EQ(made->uses.size(), 1U) << "$mine has to be somebody's";
  for (const auto* text : {"auth_request auth;",
                           "auth_request @auth;",
                           "auth_request $uri;",
                           "auth_request /$arg_a;",
                           "auth_request /a?b;",
                           "auth_request /a%20b;",
                           "auth_request /a#b;",
                           "auth_request //a;",
                           "auth_request /a/../b;",
                           "auth_request /a/.;",
                           "auth_request \"/a\nb\";",
                           "auth_request /a; auth_request /b;",
                           "auth_request off; auth_request /b;",
                           "auth_request /a /b;",
                           "if ($arg_a) { auth_request /a; }",
                           "auth_request_set user $upstream_http_a;",
                           "auth_request_set $host $upstream_http_a;",
                           "auth_request_set $a $upstream_cookie_b;",
                           "auth_request_set $a $1;",
                           "auth_request_set $a $;",
                           "auth_request_set $a $sent_http_b;",
                           "auth_request_set $a $upstream_response_time;"})
    EXPECT_NE(refusal(text), "taken") << text;
}

TEST(SnippetDirectives, WhoIsAskedIsInherited) {
  const auto server = read(
      "auth_request /s; auth_request_set $a $upstream_http_a; location /in { return 204; } "
      "location /own { auth_request /o; } location /open { auth_request off; }",
      Context::server, "");
  const auto quiet = read("set $b 1;", Context::location, "");
  const auto own = read(
      "auth_request /l; auth_request_set $b $upstream_http_b; location /in { return 204; } "
      "location /open { auth_request off; }",
      Context::location, "");
  const auto off = read("auth_request off;", Context::location, "");
  ASSERT_TRUE(server && quiet && own && off);
  EXPECT_EQ(settle(&*server, &*quiet, false)->asks, "/s");
  EXPECT_EQ(settle(&*server, nullptr, false)->asks, "/s");
  EXPECT_EQ(settle(&*server, &*quiet, false)->auth[0].name, "a");
  EXPECT_EQ(settle(&*server, &*own, false)->asks, "/l");
  EXPECT_EQ(settle(&*server, &*own, false)->auth[0].name, "b");
  EXPECT_EQ(settle(&*server, &*off, false)->asks, "");
  const auto of_server = [&](std::size_t i) { return settle_location(&*server, nullptr, server->locations[i])->asks; };
  EXPECT_EQ(of_server(0), "/s");
  EXPECT_EQ(of_server(1), "/o");
  EXPECT_EQ(of_server(2), "");
  EXPECT_EQ(settle_location(&*server, &*own, own->locations[0])->asks, "/l");
  EXPECT_EQ(settle_location(&*server, &*own, own->locations[1])->asks, "");
  EXPECT_EQ(joined(*server, *off).asks, "");
  const std::string none;
  EXPECT_TRUE(refusal_of_option("auth_request /a;", Context::server, &none));
  EXPECT_FALSE(refusal_of_option("auth_request off;", Context::server, &none));
}

TEST(SnippetDirectives, BodiesAreLeftOut) {
  const auto server = read(
      "proxy_pass_request_body off; location /in { return 204; } location /own { "
      "proxy_pass_request_body on; }",
      Context::server, "");
  const auto own = read("proxy_pass_request_body on; location /in { return 204; }", Context::location, "");
  ASSERT_TRUE(server && own);
  EXPECT_TRUE(settle(&*server, nullptr, false)->without_body);
  EXPECT_FALSE(settle(&*server, &*own, false)->without_body);
  EXPECT_TRUE(settle_location(&*server, nullptr, server->locations[0])->without_body);
  EXPECT_FALSE(settle_location(&*server, nullptr, server->locations[1])->without_body);
  EXPECT_FALSE(settle_location(&*server, &*own, own->locations[0])->without_body);
  EXPECT_FALSE(joined(*server, *own).without_body.value());
  EXPECT_NE(refusal("proxy_pass_request_body no;"), "taken");
}

TEST(SnippetDirectives, HeadersThatBelongToOthersAreRefused) {
  for (const auto* text :
       {"add_header Date x;", "more_set_headers \"grpc-status: 0\";", "add_header \"A B\" c;",
        "more_set_headers \"A(: b\";", "proxy_set_header Content-Length 5;", "add_header A \"b\\r\\nC: d\";",
        "proxy_set_header A \"b\\nC: d\";", "proxy_set_header CDN-Loop x;", "proxy_set_header Host \"\";",
        "add_header A $bytes_sent;", "proxy_set_header A $upstream_http_b;", "add_header A $;",
        "more_clear_headers \"*\";", "more_clear_input_headers \"X-*\";"})
    EXPECT_NE(refusal(text), "taken") << text;
  const auto made = read("proxy_set_header Connection \"upgrade\"; proxy_set_header A 1; proxy_set_header a 2;",
                         Context::location, "");
  ASSERT_TRUE(made);
  ASSERT_EQ(made->request.size(), 1U) << "the last of two counts";
  EXPECT_EQ(made->request[0].value.text(), "2");
  EXPECT_EQ(made->said.size(), 1U);
}

TEST(SnippetDirectives, WhatHasNoValueYetIsRefusedByName) {
  for (const auto* text :
       {"if ($time_iso8601 ~ ^20) { return 503; }", "set $t $time_local;", "if ($request_time) { return 402; }",
        "proxy_set_header A $time_iso8601;", "add_header A \"$request_length $upstream_status $upstream_header_time\";",
        "return 200 \"$status $msec\";"})
    EXPECT_EQ(refusal(text), "taken") << text;
  EXPECT_EQ(refusal("set $s $status;"),
            "line 1: set $s $status / no $status: there is no response yet when this is read");
  EXPECT_EQ(refusal("if ($status = 200) { return 403; }"),
            "line 1: if ($status = 200) / no $status: there is no response yet when this is read");
  EXPECT_EQ(refusal("proxy_set_header A $upstream_status;"),
            "line 1: proxy_set_header A $upstream_status / no $upstream_status: there is no response yet when pods are "
            "asked");
  for (const auto* text : {"if ($host = $bytes_sent) { break; }", "if ($host = $upstream_addr) { break; }",
                           "rewrite ^ /$status break;", "return 200 $body_bytes_sent;", "return 200 $upstream_status;",
                           "return 200 $sent_http_a;", "return 200 $upstream_http_a;", "return 302 /$upstream_addr;",
                           "more_set_headers \"A: $upstream_response_time\";"})
    EXPECT_NE(refusal(text), "taken") << text;
  // Where errors alone lead a pod has been asked, perhaps.
  for (const auto* text : {"error_page 502 = @e; location @e { return 502 \"$status $upstream_status\"; }",
                           "error_page 502 /e; location = /e { return 502 $upstream_addr; internal; }",
                           "error_page 502 https://a.example/$upstream_status;"})
    EXPECT_EQ(refusal(text, Context::server), "taken") << text;
  EXPECT_EQ(refusal("location = /e { return 200 $upstream_addr; }", Context::server),
            "line 1: $upstream_addr / no $upstream_addr: no pod was asked before; a named location or an internal one, "
            "which error_page leads to, may name it");
}

TEST(SnippetDirectives, VariablesAreSetByThoseWhoMay) {
  EXPECT_EQ(refusal("set $mine x;"), "taken");
  EXPECT_NE(refusal("set $host x;"), "taken");
  EXPECT_NE(refusal("set $http_x_user x;"), "taken");
  EXPECT_NE(refusal("set mine x;"), "taken");
  const auto made = read("set $mine $theirs;", Context::location, "");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->sets.contains("mine"));
  ASSERT_EQ(made->uses.size(), 1U);
  EXPECT_EQ(made->uses[0].name, "theirs");
}

TEST(SnippetDirectives, ReturnsAreReadAsByNginx) {
  const auto step = [](std::string_view text) {
    const auto made = read(text, Context::location, "");
    return made ? made->steps.at(0) : SnippetStep{};
  };
  EXPECT_TRUE(step("return 301 /x;").is_location);
  EXPECT_EQ(step("return https://a.example;").status, 302);
  EXPECT_TRUE(step("return 300 /x;").has_text) << "no Location with 300";
  EXPECT_TRUE(step("return 200;").has_text) << "an empty one";
  EXPECT_FALSE(step("return 404;").has_text) << "a page";
  EXPECT_FALSE(step("return 404 \"\";").has_text);
  EXPECT_TRUE(step("return 418;").has_text) << "nginx has no page for it";
  for (const auto* text : {"return 1000;", "return text;", "return 100;", "return 301 \"a\\nb\";"})
    EXPECT_NE(refusal(text), "taken") << text;
}

TEST(SnippetDirectives, LocationsHaveNginxsModifiers) {
  const auto made = read(
      "location = /a { return 200; } location ^~ /b { deny all; } location ~ \\.c$ { deny all; } "
      "location ~* d { deny all; } location /e { deny all; } location ~*\\.f$ { deny all; }",
      Context::server, "");
  ASSERT_TRUE(made);
  using enum model::PathMatch;
  std::vector<model::PathMatch> kinds;
  for (const auto& l : made->locations) kinds.push_back(l.match);
  EXPECT_EQ(kinds, (std::vector{snippet_exact, snippet_first, snippet_pattern, snippet_pattern_any_case, snippet_prefix,
                                snippet_pattern_any_case}));
  for (const auto* text : {"location / { return 200; }", "location a { return 200; }", "location ~ ( { return 200; }",
                           "location /a { location /a/b { return 200; } }", "location ! /a { return 200; }",
                           "location /a { deny all; } location ^~ /a { return 200; }",
                           "location = /a { deny all; } location = /a { return 200; }"})
    EXPECT_NE(refusal(text, Context::server), "taken") << text;
  EXPECT_EQ(refusal("location = /a { deny all; } location /a { return 200; } location ~ /a { deny all; } "
                    "location ~ /a { return 200; } location = / { return 200; }",
                    Context::server),
            "taken");
}

TEST(SnippetDirectives, NamedLocationsAreOfServersAndLeadNowhereByThemselves) {
  EXPECT_NE(refusal("location @n { return 200 x; }"), "taken") << "nginx takes none inside of a location";
  EXPECT_EQ(refusal("error_page 404 = @n; location = /x { return 404; }", Context::server),
            "line 1: error_page @n / an URL, a path, or a named location of a server-snippet; the annotations "
            "custom-http-errors and default-backend lead errors to a Service");
  const auto server =
      read("error_page 404 = @n; location @n { return 200 x; } location @m { return 200 y; }", Context::server, "");
  ASSERT_TRUE(server);
  const auto left = without_use(*server, {});
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0]->path, "@m");
  // Who reads a configuration-snippet does not know of the server that it will stand in.
  const auto inside = read("error_page 503 @m; location /a { error_page 404 /b; }", Context::location, "");
  ASSERT_TRUE(inside);
  EXPECT_TRUE(without_use(*server, {&*inside}).empty());
  EXPECT_EQ(leads_nowhere(*inside, nullptr)->token, "error_page @m");
  EXPECT_FALSE(leads_nowhere(*inside, &*server)) << "a path is asked for, whoever has it";
  ASSERT_EQ(asked_paths(*inside, &*server).size(), 1u);
  EXPECT_EQ(asked_paths(*inside, &*server)[0]->location, "/b");
  const auto with_path =
      read("location = /b { return 404; } location @m { add_header A 1; return 200 y; }", Context::server, "");
  ASSERT_TRUE(with_path);
  EXPECT_FALSE(leads_nowhere(*inside, &*with_path));
  EXPECT_TRUE(asked_paths(*inside, &*with_path).empty());
  const auto settled = settle(&*with_path, &*inside, false);
  ASSERT_EQ(settled->errors.size(), 1u);
  EXPECT_EQ(settled->errors[0].answer.status, 200);
  EXPECT_TRUE(settled->errors[0].keeps_status);
  ASSERT_EQ(settled->levels.at(settled->errors[0].level.value()).added.size(), 1u);
}

TEST(SnippetDirectives, TheQueryIsSetByItsVariable) {
  const auto made = read("set $args \"a=1&$args\"; if ($arg_v = \"\") { set $ARGS $args&v=1; }", Context::location, "");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->steps.at(0).kind, SnippetStep::Kind::query);
  EXPECT_EQ(made->steps.at(3).kind, SnippetStep::Kind::query);
  EXPECT_TRUE(made->sets.empty());
  for (const auto* text : {"set $args \"a b\";", "set $args \"a\\nb\";", "set $query_string a;", "set $is_args a;",
                           "set $limit_rate 4k;", "rewrite ^ \"/x?a b\" break;"})
    EXPECT_NE(refusal(text), "taken") << text;
  EXPECT_EQ(refusal("rewrite ^ \"https://a.example/?a b\" redirect;"), "taken");
}

TEST(SnippetDirectives, ARefusalNamesWhatIsWrittenAndWhatToWriteInstead) {
  EXPECT_EQ(refusal("add_header A 1;\nexpires @25h;"), "line 2: expires @25h / a time of day behind the @, as @15h30m");
  EXPECT_EQ(refusal("allow unix:;"), "line 1: allow unix: / an address, a range such as 10.0.0.0/8, or all");
  EXPECT_EQ(refusal("set $a b;\nlocation /a {\n deny all;\n"), "line 2: location /a / a } that closes the block");
  EXPECT_TRUE(refusal("if ($host) { proxy_pass http://a.shop; }")
                  .starts_with("line 1: proxy_pass http://a.shop / no proxy_pass here"));
  EXPECT_TRUE(refusal("proxy_pass http://a.shop;", Context::server)
                  .starts_with("line 1: proxy_pass http://a.shop / no proxy_pass here"));
  EXPECT_EQ(refusal("location /a { location /a/b { return 200; } }", Context::server),
            "line 1: location /a/b / it beside the location that it stands in, with its whole path: no location is "
            "inside of one");
  EXPECT_EQ(refusal("content_by_lua_block { ngx.say(1) }"),
            "line 1: content_by_lua_block / no Lua: there is no interpreter of it here");
  EXPECT_EQ(
      refusal("valid_referers none;"),
      "line 1: valid_referers none / if with $http_referer !~ and an expression for the sites, and return 403 in it");
}

TEST(SnippetDirectives, ExpressionsAndTimesOfDay) {
  for (const auto* text :
       {"expires @15h30m;", "proxy_redirect ~^http://a/(.*)$ /$1;", "proxy_cookie_path ~*^/user/(.+) /u/$1;",
        "proxy_pass_request_headers on;", "more_set_headers -a \"A: 1\";"})
    EXPECT_EQ(refusal(text), "taken") << text;
  for (const auto* text : {"expires modified +1h;", "expires $when;", "proxy_redirect ~( /;", "proxy_cookie_path ~( /;",
                           "proxy_pass_request_headers off;", "more_set_input_headers -r \"A: 1\";"})
    EXPECT_NE(refusal(text), "taken") << text;
  const auto made = read("expires @15h30m;", Context::location, "");
  EXPECT_EQ(made->levels[0].expires, (model::SnippetExpires{model::SnippetExpires::Kind::daily, 15 * 3600 + 30 * 60}));
}

TEST(SnippetDirectives, ProxyPassLeadsToServicesOfItsNamespace) {
  const auto pass = [](const std::string& url) {
    const auto made = read("location /a { proxy_pass " + url + "; }", Context::server, "shop");
    if (!made) return std::string("refused");
    const auto& to = *made->locations.at(0).block->pass;
    return (to.service ? "service " : "host ") + to.host + " " + to.port + (to.tls ? " tls" : "");
  };
  EXPECT_EQ(pass("http://api.shop.svc.cluster.local:8080"), "service api 8080");
  EXPECT_EQ(pass("http://api.shop.svc"), "service api 80");
  EXPECT_EQ(pass("http://api.shop:81/x/"), "service api 81");
  EXPECT_EQ(pass("https://elsewhere.example/x"), "host elsewhere.example 443 tls");
  EXPECT_EQ(pass("http://192.0.2.1:81"), "host 192.0.2.1 81");
  EXPECT_EQ(pass("http://[2001:db8::1]:81$request_uri"), "host 2001:db8::1 81");
  for (const auto* url :
       {"http://api.other.svc.cluster.local", "http://api.other.svc", "http://api", "http://$host", "ftp://a.example",
        "http://a.example:99999", "http://", "http://a.example$uri", "http://unix:/x"})
    EXPECT_EQ(pass(url), "refused") << url;
  EXPECT_NE(refusal("proxy_pass http://api.shop.svc;"), "taken") << "the paths of an Ingress lead to its Service";
  EXPECT_NE(refusal("location ~ a { proxy_pass http://api.shop.svc/x; }", Context::server), "taken");
  const auto balancer =
      read("location /a { set $proxy_upstream_name \"shop-api-v2-80\"; proxy_pass http://upstream_balancer; }",
           Context::server, "shop");
  ASSERT_TRUE(balancer);
  EXPECT_EQ(balancer->locations[0].block->pass->host, "api-v2");
  EXPECT_NE(refusal("location /a { set $proxy_upstream_name other-api-80; proxy_pass http://upstream_balancer; }",
                    Context::server),
            "taken");
}

TEST(SnippetDirectives, SettingsAreChanged) {
  const auto made = read("client_max_body_size 7m; proxy_read_timeout 1m 30s; proxy_next_upstream off; access_log off;",
                         Context::location, "");
  ASSERT_FALSE(made) << "a time with a blank is two words";
  const auto fine =
      read("client_max_body_size 7m; proxy_read_timeout \"1m 30s\"; proxy_next_upstream off; access_log off;",
           Context::location, "");
  ASSERT_TRUE(fine);
  model::RouteSettings settings;
  for (const auto& change : fine->changes) change(settings);
  EXPECT_EQ(settings.body_limit, 7U << 20);
  EXPECT_EQ(settings.read_timeout.count(), 90'000);
  EXPECT_FALSE(settings.access_log);
  EXPECT_EQ(settings.retry_on.bits, 0);
  // Of a server most are overridden in each location of ingress-nginx, and that is said.
  const auto server = read("client_max_body_size 7m; access_log off;", Context::server, "");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->far_changes.size(), 1U);
  EXPECT_EQ(server->said.size(), 1U);
}

TEST(SnippetDirectives, OfBuffersAndRatesAreTheAnnotations) {
  const auto made = read(
      "proxy_request_buffering on; client_body_buffer_size 16k; proxy_buffering on; proxy_buffers 8 16k; "
      "proxy_max_temp_file_size 0; limit_rate 1500; limit_rate_after 2k; proxy_http_version 1.0;",
      Context::location, "");
  ASSERT_TRUE(made);
  model::RouteSettings settings;
  for (const auto& change : made->changes) change(settings);
  EXPECT_EQ(settings.request_buffering, model::RequestBuffering::all);
  EXPECT_EQ(settings.body_memory, 16U << 10);
  EXPECT_TRUE(settings.response_buffering && settings.http_1_0);
  EXPECT_EQ(settings.response_buffers, 8U);
  EXPECT_EQ(settings.response_disk, 0U);
  EXPECT_EQ(settings.limit_rate, 1500U) << "bytes";
  EXPECT_EQ(settings.limit_rate_after, 2048U);
  EXPECT_FALSE(read("limit_rate 4096g;", Context::location, ""));
  EXPECT_TRUE(read("limit_rate 4095g;", Context::location, ""));
  for (const auto* wrong : {"proxy_buffers 0 8k;", "proxy_buffers 8;", "proxy_buffering maybe;", "limit_rate $rate;",
                            "proxy_http_version 2;", "proxy_request_buffering yes;"})
    EXPECT_FALSE(read(wrong, Context::location, "")) << wrong;
}

TEST(SnippetDirectives, CostIsBounded) {
  const auto many = [](std::string_view part, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += part;
    return out;
  };
  EXPECT_EQ(refusal(many("break;", Snippet::kMostSteps)), "taken");
  EXPECT_NE(refusal(many("break;", Snippet::kMostSteps + 1)), "taken");
  EXPECT_NE(refusal(many("rewrite a /b;", Snippet::kMostPatterns + 1)), "taken");
  EXPECT_NE(refusal(many("add_header A b;", Snippet::kMostFields + 1)), "taken");
  std::string sets;
  for (std::size_t i = 0; i <= Snippet::kMostVariables; ++i) sets += "set $v" + std::to_string(i) + " x;";
  EXPECT_NE(refusal(sets), "taken");
  std::string locations;
  for (std::size_t i = 0; i <= Snippet::kMostLocations; ++i)
    locations += "location /" + std::to_string(i) + "{deny all;}";
  EXPECT_NE(refusal(locations, Context::server), "taken");
}

}  // namespace
}  // namespace sluice::control::snippet
