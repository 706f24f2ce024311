#pragma once
#include <memory>
#include <string_view>

#include "data/snapshot/snapshot.h"
#include "model/model.h"

namespace sluice::data {

// Turns Models into Publications, one after the other, each at the cost of what changed. Control thread only.
// Bad parts (a key that does not match its certificate…) are refused alone: the previous form of that part is kept
// when there is one, and report() says so.
class Compiler {
 public:
  Compiler();
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  Publication compile(const model::Model& model, const model::Change& change);
  // After compile() threw, or a Publication did not reach everybody: the next compile() must be of everything, and its
  // Publication holds everything. Numbers of Clusters and of metrics stay, and so do the last good pairs.
  void start_over() noexcept;
  // Problems of the last compiled state (certificates), without those of model.report.
  const model::Report& report() const;
  // "namespace/name" of the Secret whose pair the host is served with (of ECDSA, where there are several); empty: it is
  // served with the default certificate. Until the next compile().
  std::string_view secret_of(std::string_view host) const;
  // For a worker that starts late, and for explain: everything as one publication.
  Publication everything() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::data
