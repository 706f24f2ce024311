#pragma once
#include "data/exchange/exchange.h"
#include "data/plan/step.h"
#include "net/io/task.h"

// Another path of the host answers the client: as a pod names it (X-Accel-Redirect, where `compat` is exact:
// docs/compat.md; source: nginx, ngx_http_upstream_process_headers), or in place of an error (error_page of a snippet:
// docs/snippets.md; source: ngx_http_send_error_page).
namespace sluice::data {

// Does the head in ex.memory.response name one? Then ex.elsewhere has it, and the fields that go with it.
bool leads_elsewhere(Exchange& ex);
// Asks what answers for the path that ex.elsewhere has as if the client had asked for it by GET (or HEAD) without a
// body: filters, snippets and limits of that route count, but for limits that the client has been charged for. What is
// named in turn is followed, kMostElsewhere times. The client's answer is sent afterwards, or its connection is to end;
// record and pins of `ex` are then those of who answered.
net::Task<void> answer_from_elsewhere(Exchange& ex);

inline constexpr int kMostElsewhere = 10;

// Likewise the path of an error page, among those of the namespace. Of an answer of a pod, or of 2xx, the status is the
// page's or the error's, unless the page says that it stays. False: the namespace has no such path, and nothing was
// sent.
net::Task<bool> answer_error_from_elsewhere(Exchange& ex, const model::SnippetErrorPage& page, const LocalReply& error);

}  // namespace sluice::data
