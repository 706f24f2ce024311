#pragma once
#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

// The program log: what an operator reads at 3 a.m. Not the access log. Never called for each request.
namespace sluice::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

// Starts logging to standard error. `json`: one object a line instead of text. Call once, before other threads.
void start(std::string_view level, bool json);
// Changes the level while running (any thread). Returns false for an unknown level.
bool set_level(std::string_view level);

}  // namespace sluice::log
