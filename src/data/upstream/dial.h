#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/upstream/cluster.h"
#include "net/io/task.h"
#include "net/stream.h"

// New connections to pods.
namespace sluice::data {

// How a connection is made and what it is good for: those whose `tls` and `proxy_header` are equal are alike. One that
// begins with a PROXY header speaks for one client, and serves no other.
struct Dial {
  model::Shared<model::UpstreamTls> tls;  // null: plain
  std::string_view alpn;                  // offered by ALPN; empty: none. A literal
  std::string proxy_header;               // sent before anything else; see proxy_out.h
};

inline constexpr Error kUnwatched{Fault::overload, Whose::internal, Retry::no, 503, "cannot watch another descriptor"};

// Would it reach a listener of this process? Endpoints are judged before they get here (control/destination.h); whoever
// finds another way meets this. It costs a look at the port unless that is one of ours.
bool leads_to_us(Worker& worker, const EndpointRuntime& endpoint, model::Transport by = model::Transport::tcp);
// A descriptor whose connect has begun. Idle connections are given up where descriptors lack.
Result<int> open_socket(Worker& worker, const EndpointRuntime& endpoint);
// Until `stream` may carry HTTP: connected, and hands shaken for TLS. Errors are the pod's (whose) and allow another
// attempt, but for settings that cannot be used; `note` gets particulars for the operator.
net::Task<Status> dial(Worker& worker, net::Stream& stream, Dial how, Instant until, std::string& note);

}  // namespace sluice::data
