#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::control {

// Statuses from 400 to 599, separated by commas, in order and each once. Returns what was expected, or nothing; `out`
// has those that are statuses in any case.
std::string read_statuses(std::string_view written, std::vector<std::uint16_t>& out);
std::string statuses_text(const std::vector<std::uint16_t>& statuses);

}  // namespace sluice::control
