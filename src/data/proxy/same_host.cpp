#include "data/proxy/same_host.h"

#include "data/proxy/prepare.h"
#include "data/proxy/serve.h"
#include "data/proxy/subrequest.h"
#include "data/routing/host_routes.h"

namespace sluice::data {

OfSameHost::OfSameHost(Exchange& asker, Downstream& to, net::http::Method method, std::string_view target)
    : asker_(asker), memory_(asker.worker), ex_(asker.worker, to, asker.peer, *memory_), given_up_(asker, ex_) {
  ex_.asker = &asker;
  // Of the connection, as whoever received the request has told it.
  ex_.record.tls_protocol = asker.record.tls_protocol;
  ex_.record.tls_cipher = asker.record.tls_cipher;
  ex_.record.server_name = asker.record.server_name;
  auto& head = ex_.head();
  head = asker.head();
  head.method = method;
  head.method_text = net::http::to_string(method);
  head.target = head.path_query = target;
  leave_body_out(head);
  for (auto& f : head.fields.all()) {
    if (f.id == net::http::Name::content_length) f.drop = true;
    // What was meant for the first route, or counted by it, is for the next one to see.
    if (f.id == net::http::Name::authorization || f.id == net::http::Name::cdn_loop) f.drop = false;
  }
}

OfSameHost::~OfSameHost() {
  release(ex_);
}

net::Task<void> OfSameHost::run() {
  asker_.waiting_on = &given_up_;
  net::Task<void> serving = serve(ex_);
  co_await serving;
  asker_.waiting_on = nullptr;
}

const Route* find_of_same_host(const RequestView& main, const RouteTable& routes, std::string_view host,
                               std::string_view path, Doubt& doubt) noexcept {
  const HostRoutes* const at = routes.host(host);
  if (at == nullptr || main.route == nullptr) return nullptr;
  return at->match_of(main.route->spec->ns.view(), path, doubt);
}

}  // namespace sluice::data
