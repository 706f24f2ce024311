#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/snippet/block.h"

// What an http-snippet has: maps, and zones of limits. A variable that one makes is worked out by steps in front of the
// snippet that names it, which come to the same as nginx's look-up: a request of a route that names none pays nothing.
namespace sluice::control::snippet {

// By the variable's name, lower case: the steps that set it, those of what its own source names in front.
// limit_req_zone or limit_conn_zone.
struct Zone {
  Template key;
  std::vector<std::string> uses;  // variables of maps that the key names
  std::uint32_t a_second = 0;     // thousandths of a request; 0: it is a limit_conn_zone
};

struct Maps {
  static constexpr std::size_t kMostDepth = 4;  // maps that read one another
  std::map<std::string, Zone> zones;
  std::map<std::string, std::vector<model::SnippetStep>> steps;
};

// The whole text or nothing.
std::expected<Maps, Refusal> read_maps(std::string_view text);
// The same, kept for as long as the text stays; without any where there is no text, or none that can be read. Never
// null. Any thread.
std::shared_ptr<const Maps> maps_or_none(const std::string& text);

// Puts the steps in front that the block, and the locations in it, name, and what zones say into the limits that name
// them. Nothing: done.
std::optional<Refusal> insert(const Maps& maps, Block& block);

}  // namespace sluice::control::snippet
