#pragma once
#include <span>

#include "data/exchange/exchange.h"
#include "data/plan/plan.h"

namespace sluice::data {

// Puts what the Plans add to this response, and the names that they drop, marked as not sent, into the Exchange's
// memory. What it has of these names is dropped. Returns why it cannot be sent (ResponseStart::undecided), or null.
inline const char* put_added_fields(const Exchange& ex, const ResponseStart& response) {
  auto& added = ex.memory.added;
  added.clear();
  const ResponseFields::Response of{response.fields, response.from_pod, *ex.options, response.status};
  ResponseFields fields(added, ex.memory.texts, &of);
  add_response_fields(ex.process, ex, fields);
  return fields.undecided();
}
inline bool has_plans(const Exchange& ex) noexcept {
  return ex.process != nullptr || (ex.route != nullptr && ex.route->plan != nullptr);
}
// These, for who writes the head: made now, unless they are made.
inline std::span<const net::http::Field> added_fields(const Exchange& ex, const ResponseStart& response) {
  if (!has_plans(ex)) return {};
  if (!response.added) put_added_fields(ex, response);
  return ex.memory.added;
}
// The same before the head is written: for who decides by them.
inline void make_added_fields(const Exchange& ex, ResponseStart& response) {
  if (response.added) return;
  if (has_plans(ex)) response.undecided = put_added_fields(ex, response);
  response.added = true;
}

}  // namespace sluice::data
