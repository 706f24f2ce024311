// set, if, return, rewrite, break, location and limit_except: what is done with a request, step by step.
#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"

namespace sluice::control::snippet {

namespace {

using model::SnippetStep;
using Kind = SnippetStep::Kind;
using Flag = SnippetStep::Flag;

// Such stands in the line of a request, where a blank would end it.
constexpr const char* kNoBlank = "a query without blanks: %20 or + is one";
bool has_blank(const Template& query) {
  return std::ranges::any_of(query.parts(), [&](const auto& part) {
    const auto text = query.text_of(part);
    return part.variable == kLiteral && (has_control(text) || text.find(' ') != std::string_view::npos);
  });
}

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme");
}

}  // namespace

std::string read_set(Reader& r, const Directive& d) {
  const std::string& written = d.words[0].text;
  if (written.size() < 2 || written[0] != '$') return "a variable, as $name, and a value";
  SnippetStep step;
  step.kind = Kind::set;
  step.name = lower(std::string_view(written).substr(1));
  if (!made_of(step.name, "_")) return "a variable, as $name, of letters, digits and _";
  if (step.name == "args") {  // the one variable of the request that nginx lets be set
    step.kind = Kind::query;
    step.name.clear();
    auto expected = r.text(d.words[1], Reader::For::step, step.text);
    if (expected.empty() && has_blank(step.text)) expected = kNoBlank;
    return expected.empty() ? r.add(std::move(step)) : expected;
  }
  // As ingress-nginx's configuration does by `set`, so that snippets do too; they lead nowhere else here.
  const bool own = step.name == "proxy_upstream_name";
  if (auto expected = wrong_variable(step.name); !expected.empty() && !own) return expected;
  if (auto expected = r.text(d.words[1], Reader::For::step, step.text); !expected.empty()) return expected;
  r.block().sets.insert(step.name);
  return r.add(std::move(step));
}

std::string read_return(Reader& r, const Directive& d) {
  SnippetStep step;
  step.kind = Kind::answer;
  const std::string& first = d.words[0].text;
  const Word* text = d.words.size() == 2 ? &d.words[1] : nullptr;
  unsigned code = 0;
  const auto* const end = first.data() + first.size();
  const auto [at, error] = std::from_chars(first.data(), end, code);
  if (error == std::errc() && at == end && code <= 999) {
    step.status = static_cast<std::uint16_t>(code);
  } else if (text == nullptr && is_url(first)) {
    step.status = 302;
    text = &d.words[0];
  } else {
    return "a status up to 999 with a text or an URL behind it, or an URL that begins with http://, https:// or "
           "$scheme";
  }
  const auto is = [&](std::initializer_list<unsigned> list) {
    return std::ranges::find(list, step.status) != list.end();
  };
  if (text != nullptr)
    if (auto expected = r.text(*text, Reader::For::answer, step.text); !expected.empty()) return expected;
  step.is_location = text != nullptr && is({301, 302, 303, 307, 308});
  if (step.is_location && has_control(text->text)) return "an URL without control characters";
  if (step.is_location && text->text.empty()) return "an URL";
  // What nginx has no page for is answered with nothing.
  const bool page = is({301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412,
                        413, 414, 415, 416, 421, 429, 494, 495, 496, 497, 500, 501, 502, 503, 504, 505, 507});
  step.has_text = !step.is_location && ((text != nullptr && !text->text.empty()) || !page);
  if (step.status < 100 || step.status == 101)
    return "a status from 200 on: a head with another is no response (RFC 9110 section 15)";
  if (step.status < 200) return "a status from 200 on: responses below are not final";
  return r.add(std::move(step));
}

std::string read_rewrite(Reader& r, const Directive& d) {
  SnippetStep step;
  step.kind = Kind::rewrite;
  if (auto expected = r.pattern(d.words[0].text, false, step.pattern); !expected.empty()) return expected;
  std::string to = d.words[1].text;
  if (to.empty()) return "a path or an URL to rewrite to";
  if (has_control(to)) return "a path without control characters";
  step.is_location = is_url(to);
  if (to.ends_with('?')) {
    step.drop_query = true;
    to.pop_back();
  }
  if (const auto mark = to.find('?'); mark != std::string::npos) {
    Word query = d.words[1];
    query.text = to.substr(mark + 1);
    to.erase(mark);
    step.with_query = true;
    if (auto expected = r.text(query, Reader::For::step, step.query); !expected.empty()) return expected;
  }
  Word path = d.words[1];
  path.text = to;
  if (auto expected = r.text(path, Reader::For::step, step.text); !expected.empty()) return expected;
  if (d.words.size() == 3) {
    const std::string& flag = d.words[2].text;
    if (flag == "last")
      step.flag = Flag::last;
    else if (flag == "break")
      step.flag = Flag::stop;
    else if (flag == "redirect")
      step.flag = Flag::redirect;
    else if (flag == "permanent")
      step.flag = Flag::permanent;
    else
      return "one of last, break, redirect and permanent";
  }
  const bool leaves = step.is_location || step.flag == Flag::redirect || step.flag == Flag::permanent;
  if (!leaves && has_blank(step.query)) return kNoBlank;
  return r.add(std::move(step));
}

std::string read_break(Reader& r, const Directive&) {
  return r.add({});
}

std::string read_if(Reader& r, const Directive& d) {
  return r.read_if(d);
}

std::string read_location(Reader& r, const Directive& d) {
  return r.read_location(d);
}

// limit_except GET { deny all; }: other methods are 403.
std::string read_limit_except(Reader& r, const Directive& d) {
  if (d.block.size() != 1 || d.block[0].name != "deny" || d.block[0].words.size() != 1 ||
      d.block[0].words[0].text != "all")
    return "a block of `deny all;` and nothing else";
  std::string methods;
  for (const Word& w : d.words) {
    if (w.text.empty() || !made_of(w.text, "")) return "names of methods";
    methods += (methods.empty() ? "" : "|") + w.text;
    if (w.text == "GET") methods += "|HEAD";
  }
  SnippetStep test, refuse;
  test.kind = Kind::test;
  test.test = SnippetStep::Test::fails;
  test.count = 1;
  test.text = Template("$request_method");
  if (auto expected = r.pattern("^(" + methods + ")$", false, test.pattern); !expected.empty()) return expected;
  refuse.kind = Kind::answer;
  refuse.status = 403;
  auto expected = r.add(std::move(test));
  return expected.empty() ? r.add(std::move(refuse)) : expected;
}

}  // namespace sluice::control::snippet
