#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/ingress/translator.h"

// Which routes of one host answer 503 because something that guards them is not served, and why.
namespace sluice::control {

// Does the configured path need no authentication?
bool needs_no_auth(std::string_view path, const std::vector<std::string>& no_auth_locations);

class HostClosing {
 public:
  // `ingresses`: those of the host that are served, the oldest first; `owner`: the namespace that the host belongs to.
  // All must outlive this, as must the options.
  HostClosing(const std::vector<const IngressState*>& ingresses, std::string_view owner, const model::Options& options);

  // A path of `owner` that is to be a regular expression and is none, before the questions below: if something guards
  // it, nobody knows which requests that would be.
  void add_unreadable(const IngressState& owner, std::string_view path);

  // Why a path of `owner` is closed; empty when it is open.
  Text why(const IngressState& owner, std::string_view path);
  // Says so at each Ingress that is closed for another's sake.
  void report(const std::string& host, Entries& entries);

 private:
  struct Closed {
    std::string why;
    std::string names;  // of what --accept-unprotected would have to name
    Text text{};        // `why`, once for all routes
  };
  void settle();
  Closed* closed_for_others(const IngressState& owner);

  const std::vector<const IngressState*>& ingresses_;
  std::string_view owner_;
  const model::Options& options_;
  std::vector<std::pair<const IngressState*, std::string>> unreadable_;
  std::map<std::string_view, Closed> closed_;  // by namespace; "" is everybody
  bool settled_ = false;
  std::map<const IngressState*, Text> own_;  // one text for all routes of an Ingress
};

}  // namespace sluice::control
