#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/variables.h"
#include "model/cidr.h"

// What snippets of nginx come to (control/kube/snippet/ reads them): typed operations that run where nginx runs the
// directives they were made of. Nothing of it is text that anybody reads again.
namespace sluice::model {

// One step of nginx's rewrite module. Steps of a block stand behind its test, in order of the text.
struct SnippetStep {
  enum class Kind : std::uint8_t {
    set,       // `name` becomes `text`
    test,      // `if`: where it fails, the next `count` steps are left out
    level,     // the block of an `if` is entered: SnippetRules::levels[count] counts for the response
    query,     // `set $args`: the query becomes `text`
    rewrite,   // where `pattern` matches the path
    answer,    // `return`
    stop,      // `break`
    groups,    // $1 to $9 become those of `pattern`, matched against the path: a location's own
    replace,   // the first `count` bytes of the path become `text`, unless it was rewritten: a proxy_pass with a path
    target,    // pods get `text`, as it stands, for a path: a proxy_pass whose path is made of variables
    original,  // in a sub-request pods get what the client asked for: a proxy_pass with $request_uri
  };
  enum class Test : std::uint8_t { is_set, equals, differs, matches, fails };
  enum class Flag : std::uint8_t { none, last, stop, redirect, permanent };
  Kind kind = Kind::stop;
  Test test = Test::is_set;
  Flag flag = Flag::none;
  bool drop_query = false;   // rewrite: the query of before is not put behind the new one
  bool with_query = false;   // rewrite: `query` counts
  bool is_location = false;  // answer: `text` is where the client is sent
  bool has_text = false;     // answer: `text` is the body; without it a page says the status
  std::uint16_t status = 0;  // answer
  std::uint32_t count = 0;
  std::string name;     // set: lower case
  std::string pattern;  // as Regex reads it
  Template text;        // test: the variable that is looked at; rewrite: the new path, or an URL
  Template query;       // rewrite: likewise; test: what `text` is compared with
  bool operator==(const SnippetStep&) const = default;
};

// A field of responses.
struct SnippetField {
  enum class Kind : std::uint8_t { add, set, clear };
  Kind kind = Kind::set;
  bool always = false;                  // add: with whatever status
  std::string name;                     // clear: a '*' at its end is for whatever follows
  Template value;                       // empty: the field is removed (set), or not added
  std::vector<std::uint16_t> statuses;  // set, clear: of these alone; none: of all
  std::vector<std::string> types;       // likewise, by Content-Type without its parameters
  bool operator==(const SnippetField&) const = default;
};

// nginx's `expires`.
struct SnippetExpires {
  enum class Kind : std::uint8_t {
    unsaid,
    off,
    epoch,
    max,
    after,  // `seconds` from now
    daily,  // when it is so many seconds past midnight
  };
  Kind kind = Kind::unsaid;
  std::int64_t seconds = 0;
  bool operator==(const SnippetExpires&) const = default;
};

// What counts for the response: of the location, or of the last block of an `if` that was entered there, with what that
// inherits.
struct SnippetLevel {
  std::vector<SnippetField> set;    // more_set_headers and more_clear_headers, in order; of kind add: -a
  std::vector<SnippetField> added;  // add_header
  std::vector<std::string> hidden;  // proxy_hide_header
  SnippetExpires expires;
  bool operator==(const SnippetLevel&) const = default;
};

// allow and deny, as SourceRanges counts bits.
struct SnippetAccess {
  Cidr range;
  bool everybody = false;
  bool allow = false;
  bool operator==(const SnippetAccess&) const = default;
};

// What a list says of each client, whatever its address; nothing: that depends on it, or it says nothing of most.
inline std::optional<bool> says_of_everybody(const std::vector<SnippetAccess>& list) noexcept {
  for (const auto& rule : list) {
    if (rule.allow != list.front().allow) return std::nullopt;
    if (rule.everybody) return rule.allow;
  }
  return std::nullopt;
}

// A field that pods get. An empty value removes the client's.
struct SnippetLine {
  std::string name;
  Template value;
  bool operator==(const SnippetLine&) const = default;
};

// auth_request_set: what was said about the request becomes a variable.
struct SnippetAuthField {
  std::string name;  // of the variable, lower case
  Template value;    // $upstream_http_, $upstream_status, $upstream_addr and $status are those of the answer
  bool operator==(const SnippetAuthField&) const = default;
};

// limit_req, with what its zone says: how often one key may ask, counted for all who name the zone.
struct SnippetRate {
  static constexpr std::uint32_t kAtOnce = 0xffffffff;  // of `delay`
  std::string zone;
  Template key;                // empty: the request is not counted
  std::uint32_t a_second = 0;  // thousandths of a request
  std::uint32_t burst = 0;     // requests that may come too early
  std::uint32_t delay = 0;     // so many of them do not wait for their turn; kAtOnce: none waits
  bool operator==(const SnippetRate&) const = default;
};
// limit_conn: how many of one key may be in flight.
struct SnippetConnections {
  std::string zone;
  Template key;
  std::uint32_t most = 0;  // ClientLimits::kMostConnections at most
  bool operator==(const SnippetConnections&) const = default;
};
struct SnippetLimits {
  static constexpr std::size_t kMostRates = 8, kMostConnections = 2, kMostZones = 64;
  std::vector<SnippetRate> rates;
  std::vector<SnippetConnections> connections;
  // Those that are a server's do not count where annotations of the location limit the same.
  bool rates_of_server = false, connections_of_server = false;
  std::uint16_t rate_status = 0, connection_status = 0;  // 0: as the options say
  bool operator==(const SnippetLimits&) const = default;
};

// nginx's error_page: what is answered in place of one of our errors. A location that does nothing but `return` is the
// answer, with fields and a type of its own; any other path is asked for as the client might.
struct SnippetErrorPage {
  std::vector<std::uint16_t> statuses;
  SnippetStep answer;
  std::string path;                        // of the location, whose extension may say the type; empty: the request's
  std::string asks;                        // the path that is asked for; empty: `answer` is what is said
  Template query;                          // behind it, with its '?'; empty: none
  std::string default_type = "text/html";  // of a text, where no extension says it
  std::optional<std::uint32_t> level;      // of Snippet::levels that counts for it; none: as without it
  bool keeps_status = false;  // the error's, whatever the answer says; of a redirect its own counts all the same
  std::uint16_t status = 0;   // likewise this one; 0: as `keeps_status` has it
  bool operator==(const SnippetErrorPage&) const = default;
};

// What the snippets of a route say, beside its settings.
struct Snippet {
  // What a snippet may hold. nginx has none of these limits; who reaches one has written no snippet.
  static constexpr std::size_t kMostBytes = 32 * 1024, kMostDirectives = 1000, kMostDepth = 4, kMostWords = 100,
                               kMostSteps = 256, kMostVariables = 64, kMostFields = 128, kMostLocations = 64,
                               kMostPatterns = 64, kMostNamed = 16;
  // Of one request: times that a rewrite looks for a location again, as nginx has it, and bytes that its variables,
  // paths and texts may come to.
  static constexpr unsigned kMostSearches = 10;
  static constexpr std::size_t kMostMade = 64 * 1024;

  std::vector<SnippetStep> server;    // once for each request, before its location is chosen
  std::vector<SnippetStep> location;  // each time that the location is chosen
  std::vector<SnippetLevel> levels;   // the first is that of the location itself; never empty
  std::vector<SnippetAccess> access;  // the first that has the client's address decides; none: it may come
  std::vector<SnippetLine> request;   // proxy_set_header, more_set_input_headers, more_clear_input_headers
  std::string asks;  // auth_request: the path of the host that says whether a request may come; empty: none does
  std::vector<SnippetAuthField> auth;
  std::vector<SnippetErrorPage> errors;  // the first that has the status
  SnippetLimits limits;
  bool without_body = false;               // pods get none, whatever the client sends
  bool intercepts = false;                 // they answer in place of pods' errors, too
  std::string default_type = "text/html";  // of a `return` with a text, where the path's extension says nothing
  bool internal = false;                   // reached by a rewrite alone
  bool of_server = false, own = false;     // a server-snippet is part of it; what its Ingress or its location says is
  std::string written;  // the directives in one line, for explain, shortened; those of both with " | " between them
  bool operator==(const Snippet&) const = default;
};

// May it refuse a request that would be served without it? Not for its limits, which say how often and not who.
inline bool keeps_out(const Snippet& s) noexcept {
  const auto answers = [](const SnippetStep& step) { return step.kind == SnippetStep::Kind::answer; };
  return !s.access.empty() || !s.asks.empty() || s.internal || std::ranges::any_of(s.server, answers) ||
         std::ranges::any_of(s.location, answers);
}

}  // namespace sluice::model
