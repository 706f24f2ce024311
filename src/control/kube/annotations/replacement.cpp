#include "control/kube/replacement.h"

#include <array>

#include "control/kube/annotations/values.h"

// proxy-redirect-from and -to, proxy-cookie-domain and proxy-cookie-path.
namespace sluice::control::annotation {

namespace {

// What ingress-nginx lets stand in them.
constexpr std::string_view kUrl = "-._~/:,?&=", kDomain = "-._~/:";

std::string read_redirect_from(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.redirect_from = true;
  return read_replaced(v, kUrl, out.settings.redirect_replacement);
}
std::string print_redirect_from(const ServedRoute& served) {
  return replaced_text(served.settings.redirect_replacement);
}
std::string read_redirect_to(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.redirect_to = true;
  return read_replacing(v, kUrl, out.settings.redirect_replacement);
}
std::string print_redirect_to(const ServedRoute& served) {
  return replacing_text(served.settings.redirect_replacement);
}
std::string read_cookie_domain(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_replacement(v, kDomain, out.settings.cookie_domain);
}
std::string print_cookie_domain(const ServedRoute& served) {
  return replacement_text(served.settings.cookie_domain);
}
std::string read_cookie_path(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_replacement(v, kUrl, out.settings.cookie_path);
}
std::string print_cookie_path(const ServedRoute& served) {
  return replacement_text(served.settings.cookie_path);
}

constexpr std::array kReplacementRows{
    Annotation{.name = "proxy-cookie-domain",
               .value = {"off or two texts", read_cookie_domain, print_cookie_domain, White::none},
               .risk = model::Risk::medium,
               .option = "proxy-cookie-domain",
               .doc = "a Domain of cookies that pods set, and the one that clients get ([responses](responses.md))"},
    Annotation{.name = "proxy-cookie-path",
               .value = {"off or two texts", read_cookie_path, print_cookie_path, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .option = "proxy-cookie-path",
               .doc = "what a Path of cookies that pods set begins with, and what it begins with for clients "
                      "([responses](responses.md))"},
    Annotation{
        .name = "proxy-redirect-from",
        .value = {"text or regular expression", read_redirect_from, print_redirect_from, White::spaces_or_absent},
        .risk = model::Risk::medium,
        .option = "proxy-redirect-from",
        .needs = "proxy-redirect-to",
        .doc = "what Location and Refresh of pods begin with; off and default: they stay "
               "([responses](responses.md))"},
    Annotation{.name = "proxy-redirect-to",
               .value = {"text", read_redirect_to, print_redirect_to, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .option = "proxy-redirect-to",
               .needs = "proxy-redirect-from",
               .doc = "what they begin with for clients; off: they stay"},
};

// One of the two alone changes nothing. Whoever writes "off" means it.
void finish_replacement(AnnotationResult& out) {
  auto& redirect = out.values.settings.redirect_replacement;
  const bool from = out.values.redirect_from, to = out.values.redirect_to;
  if ((!from && !to) || !redirect || redirect->used()) return;
  const auto say = [&](const char* field, std::string_view value, const char* lacking) {
    out.problems.push_back({model::Severity::warning, "NoEffect", field, shorten(value), lacking,
                            "Location and Refresh of pods stay as they are"});
  };
  if (from && !to && redirect->from != "off" && redirect->from != "default")
    say("metadata.annotations[proxy-redirect-from]", redirect->from, "proxy-redirect-to beside it");
  if (to && !from && redirect->to.text() != "off")
    say("metadata.annotations[proxy-redirect-to]", redirect->to.text(), "proxy-redirect-from beside it");
  redirect.reset();
}

}  // namespace

AnnotationFamily replacement() {
  return {kReplacementRows, finish_replacement};
}

}  // namespace sluice::control::annotation
