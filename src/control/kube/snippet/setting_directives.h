#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/kube/grammar.h"
#include "control/kube/replacement.h"
#include "control/kube/snippet/reader.h"

// Handlers of directives that say what one member of a route's settings is.
namespace sluice::control::snippet {

// Times as nginx writes them: "7d", "1h 30m", "90"; milliseconds where `fine`, seconds else.
std::optional<std::int64_t> read_time(std::string_view text, bool fine = false);

template <auto M>
std::string read_millis(Reader& r, const Directive& d) {
  const auto ms = read_time(d.words[0].text, true);
  if (!ms || *ms == 0) return "a time such as 60s";
  r.change(d, [ms = *ms](model::RouteSettings& s) { s.*M = model::Millis(ms); });
  return {};
}

template <auto M>
std::string read_size(Reader& r, const Directive& d) {
  const auto size = parse_size(d.words[0].text);
  if (!size) return "a size such as 8m";
  r.change(d, [size = *size](model::RouteSettings& s) { s.*M = size; });
  return {};
}

template <auto M, bool Inverted = false>
std::string read_on_off(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.change(d, [on = *on](model::RouteSettings& s) { s.*M = on != Inverted; }, Inverted);
  return {};
}

template <auto M>
std::string read_rate(Reader& r, const Directive& d) {
  const auto size = parse_size(d.words[0].text);
  if (!size || *size >= model::RouteSettings::kMostRate) return "a size such as 500k, without variables";
  r.change(d, [size = *size](model::RouteSettings& s) { s.*M = size; });
  return {};
}

template <auto M>
std::string read_cookie(Reader& r, const Directive& d) {
  if (d.words.size() == 1) {
    if (d.words[0].text != "off") return "off, or two texts";
    r.change(d, [](model::RouteSettings& s) { s.*M = nullptr; });
    return {};
  }
  model::Shared<model::Replacement> judged;
  if (auto expected = read_replaced(d.words[0].text, "", judged); !expected.empty()) return expected;
  model::Replacement out;
  out.from = d.words[0].text;
  if (auto expected = r.text(d.words[1], Reader::For::request, out.to); !expected.empty()) return expected;
  r.change(d, [out](model::RouteSettings& s) { s.*M = out; });
  return {};
}

}  // namespace sluice::control::snippet
