#include <gtest/gtest.h>

#include "../allocations.h"
#include "asked.h"

// The rows are what nginx 1.27.1 and 1.22.1 were measured to do.
namespace sluice::data {
namespace {

// The values that clients get, one in a line.
std::string sent(const Asked& asked, std::vector<net::http::Field> theirs, bool from_pod = true) {
  std::string out;
  Responded(asked, std::move(theirs), nullptr, from_pod).each([&](const auto& f) {
    out.append(out.empty() ? "" : "\n").append(f.value);
  });
  return out;
}

std::string redirected(std::string from, std::string to, std::string_view value, std::string_view name = "Location") {
  model::RouteSettings settings;
  settings.redirect_replacement = model::Replacement{std::move(from), Template(std::move(to))};
  return sent(Asked(settings), {field(name, value)});
}

TEST(ProxyRedirect, ReplacesABeginning) {
  const auto of = [](std::string_view value) { return redirected("http://pod:8080/", "https://out.example/", value); };
  EXPECT_EQ(of("http://pod:8080/x?y"), "https://out.example/x?y");
  EXPECT_EQ(of("http://pod:8080"), "http://pod:8080");
  EXPECT_EQ(of("https://pod:8080/"), "https://pod:8080/");
  EXPECT_EQ(of("http://POD:8080/"), "http://POD:8080/");
  EXPECT_EQ(redirected("http://pod", "http://q", "http://podium/"), "http://qium/");
}

TEST(ProxyRedirect, AnExpressionReplacesAll) {
  EXPECT_EQ(redirected("~^http://([a-z]+)\\.in/(.*)$", "https://$1.out/$2", "http://a.in/x/y"), "https://a.out/x/y");
  EXPECT_EQ(redirected("~^http://([a-z]+)\\.in/", "https://$1.out/", "http://A.in/x"), "http://A.in/x");
  EXPECT_EQ(redirected("~*^http://([a-z]+)\\.in/", "https://$1.out/", "http://A.in/x"), "https://A.out/");
}

TEST(ProxyRedirect, APathIsCompleted) {
  EXPECT_EQ(redirected("http://pod/", "/app/", "http://pod/x"), "http://a.example/app/x");
  EXPECT_EQ(redirected("http://pod/", "/app/", "/x"), "/x") << "what is not replaced stays as it is";
  model::RouteSettings settings;
  settings.redirect_replacement = model::Replacement{"http://pod/", "/app/"};
  settings.relative_redirects = true;
  EXPECT_EQ(sent(Asked(settings), {field("Location", "http://pod/x")}), "/app/x");
  settings.relative_redirects = false;
  settings.port_in_redirects = true;
  Asked asked(settings);
  asked.view.came_by = 8080;
  EXPECT_EQ(sent(asked, {field("Location", "http://pod/x")}), "http://a.example:8080/app/x");
}

TEST(ProxyRedirect, Refresh) {
  const auto of = [](std::string_view value) { return redirected("http://pod/", "/app/", value, "Refresh"); };
  EXPECT_EQ(of("5; url=http://pod/x"), "5; url=/app/x");
  EXPECT_EQ(of("5;URL=http://pod/x"), "5;URL=/app/x");
  EXPECT_EQ(of("5; url=\"http://pod/x\""), "5; url=\"http://pod/x\"");
  EXPECT_EQ(of("5"), "5");
}

TEST(ProxyRedirect, NothingElse) {
  EXPECT_EQ(redirected("http://pod/", "/app/", "http://pod/x", "Content-Location"), "http://pod/x");
  EXPECT_EQ(redirected("off", "https://q/", "http://pod/x"), "http://pod/x");
  EXPECT_EQ(redirected("default", "https://q/", "http://pod/x"), "http://pod/x");
  EXPECT_EQ(redirected("http://pod/", "off", "http://pod/x"), "http://pod/x");
  model::RouteSettings settings;
  settings.redirect_replacement = model::Replacement{"http://pod/", "/app/"};
  EXPECT_EQ(sent(Asked(settings), {field("Location", "http://pod/x")}, false), "http://pod/x") << "an answer of ours";
}

std::string cookie(std::string from, std::string to, std::string_view value) {
  model::RouteSettings settings;
  settings.cookie_path = model::Replacement{std::move(from), Template(std::move(to))};
  return sent(Asked(settings), {field("Set-Cookie", value)});
}

TEST(ProxyCookie, Path) {
  const auto of = [](std::string_view value) { return cookie("/foo", "/bar", value); };
  EXPECT_EQ(of("a=1; Path=/foobar"), "a=1; Path=/barbar");
  EXPECT_EQ(of("a=1; PATH=/foo"), "a=1; PATH=/bar");
  EXPECT_EQ(of("a=1; Path=/Foo"), "a=1; Path=/Foo");
  EXPECT_EQ(of("a=1; HttpOnly"), "a=1; HttpOnly");
  EXPECT_EQ(of("a=1; Path=\"/foo\""), "a=1; Path=\"/foo\"");
  EXPECT_EQ(of("a=1;Path=/foo;Path=/foo/2"), "a=1; Path=/bar; Path=/bar/2");
  EXPECT_EQ(of("a=1 ;  Path = /foo ;Secure"), "a=1; Path=/bar; Secure");
  EXPECT_EQ(of("a=1 ;  Path = /none ;Secure"), "a=1 ;  Path = /none ;Secure");
  EXPECT_EQ(of("path=/foo; Path=/x"), "path=/foo; Path=/x") << "a cookie of that name";
  for (const std::string none : {"a; Path=/foo", "; Path=/foo", "Path; Path=/foo"}) EXPECT_EQ(of(none), none);
  EXPECT_EQ(of("=1; Path=/foo"), "=1; Path=/bar");
  EXPECT_EQ(cookie("/", "/app/", "a=1; Path=/"), "a=1; Path=/app/");
  EXPECT_EQ(cookie("/", "/app/", "a=1; Path=/foo"), "a=1; Path=/app/foo");
  EXPECT_EQ(cookie("/", "/app/", "a=1; Path="), "a=1; Path=");
  EXPECT_EQ(cookie("~*foo", "/q", "a=1; Path=/xFOOy"), "a=1; Path=/q");
  EXPECT_EQ(cookie("~^/([a-z]+)/", "/$1-$host/", "a=1; Path=/in/x"), "a=1; Path=/in-a.example/");
}

TEST(ProxyCookie, EachLineAlone) {
  model::RouteSettings settings;
  settings.cookie_path = model::Replacement{"/in", "/out"};
  settings.cookie_domain = model::Replacement{"in.example", "out.example"};
  EXPECT_EQ(
      sent(Asked(settings), {field("Set-Cookie", "a=1; Path=/in"), field("X-A", "a=1; Path=/in"),
                             field("set-cookie", "b=2; Domain=in.example; Path=/in/x"), field("Set-Cookie", "c=3")}),
      "a=1; Path=/out\na=1; Path=/in\nb=2; Domain=out.example; Path=/out/x\nc=3");
}

TEST(ProxyCookie, Domain) {
  const auto of = [](std::string from, std::string to, std::string_view value) {
    model::RouteSettings settings;
    settings.cookie_domain = model::Replacement{std::move(from), Template(std::move(to))};
    return sent(Asked(settings), {field("Set-Cookie", "a=1; Domain=" + std::string(value))}).substr(12);
  };
  EXPECT_EQ(of("in.example", "out.example", "in.example"), "out.example");
  EXPECT_EQ(of("in.example", "out.example", "IN.example"), "out.example");
  EXPECT_EQ(of("in.example", "out.example", ".in.example"), ".out.example");
  EXPECT_EQ(of(".in.example", ".out.example", "in.example"), "out.example");
  EXPECT_EQ(of("in.example", "out.example", "a.in.example"), "a.in.example");
  EXPECT_EQ(of("~^\\.in", "out", ".in.example"), "out");
  EXPECT_EQ(of("~^in", "out", ".in.example"), ".in.example");
  EXPECT_EQ(of("~\\.in\\.example$", "out", "b.IN.example"), "out") << "nginx looks at no case of domains";
}

TEST(ProxyRedirect, AllocatesNothingOnceTextsAreThere) {
  model::RouteSettings settings;
  settings.redirect_replacement = model::Replacement{"http://pod/", "https://out.example/app/"};
  settings.cookie_path = model::Replacement{"/", "/app/"};
  const Asked asked(settings);
  std::vector<net::http::Field> ours;
  Texts texts;
  const model::Options options;
  const auto run = [&] {
    texts.clear();
    net::http::Field theirs[] = {field("Location", "http://pod/x"), field("Set-Cookie", "a=1; Path=/; HttpOnly")};
    const ResponseFields::Response response{theirs, true, options};
    ResponseFields fields(ours, texts, &response);
    add_response_fields(nullptr, asked.view, fields);
    return theirs[0].value == "https://out.example/app/x" && theirs[1].value == "a=1; Path=/app/; HttpOnly";
  };
  EXPECT_TRUE(run());
  const auto before = test::allocations();
  const bool right = run();
  EXPECT_EQ(test::allocations(), before);
  EXPECT_TRUE(right);
}

}  // namespace
}  // namespace sluice::data
