#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/snippet/block.h"

// The maps of an http-snippet. A variable that one makes is worked out by steps in front of the snippet that names it,
// which come to the same as nginx's look-up: a request of a route that names none pays nothing.
namespace sluice::control::snippet {

// By the variable's name, lower case: the steps that set it, those of what its own source names in front.
struct Maps {
  static constexpr std::size_t kMostDepth = 4;  // maps that read one another
  std::map<std::string, std::vector<model::SnippetStep>> steps;
};

// The whole text or nothing.
std::expected<Maps, Refusal> read_maps(std::string_view text);
// The same, kept for as long as the text stays. Null: there is none, or it cannot be read. Any thread.
std::shared_ptr<const Maps> maps_of(const std::string& text);

// Puts the steps in front that the block, and the locations in it, name. Nothing: done.
std::optional<Refusal> insert(const Maps& maps, Block& block);

}  // namespace sluice::control::snippet
