#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/plan/step.h"

// What requests need, compiled: the steps of every feature that is used, in the order of filter/order.cpp.
namespace sluice::data {

// A feature in the line of all.
struct Ordered {
  const Row* row;
  std::string_view why_here;
};

// Made by the Compiler, immutable, shared by all routes with equal settings and by all workers: it holds no state.
class Plan {
 public:
  struct Entry {
    std::string_view name;  // of the row
    StepPtr step;
  };
  // `rows`: all features that there are, in the order in which they have their say. Null: nothing is used.
  static std::shared_ptr<const Plan> of_route(std::span<const Ordered> rows, const Needs& needs);
  static std::shared_ptr<const Plan> of_process(std::span<const Ordered> rows, const model::Options& options,
                                                bool secured);

  std::span<const Entry> operator[](Phase phase) const noexcept {
    const auto p = static_cast<std::size_t>(phase);
    return std::span(steps_).subspan(begin_[p], begin_[p + 1] - begin_[p]);
  }

 private:
  template <class Make>
  static std::shared_ptr<const Plan> make(std::span<const Ordered> rows, Make&& make);

  std::vector<Entry> steps_;  // those of one phase side by side
  std::array<std::uint8_t, kPhases + 1> begin_{};
};

struct Verdict {
  LocalReply reply;
  std::string_view by;  // the name of what decided
};
inline constexpr std::string_view kProbe = "probe", kStatus = "status-page", kNoRoute = "no-route";

// By the name of what decided: nginx asks it at the server, before it looks for a location.
bool answers_at_server(std::string_view row) noexcept;
// Likewise: it answers there, or in a location before rewrite-target has its turn.
bool answers_before_rewrites(std::string_view row) noexcept;

// Of an address as RequestView::client is.
bool is_loopback(std::span<const std::uint8_t, 16> address) noexcept;

// The decisions about a request, for serve() and for explain. All are pure. Each returns the answer, or nothing.

// What the process says to all requests. `process` may be null.
std::optional<Verdict> decide_for_all(const Plan* process, const RequestView& request);
// What is said where no route takes the request, or the path is one that the proxy answers itself.
std::optional<Verdict> decide_without_route(const Plan* process, const RequestView& request);
// What the route says: its Plan's answers, whether it leads anywhere, its Plan's guards. The request has a route.
// `waits`: gets the guard that has to wait before anybody knows more, or null; without it such guards are passed over.
std::optional<Verdict> decide_for_route(const RequestView& request, const Plan::Entry** waits = nullptr);
// The same from behind a guard that has waited and let the request pass.
std::optional<Verdict> decide_behind(const RequestView& request, const Plan::Entry& waited, const Plan::Entry** waits);

// The effects of what decide_for_route said; null: the request goes on.
void take_effect(Exchange& ex, const Verdict* verdict);

// What is read instead of `body`, which lives as long; null: that is sent as it is. The head may be another afterwards.
std::unique_ptr<BodySource> encode(Exchange& ex, ResponseStart& response, BodySource& body);

// Puts together what a response to this request carries of ours. `process` may be null.
void add_response_fields(const Plan* process, const RequestView& request, ResponseFields& fields);

}  // namespace sluice::data
