#include "control/kube/error_pages.h"

#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// custom-http-errors, default-backend, disable-proxy-intercept-errors.
namespace sluice::control::annotation {

namespace {

// What the expression of ingress-nginx takes, ^(?:[4,5]\d{2},?)*$ without spaces. Where numbers cannot be read of it,
// it is the annotation alone that does not count.
bool looks_like_statuses(std::string_view written) {
  std::string text(written);
  std::erase(text, ' ');
  const auto digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  for (std::size_t i = 0; i < text.size();) {
    if (std::string_view("45,").find(text[i]) == std::string_view::npos || !digit(i + 1) || !digit(i + 2)) return false;
    i += 3;
    if (i < text.size() && text[i] == ',') ++i;
  }
  return true;
}

std::string read_errors(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  std::vector<std::uint16_t> statuses;
  auto expected = read_statuses(v, statuses);
  if (expected.empty())
    out.error_pages.statuses = std::move(statuses);
  else if (looks_like_statuses(v))
    out.on_invalid = OnInvalid::use_default;
  return expected;
}
std::string print_errors(const ServedRoute& served) {
  return served.settings.error_pages ? statuses_text(served.settings.error_pages->statuses) : "";
}

std::string read_service(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!is_host_name(v, false) || v.find('.') != std::string_view::npos || v.front() < 'a' || v.front() > 'z')
    return "the name of a Service of the Ingress's namespace";
  out.error_pages.service = v;
  return {};
}
std::string print_service(const ServedRoute& served) {
  return served.settings.error_pages ? served.settings.error_pages->service : "";
}

std::string read_no_intercept(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto off = parse_bool(v);
  if (!off) return "true or false";
  out.error_pages.of_pods = !*off;
  return {};
}
std::string print_no_intercept(const ServedRoute& served) {
  return truth(served.settings.error_pages && !served.settings.error_pages->of_pods);
}

constexpr std::array kErrorPagesRows{
    Annotation{.name = "custom-http-errors",
               .value = {"list of statuses", read_errors, print_errors, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .option = "custom-http-errors",
               .doc = "errors that default-backend answers in place of ([error pages](error-pages.md))"},
    Annotation{.name = "default-backend",
               .value = {"name of a Service", read_service, print_service, White::none},
               .on_invalid = OnInvalid::drop,
               .otherwise = "--default-backend-service",
               .doc =
                   "Service of the namespace that answers in place of errors, and of a Service without endpoints, by "
                   "its first port"},
    Annotation{
        .name = "disable-proxy-intercept-errors",
        .value = {"boolean", read_no_intercept, print_no_intercept, White::none},
        .initial = "false",
        .needs = "custom-http-errors",
        .doc = "true: errors of pods are passed on as they are, and only our own are answered by default-backend"},
};

void finish_error_pages(AnnotationResult& out) {
  const auto& written = out.values.error_pages;
  auto& pages = out.values.settings.error_pages;
  model::ErrorPages made = pages ? *pages : model::ErrorPages{};
  if (!written.statuses.empty()) made.statuses = written.statuses;
  made.service = written.service;
  made.of_pods = written.of_pods || made.statuses.empty();
  if (made == model::ErrorPages{})
    pages.reset();
  else
    pages = std::move(made);
}

}  // namespace

AnnotationFamily error_pages() {
  return {kErrorPagesRows, finish_error_pages};
}

}  // namespace sluice::control::annotation
