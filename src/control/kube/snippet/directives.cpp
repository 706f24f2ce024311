#include <algorithm>
#include <array>
#include <charconv>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/header_map.h"
#include "control/kube/replacement.h"
#include "control/kube/snippet/families.h"

// The directives of nginx that snippets may hold: one row each, with what becomes of it.
namespace sluice::control::snippet {

namespace {

using model::RouteSettings;
using model::Snippet;
using model::SnippetField;
using model::SnippetStep;
using Kind = SnippetStep::Kind;
using Flag = SnippetStep::Flag;

// ---- steps ----

std::string read_set(Reader& r, const Directive& d) {
  const std::string& written = d.words[0].text;
  if (written.size() < 2 || written[0] != '$') return "a variable, as $name, and a value";
  SnippetStep step;
  step.kind = Kind::set;
  step.name = lower(std::string_view(written).substr(1));
  if (!made_of(step.name, "_")) return "a variable, as $name, of letters, digits and _";
  // As ingress-nginx's configuration does by `set`, so that snippets do too; they lead nowhere else here.
  const bool own = step.name == "proxy_upstream_name";
  if (auto expected = wrong_variable(step.name); !expected.empty() && !own) return expected;
  if (auto expected = r.text(d.words[1], Reader::For::text, step.text); !expected.empty()) return expected;
  r.block().sets.insert(step.name);
  return r.add(std::move(step));
}

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme");
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
    if (auto expected = r.text(*text, Reader::For::text, step.text); !expected.empty()) return expected;
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
    if (auto expected = r.text(query, Reader::For::text, step.query); !expected.empty()) return expected;
  }
  Word path = d.words[1];
  path.text = to;
  if (auto expected = r.text(path, Reader::For::text, step.text); !expected.empty()) return expected;
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

// ---- who may come ----

std::string read_access(Reader& r, const Directive& d) {
  const std::string& what = d.words[0].text;
  model::SnippetAccess rule;
  rule.allow = d.name == "allow";
  rule.everybody = what == "all";
  if (!rule.everybody) {
    const auto ranges = parse_source_ranges(what);
    if (!ranges || ranges->size() != 1) return "an address, a range such as 10.0.0.0/8, or all";
    rule.range = ranges->front();
  }
  auto& list = r.block().access;
  if (list.size() >= Snippet::kMostFields) return "at most " + std::to_string(Snippet::kMostFields) + " of them";
  list.push_back(rule);
  return {};
}

std::string read_satisfy(Reader& r, const Directive& d) {
  const std::string& what = d.words[0].text;
  if (what != "any" && what != "all") return "any or all";
  r.block().satisfy_any = what == "any";
  return {};
}

std::string read_off_only(Reader& r, const Directive& d) {
  if (d.words[0].text != "off")
    return d.name == "auth_basic" ? "off; the annotations auth-type: basic and auth-secret ask for passwords"
                                  : "off; the annotation auth-url asks another service";
  if (r.nested())
    r.change(d, [basic = d.name == "auth_basic"](RouteSettings& s) {
      if (basic)
        s.basic_auth = nullptr;
      else
        s.external_auth = nullptr;
    });
  else
    r.say(d, "what annotations and options ask for is asked: enable-global-auth: \"false\" leaves global-auth-url out");
  return {};
}

std::string read_auth_request_set(Reader& r, const Directive& d) {
  const std::string& name = d.words[0].text;
  if (name.size() < 2 || name[0] != '$' || !made_of(name.substr(1), "_")) return "a variable, as $name, and a value";
  const Template from(d.words[1].text);
  static constexpr std::string_view kCookie = "$upstream_cookie_";
  if (d.words[1].text.starts_with(kCookie))
    return "$upstream_http_NAME; cookies of the service of auth-url reach clients by themselves";
  if (from.parts().size() != 1 || from.parts()[0].variable != variable("upstream_http_"))
    return "$upstream_http_NAME, a field of the answer of auth-url";
  const std::string own = lower(std::string_view(name).substr(1));
  if (find_variable(own).id != kUnknown) return "a variable that nginx does not have itself";
  r.block().sets.insert(own);
  r.block().auth.push_back({own, std::string(from.text_of(from.parts()[0]))});
  return r.block().auth.size() > Snippet::kMostVariables ? "fewer of them" : "";
}

std::string read_internal(Reader& r, const Directive&) {
  r.block().internal = true;
  return {};
}

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

std::string read_mirror(Reader& r, const Directive& d) {
  if (d.words[0].text == "off") {
    r.say(d, "mirror-target says whether there are copies");
    return {};
  }
  if (!d.words[0].text.starts_with('/')) return "the path of a location, or off";
  r.keep_named({d.at, d.name, d.words[0].text, {}, {}, false});
  return {};
}
std::string read_mirror_body(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.block().mirror_body = *on;
  return {};
}

// ---- headers of responses ----

std::string too_many(const std::vector<SnippetField>& list) {
  return list.size() < Snippet::kMostFields ? std::string()
                                            : "at most " + std::to_string(Snippet::kMostFields) + " headers in a block";
}

// nginx writes such a line as well, beside the one that it needs itself: a client that believed it would look for the
// end of the body elsewhere. Here it is as if it were not there; no answer is another one for it.
bool leaves_out(Reader& r, const Directive& d, std::string_view name) {
  if (!is_of_connection(name)) return false;
  r.say(d, "the connection to clients, and where a response ends, are Sluice's own: " + shorten(std::string(name)) +
               " is written as it has to be");
  return true;
}

std::string read_add_header(Reader& r, const Directive& d) {
  SnippetField field;
  field.kind = SnippetField::Kind::add;
  field.name = d.words[0].text;
  const bool left_out = leaves_out(r, d, field.name);
  if (auto expected = left_out ? std::string() : wrong_header_name(field.name, HeadersTo::clients); !expected.empty())
    return expected;
  if (d.words.size() == 3 && d.words[2].text != "always") return "always behind the value, or nothing";
  field.always = d.words.size() == 3;
  // Without a value none is sent, and the block has one all the same: it inherits no others.
  if (left_out) {
    if (auto expected = too_many(r.level().added); !expected.empty()) return expected;
    r.level().added.push_back(std::move(field));
    return {};
  }
  if (auto expected = r.text(d.words[1], Reader::For::response, field.value); !expected.empty()) return expected;
  if (auto expected = too_many(r.level().added); !expected.empty()) return expected;
  r.level().added.push_back(std::move(field));
  return {};
}

struct MoreOptions {
  std::vector<std::uint16_t> statuses;
  std::vector<std::string> types;
  bool replace_only = false, append = false;
};

// Options of more_*; `at`: the first word behind them. Returns what was expected.
std::string read_options(const Directive& d, MoreOptions& out, std::size_t& at) {
  const auto each = [](std::string_view list, auto&& take) {
    while (!list.empty()) {
      const auto begin = std::min(list.find_first_not_of(' '), list.size());
      list.remove_prefix(begin);
      const auto word = list.substr(0, list.find(' '));
      if (!word.empty() && !take(word)) return false;
      list.remove_prefix(word.size());
    }
    return true;
  };
  for (at = 0; at < d.words.size() && d.words[at].text.starts_with('-'); ++at) {
    const std::string& option = d.words[at].text;
    if (option == "-r") {
      out.replace_only = true;
      continue;
    }
    if (option == "-a") {
      out.append = true;
      continue;
    }
    if ((option != "-s" && option != "-t") || at + 1 == d.words.size()) return "one of -s, -t, -r and -a";
    const std::string& list = d.words[++at].text;
    const bool fine = option == "-s" ? each(list,
                                            [&](std::string_view word) {
                                              const auto n = parse_int(word);
                                              if (!n || *n < 100 || *n > 999) return false;
                                              out.statuses.push_back(static_cast<std::uint16_t>(*n));
                                              return out.statuses.size() <= 64;
                                            })
                                     : each(list, [&](std::string_view word) {
                                         out.types.emplace_back(word);
                                         return out.types.size() <= 64;
                                       });
    if (!fine) return option == "-s" ? "statuses with blanks between them" : "media types with blanks between them";
  }
  return at == d.words.size() ? "the name of a header" : "";
}

// "Name: value". As in the module of nginx a blank ends the name, too, and what of blanks and colons is behind it
// belongs to neither: "Name value" is the same.
void split_header(const Word& word, std::string& name, Word& value) {
  static constexpr std::string_view kBetween = ": \t";
  const auto text = trim(std::string_view(word.text));
  const auto end = std::min(text.find_first_of(kBetween), text.size());
  const auto begin = std::min(text.find_first_not_of(kBetween, end), text.size());
  name = text.substr(0, end);
  value = word;
  value.text = text.substr(begin);
}

std::string read_more_set(Reader& r, const Directive& d) {
  MoreOptions options;
  std::size_t at = 0;
  if (auto expected = read_options(d, options, at); !expected.empty()) return expected;
  if (options.replace_only) return "no -r, which more_set_input_headers has";
  if (options.append) return "no -a: add_header puts a header beside the others";
  for (; at < d.words.size(); ++at) {
    if (trim(d.words[at].text).empty()) continue;  // as by nginx
    SnippetField field;
    Word value;
    split_header(d.words[at], field.name, value);
    if (leaves_out(r, d, field.name)) continue;
    if (auto expected = wrong_header_name(field.name, HeadersTo::clients); !expected.empty()) return expected;
    if (auto expected = r.text(value, Reader::For::response, field.value); !expected.empty()) return expected;
    field.statuses = options.statuses;
    field.types = options.types;
    if (field.value.empty()) field.kind = SnippetField::Kind::clear;
    if (auto expected = too_many(r.level().set); !expected.empty()) return expected;
    r.level().set.push_back(std::move(field));
  }
  return {};
}

std::string read_more_clear(Reader& r, const Directive& d) {
  MoreOptions options;
  std::size_t at = 0;
  if (auto expected = read_options(d, options, at); !expected.empty()) return expected;
  if (options.replace_only || options.append) return "-s or -t alone";
  for (; at < d.words.size(); ++at) {
    SnippetField field;
    field.kind = SnippetField::Kind::clear;
    field.name = d.words[at].text;
    if (field.name.ends_with(':')) field.name.pop_back();
    const auto bare = field.name.ends_with('*') ? field.name.substr(0, field.name.size() - 1) : field.name;
    if (leaves_out(r, d, field.name)) continue;
    // What belongs to the connection is not to be cleared; of a beginning nobody else writes such.
    if (auto expected = wrong_header_name(bare, HeadersTo::clients); !expected.empty() && !iequals(bare, "date"))
      return expected;
    if (bare.size() < field.name.size() && bare.size() < 2) return "more than one letter in front of the *";
    field.statuses = options.statuses;
    field.types = options.types;
    if (auto expected = too_many(r.level().set); !expected.empty()) return expected;
    r.level().set.push_back(std::move(field));
  }
  return {};
}

std::string read_hide(Reader& r, const Directive& d) {
  const std::string& name = d.words[0].text;
  if (!is_token(name)) return "the name of a header";
  auto& list = r.level().hidden;
  if (list.size() >= Snippet::kMostFields) return "fewer of them";
  list.push_back(name);
  return {};
}

// Times as nginx writes them: "7d", "1h 30m", "90"; milliseconds where `fine`.
std::optional<std::int64_t> read_time(std::string_view text, bool fine = false) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  while (!text.empty()) {
    if (text[0] == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || n < 0 || n > 3'153'600'000) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::int64_t unit = 1000;
    if (text.starts_with("ms")) {
      if (!fine) return std::nullopt;
      unit = 1;
      text.remove_prefix(2);
    } else if (!text.empty() && text[0] != ' ') {
      static constexpr std::pair<char, std::int64_t> kUnits[] = {
          {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}, {'M', 2'592'000}, {'y', 31'536'000}};
      const auto* const known = std::ranges::find(kUnits, text[0], &std::pair<char, std::int64_t>::first);
      if (known == std::end(kUnits)) return std::nullopt;
      unit = known->second * 1000;
      text.remove_prefix(1);
    }
    total += n * unit;
    if (total > 3'153'600'000'000) return std::nullopt;
  }
  return fine ? total : total / 1000;
}

std::string read_expires(Reader& r, const Directive& d) {
  using Expires = model::SnippetExpires;
  const std::string& what = d.words[0].text;
  Expires out;
  if (what == "off") {
    out.kind = Expires::Kind::off;
  } else if (what == "epoch") {
    out.kind = Expires::Kind::epoch;
  } else if (what == "max") {
    out.kind = Expires::Kind::max;
  } else {
    const bool back = what.starts_with('-');
    const auto seconds = read_time(std::string_view(what).substr(back || what.starts_with('+') ? 1 : 0));
    if (!seconds) return "a time such as 1h or -1, max, epoch or off; no variable, no modified and no time of day";
    out = {Expires::Kind::after, back ? -*seconds : *seconds};
  }
  r.level().expires = out;
  return {};
}

std::string read_default_type(Reader& r, const Directive& d) {
  const std::string& type = d.words[0].text;
  if (type.empty() || !made_of(type, "/+.-;=_ ") || type.size() > 128) return "a media type";
  r.block().default_type = type;
  return {};
}

// ---- headers to pods ----

// What the proxy does itself, so that nobody has to ask for it.
bool of_connection(std::string_view name) {
  for (const std::string_view own : {"connection", "upgrade", "keep-alive", "te", "proxy-connection", "trailer",
                                     "expect", "proxy", "http2-settings"})
    if (iequals(name, own)) return true;
  return false;
}

std::string add_line(Reader& r, const Directive& d, std::string name, const Word& value) {
  if (of_connection(name) || (iequals(name, "content-length") && value.text.empty())) {
    r.say(d, "the connection to pods is kept by Sluice, WebSockets included");
    return {};
  }
  if (auto expected = wrong_header_name(name, HeadersTo::pods); !expected.empty()) return expected;
  model::SnippetLine line{std::move(name), {}};
  if (auto expected = r.text(value, Reader::For::request, line.value); !expected.empty()) return expected;
  auto& list = r.block().request;
  std::erase_if(list, [&](const auto& other) { return iequals(other.name, line.name); });
  if (list.size() >= Snippet::kMostFields) return "at most " + std::to_string(Snippet::kMostFields) + " headers";
  if (iequals(line.name, "host") && value.text.empty()) return "a host: every request has one";
  list.push_back(std::move(line));
  return {};
}

std::string read_set_header(Reader& r, const Directive& d) {
  return add_line(r, d, d.words[0].text, d.words[1]);
}

std::string read_more_input(Reader& r, const Directive& d) {
  if (r.where() == Context::if_in_location)
    return "set $variable \"\" in the if, and this outside of it with that variable: a header whose value is empty is "
           "not sent";
  MoreOptions options;
  std::size_t at = 0;
  if (auto expected = read_options(d, options, at); !expected.empty()) return expected;
  if (!options.types.empty() || !options.statuses.empty() || options.append) return "no -t, -s or -a";
  const bool clears = d.name == "more_clear_input_headers";
  if (options.replace_only && !clears) return "no -r: the header is set whether or not the client sent it";
  for (; at < d.words.size(); ++at) {
    std::string name;
    Word value;
    split_header(d.words[at], name, value);
    if (clears && name.ends_with('*')) return "whole names: what begins with a text cannot be told beforehand";
    if (clears) value.text.clear();
    if (auto expected = add_line(r, d, std::move(name), value); !expected.empty()) return expected;
  }
  return {};
}

// ---- settings ----

template <auto M>
std::string read_millis(Reader& r, const Directive& d) {
  const auto ms = read_time(d.words[0].text, true);
  if (!ms || *ms == 0) return "a time such as 60s";
  r.change(d, [ms = *ms](RouteSettings& s) { s.*M = model::Millis(ms); });
  return {};
}
template <auto M>
std::string read_size(Reader& r, const Directive& d) {
  const auto size = parse_size(d.words[0].text);
  if (!size) return "a size such as 8m";
  r.change(d, [size = *size](RouteSettings& s) { s.*M = size; });
  return {};
}
template <auto M, bool Inverted = false>
std::string read_on_off(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.change(d, [on = *on](RouteSettings& s) { s.*M = on != Inverted; }, Inverted);
  return {};
}

std::string read_request_buffering(Reader& r, const Directive& d) {
  using enum model::RequestBuffering;
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.change(d, [how = *on ? all : none](RouteSettings& s) { s.request_buffering = how; });
  return {};
}

std::string read_buffers(Reader& r, const Directive& d) {
  const auto n = parse_int(d.words[0].text);
  if (!n || *n < 1 || *n > 4096 || !parse_size(d.words[1].text)) return "a number from 1 to 4096 and a size";
  r.say(d, "the size of one is that of proxy_buffer_size");
  r.change(d, [n = static_cast<std::uint32_t>(*n)](RouteSettings& s) { s.response_buffers = n; });
  return {};
}

template <auto M>
std::string read_rate(Reader& r, const Directive& d) {
  const auto size = parse_size(d.words[0].text);
  if (!size || *size >= RouteSettings::kMostRate) return "a size such as 500k, without variables";
  r.change(d, [size = *size](RouteSettings& s) { s.*M = size; });
  return {};
}

std::string read_http_version(Reader& r, const Directive& d) {
  const std::string& version = d.words[0].text;
  if (version != "1.0" && version != "1.1") return "1.0 or 1.1";
  r.change(d, [old = version == "1.0"](RouteSettings& s) { s.http_1_0 = old; });
  return {};
}

std::string read_access_log(Reader& r, const Directive& d) {
  if (d.words[0].text == "off")
    r.change(d, [](RouteSettings& s) { s.access_log = false; }, true);
  else
    r.say(d, "access-log-path and log-format-upstream of the ConfigMap say where and how");
  return {};
}

std::string read_next_upstream(Reader& r, const Directive& d) {
  std::string words;
  for (const Word& w : d.words) words += (words.empty() ? "" : " ") + w.text;
  const auto conditions = parse_retry_conditions(words);
  if (!conditions) return std::string(kRetryGrammar);
  r.change(d, [c = *conditions](RouteSettings& s) { s.retry_on = c; });
  return {};
}
std::string read_tries(Reader& r, const Directive& d) {
  const auto n = parse_int(d.words[0].text);
  if (!n || *n < 0 || *n > 1000) return "a number";
  r.change(d, [n = static_cast<std::uint32_t>(*n)](RouteSettings& s) { s.tries = n; });
  return {};
}

std::string read_proxy_redirect(Reader& r, const Directive& d) {
  model::Shared<model::Replacement> made;
  if (d.words.size() == 1) {
    if (d.words[0].text != "off" && d.words[0].text != "default") return "off, default, or two texts";
    r.change(d, [](RouteSettings& s) { s.redirect_replacement = nullptr; });
    return {};
  }
  const std::string& from = d.words[0].text;
  if (from.starts_with('~')) return "a text; the annotations proxy-redirect-from and -to take regular expressions";
  model::Replacement out;
  out.from = from;
  if (auto expected = r.text(d.words[1], Reader::For::request, out.to); !expected.empty()) return expected;
  r.change(d, [out](RouteSettings& s) { s.redirect_replacement = out; });
  return {};
}
template <auto M>
std::string read_cookie(Reader& r, const Directive& d) {
  if (d.words.size() == 1) {
    if (d.words[0].text != "off") return "off, or two texts";
    r.change(d, [](RouteSettings& s) { s.*M = nullptr; });
    return {};
  }
  if (d.words[0].text.starts_with('~')) return "a text; proxy-cookie-path and -domain take regular expressions";
  model::Replacement out;
  out.from = d.words[0].text;
  if (auto expected = r.text(d.words[1], Reader::For::request, out.to); !expected.empty()) return expected;
  r.change(d, [out](RouteSettings& s) { s.*M = out; });
  return {};
}

// ---- TLS to pods ----

template <class F>
void change_tls(Reader& r, const Directive& d, F&& how) {
  r.change(
      d,
      [how](RouteSettings& s) {
        model::UpstreamTls tls = s.upstream_tls ? *s.upstream_tls : *model::unverified_tls();
        how(tls);
        s.upstream_tls = std::move(tls);
      },
      true);
}
std::string read_ssl_verify(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  if (*on) return "the annotations proxy-ssl-secret and proxy-ssl-verify: a Secret has the authorities";
  r.say(d, "certificates of pods are not verified unless proxy-ssl-verify says so");
  return {};
}
std::string read_ssl_server_name(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  change_tls(r, d, [on = *on](model::UpstreamTls& tls) { tls.send_sni = on; });
  return {};
}
std::string read_ssl_name(Reader& r, const Directive& d) {
  if (!is_host_name(lower(d.words[0].text), false)) return "a host name without variables";
  change_tls(r, d, [name = lower(d.words[0].text)](model::UpstreamTls& tls) { tls.server_name = name; });
  return {};
}
std::string read_ssl_protocols(Reader& r, const Directive& d) {
  std::string all;
  for (const Word& w : d.words) {
    const bool known = w.text == "TLSv1" || w.text == "TLSv1.1" || w.text == "TLSv1.2" || w.text == "TLSv1.3";
    if (!known) return "TLSv1.2, TLSv1.3 or both";
    if (w.text == "TLSv1.2" || w.text == "TLSv1.3") all += (all.empty() ? "" : " ") + w.text;
  }
  if (all.empty()) return "TLSv1.2, TLSv1.3 or both";
  change_tls(r, d, [all](model::UpstreamTls& tls) { tls.protocols = all; });
  return {};
}

// ---- proxy_pass ----

std::string read_pass(Reader& r, const Directive& d) {
  if (!r.nested() && r.where() == Context::location)
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
    word.text = rest;
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
  return {};
}

// ---- rows ----

constexpr std::uint8_t S = 1, L = 2, IS = 4, IL = 8, SL = S | L, ALL = S | L | IS | IL, SLI = S | L | IL;
constexpr std::size_t kMany = Snippet::kMostWords;

constexpr std::string_view kBuffers = "proxy-buffer-size and the options of buffering say how much lies where";
constexpr std::string_view kOptions = "it is a matter of the connection, and an option of the ConfigMap";
constexpr std::string_view kNoCache = "nothing is cached: every request goes to pods";
constexpr std::string_view kCompression = "the options of compression say so for all hosts";
constexpr std::string_view kFiles = "it speaks of files, of which there are none";
constexpr std::string_view kLogs = "logs are written as the options say";
constexpr std::string_view kTls =
    "how TLS with clients is spoken is chosen by options and by the annotation ssl-ciphers";
constexpr std::string_view kTracing = "requests are not traced";

constexpr Row kRows[] = {
    // steps
    {"break", ALL, 0, 0, read_break},
    {"if", SL, 1, kMany, read_if, {}, false, true},
    {"limit_except", L, 1, 16, read_limit_except, {}, false, true},
    {"location", SL, 1, 2, read_location, {}, false, true},
    {"return", ALL, 1, 2, read_return},
    {"rewrite", ALL, 2, 3, read_rewrite},
    {"set", ALL, 2, 2, read_set},
    // who may come
    {"allow", SL, 1, 1, read_access},
    {"auth_basic", SL, 1, 1, read_off_only},
    {"auth_request", SL, 1, 1, read_off_only},
    {"auth_request_set", L, 2, 2, read_auth_request_set},
    {"deny", SL, 1, 1, read_access},
    {"internal", L, 0, 0, read_internal},
    {"satisfy", SL, 1, 1, read_satisfy},
    // headers
    {"add_header", SLI, 2, 3, read_add_header},
    {"default_type", SL, 1, 1, read_default_type},
    {"expires", SLI, 1, 1, read_expires},
    {"grpc_set_header", SL, 2, 2, read_set_header},
    {"more_clear_headers", SLI, 1, kMany, read_more_clear},
    {"more_clear_input_headers", SLI, 1, kMany, read_more_input},
    {"more_set_headers", SLI, 1, kMany, read_more_set},
    {"more_set_input_headers", SLI, 1, kMany, read_more_input},
    {"proxy_hide_header", SL, 1, 1, read_hide},
    {"proxy_set_header", SL, 2, 2, read_set_header},
    // pods
    {"proxy_pass", L, 1, 1, read_pass},
    {"client_max_body_size", SL, 1, 1, read_size<&RouteSettings::body_limit>},
    {"grpc_buffer_size", SL, 1, 1, read_size<&RouteSettings::response_head_limit>},
    {"grpc_connect_timeout", SL, 1, 1, read_millis<&RouteSettings::connect_timeout>},
    {"grpc_read_timeout", SL, 1, 1, read_millis<&RouteSettings::read_timeout>},
    {"grpc_send_timeout", SL, 1, 1, read_millis<&RouteSettings::send_timeout>},
    {"proxy_buffer_size", SL, 1, 1, read_size<&RouteSettings::response_head_limit>},
    {"proxy_connect_timeout", SL, 1, 1, read_millis<&RouteSettings::connect_timeout>},
    {"proxy_cookie_domain", SL, 1, 2, read_cookie<&RouteSettings::cookie_domain>},
    {"proxy_cookie_path", SL, 1, 2, read_cookie<&RouteSettings::cookie_path>},
    {"proxy_next_upstream", SL, 1, 16, read_next_upstream},
    {"proxy_next_upstream_timeout", SL, 1, 1, read_millis<&RouteSettings::tries_timeout>},
    {"proxy_next_upstream_tries", SL, 1, 1, read_tries},
    {"proxy_read_timeout", SL, 1, 1, read_millis<&RouteSettings::read_timeout>},
    {"proxy_redirect", SL, 1, 2, read_proxy_redirect},
    {"proxy_request_buffering", SL, 1, 1, read_request_buffering},
    {"proxy_send_timeout", SL, 1, 1, read_millis<&RouteSettings::send_timeout>},
    {"proxy_ssl_name", SL, 1, 1, read_ssl_name},
    {"proxy_ssl_protocols", SL, 1, 4, read_ssl_protocols},
    {"proxy_ssl_server_name", SL, 1, 1, read_ssl_server_name},
    {"proxy_ssl_verify", SL, 1, 1, read_ssl_verify},
    {"mirror", L, 1, 1, read_mirror},
    {"mirror_request_body", L, 1, 1, read_mirror_body},
    // how much clients may ask for, and in which form they get it
    {"limit_conn", SL, 2, 2, read_limit_conn},
    {"limit_conn_status", SL, 1, 1, read_limit_status},
    {"limit_req", SL, 1, 4, read_limit_req},
    {"limit_req_status", SL, 1, 1, read_limit_status},
    {"brotli", SLI, 1, 1, read_coding},
    {"brotli_comp_level", SL, 1, 1, read_coding_level},
    {"brotli_min_length", SL, 1, 1, read_coding_min_length},
    {"brotli_types", SL, 1, kMany, read_coding_types},
    {"gzip", SLI, 1, 1, read_coding},
    {"gzip_comp_level", SL, 1, 1, read_coding_level},
    {"gzip_min_length", SL, 1, 1, read_coding_min_length},
    {"gzip_proxied", SL, 1, kMany, read_gzip_proxied},
    {"gzip_types", SL, 1, kMany, read_coding_types},
    {"gzip_vary", SL, 1, 1, read_gzip_vary},
    // our own answers and logs
    {"error_page", SL, 2, 32, read_error_page},
    {"proxy_intercept_errors", SL, 1, 1, read_intercept},
    {"absolute_redirect", SL, 1, 1, read_on_off<&RouteSettings::relative_redirects, true>},
    {"access_log", SLI, 1, 8, read_access_log},
    {"port_in_redirect", SL, 1, 1, read_on_off<&RouteSettings::port_in_redirects>},
    // taken, and without effect
    {"chunked_transfer_encoding", SL, 1, 1, nullptr, "bodies of unknown length are chunked where HTTP/1.1 is spoken"},
    {"client_body_buffer_size", SL, 1, 1, read_size<&RouteSettings::body_memory>},
    {"client_body_temp_path", SL, 1, 4, nullptr, kBuffers},
    {"client_body_timeout", SL, 1, 1, nullptr, kOptions},
    {"client_header_buffer_size", S, 1, 1, nullptr, kOptions},
    {"client_header_timeout", S, 1, 1, nullptr, kOptions},
    {"error_log", SL, 1, 2, nullptr, kLogs},
    {"etag", SL, 1, 1, nullptr, kFiles},
    {"gzip_buffers", SL, 2, 2, nullptr, kCompression},
    {"gzip_disable", SL, 1, kMany, nullptr, kCompression},
    {"gzip_http_version", SL, 1, 1, nullptr, kCompression},
    {"gzip_static", SL, 1, 1, nullptr, kFiles},
    {"http2", S, 1, 1, nullptr, kOptions},
    {"http2_max_concurrent_streams", S, 1, 1, nullptr, kOptions},
    {"http2_push_preload", SL, 1, 1, nullptr, "nothing is pushed"},
    {"if_modified_since", SL, 1, 1, nullptr, kFiles},
    {"ignore_invalid_headers", S, 1, 1, nullptr, kOptions},
    {"keepalive_requests", SL, 1, 1, nullptr, kOptions},
    {"keepalive_timeout", SL, 1, 2, nullptr, kOptions},
    {"large_client_header_buffers", S, 2, 2, nullptr, kOptions},
    {"limit_conn_dry_run", SL, 1, 1, read_limit_dry_run},
    {"limit_conn_log_level", SL, 1, 1, nullptr, kLogs},
    {"limit_rate", SL, 1, 1, read_rate<&RouteSettings::limit_rate>},
    {"limit_rate_after", SL, 1, 1, read_rate<&RouteSettings::limit_rate_after>},
    {"limit_req_dry_run", SL, 1, 1, read_limit_dry_run},
    {"limit_req_log_level", SL, 1, 1, nullptr, kLogs},
    {"lingering_close", SL, 1, 1, nullptr, kOptions},
    {"lingering_timeout", SL, 1, 1, nullptr, kOptions},
    {"log_not_found", SL, 1, 1, nullptr, kLogs},
    {"log_subrequest", SL, 1, 1, nullptr, kLogs},
    {"opentelemetry", SL, 1, 1, nullptr, kTracing},
    {"opentelemetry_attribute", SL, 2, 2, nullptr, kTracing},
    {"opentelemetry_operation_name", SL, 1, 1, nullptr, kTracing},
    {"opentelemetry_trust_incoming_spans", SL, 1, 1, nullptr, kTracing},
    {"opentracing", SL, 1, 1, nullptr, kTracing},
    {"opentracing_propagate_context", SL, 0, 0, nullptr, kTracing},
    {"opentracing_tag", SL, 2, 2, nullptr, kTracing},
    {"output_buffers", SL, 2, 2, nullptr, kBuffers},
    {"proxy_buffering", SL, 1, 1, read_on_off<&RouteSettings::response_buffering>},
    {"proxy_buffers", SL, 2, 2, read_buffers},
    {"proxy_busy_buffers_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_cache", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_background_update", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_bypass", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_convert_head", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_key", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock_age", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock_timeout", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_methods", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_min_uses", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_revalidate", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_use_stale", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_valid", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_headers_hash_bucket_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_headers_hash_max_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_http_version", SL, 1, 1, read_http_version},
    {"proxy_ignore_client_abort", SL, 1, 1, nullptr, "who leaves ends the request"},
    {"proxy_ignore_headers", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_max_temp_file_size", SL, 1, 1, read_size<&RouteSettings::response_disk>},
    {"proxy_no_cache", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_pass_header", SL, 1, 1, nullptr,
     "headers of pods are passed on; Server is one of allow-backend-server-header"},
    {"proxy_socket_keepalive", SL, 1, 1, nullptr, kOptions},
    {"proxy_ssl_session_reuse", SL, 1, 1, nullptr, "sessions of TLS are reused"},
    {"proxy_temp_file_write_size", SL, 1, 1, nullptr, kBuffers},
    {"reset_timedout_connection", SL, 1, 1, nullptr, kOptions},
    {"resolver", SL, 1, kMany, nullptr, "names are resolved as the system says"},
    {"resolver_timeout", SL, 1, 1, nullptr, "names are resolved as the system says"},
    {"rewrite_log", ALL, 1, 1, nullptr, kLogs},
    {"send_timeout", SL, 1, 1, nullptr, kOptions},
    {"sendfile", SLI, 1, 1, nullptr, kFiles},
    {"server_name_in_redirect", SL, 1, 1, nullptr, "redirects name the host that the client did"},
    {"server_tokens", SL, 1, 1, nullptr, "the option server-tokens says so for all hosts"},
    {"ssl_conf_command", S, 2, 2, nullptr, kTls},
    {"ssl_early_data", S, 1, 1, nullptr, kTls},
    {"ssl_ecdh_curve", S, 1, 1, nullptr, kTls},
    {"ssl_prefer_server_ciphers", S, 1, 1, nullptr, kTls},
    {"ssl_session_cache", S, 1, 2, nullptr, kTls},
    {"ssl_session_tickets", S, 1, 1, nullptr, kTls},
    {"ssl_session_timeout", S, 1, 1, nullptr, kTls},
    {"ssl_stapling", S, 1, 1, nullptr, kTls},
    {"ssl_stapling_verify", S, 1, 1, nullptr, kTls},
    {"tcp_nodelay", SL, 1, 1, nullptr, kOptions},
    {"tcp_nopush", SL, 1, 1, nullptr, kOptions},
    {"types_hash_max_size", SL, 1, 1, nullptr, kFiles},
    {"underscores_in_headers", S, 1, 1, nullptr, kOptions},
    // not taken
    {"access_by_lua", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"access_by_lua_block", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"add_trailer", 0, 0, 0, nullptr, "add_header: nothing is put behind bodies", true},
    {"addition_types", 0, 0, 0, nullptr, "pods to send their bodies whole", true},
    {"alias", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"auth_basic_user_file", 0, 0, 0, nullptr, "the annotations auth-type: basic and auth-secret", true},
    {"charset", 0, 0, 0, nullptr, "more_set_headers \"Content-Type: …\", or pods to say it", true},
    {"fastcgi_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: FCGI", true},
    {"grpc_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: GRPC", true},
    {"include", 0, 0, 0, nullptr, "the text itself: no file is read", true},
    {"listen", 0, 0, 0, nullptr, "the flags --http and --https", true},
    {"map", 0, 0, 0, nullptr, "a series of if with set", true},
    {"modsecurity", 0, 0, 0, nullptr, "a web application firewall in front: there is none here", true},
    {"modsecurity_rules", 0, 0, 0, nullptr, "a web application firewall in front: there is none here", true},
    {"proxy_bind", 0, 0, 0, nullptr, "the network's own routes", true},
    {"proxy_cookie_flags", 0, 0, 0, nullptr, "pods to set the flags of their cookies", true},
    {"proxy_method", 0, 0, 0, nullptr, "the client's method: another one is not sent in its place", true},
    {"proxy_pass_request_body", 0, 0, 0, nullptr, "the request as it came", true},
    {"proxy_pass_request_headers", 0, 0, 0, nullptr, "proxy_set_header NAME \"\" for each of them", true},
    {"proxy_set_body", 0, 0, 0, nullptr, "the client's body: another one is not sent in its place", true},
    {"proxy_ssl_certificate", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_certificate_key", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_ciphers", 0, 0, 0, nullptr, "the annotations proxy-ssl-secret and proxy-ssl-ciphers", true},
    {"proxy_ssl_trusted_certificate", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_verify_depth", 0, 0, 0, nullptr, "the annotations proxy-ssl-secret and proxy-ssl-verify-depth", true},
    {"real_ip_header", 0, 0, 0, nullptr,
     "the options use-forwarded-headers, forwarded-for-header and proxy-real-ip-cidr", true},
    {"rewrite_by_lua_block", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"root", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"server", 0, 0, 0, nullptr, "an Ingress with a host", true},
    {"server_name", 0, 0, 0, nullptr, "the annotation server-alias", true},
    {"set_real_ip_from", 0, 0, 0, nullptr, "the option proxy-real-ip-cidr", true},
    {"ssl_certificate", 0, 0, 0, nullptr, "spec.tls of the Ingress", true},
    {"ssl_ciphers", 0, 0, 0, nullptr, "the annotation ssl-ciphers", true},
    {"ssl_client_certificate", 0, 0, 0, nullptr, "the annotation auth-tls-secret", true},
    {"ssl_protocols", 0, 0, 0, nullptr, "the option ssl-protocols", true},
    {"ssl_verify_client", 0, 0, 0, nullptr, "the annotation auth-tls-verify-client", true},
    {"stub_status", 0, 0, 0, nullptr, "the admin address: /metrics", true},
    {"sub_filter", 0, 0, 0, nullptr, "pods to send what clients are to read: bodies are not searched", true},
    {"try_files", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"uwsgi_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: FCGI", true},
};

}  // namespace

std::span<const Row> rows() {
  return kRows;
}

const Row* find_row(std::string_view name) {
  const auto* const at = std::ranges::find(kRows, name, &Row::name);
  return at == std::end(kRows) ? nullptr : at;
}

}  // namespace sluice::control::snippet
