#pragma once
#include <boost/json/object.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/source/kinds.h"
#include "control/source/node.h"

namespace sluice::control::cluster {

// Where something is reached: IP addresses and names in order, with blanks between them. One text, as it is kept for
// each object.
std::string addresses_text(std::vector<std::string> addresses);
// What a LoadBalancer or an Ingress has in status.loadBalancer.
std::vector<std::string> load_balancer_of(const Node& object);

// How the status of a kind is read and written: a row for each kind that has one (KindRow::has_status). What a status
// says is one text, in a form that is the row's own; it is written when it is not what it should be.
struct StatusRow {
  const char* kind;  // of kKinds
  std::string (*read)(const Node& object);
  // What it should say. `now`: what it says, with what others have said there; `parents`: those of the object that
  // serve it (StatusKey), at least one; `addresses`: where that is, empty when we are about to end.
  std::string (*want)(const std::string& now, const std::set<std::string>& parents, const std::string& addresses);
  // The member `status` of a merge patch that says it.
  boost::json::object (*write)(const std::string& wanted);
  bool has_verdict = false;  // --status-annotation is for it
};

std::span<const StatusRow> status_rows() noexcept;

}  // namespace sluice::control::cluster
