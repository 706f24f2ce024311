// Snippets of nginx for all servers and locations.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"
#include "control/kube/snippet/maps.h"

namespace sluice::control::options_of {

namespace {

using snippet::Context;

// What both come to together.
void settle(Options& o) {
  const auto server = snippet::of_option(o.server_snippet, Context::server, o.http_snippet);
  const auto location = snippet::of_option(o.location_snippet, Context::location, o.http_snippet);
  o.snippet = snippet::settle(server.get(), location.get(), false);
}

template <auto M, Context Where>
std::string read_snippet(std::string_view v, Options& o) {
  if (const auto refused = snippet::refusal_of_option(v, Where, &o.http_snippet))
    return refused->text() + ": expected " + refused->expected;
  o.*M = v;
  settle(o);
  return {};
}

void inherit_snippet(const Options& in, RouteSettings& out) {
  out.snippet = in.snippet;
  if (const auto location = snippet::of_option(in.location_snippet, Context::location, in.http_snippet))
    for (const auto& change : location->changes) change(out);
  if (const auto server = snippet::of_option(in.server_snippet, Context::server, in.http_snippet))
    for (const auto& change : server->far_changes) change(out);
}

std::string read_http(std::string_view v, Options& o) {
  const auto made = snippet::read_maps(v);
  if (!made) return made.error().text() + ": expected " + made.error().expected;
  o.http_snippet = v;
  settle(o);
  return {};
}

constexpr std::array kSnippetRows{
    Option{"http-snippet",
           {"text of nginx", read_http, print_text<&Options::http_snippet>, false, true},
           "maps, whose variables snippets may name ([snippets](snippets.md)); what else one holds closes everything"},
    Option{"location-snippet",
           {"text of nginx", read_snippet<&Options::location_snippet, Context::location>,
            print_text<&Options::location_snippet>, false, true},
           "what is done with the requests of every path, in nginx's words, which are compiled "
           "([snippets](snippets.md)); one that cannot be closes everything",
           inherit_snippet},
    Option{"server-snippet",
           {"text of nginx", read_snippet<&Options::server_snippet, Context::server>,
            print_text<&Options::server_snippet>, false, true},
           "the same, before a path is chosen ([snippets](snippets.md)); one that cannot be compiled closes everything",
           inherit_snippet},
};

}  // namespace

std::span<const Option> snippets() {
  return kSnippetRows;
}

}  // namespace sluice::control::options_of
