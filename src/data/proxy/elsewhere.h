#pragma once
#include "data/exchange/exchange.h"
#include "net/io/task.h"

// X-Accel-Redirect, where `compat` is exact: a pod names another path of its host, which answers the client in place of
// it. docs/compat.md; source: nginx, ngx_http_upstream_process_headers.
namespace sluice::data {

// Does the head in ex.memory.response name one? Then ex.elsewhere has it, and the fields that go with it.
bool leads_elsewhere(Exchange& ex);
// Asks what answers for the path that ex.elsewhere has as if the client had asked for it by GET (or HEAD) without a
// body: filters, snippets and limits of that route count, but for limits that the client has been charged for. What is
// named in turn is followed, kMostElsewhere times. The client's answer is sent afterwards, or its connection is to end;
// record and pins of `ex` are then those of who answered.
net::Task<void> answer_from_elsewhere(Exchange& ex);

inline constexpr int kMostElsewhere = 10;

}  // namespace sluice::data
