#pragma once
#include <span>

#include "data/exchange/exchange.h"
#include "data/plan/plan.h"

namespace sluice::data {

// What the Plans add to this response, and the names that they drop, marked as not sent. What it has of these names is
// dropped.
inline std::span<const net::http::Field> added_fields(const Exchange& ex, const ResponseStart& response) {
  if (ex.process == nullptr && (ex.route == nullptr || ex.route->plan == nullptr)) return {};
  auto& added = ex.memory.added;
  if (response.added) return added;
  added.clear();
  const ResponseFields::Response of{response.fields, response.from_pod, *ex.options, response.status};
  ResponseFields fields(added, ex.memory.texts, &of);
  add_response_fields(ex.process, ex, fields);
  return added;
}
// The same before the head is written: for who decides by them.
inline void make_added_fields(const Exchange& ex, ResponseStart& response) {
  added_fields(ex, response);
  response.added = true;
}

}  // namespace sluice::data
