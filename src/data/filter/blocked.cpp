#include <algorithm>
#include <span>

#include "base/regex.h"
#include "base/strings.h"
#include "data/plan/step.h"

// block-user-agents and block-referers.
namespace sluice::data {

namespace {

using model::TextRule;

bool less_in_any_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::lexicographical_compare(
      a, b, {}, [](char c) { return lower(c); }, [](char c) { return lower(c); });
}

// As a map of nginx: whole texts first, then the regular expressions in order.
class Rules {
 public:
  explicit Rules(const std::vector<TextRule>& rules) {
    for (const auto& rule : rules) {
      if (rule.kind == TextRule::Kind::whole)
        texts_.push_back(rule.text);
      else if (auto regex = Regex::make(model::regex_text(rule)))
        patterns_.push_back(std::move(*regex));
    }
    std::ranges::sort(texts_, less_in_any_case);
  }
  bool none() const noexcept { return texts_.empty() && patterns_.empty(); }
  Regex::Outcome match(std::string_view text) const noexcept {
    if (std::ranges::binary_search(texts_, text, less_in_any_case)) return Regex::Outcome::yes;
    for (const auto& pattern : patterns_)
      if (const auto outcome = pattern->match(text); outcome != Regex::Outcome::no) return outcome;
    return Regex::Outcome::no;
  }

 private:
  std::vector<std::string> texts_;
  std::vector<std::shared_ptr<const Regex>> patterns_;
};

// The value that a field has; of several lines each is looked at, and what nginx makes of them.
Regex::Outcome match(const Rules& rules, const RequestView& request, net::http::Name name) {
  if (rules.none()) return Regex::Outcome::no;
  const auto& head = request.received;
  const net::http::Field* first = head.names.has(name) ? head.find(name) : nullptr;
  if (first == nullptr) return rules.match({});
  std::string all;
  for (const auto& field : head.fields.all()) {
    if (field.id != name) continue;
    if (const auto outcome = rules.match(field.value); outcome != Regex::Outcome::no) return outcome;
    if (&field != first) all.append(all.empty() ? first->value : std::string_view()).append(", ").append(field.value);
  }
  return all.empty() ? Regex::Outcome::no : rules.match(all);
}

class Blocked final : public Step {
 public:
  explicit Blocked(const model::Options& options)
      : user_agents_(options.block_user_agents), referers_(options.block_referers) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (auto reply = refused(match(user_agents_, request, net::http::Name::user_agent),
                             "the User-Agent is one of block-user-agents"))
      return reply;
    return refused(match(referers_, request, net::http::Name::referer), "the Referer is one of block-referers");
  }

 private:
  static std::optional<LocalReply> refused(Regex::Outcome outcome, const char* why) {
    if (outcome == Regex::Outcome::no) return std::nullopt;
    if (outcome == Regex::Outcome::yes) return LocalReply{.status = 403, .why = why};
    return LocalReply{.status = 500,
                      .why = "an expression of block-user-agents or block-referers takes too many steps",
                      .gave_up = true};
  }
  const Rules user_agents_, referers_;
};

StepPtr make_blocked(const model::Options& options, bool) {
  if (options.block_user_agents.empty() && options.block_referers.empty()) return nullptr;
  return std::make_shared<const Blocked>(options);
}

}  // namespace

extern const Row kBlocked;
const Row kBlocked{"blocked", in(Phase::answer), nullptr, make_blocked};

}  // namespace sluice::data
