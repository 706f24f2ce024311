// Headers of responses (add_header, more_*_headers, expires …), and those that pods get (proxy_set_header …).
#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/header_map.h"
#include "control/kube/snippet/families.h"
#include "control/kube/snippet/setting_directives.h"

namespace sluice::control::snippet {

namespace {

using model::Snippet;
using model::SnippetField;

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

}  // namespace

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

std::string read_more_set(Reader& r, const Directive& d) {
  MoreOptions options;
  std::size_t at = 0;
  if (auto expected = read_options(d, options, at); !expected.empty()) return expected;
  if (options.replace_only) return "no -r, which more_set_input_headers has";
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
    if (options.append)
      field.kind = SnippetField::Kind::add;
    else if (field.value.empty())
      field.kind = SnippetField::Kind::clear;
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

namespace {

// "15h30m" of a day, in nginx's units.
std::optional<std::int64_t> read_time_of_day(std::string_view text) {
  const auto seconds = read_time(text);
  return seconds && *seconds < 86'400 ? seconds : std::nullopt;
}

}  // namespace

std::string read_expires(Reader& r, const Directive& d) {
  using Expires = model::SnippetExpires;
  const std::string& what = d.words[0].text;
  Expires out;
  if (d.words.size() == 2 || what == "modified")
    return "a time behind the answer, as 1h: when a pod's file was changed is not read";
  if (what == "off") {
    out.kind = Expires::Kind::off;
  } else if (what == "epoch") {
    out.kind = Expires::Kind::epoch;
  } else if (what == "max") {
    out.kind = Expires::Kind::max;
  } else if (what.starts_with('@')) {
    const auto seconds = read_time_of_day(std::string_view(what).substr(1));
    if (!seconds) return "a time of day behind the @, as @15h30m";
    out = {Expires::Kind::daily, *seconds};
  } else {
    const bool back = what.starts_with('-');
    const auto seconds = read_time(std::string_view(what).substr(back || what.starts_with('+') ? 1 : 0));
    if (!seconds)
      return "a time such as 1h, -1 or @15h30m, max, epoch or off, and no variable: `if` chooses between them";
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
  if (options.replace_only && !clears)
    return "no -r: if ($http_NAME) { set $v VALUE; } in front, and this with $v, sets what the client sent alone";
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

}  // namespace sluice::control::snippet
