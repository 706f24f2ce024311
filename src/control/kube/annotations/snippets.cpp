#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"
#include "control/kube/snippet/maps.h"

// configuration-snippet, server-snippet and auth-snippet.
namespace sluice::control::annotation {

namespace {

using model::Severity;
using snippet::Block;
using snippet::Context;

// What is read here is judged in finish_snippets(), which knows all of them.
template <Context Where, WrittenSnippet WrittenSnippets::* Which>
std::string read_snippet(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  WrittenSnippet& written = out.snippets.*Which;
  written.text = v;
  if (!context.options.allow_snippet_annotations) {
    written.forbidden = true;
    return {};
  }
  auto read = snippet::read(v, Where, context.ns());
  if (!read) {
    written.refusal = std::move(read.error());
    return {};
  }
  // Copies are those of the annotation, which counts where it is there as well.
  if (const std::string& url = read->mirror; !url.empty() && out.mirror.mirror.url.empty()) {
    const auto row = std::ranges::find(annotations(), std::string_view("mirror-target"), &Annotation::name);
    if (auto expected = row->value.parse(url, context, out); !expected.empty()) {
      written.refusal = snippet::Refusal{{}, "mirror", std::move(expected)};
      return {};
    }
    if (read->mirror_body) out.mirror.mirror.body = *read->mirror_body;
  }
  written.block = std::make_shared<const Block>(std::move(*read));
  return {};
}

// Whoever accepts that a snippet is not served means one that is not.
template <Context Where>
bool is_readable(std::string_view v) {
  return snippet::read(v, Where, "").has_value();
}

std::string print_configuration(const ServedRoute& served) {
  const auto& snippet = served.settings.snippet;
  if (!snippet || !served.settings.snippet->own) return "";
  const auto bar = snippet->written.find(" | ");
  return snippet->of_server ? snippet->written.substr(bar == std::string::npos ? 0 : bar + 3) : snippet->written;
}
std::string print_server(const ServedRoute& served) {
  const auto& snippet = served.settings.snippet;
  if (!snippet || !snippet->of_server) return "";
  return snippet->own ? snippet->written.substr(0, snippet->written.find(" | ")) : snippet->written;
}
std::string print_auth(const ServedRoute& served) {
  return served.settings.external_auth ? served.settings.external_auth->snippet : "";
}

constexpr std::array kSnippetRows{
    Annotation{.name = "auth-snippet",
               .value = {"text of nginx", read_snippet<Context::location, &WrittenSnippets::auth>, print_auth,
                         White::any_or_absent},
               .risk = model::Risk::critical,
               .lines = true,
               .serves = is_readable<Context::location>,
               .doc = "headers that the service of auth-url gets, by `proxy_set_header` ([snippets](snippets.md))"},
    Annotation{.name = "configuration-snippet",
               .value = {"text of nginx", read_snippet<Context::location, &WrittenSnippets::configuration>,
                         print_configuration, White::any_or_absent},
               .risk = model::Risk::critical,
               .option = "location-snippet",
               .lines = true,
               .serves = is_readable<Context::location>,
               .doc = "what is to be done with requests of its paths, in nginx's words, which are compiled "
                      "([snippets](snippets.md))"},
    Annotation{.name = "server-snippet",
               .value = {"text of nginx", read_snippet<Context::server, &WrittenSnippets::server>, print_server,
                         White::any_or_absent},
               .risk = model::Risk::critical,
               .scope = Scope::host,
               .option = "server-snippet",
               .lines = true,
               .serves = is_readable<Context::server>,
               .doc = "the same for all requests of its namespace at its hosts, with locations of its own; of several "
                      "the oldest Ingress's counts ([snippets](snippets.md))"},
};

std::string field_of(std::string_view name) {
  return "metadata.annotations[" + std::string(name) + "]";
}

void refuse(AnnotationResult& out, std::string_view name, const snippet::Refusal& refusal, bool host) {
  add_element(host ? out.closing.of_namespace : out.closing.denied, name);
  out.problems.push_back(
      {Severity::error, "RefusedSnippet", field_of(name), refusal.text(), refusal.expected,
       host ? "all paths of its namespace at its hosts answer 503" : "the paths of this Ingress answer 503"});
}

void say_all(AnnotationResult& out, std::string_view name, const Block& block) {
  std::size_t said = 0;
  for (const auto& one : block.said) {
    if (++said > 20) break;
    out.problems.push_back({Severity::ignored, "NoEffect", field_of(name),
                            snippet::Refusal{one.at, one.directive, ""}.text(), "no such directive: " + one.because,
                            "it has no effect"});
  }
}

// Variables that none of the snippets sets: nginx takes no configuration with such.
bool unknown_variable(AnnotationResult& out, std::string_view name, const Block& block,
                      const std::set<std::string>& known, bool host) {
  for (const auto& used : block.uses) {
    if (known.contains(used.name)) continue;
    refuse(out, name,
           {used.at, "$" + used.name,
            "a variable of docs/variables.md, or one that a snippet of the Ingress sets" + because_absent(used.name)},
           host);
    return true;
  }
  return false;
}

void finish_auth(AnnotationResult& out, const WrittenSnippet& written) {
  static constexpr std::string_view kName = "auth-snippet";
  const Block& block = *written.block;
  auto& auth = out.values.settings.external_auth;
  const bool more = !block.steps.empty() || block.levels != std::vector<model::SnippetLevel>(1) ||
                    !block.access.empty() || block.asks || !block.auth.empty() || !block.locations.empty() ||
                    !block.limits.empty() || !block.changes.empty() || block.internal || block.satisfy_any ||
                    block.without_body || !block.errors.empty();
  if (more)
    return refuse(out, kName, {{}, "", "proxy_set_header alone: what else nginx would do for the question is not done"},
                  false);
  if (!auth) {
    out.problems.push_back({Severity::warning, "NoEffect", field_of(kName), shorten(written.text), "auth-url beside it",
                            "it has no effect"});
    return;
  }
  model::ExternalAuth with = *auth;
  model::HeaderMap headers = with.request_headers ? *with.request_headers : model::HeaderMap{};
  for (const auto& line : block.request) {
    std::erase_if(headers.lines, [&](const auto& other) { return iequals(other.name, line.name); });
    headers.lines.push_back({line.name, line.value});
  }
  with.request_headers = std::move(headers);
  with.snippet = block.written;
  auth = std::move(with);
}

void finish_configuration(AnnotationResult& out, const WrittenSnippet& written) {
  static constexpr std::string_view kName = "configuration-snippet";
  const Block& block = *written.block;
  auto& settings = out.values.settings;
  const bool lists = out.values.allowlist || out.values.denylist;
  if (!block.access.empty() && lists)
    return refuse(out, kName,
                  {{},
                   block.access.front().allow ? "allow" : "deny",
                   "one list: the annotations allowlist-source-range and denylist-source-range are there as well"},
                  false);
  if (block.asks && !block.asks->empty() && settings.external_auth) {
    const bool own = !out.values.external_auth.auth.url.empty();
    return refuse(out, kName,
                  {block.asks_at, "auth_request",
                   own ? "no second one: the annotation auth-url is one, and nginx takes no duplicate"
                       : "no second one: the option global-auth-url is one, and nginx takes no duplicate; the "
                         "annotation enable-global-auth: \"false\" leaves it out"},
                  false);
  }
  const auto asks = [](const Block* of) { return of != nullptr && of->asks && !of->asks->empty(); };
  if (!block.auth.empty() && !settings.external_auth && !asks(&block) && !asks(out.values.snippets.server.block.get()))
    return refuse(out, kName, {{}, "auth_request_set", "auth_request or auth-url beside it: nobody is asked"}, false);
  if (block.internal)
    return refuse(out, kName, {{}, "internal", "it in a location of a server-snippet: nobody reaches such paths"},
                  false);
  // It becomes one of the ways in when all is known that the host says (HostBuilder::settings_of).
  const bool any = block.satisfy_any.value_or(settings.satisfy_any);
  if (any && !block.access.empty() && !snippet::as_ranges(block.access))
    return refuse(out, kName,
                  {{}, "satisfy any", "addresses that are denied, then those that are allowed, then `deny all`"},
                  false);
  for (const auto& change : block.changes) change(settings);
  if (block.satisfy_any) {
    settings.satisfy_any = *block.satisfy_any;
    out.values.auth.satisfy = true;
  }
  if (settings.external_auth && !block.auth.empty()) {
    model::ExternalAuth with = *settings.external_auth;
    with.variables = block.auth;
    settings.external_auth = std::move(with);
  }
}

// What the ConfigMap says stands in the same blocks, in front.
std::shared_ptr<const Block> behind(const std::shared_ptr<const Block>& first,
                                    const std::shared_ptr<const Block>& second) {
  if (!first || !second) return first ? first : second;
  return std::make_shared<const Block>(snippet::joined(*first, *second));
}

void finish_snippets(AnnotationResult& out) {
  auto& all = out.values.snippets;
  struct Of {
    std::string_view name;
    WrittenSnippet& written;
    bool host;
  };
  const std::array of{Of{"auth-snippet", all.auth, false}, Of{"configuration-snippet", all.configuration, false},
                      Of{"server-snippet", all.server, true}};
  std::set<std::string> known;
  for (const auto& block :
       {snippet::of_option(out.options->server_snippet, Context::server, out.options->http_snippet),
        snippet::of_option(out.options->location_snippet, Context::location, out.options->http_snippet)})
    if (block) known.insert(block->sets.begin(), block->sets.end());
  const auto maps = snippet::maps_or_none(out.options->http_snippet);
  for (const Of& one : of) {
    if (!one.written.block) continue;
    Block with = *one.written.block;
    one.written.refusal = snippet::insert(*maps, with);
    if (one.written.refusal)
      one.written.block = nullptr;
    else
      one.written.block = std::make_shared<const Block>(std::move(with));
  }
  for (const Of& one : of)
    if (one.written.block) known.insert(one.written.block->sets.begin(), one.written.block->sets.end());
  for (const Of& one : of) {
    if (one.written.text.empty()) continue;
    if (one.written.forbidden) {
      out.problems.push_back({Severity::error, "UnsupportedAnnotation", field_of(one.name), shorten(one.written.text),
                              "no snippet: allow-snippet-annotations is false", "the Ingress is served without it"});
    } else if (one.written.refusal) {
      refuse(out, one.name, *one.written.refusal, one.host);
    } else if (unknown_variable(out, one.name, *one.written.block, known, one.host)) {
      one.written.block = nullptr;
    } else {
      say_all(out, one.name, *one.written.block);
      if (&one.written == &all.auth) finish_auth(out, one.written);
      if (&one.written == &all.configuration) finish_configuration(out, one.written);
    }
  }
  const auto global_server =
      snippet::of_option(out.options->server_snippet, Context::server, out.options->http_snippet);
  const auto global_location =
      snippet::of_option(out.options->location_snippet, Context::location, out.options->http_snippet);
  const bool lists = out.values.allowlist || out.values.denylist;
  all.configuration.block = behind(global_location, all.configuration.block);
  if (all.server.block) all.server.block = behind(global_server, all.server.block);
  if (all.configuration.block || global_server)
    out.values.settings.snippet = snippet::settle(global_server.get(), all.configuration.block.get(), lists);
}

}  // namespace

AnnotationFamily snippets() {
  return {kSnippetRows, finish_snippets};
}

}  // namespace sluice::control::annotation
