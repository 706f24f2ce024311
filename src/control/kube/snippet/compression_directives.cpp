// gzip and brotli of a location: what they say stands in place of the options of the same name.
#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/media_type.h"
#include "control/kube/snippet/families.h"
#include "model/settings/route_settings.h"

namespace sluice::control::snippet {

namespace {

using model::RouteCoding;
using model::RouteCompression;
using model::RouteSettings;

template <class F>
std::string change(Reader& r, const Directive& d, F&& how) {
  r.change(
      d,
      [how](RouteSettings& s) {
        RouteCompression own = s.compression ? *s.compression : RouteCompression{};
        how(own);
        s.compression = std::move(own);
      },
      true);
  return {};
}

RouteCoding RouteCompression::* coding_of(const Directive& d) {
  return d.name.starts_with("gzip") ? &RouteCompression::gzip : &RouteCompression::brotli;
}

}  // namespace

std::string read_coding(Reader& r, const Directive& d) {
  if (r.where() == Context::if_in_location) {
    r.say(d, "whether a response is compressed is said for a location, not for some of its requests");
    return {};
  }
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  return change(r, d, [of = coding_of(d), on = *on](RouteCompression& c) { (c.*of).on = on; });
}

std::string read_coding_level(Reader& r, const Directive& d) {
  const bool gzip = d.name.starts_with("gzip");
  const auto n = parse_int(d.words[0].text);
  if (!n || *n < (gzip ? 1 : 0) || *n > (gzip ? 9 : 11)) return gzip ? "a number from 1 to 9" : "a number from 0 to 11";
  return change(r, d,
                [of = coding_of(d), n = static_cast<std::uint32_t>(*n)](RouteCompression& c) { (c.*of).level = n; });
}

std::string read_coding_min_length(Reader& r, const Directive& d) {
  const auto size = parse_size(d.words[0].text);
  if (!size || *size > (1U << 30)) return "a size such as 1k";
  return change(r, d, [of = coding_of(d), n = static_cast<std::uint32_t>(*size)](RouteCompression& c) {
    (c.*of).min_length = n;
  });
}

std::string read_coding_types(Reader& r, const Directive& d) {
  std::vector<std::string> types;
  for (const Word& word : d.words) {
    if (word.text != "*" && !is_media_type(word.text)) return "media types such as application/json, or *";
    types.push_back(lower(word.text));
  }
  return change(r, d, [of = coding_of(d), types](RouteCompression& c) { (c.*of).types = types; });
}

std::string read_gzip_vary(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  return change(r, d, [on = *on](RouteCompression& c) { c.vary = on; });
}

std::string read_gzip_proxied(Reader& r, const Directive& d) {
  if (d.words.size() != 1 || d.words[0].text != "any")
    r.say(d, "requests that came by a proxy are treated as all others: gzip_proxied any, as ingress-nginx has it");
  return {};
}

}  // namespace sluice::control::snippet
