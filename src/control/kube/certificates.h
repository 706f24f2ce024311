#pragma once
#include <map>
#include <set>
#include <string>

#include "control/kube/annotations/registry.h"
#include "control/kube/core.h"

namespace sluice::control {

// Certificates, made of Secrets, for all who show them; and what else is read of Secrets by itself. One thread.
class Certificates final : public Dependant {
 public:
  explicit Certificates(Core& core);

  // `host` shows `uses` ("ns/name" of Secrets, with who names it there) from here on instead of `had`.
  void show(const std::string& host, Names& had, const std::map<std::string, RefPtr>& uses);
  void mark(const std::string& name) override { dirty_.insert(name); }
  bool dirty() const noexcept { return !dirty_.empty(); }
  void rebuild(model::Change& change);

  // The Secret of proxy-ssl-secret as UpstreamTls; an empty pointer and `why` when it cannot be used.
  struct Unusable {
    const char *reason = "", *annotation = "proxy-ssl-secret";  // as the Report has them
    std::string value{}, expected{};
  };
  model::Shared<model::UpstreamTls> upstream_tls(const ProxySsl& wanted, Unusable& why);

 private:
  struct User {
    RefPtr ingress;
    bool alone;  // the host has no other Secret
  };
  struct State {
    std::map<std::string, User> users;  // by host
    References::Uses names;             // its Secret
    Instant grace{};                    // until when its pair is kept, as its Secret is gone; none: it is there
  };
  State& known(const std::string& name);
  void rebuild(const std::string& name, model::Change& change);
  std::shared_ptr<const model::Certificate> build(const std::string& name, State& c, Entries& entries);

  Core& core_;
  StringMap<State> all_;  // by "ns/secret"
  std::set<std::string> dirty_;
};

}  // namespace sluice::control
