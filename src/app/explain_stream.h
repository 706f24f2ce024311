#pragma once
#include <iosfwd>
#include <string_view>

#include "control/control.h"

namespace sluice::app {

// Is it the word of a transport, in the place of a method?
bool names_transport(std::string_view method);
// Where connections (tcp) or datagrams (udp) of a port go. `port`: "5432" or ":5432".
int run_explain_stream(const control::Settings& settings, std::string_view transport, std::string_view port, bool json,
                       std::ostream& out);

}  // namespace sluice::app
