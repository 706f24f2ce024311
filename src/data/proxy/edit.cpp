#include "data/proxy/edit.h"

#include "data/server/worker.h"
#include "net/http/path.h"

namespace sluice::data {

namespace {

// The target with groups in place of $1 to $9. Text of the request is percent-encoded, so that it stays in the path.
void fill_in(std::string_view target, const Regex::Captures& groups, bool strictly, std::string& out) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    const bool group = target[i] == '$' && i + 1 < target.size() && target[i + 1] >= '1' && target[i + 1] <= '9';
    if (!group) {
      out += target[i];
      continue;
    }
    const std::string_view text = groups[static_cast<std::size_t>(target[++i] - '0')];
    if (strictly)
      net::http::append_spelled(text, out);
    else
      net::http::append_escaped(text, out);
  }
}

}  // namespace

bool leads_away(const model::Rewrite& rewrite) noexcept {
  return rewrite.target.starts_with("http://") || rewrite.target.starts_with("https://");
}

void rewrite(const Route& route, const model::RouteSettings& settings, std::string_view path, std::string_view query,
             Rewritten& out) {
  const model::Rewrite& wanted = *settings.rewrite;
  out.redirect = leads_away(wanted);
  out.wrong = nullptr;
  out.gave_up = false;
  out.target.clear();
  Regex::Captures groups{};
  if (route.pattern != nullptr) {
    const auto outcome = route.pattern->match(path, &groups);
    if (outcome == Regex::Outcome::gave_up) {
      out.wrong = "the pattern of the route takes too many steps for this path";
      out.gave_up = true;
      return;
    }
  }
  const bool strictly = out.redirect || settings.ambiguous_paths != model::AmbiguousPaths::raw;
  fill_in(wanted.target, groups, strictly, out.target);
  if (!out.redirect && !out.target.starts_with('/'))
    out.wrong = "rewrite-target makes a path that begins with no slash";
  out.target += query;
}

void edited(const RequestView& request, Rewritten& out) {
  const auto& settings = *request.route->settings;
  if (settings.rewrite) return rewrite(*request.route, settings, request.path, request.query, out);
  out.redirect = out.gave_up = false;
  out.wrong = nullptr;
  out.target.clear();
  net::http::append_spelled(request.path, out.target);
  out.target += request.query;
}

std::optional<LocalReply> edit(Exchange& ex) {
  if (!is_edited(*ex.settings)) return std::nullopt;
  Rewritten to;
  to.target.swap(ex.memory.target);
  edited(ex, to);
  to.target.swap(ex.memory.target);
  ex.target = ex.memory.target;
  if (to.wrong != nullptr) return LocalReply{.status = 500, .why = to.wrong, .gave_up = to.gave_up};
  return std::nullopt;
}

}  // namespace sluice::data
