#include "data/filter/filter.h"
#include "net/http/path.h"

namespace sluice::data {

std::optional<LocalReply> ambiguous_paths(Exchange& ex) {
  if (ex.settings->ambiguous_paths != model::AmbiguousPaths::refuse) return std::nullopt;
  if (net::http::ambiguity(ex.head().path_query) == nullptr) return std::nullopt;
  return LocalReply{400, {}, "ambiguous-paths is refuse, and readers may take the path for different ones"};
}

}  // namespace sluice::data
