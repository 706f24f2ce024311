// proxy_pass, which leads to another Service, and mirror, which copies to one.
#include <algorithm>

#include "base/percent.h"
#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/header_map.h"
#include "control/kube/snippet/families.h"

namespace sluice::control::snippet {

namespace {

using model::SnippetStep;
using Kind = SnippetStep::Kind;

}  // namespace

std::string read_pass(Reader& r, const Directive& d) {
  if (!r.nested())
    return "no proxy_pass here: the paths of an Ingress lead to its Service, and nginx takes no second one; "
           "a location of a server-snippet may have one";
  std::string_view url = d.words[0].text;
  r.block().mirror_url = url;
  Pass pass;
  if (url.starts_with("https://"))
    pass.tls = true;
  else if (!url.starts_with("http://"))
    return "an URL that begins with http:// or https://";
  url.remove_prefix(pass.tls ? 8 : 7);
  const auto end = std::min(url.find_first_of("/?$"), url.size());
  const auto authority = url.substr(0, end);
  const auto rest = url.substr(end);
  if (authority.empty()) return "a host that is written out: which Service it is must be known beforehand";
  const auto colon = authority.rfind(':');
  const bool bracketed = authority.starts_with('[');
  if (bracketed && authority.find(']') == std::string_view::npos) return "a host with an optional port";
  const bool has_port = colon != std::string_view::npos && (!bracketed || colon > authority.find(']'));
  pass.port = has_port ? std::string(authority.substr(colon + 1)) : pass.tls ? "443" : "80";
  pass.host_header = authority;
  std::string host = lower(authority.substr(0, has_port ? colon : authority.size()));
  if (host.ends_with('.')) host.pop_back();
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!is_port(pass.port) || pass.port.empty()) return "a port from 1 to 65535";
  if (host == "upstream_balancer") {
    pass.host = host;
    pass.service = false;
  } else if (is_ipv4(host) || is_ipv6(host)) {
    pass.host = host;
  } else {
    if (!is_host_name(host, false)) return "a host name or an address";
    const auto dot = host.find('.');
    if (dot == std::string::npos)
      return "a Service by its whole name, as " + host + "." + std::string(r.ns()) +
             ".svc.cluster.local: what a short one is depends on where nginx runs";
    const std::string_view behind = std::string_view(host).substr(dot + 1);
    const auto next = behind.find('.');
    const std::string_view ns = behind.substr(0, next);
    const std::string_view suffix = next == std::string_view::npos ? std::string_view() : behind.substr(next + 1);
    const bool in_cluster = suffix == "svc" || suffix == "svc.cluster.local" || (suffix.empty() && ns == r.ns());
    if (in_cluster && ns != r.ns())
      return "a Service of the namespace " + std::string(r.ns()) + ", not of " + shorten(ns) +
             ": a snippet does not reach another namespace";
    pass.service = in_cluster;
    pass.host = in_cluster ? host.substr(0, dot) : host;
  }
  if (!rest.empty() && rest != "$request_uri") {
    SnippetStep step;
    Word word = d.words[0];
    // nginx sends it as it is written, a `?` and escapes among it. What no target may hold would break the request.
    word.text.clear();
    append_encoded(rest, word.text, [](std::uint8_t byte) { return byte > ' ' && byte < 0x7f; });
    const bool variables = rest.find('$') != std::string_view::npos;
    step.kind = variables ? Kind::target : Kind::replace;
    if (!rest.starts_with('/') && !(variables && rest.starts_with("$uri")))
      return "a path behind the host, $request_uri or nothing";
    if (rest.starts_with("$uri")) return "nothing behind the host in place of $uri, which would be sent undecoded";
    if (has_control(rest)) return "a path without control characters";
    if (auto expected = r.text(word, Reader::For::request, step.text); !expected.empty()) return expected;
    r.block().pass = std::move(pass);
    r.keep_for_end(std::move(step));
    return {};
  }
  r.block().pass = std::move(pass);
  if (rest.empty()) return {};
  SnippetStep step;
  step.kind = Kind::original;
  r.keep_for_end(std::move(step));
  return {};
}

std::string read_pass_body(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.block().without_body = !*on;
  return {};
}

std::string read_pass_headers(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on || !*on) return "on, or proxy_set_header NAME \"\" for each of them";
  r.say(d, "pods get what clients send");
  return {};
}

std::string read_mirror(Reader& r, const Directive& d) {
  if (d.words[0].text == "off") {
    r.say(d, "mirror-target says whether there are copies");
    return {};
  }
  if (!d.words[0].text.starts_with('/')) return "the path of a location, or off";
  r.keep_mirror(d.at, d.words[0].text);
  return {};
}

std::string read_mirror_body(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.block().mirror_body = *on;
  return {};
}

}  // namespace sluice::control::snippet
