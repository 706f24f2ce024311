#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/regex.h"
#include "base/strings.h"
#include "base/texts.h"
#include "model/settings/snippet.h"

namespace sluice::data {

// Where the snippets of a request's route have got to (proxy/program.h). It lies in the exchange's memory and is used
// again: after the first requests it takes no memory of its own. Views are of texts of the exchange, of its head, or of
// the routes that it pins.
struct ProgramState {
  // What answers the request, as an operation of a snippet has it.
  struct Answer {
    const model::SnippetStep* step = nullptr;  // null: `wrong` says why there is none
    std::string_view text;                     // body, or where the client is sent
    std::uint16_t status = 0;                  // 0: no answer
    bool is_location = false;
    bool of_server = false;  // nginx would not have looked for a location
    const char* why = "";
  };

  Texts* texts = nullptr;
  // By `set`, groups with a name and auth_request_set, each once.
  std::vector<std::pair<std::string_view, std::string_view>> variables;
  Regex::Captures groups{};  // $1 to $9
  Answer answer;
  std::uint16_t answering = 0;    // $status of the text that is made for it; 0: of none
  std::uint16_t in_place_of = 0;  // the status that its answer gets, as it stands in for an error; 0: its own
  std::size_t made = 0;           // bytes in `texts` by us; model::Snippet::kMostMade at most
  static constexpr std::uint32_t kNoLevel = ~0U;
  std::uint32_t level = 0;  // of SnippetRules::levels that counts for the response; kNoLevel: none does
  unsigned searches = 0;    // times that a location was looked for again
  bool rewritten = false;   // the path is not the one that came: pods get it, and the query, as they are now
  bool internal = false;    // a rewrite led here
  bool stopped = false;     // no further rewrites: rewrite-target does not count
  bool gave_up = false;     // a pattern took too many steps
  std::string_view target;  // what pods get in place of path and query; empty: those

  void begin(Texts& of) {
    variables.clear();
    groups = {};
    answer = {};
    answering = 0;
    made = 0;
    level = 0;
    searches = 0;
    rewritten = internal = stopped = gave_up = false;
    target = {};
    texts = &of;
  }
  std::string_view value(std::string_view name) const noexcept {
    for (const auto& [known, value] : variables)
      if (iequals(known, name)) return value;
    return {};
  }
  void set(std::string_view name, std::string_view value) {
    for (auto& [known, now] : variables)
      if (iequals(known, name)) {
        now = value;
        return;
      }
    variables.emplace_back(name, value);
  }
};

}  // namespace sluice::data
