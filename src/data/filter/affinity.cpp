#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>

#include "data/plan/step.h"

// The cookie by which a browser comes back to its endpoint (affinity: cookie). The policy says when a session begins
// and what its key is; here is what its route says of the cookie.
namespace sluice::data {

namespace {

// Browsers that refuse SameSite=None, or take it for Strict, as ingress-nginx tells them: Chrome 40 to 69, everything
// on iOS 12, and Safari on macOS 10.14.
bool understands_none(std::string_view agent) noexcept {
  const auto has = [agent](std::string_view part) { return agent.find(part) != std::string_view::npos; };
  if (has("Chrome/4") || has("Chrome/5") || has("Chrome/6")) return false;
  if (has("CPU iPhone OS 12") || has("iPad; CPU OS 12")) return false;
  return !(has("Macintosh") && has("Intel Mac OS X 10_14") && has("Safari") && !has("Chrome"));
}

// As nginx writes it: with two digits of the year, as long as they suffice.
void append_cookie_time(std::chrono::sys_seconds time, std::string& out) {
  const std::tm parts = fmt::gmtime(time);
  if (parts.tm_year + 1900 > 2037)
    fmt::format_to(std::back_inserter(out), "{:%a, %d-%b-%Y %H:%M:%S} GMT", parts);
  else
    fmt::format_to(std::back_inserter(out), "{:%a, %d-%b-%y %H:%M:%S} GMT", parts);
}

class SessionCookieStep final : public Step {
 public:
  explicit SessionCookieStep(model::Shared<model::Balancing> balancing) : balancing_(std::move(balancing)) {}

  void respond(const RequestView& request, ResponseFields& fields) const override {
    if (request.session.empty()) return;
    const model::Affinity& affinity = *balancing_->affinity;
    std::string& out = fields.text();
    out += request.session;
    if (affinity.expires) {
      const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
      out += "; Expires=";
      append_cookie_time(now + std::chrono::seconds(*affinity.expires), out);
    }
    if (affinity.max_age) fmt::format_to(std::back_inserter(out), "; Max-Age={}", *affinity.max_age);
    if (!affinity.domain.empty()) out.append("; Domain=").append(affinity.domain);
    out.append("; Path=");
    if (!affinity.path.empty())
      out += affinity.path;
    else if (request.route != nullptr)
      out += request.route->spec->location;
    if (affinity.secure || request.https) out += "; Secure";
    out += "; HttpOnly";
    if (affinity.same_site != model::SameSite::unset && !is_misunderstood(affinity, request))
      out.append("; SameSite=").append(to_string(affinity.same_site));
    fields.add("Set-Cookie", out);
  }

 private:
  static bool is_misunderstood(const model::Affinity& affinity, const RequestView& request) noexcept {
    if (affinity.same_site != model::SameSite::none || !affinity.same_site_none_if_understood) return false;
    const auto* agent = request.received.find(net::http::Name::user_agent);
    return agent != nullptr && !understands_none(agent->value);
  }

  const model::Shared<model::Balancing> balancing_;
};

}  // namespace

extern const Row kAffinity;
const Row kAffinity{"affinity", in(Phase::respond), [](const Needs& needs) -> StepPtr {
                      const auto& balancing = needs.settings.balancing;
                      if (!balancing || !balancing->affinity) return nullptr;
                      return std::make_shared<const SessionCookieStep>(balancing);
                    }};

}  // namespace sluice::data
