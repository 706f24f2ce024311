#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/regex.h"
#include "data/proxy/exchange.h"

// What the pod will see of the request: the step between the answers of our own and the attempts.
namespace sluice::data {

// Where rewrite-target leads a path.
struct Rewritten {
  bool redirect = false;        // `target` is an absolute URL: the client is sent there
  std::string target;           // path or URL and the query, percent-encoded
  const char* wrong = nullptr;  // why there is none: the answer is 500
  bool gave_up = false;         // because the pattern took too many steps
};
// A decision; `sluice explain` asks it too. The route has a rewrite. Writes into `out.target`, whose memory is used
// again.
void rewrite(const RequestView& request, Rewritten& out);
// Is the rewrite-target an absolute URL?
bool leads_away(const model::Rewrite& rewrite) noexcept;

// Do pods get another target than the one that came?
inline bool is_edited(const model::RouteSettings& settings) noexcept {
  return settings.rewrite || settings.ambiguous_paths == model::AmbiguousPaths::normalize;
}
// That one, by rewrite-target or ambiguous-paths; a decision as rewrite() is. The route is edited.
void edited(const RequestView& request, Rewritten& out);

// Sets ex.target. An answer is the end of the request: its rewrite-target leads nowhere.
std::optional<LocalReply> edit(Exchange& ex);

}  // namespace sluice::data
