#pragma once
#include <string>

#include "control/control.h"

namespace CLI {
class App;
}

namespace sluice::app {

// Reads `path`, a YAML map whose keys are long flags of `flags` without their dashes, or option keys
// (docs/configmap.md). A flag that the command line or the environment has set keeps its value, and so does a key
// that is in `settings.set`. Returns an empty string, or what is wrong, with file, line and what was expected.
std::string apply_config_file(const std::string& path, CLI::App& flags, control::Settings& settings);

}  // namespace sluice::app
