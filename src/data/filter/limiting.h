#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "data/plan/step.h"
#include "data/runtime/worker_context.h"

// What all limits of clients have in common: annotations' and snippets'.
namespace sluice::data {

// Who asks, as bytes behind room for the number of a counter. Scratch of the worker: one at a time, and nothing waits
// while there is one.
class LimitedKey {
 public:
  // Empty where what the key is made of has no value here: then nothing is counted.
  LimitedKey(const Exchange& ex, const Template& of);
  bool empty() const noexcept { return bytes_.size() == sizeof(std::uint64_t); }
  std::uint64_t counter(std::uint64_t of) noexcept;

 private:
  std::string& bytes_;
};

// So many thousandths of a request a second, and so many requests that may come too early. What is above the most that
// can be counted is as good as no limit.
LimitTable::Rate limit_rate(std::uint64_t thousandths_a_second, std::uint64_t burst) noexcept;

// The time that LimitTable goes by.
std::uint32_t limit_time(const Exchange& ex) noexcept;

// Charged to a counter; `said` is told to the worker's figures.
LimitTable::Said note_limit(Exchange& ex, LimitTable::Said said) noexcept;

// Counts a request in flight until it is over. False: there are as many as `most`.
bool enter_limit(Exchange& ex, LimitTable::Key key, std::uint32_t most) noexcept;

// The answer to who asks too often, and to who has too much in flight. A client that goes on asking is told of once a
// second and worker; the counters have all.
LocalReply refused_by_rate(Exchange& ex, const char* why, LimitTable::Said said);
LocalReply refused_by_connections(Exchange& ex, const char* why);

}  // namespace sluice::data
