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

// Starts logging to standard error. `json`: one object a line instead of text. Either way one message is one line:
// control characters (they may come from a manifest or a client) are escaped. An unknown level is info.
// Call once, before other threads.
void start(std::string_view level, bool json);
// Changes the level while running (any thread). Takes trace, debug, info, warn, error, critical, off and nginx's names
// (notice, warning, crit, alert, emerg). Returns false for an unknown one and leaves the level as it is.
bool set_level(std::string_view level);
// Is it one of these names?
bool is_level(std::string_view level);
// The level in force: trace, debug, info, warn, error, critical or off.
std::string level();

}  // namespace sluice::log
