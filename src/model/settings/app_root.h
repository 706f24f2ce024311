#pragma once
#include <string>

namespace sluice::model {

// Where requests for the path / of a host are sent (app-root). The builder of hosts leaves it to the routes that such a
// request may have.
struct AppRoot {
  std::string path;
  bool operator==(const AppRoot&) const = default;
};

}  // namespace sluice::model
