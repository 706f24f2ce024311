// Snippets, from the text in an annotation to what becomes of a request: the same functions that serve() and `sluice
// explain` ask. What nginx does for each was measured (docs/snippets.md).
#include <gtest/gtest.h>

#include "control/kube/store.h"
#include "data/compiler/compiler.h"
#include "data/exchange/exchange.h"
#include "data/plan/plan.h"
#include "data/proxy/edit.h"
#include "data/proxy/program.h"
#include "model/ip.h"
#include "net/http/path.h"

namespace sluice {
namespace {

using Annotations = std::map<std::string, std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct Rule {
  std::string path, type = "Prefix", service = "svc";
};

control::ObjectPtr ingress(const std::string& ns, const std::string& name, const Annotations& annotations,
                           const std::vector<Rule>& rules, std::int64_t created = 1'700'000'000) {
  control::Ingress out;
  out.meta.ns = ns;
  out.meta.name = name;
  out.meta.created = created;
  for (const auto& [key, value] : annotations) out.meta.annotations["nginx.ingress.kubernetes.io/" + key] = value;
  out.class_name = "nginx";
  control::IngressRule rule{"h.example", {}};
  for (const Rule& r : rules)
    rule.paths.push_back({r.path, r.type, {.service = r.service, .port = "80", .port_is_number = true}});
  out.rules.push_back(std::move(rule));
  return std::make_shared<const control::Object>(std::move(out));
}

control::Settings allowing() {
  control::Settings out;
  out.set["allow-snippet-annotations"] = "true";
  out.set["annotations-risk-level"] = "Critical";
  return out;
}

struct Asked {
  std::string method = "GET", target = "/";
  Fields fields{};
  std::string client = "192.0.2.1";
};

class Site {
 public:
  explicit Site(const Annotations& annotations = {}, const std::vector<Rule>& rules = {{"/"}},
                const std::map<std::string, std::string>& options = {})
      : store_(allowing()) {
    control::ConfigMap map;
    map.meta.ns = "ingress-nginx";
    map.meta.name = "ingress-nginx-controller";
    map.data = options;
    put(std::make_shared<const control::Object>(std::move(map)));
    for (const auto* name : {"svc", "other", "api"}) {
      control::Service service;
      service.meta.ns = "shop";
      service.meta.name = name;
      service.ports.emplace_back().port = 80;
      service.ports.back().target = "8080";
      put(std::make_shared<const control::Object>(std::move(service)));
      control::EndpointSlice slice;
      slice.meta.ns = "shop";
      slice.meta.name = std::string(name) + "-1";
      slice.address_type = "IPv4";
      slice.service = name;
      slice.endpoints.emplace_back().addresses = {"10.0.0.1"};
      slice.ports.emplace_back().port = 8080;
      put(std::make_shared<const control::Object>(std::move(slice)));
    }
    put(ingress("shop", "web", annotations, rules));
  }
  void put(control::ObjectPtr object) {
    store_.upsert(std::move(object));
    dirty_ = true;
  }

  // "svc /x?y X=1" is what a pod gets, with the fields that are set for it; else the answer: "301 https://…",
  // "403 page", "200 text/plain: ok", "444 silent".
  std::string ask(const Asked& asked) {
    begin(asked);
    if (route_ == nullptr) return "404 no route";
    if (const auto verdict = data::decide_for_route(*view_)) return print(verdict->reply);
    data::Rewritten to;
    std::string out = route_->spec->service.str() + " ";
    to.target = asked.target;
    if (data::is_edited(*view_)) data::edited(*view_, to);
    if (to.wrong != nullptr) return std::string("500 ") + to.wrong;
    out += to.target;
    if (!data::sets_fields(*route_->settings)) return out;
    std::string value;
    const char* wrong = data::set_fields(
        *view_, to.groups, [&]() -> std::string& { return value.clear(), value; },
        [&](std::string_view name, std::string_view text) { out.append(" ").append(name).append("=").append(text); });
    return wrong != nullptr ? std::string("400 ") + wrong : out;
  }
  std::string ask(const std::string& target, const Fields& fields = {}) { return ask({"GET", target, fields}); }

  // The fields of a response, as clients get them, that begin with what the test is about.
  std::string respond(const Asked& asked, const Fields& sent, int status = 200) {
    begin(asked);
    std::vector<net::http::Field> theirs, ours;
    for (const auto& [name, value] : sent) theirs.push_back({name, value, net::http::name_of(name), false});
    static const model::Options options;
    const data::ResponseFields::Response response{theirs, true, options, status};
    Texts texts;
    data::ResponseFields fields(ours, texts, &response);
    data::add_response_fields(snapshot_->process[0].get(), *view_, fields);
    std::string out;
    for (const auto* all : {&theirs, &ours})
      for (const auto& f : *all)
        if (!f.drop) out.append(out.empty() ? "" : "|").append(f.name).append("=").append(f.value);
    return out;
  }
  // What is answered in place of an error, as ask() tells it; "": the error.
  std::string in_place_of(std::uint16_t status, const std::string& target = "/") {
    begin({"GET", target});
    data::LocalReply reply{.status = status};
    return data::answer_error(*view_, reply) ? print(reply) : "";
  }
  bool intercepts(int status) { return begin({}), data::intercepts_by_snippet(*route_->settings, status); }
  const model::RouteSettings& settings() { return begin({}), *route_->settings; }
  std::vector<model::Entry> problems() {
    commit();
    return model_->report.entries;
  }
  // Of the route of /, beside being forwarded.
  bool pays_nothing() {
    begin({});
    return route_->program == nullptr && route_->plan == nullptr && !route_->edited;
  }
  const data::ProgramState& state() const { return program_; }
  void set(std::string_view name, std::string_view value) { program_.set(name, value); }

 private:
  void commit() {
    if (!std::exchange(dirty_, false)) return;
    const control::Update update = store_.commit();
    model_ = update.model;
    snapshot_ = compiler_.compile(*model_, update.change).snapshot;
  }
  void begin(const Asked& asked) {
    commit();
    asked_ = asked;
    head_ = {};
    head_.method = net::http::method_of(asked_.method);
    head_.method_text = asked_.method;
    head_.authority = head_.host = "h.example";
    head_.path_query = head_.target = asked_.target;
    for (const auto& [name, value] : asked_.fields) {
      head_.names.add(net::http::name_of(name));
      head_.fields.add() = {name, value, net::http::name_of(name), false};
    }
    view_.emplace(head_);
    scratch_.assign(asked_.target.size(), '\0');
    view_->path = *net::http::normalise_path(asked_.target, scratch_.data());
    if (const auto at = asked_.target.find('?'); at != std::string::npos) view_->query = head_.path_query.substr(at);
    view_->client_host = "h.example";
    view_->from = &peer_;
    view_->client = *model::read_ip(asked_.client);
    view_->route_seed = &seed_;
    view_->available = true;
    data::Doubt doubt;
    view_->route = snapshot_->routes->match("h.example", view_->path, &doubt);
    view_->undecided = doubt.undecided;
    texts_.clear();
    program_.begin(texts_);
    if (view_->route != nullptr && view_->route->program != nullptr)
      data::run_program(*view_, *snapshot_->routes, "h.example", program_);
    route_ = view_->route;
  }
  static std::string print(const data::LocalReply& reply) {
    std::string out = std::to_string(reply.status) + " ";
    if (reply.silent) return out + "silent";
    if (!reply.location.empty()) return out + reply.location;
    return reply.body ? out + std::string(reply.content_type) + ": " + *reply.body : out + "page";
  }

  control::Store store_;
  data::Compiler compiler_;
  std::shared_ptr<const model::Model> model_;
  std::shared_ptr<const data::Snapshot> snapshot_;
  bool dirty_ = true;
  Asked asked_;
  net::http::RequestHead head_;
  data::Peer peer_;
  data::HashSeed seed_{1, 2};
  std::optional<data::RequestView> view_;
  std::string scratch_;
  Texts texts_;
  data::ProgramState program_;
  const data::Route* route_ = nullptr;
};

Annotations configuration(const std::string& text) {
  return {{"configuration-snippet", text}};
}
Annotations server(const std::string& text) {
  return {{"server-snippet", text}};
}

TEST(Snippets, ReturnAnswers) {
  EXPECT_EQ(Site(configuration("return 410;")).ask("/x"), "410 page");
  EXPECT_EQ(Site(configuration("return 200 \"a b\";")).ask("/x"), "200 text/html: a b");
  EXPECT_EQ(Site(configuration("return 200 x;")).ask("/robots.TXT"), "200 text/plain: x");
  EXPECT_EQ(Site(configuration("default_type text/plain; return 200 x;")).ask("/x"), "200 text/plain: x");
  EXPECT_EQ(Site(configuration("return 418;")).ask("/x"), "418 text/html: ");
  EXPECT_EQ(Site(configuration("return 444;")).ask("/x"), "444 silent");
  EXPECT_EQ(Site(configuration("return 301 https://a.example$request_uri;")).ask("/x?y=1"),
            "301 https://a.example/x?y=1");
  EXPECT_EQ(Site(configuration("return https://a.example;")).ask("/x"), "302 https://a.example");
  EXPECT_EQ(Site(configuration("return 302 /to;")).ask("/x"), "302 http://h.example/to");
  EXPECT_EQ(Site(configuration("return 301 https://a.example$uri;")).ask("/a%0d%0aX:b"),
            "301 https://a.example/a%0D%0AX:b")
      << "no line ends in a head";
  EXPECT_EQ(Site(configuration("set $a 1; return 200 $a; set $a 2;")).ask("/x"), "200 text/html: 1");
}

TEST(Snippets, IfTestsAsNginxDoes) {
  const auto asked = [](const std::string& condition, const Fields& fields) {
    return Site(configuration("if (" + condition + ") { return 403; }")).ask("/x?a=1", fields) == "403 page";
  };
  EXPECT_FALSE(asked("$http_x", {}));
  EXPECT_FALSE(asked("$http_x", {{"X", "0"}}));
  EXPECT_TRUE(asked("$http_x", {{"X", "00"}}));
  EXPECT_TRUE(asked("$http_x", {{"X", "false"}}));
  EXPECT_TRUE(asked("$http_x = a", {{"X", "a"}}));
  EXPECT_FALSE(asked("$http_x = a", {{"X", "A"}}));
  EXPECT_TRUE(asked("$http_x = ''", {}));
  EXPECT_TRUE(asked("$http_x != a", {}));
  EXPECT_TRUE(asked("$http_x = $arg_a", {{"X", "1"}}));
  EXPECT_TRUE(asked("$http_x ~ b", {{"X", "abc"}}));
  EXPECT_FALSE(asked("$http_x ~ B", {{"X", "abc"}}));
  EXPECT_TRUE(asked("$http_x ~* B", {{"X", "abc"}}));
  EXPECT_TRUE(asked("$http_x !~ B", {{"X", "abc"}}));
  EXPECT_FALSE(asked("$http_x !~* B", {{"X", "abc"}}));
  EXPECT_TRUE(asked("$request_method = GET", {}));
}

TEST(Snippets, SetAndGroupsAreKnownToWhatFollows) {
  Site site(configuration("set $who nobody; if ($http_x_who) { set $who $http_x_who; } proxy_set_header X-Who $who;"));
  EXPECT_EQ(site.ask("/"), "svc / X-Who=nobody");
  EXPECT_EQ(site.ask("/", {{"X-Who", "me"}}), "svc / X-Who=me");
  Site groups(
      configuration("if ($host ~ ^([a-z]+)\\.) { set $a $1; } if ($http_y ~ z) { } proxy_set_header X-A \"$a-$1\";"));
  EXPECT_EQ(groups.ask("/"), "svc / X-A=h-") << "each test resets the groups, also one that does not match";
}

TEST(Snippets, GroupsWithANameAreVariables) {
  Site site(
      configuration("if ($request_uri ~ \"^/x/(?<n>[a-z]+)?(9)?\") { set $a 1; } if ($host ~ z) { break; } "
                    "return 200 \"$n-$1-$a\";"));
  EXPECT_EQ(site.ask("/x/abc"), "200 text/html: abc--1") << "the name stays, the number is gone";
  EXPECT_EQ(site.ask("/y"), "200 text/html: --");
  EXPECT_EQ(site.ask("/x/9"), "200 text/html: --1");
  EXPECT_EQ(Site(configuration("rewrite ^/(?<a>[^/]+)/(?P<b>.*)$ /$b/$a break; proxy_set_header A $a;")).ask("/x/y?z"),
            "svc /y/x?z A=x");
  EXPECT_EQ(Site(server("location ~ ^/in/(?<n>.*)$ { return 200 $n; }")).ask("/in/x"), "200 text/html: x");
}

TEST(Snippets, RewritesChangeWhatPodsGet) {
  Site stop(configuration("rewrite ^/old/(.*)$ /new/$1 break;"));
  EXPECT_EQ(stop.ask("/old/x?y=1"), "svc /new/x?y=1");
  EXPECT_EQ(stop.ask("/other%20path?y"), "svc /other%20path?y") << "what no rewrite changes goes on as it came";
  EXPECT_EQ(stop.ask("/old/a%20b%3Fc"), "svc /new/a%20b%3Fc");
  EXPECT_EQ(Site(configuration("rewrite ^/a/(.*)$ /b?x=$1 break;")).ask("/a/1%262?y=2"), "svc /b?x=1%262&y=2");
  EXPECT_EQ(Site(configuration("rewrite ^/a/(.*)$ /b?x=$1? break;")).ask("/a/1?y=2"), "svc /b?x=1");
  EXPECT_EQ(Site(configuration("rewrite ^/a /b; rewrite ^/b /c break;")).ask("/a"), "svc /c");
  EXPECT_EQ(Site(configuration("rewrite ^/a b break;")).ask("/a").substr(0, 3), "500");
  EXPECT_EQ(Site(configuration("rewrite ^/a/(.*) /$1/../secret break;")).ask("/a/b").substr(0, 3), "500");
  EXPECT_EQ(Site(configuration("rewrite ^/A /b break;")).ask("/a"), "svc /a") << "case counts";
}

TEST(Snippets, RewritesLeadToOtherLocations) {
  const std::vector<Rule> rules{{"/"}, {"/new", "Prefix", "other"}};
  EXPECT_EQ(Site(configuration("rewrite ^/old/(.*)$ /new/$1 last;"), rules).ask("/old/x?y=1"), "other /new/x?y=1");
  EXPECT_EQ(Site(configuration("rewrite ^/old/(.*)$ /new/$1 break;"), rules).ask("/old/x"), "svc /new/x");
  EXPECT_EQ(Site(configuration("rewrite ^/old/(.*)$ /new/$1;"), rules).ask("/old/x"), "other /new/x");
  EXPECT_EQ(Site(configuration("rewrite ^(.*)$ $1x last;")).ask("/a"), "500 page") << "a cycle ends";
}

TEST(Snippets, RewritesRedirect) {
  EXPECT_EQ(Site(configuration("rewrite ^/old/(.*)$ /new/$1 permanent;")).ask("/old/x?y=1"),
            "301 http://h.example/new/x?y=1");
  EXPECT_EQ(Site(configuration("rewrite ^/old/(.*)$ https://n.example/$1? redirect;")).ask("/old/x?y=1"),
            "302 https://n.example/x");
  EXPECT_EQ(Site(configuration("rewrite ^(/app)$ $1/ redirect;")).ask("/app"), "302 http://h.example/app/");
  EXPECT_EQ(Site(configuration("rewrite ^ https://n.example$request_uri? permanent;")).ask("/a%20b?y=1"),
            "301 https://n.example/a%20b?y=1");
  EXPECT_EQ(Site(configuration("rewrite ^/([^z]*)$ https://n.example/$1 last;")).ask("/a%0d%0ab"),
            "302 https://n.example/a%0D%0Ab");
}

// As the redirect of a path for a directory, which ingress-nginx's own documentation shows, beside rewrite-target.
TEST(Snippets, StandBesideRewriteTarget) {
  Annotations both = configuration("rewrite ^(/app)$ $1/ redirect;");
  both["rewrite-target"] = "/$2";
  Site site(both, {{"/app(/|$)(.*)", "ImplementationSpecific"}});
  EXPECT_EQ(site.ask("/app"), "302 http://h.example/app/");
  EXPECT_EQ(site.ask("/app/x?y"), "svc /x?y");
  both["configuration-snippet"] = "rewrite ^/app/a(.*)$ /b$1 break;";
  Site stop(both, {{"/app(/|$)(.*)", "ImplementationSpecific"}});
  EXPECT_EQ(stop.ask("/app/ax"), "svc /bx") << "break ends the list that rewrite-target stands in";
  EXPECT_EQ(stop.ask("/app/x"), "svc /x");
}

TEST(Snippets, AllowAndDenyAreInOrder) {
  Site site(configuration("allow 192.0.2.1; deny 192.0.2.0/24; allow all;"));
  EXPECT_EQ(site.ask(Asked{.client = "192.0.2.1"}), "svc /");
  EXPECT_EQ(site.ask(Asked{.client = "192.0.2.2"}), "403 page");
  EXPECT_EQ(site.ask(Asked{.client = "203.0.113.9"}), "svc /");
  EXPECT_EQ(Site(configuration("deny all;")).ask("/"), "403 page");
}

TEST(Snippets, HeadersOfResponses) {
  Site add(configuration("add_header A 1; add_header B 2 always; add_header C \"\";"));
  EXPECT_EQ(add.respond({}, {{"A", "theirs"}}), "A=theirs|A=1|B=2");
  EXPECT_EQ(add.respond({}, {}, 404), "B=2");
  Site set(configuration("more_set_headers \"A: 1\" 'B: $host' \"Gone:\";"));
  EXPECT_EQ(set.respond({}, {{"a", "theirs"}, {"A", "again"}, {"Gone", "x"}, {"Stay", "y"}}, 500),
            "Stay=y|A=1|B=h.example");
  Site filtered(configuration("more_set_headers -s '404 500' -t text/html \"A: 1\";"));
  EXPECT_EQ(filtered.respond({}, {{"Content-Type", "text/html; charset=utf-8"}}, 404),
            "Content-Type=text/html; charset=utf-8|A=1");
  EXPECT_EQ(filtered.respond({}, {{"Content-Type", "text/html"}}, 200), "Content-Type=text/html");
  EXPECT_EQ(filtered.respond({}, {{"Content-Type", "text/plain"}}, 404), "Content-Type=text/plain");
  Site clear(configuration("more_clear_headers \"X-Cl*\" Other;"));
  EXPECT_EQ(clear.respond({}, {{"X-Clear", "1"}, {"x-cl", "2"}, {"Other", "3"}, {"X-C", "4"}}), "X-C=4");
  EXPECT_EQ(Site(configuration("proxy_hide_header A;")).respond({}, {{"A", "1"}, {"B", "2"}}), "B=2");
  EXPECT_EQ(Site(configuration("add_header A $upstream_http_x_y;")).respond({}, {{"X-Y", "1"}}), "X-Y=1|A=1");
  EXPECT_EQ(Site(configuration("add_header ETag mine;")).respond({}, {{"ETag", "theirs"}}), "ETag=mine");
}

TEST(Snippets, Expires) {
  EXPECT_EQ(Site(configuration("expires epoch;")).respond({}, {{"Cache-Control", "x"}}),
            "Expires=Thu, 01 Jan 1970 00:00:01 GMT|Cache-Control=no-cache");
  const auto hour = Site(configuration("expires 1h;")).respond({}, {{"Expires", "x"}});
  EXPECT_TRUE(hour.ends_with("|Cache-Control=max-age=3600")) << hour;
  EXPECT_EQ(hour.find("x|"), std::string::npos);
  EXPECT_TRUE(Site(configuration("expires -1;")).respond({}, {}).ends_with("Cache-Control=no-cache"));
  EXPECT_EQ(Site(configuration("expires 1h;")).respond({}, {{"Expires", "x"}}, 404), "Expires=x");
  EXPECT_EQ(Site(configuration("expires off;")).respond({}, {{"Expires", "x"}}), "Expires=x");
}

// The last block that was entered counts; what its ifs say of add_header stands in place of what is outside.
TEST(Snippets, HeadersInsideOfIf) {
  Site site(
      configuration("add_header Out 1; more_set_headers \"More: 1\"; if ($arg_a) { add_header A 1; } "
                    "if ($arg_b) { add_header B 1; more_set_headers \"More: 2\"; } if ($arg_c) { set $x 1; }"));
  EXPECT_EQ(site.respond({.target = "/"}, {}), "More=1|Out=1");
  EXPECT_EQ(site.respond({.target = "/?a=1"}, {}), "More=1|A=1");
  EXPECT_EQ(site.respond({.target = "/?a=1&b=1"}, {}), "More=2|B=1");
  EXPECT_EQ(site.respond({.target = "/?a=1&c=1"}, {}), "More=1|Out=1") << "as nginx has it";
}

TEST(Snippets, HeadersStandInPlaceOfThoseOfOtherAnnotations) {
  Annotations both = configuration("more_set_headers \"Access-Control-Allow-Origin: https://a.example\";");
  both["enable-cors"] = "true";
  const auto sent = Site(both).respond({}, {});
  EXPECT_NE(sent.find("Access-Control-Allow-Origin=https://a.example"), std::string::npos) << sent;
  EXPECT_EQ(sent.find("Access-Control-Allow-Origin=*"), std::string::npos) << sent;
}

TEST(Snippets, ServerSnippetsHaveLocations) {
  Site site(server("location = /exact { return 200 exact; } location ~* \\.php$ { deny all; } location ^~ /first { "
                   "return 200 first; } "
                   "location /long/er { return 200 longer; } location ~ ^/long { return 200 pattern; } "
                   "more_set_headers \"X-Srv: 1\";"),
            {{"/"}, {"/exactly", "Exact", "other"}, {"/long", "Prefix", "other"}});
  EXPECT_EQ(site.ask("/exact"), "200 text/html: exact");
  EXPECT_EQ(site.ask("/exact/"), "svc /exact/");
  EXPECT_EQ(site.ask("/x.PHP"), "403 page");
  EXPECT_EQ(site.ask("/first/x.php"), "200 text/html: first") << "no regular expression is asked behind ^~";
  EXPECT_EQ(site.ask("/long/er/x"), "200 text/html: pattern") << "a regular expression is asked before a longer prefix";
  EXPECT_EQ(site.ask("/exactly"), "other /exactly");
  EXPECT_EQ(site.respond({.target = "/x"}, {}), "X-Srv=1");
  EXPECT_EQ(site.respond({.target = "/exact"}, {}), "X-Srv=1");
}

TEST(Snippets, ServerSnippetsRunOnceBeforeTheLocation) {
  Site site(
      Annotations{{"server-snippet", "set $a server; rewrite ^/old(.*)$ /new$1 last; if ($arg_no) { return 403; }"},
                  {"configuration-snippet", "proxy_set_header X-A $a;"}},
      {{"/"}, {"/new", "Prefix", "other"}});
  EXPECT_EQ(site.ask("/x"), "svc /x X-A=server");
  EXPECT_EQ(site.ask("/old/x?y"), "other /new/x?y X-A=server");
  EXPECT_EQ(site.ask("/x?no=1"), "403 page");
}

TEST(Snippets, LocationsLeadToServicesOfTheirNamespace) {
  Site site(
      server("location /api/ { proxy_pass http://api.shop.svc.cluster.local; } "
             "location /v1/ { proxy_pass http://api.shop.svc/store/; proxy_set_header Host $host; } "
             "location ~ ^/re/(.*)$ { proxy_pass http://api.shop.svc; proxy_set_header X-Rest $1; } "
             "location /in/ { internal; proxy_pass http://api.shop.svc; } rewrite ^/out/(.*)$ /in/$1 last; "
             "location /none/ { allow 192.0.2.1; deny all; }"));
  EXPECT_EQ(site.ask("/api/a%20b?c"), "api /api/a%20b?c Host=api.shop.svc.cluster.local");
  EXPECT_EQ(site.ask("/v1/a%20b?c"), "api /store/a%20b?c Host=h.example");
  EXPECT_EQ(site.ask("/re/rest"), "api /re/rest Host=api.shop.svc X-Rest=rest");
  EXPECT_EQ(site.ask("/in/x"), "404 page");
  EXPECT_EQ(site.ask("/out/x"), "api /in/x Host=api.shop.svc");
  EXPECT_EQ(site.ask("/none/x"), "404 page");
  EXPECT_EQ(site.ask(Asked{.target = "/none/x", .client = "192.0.2.2"}), "403 page") << "before it is not found";
}

TEST(Snippets, LocationsInsideOfAnIngressTakeItsOwnPathsAlone) {
  Site site(configuration("location ~ secret { return 403; }"), {{"/mine"}});
  site.put(ingress("shop", "more", {}, {{"/more", "Prefix", "other"}}, 1'700'000'001));
  EXPECT_EQ(site.ask("/mine/secret"), "403 page");
  EXPECT_EQ(site.ask("/more/secret"), "other /more/secret");
}

// Where another Ingress makes all paths of the host regular expressions, its own one too.
TEST(Snippets, LocationsInsideOfAnIngressStayWherePathsBecomeRegularExpressions) {
  Site site(configuration("location /admin { deny all; }"));
  EXPECT_EQ(site.ask("/admin/x"), "403 page");
  site.put(ingress("shop", "more", {{"use-regex", "true"}}, {{"/b/(.*)", "ImplementationSpecific", "other"}},
                   1'700'000'001));
  EXPECT_EQ(site.ask("/b/x"), "other /b/x");
  EXPECT_EQ(site.ask("/admin/x"), "403 page");
  EXPECT_EQ(site.ask("/other"), "svc /other");
  // Beside a path that is a regular expression nginx asks a plain prefix of a server last.
  Site beside(Annotations{{"server-snippet", "location /admin { deny all; }"}, {"use-regex", "true"}},
              {{"/(.*)", "ImplementationSpecific"}});
  EXPECT_EQ(beside.ask("/admin/x"), "svc /admin/x");
}

TEST(Snippets, ALocationOfAServerTakesNoPathFromAnIngress) {
  Site site(
      Annotations{{"server-snippet", "location = /admin { return 200 open; } location = /free { return 200 free; }"},
                  {"denylist-source-range", "0.0.0.0/0"}},
      {{"/admin"}, {"/exact", "Exact"}});
  EXPECT_EQ(site.ask("/admin"), "503 page");
  EXPECT_EQ(site.ask("/admin/x"), "403 page");
  ASSERT_EQ(site.problems().size(), 1U);
  EXPECT_EQ(site.problems()[0].problem.reason, "RefusedSnippet");
  EXPECT_EQ(site.problems()[0].problem.value, "location = /admin");
}

// A snippet of one namespace says nothing of another's paths, whoever owns the host.
TEST(Snippets, DoNotReachOtherNamespaces) {
  for (const std::int64_t created : {1'600'000'000, 1'800'000'000}) {
    SCOPED_TRACE(created);
    Site site({}, {{"/mine"}});
    const auto before = site.ask("/mine/x");
    site.put(ingress("else", "theirs",
                     {{"server-snippet", "return 418; location ~ . { return 418; } deny all;"},
                      {"configuration-snippet", "rewrite ^ /mine/taken last;"}},
                     {{"/theirs"}}, created));
    EXPECT_EQ(site.ask("/mine/x"), before);
    EXPECT_EQ(site.ask("/theirs/x"), "418 text/html: ");
    site.put(
        ingress("else", "theirs", {{"configuration-snippet", "rewrite ^ /mine/taken last;"}}, {{"/theirs"}}, created));
    EXPECT_EQ(site.ask("/theirs/x"), "404 page") << "a rewrite leads to no path of another";
    site.put(ingress("else", "theirs", {{"server-snippet", "nobody knows;"}}, {{"/theirs"}}, created));
    EXPECT_EQ(site.ask("/theirs/x"), "503 page") << "it may forbid something";
    EXPECT_EQ(site.ask("/mine/x"), before);
  }
}

std::vector<std::string> nobody_to_ask(Site& site) {
  std::vector<std::string> out;
  for (const auto& e : site.problems())
    if (e.problem.reason == "NobodyToAsk") out.push_back(e.object.name.str() + ": " + e.problem.value);
  return out;
}

TEST(Snippets, AskAPathOfTheirNamespace) {
  Site site(Annotations{{"configuration-snippet", "auth_request /auth;"}});
  EXPECT_TRUE(nobody_to_ask(site).empty()) << "the path / has it";
  Site none(Annotations{{"configuration-snippet", "auth_request /auth;"}}, {{"/app"}});
  EXPECT_EQ(nobody_to_ask(none), std::vector<std::string>{"web: auth_request /auth"});
  none.put(ingress("else", "theirs", {}, {{"/auth"}}));
  EXPECT_EQ(nobody_to_ask(none).size(), 1U) << "another namespace's path is none";
  none.put(ingress("shop", "ours", {}, {{"/auth", "Exact"}}));
  EXPECT_TRUE(nobody_to_ask(none).empty());
  Site location(Annotations{{"server-snippet", "auth_request /auth; location = /auth { return 204; }"}}, {{"/app"}});
  EXPECT_TRUE(nobody_to_ask(location).empty());
}

TEST(Snippets, OfTheOldestIngressCountsAtAHost) {
  Site site(server("more_set_headers \"A: oldest\";"));
  site.put(ingress("shop", "younger", server("more_set_headers \"A: younger\";"), {{"/young"}}, 1'700'000'001));
  EXPECT_EQ(site.respond({.target = "/young"}, {}), "A=oldest");
  bool said = false;
  for (const auto& e : site.problems())
    said = said || (e.problem.reason == "NoEffect" && e.object.name.view() == "younger");
  EXPECT_TRUE(said);
}

TEST(Snippets, ThatCannotBeReadCloseWhatTheyGuard) {
  Site site(configuration("set $a b;\naccess_by_lua_block { }"));
  EXPECT_EQ(site.ask("/"), "503 page");
  bool said = false;
  for (const auto& e : site.problems())
    said = said || (e.problem.reason == "RefusedSnippet" && e.problem.value == "line 2: access_by_lua_block");
  EXPECT_TRUE(said);
  EXPECT_EQ(Site(configuration("proxy_set_header A $nobody;")).ask("/"), "503 page") << "a variable that nobody sets";
  EXPECT_EQ(
      Site(Annotations{{"configuration-snippet", "proxy_set_header A $mine;"}, {"server-snippet", "set $mine yes;"}})
          .ask("/"),
      "svc / A=yes");
  EXPECT_EQ(Site(configuration("auth_request_set $a $upstream_http_b;")).ask("/"), "503 page") << "nobody is asked";
  EXPECT_EQ(
      Site(Annotations{{"configuration-snippet", "deny all;"}, {"allowlist-source-range", "192.0.2.0/24"}}).ask("/"),
      "503 page");
}

TEST(Snippets, ErrorsHaveAnswers) {
  Site url(configuration(
      "error_page 401 403 https://login.example/?to=$request_uri; error_page 502 =301 https://status.example;"));
  EXPECT_EQ(url.in_place_of(403, "/x"), "302 https://login.example/?to=/x");
  EXPECT_EQ(url.in_place_of(502), "301 https://status.example");
  EXPECT_EQ(url.in_place_of(404), "");
  Site named(
      server("error_page 401 = @login; error_page 404 /missing; error_page 503 =200 /sorry; "
             "location @login { return 302 https://login.example; } location = /missing { internal; return 404 \"not "
             "here\"; } "
             "location = /sorry { default_type text/plain; return 503 sorry; } proxy_intercept_errors on;"));
  EXPECT_EQ(named.in_place_of(401), "302 https://login.example");
  EXPECT_EQ(named.in_place_of(404), "404 text/html: not here");
  EXPECT_EQ(named.in_place_of(503), "200 text/plain: sorry");
  EXPECT_TRUE(named.intercepts(404)) << "locations inherit it";
  Site pods(configuration("error_page 500 https://status.example; proxy_intercept_errors on;"));
  EXPECT_TRUE(pods.intercepts(500));
  EXPECT_FALSE(pods.intercepts(404));
  EXPECT_EQ(Site(configuration("error_page 404 = /index.html;")).ask("/"), "svc /") << "a path of a pod is asked for";
  EXPECT_EQ(Site(configuration("error_page 404 = @index;")).ask("/"), "503 page");
  EXPECT_EQ(Site(configuration("error_page 200 https://a.example;")).ask("/"), "503 page");
}

TEST(Snippets, MirrorsAreThoseOfTheAnnotation) {
  Site site(
      configuration("mirror /copy; mirror_request_body off; location = /copy { internal; proxy_pass "
                    "https://copies.example$request_uri; }"));
  ASSERT_TRUE(site.settings().mirror);
  EXPECT_EQ(site.settings().mirror->host, "copies.example");
  EXPECT_TRUE(site.settings().mirror->tls);
  EXPECT_FALSE(site.settings().mirror->body);
  EXPECT_EQ(site.ask("/x"), "svc /x");
  EXPECT_EQ(Site(configuration("mirror /copy;")).ask("/"), "503 page");
}

// Of the ConfigMap: everywhere, in front of what Ingresses say.
TEST(Snippets, OfTheConfigMapAreForAll) {
  const std::map<std::string, std::string> options{
      {"server-snippet", "more_set_headers \"S: s\"; if ($arg_no) { return 403; }"},
      {"location-snippet", "more_set_headers \"L: l\"; set $a cm; add_header A cm;"}};
  Site plain({}, {{"/"}}, options);
  EXPECT_EQ(plain.respond({}, {}), "S=s|L=l|A=cm");
  EXPECT_EQ(plain.ask("/?no=1"), "403 page");
  Site both(Annotations{{"configuration-snippet", "more_set_headers \"L: own\"; proxy_set_header X-A $a;"}}, {{"/"}},
            options);
  EXPECT_EQ(both.ask("/"), "svc / X-A=cm");
  EXPECT_EQ(both.respond({}, {}), "S=s|L=own|A=cm");
  EXPECT_EQ(both.ask("/?no=1"), "403 page");
  Site own(server("more_set_headers \"S: own\"; location /x { return 200 x; }"), {{"/"}}, options);
  EXPECT_EQ(own.respond({}, {}), "S=own|L=l|A=cm");
  EXPECT_EQ(own.ask("/x"), "200 text/html: x");
  EXPECT_EQ(own.ask("/x?no=1"), "403 page");
  EXPECT_EQ(Site({}, {{"/"}}, {{"server-snippet", "nobody knows;"}}).ask("/"), "503 page");
  EXPECT_EQ(Site({}, {{"/"}}, {{"server-snippet", "location /a { return 200; }"}}).ask("/"), "503 page");
  EXPECT_EQ(Site({}, {{"/"}}, {{"server-snippet", "# nothing"}}).ask("/"), "svc /");
}

TEST(Snippets, MapsOfTheConfigMapAreVariables) {
  const std::map<std::string, std::string> options{
      {"http-snippet",
       "map $http_x $kind { default other; A first; ~^b second; ~*^B(.*)$ \"third-$1\"; '' none; } "
       "map $host $tenant { hostnames; default no; *.example wild; h.example exact; } "
       "map $kind $twice { first 1; default 0; } map $http_upgrade $connection_upgrade { default upgrade; '' close; "
       "}"}};
  Site site(configuration("proxy_set_header K $kind; proxy_set_header T $tenant; if ($twice) { return 403; } location "
                          "/in { return 200 $kind; }"),
            {{"/"}}, options);
  EXPECT_EQ(site.ask("/"), "svc / K=none T=exact");
  EXPECT_EQ(site.ask("/", {{"X", "q"}}), "svc / K=other T=exact");
  EXPECT_EQ(site.ask("/", {{"X", "a"}}), "403 page") << "texts whatever their case, and a map of a map";
  EXPECT_EQ(site.ask("/", {{"X", "bc"}}), "svc / K=second T=exact") << "the first regular expression that matches";
  EXPECT_EQ(site.ask("/", {{"X", "Bc"}}), "svc / K=third-c T=exact");
  EXPECT_EQ(site.ask("/in", {{"X", "q"}}), "200 text/html: other");
  for (const auto* text :
       {"map $http_x $host { default a; }", "map $nobody $a { default a; }", "map $http_x $a { include file; }",
        "limit_req_zone $binary_remote_addr zone=a:1m;", "limit_req_zone $nobody zone=a:1m rate=1r/s;",
        "limit_req_zone $host zone=a rate=1r/s;", "limit_req_zone $host zone=a:1m rate=1r/h;",
        "limit_conn_zone $host zone=a:1m rate=1r/s;",
        "limit_conn_zone $host zone=a:1m; limit_conn_zone $host zone=a:1m;", "limit_conn_zone $status zone=a:1m;",
        "server { listen 8080; }", "map $sent_http_x $a { default a; }", "map $http_x $a { default $mine; }",
        "map $http_x $a { ~( b; }"})
    EXPECT_EQ(Site({}, {{"/"}}, {{"http-snippet", text}}).ask("/"), "503 page") << text;
}

TEST(Snippets, AuthSnippetsAddHeadersToTheQuestion) {
  Site site(Annotations{{"auth-url", "http://10.200.0.21:8080/ok"},
                        {"auth-snippet", "proxy_set_header X-From-Snippet yes;"}});
  site.ask("/");
  EXPECT_EQ(Site(Annotations{{"auth-url", "http://10.200.0.21:8080/ok"}, {"auth-snippet", "deny all;"}}).ask("/"),
            "503 page");
}

// A request costs its own: a pattern that takes too many steps, texts that grow with each other.
TEST(Snippets, CostIsTheRequestsOwn) {
  Site steps(configuration("if ($http_x ~ \"^(a|aa|a?)+$\") { return 403; }"));
  EXPECT_EQ(steps.ask("/", {{"X", std::string(200, 'a') + "b"}}), "500 page");
  std::string doubling = "set $v0 \"$request_uri\";";
  for (int i = 1; i < 30; ++i)
    doubling += " set $v" + std::to_string(i) + " \"$v" + std::to_string(i - 1) + "$v" + std::to_string(i - 1) + "\";";
  Site grows(configuration(doubling));
  EXPECT_EQ(grows.ask("/0123456789"), "500 page");
  EXPECT_LE(grows.state().made, 4 * model::Snippet::kMostMade);
}

TEST(Snippets, ARouteWithoutThemHasNoProgram) {
  Site site;
  EXPECT_EQ(site.ask("/x"), "svc /x");
  EXPECT_TRUE(site.pays_nothing());
  Site with(configuration("proxy_buffering off;"));
  EXPECT_FALSE(with.pays_nothing());
}

}  // namespace
}  // namespace sluice
