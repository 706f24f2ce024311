#include "control/source/cluster/exec_plugin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "base/base64.h"
#include "base/printable.h"
#include "base/strings.h"
#include "base/time_text.h"
#include "control/source/disclosure.h"
#include "control/source/node.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): no header has it without _GNU_SOURCE

namespace sluice::control::cluster {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kUnseen = "…";
constexpr std::size_t kShown = 300;    // bytes of what a plugin says
constexpr std::size_t kLooked = 4096;  // where words of the form of a token are unseen, which leaves more than is shown
constexpr std::int64_t kMargin = 60;   // seconds before the end that new ones are asked for

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) read = ends[0], write = ends[1];
  }
  ~Pipe() {
    close_write();
    if (read >= 0) ::close(read);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_write() {
    if (write >= 0) ::close(std::exchange(write, -1));
  }
};

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}
std::string shown(std::string_view text) {
  return std::string(cut(text, kShown));
}

// What a plugin says goes into the log, without the values that it was given and with which it may have been given a
// password, and without words of the form of a token. Asked of all of it: the beginning of a value is no longer found.
std::string without_secrets(std::string_view said, const std::vector<std::string>& given) {
  std::string out(said);
  for (const auto& value : given) {
    if (value.empty()) continue;
    std::string seen;
    for (std::size_t at = 0; at < out.size();) {
      const std::size_t found = std::min(out.find(value, at), out.size());
      seen.append(out, at, found - at);
      if (found < out.size()) seen += kUnseen;
      at = found + value.size();
    }
    out = std::move(seen);
  }
  out.resize(std::min(out.size(), kLooked));
  const auto of_token = [](char c) { return made_of({&c, 1}, "+/=._-"); };
  for (std::size_t begin = 0; begin < out.size();) {
    std::size_t end = begin;
    while (end < out.size() && of_token(out[end])) ++end;
    const auto word = std::string_view(out).substr(begin, end - begin);
    const auto has = [&](char first, char last) {
      return std::any_of(word.begin(), word.end(), [&](char c) { return c >= first && c <= last; });
    };
    if (word.size() >= 20 && has('0', '9') && has('A', 'Z') && has('a', 'z')) {
      out.replace(begin, word.size(), kUnseen);
      end = begin + kUnseen.size();
    }
    begin = std::max(end, begin + 1);
  }
  return out;
}

std::string text(const Node* map, std::string_view name) {
  const Node* n = map ? map->get(name) : nullptr;
  return n && n->is_scalar() ? std::string(n->text) : std::string();
}

}  // namespace

ExecPlugin::ExecPlugin(Command command, const Access& access, std::function<std::int64_t()> wall)
    : command_(std::move(command)), wall_(std::move(wall)), stopped_(::eventfd(0, EFD_CLOEXEC)) {
  if (!command_.provide_cluster_info) return;
  const bool v6 = access.host.find(':') != std::string::npos;
  boost::json::object cluster{
      {"server", fmt::format("{}://{}:{}{}", access.tls ? "https" : "http", v6 ? "[" + access.host + "]" : access.host,
                             access.port, access.base_path)},
      {"tls-server-name", access.server_name},
      {"insecure-skip-tls-verify", access.insecure}};
  if (!access.ca_pem.empty()) cluster["certificate-authority-data"] = encode_base64(access.ca_pem);
  info_ = boost::json::serialize(cluster);
}

ExecPlugin::~ExecPlugin() {
  const std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(stopped_, &one, sizeof one);
  thread_.join();
  ::close(stopped_);
}

std::string ExecPlugin::request() const {
  return fmt::format(R"({{"apiVersion":"{}","kind":"ExecCredential","spec":{{{}"interactive":false}}}})",
                     command_.api_version, info_.empty() ? "" : "\"cluster\":" + info_ + ",");
}

std::expected<std::string, std::string> ExecPlugin::run() const {
  const auto failed = [&](const std::string& why) {
    return std::unexpected(
        fmt::format("exec plugin {}: {}{}", command_.command, why,
                    command_.install_hint.empty() ? "" : "; " + shown(first_line(command_.install_hint))));
  };
  std::vector<std::string> environment = command_.environment;
  environment.push_back("KUBERNETES_EXEC_INFO=" + request());
  for (char** e = environ; *e; ++e) {
    const std::string_view one(*e), name = one.substr(0, one.find('='));
    const bool replaced = std::any_of(environment.begin(), environment.end(), [&](const std::string& mine) {
      return mine.starts_with(name) && mine.size() > name.size() && mine[name.size()] == '=';
    });
    if (!replaced) environment.emplace_back(one);
  }
  std::vector<char*> argv{const_cast<char*>(command_.command.c_str())}, envp;
  for (const auto& a : command_.arguments) argv.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : environment) envp.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, 1);
  posix_spawn_file_actions_adddup2(&actions, err.write, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error) return failed(std::strerror(error));
  out.close_write();
  err.close_write();

  std::string printed, said;
  const Instant end = SystemClock().now() + kPatience;
  std::string cut;  // why it is killed
  for (bool open[2] = {true, true}; (open[0] || open[1]) && cut.empty();) {
    pollfd fds[3] = {{open[0] ? out.read : -1, POLLIN, 0}, {open[1] ? err.read : -1, POLLIN, 0}, {stopped_, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SystemClock().now());
    if (left.count() <= 0 || ::poll(fds, 3, static_cast<int>(left.count())) == 0) {
      cut = fmt::format("did not end within {} s", kPatience.count());
      break;
    }
    if (fds[2].revents) cut = "is no longer needed";
    for (int i = 0; i < 2; ++i) {
      if (!fds[i].revents) continue;
      char buffer[4096];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n <= 0) open[i] = n < 0 && errno == EINTR;
      if (n > 0) (i == 0 ? printed : said).append(buffer, static_cast<std::size_t>(n));
    }
    if (std::max(printed.size(), said.size()) > kMaxOutput) cut = fmt::format("printed more than {} bytes", kMaxOutput);
  }
  if (!cut.empty()) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!cut.empty()) return failed(cut);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::vector<std::string> given = command_.arguments;
    for (const auto& e : command_.environment) given.push_back(e.substr(e.find('=') + 1));
    return failed(fmt::format("ended with {} {}: {}", WIFEXITED(status) ? "status" : "signal",
                              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                              shown(without_secrets(first_line(said), given))));
  }
  return printed;
}

asio::awaitable<Credentials::Answer> ExecPlugin::current(Instant) {
  const std::uint64_t before = runs_;
  Answer out = co_await asio::co_spawn(thread_, answer(before), asio::use_awaitable);
  co_return out;
}

void ExecPlugin::refused() {
  asio::post(thread_, [this] { have_ = false; });
}

asio::awaitable<Credentials::Answer> ExecPlugin::answer(std::uint64_t runs_before) {
  const bool good = have_ && (ends_ == 0 || wall_() < ends_ - kMargin);
  if (good || runs_ != runs_before) co_return last_;
  last_ = ask();
  have_ = last_.has_value();
  ++runs_;
  co_return last_;
}

Credentials::Answer ExecPlugin::ask() {
  auto printed = run();
  if (!printed) return std::unexpected(printed.error());
  const auto failed = [&](const std::string& why) {
    return std::unexpected(fmt::format("exec plugin {}: {}", command_.command, why));
  };
  try {
    const auto document = parse_json(*printed, 1);
    const Node* root = document->root;
    if (text(root, "kind") != "ExecCredential" || text(root, "apiVersion") != command_.api_version)
      return failed(fmt::format("printed {} {}; expected ExecCredential of {}",
                                Disclosure::api_version(text(root, "apiVersion")), Disclosure::kind(text(root, "kind")),
                                command_.api_version));
    const Node* status = root->get("status");
    Current c;
    if (const auto token = text(status, "token"); !token.empty()) c.authorization = "Bearer " + token;
    c.certificate_pem = text(status, "clientCertificateData");
    c.key_pem = text(status, "clientKeyData");
    if (c.authorization.empty() && (c.certificate_pem.empty() || c.key_pem.empty()))
      return failed("status has neither a token nor a client certificate with its key");
    const auto expires = text(status, "expirationTimestamp");
    ends_ = expires.empty() ? 0 : parse_rfc3339(expires).value_or(0);
    return c;
  } catch (const SyntaxError& e) {
    return failed(fmt::format("printed no JSON: {}", e.what()));
  }
}

}  // namespace sluice::control::cluster
