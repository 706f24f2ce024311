// A connection of HTTP/2 to a pod that falls silent: PINGs while requests are under way, and the end where none is
// answered.
#include "data/upstream/h2_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bare_context.h"
#include "../fakes.h"
#include "../one_attempt.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

model::Options with_pings() {
  model::Options options;
  options.upstream_http2_ping_interval = 300s;
  options.upstream_http2_ping_timeout = 20s;
  return options;
}

// A GET to a pod of HTTP/2 at the other end of a socket pair.
struct Asked : BareContext {
  model::Options options = with_pings();
  model::RouteSettings settings;
  ClusterRuntime* cluster = nullptr;
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = worker.borrow_memory();
  std::optional<Exchange> ex;
  Attempt attempt;
  std::optional<Status> outcome;
  int pod = -1;
  std::string heard;  // by the pod, what was not looked at yet

  explicit Asked(bool greeted = true) {
    Publication next;
    next.snapshot = bare_snapshot(options);
    worker.apply(next);
    auto spec = std::make_shared<model::Cluster>();
    spec->name = "default/svc:80";
    spec->endpoints.push_back({"192.0.2.1", 8080, true, false, false, ""});
    cluster = new ClusterRuntime(worker, spec, nullptr, 1);
    settings.protocol = model::BackendProtocol::grpc;
    settings.read_timeout = std::chrono::hours(1);
    std::vector<std::uint32_t> tried;
    endpoint = cluster->pick(tried);
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    pod = fds[1];
    EXPECT_TRUE(H2Client::start(worker, endpoint, fds[0], Dial{}, worker.loop.now() + 5s));
    turn();
    if (greeted) says(frame(4, 0, 0, ""));  // SETTINGS
    ex.emplace(worker, client, peer, *memory);
    memory->request.clear();
    memory->request.method = net::http::Method::get;
    memory->request.method_text = "GET";
    memory->request.target = memory->request.path_query = "/";
    ex->settings = &settings;
    ex->options = &options;
    ex->cluster = cluster;
    ex->target = ex->path = "/";
    ex->pod_host = ex->host_header = "app.example";
    ex->body_whole = true;
  }
  ~Asked() {
    if (began && !outcome) FakeClient::leave(*ex);
    turn();
    ex.reset();
    worker.return_memory(std::move(memory));
    worker.pool.close_everything();
    close(pod);
    turn();
    endpoint.reset();
    cluster->unpin();
  }
  static std::string frame(int type, int flags, int stream, std::string_view payload) {
    std::string out{
        '\0', '\0', static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags), '\0',
        '\0', '\0', static_cast<char>(stream)};
    return out.append(payload);
  }
  void says(std::string_view bytes) {
    EXPECT_EQ(write(pod, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    turn();
  }
  void turn() {
    for (int i = 0; i < 6; ++i) worker.loop.turn(0ms);
  }
  void pass(Duration time) {
    clock.advance(time);
    turn();
  }
  void begin() {
    began = true;
    net::spawn(attempt_once(*ex, endpoint, attempt, outcome));
    turn();
  }
  // PINGs that the pod has got since this was asked.
  int pings() {
    char bytes[4096];
    for (ssize_t n; (n = read(pod, bytes, sizeof bytes)) > 0;) heard.append(bytes, static_cast<std::size_t>(n));
    constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (heard.starts_with(kPreface)) heard.erase(0, kPreface.size());
    int count = 0;
    while (heard.size() >= 9) {
      const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(heard[i])); };
      const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (heard.size() < 9 + size) break;
      if (heard[3] == 6 && heard[4] == 0) ++count;
      heard.erase(0, 9 + size);
    }
    return count;
  }
  std::shared_ptr<EndpointRuntime> endpoint;
  bool began = false;
};

TEST(H2Client, PingsAPodThatIsSilentWhileARequestIsUnderWay) {
  Asked a;
  a.begin();
  EXPECT_EQ(a.pings(), 0);
  a.pass(299s);
  EXPECT_EQ(a.pings(), 0);
  a.pass(2s);
  EXPECT_EQ(a.pings(), 1);
  a.says(Asked::frame(6, 1, 0, std::string(8, '\0')));
  a.pass(299s);
  EXPECT_EQ(a.pings(), 0) << "it was heard of";
  a.pass(2s);
  EXPECT_EQ(a.pings(), 1);
  EXPECT_FALSE(a.outcome);
  // Anything counts as an answer; then none comes.
  a.says(Asked::frame(4, 0, 0, ""));
  a.pass(301s);
  EXPECT_EQ(a.pings(), 1);
  a.pass(19s);
  EXPECT_FALSE(a.outcome);
  a.pass(2s);
  ASSERT_TRUE(a.outcome);
  ASSERT_FALSE(*a.outcome);
  EXPECT_STREQ(a.outcome->error().detail, "the pod does not answer a PING");
  EXPECT_EQ(a.outcome->error().retry, Retry::yes);
}

// It has the time of its own for that, client-body-timeout.
TEST(H2Client, NoAnswerIsDueWhileTheClientStillOwesSomeOfItsBody) {
  Asked a;
  a.settings.read_timeout = 10s;
  a.begin();
  a.ex->awaits_client = true;
  a.pass(25s);
  a.pass(9s);
  EXPECT_FALSE(a.outcome);
  a.ex->awaits_client = false;
  a.pass(2s);
  ASSERT_TRUE(a.outcome);
  EXPECT_EQ(a.outcome->error().fault, Fault::timeout);
}

// Why the connection is over, once the pod has said `bytes`.
std::string over_by(std::string_view bytes, bool first = false) {
  Asked a(!first);
  a.begin();
  a.says(bytes);
  EXPECT_TRUE(a.outcome && !*a.outcome);
  return a.outcome && !*a.outcome ? a.outcome->error().detail : "";
}

TEST(H2Client, SaysWhoseFaultItIsThatAConnectionIsOver) {
  EXPECT_EQ(over_by(Asked::frame(0, 0, 0, "x")), "the pod breaks the rules of HTTP/2") << "DATA without a stream";
  EXPECT_EQ(over_by("HTTP/1.1 400 Bad Request\r\n\r\n", true), "the pod speaks HTTP/1.1, not HTTP/2");
}

}  // namespace
}  // namespace sluice::data
