#pragma once
#include <span>
#include <string_view>

#include "net/h2/session.h"

// What the log wants of an exchange beside its record: noted when it is there, given when all is over.
namespace sluice::data {

struct Exchange;

// The exchange begins: it holds on to what is wanted now, and has told nothing of it.
void hold_wanted(Exchange& ex);

// These may be called of exchanges alone that hold on to something.
// An attempt failed that another one follows: what its head said is forgotten.
void forget_pod_fields(Exchange& ex);
// The final head of a pod is in ex.memory.response, as it came.
void note_pod_fields(Exchange& ex);
// The head that the client gets: lines of HTTP/1 with the status line, or the fields of HTTP/2.
void note_sent_fields(Exchange& ex, std::string_view head);
void note_sent_fields(Exchange& ex, std::span<const net::h2::Field> fields);

// The exchange is over: the values of the request are noted, and the record gets all.
void give_values(Exchange& ex);
// The same values, in memory of the exchange's own.
void keep_values(Exchange& ex);

}  // namespace sluice::data
