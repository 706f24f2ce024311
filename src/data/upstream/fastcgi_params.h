#pragma once
#include <string>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/upstream/request_fields.h"

namespace sluice::data {

// Appends the stream of parameters of a request (net::fcgi::Params): those of the route's settings, then HTTP_NAME for
// each field that pods of HTTP would get. `body`: none, or its length. Whatever a client sends becomes a value, or one
// of the names that begin with HTTP_. Fails where a rewrite made a path that nobody can read.
Status append_params(Exchange& ex, const BodyShape& body, std::string& out);

}  // namespace sluice::data
