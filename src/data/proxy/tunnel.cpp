#include "data/proxy/tunnel.h"

#include <utility>

#include "base/strings.h"
#include "data/proxy/attempt.h"
#include "data/proxy/carry.h"
#include "data/proxy/prepare.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

// protocol-name["/"protocol-version]: names in any case; a version counts where both sides name one.
bool same_protocol(std::string_view a, std::string_view b) noexcept {
  const auto at = a.find('/'), bt = b.find('/');
  if (!iequals(a.substr(0, at), b.substr(0, bt))) return false;
  return at == std::string_view::npos || bt == std::string_view::npos || a.substr(at) == b.substr(bt);
}

}  // namespace

Status switched_as_offered(const Exchange& ex) {
  bool any = false, other = false;
  for (const auto& field : ex.memory.response.fields.all()) {
    if (field.id != net::http::Name::upgrade) continue;
    for_each_element(field.value, [&](std::string_view protocol) {
      any = true;
      other = other || !same_protocol(protocol, ex.head().upgrade_token);
    });
  }
  const auto wrong = [](const char* why) {
    return std::unexpected(Error{Fault::malformed, Whose::upstream, Retry::no, 502, why});
  };
  if (!any) return wrong("101 without the protocol that it switches to");
  if (other) return wrong("101 to a protocol that was not offered");
  return {};
}

net::Task<Status> tunnel(Exchange& ex, Upstream& up) {
  WorkerContext& worker = ex.worker;
  up.hold();
  ResponseStart start;
  start.status = 101;
  start.reason = "Switching Protocols";
  start.fields = ex.memory.response.fields.all();
  start.framing = net::http::Framing::none;
  start.from_pod = true;
  ex.record.status = 101;
  ex.close_after = true;
  Status s = co_await ex.down.start(ex, start, Chunk{{}, true, {}});
  if (!s) co_return s;
  std::string_view early;
  net::Duplex& client = ex.down.become_tunnel(early);
  std::string_view behind;
  net::Duplex& pod = up.become_tunnel(behind);
  const TunnelLimits limits{ex.options->tunnel_idle_timeout, ex.options->tunnel_max_lifetime};
  Carried carried;
  if (!early.empty()) {
    const iovec part{const_cast<char*>(early.data()), early.size()};
    carried.up += early.size();
    if (!pod.write_now({&part, 1})) s = co_await pod.finish_write(limits.idle);
    if (!s) co_return s;
  }
  if (!behind.empty()) {
    const iovec part{const_cast<char*>(behind.data()), behind.size()};
    carried.down += behind.size();
    if (!client.write_now({&part, 1})) s = co_await client.finish_write(limits.idle);
    if (!s) co_return s;
  }
  // How long a tunnel is open says nothing of its pod, and the Cluster is given up here.
  if (AttemptInFlight* const answered = std::exchange(ex.in_flight, nullptr)) note_outcome(ex, *answered, Status{});
  keep_for_log(ex);
  ex.down.give_buffers_back();
  worker.stats.tunnels.add();
  worker.stats.tunnels_active.add();
  co_await carry(worker, client, pod, limits, carried);
  worker.stats.tunnels_active.sub();
  ex.record.request_length += carried.up;
  ex.record.body_bytes_sent += carried.down;
  co_return Status{};
}

}  // namespace sluice::data
