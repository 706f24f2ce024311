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
  ErrorPage made;
  made.at = d.at;
  made.page.keeps_status = true;
  for (std::size_t i = 0; i + 1 < d.words.size(); ++i) {
    const std::string& word = d.words[i].text;
    if (word.starts_with('=')) {
      const auto status = parse_int(std::string_view(word).substr(1));
      if (i + 2 != d.words.size() || (word.size() > 1 && (!status || *status < 200 || *status > 999)))
        return "statuses, then = or =STATUS, then an URL or a location";
      made.page.keeps_status = false;
      if (word.size() > 1) made.page.status = static_cast<std::uint16_t>(*status);
      continue;
    }
    const auto status = parse_int(word);
    if (!status || *status < 300 || *status > 599 || *status == 499) return "statuses from 300 to 599, but 499";
    made.page.statuses.push_back(static_cast<std::uint16_t>(*status));
  }
  if (made.page.statuses.empty()) return "statuses in front of the URL or the location";
  if (r.block().errors.size() >= Snippet::kMostLocations) return "fewer of them";
  const Word& to = d.words.back();
  if (to.text.starts_with("http://") || to.text.starts_with("https://")) {
    if (has_control(to.text)) return "an URL without control characters";
    SnippetStep& answer = made.page.answer;
    answer.kind = Kind::answer;
    answer.is_location = true;
    const auto redirects = {301, 302, 303, 307, 308};
    const bool said = std::ranges::find(redirects, made.page.status) != redirects.end();
    answer.status = said ? made.page.status : std::uint16_t{302};
    if (auto expected = r.text(to, Reader::For::error, answer.text); !expected.empty()) return expected;
  } else {
    made.location = to.text.substr(0, to.text.starts_with('/') ? to.text.find('?') : std::string::npos);
    Word query = to;
    query.text.erase(0, made.location.size());
    if (query.text.size() > 1)
      if (auto expected = r.text(query, Reader::For::error, made.page.query); !expected.empty()) return expected;
  }
  r.block().errors.push_back(std::move(made));
  return {};
}

std::string read_intercept(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.block().intercepts = *on;
  return {};
}

}  // namespace sluice::control::snippet
