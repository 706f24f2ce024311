#pragma once
#include "data/exchange/exchange.h"
#include "data/plan/step.h"
#include "net/io/task.h"

// What answers in place of errors: custom-http-errors, a Service; and auth-signin, another place where clients sign in.
namespace sluice::data {

// auth-signin, which is nginx's error_page of 401 at the location: whoever says 401 there, the client is sent to sign
// in. Makes the redirect of `reply`, which keeps its challenges; false: it is another error, or the route has no such
// place.
bool send_to_sign_in(const RequestView& request, LocalReply& reply);
// Does the route's Service of error pages answer in place of an error of ours with this status?
bool has_page(const Exchange& ex, int status) noexcept;
// And of a pod's response?
bool intercepts(const Exchange& ex, int status) noexcept;
// Keeps of the pod's response, whose head is in ex.memory.response, what its stand-in needs: the status, and what a 401
// or 407 asks the client for (RFC 9110 sections 11.6.1 and 11.7.1), without which nobody could answer it.
void note_intercepted(Exchange& ex);
// Asks it for the page of an error, and passes its answer on. False: it could not be asked, and nothing was sent.
// Otherwise an Error is one of the client's connection, or the page broke off.
net::Task<Result<bool>> send_error_page(Exchange& ex, const LocalReply& error);
// What a default backend that answers for a Service without endpoints gets to know.
void tell_default_backend(Exchange& ex);

}  // namespace sluice::data
