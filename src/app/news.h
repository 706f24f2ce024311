#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/control.h"
#include "model/report.h"

// What a batch of changes brought, for whoever follows the log: at the start all that is refused or doubtful, then what
// is new and what is over. A problem whose line moved is no news.
namespace sluice::app {

class News {
 public:
  void tell(const control::Update& update, const model::Report& compiled);

 private:
  void tell_all(const std::vector<model::Entry>& entries) const;

  struct Told {
    std::size_t count = 0;  // of this identity
    model::Entry entry;
  };
  std::map<std::string, Told> told_;  // by identity; errors and warnings
  std::set<std::string> served_;      // Ingresses
  bool begun_ = false;
};

}  // namespace sluice::app
