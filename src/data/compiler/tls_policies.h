#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/routing/route_table.h"
#include "model/model.h"
#include "net/tls/tls.h"

// How TLS with clients is spoken, host by host: one context for all hosts that ask for the same.
namespace sluice::data {

// What the options say: so it is for every host that has no policy of its own.
net::tls::ServerPolicy server_policy(const model::Options& options);

// The contexts of hosts with policies of their own. Control thread only.
class TlsPolicies {
 public:
  struct Made {
    std::shared_ptr<net::tls::ServerContext> context;  // null: that of the listener, as nothing else can be had
    std::vector<model::Entry> problems;
  };
  // `host`: for reports.
  Made of(const model::TlsPolicy& wanted, const model::Options& options, std::string_view host);
  std::size_t size() const noexcept { return known_.size(); }

 private:
  std::map<std::string, std::weak_ptr<net::tls::ServerContext>> known_;  // by all that they allow
  std::size_t tidy_at_ = 64;                                             // entries, as in plans.h
};

// The context of the host that a name leads to: requests and handshakes find it by the same walk.
class HostContexts final : public net::tls::ContextSource {
 public:
  explicit HostContexts(std::shared_ptr<const RouteTable> routes) : routes_(std::move(routes)) {}
  std::shared_ptr<net::tls::ServerContext> context_for(std::string_view server_name) const noexcept override;

 private:
  std::shared_ptr<const RouteTable> routes_;
};

}  // namespace sluice::data
