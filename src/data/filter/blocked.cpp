#include "data/plan/step.h"
#include "model/text_rules.h"

// block-user-agents and block-referers.
namespace sluice::data {

namespace {

// The value that a field has; of several lines each is looked at, and what nginx makes of them.
Regex::Outcome match(const TextMap& rules, const RequestView& request, net::http::Name name) {
  if (rules.empty()) return Regex::Outcome::no;
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
      : user_agents_(model::text_map(options.block_user_agents)), referers_(model::text_map(options.block_referers)) {}

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
  const TextMap user_agents_, referers_;
};

StepPtr make_blocked(const model::Options& options, bool) {
  if (options.block_user_agents.empty() && options.block_referers.empty()) return nullptr;
  return std::make_shared<const Blocked>(options);
}

}  // namespace

extern const Row kBlocked;
const Row kBlocked{"blocked", in(Phase::answer), nullptr, make_blocked};

}  // namespace sluice::data
