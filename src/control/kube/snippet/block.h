#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/snippet/text.h"
#include "model/model.h"

// Snippets, read: from text to typed operations. What a directive means is a row in directives.cpp; what several blocks
// come to for one route, by nginx's rules of inheritance, is settle(). docs/snippets.md has the table.
namespace sluice::control::snippet {

// Where a directive stands, as nginx names its contexts.
enum class Context : std::uint8_t { server = 1, location = 2, if_in_server = 4, if_in_location = 8 };

// Something that is taken and has no effect.
struct Said {
  Place at;
  std::string directive, because;
};

// proxy_pass of a location that a snippet writes.
struct Pass {
  bool tls = false;
  std::string host;  // a Service of the snippet's namespace: its name; else lower case, an address without brackets
  std::string port;
  bool service = false;
  std::string host_header;  // what pods get as Host where the location says nothing else
};

// A variable that a text names and that nginx does not have.
struct UsedVariable {
  std::string name;
  Place at;
};

// limit_req or limit_conn; the zone of the http-snippet says the rest (insert()).
struct Limit {
  Place at;
  std::string directive, zone;
  std::uint32_t burst = 0, delay = 0;  // of limit_req
  std::uint32_t most = 0;              // of limit_conn; 0: it is none
  Template key;
  std::uint32_t a_second = 0;
};

// error_page. Locations are found by settle(): nginx looks for them among all of the server.
struct ErrorPage {
  model::SnippetErrorPage page;  // where it leads to a location without the answer, and what goes with that
  std::string location;          // "/x" or "@x"; empty: an URL
  Place at;
};

struct Location;

// What one block says, be it a whole snippet or a location in it.
struct Block {
  std::vector<model::SnippetStep> steps;
  // The first is the block's own; the rest are those of its `if`s, without what they inherit.
  std::vector<model::SnippetLevel> levels = std::vector<model::SnippetLevel>(1);
  std::vector<model::SnippetAccess> access;
  std::vector<model::SnippetLine> request;
  std::optional<std::string> asks;  // auth_request: a path, or "" for off
  Place asks_at;
  std::vector<model::SnippetAuthField> auth;
  std::optional<std::string> default_type;
  std::optional<model::SnippetStep> answer;  // of a location that does nothing but `return`
  bool internal = false;
  std::optional<bool> satisfy_any;
  std::vector<std::function<void(model::RouteSettings&)>> changes;      // of what routes have a setting for
  std::vector<std::function<void(model::RouteSettings&)>> far_changes;  // of them, of a server, those of paths too
  std::vector<Location> locations;                                      // in order of the text
  std::vector<Location> handlers;                                       // named ones, of a server
  std::optional<Pass> pass;
  std::vector<ErrorPage> errors;
  std::optional<bool> intercepts;
  std::vector<Limit> limits;
  std::uint16_t rate_status = 0, connection_status = 0;  // 0: unsaid
  std::string mirror_url;                                // of a location: its proxy_pass
  std::string mirror;                                    // where copies go, an URL; empty: none do
  std::optional<bool> mirror_body;
  std::optional<bool> without_body;  // proxy_pass_request_body off
  std::set<std::string> sets;        // variables, lower case
  std::vector<UsedVariable> uses;    // others
  std::vector<Said> said;
  std::string written;  // in one line
};

struct Location {
  model::PathMatch match = model::PathMatch::snippet_prefix;
  std::string path;
  Place at;
  std::shared_ptr<const Block> block;
};

// `where`: server or location. `ns`: of the Ingress, whose Services a proxy_pass may name by their names. Reads the
// whole text or nothing.
std::expected<Block, Refusal> read(std::string_view text, Context where, std::string_view ns);

// Both as one block: `first` stands before `second` in it. Of settings the later counts.
Block joined(const Block& first, const Block& second);

// An error_page of the block, or of a location in it, that leads nowhere; nothing: there is none. `server`: that of its
// server, which may be the block itself; null: none. settle() leaves such a page out, so that whoever asks refuses it.
std::optional<Refusal> leads_nowhere(const Block& block, const Block* server);
// Its error pages, and those of its locations, that ask for a path of the host, whoever has it there.
std::vector<const ErrorPage*> asked_paths(const Block& block, const Block* server);
// Named locations of a server that no error_page of these leads to.
std::vector<const Location*> without_use(const Block& server, const std::vector<const Block*>& others);

// The snippets of the ConfigMap: for the server and for each location, with the maps of its http-snippet; null: there
// is none, or it cannot be read. Kept for as long as the texts are the same. Any thread.
std::shared_ptr<const Block> of_option(const std::string& text, Context where, const std::string& http);
// Why such a text is not taken; nothing: it is fine. No locations: of which host would they be? `http` null: what maps
// there are is not known yet.
std::optional<Refusal> refusal_of_option(std::string_view text, Context where, const std::string* http);

// A list of allow and deny as lists of ranges, for `satisfy any`: denied ones first, as SourceRanges has them. Nothing
// where the order of the text means something else.
std::optional<model::SourceRanges> as_ranges(const std::vector<model::SnippetAccess>& access);
// Under `satisfy any` addresses are one of several ways in, and are asked as those of annotations: moves the list of
// the settings' snippet there. False: as_ranges() cannot tell it; nothing is changed.
bool move_list(model::RouteSettings& settings);

// What a route has of its snippets. `outer` (null: none): of the server, whose steps run first and whose headers,
// access list and type count where `inner` says nothing of them. `inner` (null: none): of the location. `own_lists`:
// annotations of the location have lists of addresses, so that it inherits none.
model::Shared<model::Snippet> settle(const Block* outer, const Block* inner, bool own_lists);
// The snippet of a location that a snippet writes. `server`: that of its server; null: none. `around`: the location
// that it stands in, whose steps it does not inherit; null: it stands in the server.
model::Shared<model::Snippet> settle_location(const Block* server, const Block* around, const Location& location);

}  // namespace sluice::control::snippet
