#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "data/exchange/program_state.h"
#include "data/exchange/request_view.h"
#include "data/plan/step.h"
#include "data/routing/route_table.h"
#include "model/settings/snippet.h"

// What snippets do before a request has its answer or its pod: nginx's rewrite module. serve() and `sluice explain` run
// the same. Source: docs/snippets.md.
namespace sluice::data {

// The snippets of a route, with their regular expressions compiled. Immutable; any number of threads.
class Program {
 public:
  explicit Program(model::Shared<model::Snippet> of);

  enum class Next : std::uint8_t {
    go_on,     // to what the location does
    search,    // the path is another: a location is looked for again
    answered,  // ProgramState::answer
  };
  // Each changes the path and the query of the request, and `state`. No allocations but in texts of `state`.
  Next run_server(RequestView& request, ProgramState& state) const;
  Next run_location(RequestView& request, ProgramState& state) const;

  const model::Snippet& of() const noexcept { return *of_; }

 private:
  using Patterns = std::vector<std::shared_ptr<const Regex>>;  // by step; null: it has none
  static Patterns compile(const std::vector<model::SnippetStep>& steps);
  static Next run(std::span<const model::SnippetStep> steps, const Patterns& patterns, bool server,
                  RequestView& request, ProgramState& state);

  const model::Shared<model::Snippet> of_;
  const Patterns server_, location_;
  const bool names_groups_;  // something of it names $1 to $9, of whatever was matched last
};

// Runs those of the request's route, which has a Program, and of the routes that this leads to: sets request.program,
// and where a rewrite says so request.route, .undecided, .path and .query. A rewrite leads to routes of its own
// namespace alone. `host`: lower case, as RouteTable has it.
void run_program(RequestView& request, const RouteTable& routes, std::string_view host, ProgramState& state);

// What a snippet answers in place of an error, `reply`, which it writes into; false: nothing.
bool answer_error(const RequestView& request, LocalReply& reply);
// The error page whose path is asked for in place of an error of that status (elsewhere.h); null: there is none.
const model::SnippetErrorPage* asked_for(const RequestView& request, int status) noexcept;
// Has a snippet answered with this status and a text of its own?
bool has_own_text(const RequestView& request, int status) noexcept;
// Is it a snippet's answer with a text of its own? That is what it means, as in nginx: no page stands in its place.
bool is_own_text(const RequestView& request, const LocalReply& reply) noexcept;
// Does one answer in place of a pod's response with this status? `intercepts`: something else has errors of pods
// intercepted.
bool intercepts_by_snippet(const model::RouteSettings& settings, int status, bool intercepts = false) noexcept;

// What pods get for a path and a query where snippets say so, appended to `out`; false: they say nothing. `spelled`:
// of several readings of the path the one that net::http::append_spelled writes.
bool append_target(const RequestView& request, bool spelled, std::string& out);

}  // namespace sluice::data
