#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// custom-headers: fields of responses, by a ConfigMap.
namespace sluice::control::annotation {

namespace {

using model::Severity;

constexpr std::string_view kCustomHeaders = "custom-headers";

std::string read_map_name(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  if (!names_config_map(v)) return "NAMESPACE/NAME of a ConfigMap";
  const auto ns = v.substr(0, v.find('/'));
  if (ns != context.ns() && !context.options.allow_cross_namespace_resources)
    return "a ConfigMap of the Ingress's namespace, not of " + shorten(ns) +
           ", as allow-cross-namespace-resources is false";
  out.headers.config_map = v;
  const ConfigMap* map = context.look_up.config_map(v);
  out.headers.missing = map == nullptr;
  if (map == nullptr) return {};
  const auto& read = context.look_up.readings().of(*map, kCustomHeaders, [&] {
    return named_headers(*map, read_literal_headers(map->data, context.options.global_allowed_response_headers));
  });
  out.headers.wrong = read.wrong;
  out.headers.more = read.more;
  if (read.headers) out.settings.custom_headers = read.headers;
  return {};
}

std::string print_map_name(const ServedRoute& served) {
  return served.settings.custom_headers ? served.settings.custom_headers->config_map : "";
}

constexpr std::array kHeaderRows{
    Annotation{.name = kCustomHeaders,
               .value = {"NAMESPACE/NAME", read_map_name, print_map_name, White::spaces_or_absent},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .doc = "ConfigMap whose data are headers of all responses of its paths, of those that "
                      "`global-allowed-response-headers` lists; without one that can be used the paths answer 503 "
                      "([headers](headers.md))"},
};

// A ConfigMap that is not there, or whose headers are not all to be set. As in ingress-nginx nobody is served then.
void finish_headers(AnnotationResult& out) {
  const auto& written = out.values.headers;
  const auto deny = [&](const char* reason, std::string expected) {
    add_element(out.closing.denied, kCustomHeaders);
    out.problems.push_back({Severity::error, reason, "metadata.annotations[" + std::string(kCustomHeaders) + "]",
                            shorten(written.config_map), std::move(expected), "the paths of this Ingress answer 503"});
  };
  if (written.missing) return deny("MissingConfigMap", "a ConfigMap that exists");
  if (written.wrong.empty()) return;
  const std::size_t shown = std::min<std::size_t>(written.wrong.size(), 3);
  std::string expected;
  for (std::size_t i = 0; i < shown; ++i)
    add_element(expected, written.wrong[i].field + ": " + written.wrong[i].expected);
  const std::size_t more = written.wrong.size() - shown + written.more;
  if (more > 0) expected += " and " + std::to_string(more) + " more";
  deny("InvalidConfigMap", std::move(expected));
}

}  // namespace

AnnotationFamily custom_headers() {
  return {kHeaderRows, finish_headers};
}

}  // namespace sluice::control::annotation
