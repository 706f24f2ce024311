#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// fastcgi-*: what FastCGI pods get beside the fields of a request.
namespace sluice::control::annotation {

namespace {

using model::Fastcgi;
using model::Severity;

constexpr std::string_view kFastcgiIndex = "fastcgi-index", kFastcgiParams = "fastcgi-params-configmap",
                           kFastcgiKeep = "fastcgi-keep-conn";
constexpr std::size_t kShownKeys = 3;  // keys of a ConfigMap that a message names

std::string fastcgi_field(std::string_view annotation) {
  return "metadata.annotations[" + std::string(annotation) + "]";
}

std::string read_fastcgi_index(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, ".-_")) return "the name of a file, of letters, digits and .-_";
  out.fastcgi.index = v;
  out.fastcgi.beside.emplace_back(kFastcgiIndex, v);
  return {};
}

std::string print_fastcgi_index(const ServedRoute& served) {
  return served.settings.fastcgi ? served.settings.fastcgi->index : "";
}

// Reads a key of the ConfigMap. Returns what was expected; `drops`: ingress-nginx drops the Ingress for it, and does
// not leave it to nginx, which would take no configuration from then on.
std::string read_fastcgi_param(const std::string& name, const std::string& text, model::FastcgiParam& out,
                               bool& drops) {
  drops = true;
  if (name.empty() || !made_of(name, ".-_")) return "a name of letters, digits and .-_";
  if (!made_of(text, "-_${}/.")) return "a value of letters, digits and -_${}/.";
  drops = false;
  out = {name, Template(text)};
  return wrong_variables(out.value, true);
}

// What a ConfigMap says, as WrittenFastcgi has it.
struct ReadParams {
  model::Common<std::vector<model::FastcgiParam>> params;
  std::vector<WrongHeader> wrong;
  std::size_t more = 0;
  bool drops = false;
};

ReadParams read_fastcgi_params(const ConfigMap& map) {
  ReadParams out;
  std::vector<model::FastcgiParam> params;
  std::size_t bytes = 0, variables = 0;
  for (const auto& [name, text] : map.data) {
    model::FastcgiParam param;
    bool drops = false;
    auto expected = read_fastcgi_param(name, text, param, drops);
    if (expected.empty()) {
      bytes += name.size() + text.size();
      variables += static_cast<std::size_t>(
          std::ranges::count_if(param.value.parts(), [](const auto& p) { return p.variable != kLiteral; }));
      if (params.size() == Fastcgi::kMostParams || bytes > Fastcgi::kMostBytes || variables > Fastcgi::kMostVariables)
        expected = "at most " + std::to_string(Fastcgi::kMostParams) + " parameters, " +
                   size_text(Fastcgi::kMostBytes) + " and " + std::to_string(Fastcgi::kMostVariables) +
                   " variables in all";
    }
    if (expected.empty()) {
      params.push_back(std::move(param));
      continue;
    }
    out.drops = out.drops || drops;
    if (out.wrong.size() < kShownKeys)
      out.wrong.push_back({"data[" + shorten(name) + "]", shorten(text), std::move(expected), false});
    else
      ++out.more;
  }
  auto all = model::default_fastcgi().params.get();
  std::erase_if(all, [&](const auto& own) {
    return std::ranges::find(params, own.name, &model::FastcgiParam::name) != params.end();
  });
  all.insert(all.end(), std::make_move_iterator(params.begin()), std::make_move_iterator(params.end()));
  out.params = std::move(all);
  return out;
}

std::string read_params_map(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  if (!made_of(v, "-._~/:")) return "NAME or NAMESPACE/NAME of a ConfigMap";
  auto& written = out.fastcgi;
  written.config_map = v;
  written.beside.emplace_back(kFastcgiParams, v);
  if (std::ranges::count(v, '/') > 1) return {};
  const auto slash = v.find('/');
  auto ns = slash == std::string_view::npos ? std::string_view{} : v.substr(0, slash);
  if (ns.empty()) ns = context.ns();
  written.foreign = ns != context.ns() && !context.options.allow_cross_namespace_resources;
  if (written.foreign) return {};
  written.map_key.append(ns).append("/").append(v.substr(slash == std::string_view::npos ? 0 : slash + 1));
  const ConfigMap* map = context.look_up.config_map(written.map_key);
  written.missing = map == nullptr;
  if (map == nullptr) return {};
  const auto& read = context.look_up.readings().of(*map, kFastcgiParams, [&] { return read_fastcgi_params(*map); });
  written.params = read.params;
  written.wrong = read.wrong;
  written.more = read.more;
  written.drops = read.drops;
  return {};
}

std::string print_params_map(const ServedRoute& served) {
  return served.settings.fastcgi ? served.settings.fastcgi->config_map : "";
}

std::string read_keep_conn(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.fastcgi.keep_connections = *b;
  out.fastcgi.beside.emplace_back(kFastcgiKeep, v);
  return {};
}

std::string print_keep_conn(const ServedRoute& served) {
  return truth(served.settings.fastcgi && served.settings.fastcgi->keep_connections);
}

constexpr std::array kFastcgiRows{
    Annotation{.name = kFastcgiIndex,
               .value = {"name of a file", read_fastcgi_index, print_fastcgi_index, White::spaces},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .needs = "backend-protocol",
               .doc = "what stands behind a path that ends in a slash, in `$fastcgi_script_name` and so in SCRIPT_NAME "
                      "([FastCGI](fastcgi.md))"},
    Annotation{.name = kFastcgiKeep,
               .value = {"boolean", read_keep_conn, print_keep_conn, White::none},
               .initial = "false",
               .needs = "backend-protocol",
               .doc = "Sluice's own: FastCGI pods are asked to keep connections, for those that do not serve one "
                      "connection at a time, as php-fpm's processes do ([FastCGI](fastcgi.md#connections))"},
    Annotation{.name = kFastcgiParams,
               .value = {"NAME or NAMESPACE/NAME", read_params_map, print_params_map, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .needs = "backend-protocol",
               .doc = "ConfigMap whose data are parameters for FastCGI pods, with "
                      "[variables](variables.md); one that is missing closes the paths (503), one with data that "
                      "cannot be used the Ingress ([FastCGI](fastcgi.md#parameters))"},
};

// What cannot be used of the ConfigMap, as ingress-nginx has it. True: the rest is used.
bool judge_params(AnnotationResult& out) {
  const auto& written = out.values.fastcgi;
  const auto report = [&](const char* reason, std::string expected, const char* consequence) {
    out.problems.push_back({Severity::error, reason, fastcgi_field(kFastcgiParams), shorten(written.config_map),
                            std::move(expected), consequence});
    return false;
  };
  static constexpr const char* kClosed = "the paths of this Ingress answer 503";
  if (written.foreign)
    return report("InvalidAnnotation",
                  "a ConfigMap of the Ingress's namespace, as allow-cross-namespace-resources is false",
                  "fastcgi-index and fastcgi-params-configmap have no effect");
  if (written.map_key.empty() || written.missing || !written.wrong.empty()) {
    if (written.drops)
      out.dropped = true;
    else
      add_element(out.closing.denied, kFastcgiParams);
  }
  if (written.map_key.empty()) return report("InvalidAnnotation", "NAME or NAMESPACE/NAME of a ConfigMap", kClosed);
  if (written.missing) return report("MissingConfigMap", "a ConfigMap that exists", kClosed);
  if (written.wrong.empty()) return true;
  std::string expected;
  for (const auto& wrong : written.wrong) add_element(expected, wrong.field + ": " + wrong.expected);
  if (written.more > 0) expected += " and " + std::to_string(written.more) + " more";
  return report("InvalidConfigMap", std::move(expected), written.drops ? "the Ingress is not served" : kClosed);
}

void finish_fastcgi(AnnotationResult& out) {
  auto& written = out.values.fastcgi;
  if (written.beside.empty()) return;
  const bool usable = written.config_map.empty() || judge_params(out);
  if (out.values.settings.protocol != model::BackendProtocol::fcgi) {
    for (const auto& [name, value] : written.beside)
      out.problems.push_back({Severity::warning, "NoEffect", fastcgi_field(name), shorten(value),
                              "backend-protocol: FCGI beside it", "it has no effect"});
    return;
  }
  Fastcgi made = model::default_fastcgi();
  made.keep_connections = written.keep_connections;
  if (usable) {
    made.index = std::move(written.index);
    made.config_map = std::move(written.map_key);
    if (!written.params.empty()) made.params = std::move(written.params);
  }
  out.values.settings.fastcgi = std::move(made);
}

}  // namespace

AnnotationFamily fastcgi() {
  return {kFastcgiRows, finish_fastcgi};
}

}  // namespace sluice::control::annotation
