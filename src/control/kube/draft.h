#pragma once
#include <memory>
#include <set>
#include <string>

#include "model/model.h"

namespace sluice::control {

// The Model that is being made. One that was handed out does not change while anybody holds it.
class Draft {
 public:
  model::Model* operator->() const noexcept { return model_.get(); }
  model::Model& operator*() const noexcept { return *model_; }
  std::shared_ptr<const model::Model> handed_out() const { return model_; }

  // Before anything is changed. Makes sure that nobody else holds it. Whoever holds the last one has usually let go of
  // the one before: that one is brought up to date by what changed since, which costs less than a copy.
  void begin();
  // What was changed.
  void end(const model::Change& change);

 private:
  std::shared_ptr<model::Model> model_ = std::make_shared<model::Model>();
  std::shared_ptr<model::Model> spare_;  // the Model before, and what it lacks
  struct Behind {
    std::set<std::string> hosts, clusters, certificates;
    bool report = false;
  } behind_;
};

}  // namespace sluice::control
