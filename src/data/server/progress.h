#pragma once
#include <cstdint>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::data {

// How far an exchange has come at its client, whatever the version of HTTP.
struct Progress {
  bool started = false;          // the head of the final response was handed on
  bool complete = false;         // and the last piece behind it
  bool continue_due = false;     // the client keeps its body back until it is told 100
  bool body_stopped = false;     // nobody wants more of the client's body
  std::uint64_t body_bytes = 0;  // of the client's body, so far
  std::uint64_t body_sent = 0;   // of the response's body, so far
  Duration body_wait{};          // for pieces of the client's body, all together
};

// What went wrong at the client's side of it.
inline Error client(Fault fault, const char* detail) noexcept {
  return {fault, Whose::downstream, Retry::no, 0, detail};
}

}  // namespace sluice::data
