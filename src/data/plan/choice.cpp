#include "data/plan/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/variables.h"
#include "data/balance/session_cookie.h"
#include "data/exchange/fields.h"

namespace sluice::data {

namespace {

constexpr std::string_view kAlways = "always", kNever = "never";

// The values of all fields of that name in one, joined as nginx does: `room` holds them where there are several.
// Nothing: there is none. An empty value is one.
std::optional<std::string_view> value_of(const net::http::RequestHead& head, std::string_view name, std::string& room) {
  std::optional<std::string_view> out;
  for (const auto& field : head.fields.all()) {
    if (!names_field(name, field.name) || is_ignored(field)) continue;
    if (!out) {
      out = field.value;
      continue;
    }
    if (room.empty()) room = *out;
    room.append(iequals(name, "cookie") ? "; " : ", ").append(field.value);
    out = room;
  }
  return out;
}

}  // namespace

bool is_bound(const RequestView& request, const Candidate& candidate) noexcept {
  const auto& balancing = candidate.cluster->balancing;
  if (candidate.session_id.empty() || !balancing || !balancing->affinity) return false;
  const auto cookie = session_cookie(request.received, balancing->affinity->name, candidate.session_id);
  return !cookie.key.empty() && cookie.id == candidate.session_id;
}

Choice::Choice(model::Shared<model::Canary> spec, std::uint32_t series) : spec_(std::move(spec)), series_(series) {
  if (spec_->rule.pattern.empty()) return;
  // ingress-nginx matches without options: case counts.
  if (auto made = Regex::make("(?-i)" + spec_->rule.pattern)) pattern_ = std::move(*made);
}

// Nothing: the header says nothing, which the cookie and the weight may.
std::optional<Choice::Opinion> Choice::by_header(const RequestView& request) const {
  const auto& rule = spec_->rule;
  if (rule.header.empty()) return std::nullopt;
  std::string room;
  const auto value = value_of(request.received, rule.header, room);
  if (!value) return std::nullopt;
  if (!rule.value.empty()) {
    if (*value == rule.value) return Opinion{By::header_value, true};
    return std::nullopt;
  }
  if (!rule.pattern.empty()) {
    if (!pattern_) return Opinion{By::unusable_pattern, false};
    switch (pattern_->match(*value)) {
      case Regex::Outcome::yes:
        return Opinion{By::header_pattern, true};
      case Regex::Outcome::gave_up:
        return Opinion{By::pattern_gave_up, false};
      case Regex::Outcome::no:
        return std::nullopt;
    }
  }
  if (*value == kAlways || *value == kNever) return Opinion{By::header, *value == kAlways};
  return std::nullopt;
}

Choice::Opinion Choice::ask(const RequestView& request, const Candidate& main, const Candidate& canary) const {
  if (main.cluster == nullptr || !main.available) return {By::no_main, false};
  if (is_bound(request, main)) return {By::bound_to_main, false};
  if (canary.cluster == nullptr || !canary.available) return {By::no_canary, false};
  if (is_bound(request, canary)) return {By::bound_to_canary, true};
  if (const auto opinion = by_header(request)) return *opinion;
  if (const auto& name = spec_->rule.cookie; !name.empty()) {
    const auto value = cookie(request.received.fields.all(), name);
    if (value == kAlways || value == kNever) return {By::cookie, value == kAlways};
  }
  return {By::weight, false};
}

bool Choice::draw(std::uint64_t random) const noexcept {
  const auto& rule = spec_->rule;
  if (rule.weight <= 0) return false;
  return random % static_cast<std::uint64_t>(rule.total) < static_cast<std::uint64_t>(rule.weight);
}

std::int64_t Choice::share() const noexcept {
  return std::clamp(spec_->rule.weight, std::int64_t{0}, total());
}

std::string Choice::because(By by) const {
  const auto& rule = spec_->rule;
  switch (by) {
    case By::no_main:
      return "the Service of the main Ingress has no endpoint";
    case By::no_canary:
      return "the Service of the canary has no endpoint";
    case By::bound_to_main:
      return "the cookie of affinity binds it to the main Ingress";
    case By::bound_to_canary:
      return "the cookie of affinity binds it to the canary";
    case By::header_value:
      return fmt::format("{} is {} (canary-by-header-value)", rule.header, rule.value);
    case By::header_pattern:
      return fmt::format("{} matches {} (canary-by-header-pattern)", rule.header, rule.pattern);
    case By::unusable_pattern:
      return fmt::format("it has {}, and canary-by-header-pattern {} is no regular expression", rule.header,
                         rule.pattern);
    case By::pattern_gave_up:
      return fmt::format("canary-by-header-pattern {} takes too many steps for its {}", rule.pattern, rule.header);
    case By::header:
      return fmt::format("header {} says so (canary-by-header)", rule.header);
    case By::cookie:
      return fmt::format("cookie {} says so (canary-by-cookie)", rule.cookie);
    case By::weight:
      return fmt::format("nothing else decides; {} of {} such requests go to the canary (canary-weight)", share(),
                         total());
  }
  return {};
}

}  // namespace sluice::data
