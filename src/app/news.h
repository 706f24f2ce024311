#pragma once
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "control/control.h"
#include "model/report.h"

// What a batch of changes brought, for whoever follows the log: at the start all that is refused or doubtful, then what
// is new and what is over. A problem whose line moved is no news.
namespace sluice::app {

class News {
 public:
  // `reported`: the Model's Report or the compiler's differs from the one before.
  void tell(const control::Update& update, const model::Report& compiled, bool reported);

 private:
  void tell_all(const model::Report& model, const model::Report& compiled) const;

  struct Told {
    std::size_t count = 0;  // of this identity
    model::Severity severity{};
    std::string line;
  };
  std::map<std::string, Told> told_;        // by identity; errors and warnings
  std::unordered_set<std::string> served_;  // Ingresses
  bool begun_ = false;
};

}  // namespace sluice::app
