#include "model/settings/cors.h"

#include <algorithm>

#include "base/strings.h"
#include "data/plan/step.h"

// enable-cors: preflights are answered here, and responses say what the page of an origin may do.
namespace sluice::data {

namespace {

constexpr bool of_label(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (c >= 'A' && c <= 'Z');
}

// An origin as it is allowed: the text, or what stands before and behind one label of any name.
class Pattern {
 public:
  Pattern(std::string_view text, bool ends_alone) : ends_alone_(ends_alone) {
    const auto star = text.find('*');
    wildcard_ = star != std::string_view::npos;
    before_ = text.substr(0, star);
    if (wildcard_) behind_ = text.substr(star + 1);
  }
  bool matches(std::string_view origin) const noexcept {
    if (ends_alone_) {
      std::size_t size = before_.size();
      if (wildcard_) {
        if (origin.size() < behind_.size()) return false;
        const auto rest = origin.substr(0, origin.size() - behind_.size());
        const auto label = std::find_if_not(rest.rbegin(), rest.rend(), of_label) - rest.rbegin();
        size += static_cast<std::size_t>(label) + behind_.size();
      }
      if (origin.size() < size) return false;
      origin.remove_prefix(origin.size() - size);
    }
    if (!wildcard_) return iequals(origin, before_);
    if (origin.size() <= before_.size() + behind_.size()) return false;
    const auto label = origin.substr(before_.size(), origin.size() - before_.size() - behind_.size());
    return iequals(origin.substr(0, before_.size()), before_) &&
           iequals(origin.substr(origin.size() - behind_.size()), behind_) &&
           std::all_of(label.begin(), label.end(), of_label);
  }

 private:
  std::string before_, behind_;
  bool wildcard_ = false;
  bool ends_alone_;
};

// ingress-nginx's, but that it compares the end of an origin alone, as `ends_alone` asks for: there
// https://evil.examplehttps://good.example would be good.example's.
class Cors final : public Step {
 public:
  explicit Cors(const model::Cors& cors) : cors_(cors), max_age_(std::to_string(cors.max_age)) {
    any_ = cors.origins == std::vector<std::string>{"*"};
    if (!any_)
      for (const auto& origin : cors.origins) patterns_.emplace_back(origin, cors.ends_alone);
  }

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (request.received.method != net::http::Method::options || allowed(request).empty()) return std::nullopt;
    return LocalReply{.status = 204, .why = "a CORS preflight", .body = std::string()};
  }

  void respond(const RequestView& request, ResponseFields& fields) const override {
    const auto origin = allowed(request);
    if (origin.empty()) return;
    fields.set_if_free("Access-Control-Allow-Origin", origin);
    if (cors_.credentials) fields.set_if_free("Access-Control-Allow-Credentials", "true");
    fields.set_if_free("Access-Control-Allow-Methods", cors_.methods);
    fields.set_if_free("Access-Control-Allow-Headers", cors_.headers);
    if (!cors_.expose_headers.empty()) fields.set_if_free("Access-Control-Expose-Headers", cors_.expose_headers);
    fields.set_if_free("Access-Control-Max-Age", max_age_);
  }

 private:
  // What is told to be allowed; empty: nothing is.
  std::string_view allowed(const RequestView& request) const noexcept {
    if (any_) return "*";
    const net::http::Field* origin = nullptr;
    for (const auto& field : request.received.fields.all()) {
      if (field.id != net::http::Name::other || !iequals(field.name, "origin")) continue;
      if (origin != nullptr) return {};
      origin = &field;
    }
    const auto matches = [&](const Pattern& pattern) { return pattern.matches(origin->value); };
    return origin != nullptr && std::any_of(patterns_.begin(), patterns_.end(), matches) ? origin->value
                                                                                         : std::string_view();
  }

  const model::Cors cors_;
  const std::string max_age_;
  bool any_ = false;
  std::vector<Pattern> patterns_;
};

StepPtr make_cors(const Needs& needs) {
  return needs.settings.cors ? std::make_shared<const Cors>(*needs.settings.cors) : nullptr;
}

}  // namespace

extern const Row kCors;
const Row kCors{"cors", in(Phase::answer, Phase::respond), make_cors};

}  // namespace sluice::data
