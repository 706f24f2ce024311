#include "model/settings/source_ranges.h"

#include "data/filter/address_set.h"
#include "data/plan/step.h"

// allowlist-, denylist-source-range and block-cidrs.
namespace sluice::data {

namespace {

// Who is denied is refused though he is allowed as well, as nginx has it where `deny` stands first.
class Ranges final : public Step {
 public:
  explicit Ranges(const model::SourceRanges& ranges, bool or_else = false) : lists_(&ranges), or_else_(or_else) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (or_else_ || !request.client_known) return std::nullopt;
    const char* why = refused(request.client);
    if (why == nullptr) return std::nullopt;
    return LocalReply{.status = 403, .why = why};
  }
  bool admits(const std::array<std::uint8_t, 16>& client) const override { return refused(client) == nullptr; }

 private:
  const char* refused(const std::array<std::uint8_t, 16>& client) const noexcept {
    if (lists_.denies(client)) return "the client's address is in denylist-source-range or block-cidrs";
    if (lists_.leaves_out(client)) return "the client's address is not in allowlist-source-range";
    return nullptr;
  }
  const AddressLists lists_;
  const bool or_else_;  // satisfy: any; basic_auth.cpp or auth_answer.cpp asks for all
};

StepPtr of_route(const Needs& needs) {
  const auto& ranges = needs.settings.source_ranges;
  const bool or_else = needs.settings.satisfy_any && (needs.settings.basic_auth || asks_somebody(needs.settings));
  return ranges ? std::make_shared<const Ranges>(*ranges, or_else) : nullptr;
}

// Requests that no Ingress takes are kept from block-cidrs alone, as in ingress-nginx.
StepPtr of_process(const model::Options& options, bool) {
  if (options.block_cidrs.empty()) return nullptr;
  return std::make_shared<const Ranges>(model::SourceRanges{options.block_cidrs, {}});
}

}  // namespace

extern const Row kSourceRanges;
const Row kSourceRanges{"source-ranges", in(Phase::guard), of_route, of_process};

}  // namespace sluice::data
