#include "control/source/cluster/access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "base/base64.h"
#include "scratch.h"

namespace sluice::control::cluster {
namespace {

namespace asio = boost::asio;

class AccessTest : public ::testing::Test {
 protected:
  control::testing::Scratch dir_;
  std::int64_t wall_ = 1'800'000'000;
  std::map<std::string, std::string> variables_;
  FakeClock clock_;
  Environment environment() {
    return {[this](const char* name) { return variables_.contains(name) ? variables_[name] : ""; }, dir_.str(),
            [this] { return wall_; }};
  }
  std::string file(const std::string& name, const std::string& text) {
    dir_.write(name, text);
    return (dir_ / name).string();
  }
  // A kubeconfig with this user and cluster.
  std::string config(const std::string& user, const std::string& cluster = "server: https://api.example:6443") {
    return file("config",
                "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
                "contexts:\n- name: main\n  context: {cluster: c, user: u, namespace: shop}\n"
                "clusters:\n- name: c\n  cluster: {" +
                    cluster +
                    "}\n"
                    "users:\n- name: u\n  user: {" +
                    user + "}\n");
  }
  std::expected<Cluster, std::string> read(const std::string& path, const std::string& context = "") {
    return from_kubeconfig(path, context, environment());
  }
  Credentials::Answer ask(Credentials& credentials) {
    asio::io_context io;
    auto out = asio::co_spawn(io, credentials.current(clock_.now()), asio::use_future);
    io.run();
    return out.get();
  }
  Cluster good(const std::string& path) {
    auto found = read(path);
    EXPECT_TRUE(found) << found.error();
    return found ? std::move(*found) : Cluster();
  }
};

TEST_F(AccessTest, TheContextLeadsToItsClusterAndUser) {
  const auto c = good(config("token: secret"));
  EXPECT_EQ(c.access.host, "api.example");
  EXPECT_EQ(c.access.port, "6443");
  EXPECT_EQ(c.access.server_name, "api.example");
  EXPECT_EQ(c.access.ns, "shop");
  EXPECT_TRUE(c.access.tls);
  EXPECT_EQ(ask(*c.credentials)->authorization, "Bearer secret");
  EXPECT_EQ(c.access.described.find("secret"), std::string::npos);
}

TEST_F(AccessTest, ServersOfEveryForm) {
  const auto of = [&](const std::string& url) { return good(config("token: x", "server: \"" + url + "\"")).access; };
  EXPECT_EQ(of("https://api").port, "443");
  EXPECT_EQ(of("http://127.0.0.1:8001").tls, false);
  EXPECT_EQ(of("https://[fd00::1]:6443").host, "fd00::1");
  EXPECT_EQ(of("https://rancher.example/k8s/clusters/c-1/").base_path, "/k8s/clusters/c-1");
  for (const char* bad : {"api.example:6443", "https://", "https://a:port", "https://[fd00::1"}) {
    const auto refused = read(config("token: x", "server: \"" + std::string(bad) + "\""));
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().find("server " + std::string(bad)), std::string::npos) << refused.error();
    EXPECT_NE(refused.error().find("expected"), std::string::npos) << refused.error();
  }
}

TEST_F(AccessTest, FilesLieBesideTheKubeconfigAndDataIsBase64) {
  file("ca.crt", "CA");
  file("me.crt", "CRT");
  const auto c = good(config("client-certificate: me.crt, client-key-data: " + encode_base64("KEY"),
                             "server: https://a, certificate-authority: ca.crt, tls-server-name: kubernetes"));
  EXPECT_EQ(c.access.ca_pem, "CA");
  EXPECT_EQ(c.access.server_name, "kubernetes");
  const auto who = ask(*c.credentials);
  EXPECT_EQ(who->certificate_pem, "CRT");
  EXPECT_EQ(who->key_pem, "KEY");
  EXPECT_EQ(who->authorization, "");
}

TEST_F(AccessTest, ATokenFileIsReadAgainEachMinuteAndWhenItWasRefused) {
  file("token", "one\n");
  const auto c = good(config("tokenFile: token, token: other"));
  const auto now = [&] { return ask(*c.credentials)->authorization; };
  EXPECT_EQ(now(), "Bearer one");
  file("token", "two\n");
  EXPECT_EQ(now(), "Bearer one");
  clock_.advance(std::chrono::seconds(61));
  EXPECT_EQ(now(), "Bearer two");
  file("token", "three\n");
  c.credentials->refused();
  EXPECT_EQ(now(), "Bearer three");
  // While a new file is on its way the old token goes on; once refused it does not.
  std::filesystem::remove(dir_ / "token");
  clock_.advance(std::chrono::seconds(61));
  EXPECT_EQ(now(), "Bearer three");
  c.credentials->refused();
  EXPECT_FALSE(ask(*c.credentials));
}

TEST_F(AccessTest, SeveralFilesAreOne) {
  const auto users = file("users", "users: [{name: u, user: {token: first}}]");
  const auto c = good((dir_ / "missing").string() + ":" + users + ":" + config("token: second"));
  EXPECT_EQ(ask(*c.credentials)->authorization, "Bearer first");
}

TEST_F(AccessTest, RefusalsNameTheFileAndWhatWasExpected) {
  const auto says = [&](const std::expected<Cluster, std::string>& found, const std::string& part) {
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().find(part), std::string::npos) << found.error();
  };
  says(read((dir_ / "nothing").string()), "none of its files is there");
  says(read(config("token: x"), "other"), "contexts has no \"other\"; expected one of: main");
  says(read(config("auth-provider: {name: gcp}")), "auth-provider is not supported; expected a token");
  says(read(config("as: admin")), "as is not supported");
  says(read(config("client-certificate: me.crt")), "client-certificate and client-key together");
  says(read(config("token: x", "server: https://a, proxy-url: http://p:1")), "proxy-url http://p:1: is not supported");
  says(read(config("token: x", "server: https://a, certificate-authority-data: '%'")),
       "certificate-authority-data: expected base64");
  says(read(config("token: x", "server: https://a, certificate-authority: gone.crt")), "gone.crt: cannot be read");
  says(read(file("broken", "clusters: [")), "broken:");
  says(read(file("empty", "users: []")), "no current-context");
  says(read(config("exec: {apiVersion: v2, command: x}")), "apiVersion v2: expected client.authentication.k8s.io/v1");
}

TEST_F(AccessTest, AnotherServerByAFlag) {
  auto found = good(config("token: secret"));
  const auto ca = file("ca.pem", "AUTHORITIES");
  EXPECT_EQ(replace_server("https://other.example:8443/k8s", ca, found), "");
  EXPECT_EQ(found.access.host, "other.example");
  EXPECT_EQ(found.access.server_name, "other.example");
  EXPECT_EQ(found.access.port, "8443");
  EXPECT_EQ(found.access.base_path, "/k8s");
  EXPECT_EQ(found.access.current_ca(), "AUTHORITIES");
  EXPECT_EQ(ask(*found.credentials)->authorization, "Bearer secret");
  EXPECT_EQ(found.access.described, "https://other.example:8443/k8s (--apiserver-host)");
  // Nobody reads a token on its way.
  EXPECT_EQ(replace_server("http://127.0.0.1:8001", "", found), "");
  EXPECT_FALSE(found.access.tls);
  EXPECT_EQ(ask(*found.credentials)->authorization, "");
  EXPECT_NE(replace_server("127.0.0.1:8001", "", found).find("expected https://HOST"), std::string::npos);
  EXPECT_NE(replace_server("", "/nonexistent", found).find("--certificate-authority"), std::string::npos);
}

TEST_F(AccessTest, OfAServerThatIsNamedAloneNothingElseIsKnown) {
  auto found = at_server("https://api.example", "");
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(found->access.host, "api.example");
  EXPECT_EQ(found->access.port, "443");
  EXPECT_EQ(found->access.ca_pem, "") << "the system's";
  EXPECT_EQ(ask(*found->credentials)->authorization, "");
}

TEST_F(AccessTest, ThePodsServiceAccount) {
  EXPECT_NE(in_cluster(environment()).error().find("expected --kubeconfig"), std::string::npos);
  variables_ = {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  EXPECT_NE(in_cluster(environment()).error().find("ca.crt"), std::string::npos);
  const std::string at = "var/run/secrets/kubernetes.io/serviceaccount/";
  dir_.write(at + "ca.crt", "CA");
  dir_.write(at + "token", "abc");
  dir_.write(at + "namespace", "ingress-nginx");
  auto environment_there = environment();
  environment_there.root += "/";
  const auto c = in_cluster(environment_there);
  ASSERT_TRUE(c) << c.error();
  EXPECT_EQ(c->access.ns, "ingress-nginx");
  EXPECT_EQ(ask(*c->credentials)->authorization, "Bearer abc");
  // Both are replaced under way; while the authority cannot be read, the former one counts.
  dir_.write(at + "ca.crt", "other CA");
  EXPECT_EQ(c->access.current_ca(), "other CA");
  std::filesystem::remove(dir_ / (at + "ca.crt"));
  EXPECT_EQ(c->access.current_ca(), "CA");
  dir_.write(at + "token", "def");
  EXPECT_EQ(ask(*c->credentials)->authorization, "Bearer abc");
  c->credentials->refused();
  EXPECT_EQ(ask(*c->credentials)->authorization, "Bearer def");
}

// A real program as plugin.
class ExecPluginTest : public AccessTest {
 protected:
  Cluster with(const std::string& script, const std::string& more = "") {
    const auto path = file("plugin.sh", "#!/bin/sh\necho run >> \"$0.runs\"\n" + script);
    ::chmod(path.c_str(), 0755);
    return good(config("exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh" + more + "}"));
  }
  int runs() {
    std::ifstream in(dir_ / "plugin.sh.runs");
    return static_cast<int>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  static std::string prints(const std::string& status) {
    return "printf '%s' '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{" +
           status + "}}'\n";
  }
};

TEST_F(ExecPluginTest, RunsWhenItsAnswerEndsOrWasRefused) {
  const auto c = with(prints(R"("token":"t","expirationTimestamp":"2027-01-15T09:00:00Z")"));
  wall_ = 1'800'000'000;  // 2027-01-15T08:00:00Z
  EXPECT_EQ(ask(*c.credentials)->authorization, "Bearer t");
  ask(*c.credentials);
  EXPECT_EQ(runs(), 1);
  wall_ += 3600 - 59;
  ask(*c.credentials);
  EXPECT_EQ(runs(), 2);
  wall_ = 1'800'000'000;
  ask(*c.credentials);
  c.credentials->refused();
  ask(*c.credentials);
  EXPECT_EQ(runs(), 3);
}

// It waits for a file that comes as late as the thread of those who ask makes it.
TEST_F(ExecPluginTest, HoldsUpNobodyAndRunsOnceForAllWhoAskMeanwhile) {
  const auto c = with("mkfifo \"$0.go\"; read line < \"$0.go\"\n" + prints(R"("token":"t")"));
  asio::io_context io;
  std::vector<std::future<Credentials::Answer>> asked;
  for (int i = 0; i < 3; ++i)
    asked.push_back(asio::co_spawn(io, c.credentials->current(clock_.now()), asio::use_future));
  asio::post(io, [&] {
    while (!std::filesystem::exists(dir_ / "plugin.sh.go")) std::this_thread::yield();
    std::ofstream(dir_ / "plugin.sh.go") << "go\n";
  });
  io.run();
  for (auto& a : asked) EXPECT_EQ(a.get()->authorization, "Bearer t");
  EXPECT_EQ(runs(), 1);
}

TEST_F(ExecPluginTest, TheEndOfTheCredentialsEndsIt) {
  auto c = with("mkfifo \"$0.go\"; read line < \"$0.go\"\n");
  asio::io_context io;
  auto asked = asio::co_spawn(io, c.credentials->current(clock_.now()), asio::use_future);
  asio::post(io, [&] {
    while (!std::filesystem::exists(dir_ / "plugin.sh.go")) std::this_thread::yield();
    c.credentials.reset();
  });
  io.run();
  EXPECT_NE(asked.get().error().find("is no longer needed"), std::string::npos);
}

TEST_F(ExecPluginTest, GetsItsArgumentsEnvironmentAndTheCluster) {
  const auto c = with("echo \"$1 $REGION $KUBERNETES_EXEC_INFO\" > \"$0.seen\"\n" + prints(R"("token":"t")"),
                      ", args: [login], env: [{name: REGION, value: north}], provideClusterInfo: true");
  ASSERT_TRUE(ask(*c.credentials));
  std::ifstream in(dir_ / "plugin.sh.seen");
  std::string seen;
  std::getline(in, seen);
  EXPECT_TRUE(seen.starts_with("login north {\"apiVersion\":\"client.authentication.k8s.io/v1\"")) << seen;
  EXPECT_NE(seen.find("\"server\":\"https://api.example:6443\""), std::string::npos) << seen;
}

TEST_F(ExecPluginTest, ErrorsNameTheProgramAndWhatItSaid) {
  const auto error = [&](const std::string& script, const std::string& more = "") {
    const auto c = with(script, more);
    const auto who = ask(*c.credentials);
    return who ? "none" : who.error();
  };
  EXPECT_NE(error("echo no session >&2; exit 7\n", ", installHint: log in first")
                .find("plugin.sh: ended with status 7: no session; log in first"),
            std::string::npos);
  EXPECT_NE(error("echo hello\n").find("printed no JSON"), std::string::npos);
  EXPECT_NE(error("echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}'\n")
                .find("expected ExecCredential of client.authentication.k8s.io/v1"),
            std::string::npos);
  EXPECT_NE(error(prints("\"clientCertificateData\":\"x\"")).find("neither a token nor"), std::string::npos);
  EXPECT_NE(error("head -c 2000000 /dev/zero\n").find("printed more than"), std::string::npos);
  const auto c = good(config("exec: {apiVersion: client.authentication.k8s.io/v1, command: ./not-there}"));
  EXPECT_NE(ask(*c.credentials).error().find("not-there: No such file"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control::cluster
