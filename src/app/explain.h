#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "control/control.h"

namespace sluice::app {

// `sluice explain`: which host and route take a request, why the others do not, and what would be answered, decided by
// the code that serves. `url`: http(s)://host[:port]/path?query. `headers`: "Name: value"; Host, Content-Length and,
// with use-forwarded-headers, X-Forwarded-Proto and X-Forwarded-Host count. `from`: the client's address; empty: it is
// not known, and nobody is refused for it. Returns 0, or 2 with a line that says what is wrong with the arguments or
// with the directory.
int run_explain(const control::Settings& settings, std::string method, std::string url,
                std::vector<std::string> headers, const std::string& from, bool json, std::ostream& out);

}  // namespace sluice::app
