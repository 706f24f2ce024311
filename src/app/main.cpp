#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cstdio>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <ranges>
#include <string>

#include "app/check.h"
#include "app/config_file.h"
#include "app/explain.h"
#include "app/health.h"
#include "app/nginx_flags.h"
#include "app/options.h"
#include "app/questions.h"
#include "app/signals.h"
#include "app/terminal.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/printable.h"
#include "base/strings.h"
#include "control/control.h"
#include "control/kube/extra_endpoint.h"
#include "control/source/kinds.h"
#include "ops/metrics/catalogue.h"

namespace {

using sluice::app::ServeOptions;

// What serve, check and explain have in common.
void add_common(CLI::App& cmd, sluice::control::Settings& c, std::vector<std::string>& set) {
  cmd.add_option("--ingress-class", c.ingress_classes,
                 "serve Ingresses of this class name too (default: nginx, sluice)")
      ->envname("SLUICE_INGRESS_CLASS");
  cmd.add_option("--controller-class", c.controller_classes, "serve IngressClasses with this controller")
      ->capture_default_str();
  cmd.add_flag("--watch-ingress-without-class", c.watch_ingress_without_class, "serve Ingresses that name no class");
  cmd.add_option("--default-backend", c.default_backend,
                 "NS/SERVICE[:PORT] that answers requests no rule matches (default: 404)")
      ->envname("SLUICE_DEFAULT_BACKEND");
  cmd.add_option("--default-backend-service", c.default_backend, "ingress-nginx's name of --default-backend");
  cmd.add_option("--default-ssl-certificate", c.default_ssl_certificate,
                 "NS/NAME of the Secret for hosts without a certificate (default: made at start)")
      ->envname("SLUICE_DEFAULT_SSL_CERTIFICATE");
  cmd.add_option("--configmap", c.config_map, "NS/NAME of the ConfigMap with options")
      ->capture_default_str()
      ->envname("SLUICE_CONFIGMAP");
  cmd.add_option("--tcp-services-configmap", c.tcp_services,
                 "NS/NAME of the ConfigMap whose data are TCP ports that lead to Services "
                 "(default: ingress-nginx/tcp-services of a directory, none of a cluster)")
      ->envname("SLUICE_TCP_SERVICES_CONFIGMAP");
  cmd.add_option("--udp-services-configmap", c.udp_services,
                 "the same for UDP (default: ingress-nginx/udp-services of a directory, none of a cluster)")
      ->envname("SLUICE_UDP_SERVICES_CONFIGMAP");
  cmd.add_option("--annotations-prefix", c.annotations_prefix, "prefix of annotation names")->capture_default_str();
  cmd.add_flag("--enable-ssl-passthrough", c.ssl_passthrough,
               "look at the name in each ClientHello, and pass TLS of hosts with the annotation ssl-passthrough on "
               "undecrypted")
      ->envname("SLUICE_ENABLE_SSL_PASSTHROUGH");
  sluice::app::add_exclusions(cmd, c);
  sluice::app::add_whereabouts(cmd, c);
  cmd.add_option("--endpoint", c.endpoints,
                 "NS/SERVICE:PORT=ADDRESS:PORT: an endpoint for a Service without EndpointSlices");
  cmd.add_option(
         "--accept-unprotected", c.accept_unprotected,
         "NAME of an annotation or a ConfigMap key that guards requests and is not served by this version: serve "
         "them without it, instead of answering 503; repeatable")
      ->delimiter(',')
      ->envname("SLUICE_ACCEPT_UNPROTECTED");
  cmd.add_option("--set", set, "KEY=VALUE: an option by its ConfigMap key, stronger than the ConfigMap");
}

// What all commands have that read manifests.
void add_watch_namespace(CLI::App& cmd, sluice::control::Settings& c) {
  auto* const option = cmd.add_option("--watch-namespace", c.watch_namespace,
                                      "only this namespace, of the cluster or of the manifests (default: all)");
  if (cmd.get_name() == "serve") option->envname("SLUICE_WATCH_NAMESPACE");
}
void add_namespace(CLI::App& cmd, sluice::control::Settings& c) {
  cmd.add_option("-n,--namespace", c.default_ns,
                 "namespace of objects of the manifests that name none, as for kubectl apply -n "
                 "(helm template -n writes none)")
      ->capture_default_str();
}

// Who may ask the admin address for what (docs/admin.md).
void add_admin_access(CLI::App& cmd, sluice::ops::AdminAccessSettings& access) {
  using enum sluice::ops::TrustedPages;
  static const std::map<std::string, sluice::ops::TrustedPages> pages{
      {"guarded", guarded}, {"open", open}, {"off", off}};
  // Not CLI11's transformer of enumerations, which shows these, of a byte each, as characters.
  const auto read_pages = [&access](const std::string& text) {
    const auto known = pages.find(text);
    if (known == pages.end())
      throw CLI::ValidationError("--admin-pages", text + ": expected guarded, open or off" +
                                                      sluice::did_you_mean(text, std::views::keys(pages)));
    access.pages = known->second;
  };
  cmd.add_option("--admin-token-file", access.token_file,
                 "file with a token, read again when it changes: whoever sends it as a bearer may change something and "
                 "see all pages, as those on loopback may")
      ->envname("SLUICE_ADMIN_TOKEN_FILE");
  cmd.add_option("--admin-trust-loopback", access.trust_loopback,
                 "whoever asks from a loopback address needs no token; false where others share the network, as on a "
                 "node's own")
      ->capture_default_str()
      ->envname("SLUICE_ADMIN_TRUST_LOOPBACK");
  cmd.add_option_function<std::string>(
         "--admin-pages", read_pages,
         "who sees /config and /routes, the objects of all tenants: guarded (loopback or the token), open "
         "(whoever reaches the address), off (nobody)")
      ->default_str("guarded")
      ->envname("SLUICE_ADMIN_PAGES");
  cmd.add_option("--admin-host", access.hosts,
                 "a name that the admin address may be called by in Host, beside addresses and localhost, repeatable")
      ->envname("SLUICE_ADMIN_HOST");
}

// KEY=VALUE pairs; a message for the first that cannot be.
std::string take_set(const std::vector<std::string>& pairs, sluice::control::Settings& c) {
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    auto key = pair.substr(0, equals), value = equals == std::string::npos ? "" : pair.substr(equals + 1);
    if (equals == std::string::npos || equals == 0)
      return "--set " + sluice::control::option_name(key) + ": expected KEY=VALUE, such as --set proxy-body-size=8m";
    if (auto message = sluice::control::check_option(key, value); !message.empty()) return "--set " + message;
    c.set[key] = value;
  }
  return {};
}

std::string check_endpoint(const std::string& text) {
  if (sluice::control::read_extra_endpoint(text)) return {};
  return "--endpoint " + text + ": expected " + sluice::control::kEndpointForm +
         ", such as default/shop:80=127.0.0.1:8080";
}

bool ns_and_name(const std::string& text) {
  const auto slash = text.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < text.size() &&
         text.find('/', slash + 1) == std::string::npos;
}

// The objects that flags name, and the addresses that go into statuses. Empty when fine, else the message.
std::string check_names(const sluice::control::Settings& c) {
  const struct {
    const char *flag, *kind;
    const std::string& value;
  } named[] = {{"--publish-service", "a Service", c.status.publish_service},
               {"--configmap", "a ConfigMap", c.config_map},
               {"--tcp-services-configmap", "a ConfigMap", c.tcp_services},
               {"--udp-services-configmap", "a ConfigMap", c.udp_services},
               {"--default-ssl-certificate", "a Secret", c.default_ssl_certificate}};
  for (const auto& n : named)
    if (!n.value.empty() && !ns_and_name(n.value))
      return std::string(n.flag) + " " + n.value + ": expected NS/NAME of " + n.kind;
  if (!c.default_backend.empty() && !ns_and_name(c.default_backend.substr(0, c.default_backend.rfind(':'))))
    return "--default-backend " + c.default_backend + ": expected NS/SERVICE or NS/SERVICE:PORT";
  for (const auto& name : c.accept_unprotected)
    if (auto wrong = sluice::control::check_unprotected(name); !wrong.empty())
      return "--accept-unprotected " + name + ": " + wrong;
  for (const auto& address : c.status.addresses)
    if (auto wrong = sluice::control::check_status_address(address); !wrong.empty())
      return "--publish-status-address " + address + ": " + wrong;
  return {};
}

// Who we are in the cluster. Empty when fine, else the message.
std::string take_identity(sluice::control::StatusSettings& status, bool no_election) {
  if (status.election_id.empty() || status.election_id.find('/') != std::string::npos)
    return "--election-id " + status.election_id + ": expected the name of a Lease";
  if (status.annotation && !status.update)
    return "--status-annotation and --update-status=false: expected one of them, the annotation is part of what is "
           "written";
  status.leader_election = !no_election;
  const char* name = std::getenv("POD_NAME");
  const char* ns = std::getenv("POD_NAMESPACE");
  char host[256] = "sluice";
  gethostname(host, sizeof host - 1);
  status.instance = name ? name : host;
  if (name && ns) status.pod = std::string(ns) + "/" + name;
  return {};
}

// RFC 1123, as the API server has it.
bool names_namespace(std::string_view ns) {
  const auto fine = [](char x) { return (x >= 'a' && x <= 'z') || (x >= '0' && x <= '9') || x == '-'; };
  return !ns.empty() && ns.size() <= 63 && std::ranges::all_of(ns, fine) && ns.front() != '-' && ns.back() != '-';
}
constexpr const char* kNamespaceName =
    "the name of a namespace, of at most 63 small letters, digits and '-' between them";

// Which namespaces are watched. Empty when fine, else the message.
std::string check_namespaces(const sluice::control::Settings& c, bool cluster) {
  if (!c.watch_namespace.empty() && !names_namespace(c.watch_namespace))
    return "--watch-namespace " + c.watch_namespace + ": expected " + kNamespaceName;
  const auto& selector = c.watch_namespace_selector;
  if (selector.empty()) return {};
  const std::string given = "--watch-namespace-selector " + selector + ": ";
  if (!cluster) return given + "expected --kubernetes or --kubeconfig beside it: a directory has no Namespaces";
  if (!c.watch_namespace.empty())
    return "--watch-namespace " + c.watch_namespace + " and --watch-namespace-selector " + selector +
           ": expected one of them";
  const auto wrong = sluice::control::check_label_selector(selector);
  return wrong.empty() ? wrong : given + wrong;
}

// Flags that say what is written to a cluster, or how. A directory has nothing to write to.
void note_idle_beside_manifests(const CLI::App& serve, std::vector<std::string>& notes) {
  for (const char* flag :
       {"--update-status", "--update-status-on-shutdown", "--publish-service", "--publish-status-address",
        "--report-node-internal-ip-address", "--status-annotation", "--disable-leader-election", "--election-id"})
    if (serve.count(flag) > 0)
      notes.push_back(std::string(flag) + " has no effect: objects come from a directory, where nothing is written");
}

// The namespace of objects that name none; `given`: on this command line. Empty when fine, else the message.
std::string check_namespace(const sluice::control::Settings& c, bool given, bool cluster) {
  const std::string& ns = c.default_ns;
  if (!names_namespace(ns)) return "--namespace " + ns + ": expected " + kNamespaceName;
  if (given && cluster)
    return "--namespace " + ns + ": expected manifests, as objects of a cluster name their namespace; " +
           "--watch-namespace " + ns + " looks at that one alone";
  return {};
}

// Which certificate the webhook has. Empty when fine, else the message.
std::string take_webhook(ServeOptions& options, bool cluster) {
  auto& w = options.webhook;
  auto& c = options.control;
  if (w.address.empty()) return {};
  if (w.certificate.empty() != w.key.empty() || (w.certificate.empty() && !cluster))
    return "--validating-webhook " + w.address +
           ": expected --validating-webhook-certificate and --validating-webhook-key beside it";
  if (!w.certificate.empty()) return {};
  if (c.status.pod.empty())
    return "--validating-webhook " + w.address +
           ": expected POD_NAME and POD_NAMESPACE in the environment, or --validating-webhook-certificate and "
           "--validating-webhook-key";
  c.webhook_service = c.status.pod.substr(0, c.status.pod.find('/')) + "/" + c.webhook_service;
  c.webhook_pair = w.made = std::make_shared<sluice::control::MadePair>();
  return {};
}

// The long names of a command's flags.
std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> out;
  for (const auto* option : command.get_options())
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

// A flag where a command belongs: of commands, or a slip of the pen. Nothing: it is one that needs none.
std::optional<int> without_command_but_flag(const CLI::App& app, const std::string& flag) {
  if (app.get_option_no_throw(flag) != nullptr) return std::nullopt;
  std::string of, all;
  std::vector<std::string> flags = flags_of(app);
  for (const auto* command : app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
    const auto& name = command->get_name();
    all += (all.empty() ? "" : ", ") + name;
    if (command->get_option_no_throw(flag) != nullptr) of += (of.empty() ? "" : ", ") + name;
    for (auto& own : flags_of(*command)) flags.push_back(std::move(own));
  }
  if (!of.empty())
    return sluice::app::refuse(flag + ": expected a command in front of it that has this flag, one of " + of +
                               "; such as sluice " + of.substr(0, of.find(',')) + " " + flag);
  return sluice::app::refuse(flag + ": is a flag of no command; expected a command in front of flags, one of " + all +
                             (flag.starts_with("--") ? sluice::did_you_mean(flag, flags) : ""));
}

// Does a word name a file or a directory, there or not?
bool is_place(const std::string& word) {
  std::error_code ec;
  return word.starts_with('/') || word.starts_with('.') || std::filesystem::exists(word, ec);
}

// The first word, when it is no command: `help [COMMAND]`, or a slip of the pen. Empty: go on.
std::optional<int> without_command(CLI::App& app, int argc, char** argv) {
  std::vector<std::string> commands;
  const auto all_commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* command : all_commands)
    if (!command->get_group().empty()) commands.push_back(command->get_name());
  commands.emplace_back("help");
  const auto find = [&](std::string_view name) {
    const auto at =
        std::find_if(all_commands.begin(), all_commands.end(), [&](auto* c) { return c->get_name() == name; });
    return at == all_commands.end() ? nullptr : *at;
  };
  const std::string word = argc > 1 ? argv[1] : "";
  if (word.starts_with('-')) return without_command_but_flag(app, word.substr(0, word.find('=')));
  if (word.empty() || find(word)) return std::nullopt;
  if (word == "help") {
    auto* about = argc > 2 && argv[2] != word ? find(argv[2]) : &app;
    if (about) {
      std::cout << about->help(about == &app ? "" : "sluice");
      return 0;
    }
  }
  const std::string wrong = word == "help" ? argv[2] : word;
  if (const auto instead = sluice::app::in_place_of_command(wrong); !instead.empty())
    return sluice::app::refuse(instead);
  std::string all;
  for (const auto& name : commands) all += (all.empty() ? "" : ", ") + name;
  return sluice::app::refuse(
      wrong + ": is not a command; expected one of " + all +
      (is_place(wrong) ? "; did you mean sluice check " + wrong + "?" : sluice::did_you_mean(wrong, commands)));
}

// What a command expects in place of words that are no flags' values.
std::string expected_words(const CLI::App& command, const std::string& first) {
  std::string out = "; expected flags alone behind " + command.get_name();
  for (const auto* option : command.get_options())
    if (option->get_positional()) out += " " + option->get_name(true);
  const auto* const manifests = command.get_option_no_throw("--manifests");
  if (manifests != nullptr && manifests->count() == 0 && is_place(first))
    out += "; did you mean --manifests " + first + "?";
  return out;
}

// What the command line's own parser refuses. Words that it cannot place may be the value of a misspelt --set.
std::string refusal(const CLI::App* app, const CLI::Error& e) {
  std::string what = e.what();
  if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    what = "not expected:";
    const auto words = app->remaining(true);
    const auto commands = app->get_subcommands();
    for (const auto& word : words) {
      const auto name = word.substr(0, word.find('='));
      const bool shown = name.starts_with('-') || is_place(word);
      what += " " + (shown ? name : sluice::control::option_name(name)) + (name.size() < word.size() ? "=…" : "");
      if (name.starts_with("--") && !commands.empty()) what += sluice::did_you_mean(name, flags_of(*commands.front()));
    }
    if (!commands.empty() && std::ranges::none_of(words, [](auto& word) { return word.starts_with('-'); }))
      what += expected_words(*commands.front(), words.front());
  }
  return sluice::printable(what) + "\nRun with --help for more information.\n";
}

// What is true or false says so of another value. CLI11 says then what it could not do, and not what was expected; and
// it has no name for flags that are not in the help, so that the message is made here.
void judge_booleans(CLI::App& app) {
  static constexpr std::string_view kWords[] = {"true",    "false", "on", "off", "yes", "no", "enable",
                                                "disable", "t",     "f",  "y",   "n",   "1",  "0"};
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (auto* option : command->get_options()) {
      if (option->get_expected_max() != 0 && option->get_type_name() != "BOOLEAN") continue;
      option->check([name = option->get_lnames().front()](const std::string& text) {
        if (std::ranges::find(kWords, sluice::lower(text)) == std::end(kWords))
          throw CLI::ConversionError("--" + name + ": " + text + ": expected true or false");
        return std::string();
      });
    }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sluice: a Kubernetes ingress controller and its data plane in one binary", "sluice"};
  app.require_subcommand(1);
  app.failure_message(refusal);
  app.footer(
      "Examples:\n  sluice serve --manifests config/quickstart --http 127.0.0.1:8080 --https 127.0.0.1:8443\n"
      "  helm template my-chart | sluice check - --strict\n  sluice explain manifests/ GET https://shop.example/cart "
      "-H "
      "'X-Forwarded-Proto: http'\n");

  ServeOptions options;
  std::vector<std::string> set;
  auto* serve = app.add_subcommand("serve", "carry traffic as a directory of manifests says, following its changes");
  std::string config_file;
  serve
      ->add_option("--config", config_file,
                   "YAML file with these flags and options (flag > environment > file > default)")
      ->envname("SLUICE_CONFIG");
  serve
      ->add_option("--manifests", options.control.manifests,
                   "directory of .yaml, .yml and .json files, read recursively and watched")
      ->envname("SLUICE_MANIFESTS");
  add_namespace(*serve, options.control);
  bool kubernetes = false;
  serve->add_flag("--kubernetes", kubernetes, "serve what the API of a cluster says, as the pod's service account")
      ->envname("SLUICE_KUBERNETES");
  serve
      ->add_option("--kubeconfig", options.control.kubeconfig,
                   "serve what the API of a cluster says, reached as this file tells (in place of --kubernetes)")
      ->envname("SLUICE_KUBECONFIG");
  serve->add_option("--context", options.control.kube_context, "of the kubeconfig (default: its current-context)");
  sluice::app::add_api_server(*serve, options.control);
  add_watch_namespace(*serve, options.control);
  serve
      ->add_option("--watch-namespace-selector", options.control.watch_namespace_selector,
                   "serve only namespaces of the cluster whose labels this selects: 'team=a,tier in (x,y)'")
      ->envname("SLUICE_WATCH_NAMESPACE_SELECTOR");
  auto& status = options.control.status;
  serve
      ->add_option("--update-status", status.update,
                   "write the status of Ingresses and Events; false beside another controller of the same class")
      ->capture_default_str()
      ->envname("SLUICE_UPDATE_STATUS");
  serve->add_option("--update-status-on-shutdown", status.on_shutdown, "take the addresses out again at the end")
      ->capture_default_str();
  serve
      ->add_option("--publish-service", status.publish_service,
                   "NS/NAME of the Service whose addresses go into the status of Ingresses")
      ->envname("SLUICE_PUBLISH_SERVICE");
  serve
      ->add_option("--publish-status-address", status.addresses,
                   "addresses for the status of Ingresses, with ',' between them")
      ->delimiter(',');
  serve->add_flag("--report-node-internal-ip-address", status.node_internal_ip,
                  "internal addresses of the nodes in the status of Ingresses, even where there are external ones");
  serve
      ->add_flag("--status-annotation", status.annotation,
                 "write what became of an Ingress into its annotation sluice.dev/verdict")
      ->envname("SLUICE_STATUS_ANNOTATION");
  serve->add_option("--validating-webhook", options.webhook.address,
                    "ADDR:PORT where the API server asks about Ingresses, by TLS (default: not at all)");
  serve->add_option("--validating-webhook-certificate", options.webhook.certificate,
                    "PEM file, read again when changed");
  serve->add_option("--validating-webhook-key", options.webhook.key, "PEM file");
  serve->add_option("--validating-webhook-client-ca", options.webhook.client_ca,
                    "PEM file: only callers with a certificate of this authority are answered");
  options.control.webhook_service = "sluice-webhook";
  serve
      ->add_option("--validating-webhook-service", options.control.webhook_service,
                   "without files: the Service that the API server calls, in the pod's namespace; the certificate is "
                   "made for it and kept in a Secret of this name")
      ->capture_default_str();
  options.control.webhook_configuration = "sluice";
  serve
      ->add_option("--validating-webhook-configuration", options.control.webhook_configuration,
                   "without files: the ValidatingWebhookConfiguration that is told the certificate")
      ->capture_default_str();
  bool no_election = false;
  serve->add_flag("--disable-leader-election", no_election, "write without asking for the Lease: for one replica");
  serve->add_option("--election-id", status.election_id, "name of the Lease, in the pod's namespace")
      ->capture_default_str();
  serve
      ->add_option("--http", options.http,
                   "ADDR:PORT[,proxy-protocol] to listen on, repeatable; port 0 is chosen by the kernel and printed; "
                   "proxy-protocol: connections begin with a PROXY header")
      ->capture_default_str()
      ->envname("SLUICE_HTTP");
  serve->add_option("--https", options.https, "ADDR:PORT[,proxy-protocol] to listen on for TLS, repeatable")
      ->capture_default_str()
      ->envname("SLUICE_HTTPS");
  serve
      ->add_option("--stream-address", options.control.stream_address,
                   "where the ports of --tcp-services-configmap and --udp-services-configmap are opened: an address of "
                   "this machine (default: every address)")
      ->envname("SLUICE_STREAM_ADDRESS");
  serve
      ->add_flag("--share-ports", options.share_ports,
                 "another process of this user may listen on the same addresses: the kernel deals connections to both")
      ->envname("SLUICE_SHARE_PORTS");
  serve->add_option("--admin", options.admin, "ADDR:PORT of /healthz, /readyz, /metrics, /config, /routes")
      ->capture_default_str()
      ->envname("SLUICE_ADMIN");
  add_admin_access(*serve, options.admin_access);
  serve
      ->add_option("--workers", options.workers,
                   "threads that serve (default: one a core, the cgroup's limit respected)")
      ->check(CLI::Range(0, 1024))
      ->envname("SLUICE_WORKERS");
  serve
      ->add_option("--buffer-directory", options.buffer_directory,
                   "where bodies lie that proxy-request-buffering or proxy-buffering has collected and that are too "
                   "long for memory, in files without names; empty: such requests are answered 503")
      ->capture_default_str()
      ->envname("SLUICE_BUFFER_DIRECTORY");
  serve
      ->add_option("--buffer-limit", options.buffer_limit,
                   "bytes that may lie there, of one namespace half of them (default: 1Gi)")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("1Gi")
      ->envname("SLUICE_BUFFER_LIMIT");
  serve
      ->add_option("--memory-limit", options.memory_limit,
                   "what this process may take, such as 512Mi: near it idle and slow clients go first, then new ones "
                   "(default: the cgroup's limit alone, the nearest of both where there are two)")
      ->transform(CLI::AsSizeValue(false))
      ->check([](const std::string& bytes) {
        constexpr std::uint64_t kLeast = 1U << 20;  // less is used up by a process that serves nobody
        std::uint64_t n = 0;
        std::from_chars(bytes.data(), bytes.data() + bytes.size(), n);
        return n == 0 || n >= kLeast ? std::string() : "expected 1Mi or more, or 0 for none";
      })
      ->envname("SLUICE_MEMORY_LIMIT");
  serve
      ->add_option("--access-log", options.access_log,
                   "off, - (standard output) or a path; stronger than the ConfigMap")
      ->envname("SLUICE_ACCESS_LOG");
  serve->add_option("--log-level", options.log_level, "trace, debug, info, warn, error, critical or off")
      ->capture_default_str()
      ->check([](const std::string& level) {
        return sluice::log::is_level(level) ? ""
                                            : level + ": expected trace, debug, info, warn, error, critical or off" +
                                                  sluice::did_you_mean(level, std::vector{"trace", "debug", "info",
                                                                                          "warn", "error", "critical"});
      })
      ->envname("SLUICE_LOG_LEVEL");
  serve
      ->add_flag("--core-dumps", options.core_dumps,
                 "allow core dumps and debuggers of the same user; a dump holds private keys")
      ->envname("SLUICE_CORE_DUMPS");
  serve->add_flag("--log-json", options.log_json, "program log as JSON")->envname("SLUICE_LOG_JSON");
  add_common(*serve, options.control, set);
  sluice::app::NginxFlags nginx_flags;
  nginx_flags.add(*serve);

  bool as_json = false;
  sluice::app::CheckOptions checks;
  auto* check = app.add_subcommand("check",
                                   "compile manifests and print what is served, refused and ignored; exit 0 clean, 1 "
                                   "warnings with --strict, 2 errors");
  check->add_option("WHERE", options.control.manifests,
                    "directory of manifests, a file, or - for standard input (helm template … | sluice check -)");
  check->add_flag("--kubernetes", kubernetes, "what the API of a cluster says, as the pod's service account");
  check->add_option("--kubeconfig", options.control.kubeconfig,
                    "what the API of a cluster says, reached as this file tells; nothing is written there");
  check->add_option("--context", options.control.kube_context, "of the kubeconfig (default: its current-context)");
  sluice::app::add_api_server(*check, options.control);
  add_watch_namespace(*check, options.control);
  add_namespace(*check, options.control);
  check->add_flag("--json", checks.json, "as JSON");
  check->add_flag("--all", checks.all, "every problem on a line of its own, also those that repeat");
  check->add_flag(
      "--strict", checks.strict,
      "exit 1 when there are warnings; that Services have no EndpointSlices, and TLS sections no Secret, is "
      "none where there is none of them at all, as in rendered charts");
  add_common(*check, options.control, set);
  // WHERE may be left out: what stands behind a flag's one value is not more of the flag.
  for (auto* option : check->get_options())
    if (option->get_expected_max() > 1) option->allow_extra_args(false);

  std::string method, url, from;
  std::vector<std::string> headers;
  auto* explain = app.add_subcommand("explain", "tell how a request would be routed and why");
  explain->add_option("WHERE", options.control.manifests, "directory of manifests, a file, or - for standard input")
      ->required();
  explain->add_option("METHOD", method, "GET, POST…; tcp or udp for a port that leads to a Service")->required();
  explain->add_option("URL", url, "http(s)://host[:port]/path?query; the port behind tcp or udp")->required();
  add_watch_namespace(*explain, options.control);
  add_namespace(*explain, options.control);
  explain->add_option("-H,--header", headers, "'Name: value', repeatable");
  explain->add_option("--from", from, "the client's address, where the answer depends on it");
  explain->add_flag("--json", as_json, "as JSON");
  add_common(*explain, options.control, set);

  auto* health = app.add_subcommand("health", "ask a running process whether it serves; exit 0 yes, 1 no");
  health->add_option("--admin", options.admin, "ADDR:PORT of its admin address")
      ->capture_default_str()
      ->envname("SLUICE_ADMIN");

  // What `kubectl ingress-nginx` is asked.
  const auto asks = [&](const char* name, const char* what) {
    auto* command = app.add_subcommand(name, what);
    command->add_option("--admin", options.admin, "ADDR:PORT of the admin address of the process that is asked")
        ->capture_default_str()
        ->envname("SLUICE_ADMIN");
    command
        ->add_option("--admin-token-file", options.admin_access.token_file,
                     "file with the token that it wants of whoever is not on its loopback")
        ->envname("SLUICE_ADMIN_TOKEN_FILE");
    return command;
  };
  sluice::app::BackendsQuestion backends_question;
  auto* backends = asks("backends", "print Services and endpoints of a running process, as ingress-nginx's JSON");
  backends->add_option("--backend,NAME", backends_question.name, "NAMESPACE-SERVICE-PORT: this one alone");
  backends->add_flag("--list", backends_question.list, "names alone, one a line");
  sluice::app::IngressesQuestion ingresses_question;
  auto* ingresses =
      asks("ingresses", "print the paths of Ingresses that a running process serves, and where they lead");
  ingresses->add_option("--host", ingresses_question.host, "of this host alone; * is the catch-all");
  ingresses->add_option("-n,--namespace", ingresses_question.ns, "of this namespace alone");
  ingresses->add_flag("--json", ingresses_question.json, "as JSON");
  sluice::app::ConfQuestion conf_question;
  auto* conf = asks("conf", "print what a running process serves, host by host");
  conf->add_option("--host", conf_question.host, "this host alone; * is the catch-all");
  conf->add_flag("--json", conf_question.json, "as JSON: /config, or the part of it that is the host's");
  std::string certificate_host;
  auto* certs = asks("certs", "print the certificate that a running process shows for a host, PEM, without its key");
  certs->add_option("--host", certificate_host, "HOST; _ is the default certificate")->required();

  auto* version = app.add_subcommand("version", "print the version");
  std::string page;
  auto* docs = app.add_subcommand("docs", "print a reference page")->group("");
  docs->add_option("PAGE", page, "configmap, annotations, metrics or rbac")->required();

  app.set_version_flag("--version", "sluice " SLUICE_VERSION " (" SLUICE_COMMIT ")", "print the version");
  judge_booleans(app);
  if (const auto code = without_command(app, argc, argv)) return *code;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    return sluice::app::refuse(e.what());  // of the standard library, that CLI11 lets through
  }
  if (!*serve) sluice::app::forbid_core_dumps();  // serve() has a flag for it; the others read keys and tokens, too
  // Who asked for JSON gets it, whatever there is to say.
  const auto refuse = [&](const std::string& why) {
    const bool json = (*check && checks.json) || (*explain && as_json);
    return json ? sluice::app::fail(why, true, std::cout) : sluice::app::refuse(why);
  };

  if (*version) {
    std::printf("sluice %s (%s)\n", SLUICE_VERSION, SLUICE_COMMIT);
    return 0;
  }
  if (*health) return sluice::app::health(options.admin);
  const sluice::app::AdminAddress admin{options.admin, options.admin_access.token_file};
  if (*backends && backends_question.list && !backends_question.name.empty())
    return refuse("--list and --backend " + backends_question.name + ": expected one of them");
  if (*backends) return sluice::app::print_backends(admin, backends_question, std::cout);
  if (*ingresses) return sluice::app::print_ingresses(admin, ingresses_question, std::cout);
  if (*conf) return sluice::app::print_conf(admin, conf_question, std::cout);
  if (*certs) return sluice::app::print_certificate(admin, certificate_host, std::cout);
  if (*docs) {
    if (page == "configmap")
      std::cout << sluice::control::options_markdown();
    else if (page == "annotations")
      std::cout << sluice::control::annotations_markdown();
    else if (page == "metrics")
      std::cout << sluice::ops::metrics_markdown();
    else if (page == "rbac")
      std::cout << sluice::control::rbac_rules();
    else
      return refuse("docs " + page + ": expected configmap, annotations, metrics or rbac" +
                    sluice::did_you_mean(page, std::vector{"configmap", "annotations", "metrics", "rbac"}));
    return 0;
  }
  if (auto message = take_set(set, options.control); !message.empty()) return refuse(message);
  for (const auto& e : options.control.endpoints)
    if (auto message = check_endpoint(e); !message.empty()) return refuse(message);
  if (*serve && !config_file.empty()) {
    // --set in the file is weaker than --set on the command line, key by key.
    const auto given = options.control.set;
    if (!set.empty()) set.clear();
    if (auto message = sluice::app::apply_config_file(config_file, *serve, options.control); !message.empty())
      return refuse(message);
    if (auto message = take_set(set, options.control); !message.empty()) return refuse(config_file + ": " + message);
    for (const auto& [key, value] : given) options.control.set[key] = value;
  }
  if (*serve)
    if (auto message = nginx_flags.take(*serve, options); !message.empty()) return refuse(message);
  options.notes = nginx_flags.notes();
  if (*serve && !options.control.manifests.empty()) note_idle_beside_manifests(*serve, options.notes);
  if (auto message = check_names(options.control); !message.empty()) return refuse(message);
  if (auto message = take_identity(status, no_election); !message.empty()) return refuse(message);
  auto& source = options.control;
  const bool cluster = kubernetes || !source.kubeconfig.empty() || !source.api_server.empty();
  source.as_service_account = kubernetes;
  if (!source.api_ca.empty() && !cluster)
    return refuse("--certificate-authority " + source.api_ca +
                  ": expected --apiserver-host, --kubernetes or --kubeconfig beside it");
  if (!source.kube_context.empty() && source.kubeconfig.empty())
    return refuse("--context " + source.kube_context + ": expected --kubeconfig beside it, whose it is");
  if (cluster && !options.control.manifests.empty())
    return refuse("--manifests " + options.control.manifests + " and " +
                  (kubernetes                  ? "--kubernetes"
                   : source.kubeconfig.empty() ? "--apiserver-host"
                                               : "--kubeconfig") +
                  ": expected one of them, objects come from files or from a cluster");
  if (!cluster && options.control.manifests.empty())
    return refuse(std::string(*check ? "WHERE" : "--manifests") +
                  ", --kubernetes or --kubeconfig is missing: expected where objects come from");
  const auto* const command = app.get_subcommands().front();
  if (auto message = check_namespace(options.control, command->count("--namespace") > 0, cluster); !message.empty())
    return refuse(message);
  if (auto message = check_namespaces(options.control, cluster); !message.empty()) return refuse(message);
  if (auto message = take_webhook(options, cluster); !message.empty()) return refuse(message);
  std::error_code ec;
  const auto& manifests = options.control.manifests;
  const bool once = *check || *explain;  // they take a file too
  if (!cluster && !std::filesystem::is_directory(manifests, ec) &&
      !(once && (manifests == "-" || std::filesystem::exists(manifests, ec))))
    return refuse(manifests + ": is not a directory " + (once ? "or file " : "") + "that can be read" +
                  (ec ? ": " + ec.message() : "") + "; expected a directory of manifests" +
                  (once ? ", a file, or - for standard input" : ""));
  try {
    if (*check && cluster) sluice::log::start("warn", false);
    if (!*check && !*explain) return sluice::app::serve(options);
    const int said = *check ? sluice::app::run_check(options.control, checks, std::cout)
                            : sluice::app::run_explain(options.control, method, url, headers, from, as_json, std::cout);
    if (!std::cout.flush()) return refuse("what there is to say could not be written to standard output");
    return said;
  } catch (const std::exception& e) {
    return refuse(e.what());
  }
}
