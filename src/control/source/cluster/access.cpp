#include "control/source/cluster/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "base/base64.h"
#include "base/read_file.h"
#include "base/strings.h"
#include "control/source/cluster/exec_plugin.h"
#include "control/source/disclosure.h"
#include "control/source/node.h"

namespace sluice::control::cluster {

namespace {

constexpr std::size_t kMaxFile = 1U << 20;
constexpr auto kReread = std::chrono::minutes(1);  // token files; kubelets replace them hours before they end
constexpr const char* kAccount = "/var/run/secrets/kubernetes.io/serviceaccount/";

struct Refused {
  std::string why;
};

std::string read_file(const std::string& path, const std::string& what) {
  auto text = sluice::read_file(path, kMaxFile);
  if (text && !text->empty()) return std::move(*text);
  throw Refused{fmt::format("{} {}: cannot be read, or is empty{}", what, path, text ? "" : ": " + text.error())};
}

// A URL for messages, without the user and password that may stand in it. What is no URL may be anything.
std::string shown_url(std::string_view url) {
  const auto scheme = url.find("://");
  const auto begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto at = url.rfind('@');  // a password may have a slash
  std::string_view rest = at == std::string_view::npos ? url.substr(begin) : url.substr(at + 1);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view(".:-_/[]%").find(c) != std::string_view::npos;
  });
  return plain ? std::string(url.substr(0, begin)).append(rest) : "…";
}

std::string without_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

// A token or a certificate by its value, or by a file that is read again as it rotates.
struct Given {
  std::string value, file;
  bool empty() const { return value.empty() && file.empty(); }
};

class Static final : public Credentials {
 public:
  Given token, certificate, key;
  std::string basic;  // "Basic …"

  boost::asio::awaitable<Answer> current(Instant now) override { co_return read(now); }
  void refused() override { doubted_ = true; }

 private:
  Answer read(Instant now) {
    if (read_ && now - read_at_ < kReread && !doubted_) return last_;
    try {
      Current c;
      const std::string bearer = without_end(value_of(token, "token"));
      c.authorization = bearer.empty() ? basic : "Bearer " + bearer;
      c.certificate_pem = value_of(certificate, "client certificate");
      c.key_pem = value_of(key, "client key");
      last_ = std::move(c);
    } catch (const Refused& refused) {
      // A file that is being replaced: what was read before goes on as long as the server takes it.
      if (!read_ || doubted_) return std::unexpected(refused.why);
    }
    read_ = true;
    doubted_ = false;
    read_at_ = now;
    return last_;
  }
  static std::string value_of(const Given& given, const char* what) {
    return given.file.empty() ? given.value : read_file(given.file, what);
  }
  Current last_;
  Instant read_at_{};
  bool read_ = false, doubted_ = false;
};

// https://host[:port][/path] into `out`.
void read_server(const std::string& url, const std::string& where, Access& out) {
  const auto bad = [&](const char* why) {
    throw Refused{fmt::format("{}: server {}: {}", where, shown_url(url), why)};
  };
  std::string_view rest = url;
  if (rest.starts_with("https://"))
    rest.remove_prefix(8);
  else if (rest.starts_with("http://"))
    rest.remove_prefix(7), out.tls = false;
  else
    bad("expected https://HOST[:PORT]");
  if (rest.find_first_of("?#@") != std::string_view::npos) bad("expected no user, no password and no query in it");
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) out.base_path = rest.substr(slash);
  while (out.base_path.ends_with('/')) out.base_path.pop_back();
  std::string_view authority = rest.substr(0, slash);
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) bad("expected ']' behind the IPv6 address");
    out.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const auto colon = authority.find(':');
    out.host = authority.substr(0, colon);
    authority.remove_prefix(std::min(colon, authority.size()));
  }
  if (out.host.empty() || !made_of(out.host, ".:-_%")) bad("expected a host");
  out.port = authority.starts_with(':') ? authority.substr(1) : out.tls ? "443" : "80";
  if (out.port.empty() || out.port.size() > 5 || out.port.find_first_not_of("0123456789") != std::string::npos)
    bad("expected a port number behind ':'");
  if (out.server_name.empty()) out.server_name = out.host;
}

std::string url_of(const Access& a) {
  const bool v6 = a.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}{}", a.tls ? "https" : "http", v6 ? "[" + a.host + "]" : a.host, a.port, a.base_path);
}

// One kubeconfig file. Documents own the nodes.
struct File {
  std::string path;
  std::vector<std::unique_ptr<Document>> documents;
  const Node* root() const { return documents.empty() ? nullptr : documents.front()->root; }
  std::string beside(std::string_view name) const {
    const std::filesystem::path given(name);
    return given.is_absolute() ? given.string() : (std::filesystem::path(path).parent_path() / given).string();
  }
};

class Kubeconfig {
 public:
  explicit Kubeconfig(const std::string& files) {
    std::string_view left = files;
    for (;;) {
      const auto colon = left.find(':');
      if (const auto one = left.substr(0, colon); !one.empty()) add(std::string(one));
      if (colon == std::string_view::npos) break;
      left.remove_prefix(colon + 1);
    }
    if (files_.empty()) throw Refused{"kubeconfig " + files + ": none of its files is there"};
  }

  // The entry `name` of `list` ("clusters"), its member `part` ("cluster"), and the file that it is in.
  std::pair<const Node*, const File*> find(const char* list, const char* part, const std::string& name) const {
    std::string known;
    for (const auto& f : files_) {
      const Node* all = f.root() ? f.root()->get(list) : nullptr;
      for (const Node* n = all && all->kind == Node::Kind::list ? all->first : nullptr; n; n = n->next) {
        if (text(n, "name") == name) return {n->get(part), &f};
        known += (known.empty() ? "" : ", ") + text(n, "name");
      }
    }
    throw Refused{fmt::format("kubeconfig {}: {} has no \"{}\"; expected one of: {}", files_.front().path, list, name,
                              known.empty() ? "(there are none)" : known)};
  }
  std::string current_context() const {
    for (const auto& f : files_)
      if (auto name = text(f.root(), "current-context"); !name.empty()) return name;
    throw Refused{"kubeconfig " + files_.front().path + ": no current-context; expected one there, or --context NAME"};
  }
  const std::string& path() const { return files_.front().path; }

  static std::string text(const Node* map, std::string_view name) {
    const Node* n = map ? map->get(name) : nullptr;
    return n && n->is_scalar() ? std::string(n->text) : std::string();
  }
  static bool flag(const Node* map, std::string_view name) { return text(map, name) == "true"; }

 private:
  void add(const std::string& path) {
    std::error_code ec;
    if (!std::filesystem::exists(path, ec)) return;  // as kubectl does with a list of files
    File f{path, {}};
    try {
      f.documents = parse_yaml(read_file(path, "kubeconfig"), 1);
    } catch (const SyntaxError& e) {
      throw Refused{fmt::format("kubeconfig {}:{}: {}", path, e.line, e.what())};
    }
    files_.push_back(std::move(f));
  }
  std::vector<File> files_;
};

// NAME-data (base64) or NAME (a file beside the kubeconfig).
Given given(const Node* map, const File& file, const std::string& name) {
  if (const auto data = Kubeconfig::text(map, name + "-data"); !data.empty()) {
    auto value = decode_base64(data);
    if (!value) throw Refused{fmt::format("kubeconfig {}: {}-data: expected base64", file.path, name)};
    return {std::move(*value), ""};
  }
  if (const auto path = Kubeconfig::text(map, name); !path.empty()) return {"", file.beside(path)};
  return {};
}

ExecPlugin::Command exec_command(const Node& exec, const File& file) {
  ExecPlugin::Command c;
  c.api_version = Kubeconfig::text(&exec, "apiVersion");
  c.command = Kubeconfig::text(&exec, "command");
  c.install_hint = Kubeconfig::text(&exec, "installHint");
  c.provide_cluster_info = Kubeconfig::flag(&exec, "provideClusterInfo");
  if (c.command.empty()) throw Refused{"kubeconfig " + file.path + ": exec: command is missing"};
  if (c.command.find('/') != std::string::npos) c.command = file.beside(c.command);
  if (const Node* args = exec.get("args"))
    for (const Node* n = args->first; n; n = n->next) c.arguments.emplace_back(n->text);
  if (const Node* env = exec.get("env"))
    for (const Node* n = env->first; n; n = n->next)
      c.environment.emplace_back(Kubeconfig::text(n, "name") + "=" + Kubeconfig::text(n, "value"));
  if (c.api_version != "client.authentication.k8s.io/v1" && c.api_version != "client.authentication.k8s.io/v1beta1")
    throw Refused{fmt::format("kubeconfig {}: exec: apiVersion {}: expected client.authentication.k8s.io/v1 or v1beta1",
                              file.path, Disclosure::api_version(c.api_version))};
  return c;
}

std::unique_ptr<Credentials> read_user(const Node* user, const File& file, const Access& access,
                                       const Environment& environment) {
  for (const char* other : {"auth-provider", "as", "as-uid", "as-groups"})
    if (user && user->get(other))
      throw Refused{
          fmt::format("kubeconfig {}: user: {} is not supported; expected a token, a client certificate or exec",
                      file.path, other)};
  if (const Node* exec = user ? user->get("exec") : nullptr)
    return std::make_unique<ExecPlugin>(exec_command(*exec, file), access, environment.wall);
  auto out = std::make_unique<Static>();
  out->token.value = Kubeconfig::text(user, "token");
  if (const auto path = Kubeconfig::text(user, "tokenFile"); !path.empty()) out->token = {"", file.beside(path)};
  out->certificate = given(user, file, "client-certificate");
  out->key = given(user, file, "client-key");
  if (out->certificate.empty() != out->key.empty())
    throw Refused{fmt::format("kubeconfig {}: user: expected client-certificate and client-key together", file.path)};
  if (const auto name = Kubeconfig::text(user, "username"); !name.empty())
    out->basic = "Basic " + encode_base64(name + ":" + Kubeconfig::text(user, "password"));
  return out;
}

}  // namespace

std::string Access::current_ca() const {
  if (ca_file.empty()) return ca_pem;
  try {
    return read_file(ca_file, "certificate authority");
  } catch (const Refused&) {
    return ca_pem;  // being replaced
  }
}

Environment Environment::of_process() {
  return {[](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value ? value : "");
          },
          "", [] { return static_cast<std::int64_t>(std::time(nullptr)); }};
}

std::expected<Cluster, std::string> in_cluster(const Environment& environment) {
  const std::string host = environment.variable("KUBERNETES_SERVICE_HOST");
  const std::string port = environment.variable("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty())
    return std::unexpected(
        "--kubernetes: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod of a cluster; "
        "expected --kubeconfig FILE outside of one");
  const std::string folder = environment.root + kAccount;
  try {
    Cluster out;
    out.access.host = out.access.server_name = host;
    out.access.port = port;
    out.access.ca_file = folder + "ca.crt";
    out.access.ca_pem = read_file(out.access.ca_file, "service account");
    std::error_code ec;
    if (std::filesystem::exists(folder + "namespace", ec))
      out.access.ns = without_end(read_file(folder + "namespace", "service account"));
    out.access.described = url_of(out.access) + " (service account)";
    auto credentials = std::make_unique<Static>();
    credentials->token.file = folder + "token";
    read_file(credentials->token.file, "service account");
    out.credentials = std::move(credentials);
    return out;
  } catch (const Refused& refused) {
    return std::unexpected(refused.why);
  }
}

std::expected<Cluster, std::string> from_kubeconfig(const std::string& files, const std::string& context,
                                                    const Environment& environment) {
  try {
    const Kubeconfig config(files);
    const std::string name = context.empty() ? config.current_context() : context;
    const auto [chosen, context_file] = config.find("contexts", "context", name);
    const auto [cluster, cluster_file] = config.find("clusters", "cluster", Kubeconfig::text(chosen, "cluster"));
    Cluster out;
    out.access.ns = Kubeconfig::text(chosen, "namespace");
    out.access.server_name = Kubeconfig::text(cluster, "tls-server-name");
    read_server(Kubeconfig::text(cluster, "server"), "kubeconfig " + cluster_file->path, out.access);
    out.access.insecure = Kubeconfig::flag(cluster, "insecure-skip-tls-verify");
    if (const auto proxy = Kubeconfig::text(cluster, "proxy-url"); !proxy.empty())
      throw Refused{fmt::format("kubeconfig {}: proxy-url {}: is not supported", cluster_file->path, shown_url(proxy))};
    const Given ca = given(cluster, *cluster_file, "certificate-authority");
    out.access.ca_file = ca.file;
    out.access.ca_pem = ca.file.empty() ? ca.value : read_file(ca.file, "certificate-authority");
    out.access.described = fmt::format("{} (context {} of {})", url_of(out.access), name, config.path());
    const std::string user = Kubeconfig::text(chosen, "user");
    if (user.empty()) {
      out.credentials = std::make_unique<Static>();
    } else {
      const auto [who, user_file] = config.find("users", "user", user);
      out.credentials = read_user(who, *user_file, out.access, environment);
    }
    return out;
  } catch (const Refused& refused) {
    return std::unexpected(refused.why);
  }
}

std::string replace_server(const std::string& url, const std::string& ca_file, Cluster& cluster) {
  Access& access = cluster.access;
  try {
    if (!url.empty()) {
      access.tls = true;
      access.base_path.clear();
      access.server_name.clear();
      read_server(url, "--apiserver-host", access);
      access.described = url_of(access) + " (--apiserver-host)";
      if (!access.tls) cluster.credentials = std::make_unique<Static>();
    }
    if (!ca_file.empty()) {
      access.ca_file = ca_file;
      access.ca_pem = read_file(ca_file, "--certificate-authority");
      access.insecure = false;
    }
    return {};
  } catch (const Refused& refused) {
    return refused.why;
  }
}

std::expected<Cluster, std::string> at_server(const std::string& url, const std::string& ca_file) {
  Cluster out;
  out.credentials = std::make_unique<Static>();
  if (auto wrong = replace_server(url, ca_file, out); !wrong.empty()) return std::unexpected(std::move(wrong));
  return out;
}

}  // namespace sluice::control::cluster
