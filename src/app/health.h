#pragma once
#include <chrono>
#include <string>

namespace sluice::app {

// `sluice health`: asks /readyz of the process whose admin address is ADDR:PORT, prints the answer, and returns the
// exit status: 0 when it serves, 1 when it does not, or not within kHealthPatience. For container runtimes, whose image
// holds no other client.
inline constexpr auto kHealthPatience = std::chrono::seconds(3);
int health(const std::string& admin);

}  // namespace sluice::app
