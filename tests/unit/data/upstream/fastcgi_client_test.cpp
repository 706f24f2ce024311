// Requests of FastCGI over a socket pair: what the pod gets, what the client gets of its answer, which connections are
// used again.
#include "data/upstream/fastcgi_client.h"

#include <gtest/gtest.h>

#include "../../net/fcgi/records.h"
#include "../bare_context.h"
#include "../fakes.h"
#include "../one_attempt.h"
#include "../pooled_pod.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;
using net::fcgi::Type;
using net::fcgi::testing::end;
using net::fcgi::testing::hear;
using net::fcgi::testing::Heard;
using net::fcgi::testing::out;
using net::fcgi::testing::record;
using net::http::Framing;
using net::http::Method;

struct Words final : Recorder {
  void finished(const ExchangeRecord&) noexcept override {}
  void said(const PodWords& words) noexcept override {
    said_text.emplace_back(words.text);
    said_left += words.left;
  }
  std::vector<std::string> said_text;
  std::uint64_t said_left = 0;
};

// A GET of /a/?q=1 that a pod of FastCGI answers; begin() relays it.
struct Asked {
  FakeClock clock;
  MemoryFigures figures;
  Overload overload{clock, [this] { return figures; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Words recorder;
  model::Options options;
  WorkerContext worker{0, clock, shared, stats, recorder, bare_snapshot()};
  ClusterRuntime* cluster = nullptr;
  std::optional<PooledPodOf<FastcgiClient>> pod;
  model::RouteSettings settings;
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = worker.borrow_memory();
  std::optional<Exchange> ex;
  Attempt attempt;
  std::optional<Status> outcome;  // nothing: it is not over

  explicit Asked(bool keeps = false) {
    auto spec = std::make_shared<model::Cluster>();
    spec->name = "default/svc:9000";
    spec->endpoints.push_back({"192.0.2.1", 9000, true, false, false, ""});
    cluster = new ClusterRuntime(worker, spec, nullptr, 1);
    std::vector<std::uint32_t> tried;
    Dial how;
    how.fastcgi = true;
    pod.emplace(worker, cluster->pick(tried), how);
    settings.protocol = model::BackendProtocol::fcgi;
    model::Fastcgi fastcgi = model::default_fastcgi();
    fastcgi.index = "index.php";
    fastcgi.keep_connections = keeps;
    settings.fastcgi = std::move(fastcgi);
    settings.upstream_tls.reset();
    memory->request.clear();
    ask(Method::get, "GET");
  }
  ~Asked() {
    // Whoever looked at no more than the request goes before the answer.
    if (begun && !outcome) FakeClient::leave(*ex);
    turn();
    EXPECT_EQ(begun, outcome.has_value());
    ex.reset();
    worker.return_memory(std::move(memory));
    worker.pool.close_everything();
    pod.reset();
    cluster->unpin();
  }
  void ask(Method method, std::string_view text) {
    ex.emplace(worker, client, peer, *memory);
    auto& head = memory->request;
    head.method = method;
    head.method_text = text;
    head.target = head.path_query = "/a/?q=1";
    ex->settings = &settings;
    ex->options = &options;
    ex->cluster = cluster;
    ex->target = head.path_query;
    ex->path = "/a/";
    ex->query = "?q=1";
    ex->pod_host = ex->host_header = "app.example";
    ex->client_address = "192.0.2.9";
    ex->port_text = "80";
    ex->body_whole = true;
    ex->tries = 1;
    ex->begun = worker.loop.now();
  }
  void field(std::string_view name, std::string_view value, bool drop = false) {
    memory->request.fields.add() = {name, value, net::http::name_of(name), drop};
  }
  void body(Framing framing, std::uint64_t length = 0) {
    memory->request.framing = framing;
    memory->request.content_length = length;
    ex->body_whole = false;
  }
  void begin() {
    begun = true;
    net::spawn(attempt_once(*ex, pod->endpoint, attempt, outcome));
    turn();
  }
  void turn() {
    for (int i = 0; i < 6; ++i) worker.loop.turn(0ms);
  }
  void answered(std::string_view bytes) {
    pod->says(bytes);
    turn();
  }
  Heard heard() {
    said += pod->heard();
    return hear(said);
  }
  Error error() const { return outcome && !*outcome ? outcome->error() : Error{}; }
  bool ok() const { return outcome && *outcome; }
  std::string said;  // to the pod
  bool begun = false;
};

std::string value(const Heard& heard, std::string_view name) {
  const auto* found = heard.find(name);
  return found ? *found : "(none)";
}

TEST(FastcgiClient, AGetIsARequestOfFastcgi) {
  Asked a;
  a.field("Host", "app.example");
  a.field("X-One", "1");
  a.begin();
  const auto heard = a.heard();
  EXPECT_EQ(heard.wrong, "");
  EXPECT_TRUE(heard.begun && heard.params_ended && heard.in_ended);
  EXPECT_FALSE(heard.keeps);
  EXPECT_EQ(value(heard, "REQUEST_METHOD"), "GET");
  EXPECT_EQ(value(heard, "SCRIPT_NAME"), "/a/index.php");
  EXPECT_EQ(value(heard, "DOCUMENT_URI"), "/a/");
  EXPECT_EQ(value(heard, "REQUEST_URI"), "/a/?q=1");
  EXPECT_EQ(value(heard, "QUERY_STRING"), "q=1");
  EXPECT_EQ(value(heard, "CONTENT_LENGTH"), "");
  EXPECT_EQ(value(heard, "HTTPS"), "(none)");
  EXPECT_EQ(value(heard, "HTTP_HOST"), "app.example");
  EXPECT_EQ(value(heard, "HTTP_X_ONE"), "1");
  EXPECT_EQ(value(heard, "HTTP_X_REAL_IP"), "192.0.2.9");
  EXPECT_FALSE(a.outcome);

  a.answered(out("Status: 404 Gone\r\nX-From: pod\r\n\r\nnot ") + out("here") + out("") + end());
  ASSERT_TRUE(a.ok()) << a.error().detail;
  EXPECT_EQ(a.client.status, 404);
  EXPECT_EQ(a.client.fields, std::vector<std::string>{"X-From: pod"});
  EXPECT_EQ(a.client.text, "not here");
  EXPECT_TRUE(a.client.ended);
  EXPECT_TRUE(a.pod->left_alone()) << "not kept: the pod may serve somebody else";
  EXPECT_EQ(a.worker.pool.size(), 0U);
}

TEST(FastcgiClient, EachNameIsSentOnce) {
  Asked a;
  for (const auto& [name, value] :
       {std::pair("A", "1"), std::pair("Cookie", "a=1"), std::pair("a", "2"), std::pair("cookie", "b=2"),
        std::pair("X-User", "real"), std::pair("X_User", "false"), std::pair("X_Real_IP", "8.8.8.8"),
        std::pair("X-Real-IP", "8.8.4.4")})
    a.field(name, value);
  a.field("Proxy", "http://evil");
  a.field("Dropped", "x", true);
  a.begin();
  const auto heard = a.heard();
  EXPECT_EQ(value(heard, "HTTP_A"), "1, 2");
  EXPECT_EQ(value(heard, "HTTP_COOKIE"), "a=1; b=2");
  EXPECT_EQ(value(heard, "HTTP_X_USER"), "real");
  EXPECT_EQ(value(heard, "HTTP_X_REAL_IP"), "192.0.2.9");
  EXPECT_EQ(value(heard, "HTTP_PROXY"), "(none)");
  EXPECT_EQ(value(heard, "HTTP_DROPPED"), "(none)");
  std::vector<std::string> names;
  for (const auto& [name, unused] : heard.params) names.push_back(name);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST(FastcgiClient, ParametersOfTheRouteStandInPlaceOfFields) {
  Asked a;
  model::Fastcgi fastcgi = *a.settings.fastcgi;
  auto params = fastcgi.params.get();
  params.push_back({"HTTP_X_A", "$request_method"});
  params.push_back({"SCRIPT_FILENAME", "/app$fastcgi_script_name"});
  fastcgi.params = std::move(params);
  a.settings.fastcgi = std::move(fastcgi);
  a.field("X-A", "the client's");
  a.begin();
  const auto heard = a.heard();
  EXPECT_EQ(value(heard, "HTTP_X_A"), "GET");
  EXPECT_EQ(value(heard, "SCRIPT_FILENAME"), "/app/a/index.php");
  EXPECT_EQ(std::ranges::count(heard.params, "HTTP_X_A", [](const auto& p) { return p.first; }), 1);
}

TEST(FastcgiClient, TheScriptIsThatOfTheRewrittenPath) {
  Asked a;
  a.memory->target = "/front/x%20y.php?a=b";
  a.ex->target = a.memory->target;
  a.begin();
  const auto heard = a.heard();
  EXPECT_EQ(value(heard, "SCRIPT_NAME"), "/front/x y.php");
  EXPECT_EQ(value(heard, "DOCUMENT_URI"), "/front/x y.php");
  EXPECT_EQ(value(heard, "QUERY_STRING"), "a=b");
  EXPECT_EQ(value(heard, "REQUEST_URI"), "/a/?q=1");
}

TEST(FastcgiClient, ABodyIsStandardInput) {
  Asked a;
  a.ask(Method::post, "POST");
  a.body(Framing::length, 200000);
  a.begin();
  EXPECT_EQ(value(a.heard(), "CONTENT_LENGTH"), "200000");
  std::string all;
  for (int i = 0; i < 20; ++i) {
    const std::string piece(10000, static_cast<char>('a' + i));
    all += piece;
    a.client.request.add(piece, i == 19);
    a.turn();
    a.heard();
  }
  const auto heard = a.heard();
  EXPECT_EQ(heard.wrong, "");
  EXPECT_EQ(heard.in, all);
  EXPECT_TRUE(heard.in_ended);
  a.answered(out("\n") + end());
  EXPECT_TRUE(a.ok());
}

TEST(FastcgiClient, AWholeBodyHasTheLengthThatItCameTo) {
  Asked a;
  a.ask(Method::post, "POST");
  a.body(Framing::chunked);
  a.ex->body_whole = true;
  a.ex->body = "hello";
  a.begin();
  const auto heard = a.heard();
  EXPECT_EQ(value(heard, "CONTENT_LENGTH"), "5");
  EXPECT_EQ(value(heard, "HTTP_CONTENT_LENGTH"), "5");
  EXPECT_EQ(value(heard, "HTTP_TRANSFER_ENCODING"), "(none)");
  EXPECT_EQ(heard.in, "hello");
  EXPECT_TRUE(heard.in_ended);
}

TEST(FastcgiClient, ABodyWithoutALengthIsRefused) {
  Asked a;
  a.ask(Method::post, "POST");
  a.body(Framing::chunked);
  a.begin();
  EXPECT_EQ(a.error().status, 411);
  EXPECT_EQ(a.heard().begun, false);
}

TEST(FastcgiClient, APieceAtATimeComesToTheSame) {
  Asked a;
  a.begin();
  const std::string bytes =
      record(Type::err, "warn", 3) + out("Content-Type: a/b\n") + record(Type::out, "\nbo", 200) + out("dy") + end();
  for (const char c : bytes) a.answered({&c, 1});
  ASSERT_TRUE(a.ok()) << a.error().detail;
  EXPECT_EQ(a.client.status, 200);
  EXPECT_EQ(a.client.text, "body");
  EXPECT_EQ(a.recorder.said_text, std::vector<std::string>{"warn"});
}

TEST(FastcgiClient, KeptConnectionsAreUsedAgain) {
  Asked a(true);
  for (int i = 0; i < 3; ++i) {
    a.client.status = 0;
    a.client.text.clear();
    a.ask(Method::get, "GET");
    a.begin();
    EXPECT_TRUE(a.heard().keeps);
    a.said.clear();
    a.answered(out("\nyes") + out("") + end());
    ASSERT_TRUE(a.ok()) << a.error().detail;
    EXPECT_EQ(a.client.text, "yes");
    EXPECT_EQ(a.worker.pool.size(), 1U);
  }
  EXPECT_FALSE(a.pod->left_alone());
  EXPECT_EQ(a.stats.upstream_reused.get(), 3U);
}

// Whatever is left behind a request would be taken for the next one's answer.
TEST(FastcgiClient, WhatIsNotCleanIsNotUsedAgain) {
  const std::pair<const char*, std::string> all[] = {
      {"a record behind the end", out("\nyes") + end() + out("x")},
      {"a byte behind the end", out("\nyes") + end() + "x"},
      {"more than its length", out("Content-Length: 3\n\nyes or no") + end()},
  };
  for (const auto& [name, bytes] : all) {
    Asked a(true);
    a.begin();
    a.answered(bytes);
    ASSERT_TRUE(a.ok()) << name;
    a.heard();
    EXPECT_EQ(a.client.text, "yes") << name;
    EXPECT_EQ(a.worker.pool.size(), 0U) << name;
    EXPECT_TRUE(a.pod->left_alone()) << name;
  }
}

TEST(FastcgiClient, ConnectionsOfOtherProtocolsAreNotTaken) {
  Asked a(true);
  a.settings.protocol = model::BackendProtocol::http;
  Dial plain;
  EXPECT_EQ(a.worker.pool.take(*a.pod->endpoint, plain, false), nullptr);
  plain.fastcgi = true;
  auto* const own = a.worker.pool.take(*a.pod->endpoint, plain, false);
  ASSERT_NE(own, nullptr);
  a.worker.pool.put(*own);
}

TEST(FastcgiClient, WhatIsNoAnswerIsBeforeTheClientSeesAny) {
  const std::pair<const char*, std::string> all[] = {
      {"another version", std::string("\2\6\0\1\0\1\0\0x", 9)},
      {"HTTP", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {"another request", std::string("\1\6\0\2\0\1\0\0x", 9)},
      {"no head", end()},
      {"half a head", out("A: b\r\n") + end()},
      {"two lengths", out("Content-Length: 1\nContent-Length: 1\n\nx") + end()},
      {"a field that goes on", out("A: b\rX: c\n\n") + end()},
      {"a large head", out("A: " + std::string(5000, 'x') + "\n\n") + end()},
      {"an interim status", out("Status: 100\n\n") + end()},
      {"a switch", out("Status: 101\nUpgrade: x\n\n") + end()},
  };
  for (const auto& [name, bytes] : all) {
    Asked a(true);
    a.begin();
    a.answered(bytes);
    ASSERT_TRUE(a.outcome && !*a.outcome) << name;
    EXPECT_EQ(a.error().whose, Whose::upstream) << name;
    EXPECT_TRUE(a.error().fault == Fault::malformed || a.error().fault == Fault::too_large) << name;
    EXPECT_EQ(a.client.status, 0) << name;
    EXPECT_EQ(a.worker.pool.size(), 0U) << name;
    EXPECT_EQ(a.stats.malformed_responses.get(), 1U) << name;
  }
}

TEST(FastcgiClient, APodThatSaysItIsFullProcessedNothing) {
  Asked a;
  a.begin();
  a.answered(end(2));
  EXPECT_EQ(a.error().fault, Fault::overload);
  EXPECT_EQ(a.error().retry, Retry::unprocessed);
}

TEST(FastcgiClient, ABodyThatIsCutShortIsNotCompleted) {
  const std::pair<const char*, std::string> all[] = {
      {"fewer bytes than its length", out("Content-Length: 9\n\nyes") + end()},
      {"a bad record", out("\nyes") + "\2"},
      {"nothing", ""},
  };
  for (const auto& [name, rest] : all) {
    Asked a;
    a.begin();
    a.answered(name == std::string_view("fewer bytes than its length") ? std::string() : out("\nfirst"));
    if (!rest.empty()) a.answered(rest);
    a.pod->hang_up();
    a.turn();
    ASSERT_TRUE(a.outcome && !*a.outcome) << name;
    EXPECT_FALSE(a.client.ended) << name;
  }
}

TEST(FastcgiClient, AResponseThatIsWholeByItsLengthNeedsNoEnd) {
  Asked a;
  a.begin();
  a.heard();  // else it is a reset
  a.answered(out("Content-Length: 3\n\nyes"));
  EXPECT_FALSE(a.outcome);
  a.pod->hang_up();
  a.turn();
  EXPECT_TRUE(a.ok());
  EXPECT_EQ(a.client.text, "yes");
}

TEST(FastcgiClient, ToHeadNoBodyIsPassedOn) {
  Asked a(true);
  a.ask(Method::head, "HEAD");
  a.begin();
  a.answered(out("Content-Length: 3\n\nyes") + end());
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a.client.text, "");
  EXPECT_EQ(a.client.fields, std::vector<std::string>{"Content-Length: 3"});
  EXPECT_EQ(a.worker.pool.size(), 0U);
}

TEST(FastcgiClient, ThePodThatClosesIdleIsAskedAgainElsewhere) {
  Asked a(true);
  a.begin();
  a.answered(out("\nyes") + end());
  ASSERT_TRUE(a.ok());
  a.ask(Method::get, "GET");
  a.begin();
  a.pod->hang_up();
  a.turn();
  EXPECT_EQ(a.error().retry, Retry::reused_only);
}

TEST(FastcgiClient, AnAnswerThatDoesNotComeIsNotWaitedForForEver) {
  Asked a;
  a.settings.read_timeout = 1s;
  a.begin();
  a.clock.advance(2s);
  a.turn();
  EXPECT_EQ(a.error().fault, Fault::timeout);
  EXPECT_EQ(a.error().retry, Retry::yes);
}

// It has the time of its own for that, client-body-timeout.
TEST(FastcgiClient, NoAnswerIsDueWhileTheClientStillOwesSomeOfItsBody) {
  Asked a;
  a.settings.read_timeout = 10s;
  a.begin();
  a.ex->awaits_client = true;
  a.clock.advance(25s);
  a.turn();
  EXPECT_FALSE(a.outcome);
  a.clock.advance(9s);
  a.ex->awaits_client = false;
  a.turn();
  a.clock.advance(2s);
  a.turn();
  EXPECT_EQ(a.error().fault, Fault::timeout);
}

TEST(FastcgiClient, StandardErrorIsKeptToItsBeginning) {
  Asked a;
  a.begin();
  for (int i = 0; i < 10; ++i) a.answered(record(Type::err, std::string(500, 'e')));
  a.answered(out("\n") + end());
  ASSERT_TRUE(a.ok());
  ASSERT_EQ(a.recorder.said_text.size(), 1U);
  EXPECT_EQ(a.recorder.said_text[0], std::string(PodWords::kMost, 'e'));
  EXPECT_EQ(a.recorder.said_left, 5000 - PodWords::kMost);
}

TEST(FastcgiClient, OfARequestThatFailedStandardErrorIsTheNote) {
  Asked a;
  a.begin();
  a.answered(record(Type::err, "PHP message: out of memory\n") + end());
  EXPECT_FALSE(a.ok());
  EXPECT_EQ(a.ex->note, "PHP message: out of memory");
  EXPECT_TRUE(a.recorder.said_text.empty());
}

TEST(FastcgiClient, AWebSocketIsRefused) {
  Asked a;
  a.ex->tunnel = true;
  a.memory->request.upgrade_token = "websocket";
  a.begin();
  EXPECT_EQ(a.error().status, 502);
  EXPECT_EQ(a.error().fault, Fault::unsupported);
}

}  // namespace
}  // namespace sluice::data
