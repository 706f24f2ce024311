#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "data/exchange/variables.h"
#include "data/plan/step.h"

// What pods say of their own place, as clients are to read it: Location and Refresh (proxy-redirect-from and -to),
// Domain and Path of cookies (proxy-cookie-domain and -path). The rules are those of nginx's proxy module.
namespace sluice::data {

namespace {

// One rule, ready for use.
class Rule {
 public:
  // `wanted` was judged when it was read: of a pattern that cannot be used any more nobody knows what it replaces.
  // `any_case`: whatever its mark says.
  explicit Rule(const model::Replacement& wanted, bool any_case = false) : from_(wanted.from), to_(wanted.to) {
    if (!wanted.is_pattern()) return;
    auto text = model::regex_text(wanted.from);
    if (any_case && !wanted.from.starts_with("~*")) text = "(?i)" + text.substr(sizeof "(?-i)" - 1);
    auto made = Regex::make(text);
    if (made) pattern_ = std::move(*made);
    is_pattern_ = true;
  }

  // Appends what stands in place of `value`; false: it stays. A text is what `value` begins with. A pattern that takes
  // too many steps leaves the response undecided: what it was to hide must not be passed on.
  bool at_beginning(std::string_view value, Spelling spelling, const RequestView& request, ResponseFields& fields,
                    std::string& out) const {
    if (is_pattern_) return by_pattern(value, spelling, request, fields, out);
    if (!value.starts_with(from_)) return false;
    evaluate(to_, request, spelling, out);
    out += value.substr(from_.size());
    return true;
  }
  // The same of a domain: a text is all of it, whatever the case. Dots at the beginning count for neither; the one that
  // the value has stays.
  bool of_domain(std::string_view value, const RequestView& request, ResponseFields& fields, std::string& out) const {
    if (is_pattern_) return by_pattern(value, Spelling::field, request, fields, out);
    if (!iequals(without_dot(value), without_dot(from_))) return false;
    if (value.starts_with('.')) out += '.';
    const auto begin = out.size();
    evaluate(to_, request, Spelling::field, out);
    if (out.compare(begin, 1, ".") == 0) out.erase(begin, 1);
    return true;
  }

 private:
  static std::string_view without_dot(std::string_view domain) noexcept {
    return domain.starts_with('.') ? domain.substr(1) : domain;
  }
  bool by_pattern(std::string_view value, Spelling spelling, const RequestView& request, ResponseFields& fields,
                  std::string& out) const {
    Regex::Captures groups;
    const auto outcome = pattern_ ? pattern_->match(value, &groups) : Regex::Outcome::gave_up;
    if (outcome == Regex::Outcome::gave_up)
      fields.give_up("a pattern of proxy-redirect or proxy-cookie-* takes too many steps for what the pod says");
    if (outcome != Regex::Outcome::yes) return false;
    evaluate(to_, request, spelling, out, &groups);
    return true;
  }

  const std::string from_;
  const Template to_;
  bool is_pattern_ = false;
  std::shared_ptr<const Regex> pattern_;
};

class ReplaceRedirects final : public Step {
 public:
  explicit ReplaceRedirects(const model::RouteSettings& settings)
      : rule_(*settings.redirect_replacement),
        completed_(!settings.relative_redirects),
        names_port_(settings.port_in_redirects) {}

  void respond(const RequestView& request, ResponseFields& fields) const override {
    if (fields.response() == nullptr || !fields.response()->from_pod) return;
    for (auto& field : fields.response()->fields) {
      if (field.drop) continue;
      if (field.id == net::http::Name::location)
        location(request, fields, field);
      else if (field.id == net::http::Name::other && iequals(field.name, "refresh"))
        refresh(request, fields, field);
    }
  }

 private:
  // A path gets scheme and host in front, as nginx's redirects have them.
  void location(const RequestView& request, ResponseFields& fields, net::http::Field& field) const {
    std::string& out = fields.text();
    if (!rule_.at_beginning(field.value, Spelling::url, request, fields, out)) return;
    if (completed_ && out.starts_with('/')) {
      std::string& whole = fields.text();
      request.append_origin(names_port_, whole);
      whole += out;
      field.value = whole;
      return;
    }
    field.value = out;
  }
  // "5; url=https://…": what stands behind "url=".
  void refresh(const RequestView& request, ResponseFields& fields, net::http::Field& field) const {
    static constexpr std::string_view kUrl = "url=";
    const auto at = std::ranges::search(field.value, kUrl, {}, [](char c) { return lower(c); });
    if (at.empty()) return;
    const auto kept = static_cast<std::size_t>(at.end() - field.value.begin());
    std::string& out = fields.text();
    out += field.value.substr(0, kept);
    if (rule_.at_beginning(field.value.substr(kept), Spelling::url, request, fields, out)) field.value = out;
  }

  const Rule rule_;
  const bool completed_, names_port_;
};

class ReplaceInCookies final : public Step {
 public:
  explicit ReplaceInCookies(const model::RouteSettings& settings) {
    if (settings.cookie_domain) domain_.emplace(*settings.cookie_domain, true);  // as names of hosts are
    if (settings.cookie_path) path_.emplace(*settings.cookie_path);
  }

  void respond(const RequestView& request, ResponseFields& fields) const override {
    if (fields.response() == nullptr || !fields.response()->from_pod) return;
    for (auto& field : fields.response()->fields)
      if (!field.drop && field.id == net::http::Name::other && iequals(field.name, "set-cookie"))
        cookie(request, fields, field);
  }

 private:
  // A cookie with an attribute that is replaced is put together anew; any other keeps its bytes.
  void cookie(const RequestView& request, ResponseFields& fields, net::http::Field& field) const {
    // As nginx, for which what begins with no name and value is no cookie.
    if (field.value.substr(0, field.value.find(';')).find('=') == std::string_view::npos) return;
    std::string& out = fields.text();
    bool replaced = false;
    std::string_view rest = field.value;
    for (bool first = true;; first = false) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto part = rest.substr(0, end);
      const auto equals = part.find('=');
      const auto name = trim_of(part.substr(0, equals), " ");
      if (!first) out += "; ";
      out += name;
      if (equals != std::string_view::npos) {
        const auto value = trim_of(part.substr(equals + 1), " ");
        out += '=';
        if (!first && attribute(name, value, request, fields, out))
          replaced = true;
        else
          out += value;
      }
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
    if (replaced) field.value = out;
  }
  bool attribute(std::string_view name, std::string_view value, const RequestView& request, ResponseFields& fields,
                 std::string& out) const {
    if (domain_ && iequals(name, "domain")) return domain_->of_domain(value, request, fields, out);
    return path_ && iequals(name, "path") && path_->at_beginning(value, Spelling::field, request, fields, out);
  }

  std::optional<Rule> domain_, path_;
};

StepPtr make_redirects(const Needs& needs) {
  const auto& wanted = needs.settings.redirect_replacement;
  return wanted && wanted->used() ? std::make_shared<const ReplaceRedirects>(needs.settings) : nullptr;
}

StepPtr make_cookies(const Needs& needs) {
  const auto& s = needs.settings;
  return s.cookie_domain || s.cookie_path ? std::make_shared<const ReplaceInCookies>(s) : nullptr;
}

}  // namespace

extern const Row kReplaceRedirects, kReplaceInCookies;
const Row kReplaceRedirects{"proxy-redirect", in(Phase::respond), make_redirects};
const Row kReplaceInCookies{"proxy-cookie", in(Phase::respond), make_cookies};

}  // namespace sluice::data
