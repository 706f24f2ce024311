// limit_req and limit_conn, whose zones the http-snippet of the ConfigMap makes.
#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"
#include "model/settings/client_limits.h"

namespace sluice::control::snippet {

namespace {

using model::SnippetLimits;
using model::SnippetRate;

std::string add(Reader& r, Limit limit, std::size_t most) {
  auto& list = r.block().limits;
  const bool rate = limit.most == 0;
  const auto same = [&](const Limit& other) { return (other.most == 0) == rate; };
  if (std::ranges::any_of(list, [&](const Limit& other) { return same(other) && other.zone == limit.zone; }))
    return "each zone once";
  if (static_cast<std::size_t>(std::ranges::count_if(list, same)) >= most)
    return "at most " + std::to_string(most) + " of them in a block";
  list.push_back(std::move(limit));
  return {};
}

}  // namespace

std::string read_limit_req(Reader& r, const Directive& d) {
  static constexpr std::string_view kShape = "zone=NAME, and perhaps burst=N and nodelay or delay=N";
  Limit limit{d.at, d.name, {}, 0, 0, 0, {}, 0};
  for (const Word& word : d.words) {
    const std::string_view text = word.text;
    const auto number = [&](std::string_view name) -> std::optional<std::uint32_t> {
      const auto n = parse_int(text.substr(name.size()));
      if (!n || *n < 1 || *n > 1'000'000) return std::nullopt;
      return static_cast<std::uint32_t>(*n);
    };
    std::optional<std::uint32_t> n;
    if (text.starts_with("zone=")) {
      limit.zone = text.substr(5);
    } else if (text == "nodelay") {
      limit.delay = SnippetRate::kAtOnce;
    } else if (text.starts_with("burst=") && (n = number("burst="))) {
      limit.burst = *n;
    } else if (text.starts_with("delay=") && (n = number("delay="))) {
      limit.delay = *n;
    } else {
      return std::string(kShape);
    }
  }
  return limit.zone.empty() ? std::string(kShape) : add(r, std::move(limit), SnippetLimits::kMostRates);
}

std::string read_limit_conn(Reader& r, const Directive& d) {
  const auto n = parse_int(d.words[1].text);
  if (d.words[0].text.empty() || !n || *n < 1 || *n > model::ClientLimits::kMostConnections)
    return "a zone and a number from 1 to " + std::to_string(model::ClientLimits::kMostConnections);
  return add(r, {d.at, d.name, d.words[0].text, 0, 0, static_cast<std::uint32_t>(*n), {}, 0},
             SnippetLimits::kMostConnections);
}

std::string read_limit_status(Reader& r, const Directive& d) {
  const auto status = parse_int(d.words[0].text);
  if (!status || *status < 400 || *status > 599) return "a status from 400 to 599";
  (d.name == "limit_req_status" ? r.block().rate_status : r.block().connection_status) =
      static_cast<std::uint16_t>(*status);
  return {};
}

std::string read_limit_dry_run(Reader&, const Directive& d) {
  return d.words[0].text == "off" ? "" : "off: what is counted is refused; without the limit nothing is";
}

}  // namespace sluice::control::snippet
