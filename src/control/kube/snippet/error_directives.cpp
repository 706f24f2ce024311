// error_page and proxy_intercept_errors.
#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"

namespace sluice::control::snippet {

namespace {

using model::Snippet;
using model::SnippetStep;
using Kind = SnippetStep::Kind;

}  // namespace

std::string read_error_page(Reader& r, const Directive& d) {
  Reader::Named named{d.at, d.name, {}, {}, {}, false};
  for (std::size_t i = 0; i + 1 < d.words.size(); ++i) {
    const std::string& word = d.words[i].text;
    if (word.starts_with('=')) {
      const auto status = parse_int(std::string_view(word).substr(1));
      named.takes_status = word.size() == 1;
      if (i + 2 != d.words.size() || (!named.takes_status && (!status || *status < 200 || *status > 999)))
        return "statuses, then = or =STATUS, then an URL or a location";
      if (!named.takes_status) named.status = static_cast<std::uint16_t>(*status);
      continue;
    }
    const auto status = parse_int(word);
    if (!status || *status < 300 || *status > 599 || *status == 499) return "statuses from 300 to 599, but 499";
    named.page.statuses.push_back(static_cast<std::uint16_t>(*status));
  }
  if (named.page.statuses.empty()) return "statuses in front of the URL or the location";
  if (r.block().errors.size() >= Snippet::kMostLocations) return "fewer of them";
  const Word& to = d.words.back();
  if (!to.text.starts_with("http://") && !to.text.starts_with("https://")) {
    named.path = to.text;
    r.keep_named(std::move(named));
    return {};
  }
  if (has_control(to.text)) return "an URL without control characters";
  SnippetStep& answer = named.page.answer;
  answer.kind = Kind::answer;
  answer.is_location = true;
  const auto redirects = {301, 302, 303, 307, 308};
  answer.status = named.status && std::ranges::find(redirects, *named.status) != redirects.end() ? *named.status : 302;
  if (auto expected = r.text(to, Reader::For::text, answer.text); !expected.empty()) return expected;
  r.block().errors.push_back(std::move(named.page));
  return {};
}

std::string read_intercept(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.block().intercepts = *on;
  return {};
}

}  // namespace sluice::control::snippet
