#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

// None can be had where disable-access-log says so.
std::string read_access_log(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.settings.access_log = *b && !context.options.disable_access_log;
  return {};
}
std::string print_access_log(const ServedRoute& served) {
  return truth(served.settings.access_log);
}

constexpr std::array kAccessLogRows{
    Annotation{.name = "enable-access-log",
               .value = {"boolean", read_access_log, print_access_log, White::none},
               .initial = "true",
               .option = "disable-access-log",
               .doc = "log the requests of this Ingress"},
};

}  // namespace

AnnotationFamily access_log() {
  return {kAccessLogRows};
}

}  // namespace sluice::control::annotation
